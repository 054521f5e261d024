//! # Orpo
//!
//! The likelihood of the chosen response, and the ratio of odds of the two, without a reference.
//!
//! Source: "ORPO: Monolithic Preference Optimization without Reference Model", arXiv 2403.07691.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// No average log-probability is nearer to 0: where the policy is certain, the odds are not infinite.
const NEAREST: f64 = 1e-6;

/// `-a - lambda log sig((a - b) - (log(1 - e^a) - log(1 - e^b)))`, `a` and `b` average log-probabilities of chosen and rejected.
///
/// `lambda` is 0.1 by default, 0 or more. Averages are kept 1e-6 below 0 in the odds. TRL takes the likelihood as a mean over all tokens
/// of the batch, here it is each response's own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Orpo {
    lambda: f64,
}
checked_serde!(Orpo);

impl Orpo {
    /// With the weight of the odds.
    ///
    /// # Errors
    /// If `lambda` is not finite or below 0.
    pub fn new(lambda: f64) -> Result<Self> {
        Self { lambda }.checked()
    }

    /// The part of the odds without `lambda`, one a pair.
    #[must_use]
    pub fn ratios(pairs: &Pairs) -> Tensor<1> {
        let (chosen, rejected) = pairs.policy();
        let odds = |log_probs: Tensor<1>| {
            let log_probs = log_probs.clamp_max(-NEAREST);
            log_probs.clone() - log_probs.exp().neg().log1p()
        };
        -log_sigmoid(odds(chosen.means()) - odds(rejected.means()))
    }
}

impl Default for Orpo {
    fn default() -> Self {
        Self { lambda: 0.1 }
    }
}

impl Checked for Orpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("lambda", self.lambda, self.lambda >= 0.0, "0 or more")
    }
}

impl Preference for Orpo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let likelihood = pairs.policy().0.means();
        Ok(Self::ratios(pairs) * self.lambda - likelihood)
    }
}
