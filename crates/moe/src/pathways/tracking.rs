//! # Pathway tracking
//!
//! Pathway figures of the training data over checkpoints, beside held-out accuracy, and how the two correlate.
//!
//! Source: arXiv 2506.21551, sections 3 and 4 (memorised samples, pathway figures over checkpoints, Pearson correlations).

use std::collections::BTreeMap;

use regimen_tensor::Part;
use regimen_tensor::checked::Checked;
use regimen_tensor::checkpoint::{PartError, json};
use regimen_tensor::stats::{mean, pearson};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::{MoeError, above_zero};

/// Figures of one checkpoint, all finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Checkpoint {
    /// Training step.
    pub step: u64,
    /// Held-out accuracy, in the unit of your choice.
    pub accuracy: f64,
    /// Figures by name: a pathway distance, a consistency, the training loss.
    pub figures: BTreeMap<String, f64>,
}

impl Checked for Checkpoint {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        let figures = self.figures.values().chain([&self.accuracy]);
        match figures.into_iter().find(|figure| !figure.is_finite()) {
            Some(bad) => Err(MoeError::range("figures", bad, "finite numbers")),
            None => Ok(()),
        }
    }
}

/// The checkpoints so far: plain data, to stop and go on with.
///
/// What is read is checked as [`Self::add`] checks it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PathwayTracker {
    /// In the order of their steps.
    checkpoints: Vec<Checkpoint>,
}

impl Checked for PathwayTracker {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        self.checkpoints.iter().try_for_each(Checked::check)?;
        let pairs = self.checkpoints.windows(2);
        pairs
            .into_iter()
            .try_for_each(|pair| follows(&pair[0], &pair[1]))
    }
}

regimen_tensor::checked_serde!(Checkpoint, PathwayTracker);

/// The later one is after the earlier one.
fn follows(earlier: &Checkpoint, later: &Checkpoint) -> Result<()> {
    if later.step <= earlier.step {
        let allowed = format!("above {}", earlier.step);
        return Err(MoeError::range("step", later.step, &allowed));
    }
    Ok(())
}

/// All checkpoints.
impl Part for PathwayTracker {
    fn kind(&self) -> String {
        "pathway tracker 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        *self = json::load(bytes)?;
        Ok(())
    }
}

impl PathwayTracker {
    /// No checkpoint yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a checkpoint.
    ///
    /// # Errors
    /// If its step is not after the last one's, or a figure is not finite.
    pub fn add(&mut self, checkpoint: Checkpoint) -> Result<()> {
        checkpoint.check()?;
        if let Some(last) = self.checkpoints.last() {
            follows(last, &checkpoint)?;
        }
        self.checkpoints.push(checkpoint);
        Ok(())
    }

    /// The checkpoints, in the order of their steps.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// A figure over the checkpoints that have it, with their steps.
    #[must_use]
    pub fn curve(&self, name: &str) -> Vec<(u64, f64)> {
        let points = self.checkpoints.iter();
        points
            .filter_map(|c| Some((c.step, *c.figures.get(name)?)))
            .collect()
    }

    /// The mean of a figure over the checkpoints of a phase, those that `belongs` is true of. Absent if none of them has it.
    ///
    /// Phases compare what a relapse would blur: a model that has memorised, and later the same model when it generalises.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use regimen_moe::pathways::{Checkpoint, PathwayTracker};
    ///
    /// let mut tracker = PathwayTracker::new();
    /// for (step, accuracy, distance) in [(100, 0.02, 4.5), (200, 0.05, 4.3), (300, 0.4, 4.0), (400, 0.9, 3.3)] {
    ///     let figures = BTreeMap::from([("distance".to_owned(), distance)]);
    ///     tracker.add(Checkpoint { step, accuracy, figures })?;
    /// }
    /// let memorised = tracker.mean_where("distance", |checkpoint| checkpoint.accuracy <= 0.1);
    /// let generalised = tracker.mean_where("distance", |checkpoint| checkpoint.accuracy >= 0.8);
    /// assert_eq!((memorised, generalised), (Some(4.4), Some(3.3)));
    /// # Ok::<(), regimen_moe::MoeError>(())
    /// ```
    #[must_use]
    pub fn mean_where(&self, name: &str, belongs: impl Fn(&Checkpoint) -> bool) -> Option<f64> {
        let phase = self.checkpoints.iter().filter(|c| belongs(c));
        let figures: Vec<f64> = phase.filter_map(|c| c.figures.get(name).copied()).collect();
        (!figures.is_empty()).then(|| mean(&figures))
    }

