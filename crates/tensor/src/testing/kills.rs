//! Runs that are killed at random moments, and go on.

use std::env;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Set in the process of a run that is killed: its folder.
const FOLDER: &str = "REGIMEN_KILLED_RUN";

/// How many kills; the fault driver sets it.
const KILLS: &str = "REGIMEN_KILLS";

/// What a run says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It goes on after this step, 0 if there was no checkpoint.
    Restored(u64),
    /// The checkpoint of this step is on the disk.
    Saved(u64),
    /// It has ended with this: all its bits, or digests of them, as one line.
    Ended(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored(step) => write!(f, "restored {step}"),
            Self::Saved(step) => write!(f, "saved {step}"),
            Self::Ended(end) => write!(f, "ended {end}"),
        }
    }
}

impl Said {
    /// From the line of a process. The test harness may have written the test's name before it.
    fn read(line: &str) -> Option<Self> {
        let (_, said) = line.split_once('@')?;
        let (word, value) = said.split_once(' ')?;
        match word {
            "restored" => value.parse().ok().map(Self::Restored),
            "saved" => value.parse().ok().map(Self::Saved),
            "ended" => Some(Self::Ended(value.to_owned())),
            _ => None,
        }
    }
}

/// What the kills of a run have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kills {
    /// Processes that were killed.
    pub done: usize,
    /// Processes that went on from less than had been saved, or could not go on.
    pub lost: usize,
    /// Runs that ended otherwise than the straight one.
    pub different: usize,
}

/// A run in processes of their own that are killed, half of them at any moment and half while they save, and goes on until it
/// has ended; then the next one, until there were enough kills.
///
/// The run is the test itself, which is started again by its name:
///
/// ```no_run
/// use std::path::Path;
/// use regimen_tensor::testing::{KillTest, Said};
///
/// fn program(folder: &Path, say: &mut dyn FnMut(Said)) {
///     // Restores, trains and saves in the folder, and says so.
/// #   let _ = folder;
///     say(Said::Ended("the bits of all that it kept".into()));
/// }
///
/// # fn scratch() -> &'static Path { Path::new("/tmp") }
/// // #[test] fn a_killed_run_goes_on() of the module `kills`
/// let test = KillTest::new("training", "kills::a_killed_run_goes_on");
/// let kills = test.run(scratch(), program)?;
/// assert_eq!((kills.lost, kills.different), (0, 0), "{kills:?}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KillTest {
    name: &'static str,
    test: &'static str,
    kills: usize,
    save: Duration,
}

impl KillTest {
    /// `name` is that of the line of counts, `test` the full name of the test. There are 5 kills, or as many as the
    /// environment variable `REGIMEN_KILLS` says.
    #[must_use]
    pub fn new(name: &'static str, test: &'static str) -> Self {
        Self {
            name,
            test,
            kills: 5,
            save: Duration::from_millis(20),
        }
    }

    /// Another number of kills where the environment names none.
    #[must_use]
    pub fn with_kills(self, kills: usize) -> Self {
        Self { kills, ..self }
    }

    /// About how long a save takes, 20 ms where nothing is said: half of the kills come within this time of its start.
    #[must_use]
    pub fn with_save(self, save: Duration) -> Self {
        Self { save, ..self }
    }

