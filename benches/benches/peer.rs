//! Another program to take turns with, and what two processes are compared by.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// PyTorch, which answers one line with another.
pub(crate) struct Peer {
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let own = folder.join(".venv/bin/python");
        let python = std::env::var_os("PEER_PYTHON").map_or(own, Into::into);
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
        let mut peer = Self { child, answers };
        println!("{name}, beside {}", peer.line()?);
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
