//! # Global-batch balance
//!
//! The load-balancing loss with the experts' shares counted over all participants and micro-batches of an optimizer step, so
//! that the whole batch must be balanced and not each piece of it: experts may specialise.
//!
//! Source: Qiu et al., "Demons in the Detail: On Implementing Load Balancing Loss for Training Specialized
//! Mixture-of-Expert Models" (arXiv 2501.11873), equations 2 to 4 and the buffer of section 3.

use std::sync::Arc;

use burn::tensor::Tensor;
use regimen_tensor::{Alone, Reducer};
use serde::{Deserialize, Serialize};

use super::{Load, read};
use crate::Result;
use crate::error::MoeError;

/// The counts of the current optimizer step: plain data, to stop and go on with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BalanceState {
    /// Assignments of each expert over all participants since the step began; empty at its start.
    pub counts: Vec<f64>,
}

/// Counts choices over participants and micro-batches, and gives each micro-batch its share of the loss.
///
/// For a micro-batch with mean probabilities `P`, the loss is `E sum_i f_i P_i` with `f` the shares of all assignments since
/// the last [`Self::end_step`], its own included. Only counts are exchanged; `P` stays local and carries the gradient. Averaged
/// over participants, the losses and their gradients are exactly those of one device that has the whole batch: where a
/// participant has fewer tokens than others (padding), its loss is scaled by its tokens over their mean.
///
/// One object serves one layer. Counts are read from the device at each call: `experts + 1` numbers.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use regimen_moe::{MoeConfig, balance::{GlobalBalance, Load}};
///
/// let device = Device::default().autodiff();
/// let moe = MoeConfig::new(8, 16, 4, 1).init(&device)?;
/// let mut balance = GlobalBalance::new(); // or `over(reducer)`, for one of several participants
/// for _micro_batch in 0..2 {
///     let x = Tensor::<3>::random([1, 32, 8], Distribution::Default, &device);
///     let (y, routing) = moe.forward(x);
///     let loss = y.square().mean() + balance.loss(&Load::of(&routing))? * 0.01;
///     let _grads = loss.backward(); // accumulate
/// }
/// balance.end_step(); // with the optimizer's step
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Clone)]
pub struct GlobalBalance {
    reducer: Arc<dyn Reducer>,
    state: BalanceState,
}

impl std::fmt::Debug for GlobalBalance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let participants = self.reducer.participants();
        let mut out = f.debug_struct("GlobalBalance");
        out.field("participants", &participants)
            .field("state", &self.state)
            .finish()
    }
}

impl Default for GlobalBalance {
    fn default() -> Self {
        Self::new()
    }
}

impl GlobalBalance {
    /// For one participant: counts add up over the micro-batches of a step.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Arc::new(Alone))
    }

    /// For one of several participants. All must call [`Self::loss`] equally often.
    #[must_use]
    pub fn over(reducer: Arc<dyn Reducer>) -> Self {
        Self {
            reducer,
            state: BalanceState::default(),
        }
    }

    /// The loss of this micro-batch, `[1]`, exactly 1 at balance; add it, times its coefficient, to the micro-batch's loss.
    ///
    /// # Errors
    /// If the counts can't be read, are no finite numbers, or are of another number of experts than before.
    pub fn loss(&mut self, load: &Load) -> Result<Tensor<1>> {
        let [experts] = load.counts.dims();
        let known = self.state.counts.len();
        if known != 0 && known != experts {
            return Err(MoeError::shape(
                "counts",
                &[experts],
                format!("[{known}] as before"),
            ));
        }
        let tokens = read("tokens", load.tokens.clone())?.iter().sum::<f64>();
        let mut sums = load.read_counts()?;
        sums.push(tokens);
        self.reducer.sum(&mut sums);
        if let Some(bad) = sums.iter().find(|sum| !sum.is_finite() || **sum < 0.0) {
            return Err(MoeError::range("counts", bad, "finite numbers from 0"));
        }
        let all_tokens = sums.pop().unwrap_or_default();
        self.state.counts.resize(experts, 0.0);
        for (total, new) in self.state.counts.iter_mut().zip(&sums) {
            *total += new;
        }
        let total = self.state.counts.iter().sum::<f64>().max(1.0);
        let scale = experts as f64 * self.reducer.participants() as f64 / all_tokens.max(1.0);
        let weights = self
            .state
            .counts
            .iter()
            .map(|count| (count / total * scale) as f32);
        let weights: Vec<f32> = weights.collect();
        let weights = Tensor::<1>::from_floats(weights.as_slice(), &load.counts.device());
        Ok((weights * load.probabilities.clone()).sum())
    }

    /// The assignments of each expert over all participants since the step began.
    #[must_use]
    pub fn counts(&self) -> &[f64] {
        &self.state.counts
    }

    /// Starts the counts of the next optimizer step; gives those of this one.
    pub fn end_step(&mut self) -> Vec<f64> {
        std::mem::take(&mut self.state.counts)
    }

    /// What to save.
    #[must_use]
    pub fn state(&self) -> BalanceState {
        self.state.clone()
    }

    /// Goes on from what was saved.
    ///
    /// # Errors
    /// If a count is no finite number from 0.
    pub fn restore(&mut self, state: BalanceState) -> Result<()> {
        if let Some(bad) = state
            .counts
            .iter()
            .find(|count| !count.is_finite() || **count < 0.0)
        {
            return Err(MoeError::range("counts", bad, "finite numbers from 0"));
        }
        self.state = state;
        Ok(())
    }
}
