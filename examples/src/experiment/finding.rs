//! What an experiment found.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    Better, Check, Context, Failure, Fault, Outcome, Quantity, Revision, SeedResult, Summary,
    System, Trial, differences, rule, worst,
};

/// Whether the paper's own effect shows at this size: follows from the checks that are marked as its headline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaperEffect {
    /// Every headline check holds.
    #[serde(rename = "shown")]
    Shown,
    /// Some of them hold.
    #[serde(rename = "shown in part")]
    ShownInPart,
    /// None holds.
    #[serde(rename = "not at this size")]
    NotAtThisSize,
}

impl PaperEffect {
    /// Decides by the headline checks.
    #[must_use]
    pub fn of(checks: &[Check]) -> Self {
        let headline = checks.iter().filter(|check| check.headline);
        let (held, missed): (Vec<_>, Vec<_>) =
            headline.partition(|check| check.outcome == Outcome::Holds);
        match (held.is_empty(), missed.is_empty()) {
            (true, _) => Self::NotAtThisSize,
            (false, false) => Self::ShownInPart,
            (false, true) => Self::Shown,
        }
    }

    /// The name in the record and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::ShownInPart => "shown in part",
            Self::NotAtThisSize => "not at this size",
        }
    }
}

/// Where and of what a finding was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Processor and number of cores.
    pub machine: String,
    /// Burn's device.
    pub backend: String,
    /// The commit, with `+` if the tree had other changes.
    pub commit: String,
}

/// What an experiment found: an element of `findings.json`.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Finding {
    pub system: String,
    pub number: usize,
    #[serde(rename = "crate")]
    pub krate: String,
    pub paper: String,
    pub paper_figure: String,
    /// Whether the paper's own effect shows here.
    pub paper_effect: PaperEffect,
    pub claim: String,
    pub metric: String,
    pub unit: String,
    pub better: Better,
    pub baseline: Summary,
    pub method: Summary,
    /// How far the method is ahead of the baseline, seed by seed: positive where it is better.
    pub effect: Check,
    pub rule: String,
    #[serde(rename = "verdict")]
    pub outcome: Outcome,
    pub checks: Vec<Check>,
    pub faults: &'static [Fault],
    pub revisions: &'static [Revision],
    pub failures: Vec<Failure>,
    /// The seeds that were run.
    pub seeds: Vec<u64>,
    /// The sum over the seeds of the time that each took, in seconds.
    pub seconds: f64,
    pub data: String,
    pub source: String,
    #[serde(flatten)]
    pub origin: Origin,
    pub arms: BTreeMap<String, BTreeMap<String, Summary>>,
}

impl Finding {
    /// Judges the seeds of a system. A seed that failed has no part in the figures, and makes the finding `failed`.
    ///
    /// # Errors
    /// If the data can't be named.
    pub fn new(
        system: &System,
        context: &Context,
        origin: Origin,
        results: &[SeedResult],
    ) -> Result<Self> {
        let (trials, failures) = split(results);
        let checks = (system.judge)(&trials);
        let outcome = if failures.is_empty() {
            worst(&checks)
        } else {
            Outcome::Failed
        };
        Ok(Self {
            system: system.name.into(),
            number: system.number,
            krate: system.krate.into(),
            paper: system.paper.into(),
            paper_figure: system.paper_figure.into(),
            paper_effect: PaperEffect::of(&checks),
            claim: system.claim.into(),
            metric: system.metric.into(),
            unit: system.unit.into(),
            better: system.better,
            baseline: Summary::of(&trials, system.baseline, "main"),
            method: Summary::of(&trials, system.method, "main"),
            effect: effect(system, &trials),
            rule: rule(&checks),
            outcome,
            faults: system.faults,
            revisions: system.revisions,
            failures,
            seeds: results.iter().map(SeedResult::seed).collect(),
            seconds: trials.iter().map(|trial| trial.seconds).sum(),
            data: context.data_name(system.data)?,
            source: system.source.replace('\\', "/"),
            origin,
            arms: arms(system, &trials),
            checks,
        })
    }

