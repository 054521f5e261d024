//! # Pathway tracking
//!
//! Pathway figures of the training data over checkpoints, beside held-out accuracy, and how the two correlate.
//!
//! Source: arXiv 2506.21551, sections 3 and 4 (memorised samples, pathway figures over checkpoints, Pearson correlations) and its
//! theory (effective dimension).

use std::collections::BTreeMap;

use regimen_tensor::rank::pearson;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::{MoeError, above_zero};

/// Figures of one checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Training step.
    pub step: u64,
    /// Held-out accuracy, in the unit of your choice.
    pub accuracy: f64,
    /// Figures by name: a pathway distance, a consistency, the training loss.
    pub figures: BTreeMap<String, f64>,
}

/// The checkpoints so far: plain data, to stop and go on with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathwayTracker {
    /// In the order of their steps.
    checkpoints: Vec<Checkpoint>,
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
        let last = self.checkpoints.last();
        if let Some(last) = last.filter(|last| last.step >= checkpoint.step) {
            let allowed = format!("above {}", last.step);
            return Err(MoeError::range("step", checkpoint.step, &allowed));
        }
        let figures = checkpoint.figures.values().chain([&checkpoint.accuracy]);
        if let Some(bad) = figures.into_iter().find(|figure| !figure.is_finite()) {
            return Err(MoeError::range("figures", bad, "finite numbers"));
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

    /// Pearson's correlation of a figure with held-out accuracy over the checkpoints from a step on (of a group of samples that is
    /// memorised at step `t`, those from `t` on). Absent with fewer than three, or where either is constant.
    #[must_use]
    pub fn correlation(&self, name: &str, from: u64) -> Option<f64> {
        let later = self.checkpoints.iter().filter(|c| c.step >= from);
        let pairs = later.filter_map(|c| Some((*c.figures.get(name)?, c.accuracy)));
        let (figures, accuracies): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let constant = |values: &[f64]| values.iter().all(|v| *v == values[0]);
        if figures.len() < 3 || constant(&figures) || constant(&accuracies) {
            return None;
        }
        pearson(&figures, &accuracies).ok()
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

/// `Tr(H (H + lambda I)^-1)` of a kernel with these eigenvalues: how many directions a ridge of `lambda` leaves free.
///
/// # Errors
/// If `lambda` is not a finite number above 0, or an eigenvalue is not finite.
///
/// ```
/// let dimension = regimen_moe::pathways::effective_dimension(&[2.0, 1.0, 0.5, 0.1], 1.0)?;
/// assert!((dimension - 1.590_909_090_9).abs() < 1e-9);
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
pub fn effective_dimension(eigenvalues: &[f64], lambda: f64) -> Result<f64> {
    above_zero("lambda", lambda)?;
    if let Some(bad) = eigenvalues.iter().find(|value| !value.is_finite()) {
        return Err(MoeError::range("eigenvalues", bad, "finite numbers"));
    }
    Ok(eigenvalues
        .iter()
        .map(|value| value / (value + lambda))
        .sum())
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
    fn effective_dimension_of_the_check() {
        let found = effective_dimension(&[2.0, 1.0, 0.5, 0.1], 0.1).unwrap();
        assert_abs_diff_eq!(found, 3.194_805_194_8, epsilon = 1e-9);
        assert!(effective_dimension(&[1.0], 0.0).is_err());
    }
}
