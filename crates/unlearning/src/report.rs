//! # ForgettingReport
//!
//! Every metric of an original, an unlearned and perhaps a retrained model in one record that can be filed.
//!
//! Source: the metrics of arXiv 2308.07707 and 2302.09880, each with its reference beside it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use serde::{Deserialize, Serialize};

use crate::Classifier;
use crate::error::{Result, UnlearningError, check};
use crate::metrics::{
    OutputDistance, Predictions, RelearnConfig, Relearned, attack, output_distance, weight_distance,
};

/// The models that a report compares.
#[derive(Debug)]
pub struct Models<'a, M> {
    /// Before forgetting.
    pub original: &'a M,
    /// After forgetting.
    pub unlearned: &'a M,
    /// Trained anew without the forget set, if there is one.
    pub retrained: Option<&'a M>,
}

/// The data that a report measures on, in a fixed order (no shuffling), on an autodiff device.
#[allow(missing_debug_implementations, reason = "loaders have no debug form")]
pub struct Evidence<'a, B> {
    /// What stays.
    pub retain: &'a dyn DataLoader<B>,
    /// What was to be forgotten.
    pub forget: &'a dyn DataLoader<B>,
    /// Data that no model has seen.
    pub test: &'a dyn DataLoader<B>,
}

/// How a report measures relearning.
#[derive(Config, Debug, PartialEq)]
pub struct ReportConfig {
    /// Rate of relearning, above 0.
    #[config(default = 0.02)]
    pub relearn_rate: f64,
    /// Epochs of relearning at most, 1 or more.
    #[config(default = 10)]
    pub relearn_epochs: usize,
    /// The forget accuracy counts as back at the original's less this, in `0..=1`.
    #[config(default = 0.05)]
    pub tolerance: f64,
}

/// Membership inference: neither direction is better, the retrained reference's own values are perfect, and they are what
/// an attacker makes of examples that a model never saw.
///
/// Shares of forget examples, `0..=1`, that the attacker takes for training data: see [`attack`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attacks {
    /// By the loss: nearer to the retrained reference is better, its own score is perfect.
    pub loss: f64,
    /// By the entropy: nearer to the retrained reference is better, its own score is perfect.
    pub entropy: f64,
    /// By the confidence in the label: nearer to the retrained reference is better, its own score is perfect.
    pub confidence: f64,
    /// By the modified entropy: nearer to the retrained reference is better, its own score is perfect.
    pub modified_entropy: f64,
}

/// What was measured of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMetrics {
    /// Accuracy on retained data, `0..=1`: higher is better, 1 is perfect, the retrained reference scores near the original.
    pub retain_accuracy: f64,
    /// Accuracy on forgotten data, `0..=1`: nearer to the retrained reference is better, its own score is perfect: 0 for a
    /// whole class, about its test accuracy for random examples.
    pub forget_accuracy: f64,
    /// Accuracy on unseen data, `0..=1`: higher is better, 1 is perfect, the retrained reference scores near the original.
    pub test_accuracy: f64,
    /// Membership inference: nearer to the retrained reference is better, its own scores are perfect.
    pub membership: Attacks,
    /// Relearn time: longer is better up to the retrained reference's, which is perfect.
    pub relearn: Relearned,
}

/// How far the unlearned model is from another one: lower is better if that one is the retrained reference, 0 is perfect, and
/// that is what the reference scores against itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Of predictions on retained data: lower is better, 0 is perfect, the retrained reference scores 0.
    pub retain: OutputDistance,
    /// Of predictions on forgotten data: lower is better against the retrained reference, which scores 0, perfect.
    pub forget: OutputDistance,
    /// Of predictions on unseen data: lower is better, 0 is perfect, the retrained reference scores 0.
    pub test: OutputDistance,
    /// Of weights, relative: lower is better, 0 is perfect, the retrained reference scores 0, one of another seed much more.
    pub weights: f64,
}

/// The record. Its `Display` is plain text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForgettingReport {
    /// What was asked, in the user's words.
    pub request: String,
    /// How it was done, in the user's words.
    pub method: String,
    /// Examples retained, forgotten and unseen.
    pub examples: [usize; 3],
    /// The original model.
    pub original: ModelMetrics,
    /// The unlearned model.
    pub unlearned: ModelMetrics,
    /// The retrained model.
    pub retrained: Option<ModelMetrics>,
    /// The unlearned model against the original: larger on forgotten data, small elsewhere.
    pub to_original: Distances,
    /// The unlearned model against the retrained one: lower is better, 0 is perfect.
    pub to_retrained: Option<Distances>,
}

struct Seen {
    retain: Predictions,
    forget: Predictions,
    test: Predictions,
}

impl Seen {
    fn of<M: Classifier>(model: &M, data: &Evidence<'_, M::Batch>) -> Result<Self> {
        Ok(Self {
            retain: Predictions::of(model, data.retain)?,
            forget: Predictions::of(model, data.forget)?,
            test: Predictions::of(model, data.test)?,
        })
    }

    fn attacks(&self) -> Result<Attacks> {
        let by = |feature: fn(&Predictions) -> Vec<f64>| {
            attack(&self.retain, &self.test, &self.forget, feature)
        };
        Ok(Attacks {
            loss: by(Predictions::losses)?,
            entropy: by(Predictions::entropies)?,
            confidence: by(Predictions::confidences)?,
            modified_entropy: by(Predictions::modified_entropies)?,
        })
    }

    fn distances(&self, other: &Self, weights: f64) -> Result<Distances> {
        Ok(Distances {
            retain: output_distance(&self.retain, &other.retain)?,
            forget: output_distance(&self.forget, &other.forget)?,
            test: output_distance(&self.test, &other.test)?,
            weights,
        })
    }
}