    /// Whether the method is behind its own baseline.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.effect.mean < 0.0
    }
}

/// The seeds that have figures, and those that have none.
fn split(results: &[SeedResult]) -> (Vec<Trial>, Vec<Failure>) {
    let (mut trials, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            SeedResult::Done(trial) => trials.push(trial.clone()),
            SeedResult::Failed(failure) => failures.push(failure.clone()),
        }
    }
    (trials, failures)
}

/// The method against the baseline, seed by seed.
fn effect(system: &System, trials: &[Trial]) -> Check {
    let (first, second) = match system.better {
        Better::Higher => (system.method, system.baseline),
        Better::Lower => (system.baseline, system.method),
    };
    let name = format!("{} ahead of {}", system.method, system.baseline);
    let ahead = differences(trials, first, second, "main");
    Quantity::new(name, system.unit, ahead).at_least(0.0)
}

/// Every value of every arm of the trials. An arm that only reports may be one of some seeds: then its values are those of the seeds
/// that have it. Where the method or its baseline lacks a value there is NaN, as in every check that uses an arm: it fails.
fn arms(system: &System, trials: &[Trial]) -> BTreeMap<String, BTreeMap<String, Summary>> {
    let mut arms: BTreeMap<String, BTreeMap<String, Summary>> = BTreeMap::new();
    for (arm, metrics) in trials.iter().flat_map(|trial| &trial.arms) {
        let summaries = arms.entry(arm.clone()).or_default();
        let having: Vec<Trial>;
        let of = if [system.method, system.baseline].contains(&arm.as_str()) {
            trials
        } else {
            let has = |trial: &&Trial| trial.arms.contains_key(arm);
            having = trials.iter().filter(has).cloned().collect();
            &having
        };
        for metric in metrics.keys() {
            if !summaries.contains_key(metric) {
                summaries.insert(metric.clone(), Summary::of(of, arm, metric));
            }
        }
    }
    arms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: f64) -> Check {
        Quantity::new("x", "", vec![1.0, 2.0, 3.0]).at_least(bound)
    }

    #[test]
    fn the_papers_effect_follows_from_its_headline() {
        let (held, missed) = (check(0.0), check(9.0));
        let effect = |checks: &[Check]| PaperEffect::of(checks);
        assert_eq!(
            effect(std::slice::from_ref(&held)),
            PaperEffect::NotAtThisSize
        );
        assert_eq!(
            effect(&[held.clone().headline(), missed.clone()]),
            PaperEffect::Shown
        );
        assert_eq!(
            effect(&[held.clone().headline(), missed.clone().headline()]),
            PaperEffect::ShownInPart
        );
        assert_eq!(
            effect(&[held, missed.headline()]),
            PaperEffect::NotAtThisSize
        );
        assert_eq!(
            effect(&[check(1.0).headline()]),
            PaperEffect::NotAtThisSize,
            "within noise is not shown"
        );
    }

    /// Seed 1 lacks the arm `reported` and a value of `whole`, and both seeds lack one of the method's.
    #[test]
    fn an_arm_of_some_seeds_is_summed_up_over_them() {
        let system = System {
            method: "method",
            baseline: "whole",
            seeds: 0..2,
            ..crate::SYSTEMS[0]
        };
        let [mut first, mut second] = [0, 1].map(Trial::new);
        first.record("reported", "main", 4.0);
        first.record("reported", "other", 1.0);
        first.record("whole", "main", 1.0);
        first.record("method", "main", 3.0);
        second.record("whole", "main", 2.0);
        let found = arms(&system, &[first.clone(), second.clone()]);
        assert_eq!(found["reported"]["main"].values, [4.0]);
        assert_eq!(found["whole"]["main"].values, [1.0, 2.0]);
        assert!(found["method"]["main"].mean.is_nan());
        // A seed that has the arm and lacks the value is no reason to leave it out.
        second.record("reported", "main", 5.0);
        let found = arms(&system, &[first, second]);
        assert_eq!(found["reported"]["main"].mean, 4.5);
        assert!(found["reported"]["other"].mean.is_nan());
    }
}
