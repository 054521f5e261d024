//! What is known of the sampled tokens of a batch.

use std::ops::Range;

use burn::tensor::{Bool, DType, Device, Tensor, TensorData};

use super::aggregation::Totals;
use super::tensors::{check_shape, number};
use crate::advantage::TokenMask;
use crate::error::{Result, RlRewardsError, check};
use crate::policy::Sequences;

/// The tokens of some responses, `[rows, tokens]`: which of them count, and constants for each.
///
/// | part | what | without it |
/// |---|---|---|
/// | mask | tokens that the policy chose, the end token among them | |
/// | `old` | log-probabilities under the policy before the step | the policy's own: ratio 1 |
/// | `reference` | log-probabilities under the reference policy | no KL term |
/// | `weights` | factors of each token's policy loss, as of [`Mismatch`](super::Mismatch) | 1 |
/// | `entropy` | entropy at each token; the gradient goes through it | no entropy bonus |
/// | `selected` | tokens picked by [`ClipCov`](super::ClipCov) or [`KlCov`](super::KlCov) | none |
/// | `totals` | tokens and sequences of the whole step | the batch's own |
///
/// Anything may stand at masked places, NaN too. Log-probabilities come from one numeric path, at the sampling temperature: re-score
/// with the trained model rather than take the sampler's.
#[derive(Clone, Debug)]
pub struct TokenBatch {
    pub(super) mask: Tensor<2, Bool>,
    pub(crate) old: Option<Tensor<2>>,
    pub(super) reference: Option<Tensor<2>>,
    pub(super) weights: Option<Tensor<2>>,
    pub(super) entropy: Option<Tensor<2>>,
    pub(super) selected: Option<Tensor<2, Bool>>,
    pub(crate) totals: Option<Totals>,
}

impl TokenBatch {
    /// With the mask of the tokens that count.
    ///
    /// # Errors
    /// If there is no row or no token.
    pub fn new(mask: Tensor<2, Bool>) -> Result<Self> {
        let [rows, tokens] = mask.dims();
        check(
            "mask",
            (rows * tokens) as f64,
            rows * tokens > 0,
            "one token or more",
        )?;
        Ok(Self::bare(mask.inner()))
    }

    /// With the mask of the sampled tokens of some sequences.
    ///
    /// # Errors
    /// None: sequences have a row and a token.
    pub fn of_sequences(sequences: &Sequences) -> Result<Self> {
        Self::new(sequences.mask().greater_elem(0.5))
    }

    /// From a mask on the host, on a device.
    #[must_use]
    pub fn of_mask(mask: &TokenMask, device: &Device) -> Self {
        let data = TensorData::new(mask.values().to_vec(), [mask.responses(), mask.tokens()]);
        Self::bare(Tensor::from_data(data, &device.clone().inner()))
    }

    fn bare(mask: Tensor<2, Bool>) -> Self {
        Self {
            mask,
            old: None,
            reference: None,
            weights: None,
            entropy: None,
            selected: None,
            totals: None,
        }
    }

