//! # Sampler
//!
//! Plans each epoch and learns from the losses of what was trained on.
//!
//! Source: the common form of the methods below.

use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, same};

/// The examples of one epoch, in the order of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct EpochPlan {
    /// Ids, `0..examples`, each at most once.
    pub ids: Vec<usize>,
    /// A factor for each example's loss, if not all are 1: the batch loss is `mean(weight * loss)`.
    pub weights: Option<Vec<f32>>,
}

checked_serde!(EpochPlan);

impl Checked for EpochPlan {
    type Error = CurriculumError;

    /// Refuses ids that come again, and weights that are not one finite number for each of them.
    fn check(&self) -> Result<()> {
        let mut sorted = self.ids.clone();
        sorted.par_sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(CurriculumError::Repeated { id: pair[0] }),
            None => self.check_weights(),
        }
    }
}

impl EpochPlan {
    /// Refuses a plan that a data set of so many examples can't deliver.
    #[cfg(feature = "burn")]
    pub(crate) fn check_for(&self, examples: usize) -> Result<()> {
        let mut planned = vec![false; examples];
        for id in &self.ids {
            match planned.get_mut(*id) {
                None => return Err(CurriculumError::UnknownExample { id: *id, examples }),
                Some(true) => return Err(CurriculumError::Repeated { id: *id }),
                Some(first) => *first = true,
            }
        }
        self.check_weights()
    }

    fn check_weights(&self) -> Result<()> {
        let Some(weights) = &self.weights else {
            return Ok(());
        };
        let ids = self.ids.len();
        let bad = weights.iter().position(|weight| !weight.is_finite());
        let position = bad.or((weights.len() != ids).then_some(weights.len().min(ids)));
        match position {
            None => Ok(()),
            Some(position) => Err(CurriculumError::Weight {
                position,
                weight: weights
                    .get(position)
                    .map_or("missing".into(), f32::to_string),
                ids,
            }),
        }
    }

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

    /// Plans the next epoch. Calling it is what starts an epoch. A plan without examples is refused by whatever delivers it.
    fn plan(&mut self) -> EpochPlan;

    /// Learns the unweighted losses of some examples.
    ///
    /// Over several participants, gather ids and losses first and give every participant all of them.
    ///
    /// # Errors
    /// If a loss is NaN or infinite, an id is out of range, or the lengths differ; nothing is
    /// changed then.
    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()>;

    /// Refuses a saved state that is not one of this sampler: `CurriculumLoader` asks before it loads one.
    ///
    /// As it is provided, it compares the numbers of examples; the samplers of this crate compare their configurations too.
    ///
    /// # Errors
    /// If the state is for another number of examples, or was made from another configuration.
    fn accepts(&self, saved: &Self) -> Result<()>
    where
        Self: Sized,
    {
        same("examples", &self.examples(), &saved.examples())
    }
}
