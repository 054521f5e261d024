//! # Global-batch balance
//!
//! The load-balancing loss with the experts' shares counted over all participants and micro-batches of an optimizer step, so
//! that the whole batch must be balanced and not each piece of it: experts may specialise.
//!
//! Source: Qiu et al., "Demons in the Detail: On Implementing Load Balancing Loss for Training Specialized
//! Mixture-of-Expert Models" (arXiv 2501.11873), equations 2 to 4 and the buffer of section 3.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checkpoint::{PartError, json};
use regimen_tensor::{Alone, Part, Reducer};

use super::Load;
use super::step::{BalanceState, Counted, Step, on, refuse_bad};
use crate::Result;
use crate::error::{MoeError, read};
use crate::routers::single;

/// Counts choices over participants and micro-batches, and gives each micro-batch its share of the loss.
///
/// For a micro-batch with mean probabilities `P`, the loss is `E sum_i f_i P_i` with `f` the shares of all assignments since
/// the last [`Self::end_step`], its own included. Only counts are exchanged; `P` stays local and carries the gradient. Averaged
/// over participants, the losses and their gradients are exactly those of one device that has the whole batch: where a
/// participant has fewer tokens than others (padding), its loss is scaled by its tokens over their mean.
///
/// One object serves one layer. For one participant the counts stay on the device until they are asked for; over several, each call
/// reads `experts + 1` numbers and exchanges `experts + 3`.
///
/// Every method takes `&self`, so that the replicas of a model on several devices can share one object behind an `Arc`, as a field with
/// `#[module(skip)]`. No lock is held while the device or another participant is waited for. Without a reducer each thread counts on its own
/// device, and `f` is its own; [`Self::end_step`] adds them up. That is what Burn's `ExecutionStrategy::multi` needs, where a device may
/// have no batch in the last round: nobody waits.
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
/// let balance = GlobalBalance::new(); // or `over(reducer)`, for one of several participants
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
pub struct GlobalBalance {
    reducer: Arc<dyn Reducer>,
    step: Mutex<Step>,
}

/// A copy with counts of its own.
impl Clone for GlobalBalance {
    fn clone(&self) -> Self {
        Self {
            reducer: self.reducer.clone(),
            step: Mutex::new(self.step().clone()),
        }
    }
}

