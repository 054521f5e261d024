//! Log-probabilities of responses, and pairs of them.

use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;

use super::f_divergence::FDivergence;
use crate::error::{Result, RlRewardsError, check};
use crate::objective::tensors::{check_shape, constant, number, wide};

/// Log-probabilities of some responses: the sum of each over its tokens, and their number.
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use regimen_rl_rewards::Scored;
///
/// let log_probs = Tensor::<2>::from_data([[-0.5, -1.0, f32::NAN]], &Device::flex());
/// let mask = Tensor::<2, Bool>::from_data([[true, true, false]], &Device::flex());
/// let scored = Scored::of(log_probs, mask)?;
/// assert_eq!(scored.sums().into_scalar::<f32>(), -1.5);
/// assert_eq!(scored.means().into_scalar::<f32>(), -0.75);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scored {
    sums: Tensor<1>,
    lengths: Tensor<1>,
}

impl Scored {
    /// From log-probabilities of tokens `[responses, tokens]` and the mask of those that are the response's, its end token among them.
    /// Anything may stand at masked places. Half precision is taken as f32.
    ///
    /// # Errors
    /// If the shapes differ, or there is no response.
    pub fn of(log_probs: Tensor<2>, mask: Tensor<2, Bool>) -> Result<Self> {
        let [rows, tokens] = log_probs.dims();
        check_shape("mask", mask.dims(), [rows, tokens])?;
        if rows * tokens == 0 {
            return Err(none());
        }
        let mask = mask.inner();
        let log_probs = wide(log_probs).mask_fill(mask.clone().bool_not(), 0.0);
        let lengths = number(mask, log_probs.dtype()).sum_dim(1).reshape([rows]);
        let sums = log_probs.sum_dim(1).reshape([rows]);
        Ok(Self { sums, lengths })
    }

    /// A pair in which what a response has beyond the other's length counts by a share of `tail` only, 0 to 1: sums then tell less of lengths.
    /// At 1 it is [`of`](Self::of). Score the reference in the same way.
    ///
    /// Source: "Length Desensitization in Direct Preference Optimization" (LD-DPO), arXiv 2409.06411.
    ///
    /// # Errors
    /// As [`of`](Self::of), or if `tail` is not within 0 to 1, or there are more of one than of the other.
    #[doc(alias("LD-DPO", "ld_alpha"))]
    pub fn of_pair(
        chosen: (Tensor<2>, Tensor<2, Bool>),
        rejected: (Tensor<2>, Tensor<2, Bool>),
        tail: f64,
    ) -> Result<(Self, Self)> {
        check("tail", tail, (0.0..=1.0).contains(&tail), "0 to 1")?;
        let whole = |(log_probs, mask): &(Tensor<2>, Tensor<2, Bool>)| {
            Self::of(log_probs.clone(), mask.clone())
        };
        let wholes = (whole(&chosen)?, whole(&rejected)?);
        let [own, theirs] = [&wholes.0, &wholes.1].map(|one| one.lengths.clone());
        check_shape("rejected", theirs.dims(), own.dims())?;
        let shorter = own.clone().min_pair(theirs);
        let desensitised = |whole: Self, (log_probs, mask): (Tensor<2>, Tensor<2, Bool>)| {
            let log_probs = wide(log_probs);
            let counted = number(mask.clone(), log_probs.dtype()).cumsum(1);
            let limit = shorter.clone().unsqueeze_dim::<2>(1);
            let is_shared = counted.lower_equal(limit.expand(log_probs.dims()));
            let is_shared = is_shared.bool_and(mask.inner());
            let shared = log_probs.mask_fill(is_shared.bool_not(), 0.0).sum_dim(1);
            let shared = shared.reshape(whole.lengths.dims());
            let sums = shared.clone() * (1.0 - tail) + whole.sums * tail;
            Self { sums, ..whole }
        };
        Ok((
            desensitised(wholes.0, chosen),
            desensitised(wholes.1, rejected),
        ))
    }

    /// From sums and numbers of tokens, `[responses]`.
    ///
    /// # Errors
    /// If the shapes differ, or there is no response.
    pub fn new(sums: Tensor<1>, lengths: Tensor<1>) -> Result<Self> {
        check_shape("lengths", lengths.dims(), sums.dims())?;
        if sums.dims() == [0] {
            return Err(none());
        }
        let sums = wide(sums);
        let lengths = constant(lengths, &sums);
        Ok(Self { sums, lengths })
    }

