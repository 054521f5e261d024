//! What an experiment is.

use std::ops::Range;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Check, Context, DataKind, Trial};

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger values are better.
    Higher,
    /// Smaller values are better.
    Lower,
}

/// A way to break the method on purpose. An experiment that its faults do not turn proves nothing.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Fault {
    /// Short name, as on the command line: `no-regrowth`.
    pub name: &'static str,
    /// What is done to the method.
    pub does: &'static str,
    /// The checks that it must turn, each by a part of its quantity that no other check has.
    pub turns: &'static [&'static str],
}

/// A change of data, rule or seeds after a run whose figures were known.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Revision {
    /// What was changed.
    pub changed: &'static str,
    /// What the experiment gave before.
    pub before: &'static str,
}

/// An experiment: what it claims, how it runs one seed, and how it decides.
#[derive(Debug)]
pub struct System {
    /// Short name, as on the command line.
    pub name: &'static str,
    /// Row in the list of systems.
    pub number: usize,
    /// Package that carries the method.
    pub krate: &'static str,
    /// The paper's title and its number on arXiv.
    pub paper: &'static str,
    /// The paper's own figure for what the headline checks ask, with its setting.
    pub paper_figure: &'static str,
    /// What this size of experiment can show, in one sentence.
    pub claim: &'static str,
    /// What is measured under `main`.
    pub metric: &'static str,
    /// Unit of the metric.
    pub unit: &'static str,
    /// Direction of the metric.
    pub better: Better,
    /// The arm that is compared against: the best alternative with the same compute, samples or tokens.
    pub baseline: &'static str,
    /// The arm of the method.
    pub method: &'static str,
    /// The seeds that count.
    pub seeds: Range<u64>,
    /// The source file: `file!()`.
    pub source: &'static str,
    /// The data it runs on.
    pub data: DataKind,
    /// The axes of its plot, `x / y`.
    pub curve: &'static str,
    /// The ways to break it, each of which turns a check.
    pub faults: &'static [Fault],
    /// The changes after runs whose figures were known, the first first.
    pub revisions: &'static [Revision],
    /// Runs one seed.
    pub run: fn(&Context, u64) -> Result<Trial>,
    /// Decides over all seeds; over none, it states the rule.
    pub judge: fn(&[Trial]) -> Vec<Check>,
}

impl System {
    /// The rule of the verdict in words, made from the checks.
    #[must_use]
    pub fn rule(&self) -> String {
        rule(&(self.judge)(&[]))
    }
}

/// A rule in words.
#[must_use]
pub fn rule(checks: &[Check]) -> String {
    let statements: Vec<&str> = checks
        .iter()
        .map(|check| check.statement.as_str())
        .collect();
    format!(
        "Holds if the mean over the seeds meets each bound by two standard errors: {}.",
        statements.join("; ")
    )
}
