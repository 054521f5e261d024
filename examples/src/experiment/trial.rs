//! What one seed measured.

use std::collections::BTreeMap;

use regimen_tensor::stats::{mean, standard_error};
use serde::{Deserialize, Serialize};

use super::number;

/// What one seed measured: values by arm and metric, and curves by arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The seed.
    pub seed: u64,
    /// Wall time of the run, in seconds.
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

    /// The first value or point that is not finite: a run that has it diverged, and its seed has failed.
    #[must_use]
    pub fn diverged(&self) -> Option<String> {
        for (arm, metrics) in &self.arms {
            for (metric, value) in metrics {
                if !value.is_finite() {
                    return Some(format!("arm `{arm}`, metric `{metric}`: {value}"));
                }
            }
        }
        let is_wrong = |point: &(f64, f64)| !point.0.is_finite() || !point.1.is_finite();
        let mut curves = self.curves.iter();
        let (arm, _) = curves.find(|(_, points)| points.iter().any(is_wrong))?;
        Some(format!("curve of arm `{arm}`: a point is not finite"))
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

/// A mean with its standard error, and one value a seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The arm.
    pub arm: String,
    /// Mean over seeds.
    #[serde(with = "number::nan_as_null")]
    pub mean: f64,
    /// Standard error of the mean.
    #[serde(with = "number::nan_as_null")]
    pub se: f64,
    /// One value a seed.
    #[serde(with = "number::nans_as_nulls")]
    pub values: Vec<f64>,
}

impl Summary {
    /// Sums an arm's metric up.
    #[must_use]
    pub fn of(trials: &[Trial], arm: &str, metric: &str) -> Self {
        let values = values(trials, arm, metric);
        let (mean, se) = if values.is_empty() {
            (f64::NAN, f64::NAN)
        } else {
            (mean(&values), standard_error(&values))
        };
        Self {
            arm: arm.to_owned(),
            mean,
            se,
            values,
        }
    }
}

/// How a seed ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeedResult {
    /// With its figures.
    Done(Trial),
    /// With an error, a panic, or figures that are not finite.
    Failed(Failure),
}

/// A seed that has no figures, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What the run said at its end, or which figure is not finite.
    pub error: String,
}

impl SeedResult {
    /// A trial, or the failure of one that diverged.
    #[must_use]
    pub fn of(trial: Trial) -> Self {
        let Some(place) = trial.diverged() else {
            return Self::Done(trial);
        };
        Self::Failed(Failure {
            seed: trial.seed,
            error: format!("diverged: {place}"),
        })
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Done(trial) => trial.seed,
            Self::Failed(failure) => failure.seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_fails_its_seed() {
        let mut trial = Trial::new(7);
        trial.record("rigl", "main", 1.0);
        assert_eq!(
            SeedResult::of(trial.clone()),
            SeedResult::Done(trial.clone())
        );
        trial.record("granet", "main", f64::NAN);
        let SeedResult::Failed(failure) = SeedResult::of(trial) else {
            unreachable!("a trial with NaN is a failure");
        };
        assert_eq!(failure.seed, 7);
        assert!(failure.error.contains("granet") && failure.error.contains("main"));
    }

    #[test]
    fn a_point_that_is_not_finite_fails_its_seed() {
        let mut trial = Trial::new(0);
        trial.curve("set", vec![(0.0, 1.0), (1.0, f64::INFINITY)]);
        assert!(trial.diverged().is_some_and(|place| place.contains("set")));
    }
}
