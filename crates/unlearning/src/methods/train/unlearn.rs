//! # Unlearn
//!
//! The loop that all methods by optimisation share: epochs over forget and retain batches, with a stopping rule.
//!
//! Source: the training loops of the methods' papers; the orders of batches are theirs.

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::LrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamVector, Watch, independent};
use serde::{Deserialize, Serialize};

use super::order::{Order, Step, walk};
use super::window::Window;
use crate::Classifier;
use crate::error::{Result, UnlearningError, count};
use crate::gradients::{finite_model, finite_step, gradients, own, widen};
use crate::part::part;
use crate::predictions::check_labels;

/// A method: its loss on both sets, the order in which it wants them, and its stopping rule.
pub trait Method<M: Classifier> {
    /// How epoch `epoch` (the first is 0) walks the two sets.
    fn order(&self, epoch: usize) -> Order;

    /// What is minimised on a forget batch, `[1]`.
    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1>;

    /// What is minimised on a retain batch, `[1]`.
    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1>;

    /// Changes the model after an optimizer step.
    ///
    /// # Errors
    /// If the model is not the one the method was made for.
    fn after_step(&mut self, model: M) -> Result<M> {
        Ok(model)
    }

    /// Whether an epoch with these means was the last one.
    fn done(&self, _epoch: &EpochLog) -> bool {
        false
    }
}

impl<M: Classifier, T: Method<M> + ?Sized> Method<M> for Box<T> {
    fn order(&self, epoch: usize) -> Order {
        (**self).order(epoch)
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        (**self).forget(model, batch)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        (**self).retain(model, batch)
    }

    fn after_step(&mut self, model: M) -> Result<M> {
        (**self).after_step(model)
    }

    fn done(&self, epoch: &EpochLog) -> bool {
        (**self).done(epoch)
    }
}

/// The means of a method's losses over one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// The epoch; the first is 0.
    pub epoch: usize,
    /// Optimizer steps of this epoch.
    pub steps: usize,
    /// Batches (or pairs of them) that were left out because a loss or a gradient was not finite; they count in no mean.
    #[serde(default)]
    pub skipped: usize,
    /// Mean of [`Method::forget`]; `None` if no forget batch was seen. Not finite where the sum of finite losses is not.
    #[serde(with = "regimen_tensor::floats", default)]
    pub forget: Option<f64>,
    /// Mean of [`Method::retain`]; `None` if no retain batch was seen. Not finite where the sum of finite losses is not.
    #[serde(with = "regimen_tensor::floats", default)]
    pub retain: Option<f64>,
    /// Whether the epoch was stopped before its end ([`Unlearn::run_watched`]).
    #[serde(default)]
    pub stopped: bool,
}

/// How long the loop runs.
#[derive(Config, Debug, PartialEq)]
pub struct UnlearnConfig {
    /// Epochs at most, at least 1; a method's stopping rule may end the run earlier.
    pub epochs: usize,
    /// Batches (or pairs of them) of one optimizer step, at least 1: their gradients are averaged. What is left at the end of an epoch is
    /// a step of its own.
    #[config(default = 1)]
    pub accumulation: usize,
}

impl UnlearnConfig {
    /// Starts at epoch 0.
    ///
    /// # Errors
    /// If `epochs` or `accumulation` is 0.
    pub fn init(&self) -> Result<Unlearn> {
        let config = self.clone();
        let (log, stopped) = (Vec::new(), false);
        let run = Unlearn {
            config,
            log,
            stopped,
        };
        run.checked()
    }
}

/// A run of unlearning and its position. Save it (serde) with the model's and the optimizer's records
/// between epochs, and [`run`](Self::run) goes on.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, optim::SgdConfig, tensor::{Device, Int, Tensor}};
/// use regimen_unlearning::methods::train::finetune::FineTune;
/// use regimen_unlearning::{Classifier, Prepared, UnlearnConfig};
///
/// #[derive(Module, Debug)]
/// struct Model { head: Linear }
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///     fn logits(&self, batch: &Self::Batch) -> Tensor<2> { self.head.forward(batch.0.clone()) }
///     fn targets(batch: &Self::Batch) -> Tensor<1, Int> { batch.1.clone() }
/// }
///
/// let device = Device::flex().autodiff();
/// let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// let batch = |x: [f32; 2], y: i32| (Tensor::from_data([x], &device), Tensor::from_data([y], &device));
/// let (forget, retain) = (Prepared(vec![batch([1., 0.], 0)]), Prepared(vec![batch([0., 1.], 1)]));
/// let mut run = UnlearnConfig::new(5).init()?;
/// let mut optim = SgdConfig::new().init();
/// let unlearned = run.run(&model, &mut FineTune, &mut optim, &mut 0.02, &forget, &retain)?;
/// assert_eq!(run.steps(), 5);
/// # let _ = unlearned;
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Unlearn {
    config: UnlearnConfig,
    log: Vec<EpochLog>,
    stopped: bool,
}

