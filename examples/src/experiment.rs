//! What an experiment is, and how its verdict is computed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use regimen_tensor::stats::{mean, standard_error};
use serde::{Deserialize, Serialize};

use crate::data::{Images, Text};

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger values are better.
    Higher,
    /// Smaller values are better.
    Lower,
}

/// How what this experiment shows relates to the paper's own headline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaperEffect {
    /// The headline itself.
    #[serde(rename = "shown")]
    Shown,
    /// A part of it.
    #[serde(rename = "shown in part")]
    ShownInPart,
    /// It does not appear at this size.
    #[serde(rename = "not at this size")]
    NotAtThisSize,
}

/// What the checks of an experiment say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// A check fails by more than its noise.
    #[serde(rename = "does not hold")]
    DoesNotHold,
    /// A check fails within its noise, or there are fewer than three seeds.
    #[serde(rename = "inconclusive")]
    Inconclusive,
    /// Every check passes.
    #[serde(rename = "holds")]
    Holds,
}

/// The real data that an experiment runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Labelled images; the digits unless the user's folder has others.
    Images,
    /// Text; the embedded prose unless the user's folder has another.
    Text,
    /// Domains of text, the embedded ones that are named unless the user's folder has two or more
    /// text files, each a domain.
    Domains(&'static [Domain]),
    /// Drawn or computed by the experiment itself; the user's folder is not read.
    Simulated,
}

/// An embedded domain of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the text of its name")]
pub enum Domain {
    Prose,
    Verse,
    Code,
    Documentation,
    Python,
}

impl Domain {
    fn text(self) -> Result<Text> {
        match self {
            Self::Prose => Text::prose(),
            Self::Verse => Text::verse(),
            Self::Code => Text::code(),
            Self::Documentation => Text::documentation(),
            Self::Python => Text::python(),
        }
    }
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
    /// The paper.
    pub paper: &'static str,
    /// What this size of experiment can show, in one sentence.
    pub claim: &'static str,
    /// What is measured under `main`.
    pub metric: &'static str,
    /// Unit of the metric.
    pub unit: &'static str,
    /// Direction of the metric.
    pub better: Better,
    /// The arm that is compared against.
    pub baseline: &'static str,
    /// The arm of the method.
    pub method: &'static str,
    /// The rule of the verdict, in words.
    pub rule: &'static str,
    /// Relation to the paper's headline.
    pub paper_effect: PaperEffect,
    /// How many seeds it runs: 0, 1, ...
    pub seeds: u64,
    /// The source file.
    pub source: &'static str,
    /// The data it runs on.
    pub data: DataKind,
    /// The axes of its plot, `x / y`.
    pub curve: &'static str,
    /// Runs one seed.
    pub run: fn(&Context, u64) -> Result<Trial>,
    /// Decides over all seeds.
    pub judge: fn(&[Trial]) -> Vec<Check>,
}

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The training device, with autodiff.
    pub device: Device,
    /// The user's folder, if one was named.
    pub folder: Option<std::path::PathBuf>,
    /// The large size, with all of the user's data.
    pub full: bool,
    /// A short run, for tests of the experiments themselves.
    pub small: bool,
    /// Runs the method deliberately broken: the verdict must turn.
    pub fault: bool,
}

/// Images that an experiment takes from a user's folder unless the large size is asked for.
const IMAGES: usize = 1800;

impl Context {
    /// The embedded data on Burn's default device, seeded.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let device = Device::default().autodiff();
        device.seed(seed);
        Self {
            device,
            folder: None,
            full: false,
            small: false,
            fault: false,
        }
    }

    /// The images of this run: a stratified 1,800 of the user's, or all with `full`.
    ///
    /// # Errors
    /// If the user's folder can't be read.
    pub fn images(&self) -> Result<Images> {
        let Some(folder) = &self.folder else {
            return Images::digits();
        };
        let (images, _) = crate::data::load_folder(folder)?;
        let Some(images) = images else {
            return Images::digits();
        };
        Ok(if self.full {
            images
        } else {
            images.at_most(IMAGES)
        })
    }

    /// The text of this run.
    ///
    /// # Errors
    /// If the user's folder can't be read.
    pub fn text(&self) -> Result<Text> {
        let Some(folder) = &self.folder else {
            return Text::prose();
        };
        let (_, text) = crate::data::load_folder(folder)?;
        text.map_or_else(Text::prose, Ok)
    }

    /// The domains of text of this run in the order in which they arrive: the embedded ones, or the
    /// files of the user's folder by name, two or more and at most as many.
    ///
    /// # Errors
    /// If the user's folder can't be read.
    pub fn domains(&self, embedded: &[Domain]) -> Result<Vec<Text>> {
        let own = self.folder.as_deref().map(crate::data::load_domains);
        let own = own.transpose()?.unwrap_or_default();
        if own.len() < 2 {
            return embedded.iter().map(|domain| domain.text()).collect();
        }
        Ok(own.into_iter().take(embedded.len()).collect())
    }

    /// What the run's data is called.
    ///
    /// # Errors
    /// If the user's folder can't be read.
    pub fn data_name(&self, kind: DataKind) -> Result<String> {
        Ok(match kind {
            DataKind::Images => self.images()?.name,
            DataKind::Text => self.text()?.name,
            DataKind::Domains(embedded) => {
                let names = self.domains(embedded)?.into_iter().map(|text| text.name);
                names.collect::<Vec<_>>().join(", ")
            }
            DataKind::Simulated => "simulated".into(),
        })
    }
}