impl ReportConfig {
    /// Measures all models on all data; none is changed.
    ///
    /// # Errors
    /// If a value is out of range, a loader fails or is empty, or the models differ in their parameters.
    pub fn measure<M: Classifier>(
        &self,
        request: impl Into<String>,
        method: impl Into<String>,
        models: &Models<'_, M>,
        data: &Evidence<'_, M::Batch>,
    ) -> Result<ForgettingReport> {
        let tolerance = self.tolerance;
        check(
            "tolerance",
            tolerance,
            (0.0..=1.0).contains(&tolerance),
            "0 to 1",
        )?;
        let before = Seen::of(models.original, data)?;
        let after = Seen::of(models.unlearned, data)?;
        let goal = (before.forget.accuracy() - tolerance).max(0.0);
        let to_original = weight_distance(models.unlearned, models.original)?;
        let mut report = ForgettingReport {
            request: request.into(),
            method: method.into(),
            examples: [before.retain.len(), before.forget.len(), before.test.len()],
            original: self.metrics(models.original, &before, data, goal)?,
            unlearned: self.metrics(models.unlearned, &after, data, goal)?,
            retrained: None,
            to_original: after.distances(&before, to_original)?,
            to_retrained: None,
        };
        if let Some(model) = models.retrained {
            let reference = Seen::of(model, data)?;
            let weights = weight_distance(models.unlearned, model)?;
            report.retrained = Some(self.metrics(model, &reference, data, goal)?);
            report.to_retrained = Some(after.distances(&reference, weights)?);
        }
        Ok(report)
    }

    fn metrics<M: Classifier>(
        &self,
        model: &M,
        seen: &Seen,
        data: &Evidence<'_, M::Batch>,
        goal: f64,
    ) -> Result<ModelMetrics> {
        let relearn = RelearnConfig::new()
            .with_rate(self.relearn_rate)
            .with_max_epochs(self.relearn_epochs);
        Ok(ModelMetrics {
            retain_accuracy: seen.retain.accuracy(),
            forget_accuracy: seen.forget.accuracy(),
            test_accuracy: seen.test.accuracy(),
            membership: seen.attacks()?,
            relearn: relearn.run(model, data.forget, goal)?,
        })
    }
}

impl ForgettingReport {
    /// Writes the record as JSON, beside its place and then renamed: it is never half written.
    ///
    /// # Errors
    /// [`UnlearningError::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || -> std::io::Result<()> {
            let temporary = path.with_extension("tmp");
            let mut file = File::create(&temporary)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(temporary, path)
        };
        write().map_err(|error| file_error(path, &error))
    }

    /// Reads a record back; floats to within their last binary digit.
    ///
    /// # Errors
    /// [`UnlearningError::File`] if the file is missing or is no record.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| file_error(path, &error))?;
        serde_json::from_str(&text).map_err(|error| file_error(path, &error))
    }
}

fn file_error(path: &Path, reason: &dyn fmt::Display) -> UnlearningError {
    UnlearningError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

impl fmt::Display for ForgettingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [retain, forget, test] = self.examples;
        writeln!(f, "Forgetting report")?;
        writeln!(f, "Request: {}", self.request)?;
        writeln!(f, "Method: {}", self.method)?;
        writeln!(
            f,
            "Examples: {retain} retained, {forget} forgotten, {test} unseen\n"
        )?;
        writeln!(
            f,
            "{:34}{:>11}{:>11}{:>11}",
            "", "original", "unlearned", "retrained"
        )?;
        let percent = |x: f64| format!("{:.2} %", 100.0 * x);
        self.row(f, "accuracy, retained (higher)", |m| {
            percent(m.retain_accuracy)
        })?;
        self.row(f, "accuracy, forgotten (as retrained)", |m| {
            percent(m.forget_accuracy)
        })?;
        self.row(f, "accuracy, unseen (higher)", |m| percent(m.test_accuracy))?;
        self.row(f, "members by loss (as retrained)", |m| {
            percent(m.membership.loss)
        })?;
        self.row(f, "members by entropy", |m| percent(m.membership.entropy))?;
        self.row(f, "members by confidence", |m| {
            percent(m.membership.confidence)
        })?;
        self.row(f, "members by modified entropy", |m| {
            percent(m.membership.modified_entropy)
        })?;
        self.row(f, "relearn, epochs (as retrained)", |m| {
            m.relearn.epochs.map_or("never".into(), |n| n.to_string())
        })?;
        distances(f, "the original", &self.to_original)?;
        match &self.to_retrained {
            Some(to) => distances(f, "the retrained model (lower is better)", to),
            None => writeln!(
                f,
                "\nNo retrained model: values marked so have no reference."
            ),
        }
    }
}

impl ForgettingReport {
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        value: impl Fn(&ModelMetrics) -> String,
    ) -> fmt::Result {
        let retrained = self.retrained.as_ref().map_or("-".into(), &value);
        let (original, unlearned) = (value(&self.original), value(&self.unlearned));
        writeln!(f, "{name:34}{original:>11}{unlearned:>11}{retrained:>11}")
    }
}

fn distances(f: &mut fmt::Formatter<'_>, to: &str, distances: &Distances) -> fmt::Result {
    writeln!(f, "\nDistance of the unlearned model to {to}")?;
    let sets = [
        ("retained", distances.retain),
        ("forgotten", distances.forget),
        ("unseen", distances.test),
    ];
    for (set, OutputDistance { kl, l2 }) in sets {
        writeln!(f, "  predictions, {set}: KL {kl:.4} nats, L2 {l2:.4}")?;
    }
    writeln!(f, "  weights, relative: {:.4}", distances.weights)
}