    /// Pearson's correlation of a figure with held-out accuracy over the checkpoints from a step on (of a group of samples that is
    /// memorised at step `t`, those from `t` on). Absent with fewer than three, or where either is constant or too large for a
    /// correlation.
    #[must_use]
    pub fn correlation(&self, name: &str, from: u64) -> Option<f64> {
        let later = self.checkpoints.iter().filter(|c| c.step >= from);
        let pairs = later.filter_map(|c| Some((*c.figures.get(name)?, c.accuracy)));
        let (figures, accuracies): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let constant = |values: &[f64]| values.iter().all(|v| *v == values[0]);
        if figures.len() < 3 || constant(&figures) || constant(&accuracies) {
            return None;
        }
        let correlation = pearson(&figures, &accuracies).ok()?;
        correlation.is_finite().then_some(correlation)
    }
}

/// The first checkpoint from which a sample's loss stays at most `limit` and within `tolerance` (0.05 in the paper) of its last
/// loss: from there on the sample is memorised. Absent if there is none.
#[must_use]
pub fn memorised_from(losses: &[f64], limit: f64, tolerance: f64) -> Option<usize> {
    let last = *losses.last()?;
    let settled = |loss: &&f64| **loss <= limit && (**loss - last).abs() <= tolerance;
    let count = losses.iter().rev().take_while(settled).count();
    (count > 0).then(|| losses.len() - count)
}

/// Samples, by their places in `curves`, grouped by the checkpoint from which they are memorised ([`memorised_from`]):
/// `curves[sample]` has a loss a checkpoint. Samples that are not memorised are in no group.
#[must_use]
pub fn memorised_groups(
    curves: &[Vec<f64>],
    limit: f64,
    tolerance: f64,
) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (sample, losses) in curves.iter().enumerate() {
        if let Some(from) = memorised_from(losses, limit, tolerance) {
            groups.entry(from).or_default().push(sample);
        }
    }
    groups
}

/// The smallest limit on a loss, among the multiples of `step` (0.1 in the paper), with which at least the share `least` of the
/// samples is memorised (the paper aims at 20 to 25 %). Absent if no limit reaches it.
///
/// # Errors
/// If `step` is not a finite number above 0, or `least` not above 0 and at most 1.
///
/// ```
/// use regimen_moe::pathways::{memorisation_limit, memorised_groups};
///
/// let curves = [vec![2.0, 0.11, 0.12], vec![2.0, 0.9, 0.35], vec![2.0, 0.31, 0.33], vec![2.0, 2.0, 2.0]];
/// let limit = memorisation_limit(&curves, 0.1, 0.25)?.unwrap();
/// assert!((limit - 0.2).abs() < 1e-9);
/// assert_eq!(memorised_groups(&curves, limit, 0.05)[&1], [0]);
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
pub fn memorisation_limit(curves: &[Vec<f64>], step: f64, least: f64) -> Result<Option<f64>> {
    above_zero("step", step)?;
    if !(least > 0.0 && least <= 1.0) {
        return Err(MoeError::range("least", least, "above 0 and at most 1"));
    }
    // Whether a sample is memorised at all depends on its last loss alone.
    let lasts = curves.iter().filter_map(|losses| losses.last().copied());
    let mut lasts: Vec<f64> = lasts.filter(|loss| loss.is_finite()).collect();
    lasts.sort_by(f64::total_cmp);
    let needed = (least * curves.len() as f64).ceil() as usize;
    let loss = needed.checked_sub(1).and_then(|place| lasts.get(place));
    let limit = loss.map(|loss| {
        let limit = (loss / step).ceil().max(1.0) * step;
        if limit < *loss { limit + step } else { limit }
    });
    Ok(limit.filter(|limit| limit.is_finite()))
}