    /// Kills the run, which keeps its checkpoints in folders under `scratch`, and prints the line of counts that the fault driver
    /// reads: `kills,<name>,<kills>,<lost>,<different>`. In a process that is to be killed, does what `program` does.
    ///
    /// # Errors
    /// If a process can't be started or killed, the straight run does not end, or `REGIMEN_KILLS` is no number.
    #[allow(
        clippy::print_stdout,
        reason = "the processes report by lines, and the fault driver reads the counts"
    )]
    pub fn run(
        &self,
        scratch: &Path,
        mut program: impl FnMut(&Path, &mut dyn FnMut(Said)),
    ) -> Result<Kills> {
        if let Some(folder) = env::var_os(FOLDER) {
            program(Path::new(&folder), &mut |said| println!("@{said}"));
            return Ok(Kills::default());
        }
        let asked = match env::var(KILLS) {
            Ok(kills) => kills.parse().map_err(|error| {
                Error::new(ErrorKind::InvalidInput, format!("{KILLS}: {error}"))
            })?,
            Err(_) => self.kills,
        };
        let kills = self.killed(scratch, asked)?;
        let Kills {
            done,
            lost,
            different,
        } = kills;
        println!("kills,{},{done},{lost},{different}", self.name);
        Ok(kills)
    }

    fn killed(&self, scratch: &Path, asked: usize) -> Result<Kills> {
        let start = Instant::now();
        let straight = self.straight(&scratch.join("straight"))?;
        let length = start.elapsed();
        let (mut kills, mut draw) = (Kills::default(), Draw(0x9e37_79b9_7f4a_7c15));
        for turn in 0_u64.. {
            if kills.done >= asked {
                break;
            }
            let folder = scratch.join(turn.to_string());
            let mut seen = Seen::default();
            while seen.end.is_none() {
                let (mut child, lines) = self.launch(&folder)?;
                if kills.done < asked {
                    let ended = if kills.done.is_multiple_of(2) {
                        let moment = Instant::now() + draw.below(length);
                        seen.listen(&lines, || Instant::now() >= moment)
                    } else {
                        let ended = seen.listen(&lines, || is_saving(&folder));
                        std::thread::sleep(draw.below(self.save));
                        ended
                    };
                    if !ended {
                        child.kill()?;
                        kills.done += 1;
                    }
                }
                seen.listen(&lines, || false);
                let status = child.wait()?;
                // A process that ended by itself has said its end: else it could not restore or save.
                if seen.end.is_none() && status.code().is_some() {
                    seen.lost += 1;
                    break;
                }
            }
            kills.lost += seen.lost;
            kills.different += usize::from(seen.end.as_ref() != Some(&straight));
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
        Ok(kills)
    }

    /// The end of a run that nothing disturbs.
    fn straight(&self, folder: &Path) -> Result<String> {
        let (mut child, lines) = self.launch(folder)?;
        let mut seen = Seen::default();
        seen.listen(&lines, || false);
        child.wait()?;
        seen.end
            .ok_or_else(|| Error::other("the straight run does not end"))
    }

    /// The run in a process of its own, and what it says.
    fn launch(&self, folder: &Path) -> Result<(Child, Receiver<Said>)> {
        let mut child = Command::new(env::current_exe()?)
            .args(["--exact", self.test, "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let (send, receive) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if Said::read(&line).is_some_and(|said| send.send(said).is_err()) {
                        break;
                    }
                }
            });
        }
        Ok((child, receive))
    }
}

/// What is known of a run over all its processes.
#[derive(Default)]
struct Seen {
    saved: u64,
    lost: usize,
    end: Option<String>,
}

impl Seen {
    /// Hears the process until this moment, or until it ends; whether it has ended.
    fn listen(&mut self, lines: &Receiver<Said>, until: impl Fn() -> bool) -> bool {
        loop {
            match lines.recv_timeout(Duration::from_micros(300)) {
                Ok(Said::Restored(step)) => self.lost += usize::from(step < self.saved),
                Ok(Said::Saved(step)) => self.saved = self.saved.max(step),
                Ok(Said::Ended(end)) => self.end = Some(end),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if until() {
                return false;
            }
        }
    }
}

/// Moments, by xorshift from a fixed seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Whether a checkpoint is being written.
fn is_saving(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| PathBuf::from(entry.file_name()))
        .any(|name| name.extension().is_some_and(|end| end == "partial"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_says_is_read_after_the_name_of_the_test() {
        for said in [
            Said::Restored(0),
            Said::Saved(12),
            Said::Ended("ab cd".into()),
        ] {
            let line = format!("test a::b ... @{said}");
            assert_eq!(Said::read(&line), Some(said));
        }
        assert_eq!(Said::read("running 1 test"), None);
        assert_eq!(Said::read("@saved much"), None);
    }

    #[test]
    fn moments_are_the_same_each_time_and_below_their_limit() {
        let drawn = || {
            let mut draw = Draw(5);
            [(); 50].map(|()| draw.below(Duration::from_secs(1)))
        };
        assert_eq!(drawn(), drawn());
        assert!(
            drawn()
                .iter()
                .all(|moment| *moment < Duration::from_secs(1))
        );
    }
}