/// What one seed measured: values by arm and metric, and curves by arm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trial {
    /// The seed.
    pub seed: u64,
    /// Wall time of the run.
    pub seconds: f64,
    /// `arms[arm][metric]`; the experiment's metric is called `main`.
    pub arms: BTreeMap<String, BTreeMap<String, f64>>,
    /// `curves[arm]`, points of the plot.
    pub curves: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Trial {
    /// An empty trial.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Notes a value.
    pub fn record(&mut self, arm: &str, metric: &str, value: f64) {
        let metrics = self.arms.entry(arm.to_owned()).or_default();
        metrics.insert(metric.to_owned(), value);
    }

    /// Notes an arm's curve.
    pub fn curve(&mut self, arm: &str, points: Vec<(f64, f64)>) {
        self.curves.insert(arm.to_owned(), points);
    }

    /// A value that was noted; NaN if it was not.
    #[must_use]
    pub fn value(&self, arm: &str, metric: &str) -> f64 {
        let value = self.arms.get(arm).and_then(|metrics| metrics.get(metric));
        value.copied().unwrap_or(f64::NAN)
    }
}

/// A value of an arm for each seed.
#[must_use]
pub fn values(trials: &[Trial], arm: &str, metric: &str) -> Vec<f64> {
    trials
        .iter()
        .map(|trial| trial.value(arm, metric))
        .collect()
}

/// The difference of two arms for each seed, first minus second.
#[must_use]
pub fn differences(trials: &[Trial], first: &str, second: &str, metric: &str) -> Vec<f64> {
    let paired = trials.iter();
    paired
        .map(|trial| trial.value(first, metric) - trial.value(second, metric))
        .collect()
}

/// One condition of the rule, with the figure that decides it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What must be true.
    pub statement: String,
    /// The mean over seeds.
    pub mean: f64,
    /// Its standard error.
    pub se: f64,
    /// What the mean is compared with.
    pub bound: f64,
    /// One value a seed.
    pub values: Vec<f64>,
    /// What follows.
    pub verdict: Verdict,
}

impl Check {
    /// The mean is at least `bound`.
    #[must_use]
    pub fn at_least(statement: &str, values: Vec<f64>, bound: f64) -> Self {
        Self::new(statement, values, bound, 1.0)
    }

    /// The mean is at most `bound`.
    #[must_use]
    pub fn at_most(statement: &str, values: Vec<f64>, bound: f64) -> Self {
        Self::new(statement, values, bound, -1.0)
    }

    /// Every seed's value is at most `bound`: one above it is enough to fail, whatever the mean.
    #[must_use]
    pub fn each_at_most(statement: &str, values: Vec<f64>, bound: f64) -> Self {
        let within = values.iter().all(|value| *value <= bound);
        let check = Self::at_most(statement, values, bound);
        let verdict = if within {
            check.verdict
        } else {
            Verdict::DoesNotHold
        };
        Self { verdict, ..check }
    }

    /// Holds if the mean is on the right side; else inconclusive if two standard errors reach the
    /// bound or there are fewer than three seeds; a value that is not finite never holds.
    fn new(statement: &str, values: Vec<f64>, bound: f64, sign: f64) -> Self {
        let (mean, se) = (mean(&values), standard_error(&values));
        let margin = sign * (mean - bound);
        let verdict = if !mean.is_finite() || values.is_empty() {
            Verdict::DoesNotHold
        } else if margin >= 0.0 && values.len() >= 3 {
            Verdict::Holds
        } else if margin >= 0.0 || margin + 2.0 * se >= 0.0 {
            Verdict::Inconclusive
        } else {
            Verdict::DoesNotHold
        };
        Self {
            statement: statement.to_owned(),
            mean,
            se,
            bound,
            values,
            verdict,
        }
    }
}