    /// The number of responses.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.sums.dims()[0]
    }

    /// Sums over tokens.
    #[must_use]
    pub fn sums(&self) -> Tensor<1> {
        self.sums.clone()
    }

    /// Means over tokens; 0 for a response without a token.
    #[must_use]
    pub fn means(&self) -> Tensor<1> {
        self.sums.clone() / self.lengths.clone().clamp_min(1.0)
    }

    /// Less the reference's sums, through which no gradient flows.
    pub(super) fn against(&self, reference: Option<&Self>) -> Result<Self> {
        let reference = reference.ok_or_else(|| RlRewardsError::OutOfRange {
            field: "reference",
            value: "missing".into(),
            allowed: "given by `with_reference`",
        })?;
        let sums = self.sums.clone() - constant(reference.sums.clone(), &self.sums);
        Ok(Self {
            sums,
            lengths: self.lengths.clone(),
        })
    }
}

fn none() -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field: "responses",
        value: "0".into(),
        allowed: "one or more",
    }
}

/// Pairs of a chosen and a rejected response to the same prompt, under the policy and, for most losses, under the reference.
#[derive(Clone, Debug)]
pub struct Pairs {
    chosen: Scored,
    rejected: Scored,
    reference: Option<(Scored, Scored)>,
    divergence: FDivergence,
}

impl Pairs {
    /// As many of one as of the other. Dropout is off for both policies.
    ///
    /// # Errors
    /// If the numbers differ.
    pub fn new(chosen: Scored, rejected: Scored) -> Result<Self> {
        check_shape("rejected", rejected.sums.dims(), chosen.sums.dims())?;
        Ok(Self {
            chosen,
            rejected,
            reference: None,
            divergence: FDivergence::ReverseKl,
        })
    }

    /// The same responses under the reference policy.
    ///
    /// # Errors
    /// If the numbers differ.
    pub fn with_reference(self, chosen: Scored, rejected: Scored) -> Result<Self> {
        for scored in [&chosen, &rejected] {
            check_shape("reference", scored.sums.dims(), self.chosen.sums.dims())?;
        }
        let reference = Some((chosen, rejected));
        Ok(Self { reference, ..self })
    }

    /// Another divergence from the reference, for the losses of the difference between chosen and rejected: [`Dpo`](super::Dpo),
    /// [`Ipo`](super::Ipo), [`Exo`](super::Exo) and [`DiscoPop`](super::DiscoPop).
    ///
    /// # Errors
    /// If its parameter is out of its range.
    pub fn with_divergence(self, divergence: FDivergence) -> Result<Self> {
        let divergence = divergence.checked()?;
        Ok(Self { divergence, ..self })
    }

    /// The chosen and the rejected under the policy.
    #[must_use]
    pub fn policy(&self) -> (&Scored, &Scored) {
        (&self.chosen, &self.rejected)
    }

    /// Their scores by the divergence: `c` and `w` of a loss that sees their difference only. Log-ratios, if no other was set.
    ///
    /// # Errors
    /// If the pairs have no reference.
    pub fn scores(&self) -> Result<(Scored, Scored)> {
        let (chosen, rejected) = self.log_ratios()?;
        let score = |scored: Scored| Scored {
            sums: self.divergence.scores(scored.sums),
            lengths: scored.lengths,
        };
        Ok((score(chosen), score(rejected)))
    }

    /// Their log-ratios to the reference: `c` and `w`.
    ///
    /// # Errors
    /// If the pairs have no reference, or another divergence than the reverse Kullback-Leibler one.
    pub fn ratios(&self) -> Result<(Scored, Scored)> {
        if self.divergence == FDivergence::ReverseKl {
            return self.log_ratios();
        }
        Err(RlRewardsError::OutOfRange {
            field: "divergence",
            value: format!("{:?}", self.divergence),
            allowed: "`ReverseKl` for a loss that sees chosen and rejected apart",
        })
    }

    fn log_ratios(&self) -> Result<(Scored, Scored)> {
        let (chosen, rejected) = match &self.reference {
            Some((chosen, rejected)) => (Some(chosen), Some(rejected)),
            None => (None, None),
        };
        Ok((
            self.chosen.against(chosen)?,
            self.rejected.against(rejected)?,
        ))
    }
}

/// A loss of pairs. `c` and `w` are the log-ratios of policy to reference of the chosen and the rejected, summed over tokens,
/// `Delta = c - w`.
pub trait Preference {
    /// One loss a pair, `[pairs]`.
    ///
    /// With micro-batches or several devices divide the sum by the pairs of the whole step, since Burn sums gradients.
    ///
    /// # Errors
    /// If the pairs lack a reference that the loss needs.
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>>;

    /// The mean over the pairs, `[1]`.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn loss(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        Ok(self.losses(pairs)?.mean())
    }
}
