//! Runs experiments: one queue over systems and seeds, a process for each, a core for each process.
//!
//! Burn's generator is one a process, so a seed that shares its process with another is not repeatable. What a seed
//! measured is kept as soon as it is there, so a run that was stopped goes on where it was.

mod faults;
mod job;
mod origin;
mod pool;
mod process;
mod progress;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

pub use faults::{FaultReport, FaultRow, faults};
pub use job::{Drill, Job, run_seed, trial};
pub use pool::execute;
pub use process::end_with_parent;
pub use store::Store;

use crate::experiment::{Context, Finding, SeedResult, System, Trial};
use progress::Progress;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The experiments.
    pub systems: Vec<&'static System>,
    /// How many seeds of each, instead of their own number.
    pub seeds: Option<u64>,
    /// The large size.
    pub full: bool,
    /// The small size, for tests of the experiments themselves.
    pub small: bool,
    /// A folder with the user's data.
    pub folder: Option<PathBuf>,
    /// A seed that is made to fail: its system, its place among the seeds, and how.
    pub drill: Option<(String, u64, Drill)>,
    /// Measures everything anew.
    pub fresh: bool,
}

/// What one system came to, with the trials behind it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The experiment.
    pub system: &'static System,
    /// What it found.
    pub finding: Finding,
    /// The seeds that have figures.
    pub trials: Vec<Trial>,
}

impl Plan {
    /// The context that all seeds of the plan share, but for the seed.
    #[must_use]
    pub fn context(&self, seed: u64) -> Context {
        Context {
            full: self.full,
            small: self.small,
            folder: self.folder.clone(),
            ..Context::new(seed)
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let of = |system: &'static System| {
            let count = self.seeds.unwrap_or(u64::MAX);
            let end = match self.seeds {
                Some(_) => system.seeds.start.saturating_add(count),
                None => system.seeds.end,
            };
            (system.seeds.start..end).map(move |seed| Job {
                drill: self.drill_of(system, seed),
                ..Job::new(system, seed, self.small)
            })
        };
        self.systems.iter().copied().flat_map(of).collect()
    }

    fn drill_of(&self, system: &System, seed: u64) -> Option<Drill> {
        let (name, place, drill) = self.drill.as_ref()?;
        (name == system.name && system.seeds.start + place == seed).then_some(*drill)
    }
}

/// Runs a plan. After each system that is finished, `each` is given all findings so far, in the order of the plan.
///
/// # Errors
/// If the data can't be read, a process can't be started, or `each` fails. A seed that fails is no error: it is in the
/// finding of its system.
pub fn run(
    plan: &Plan,
    out: &Path,
    mut each: impl FnMut(&[Found]) -> Result<()>,
) -> Result<Vec<Found>> {
    let context = plan.context(0);
    for system in &plan.systems {
        context.data_name(system.data)?;
    }
    let store = Store::open(out, plan)?;
    let jobs = plan.jobs();
    let origin = origin::of(&context);
    let mut progress = Progress::new(&jobs);
    let mut done: BTreeMap<&str, Vec<SeedResult>> = BTreeMap::new();
    let mut found: Vec<Found> = Vec::new();
    execute(&jobs, plan, &store, &mut |job, result, kept| {
        progress.seed(job, kept);
        let results = done.entry(job.system.name).or_default();
        results.push(result);
        let total = jobs
            .iter()
            .filter(|other| other.system.name == job.system.name);
        if results.len() < total.count() {
            return Ok(());
        }
        results.sort_by_key(SeedResult::seed);
        let finding = Finding::new(job.system, &context, origin.clone(), results)?;
        progress.system(&finding);
        let trials = results.iter().filter_map(|result| match result {
            SeedResult::Done(trial) => Some(trial.clone()),
            SeedResult::Failed(_) => None,
        });
        found.push(Found {
            system: job.system,
            finding,
            trials: trials.collect(),
        });
        let place = |found: &Found| {
            let mut systems = plan.systems.iter();
            systems.position(|system| system.name == found.system.name)
        };
        found.sort_by_key(place);
        each(&found)
    })?;
    progress.end();
    Ok(found)
}

/// Seconds since `start`.
fn seconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