/// The first checkpoint from which a test item stays right: right there, and over the later ones a mean above 0.8 with at most one
/// miss. Absent if there is none.
#[must_use]
pub fn generalised_from(right: &[bool]) -> Option<usize> {
    (0..right.len()).find(|&from| {
        let later = &right[from..];
        let misses = later.iter().filter(|right| !**right).count();
        let mean = 1.0 - misses as f64 / later.len() as f64;
        right[from] && misses <= 1 && mean > 0.8
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn checkpoint(step: u64, accuracy: f64, distance: f64) -> Checkpoint {
        Checkpoint {
            step,
            accuracy,
            figures: BTreeMap::from([("distance".to_owned(), distance)]),
        }
    }

    #[test]
    fn correlates_from_a_step_on_and_resumes() {
        let mut tracker = PathwayTracker::new();
        for (step, accuracy, distance) in
            [(1, 0.9, 9.0), (2, 0.1, 4.0), (3, 0.5, 3.0), (4, 0.9, 2.0)]
        {
            tracker.add(checkpoint(step, accuracy, distance)).unwrap();
            let text = serde_json::to_string(&tracker).unwrap();
            tracker = serde_json::from_str(&text).unwrap();
        }
        assert_abs_diff_eq!(
            tracker.correlation("distance", 2).unwrap(),
            -1.0,
            epsilon = 1e-12
        );
        assert!(tracker.correlation("distance", 1).unwrap() > -0.5);
        assert_eq!(tracker.correlation("distance", 3), None);
        assert_eq!(tracker.correlation("loss", 0), None);
        assert_eq!(tracker.mean_where("distance", |c| c.step > 2), Some(2.5));
        assert_eq!(tracker.mean_where("distance", |c| c.step > 4), None);
        assert_eq!(tracker.mean_where("loss", |_| true), None);
        assert!(tracker.add(checkpoint(4, 0.0, 0.0)).is_err());
        assert!(tracker.add(checkpoint(5, f64::NAN, 0.0)).is_err());
    }

    #[test]
    fn memorised_and_generalised() {
        assert_eq!(
            memorised_from(&[2.0, 0.3, 0.9, 0.32, 0.3], 0.5, 0.05),
            Some(3)
        );
        assert_eq!(memorised_from(&[2.0, 0.9], 0.5, 0.05), None);
        assert_eq!(memorised_from(&[], 0.5, 0.05), None);
        let right = [false, true, false, true, true, true, true, true, true];
        assert_eq!(generalised_from(&right), Some(1));
        assert_eq!(generalised_from(&[true, false, false]), None);
    }

    #[test]
    fn groups_are_the_samples_of_a_checkpoint() {
        let curves = [
            vec![2.0, 0.3, 0.32],
            vec![2.0, 0.9, 0.1],
            vec![2.0, 0.31, 0.3],
            vec![2.0, 2.0, 2.0],
            vec![2.0, 0.1, f64::NAN],
        ];
        let groups = memorised_groups(&curves, 0.5, 0.05);
        let expected = BTreeMap::from([(1, vec![0, 2]), (2, vec![1])]);
        assert_eq!(groups, expected);
        let limit = |least| memorisation_limit(&curves, 0.1, least).unwrap();
        assert_abs_diff_eq!(limit(0.2).unwrap(), 0.1, epsilon = 1e-12);
        assert_abs_diff_eq!(limit(0.6).unwrap(), 0.4, epsilon = 1e-12);
        assert_eq!(limit(1.0), None);
        let shared = |limit| {
            let groups = memorised_groups(&curves, limit, 0.05);
            groups.values().map(Vec::len).sum::<usize>()
        };
        assert_eq!(
            [0.2, 0.4, 0.6].map(|least| shared(limit(least).unwrap())),
            [1, 2, 3]
        );
        assert!(memorisation_limit(&curves, 0.0, 0.2).is_err());
        assert!(memorisation_limit(&curves, 0.1, 0.0).is_err());
        assert!(memorisation_limit(&[], 0.1, 0.2).unwrap().is_none());
    }
}
