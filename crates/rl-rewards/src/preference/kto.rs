//! # Kto
//!
//! From responses that are marked good or bad, each alone.
//!
//! Source: "KTO: Model Alignment as Prospect Theoretic Optimization", arXiv 2402.01306; without its reference point, APO-zero unpaired.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::dpo::check_beta;
use super::pairs::Scored;
use crate::error::{Result, RlRewardsError, check};
use crate::objective::tensors::{check_shape, constant, number};

/// Responses under the policy and the reference, and whether each is good.
#[derive(Clone, Debug)]
pub struct Marked {
    policy: Scored,
    reference: Scored,
    good: Tensor<1, Bool>,
}

impl Marked {
    /// As many of one as of the others.
    ///
    /// # Errors
    /// If the numbers differ.
    pub fn new(policy: Scored, reference: Scored, good: Tensor<1, Bool>) -> Result<Self> {
        let count = [policy.responses()];
        check_shape("reference", [reference.responses()], count)?;
        check_shape("good", good.dims(), count)?;
        Ok(Self {
            policy,
            reference,
            good,
        })
    }
}

/// Good: `weight_good (1 - sig(beta (c - kl)))`; bad: `weight_bad (1 - sig(beta (kl - w)))`.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `beta` | required; 0.1 | above 0 |
/// | weights | 1, 1 | 0 or more; keep `weight_good n_good / (weight_bad n_bad)` within 1 and 4/3 |
///
/// `kl` is the reference point: the mean log-ratio of *mismatched* pairs, a prompt with another prompt's response, no less than 0
/// ([`reference_point`](Self::reference_point)). No gradient flows through it, and a batch of one has no such pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Kto {
    beta: f64,
    good: f64,
    bad: f64,
}
checked_serde!(Kto);

impl Kto {
    /// Both weights 1.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self {
            beta,
            good: 1.0,
            bad: 1.0,
        }
        .checked()
    }

    /// The weights of good and of bad responses.
    ///
    /// # Errors
    /// If one is not finite or below 0.
    pub fn with_weights(self, good: f64, bad: f64) -> Result<Self> {
        Self { good, bad, ..self }.checked()
    }

    /// `max(0, mean(policy - reference))` of mismatched pairs, `[1]`: a constant. On several devices take the mean over all of them.
    ///
    /// # Errors
    /// If the numbers differ.
    pub fn reference_point(policy: &Scored, reference: &Scored) -> Result<Tensor<1>> {
        check_shape("reference", [reference.responses()], [policy.responses()])?;
        let ratios = policy.against(Some(reference))?;
        Ok(ratios.sums().inner().mean().clamp_min(0.0))
    }

    /// One loss a response, `[responses]`; `kl` is `[1]`.
    ///
    /// # Errors
    /// Never for what [`Marked`] lets through; kept for the shape of the others.
    pub fn losses(&self, marked: &Marked, kl: Tensor<1>) -> Result<Tensor<1>> {
        let ratios = marked.policy.against(Some(&marked.reference))?.sums();
        let count = ratios.dims();
        let good = number(marked.good.clone(), ratios.dtype());
        let kl = constant(kl, &ratios).expand(count);
        // 1 for good, -1 for bad.
        let side = good.clone() * 2.0 - 1.0;
        let weight = good * (self.good - self.bad) + self.bad;
        let gain = sigmoid((ratios - kl) * side * self.beta);
        Ok((-gain + 1.0) * weight)
    }

    /// The mean over all responses, `[1]`.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    pub fn loss(&self, marked: &Marked, kl: Tensor<1>) -> Result<Tensor<1>> {
        Ok(self.losses(marked, kl)?.mean())
    }
}

impl Checked for Kto {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        check("good", self.good, self.good >= 0.0, "0 or more")?;
        check("bad", self.bad, self.bad >= 0.0, "0 or more")
    }
}
