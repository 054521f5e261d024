//! The experiments at their small size, whole and with each of their faults: every fault must turn its checks.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};

use super::{Job, Plan, Store, execute};
use crate::experiment::{Check, Fault, Outcome, SEEDS, SeedResult, System};

/// One check that a fault must turn.
#[derive(Clone, Debug)]
pub struct FaultRow {
    /// The system.
    pub system: &'static str,
    /// The fault.
    pub fault: &'static str,
    /// The part of the check's quantity that the fault names.
    pub part: &'static str,
    /// The check with the method whole and with the fault; `None` where not one check has the part.
    pub checks: Option<[Check; 2]>,
    /// What a seed said that failed, whole or broken.
    pub error: Option<String>,
}

impl FaultRow {
    /// Whether the check is met with the method whole, and is on the wrong side of its bound with the fault.
    #[must_use]
    pub fn is_turned(&self) -> bool {
        self.checks.as_ref().is_some_and(|[whole, broken]| {
            matches!(whole.outcome, Outcome::Holds | Outcome::WithinNoise)
                && broken.outcome < Outcome::WithinNoise
        })
    }
}

/// Every check that every fault must turn.
#[derive(Clone, Debug, Default)]
pub struct FaultReport {
    /// A row a check.
    pub rows: Vec<FaultRow>,
}

impl FaultReport {
    /// How many checks were turned, and how many were not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let turned = self.rows.iter().filter(|row| row.is_turned()).count();
        (turned, self.rows.len() - turned)
    }

    /// The rows as a table for a terminal.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(140);
        table.set_header(["system", "fault", "check", "whole", "broken", ""]);
        for row in &self.rows {
            let statement = row
                .checks
                .as_ref()
                .map_or(row.part, |[whole, _]| &whole.statement);
            let figure = |index: usize| match &row.checks {
                Some(checks) => {
                    let check = &checks[index];
                    format!(
                        "{:.4} ± {:.4}: {}",
                        check.mean,
                        check.se,
                        check.outcome.name()
                    )
                }
                None => row
                    .error
                    .clone()
                    .unwrap_or_else(|| "no such check".to_owned()),
            };
            let end = if row.is_turned() {
                "turned"
            } else {
                "NOT TURNED"
            };
            table.add_row([
                row.system,
                row.fault,
                statement,
                &figure(0),
                &figure(1),
                end,
            ]);
        }
        table
    }
}

/// Runs the systems of a plan at their small size with three seeds, whole and with each of their faults.
///
/// # Errors
/// If a process can't be started.
pub fn faults(plan: &Plan, out: &Path) -> Result<FaultReport> {
    let plan = Plan {
        small: true,
        ..plan.clone()
    };
    let store = Store::open(out, &plan)?;
    let jobs: Vec<Job> = plan.systems.iter().copied().flat_map(jobs).collect();
    let mut results: BTreeMap<(&str, Option<&str>), Vec<SeedResult>> = BTreeMap::new();
    let mut left = jobs.len();
    execute(&jobs, &plan, &store, &mut |job, result, _| {
        let of = results.entry((job.system.name, job.fault)).or_default();
        of.push(result);
        left -= 1;
        if of.len() == SEEDS {
            say(job, left);
        }
        Ok(())
    })?;
    for seeds in results.values_mut() {
        seeds.sort_by_key(SeedResult::seed);
    }
    let mut report = FaultReport::default();
    for system in &plan.systems {
        for fault in system.faults {
            let of = |fault| {
                results
                    .get(&(system.name, fault))
                    .map_or(&[][..], Vec::as_slice)
            };
            report
                .rows
                .extend(rows(system, fault, of(None), of(Some(fault.name))));
        }
    }
    Ok(report)
}

#[allow(clippy::print_stderr, reason = "the progress of a long run")]
fn say(job: &Job, left: usize) {
    let fault = job.fault.unwrap_or("whole");
    eprintln!("{:30} {fault:36} {left} runs left", job.system.name);
}

/// Three seeds of a system, whole and with each fault.
fn jobs(system: &'static System) -> Vec<Job> {
    let seeds = || system.seeds.clone().take(SEEDS);
    let names = system.faults.iter().map(|fault| Some(fault.name));
    let variants = std::iter::once(None).chain(names);
    let of = |fault| {
        seeds().map(move |seed| Job {
            fault,
            ..Job::new(system, seed, true)
        })
    };
    variants.flat_map(of).collect()
}

fn rows(
    system: &'static System,
    fault: &'static Fault,
    whole: &[SeedResult],
    broken: &[SeedResult],
) -> Vec<FaultRow> {
    let (whole, broken) = (judged(system, whole), judged(system, broken));
    let row = |part: &&'static str| FaultRow {
        system: system.name,
        fault: fault.name,
        part,
        checks: match (&whole, &broken) {
            (Ok(whole), Ok(broken)) => find(whole, part).zip(find(broken, part)).map(Into::into),
            _ => None,
        },
        error: [&whole, &broken]
            .into_iter()
            .find_map(|checks| checks.as_ref().err().cloned()),
    };
    fault.turns.iter().map(row).collect()
}

/// The checks over all seeds, or what the first seed that failed said.
fn judged(system: &System, results: &[SeedResult]) -> Result<Vec<Check>, String> {
    let trials = results.iter().map(|result| match result {
        SeedResult::Done(trial) => Ok(trial.clone()),
        SeedResult::Failed(failure) => Err(failure.error.clone()),
    });
    Ok((system.judge)(&trials.collect::<Result<Vec<_>, _>>()?))
}

/// The one check whose quantity has the part.
fn find(checks: &[Check], part: &str) -> Option<Check> {
    let mut found = checks.iter().filter(|check| check.quantity.contains(part));
    let check = found.next()?;
    found.next().is_none().then(|| check.clone())
}
