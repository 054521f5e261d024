//! # ForgettingReport
//!
//! Every metric of an original, an unlearned and perhaps a retrained model in one record that can be filed.
//!
//! Source: the metrics of arXiv 2308.07707 and 2302.09880, each with its reference beside it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError};
use crate::metrics::{OutputDistance, Relearned};

/// Membership inference: neither direction is better, the retrained reference's own values are perfect, and they are what
/// an attacker makes of examples that a model never saw.
///
/// Shares of forget examples, `0..=1`, that the attacker takes for training data: see [`attack`](crate::metrics::attack).
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
    /// The area under the ROC curve, `0..=1`, of the offline attack ([`LiraConfig`](crate::metrics::LiraConfig)), forgotten
    /// against unseen examples. The examples of a whole class move together, so that one reference is a noisy one: it says most of single examples.
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