impl std::fmt::Debug for GlobalBalance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let participants = self.reducer.participants();
        let mut out = f.debug_struct("GlobalBalance");
        out.field("participants", &participants)
            .finish_non_exhaustive()
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

    /// For one of several participants, each with an object of its own. All must call [`Self::loss`] equally often, and end the step
    /// together. Where one of them gets an error, all do: what it can't count goes to the others as no number, one that has ended its step
    /// alone is found at the next call, and one that gives up altogether is for the reducer to notice.
    #[must_use]
    pub fn over(reducer: Arc<dyn Reducer>) -> Self {
        Self {
            reducer,
            step: Mutex::default(),
        }
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loss of this micro-batch, `[1]`, exactly 1 at balance; add it, times its coefficient, to the micro-batch's loss.
    ///
    /// # Errors
    /// If the load has not one count and one probability for each of the experts that were there before; over several participants
    /// also if the counts can't be read or are no numbers from 0 to 2^53, of any participant, if the participants have counted differently
    /// so far (one of them has ended the step, or was restored, alone), or if the exchange fails. Nothing was counted then.
    pub fn loss(&self, load: &Load) -> Result<Tensor<1>> {
        let (counts, tokens) = if self.reducer.participants() == 1 {
            self.count(load)?
        } else {
            self.exchange(load)?
        };
        let [experts] = counts.dims();
        let participants = self.reducer.participants() as f64;
        let shares = counts.clone() / counts.sum().clamp_min(1.0);
        let means = single(load.probabilities.clone()) / tokens.clamp_min(1.0);
        Ok((shares * means).sum() * (experts as f64 * participants))
    }

    /// Adds to what this thread has counted on the load's device. Gives its counts of the step so far, and the tokens of this load.
    fn count(&self, load: &Load) -> Result<(Tensor<1>, Tensor<1>)> {
        let new = single(load.counts.clone().detach());
        let (thread, device) = (std::thread::current().id(), new.device());
        let mut step = self.step();
        step.check(load)?;
        let known = step.known.clone();
        let own = |c: &&mut Counted| c.thread == thread && c.device == device;
        let counts = if let Some(own) = step.counted.iter_mut().find(own) {
            own.counts = own.counts.clone() + new;
            own.counts.clone()
        } else {
            step.counted.push(Counted {
                thread,
                device,
                counts: new.clone(),
            });
            new
        };
        drop(step);
        Ok((known.plus(counts), single(load.tokens.clone())))
    }

    /// Adds to the counts of all participants. Gives those of the step so far, and the tokens of all loads of this call.
    fn exchange(&self, load: &Load) -> Result<(Tensor<1>, Tensor<1>)> {
        let checked = self.step().check(load);
        let numbers = checked.and_then(|()| {
            let numbers = vec![single(load.counts.clone()), single(load.tokens.clone())];
            let mut numbers = read("counts", Tensor::cat(numbers, 0))?;
            // All have counted the same so far if the squares of their counts sum to the square of the sum.
            let before = self.step().known.counts.iter().sum::<f64>();
            numbers.extend([before, before.powi(2)]);
            Ok(numbers)
        });
        let mut sums = match &numbers {
            Ok(numbers) => numbers.clone(),
            // The others wait for as many numbers as they have.
            Err(_) => vec![f64::NAN; self.step().experts().unwrap_or(load.counts.dims()[0]) + 3],
        };
        let exchanged = self.reducer.sum(&mut sums);
        numbers?;
        exchanged?;
        let (squares, before) = (
            sums.pop().unwrap_or_default(),
            sums.pop().unwrap_or_default(),
        );
        refuse_bad(&sums)?;
        let square = before.powi(2);
        let spread = squares * self.reducer.participants() as f64 - square;
        if spread.is_nan() || spread.abs() > 1e-9 * square {
            let allowed = "the same on all participants: all must call `loss` and end their steps equally often";
            return Err(MoeError::range(
                "counts before this call",
                "not the same",
                allowed,
            ));
        }
        let tokens = sums.pop().unwrap_or_default();
        let mut step = self.step();
        step.known.counts.resize(sums.len(), 0.0);
        for (total, new) in step.known.counts.iter_mut().zip(&sums) {
            *total += new;
        }
        let device = load.counts.device();
        let counts = on(&step.known.counts, &device);
        Ok((counts, on(&[tokens], &device)))
    }

    /// The assignments of each expert over all participants, threads and devices since the step began; empty at its start.
    ///
    /// # Errors
    /// If a device can't be read, or a count is no number from 0 to 2^53.
    pub fn counts(&self) -> Result<Vec<f64>> {
        let step = self.step().clone();
        step.total()
    }

    /// Starts the counts of the next optimizer step; gives those of this one, over all participants, threads and devices.
    ///
    /// # Errors
    /// As for [`Self::counts`]. The counts start anew all the same.
    pub fn end_step(&self) -> Result<Vec<f64>> {
        let step = std::mem::take(&mut *self.step());
        step.total()
    }

    /// The same for what the calling thread counted alone: for replicas that share an object and each end their own steps, as under
    /// Burn's `ExecutionStrategy::ddp`.
    ///
    /// # Errors
    /// As for [`Self::counts`]. The counts start anew all the same.
    pub fn end_step_of_thread(&self) -> Result<Vec<f64>> {
        let thread = std::thread::current().id();
        let mut step = self.step();
        let all = std::mem::take(&mut step.counted);
        let (own, others) = all.into_iter().partition(|c| c.thread == thread);
        step.counted = others;
        let known = std::mem::take(&mut step.known);
        drop(step);
        let counted = own;
        Step { known, counted }.total()
    }

    /// Starts the counts of the next optimizer step, and reads nothing.
    pub fn restart(&self) {
        *self.step() = Step::default();
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
    /// If a count is no number from 0 to 2^53, or there are more than 65,536; nothing is changed then.
    pub fn restore(&self, state: BalanceState) -> Result<()> {
        *self.step() = Step {
            known: state.checked()?,
            counted: Vec::new(),
        };
        Ok(())
    }
}

/// The counts of the current step. Replicas that share an object save and restore what they share: `&*shared` is a part too.
impl Part for &GlobalBalance {
    fn kind(&self) -> String {
        "global balance 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.state()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        Ok(self.restore(json::load(bytes)?)?)
    }
}

/// As that of a reference.
impl Part for GlobalBalance {
    fn kind(&self) -> String {
        Part::kind(&self)
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Part::save(&self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        Part::load(&mut &*self, bytes)
    }
}
