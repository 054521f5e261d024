//! Another program to take turns with, and what two processes are compared by.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// PyTorch, which answers one line with another.
pub(crate) struct Peer {
    /// Its name and version.
    version: String,
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Peer {
    /// Starts `peers/<name>.py` in the environment of `PEER_PYTHON`, or in the one that `peers/setup.sh` makes.
    pub(crate) fn start(name: &str) -> Option<Self> {
        Self::start_with(name, &[])
    }

    /// As [`start`](Self::start), with arguments.
    pub(crate) fn start_with(name: &str, arguments: &[&OsStr]) -> Option<Self> {
        Self::start_in(("PEER_PYTHON", ".venv"), name, arguments)
    }

    /// As [`start_with`](Self::start_with), in the environment that this variable names, or in this folder of `peers`.
    pub(crate) fn start_in(
        (variable, environment): (&str, &str),
        name: &str,
        arguments: &[&OsStr],
    ) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let own = folder.join(environment).join("bin/python");
        let python = std::env::var_os(variable).map_or(own, Into::into);
        let child = Command::new(python)
            .arg(folder.join(format!("{name}.py")))
            .args(arguments)
            .env_remove("OPENBLAS_CORETYPE")
            .env_remove("OPENBLAS_L2_SIZE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.ok()?;
        let answers = BufReader::new(child.stdout.take()?);
        let version = String::new();
        let mut peer = Self {
            version,
            child,
            answers,
        };
        peer.version = peer.line()?;
        println!("{name}, beside {}", peer.version);
        Some(peer)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        (!line.is_empty()).then(|| line.trim().to_owned())
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{question}").unwrap();
        self.line().expect("an answer of the peer")
    }

    /// Wall and CPU time in milliseconds.
    pub(crate) fn times(&mut self, question: &str) -> [f64; 2] {
        self.numbers(question)
    }

    /// The numbers of an answer.
    pub(crate) fn numbers<const K: usize>(&mut self, question: &str) -> [f64; K] {
        let answer = self.ask(question);
        let mut words = answer.split(' ').map(|word| word.parse().unwrap());
        std::array::from_fn(|_| words.next().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Times of the same work in the same turns.
pub(crate) struct Pair<'a> {
    /// What is measured, and of which size.
    pub(crate) path: String,
    /// The peer's name where it has several libraries, else its first line says it.
    pub(crate) library: Option<&'a str>,
    /// Milliseconds of each turn.
    pub(crate) ours: &'a [f64],
    /// Milliseconds of each turn, at each number of threads that was tried.
    pub(crate) theirs: &'a [Vec<f64>],
    /// Ours as a fraction of what bounds it, and its name.
    pub(crate) limit: Option<(f64, &'static str)>,
}

impl Pair<'_> {
    /// Prints the ratio, and adds it to the file that `PEER_PAIRS` names.
    pub(crate) fn tell(&self, peer: &Peer) {
        let better = self
            .theirs
            .iter()
            .min_by(|a, b| median(a.to_vec()).total_cmp(&median(b.to_vec())));
        let Some(theirs) = better else { return };
        let ratios: Vec<f64> = theirs.iter().zip(self.ours).map(|(a, b)| a / b).collect();
        let [low, ratio, high] = [0.25, 0.5, 0.75].map(|share| quantile(ratios.clone(), share));
        let (ours, theirs) = (median(self.ours.to_vec()), median(theirs.clone()));
        let words = peer.version.split_once(' ');
        let (name, version) = words.unwrap_or((&peer.version, ""));
        // Of several libraries in one process the line names what they share.
        let (name, version) = match self.library {
            Some(library) => (library, format!("with {}", peer.version)),
            None => (name, version.to_owned()),
        };
        println!(
            "{}: ours {ours:.2} ms, {name} {theirs:.2} ms, ratio {ratio:.2} ({low:.2} to {high:.2})",
            self.path
        );
        let finite = [ours, theirs, low, ratio, high];
        assert!(finite.iter().all(|x| x.is_finite()), "{finite:?}");
        let Some(file) = std::env::var_os("PEER_PAIRS") else {
            return;
        };
        let line = serde_json::json!({
            "path": self.path, "peer": name, "version": version, "unit": "ms", "turns": self.ours.len(),
            "ours": ours, "theirs": theirs, "ratio": ratio, "low": low, "high": high,
            "limit": self.limit.map(|(fraction, name)| serde_json::json!({ "fraction": fraction, "of": name })),
        });
        let file = OpenOptions::new().create(true).append(true).open(file);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
}

/// Wall and CPU times of rounds, in milliseconds.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    pub(crate) fn push(&mut self, [wall, cpu]: [f64; 2]) {
        self.wall.push(wall);
        self.cpu.push(cpu);
    }

    pub(crate) fn wall(&self) -> f64 {
        median(self.wall.clone())
    }

    /// The mean: the system tells CPU time in steps of 10 ms.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.iter().sum::<f64>() / self.cpu.len() as f64
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let least = |of: &[f64]| of.iter().copied().fold(f64::INFINITY, f64::min);
        write!(
            f,
            "{:.0} ms (least {:.0}, CPU time {:.0})",
            self.wall(),
            least(&self.wall),
            least(&self.cpu)
        )
    }
}

/// Whether the command line names this bench: one beside a peer runs only then.
pub(crate) fn is_wanted(name: &str) -> bool {
    let mut wanted = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    wanted.any(|part| name.contains(part.as_str()))
}

/// The value below which this share of the values is.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this process so far in milliseconds, where the system tells (10 ms steps).
pub(crate) fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    10.0 * ticks
        .filter_map(|word| word.parse::<f64>().ok())
        .sum::<f64>()
}
