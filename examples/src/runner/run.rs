//! Runs a plan to its findings.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::progress::Progress;
use super::{Plan, Store, execute, origin};
use crate::experiment::{Finding, SeedResult, System, Trial};

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
        let named = context.data_name(system.data);
        named.with_context(|| system.name)?;
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
