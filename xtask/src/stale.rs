//! `cargo xtask stale`: measure again what was recorded of other sources, and compare.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::project::Project;
use crate::{digest, failure, record, reproduce};

/// Cores that the experiments of the standard run are planned for.
const CORES: f64 = 2.0;

#[derive(Args)]
pub(crate) struct Options {
    /// The most seconds that the systems may take together, by what they took when they were recorded
    #[arg(long, default_value_t = 600.0)]
    budget: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { budget: 600.0 }
    }
}

/// Runs the systems whose record is stale, as many as the budget allows. An error if a verdict is worse than recorded.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let recorded = record::read(&project.root.join(record::RECORD))?;
    let stale = digest::stale(project, &recorded)?;
    if stale.is_empty() {
        println!("the record of all {} systems is fresh", recorded.len());
        return Ok(());
    }
    let (chosen, left) = within(&recorded, &stale, options.budget);
    println!(
        "stale: {} of {} systems; a budget of {:.0} s allows {}: {}",
        stale.len(),
        recorded.len(),
        options.budget,
        chosen.len(),
        chosen.join(", ")
    );
    if !left.is_empty() {
        println!(
            "not measured again, and so not checked against the record: {}",
            left.join(", ")
        );
    }
    if chosen.is_empty() {
        return Ok(());
    }
    reproduce::experiments(project, &reproduce::Options::of(chosen.clone()))?;
    let new = reproduce::findings(project)?;
    let problems = record::worse(&record::of_systems(&recorded, &chosen), &new);
    failure::none_of("verdicts against the record", &problems)
}

/// The stale systems that the budget allows, the quickest first, and those it does not.
fn within(recorded: &[Value], stale: &[String], budget: f64) -> (Vec<String>, Vec<String>) {
    let seconds = |name: &str| {
        let mut findings = recorded.iter();
        let finding = findings.find(|finding| record::system(finding) == name);
        let seconds = finding.and_then(|finding| finding["seconds"].as_f64());
        seconds.unwrap_or(0.0) / CORES
    };
    let mut by_time: Vec<&String> = stale.iter().collect();
    by_time.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    let (mut chosen, mut left, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for name in by_time {
        sum += seconds(name);
        if sum <= budget {
            chosen.push(name.clone());
        } else {
            left.push(name.clone());
        }
    }
    (chosen, left)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_quickest_go_first_as_far_as_the_budget_reaches() {
        let finding = |system: &str, seconds: f64| json!({ "system": system, "seconds": seconds });
        let recorded = [
            finding("ssd", 60.0),
            finding("seta", 4.0),
            finding("granet", 40.0),
            finding("multigrid", 20.0),
        ];
        let stale = ["ssd", "granet", "seta"].map(str::to_owned);
        let (chosen, left) = within(&recorded, &stale, 25.0);
        assert_eq!(chosen, ["seta", "granet"]);
        assert_eq!(left, ["ssd"]);
        let (chosen, left) = within(&recorded, &stale, 1000.0);
        assert_eq!((chosen.len(), left.len()), (3, 0));
    }
}
