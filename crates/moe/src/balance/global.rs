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

use super::Load;
use crate::Result;
use crate::error::{MoeError, read};

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
/// One object serves one layer. For one participant the counts stay on the device until they are asked for; over several, each call
/// reads and exchanges `experts + 1` numbers.
///
/// The shares sum to 1. Where a source lets them sum to `top_k`, its coefficient times `top_k` is the one here: the paper's .008 for
/// four experts a token is .032.
///
/// ```
/// # use burn::tensor::{Device, Distribution, Tensor};
/// use regimen_moe::{MoeConfig, balance::{GlobalBalance, Load}};
///
/// let device = Device::default().autodiff();
/// let moe = MoeConfig::new(8, 16, 4, 1).init(&device)?;
/// let mut balance = GlobalBalance::new(); // or `over(reducer)`, for one of several participants
/// let parts = 2;
/// for _micro_batch in 0..parts {
///     let x = Tensor::<3>::random([1, 32, 8], Distribution::Default, &device);
///     let (y, routing) = moe.forward(x);
///     let loss = y.square().mean() + balance.loss(&Load::of(&routing))? * 0.01;
///     let _grads = (loss / parts).backward(); // accumulate: sums, so each part counts as its share
/// }
/// assert_eq!(balance.end_step()?.iter().sum::<f64>(), 64.0); // with the optimizer's step
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Clone)]
pub struct GlobalBalance {
    reducer: Arc<dyn Reducer>,
    /// What was exchanged or restored.
    state: BalanceState,
    /// What one participant has counted since, on the device.
    counted: Option<Tensor<1>>,
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

    /// For one of several participants. All must call [`Self::loss`] equally often: where one of them gets an error and gives up, the
    /// others wait for it.
    #[must_use]
    pub fn over(reducer: Arc<dyn Reducer>) -> Self {
        Self {
            reducer,
            state: BalanceState::default(),
            counted: None,
        }
    }

    /// The loss of this micro-batch, `[1]`, exactly 1 at balance; add it, times its coefficient, to the micro-batch's loss.
    ///
    /// # Errors
    /// If the load has not one count and one probability for each of the experts that were there before; over several participants
    /// also if the counts can't be read or are no finite numbers from 0.
    pub fn loss(&mut self, load: &Load) -> Result<Tensor<1>> {
        self.check(load)?;
        let (counts, tokens) = if self.reducer.participants() == 1 {
            self.count(load)
        } else {
            self.exchange(load)?
        };
        let [experts] = counts.dims();
        let participants = self.reducer.participants() as f64;
        let shares = counts.clone() / counts.sum().clamp_min(1.0);
        let means = load.probabilities.clone() / tokens.clamp_min(1.0);
        Ok((shares * means).sum() * (experts as f64 * participants))
    }

    fn check(&self, load: &Load) -> Result<()> {
        let [experts] = load.counts.dims();
        let [probabilities] = load.probabilities.dims();
        let counted = self.counted.as_ref().map(|counted| counted.dims()[0]);
        let known = [counted.unwrap_or_default(), self.state.counts.len()];
        for (field, found, wanted) in [
            ("counts", experts, known[0]),
            ("counts", experts, known[1]),
            ("probabilities", probabilities, experts),
        ] {
            if wanted != 0 && found != wanted {
                return Err(MoeError::shape(field, &[found], format!("[{wanted}]")));
            }
        }
        Ok(())
    }

    /// Adds to the counts of the only participant. Gives those of the step so far, and the tokens of this load.
    fn count(&mut self, load: &Load) -> (Tensor<1>, Tensor<1>) {
        let new = load.counts.clone().detach();
        let counted = match self.counted.take() {
            Some(counted) => counted + new,
            None => new,
        };
        self.counted = Some(counted.clone());
        (self.with_state(counted), load.tokens.clone())
    }

    /// Adds to the counts of all participants. Gives those of the step so far, and the tokens of all loads of this call.
    fn exchange(&mut self, load: &Load) -> Result<(Tensor<1>, Tensor<1>)> {
        let device = load.counts.device();
        let numbers = Tensor::cat(vec![load.counts.clone(), load.tokens.clone()], 0);
        let mut sums = read("counts", numbers)?;
        self.reducer.sum(&mut sums);
        refuse_bad(&sums)?;
        let tokens = sums.pop().unwrap_or_default();
        self.state.counts.resize(sums.len(), 0.0);
        for (total, new) in self.state.counts.iter_mut().zip(&sums) {
            *total += new;
        }
        let none = Tensor::zeros([sums.len()], &device);
        let tokens = Tensor::from_floats([tokens as f32], &device);
        Ok((self.with_state(none), tokens))
    }

    /// Counts on the device with those on the host.
    fn with_state(&self, counted: Tensor<1>) -> Tensor<1> {
        if self.state.counts.is_empty() {
            return counted;
        }
        let known: Vec<f32> = self
            .state
            .counts
            .iter()
            .map(|count| *count as f32)
            .collect();
        let known = Tensor::<1>::from_floats(known.as_slice(), &counted.device());
        counted + known
    }

    /// The assignments of each expert over all participants since the step began; empty at its start.
    ///
    /// # Errors
    /// If the device can't be read, or a count is no finite number from 0.
    pub fn counts(&self) -> Result<Vec<f64>> {
        let Some(counted) = &self.counted else {
            return Ok(self.state.counts.clone());
        };
        let counts = read("counts", self.with_state(counted.clone()))?;
        refuse_bad(&counts)?;
        Ok(counts)
    }

    /// Starts the counts of the next optimizer step; gives those of this one.
    ///
    /// # Errors
    /// As for [`Self::counts`]. The counts start anew all the same.
    pub fn end_step(&mut self) -> Result<Vec<f64>> {
        let counts = self.counts();
        self.restart();
        counts
    }

    /// Starts the counts of the next optimizer step, and reads nothing.
    pub fn restart(&mut self) {
        self.state = BalanceState::default();
        self.counted = None;
    }

    /// What to save.
    ///
    /// # Errors
    /// As for [`Self::counts`].
    pub fn state(&self) -> Result<BalanceState> {
        Ok(BalanceState {
            counts: self.counts()?,
        })
    }

    /// Goes on from what was saved.
    ///
    /// # Errors
    /// If a count is no finite number from 0.
    pub fn restore(&mut self, state: BalanceState) -> Result<()> {
        refuse_bad(&state.counts)?;
        (self.state, self.counted) = (state, None);
        Ok(())
    }
}

fn refuse_bad(counts: &[f64]) -> Result<()> {
    let bad = counts
        .iter()
        .find(|count| !count.is_finite() || **count < 0.0);
    bad.map_or(Ok(()), |bad| {
        Err(MoeError::range("counts", bad, "finite numbers from 0"))
    })
}