regimen_tensor::checked_serde!(Unlearn);

impl Checked for Unlearn {
    type Error = UnlearningError;

    /// As [`UnlearnConfig::init`]; the log has one record an epoch, in their order.
    fn check(&self) -> Result<()> {
        let (epochs, batches) = (self.config.epochs, self.config.accumulation);
        count("epochs", epochs, epochs > 0, "1 or more")?;
        count("accumulation", batches, batches > 0, "1 or more")?;
        for (position, EpochLog { epoch, .. }) in self.log.iter().enumerate() {
            let allowed = "the epoch's position in the log";
            count("epoch", *epoch, *epoch == position, allowed)?;
        }
        Ok(())
    }
}

part!(
    /// The position of a run and its log, as JSON; a run of another configuration is refused.
    Unlearn,
    "unlearn 1"
);

impl Unlearn {
    /// One record an epoch.
    #[must_use]
    pub fn log(&self) -> &[EpochLog] {
        &self.log
    }

    /// Optimizer steps so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        let steps = self.log.iter().map(|epoch| epoch.steps);
        steps.fold(0, usize::saturating_add)
    }

    /// Batches so far that were left out because a loss or a gradient was not finite.
    #[must_use]
    pub fn skipped(&self) -> usize {
        let skipped = self.log.iter().map(|epoch| epoch.skipped);
        skipped.fold(0, usize::saturating_add)
    }

    /// Whether the last epoch is done, or the method's stopping rule has spoken.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.stopped || self.log.len() >= self.config.epochs
    }

    /// All epochs that are left. `model` and its running statistics stay as they are: the result is another one.
    ///
    /// After an error the run stands where it stood before; the optimizer and the method may have moved on: begin again with
    /// those that were saved.
    ///
    /// # Errors
    /// As [`epoch`](Self::epoch).
    pub fn run<M: Classifier>(
        &mut self,
        model: &M,
        method: &mut impl Method<M>,
        optim: &mut ModuleOptimizer,
        rate: &mut impl LrScheduler,
        forget: &dyn DataLoader<M::Batch>,
        retain: &dyn DataLoader<M::Batch>,
    ) -> Result<M> {
        let watch = Watch::default();
        self.run_watched(model, method, optim, rate, forget, retain, &watch)
    }

    /// [`run`](Self::run), watched: `"unlearn"` reports epochs, and a stop is asked for after each batch.
    ///
    /// Where it is stopped, the result is the model after the last optimizer step, and the epoch counts as done, with
    /// [`EpochLog::stopped`]: what was left of it is not made up for. A later `run` with the same method, optimizer and rate goes on with
    /// the next epoch.
    ///
    /// # Errors
    /// As [`epoch`](Self::epoch).
    #[expect(clippy::too_many_arguments, reason = "those of `run`, and the watch")]
    pub fn run_watched<M: Classifier>(
        &mut self,
        model: &M,
        method: &mut impl Method<M>,
        optim: &mut ModuleOptimizer,
        rate: &mut impl LrScheduler,
        forget: &dyn DataLoader<M::Batch>,
        retain: &dyn DataLoader<M::Batch>,
        watch: &Watch,
    ) -> Result<M> {
        let epochs = self.config.epochs;
        let _span = tracing::info_span!("unlearn", epochs).entered();
        let (start, mut model) = (self.clone(), own(model));
        while !self.finished() {
            match self.epoch_watched(model, method, optim, rate, forget, retain, watch) {
                Ok(next) => model = next,
                Err(error) => {
                    *self = start;
                    return Err(error);
                }
            }
            if !watch.goes_on("unlearn", self.log.len(), epochs) {
                break;
            }
        }
        Ok(model)
    }

    /// One epoch. The rate steps before each optimizer step. Copies of `model` keep their running statistics.
    ///
    /// A batch whose loss or gradient is not finite is left out and counted ([`EpochLog::skipped`]): weights, running
    /// statistics, optimizer and rate stay as they were before it. This takes one read-back a batch; losses are read once, at
    /// the end. If it is a label that is no class which makes it so, this is an error: labels are looked at for such batches alone.
    ///
    /// # Errors
    /// If a loader fails, a set that the method needs has no batch, a label is no class, a loss carries no gradient, no batch of the epoch
    /// was finite, or the last one left weights that are not finite.
    pub fn epoch<M: Classifier>(
        &mut self,
        model: M,
        method: &mut impl Method<M>,
        optim: &mut ModuleOptimizer,
        rate: &mut impl LrScheduler,
        forget: &dyn DataLoader<M::Batch>,
        retain: &dyn DataLoader<M::Batch>,
    ) -> Result<M> {
        let watch = Watch::default();
        self.epoch_watched(model, method, optim, rate, forget, retain, &watch)
    }

    /// [`epoch`](Self::epoch), watched: a stop is asked for after each batch, and ends the epoch there, as
    /// [`run_watched`](Self::run_watched) says. Nothing is reported.
    ///
    /// # Errors
    /// As [`epoch`](Self::epoch).
    #[expect(clippy::too_many_arguments, reason = "those of `epoch`, and the watch")]
    pub fn epoch_watched<M: Classifier>(
        &mut self,
        model: M,
        method: &mut impl Method<M>,
        optim: &mut ModuleOptimizer,
        rate: &mut impl LrScheduler,
        forget: &dyn DataLoader<M::Batch>,
        retain: &dyn DataLoader<M::Batch>,
        watch: &Watch,
    ) -> Result<M> {
        let epoch = self.log.len();
        let _span = tracing::info_span!("epoch", epoch).entered();
        let order = method.order(epoch);
        let mut model = own(&model);
        let moving = !ParamVector::buffers(&model).entries().is_empty();
        let (mut forgotten, mut retained) = (Mean::default(), Mean::default());
        let (mut steps, mut skipped, mut seen) = (0, 0, 0_usize);
        let mut stopped = false;
        let mut window = Window::new();
        for step in walk(order, forget, retain)? {
            let Step { forget, retain } = step?;
            stopped = seen > 0 && watch.is_stopped();
            if stopped {
                break;
            }
            seen += 1;
            let [f, r] = order.weights(examples::<M>(&forget), examples::<M>(&retain));
            // A forward pass moves running statistics.
            let before = moving.then(|| independent(&model));
            let batches = [forget, retain];
            let [forget, retain] = batches.each_ref();
            let forget = forget
                .as_ref()
                .map(|batch| widen(method.forget(&model, batch)));
            let retain = retain
                .as_ref()
                .map(|batch| widen(method.retain(&model, batch)));
            let parts = [(&forget, f), (&retain, r)];
            let parts = parts.map(|(loss, weight)| loss.clone().map(|loss| loss * weight));
            let Some(loss) = parts.into_iter().flatten().reduce(|a, b| a + b) else {
                continue;
            };
            let grads = gradients(&loss, &model)?;
            if !finite_step(&loss, &model, &grads) {
                for batch in batches.iter().flatten() {
                    check_labels(&model, batch)?;
                }
                tracing::warn!(epoch, "a batch that is not finite was left out");
                skipped += 1;
                model = before.unwrap_or(model);
                continue;
            }
            forgotten.push(forget);
            retained.push(retain);
            window.push(&model, grads);
            if window.count >= self.config.accumulation {
                let grads = window.mean(&model);
                model = optim.step(rate.step(), model, grads);
                model = method.after_step(model)?;
                steps += 1;
            }
        }
        if window.count > 0 {
            let grads = window.mean(&model);
            model = optim.step(rate.step(), model, grads);
            model = method.after_step(model)?;
            steps += 1;
        }
        if (steps == 0 && skipped > 0) || !finite_model(&model) {
            return Err(UnlearningError::Diverged("training"));
        }
        let log = EpochLog {
            epoch,
            steps,
            skipped,
            forget: forgotten.read(),
            retain: retained.read(),
            stopped,
        };
        self.stopped = !stopped && method.done(&log);
        tracing::debug!(epoch, steps, skipped, "unlearning epoch");
        self.log.push(log);
        Ok(model)
    }
}

fn examples<M: Classifier>(batch: &Option<M::Batch>) -> usize {
    batch
        .as_ref()
        .map_or(0, |batch| M::targets(batch).dims()[0])
}

/// A running mean on the device.
#[derive(Default)]
struct Mean {
    sum: Option<Tensor<1>>,
    count: usize,
}

impl Mean {
    fn push(&mut self, loss: Option<Tensor<1>>) {
        let Some(loss) = loss else {
            return;
        };
        let value = loss.inner();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + value,
            None => value,
        });
        self.count += 1;
    }

    fn read(self) -> Option<f64> {
        let sum = self.sum?.into_scalar::<f64>();
        Some(sum / self.count as f64)
    }
}
