//! # Sampler
//!
//! Plans each epoch and learns from the losses of what was trained on.
//!
//! Source: the common form of the methods below.

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The examples of one epoch, in the order of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochPlan {
    /// Ids, `0..examples`, each at most once.
    pub ids: Vec<usize>,
    /// A factor for each example's loss, if not all are 1: the batch loss is `mean(weight * loss)`.
    pub weights: Option<Vec<f32>>,
}

impl EpochPlan {
    /// A plan in which every example weighs the same.
    #[must_use]
    pub fn new(ids: Vec<usize>) -> Self {
        let weights = None;
        Self { ids, weights }
    }

    /// The factor of the example at a position; 1 past the end.
    #[must_use]
    pub fn weight(&self, position: usize) -> f32 {
        let weights = self.weights.as_ref();
        weights
            .and_then(|all| all.get(position))
            .copied()
            .unwrap_or(1.0)
    }
}

/// Decides which examples an epoch trains on.
///
/// A sampler is plain data: save it with `serde`, and it goes on as if it had not been stopped. Its
/// randomness follows from its seed and the epoch.
pub trait Sampler: Send {
    /// The number of examples of the data set.
    fn examples(&self) -> usize;

    /// Plans the next epoch. Calling it is what starts an epoch.
    fn plan(&mut self) -> EpochPlan;

    /// Learns the unweighted losses of some examples.
    ///
    /// Over several participants, gather ids and losses first and give every participant all of them.
    ///
    /// # Errors
    /// If a loss is NaN or infinite, an id is out of range, or the lengths differ; nothing is
    /// changed then.
    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()>;
}
