//! # ForgettingReport
//!
//! Every metric of an original, an unlearned and perhaps a retrained model in one record that can be filed.
//!
//! Source: the metrics of arXiv 2308.07707 and 2302.09880, each with its reference beside it.

use std::fmt;
use std::io::Write;
use std::path::Path;

use regimen_tensor::checked::Checked;
use regimen_tensor::files;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, check, count, share};
use crate::metrics::{OutputDistance, Relearned};

/// Membership inference: neither direction is better, the retrained reference's own values are perfect, and they are what
/// an attacker makes of examples that a model never saw.
///
/// Shares of forget examples, `0..=1`, that the attacker takes for training data: see [`attack`](crate::metrics::attack).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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

regimen_tensor::checked_serde!(Attacks);

impl Checked for Attacks {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        share("loss", self.loss)?;
        share("entropy", self.entropy)?;
        share("confidence", self.confidence)?;
        share("modified_entropy", self.modified_entropy)?;
        share("likelihood_ratio", self.likelihood_ratio.unwrap_or(0.5))
    }
}

/// What was measured of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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

regimen_tensor::checked_serde!(ModelMetrics);

impl Checked for ModelMetrics {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        share("retain_accuracy", self.retain_accuracy)?;
        share("forget_accuracy", self.forget_accuracy)?;
        share("test_accuracy", self.test_accuracy)?;
        // At least 1 less ln 2, and at most 1, up to rounding.
        let zrf = self.zrf.unwrap_or(1.0);
        let good = (0.3..=1.0 + 1e-6).contains(&zrf);
        check("zrf", zrf, good, "1 less ln 2 to 1")?;
        self.membership.check()?;
        self.relearn.check()
    }
}

/// Mean KLoM over points: lower is better, 0 is perfect, and re-trained models against re-trained models score the floor.
///
/// Measured with [`Klom`](crate::Klom) over many unlearned and many re-trained models, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct KlomMeans {
    /// On retained points: lower is better, 0 is perfect, re-trained models score the floor.
    pub retain: f64,
    /// On forgotten points: lower is better, 0 is perfect, re-trained models score the floor.
    pub forget: f64,
    /// On unseen points: lower is better, 0 is perfect, re-trained models score the floor.
    pub test: f64,
}

regimen_tensor::checked_serde!(KlomMeans);

impl Checked for KlomMeans {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        check("retain", self.retain, true, "finite")?;
        check("forget", self.forget, true, "finite")?;
        check("test", self.test, true, "finite")
    }
}

/// How far the unlearned model is from another one: lower is better if that one is the retrained reference, 0 is perfect, and
/// that is what the reference scores against itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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

regimen_tensor::checked_serde!(Distances);

impl Checked for Distances {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        check("weights", self.weights, self.weights >= 0.0, "0 or more")?;
        self.retain.check()?;
        self.forget.check()?;
        self.test.check()
    }
}

/// The record. Its `Display` is plain text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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

regimen_tensor::checked_serde!(ForgettingReport);

impl Checked for ForgettingReport {
    type Error = UnlearningError;

    /// Every set has an example, and all parts are within their ranges.
    fn check(&self) -> Result<()> {
        let mut examples = self.examples.iter();
        examples.try_for_each(|found| count("examples", *found, *found > 0, "1 or more"))?;
        let (model, distance) = (self.retrained.is_some(), self.to_retrained.is_some());
        let allowed = "given where `retrained` is, and only there";
        count("to_retrained", distance.into(), model == distance, allowed)?;
        let models = [
            Some(&self.original),
            Some(&self.unlearned),
            self.retrained.as_ref(),
        ];
        models.into_iter().flatten().try_for_each(Checked::check)?;
        self.to_original.check()?;
        self.to_retrained.iter().try_for_each(Checked::check)?;
        self.klom.iter().flatten().try_for_each(Checked::check)
    }
}

impl ForgettingReport {
    /// With KLoM on all three sets, of the unlearned models and, as its floor, of re-trained ones against others.
    #[must_use]
    pub fn with_klom(mut self, unlearned: KlomMeans, floor: KlomMeans) -> Self {
        self.klom = Some([unlearned, floor]);
        self
    }

    /// Writes the record as JSON, as a whole or not at all ([`regimen_tensor::files`]).
    ///
    /// # Errors
    /// [`UnlearningError::File`]; or a value is out of its range, so that it could not be read back.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.check()?;
        let text = serde_json::to_string_pretty(self).map_err(|error| file_error(path, &error))?;
        let written = files::write(path, |file| file.write_all(text.as_bytes()));
        written.map_err(|error| file_error(path, &error))
    }

    /// Reads a record back; floats to within their last binary digit.
    ///
    /// # Errors
    /// [`UnlearningError::File`] if the file is missing or is no record, or a value of it is out of its range.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::Relearned;

    fn report() -> ForgettingReport {
        let distance = OutputDistance { kl: 0.1, l2: 0.2 };
        let model = ModelMetrics {
            retain_accuracy: 0.9,
            forget_accuracy: 0.1,
            test_accuracy: 0.8,
            membership: Attacks {
                loss: 0.5,
                entropy: 0.5,
                confidence: 0.5,
                modified_entropy: 0.5,
                likelihood_ratio: None,
            },
            relearn: Relearned {
                epochs: Some(2),
                steps: 4,
            },
            zrf: Some(0.9),
        };
        ForgettingReport {
            request: "ann".into(),
            method: "SSD".into(),
            examples: [3, 2, 1],
            original: model,
            unlearned: model,
            retrained: None,
            to_original: Distances {
                retain: distance,
                forget: distance,
                test: distance,
                weights: 0.3,
            },
            to_retrained: None,
            klom: None,
        }
    }

    #[test]
    fn saving_a_report_leaves_a_file_of_the_same_name_that_ends_in_tmp() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("report.tmp");
        std::fs::write(&mine, "mine").unwrap();
        let path = folder.path().join("report.json");
        report().save(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
        assert_eq!(ForgettingReport::load(&path).unwrap(), report());
    }

    #[test]
    fn a_record_out_of_range_is_neither_written_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let mut wrong = report();
        wrong.unlearned.forget_accuracy = f64::NAN;
        let error = wrong.save(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`forget_accuracy` is NaN: allowed is 0 to 1"
        );
        assert!(!path.exists());
        let text = serde_json::to_string(&report()).unwrap();
        for (from, to) in [
            ("0.9", "1.5"),
            ("\"steps\":4", "\"steps\":1"),
            ("[3,2,1]", "[3,0,1]"),
            ("\"weights\":0.3", "\"weights\":-1"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(ForgettingReport::load(&path).is_err(), "{to}");
        }
    }
}
