//! One pass in small batches.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::planned::Planned;
use super::stream::Scenario;
use crate::Result;

/// A scenario whose examples come once, in a random order that the seed fixes within each task.
///
/// Each task is to be seen in one pass with small batches (10 is usual), without shuffling: with Burn,
/// [`OnePass`](super::OnePass) is a loader that refuses a second one. A stream without boundaries ([`TaskFree`](super::TaskFree)) needs no order, and
/// would lose its own: [`in_order`](Self::in_order).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online<S> {
    scenario: S,
    seed: Option<u64>,
}

impl<S: Scenario> Online<S> {
    /// In a random order.
    #[must_use]
    pub fn new(scenario: S, seed: u64) -> Self {
        let seed = Some(seed);
        Self { scenario, seed }
    }

    /// In the order in which the scenario has them.
    #[must_use]
    pub fn in_order(scenario: S) -> Self {
        let seed = None;
        Self { scenario, seed }
    }
}

impl<S: Scenario> Scenario for Online<S> {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        let mut planned = self.scenario.train(labels)?;
        if let Some(seed) = self.seed {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            planned
                .iter_mut()
                .for_each(|task| task.examples.shuffle(&mut rng));
        }
        Ok(planned)
    }

    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        self.scenario.test(labels)
    }
}
