//! Log-probabilities of responses, and pairs of them.

use burn::tensor::{Bool, Tensor};

use crate::error::{Result, RlRewardsError};
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

    /// The chosen and the rejected under the policy.
    #[must_use]
    pub fn policy(&self) -> (&Scored, &Scored) {
        (&self.chosen, &self.rejected)
    }

    /// Their log-ratios to the reference: `c` and `w`.
    ///
    /// # Errors
    /// If the pairs have no reference.
    pub fn ratios(&self) -> Result<(Scored, Scored)> {
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
