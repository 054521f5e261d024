//! One test in a process of its own, with limits of time and memory.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::counts::{self, Counts};
use super::programs::Test;

/// What a process may use, and what it is asked to do; `None` is the tests' own number.
pub(super) struct Limits {
    pub(super) memory_gib: u64,
    pub(super) time: Duration,
    pub(super) mutations: Option<u64>,
    pub(super) kills: Option<u64>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    /// The test found a fault or panicked: its exit code.
    Failed(i32),
    /// Stopped by a signal: an abort, as after an allocation that fails, or an overflow of the stack.
    Aborted,
    /// Stopped by the limit of time.
    Hung,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(code) => write!(f, "failed with exit code {code}"),
            Self::Aborted => f.write_str("aborted by a signal"),
            Self::Hung => f.write_str("stopped at the limit of time"),
        }
    }
}

/// How a test ended and what it counted.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) end: End,
    pub(super) counts: Counts,
}

/// Runs a test by itself; what it prints is kept in the folder of logs.
pub(super) fn run(test: &Test, limits: &Limits, logs: &Path) -> Result<Run> {
    let name = format!("{}-{}.log", test.package, test.name.replace("::", "-"));
    let path = logs.join(name);
    let log = File::create(&path).with_context(|| path.display().to_string())?;
    let mut command = limited(&test.program, limits.memory_gib);
    command
        .args([&test.name, "--exact", "--nocapture", "--test-threads=1"])
        .current_dir(&test.folder)
        .env("CARGO_MANIFEST_DIR", &test.folder)
        .env("BURN_DEVICE", "flex")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    for (variable, number) in [
        ("REGIMEN_MUTATIONS", limits.mutations),
        ("REGIMEN_KILLS", limits.kills),
    ] {
        match number {
            Some(number) => command.env(variable, number.to_string()),
            None => command.env_remove(variable),
        };
    }
    let child = command
        .spawn()
        .with_context(|| test.program.display().to_string())?;
    let end = end(child, limits.time)?;
    let output = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(Run {
        end,
        counts: counts::read(&String::from_utf8_lossy(&output)),
    })
}

/// The program with a limit of its address space, which its children inherit.
#[cfg(unix)]
fn limited(program: &Path, gib: u64) -> Command {
    let mut command = Command::new("sh");
    let limit = format!("ulimit -v {} && exec \"$0\" \"$@\"", gib * 1024 * 1024);
    command.arg("-c").arg(limit).arg(program);
    command
}

#[cfg(not(unix))]
fn limited(program: &Path, _gib: u64) -> Command {
    Command::new(program)
}

/// Waits for the end, which comes at the limit of time at the latest.
fn end(mut child: Child, limit: Duration) -> Result<End> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(how(status));
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(End::Hung);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn how(status: ExitStatus) -> End {
    match status.code() {
        Some(0) => End::Passed,
        Some(code) => End::Failed(code),
        None => End::Aborted,
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// How a shell script ends under a limit of one GiB and one second.
    fn ends(script: &str) -> End {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("test");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mut permissions = fs::metadata(&program).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&program, permissions).unwrap();
        let child = limited(&program, 1).spawn().unwrap();
        end(child, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn an_abort_a_hang_and_a_failure_are_told_apart() {
        assert_eq!(ends("exit 0"), End::Passed);
        assert_eq!(ends("exit 101"), End::Failed(101));
        assert_eq!(ends("kill -ABRT $$"), End::Aborted);
        assert_eq!(ends("exec sleep 30"), End::Hung);
    }

    #[test]
    fn the_address_space_is_limited() {
        assert_eq!(ends("[ \"$(ulimit -v)\" = 1048576 ]"), End::Passed);
    }
}