/// The worst of the checks' verdicts.
#[must_use]
pub fn verdict(checks: &[Check]) -> Verdict {
    let verdicts = checks.iter().map(|check| check.verdict);
    verdicts.min().unwrap_or(Verdict::Inconclusive)
}

/// A mean with its standard error, and one value a seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The arm.
    pub arm: String,
    /// Mean over seeds.
    pub mean: f64,
    /// Standard error of the mean.
    pub se: f64,
    /// One value a seed.
    pub values: Vec<f64>,
}

impl Summary {
    /// Sums an arm's metric up.
    #[must_use]
    pub fn of(trials: &[Trial], arm: &str, metric: &str) -> Self {
        let values = values(trials, arm, metric);
        Self {
            arm: arm.to_owned(),
            mean: mean(&values),
            se: standard_error(&values),
            values,
        }
    }
}

/// What an experiment found: an element of `findings.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Finding {
    pub system: String,
    pub number: usize,
    #[serde(rename = "crate")]
    pub krate: String,
    pub paper: String,
    pub claim: String,
    pub metric: String,
    pub unit: String,
    pub better: Better,
    pub baseline: Summary,
    pub method: Summary,
    pub rule: String,
    pub verdict: Verdict,
    pub paper_effect: PaperEffect,
    pub seconds: f64,
    pub backend: String,
    pub data: String,
    pub source: String,
    pub seeds: Vec<u64>,
    pub arms: BTreeMap<String, BTreeMap<String, Summary>>,
    pub checks: Vec<Check>,
}

impl Finding {
    /// Judges the trials of a system.
    ///
    /// # Errors
    /// If there is no trial, or the data can't be named.
    pub fn new(system: &System, context: &Context, trials: &[Trial], seconds: f64) -> Result<Self> {
        let first = trials.first().context("no seed was run")?;
        let checks = (system.judge)(trials);
        let arms = first.arms.iter().map(|(arm, metrics)| {
            let names = metrics.keys();
            let summaries = names.map(|name| (name.clone(), Summary::of(trials, arm, name)));
            (arm.clone(), summaries.collect())
        });
        Ok(Self {
            system: system.name.into(),
            number: system.number,
            krate: system.krate.into(),
            paper: system.paper.into(),
            claim: system.claim.into(),
            metric: system.metric.into(),
            unit: system.unit.into(),
            better: system.better,
            baseline: Summary::of(trials, system.baseline, "main"),
            method: Summary::of(trials, system.method, "main"),
            rule: system.rule.into(),
            verdict: verdict(&checks),
            paper_effect: system.paper_effect,
            seconds,
            backend: format!("{:?}", context.device.clone().inner()),
            data: context.data_name(system.data)?,
            source: system.source.into(),
            seeds: trials.iter().map(|trial| trial.seed).collect(),
            arms: arms.collect(),
            checks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_can_hold_fail_and_be_unsure() {
        let check = |values: &[f64]| Check::at_least("x", values.to_vec(), 1.0).verdict;
        assert_eq!(check(&[1.0, 1.1, 1.2]), Verdict::Holds);
        assert_eq!(check(&[0.5, 0.5, 0.51]), Verdict::DoesNotHold);
        assert_eq!(check(&[0.5, 1.2, 0.9]), Verdict::Inconclusive);
        assert_eq!(check(&[2.0, 2.0]), Verdict::Inconclusive);
        assert_eq!(check(&[f64::NAN, 2.0, 2.0]), Verdict::DoesNotHold);
        assert_eq!(check(&[]), Verdict::DoesNotHold);
        let most = Check::at_most("x", vec![0.9, 0.8, 0.7], 1.0).verdict;
        assert_eq!(most, Verdict::Holds);
        let each = |values: &[f64]| Check::each_at_most("x", values.to_vec(), 1.0).verdict;
        assert_eq!(each(&[0.9, 1.0, 0.7]), Verdict::Holds);
        assert_eq!(each(&[0.1, 1.1, 0.1]), Verdict::DoesNotHold);
        assert_eq!(each(&[0.1, f64::NAN, 0.1]), Verdict::DoesNotHold);
    }
}
