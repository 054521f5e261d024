//! A run that is killed at any moment, also while it saves, goes on from what it saved last and ends with the same bits.
//!
//! `REGIMEN_KILLS` is the number of kills, 5 where it is not set.
#![allow(
    clippy::print_stdout,
    reason = "the program that is killed reports by lines, and the fault driver reads the counts"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::*;

/// Where the killed program runs.
const FOLDER: &str = "REGIMEN_KILLED_RUN";

/// Steps of a run, and how often it saves.
const STEPS: u64 = 40;
const EVERY: u64 = 2;

/// A state of some size, so that saving takes time: the step in all bytes.
struct Ballast(Vec<u8>);

impl Part for Ballast {
    fn kind(&self) -> String {
        "ballast 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.0.clone())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// The run: says what it restores and saves, and at last its bits.
fn program(folder: &Path, mut say: impl FnMut(String)) {
    let mut run = Run::new(DType::F32);
    let mut ballast = Ballast(vec![0; 1 << 21]);
    let restored = run.unit(folder).with("ballast", &mut ballast).restore();
    let start = restored.unwrap().unwrap_or(0);
    assert_eq!((run.batches.0, ballast.0[0]), (start, start as u8));
    say(format!("restored {start}"));
    for step in start + 1..=STEPS {
        run.step();
        ballast.0.fill(step as u8);
        if step % EVERY == 0 {
            run.unit(folder)
                .with("ballast", &mut ballast)
                .save(step)
                .unwrap();
            say(format!("saved {step}"));
        }
    }
    let bits = run
        .bits()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    say(format!("bits {bits}"));
}

/// The program in a process of its own, and what it says.
fn launch(folder: &Path) -> (Child, Receiver<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "checkpoint::kills::a_killed_run_loses_nothing_that_was_saved",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // The test's own name may stand in front of the first line.
            let said = line.split_once('@').map(|(_, said)| said.to_owned());
            if said.is_some_and(|said| send.send(said).is_err()) {
                break;
            }
        }
    });
    (child, receive)
}

/// What is known of a run over all its launches.
#[derive(Default)]
struct Seen {
    saved: u64,
    /// Launches that restored less than had been saved, or nothing that could be read.
    lost: usize,
    bits: Option<String>,
}

impl Seen {
    fn hear(&mut self, line: &str) {
        let (word, value) = line.split_once(' ').unwrap();
        let step = || value.parse::<u64>().unwrap();
        match word {
            "restored" => self.lost += usize::from(step() < self.saved),
            "saved" => self.saved = self.saved.max(step()),
            _ => self.bits = Some(value.to_owned()),
        }
    }

    /// Hears the program until this moment, or until it ends; whether it has ended.
    fn listen(&mut self, lines: &Receiver<String>, until: impl Fn() -> bool) -> bool {
        loop {
            match lines.recv_timeout(Duration::from_micros(300)) {
                Ok(line) => self.hear(&line),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if until() {
                return false;
            }
        }
    }
}

/// Whether a checkpoint is being written.
fn is_saving(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| PathBuf::from(entry.file_name()))
        .any(|name| name.extension().is_some_and(|end| end == "partial"))
}

#[test]
fn a_killed_run_loses_nothing_that_was_saved() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return program(Path::new(&folder), |line| {
            println!("@{line}");
        });
    }
    let kills: usize = std::env::var("REGIMEN_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let mut straight = None;
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    program(folder.path(), |line| {
        straight = line
            .strip_prefix("bits ")
            .map(str::to_owned)
            .or(straight.take());
    });
    let length = start.elapsed();
    let (mut done, mut lost, mut different) = (0, 0, 0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(std::process::id());
    let mut draw = |below: u128| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        Duration::from_micros(u64::try_from(u128::from(random) % below.max(1)).unwrap())
    };
    while done < kills {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::default();
        while seen.bits.is_none() {
            let (mut child, lines) = launch(folder.path());
            if done < kills {
                // Half of the kills fall anywhere, half into the writing of a checkpoint.
                let ended = if done % 2 == 0 {
                    let moment = Instant::now() + draw(length.as_micros());
                    seen.listen(&lines, || Instant::now() >= moment)
                } else {
                    let ended = seen.listen(&lines, || is_saving(folder.path()));
                    std::thread::sleep(draw(20_000));
                    ended
                };
                if !ended {
                    child.kill().unwrap();
                    done += 1;
                }
            }
            seen.listen(&lines, || false);
            let status = child.wait().unwrap();
            // A program that ended by itself has its bits: else it could not restore or save.
            let whole = seen.bits.is_some() || status.code().is_none();
            if !whole {
                seen.lost += 1;
                break;
            }
        }
        lost += seen.lost;
        different += usize::from(seen.bits != straight);
    }
    println!("kills,checkpoint,{done},{lost},{different}");
    assert_eq!((lost, different), (0, 0), "{done} kills");
}
