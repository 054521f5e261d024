//! One seed of one system: what a process runs.

use std::ffi::OsString;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::experiment::{Context, SeedResult, System, Trial};

/// A way for a seed to fail on purpose, to see that nothing else is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// A figure that is not a number.
    Diverge,
    /// A panic.
    Panic,
    /// An error after a megabyte of messages.
    Flood,
}

/// One seed of one system, whole or with a fault.
#[derive(Clone, Debug)]
pub struct Job {
    /// The experiment.
    pub system: &'static System,
    /// The seed.
    pub seed: u64,
    /// The small size.
    pub small: bool,
    /// The name of the fault that breaks it on purpose.
    pub fault: Option<&'static str>,
    /// How it fails on purpose.
    pub drill: Option<Drill>,
}

impl Job {
    /// A seed with the method whole.
    #[must_use]
    pub fn new(system: &'static System, seed: u64, small: bool) -> Self {
        Self {
            system,
            seed,
            small,
            fault: None,
            drill: None,
        }
    }

    /// The name of the file that keeps what it measured.
    #[must_use]
    pub fn file(&self) -> String {
        let size = if self.small { "-small" } else { "" };
        let fault = self.fault.map(|fault| format!("-{fault}"));
        let fault = fault.unwrap_or_default();
        format!("{}-{}{size}{fault}.json", self.system.name, self.seed)
    }

    /// The arguments of the program that runs it.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["trial".to_owned(), self.system.name.to_owned()];
        arguments.extend(["--seed".to_owned(), self.seed.to_string()]);
        if self.small {
            arguments.push("--small".to_owned());
        }
        if let Some(fault) = self.fault {
            arguments.extend(["--fault".to_owned(), fault.to_owned()]);
        }
        if let Some(value) = self.drill.and_then(|drill| drill.to_possible_value()) {
            arguments.extend(["--drill".to_owned(), value.get_name().to_owned()]);
        }
        arguments.into_iter().map(OsString::from).collect()
    }
}

/// Runs one seed in this process.
///
/// # Errors
/// What the experiment returns.
pub fn run_seed(system: &System, context: &Context, seed: u64) -> Result<Trial> {
    let start = Instant::now();
    let mut trial = (system.run)(context, seed)?;
    trial.seconds = start.elapsed().as_secs_f64();
    Ok(trial)
}

/// Runs one seed in this process, or fails as the drill says.
///
/// # Errors
/// What the experiment returns, and the error of a drill.
#[allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a drill panics and writes on purpose"
)]
pub fn trial(
    system: &System,
    context: &Context,
    seed: u64,
    drill: Option<Drill>,
) -> Result<SeedResult> {
    let mut trial = run_seed(system, context, seed)?;
    match drill {
        None => {}
        Some(Drill::Diverge) => trial.record(system.method, "main", f64::NAN),
        Some(Drill::Panic) => panic!("a panic on purpose"),
        Some(Drill::Flood) => {
            for line in 0..20_000 {
                eprintln!("line {line} of a megabyte of messages, all of this length");
            }
            bail!("an error on purpose after a megabyte of messages");
        }
    }
    Ok(SeedResult::of(trial))
}
