//! # ForgettingReport
//!
//! Every metric of an original, an unlearned and perhaps a retrained model in one record that can be filed.
//!
//! Source: the metrics of arXiv 2308.07707 and 2302.09880, each with its reference beside it.

mod text;

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
    Attack, LiraConfig, OutputDistance, Predictions, RelearnConfig, Relearned, Shadow, attack,
    output_distance, weight_distance,
};

/// The models that a report compares.
///
/// The more of the optional ones there are, the more of the report has a reference.
#[derive(Debug)]
pub struct Models<'a, M> {
    /// Before forgetting.
    pub original: &'a M,
    /// After forgetting.
    pub unlearned: &'a M,
    /// Trained anew without the forget set, if there is one.
    pub retrained: Option<&'a M>,
    /// Two or more others trained without the forget set, for the likelihood-ratio attack; or none.
    pub shadows: &'a [M],
    /// A model that was never trained, for ZRF, if there is one.
    pub untrained: Option<&'a M>,
}

impl<'a, M> Models<'a, M> {
    /// The two that every report needs.
    #[must_use]
    pub fn new(original: &'a M, unlearned: &'a M) -> Self {
        Self {
            original,
            unlearned,
            retrained: None,
            shadows: &[],
            untrained: None,
        }
    }

    /// With a model trained anew without the forget set: the reference of every metric.
    #[must_use]
    pub fn with_retrained(self, model: &'a M) -> Self {
        let retrained = Some(model);
        Self { retrained, ..self }
    }

    /// With two or more models trained without the forget set, other ones than the reference.
    #[must_use]
    pub fn with_shadows(self, shadows: &'a [M]) -> Self {
        Self { shadows, ..self }
    }

    /// With a model that was never trained.
    #[must_use]
    pub fn with_untrained(self, model: &'a M) -> Self {
        let untrained = Some(model);
        Self { untrained, ..self }
    }
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
    /// By the likelihood ratio, if there were shadow models: nearer to the retrained reference is better, its own score is
    /// perfect, and that is 0.5 if the unseen data is of the forget set's kind.
    ///
    /// The area under the ROC curve, `0..=1`, of the offline attack ([`LiraConfig`]), forgotten against unseen examples. The
    /// examples of a whole class move together, so that one reference is a noisy one: it says most of single examples.
    pub likelihood_ratio: Option<f64>,
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
    /// Zero retrain forgetting score, if there was an untrained model: higher is better, 1 is perfect, the retrained reference
    /// scores somewhat less.
    pub zrf: Option<f64>,
}

/// Mean KLoM over points: lower is better, 0 is perfect, and re-trained models against re-trained models score the floor.
///
/// Measured with [`Klom`](crate::Klom) over many unlearned and many re-trained models, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KlomMeans {
    /// On retained points: lower is better, 0 is perfect, re-trained models score the floor.
    pub retain: f64,
    /// On forgotten points: lower is better, 0 is perfect, re-trained models score the floor.
    pub forget: f64,
    /// On unseen points: lower is better, 0 is perfect, re-trained models score the floor.
    pub test: f64,
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
    /// KLoM of the unlearned models and, as its floor, of re-trained ones, if the user measured it
    /// ([`with_klom`](Self::with_klom)).
    pub klom: Option<[KlomMeans; 2]>,
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

    fn attacks(&self, shadows: &[Self]) -> Result<Attacks> {
        let by = |feature: fn(&Predictions) -> Vec<f64>| {
            attack(&self.retain, &self.test, &self.forget, feature)
        };
        Ok(Attacks {
            loss: by(Predictions::losses)?,
            entropy: by(Predictions::entropies)?,
            confidence: by(Predictions::confidences)?,
            modified_entropy: by(Predictions::modified_entropies)?,
            likelihood_ratio: self.likelihood_ratio(shadows)?,
        })
    }

    /// The area under the curve of the offline attack by models that saw neither set.
    fn likelihood_ratio(&self, shadows: &[Self]) -> Result<Option<f64>> {
        if shadows.is_empty() {
            return Ok(None);
        }
        // Both sets in one attack: they share the variance.
        let margins = |seen: &Self| [seen.forget.margins(), seen.test.margins()].concat();
        let strangers = shadows.iter().map(|shadow| {
            let margins = margins(shadow);
            let member = vec![false; margins.len()];
            Shadow { margins, member }
        });
        let strangers: Vec<Shadow> = strangers.collect();
        let offline = LiraConfig::new().with_online(false);
        let mut scores = offline.attack(&margins(self), &strangers)?.scores;
        let test = Attack {
            scores: scores.split_off(self.forget.len()),
        };
        let forget = Attack { scores };
        Ok(Some(Attack::auc(&forget, &test)?))
    }

    /// 1 minus the mean divergence from an untrained model's predictions on the forget set.
    fn zrf(&self, untrained: Option<&Self>) -> Result<Option<f64>> {
        let score = |other: &Self| self.forget.zrf(&other.forget);
        untrained.map(score).transpose()
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
    /// If a value is out of range, a loader fails or is empty, the models differ in their parameters, or there is just one shadow
    /// model.
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
        let of = |model: &M| Seen::of(model, data);
        let (before, after) = (of(models.original)?, of(models.unlearned)?);
        let context = References {
            goal: (before.forget.accuracy() - tolerance).max(0.0),
            shadows: models.shadows.iter().map(of).collect::<Result<_>>()?,
            untrained: models.untrained.map(of).transpose()?,
        };
        let metrics = |model: &M, seen: &Seen| self.metrics(model, seen, data, &context);
        let to_original = weight_distance(models.unlearned, models.original)?;
        let mut report = ForgettingReport {
            request: request.into(),
            method: method.into(),
            examples: [before.retain.len(), before.forget.len(), before.test.len()],
            original: metrics(models.original, &before)?,
            unlearned: metrics(models.unlearned, &after)?,
            retrained: None,
            to_original: after.distances(&before, to_original)?,
            to_retrained: None,
            klom: None,
        };
        if let Some(model) = models.retrained {
            let reference = of(model)?;
            let weights = weight_distance(models.unlearned, model)?;
            report.retrained = Some(metrics(model, &reference)?);
            report.to_retrained = Some(after.distances(&reference, weights)?);
        }
        Ok(report)
    }

    fn metrics<M: Classifier>(
        &self,
        model: &M,
        seen: &Seen,
        data: &Evidence<'_, M::Batch>,
        references: &References,
    ) -> Result<ModelMetrics> {
        let relearn = RelearnConfig::new()
            .with_rate(self.relearn_rate)
            .with_max_epochs(self.relearn_epochs);
        Ok(ModelMetrics {
            retain_accuracy: seen.retain.accuracy(),
            forget_accuracy: seen.forget.accuracy(),
            test_accuracy: seen.test.accuracy(),
            membership: seen.attacks(&references.shadows)?,
            relearn: relearn.run(model, data.forget, references.goal)?,
            zrf: seen.zrf(references.untrained.as_ref())?,
        })
    }
}

/// What every model is measured against.
struct References {
    /// The forget accuracy that counts as back.
    goal: f64,
    shadows: Vec<Seen>,
    untrained: Option<Seen>,
}

impl ForgettingReport {
    /// With KLoM on all three sets, of the unlearned models and, as its floor, of re-trained ones against others.
    #[must_use]
    pub fn with_klom(mut self, unlearned: KlomMeans, floor: KlomMeans) -> Self {
        self.klom = Some([unlearned, floor]);
        self
    }

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
