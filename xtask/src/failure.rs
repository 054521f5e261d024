//! How a task fails: one line on the standard error, and an exit code.

use std::fmt;
use std::process::ExitCode;

use anyhow::{Result, bail};

/// The exit code of bad usage, the one clap uses too.
const USAGE: u8 = 2;

/// An error in what the user asked for, as against one that a check found.
#[derive(Debug)]
pub(crate) struct BadUsage(pub(crate) String);

impl fmt::Display for BadUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUsage {}

/// A program that was started, ended with this code, and has already said why.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) program: String,
    pub(crate) code: Option<i32>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{} ended with exit code {code}", self.program),
            None => write!(f, "{} was stopped by a signal", self.program),
        }
    }
}

impl std::error::Error for Ended {}

/// Prints the error in one line and says which exit code it means.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    let ended = error.downcast_ref::<Ended>().and_then(|ended| ended.code);
    if error.is::<BadUsage>() || ended == Some(i32::from(USAGE)) {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}

/// Prints each problem on its own line; an error if there is any.
pub(crate) fn none_of(task: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => bail!("{task}: 1 problem"),
        n => bail!("{task}: {n} problems"),
    }
}
