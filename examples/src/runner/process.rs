//! A seed in its own process.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};

use super::{Job, Plan, Store};
use crate::experiment::{Failure, SeedResult};

/// How much of what a process wrote last is kept, in bytes.
const TAIL: usize = 2000;

/// A seed that runs in its own process and writes its result to a file.
pub(super) struct Running<'a> {
    job: &'a Job,
    /// Its standard input is a pipe of ours: the process ends when that closes, so it can't outlive this program.
    process: Child,
    errors: Option<JoinHandle<String>>,
    file: PathBuf,
}

impl<'a> Running<'a> {
    pub(super) fn start(
        program: &Path,
        plan: &Plan,
        job: &'a Job,
        store: &Store,
        threads: usize,
    ) -> Result<Self> {
        let file = store.file(job);
        let mut command = Command::new(program);
        command.args(job.arguments()).arg("--out").arg(&file);
        if plan.full {
            command.arg("--full");
        }
        if let Some(data) = &plan.folder {
            command.arg("--data").arg(data);
        }
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}, seed {}", job.system.name, job.seed))?;
        let errors = process.stderr.take();
        Ok(Self {
            job,
            process,
            errors: errors.map(|stream| std::thread::spawn(move || tail(stream))),
            file,
        })
    }

    pub(super) fn job(&self) -> &'a Job {
        self.job
    }

    /// The result, once the process has ended.
    pub(super) fn result(&mut self) -> Result<Option<SeedResult>> {
        let Some(status) = self.process.try_wait()? else {
            return Ok(None);
        };
        let errors = self.errors.take().map(JoinHandle::join);
        let errors = errors.and_then(Result::ok).unwrap_or_default();
        if status.success()
            && let Some(result) = Store::read(&self.file)
        {
            return Ok(Some(result));
        }
        Ok(Some(SeedResult::Failed(Failure {
            seed: self.job.seed,
            error: ending(status, &errors),
        })))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A process that still runs when the queue is given up is not waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a process ended, with the last that it wrote.
fn ending(status: ExitStatus, errors: &str) -> String {
    match errors.trim() {
        "" => format!("the process ended with {status} and wrote nothing"),
        errors => errors.to_owned(),
    }
}

/// Reads a stream to its end, so that the process that writes is never held up, and keeps its last lines.
fn tail(stream: ChildStderr) -> String {
    last_lines(stream)
}

fn last_lines(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let mut part = [0; 8192];
    while let Ok(count) = stream.read(&mut part) {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&part[..count]);
        let surplus = kept.len().saturating_sub(TAIL);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Ends this process when the program that started it is gone: its end of the pipe to our standard input is then closed.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let mut stream = std::io::stdin().lock();
        let mut part = [0; 64];
        while stream.read(&mut part).is_ok_and(|count| count > 0) {}
        std::process::exit(1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_megabyte_are_kept() {
        let text = format!("{}the end", "x".repeat(1 << 20));
        let kept = last_lines(text.as_bytes());
        assert_eq!(kept.len(), TAIL);
        assert!(kept.ends_with("the end"));
    }
}