    /// Log-probabilities under the policy before the step. No gradient flows through them.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_old(self, old: Tensor<2>) -> Result<Self> {
        check_shape("old", old.dims(), self.mask.dims())?;
        let old = Some(old.inner());
        Ok(Self { old, ..self })
    }

    /// Log-probabilities under the reference policy. No gradient flows through them.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_reference(self, reference: Tensor<2>) -> Result<Self> {
        check_shape("reference", reference.dims(), self.mask.dims())?;
        let reference = Some(reference.inner());
        Ok(Self { reference, ..self })
    }

    /// A factor of each token's policy loss, on top of those that are there. No gradient flows through it.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_weights(self, weights: Tensor<2>) -> Result<Self> {
        check_shape("weights", weights.dims(), self.mask.dims())?;
        let weights = weights.inner();
        let weights = Some(match self.weights {
            Some(others) => others.clone() * weights.cast(others.dtype()),
            None => weights,
        });
        Ok(Self { weights, ..self })
    }

    /// The entropy at each token, through which the gradient flows.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_entropy(self, entropy: Tensor<2>) -> Result<Self> {
        check_shape("entropy", entropy.dims(), self.mask.dims())?;
        let entropy = Some(entropy);
        Ok(Self { entropy, ..self })
    }

    /// Tokens that [`PolicyLoss::ClipCov`](super::PolicyLoss) or [`PolicyLoss::KlCov`](super::PolicyLoss) treats apart.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_selected(self, selected: Tensor<2, Bool>) -> Result<Self> {
        check_shape("selected", selected.dims(), self.mask.dims())?;
        let selected = Some(selected.inner());
        Ok(Self { selected, ..self })
    }

    /// Lets fewer tokens count: those of the mask for which `kept` is true. Denominators change with it unless totals are set.
    ///
    /// # Errors
    /// If the shape is not the mask's.
    pub fn with_kept(self, kept: Tensor<2, Bool>) -> Result<Self> {
        check_shape("kept", kept.dims(), self.mask.dims())?;
        let mask = self.mask.bool_and(kept.inner());
        Ok(Self { mask, ..self })
    }

    /// The tokens and sequences of the whole step, of which this is a part.
    #[must_use]
    pub fn with_totals(self, totals: Totals) -> Self {
        let totals = Some(totals);
        Self { totals, ..self }
    }

    /// `[rows, tokens]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        self.mask.dims()
    }

    /// The tokens that count.
    #[must_use]
    pub fn mask(&self) -> Tensor<2, Bool> {
        self.mask.clone()
    }

    /// Counts tokens and sequences, for [`with_totals`](Self::with_totals). Reads two numbers from the device.
    ///
    /// # Errors
    /// If no token counts, or the device fails.
    pub fn count(&self) -> Result<Totals> {
        let mask = self.mask.clone().int();
        let rows = mask.clone().sum_dim(1).clamp_max(1).sum();
        let counts = Tensor::cat(vec![mask.sum(), rows], 0).try_into_vec_as::<i64>();
        let counts = counts.map_err(|reason| RlRewardsError::Read(reason.to_string()))?;
        Totals::new(counts[0] as usize, counts[1] as usize)
    }

    /// The rows of a micro-batch, with the totals of the whole.
    ///
    /// # Errors
    /// If there are not so many rows, none is asked for, or no totals are set: a micro-batch that divides by its own counts changes the
    /// loss. See [`count`](Self::count).
    pub fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let [all, tokens] = self.dims();
        let wrong = |field, value, allowed| {
            Err(RlRewardsError::OutOfRange {
                field,
                value,
                allowed,
            })
        };
        if rows.start >= rows.end || rows.end > all {
            return wrong("rows", format!("{rows:?} of {all}"), "rows that are there");
        }
        if self.totals.is_none() {
            return wrong(
                "totals",
                "missing".into(),
                "set before a batch is cut: see `count`",
            );
        }
        let cut = |part: &Option<Tensor<2>>| {
            let part = part.clone();
            part.map(|part| part.slice([rows.clone(), 0..tokens]))
        };
        Ok(Self {
            mask: self.mask.clone().slice([rows.clone(), 0..tokens]),
            old: cut(&self.old),
            reference: cut(&self.reference),
            weights: cut(&self.weights),
            entropy: cut(&self.entropy),
            selected: self
                .selected
                .clone()
                .map(|s| s.slice([rows.clone(), 0..tokens])),
            totals: self.totals,
        })
    }

    /// 1 where a token counts.
    pub(crate) fn ones(&self, dtype: DType) -> Tensor<2> {
        number(self.mask.clone(), dtype)
    }

    /// A part with 0 where the mask is, of a type. What was NaN there passes no gradient on.
    pub(crate) fn clean(&self, values: Tensor<2>, dtype: DType) -> Tensor<2> {
        values
            .mask_fill(self.mask.clone().bool_not(), 0.0)
            .cast(dtype)
    }
}
