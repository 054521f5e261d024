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
use serde::{Deserialize, Serialize};

use super::order::{Order, Step, walk};
use crate::Classifier;
use crate::classifier::gradients;
use crate::error::{Result, UnlearningError, check};

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

/// The means of a method's losses over one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// The epoch; the first is 0.
    pub epoch: usize,
    /// Optimizer steps of this epoch.
    pub steps: usize,
    /// Mean of [`Method::forget`]; `None` if no forget batch was seen.
    pub forget: Option<f64>,
    /// Mean of [`Method::retain`]; `None` if no retain batch was seen.
    pub retain: Option<f64>,
}

/// How long the loop runs.
#[derive(Config, Debug, PartialEq)]
pub struct UnlearnConfig {
    /// Epochs at most, at least 1; a method's stopping rule may end the run earlier.
    pub epochs: usize,
}

impl UnlearnConfig {
    /// Starts at epoch 0.
    ///
    /// # Errors
    /// If `epochs` is 0.
    pub fn init(&self) -> Result<Unlearn> {
        check("epochs", self.epochs as f64, self.epochs > 0, "1 or more")?;
        let config = self.clone();
        let (log, stopped) = (Vec::new(), false);
        Ok(Unlearn {
            config,
            log,
            stopped,
        })
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
pub struct Unlearn {
    config: UnlearnConfig,
    log: Vec<EpochLog>,
    stopped: bool,
}

impl Unlearn {
    /// One record an epoch.
    #[must_use]
    pub fn log(&self) -> &[EpochLog] {
        &self.log
    }

    /// Optimizer steps so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.log.iter().map(|epoch| epoch.steps).sum()
    }

    /// Whether the last epoch is done, or the method's stopping rule has spoken.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.stopped || self.log.len() >= self.config.epochs
    }

    /// All epochs that are left. `model` stays as it is: the result is another one.
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
        let mut model = model.clone();
        while !self.finished() {
            model = self.epoch(model, method, optim, rate, forget, retain)?;
        }
        Ok(model)
    }

    /// One epoch. The rate steps before each optimizer step; losses are read once, at the end.
    ///
    /// # Errors
    /// If a loader fails, a set that the method needs has no batch, or a loss is not finite or carries no gradient.
    pub fn epoch<M: Classifier>(
        &mut self,
        mut model: M,
        method: &mut impl Method<M>,
        optim: &mut ModuleOptimizer,
        rate: &mut impl LrScheduler,
        forget: &dyn DataLoader<M::Batch>,
        retain: &dyn DataLoader<M::Batch>,
    ) -> Result<M> {
        let epoch = self.log.len();
        let order = method.order(epoch);
        let (mut forgotten, mut retained) = (Mean::default(), Mean::default());
        let mut steps = 0;
        for step in walk(order, forget, retain)? {
            let Step { forget, retain } = step?;
            let [f, r] = order.weights(examples::<M>(&forget), examples::<M>(&retain));
            let forget = forget.map(|batch| forgotten.push(method.forget(&model, &batch)) * f);
            let retain = retain.map(|batch| retained.push(method.retain(&model, &batch)) * r);
            let Some(loss) = forget.into_iter().chain(retain).reduce(|a, b| a + b) else {
                continue;
            };
            let grads = gradients(&loss, &model)?;
            model = optim.step(rate.step(), model, grads);
            model = method.after_step(model)?;
            steps += 1;
        }
        let log = EpochLog {
            epoch,
            steps,
            forget: forgotten.read("forget")?,
            retain: retained.read("retain")?,
        };
        self.stopped = method.done(&log);
        tracing::debug!(epoch, steps, "unlearning epoch");
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
    fn push(&mut self, loss: Tensor<1>) -> Tensor<1> {
        let value = loss.clone().detach();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + value,
            None => value,
        });
        self.count += 1;
        loss
    }

    fn read(self, set: &'static str) -> Result<Option<f64>> {
        let Some(sum) = self.sum else {
            return Ok(None);
        };
        let mean = f64::from(sum.into_scalar::<f32>()) / self.count as f64;
        if mean.is_finite() {
            return Ok(Some(mean));
        }
        Err(UnlearningError::Diverged(set))
    }
}
