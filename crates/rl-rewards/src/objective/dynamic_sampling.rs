//! # DynamicSampling
//!
//! Fills a batch with prompts whose group of responses has something to learn from.
//!
//! Source: "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", arXiv 2503.14476; sizes as in verl's recipe.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::advantage::Groups;
use crate::error::{Result, RlRewardsError, check};

/// Keeps groups with rewards that differ (with rewards of 0 and 1: an accuracy of neither), round by round, until there are enough.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `wanted` | required; 512 prompts in the recipe, 1,536 sampled a round | 1 or more |
/// | `rounds` | 10 | 1 or more |
///
/// ```
/// use regimen_rl_rewards::{DynamicSampling, Filled, Groups};
///
/// let sampling = DynamicSampling::new(2)?;
/// let mut kept = Vec::new();
/// let first = Groups::of_size(vec![1.0, 0.0, 1.0, 1.0], 2)?;
/// kept.extend(sampling.keep(&first, kept.len()));
/// assert_eq!((kept.len(), sampling.filled(kept.len(), 1)), (1, Filled::NotYet));
/// kept.extend(sampling.keep(&Groups::of_size(vec![0.0, 1.0], 2)?, kept.len()));
/// assert_eq!(sampling.filled(kept.len(), 2), Filled::Full);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("filter_groups", "max_num_gen_batches"))]
pub struct DynamicSampling {
    wanted: usize,
    rounds: usize,
}
checked_serde!(DynamicSampling);

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Sample another round.
    NotYet,
    /// There are as many groups as are wanted.
    Full,
    /// The last round is over and groups are missing: train on fewer, or look at the data.
    GaveUp,
}

impl DynamicSampling {
    /// For so many prompts a step.
    ///
    /// # Errors
    /// If `wanted` is 0.
    pub fn new(wanted: usize) -> Result<Self> {
        Self { wanted, rounds: 10 }.checked()
    }

    /// The most rounds of sampling.
    ///
    /// # Errors
    /// If `rounds` is 0.
    pub fn with_rounds(self, rounds: usize) -> Result<Self> {
        Self { rounds, ..self }.checked()
    }

    /// The groups of a round to keep, in order, no more than are missing where `kept` are there already.
    #[must_use]
    pub fn keep(&self, round: &Groups, kept: usize) -> Vec<usize> {
        let informative = round.informative();
        let good = (0..round.len()).filter(|group| informative[*group]);
        good.take(self.wanted.saturating_sub(kept)).collect()
    }

    /// Whether to sample on, with so many groups kept after so many rounds.
    #[must_use]
    pub fn filled(&self, kept: usize, rounds: usize) -> Filled {
        if kept >= self.wanted {
            Filled::Full
        } else if rounds >= self.rounds {
            Filled::GaveUp
        } else {
            Filled::NotYet
        }
    }
}

impl Checked for DynamicSampling {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("wanted", self.wanted as f64, self.wanted > 0, "1 or more")?;
        check("rounds", self.rounds as f64, self.rounds > 0, "1 or more")
    }
}
