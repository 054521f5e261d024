//! # relabel
//!
//! Amnesiac unlearning: forget samples get a random wrong label, and training goes on.
//!
//! Source: Graves, Nagisetty and Ganesh 2021; as a baseline of arXiv 2308.07707: 3 epochs on the
//! relabelled forget set together with the retain set, Adam 1e-4.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Result, check};

/// For each label in `0..classes` another one, uniformly at random, the same for the same seed.
///
/// # Errors
/// If there are fewer than two classes, or a label is out of range.
///
/// ```
/// use regimen_unlearning::relabel;
///
/// let labels = [3, 3, 0];
/// let wrong = relabel(&labels, 10, 7)?;
/// assert!(labels.iter().zip(&wrong).all(|(old, new)| old != new && *new < 10));
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn relabel(labels: &[usize], classes: usize, seed: u64) -> Result<Vec<usize>> {
    check("classes", classes as f64, classes >= 2, "2 or more")?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let other = |label: &usize| {
        check("label", *label as f64, *label < classes, "below `classes`")?;
        let draw = rng.random_range(0..classes - 1);
        Ok(if draw >= *label { draw + 1 } else { draw })
    };
    labels.iter().map(other).collect()
}
