//! # Ewc
//!
//! Elastic weight consolidation: weights that earlier tasks need are held, each by its Fisher information.
//!
//! Source: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks" (arXiv 1612.00796), equation 3; one term a
//! task, as Huszár (arXiv 1712.03847) compares it with a single one.

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::{ParamVector, Watch};

use super::anchored::{Anchored, anchored};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{positive, strength};
use crate::examples::Examples;
use crate::penalties::{Fisher, Quadratic, fisher};
use crate::strategy::{Shared, Steps, Strategy};

/// `penalty = lambda / 2 * sum_t sum_i F_ti (theta_i - theta*_ti)^2` over the tasks t that ended.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `lambda` | | strength, 0 or more |
/// | `fisher` | [`Fisher::Sampled`] | which Fisher diagonal |
/// | `examples` | 1024 | examples of a task of which it is taken, at most |
/// | `seed` | 0 | of sampled labels |
///
/// The mean is over single examples, one backward pass each. Memory does not grow with the tasks: the sum over them is kept
/// exactly as one quadratic ([`Quadratic`]), two values a weight. Differs from Avalanche, which squares the gradients of mini-batches and
/// leaves out the half; their strengths are not these.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, EwcConfig, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
///
/// let ewc = EwcConfig::new(100.0).init(&model)?;
/// assert_eq!(ewc.penalty(&model, &batch)?.into_scalar::<f32>(), 0.0);
/// // after the first task, with its data
/// let model = ewc.after_task(model, &Prepared(vec![batch.clone()]))?;
/// // in `TrainStep::step`: the cross-entropy of the batch and the penalty
/// let loss = ewc.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct EwcConfig {
    /// Strength, 0 or more.
    pub lambda: f64,
    /// Which Fisher diagonal.
    #[config(default = "Fisher::Sampled")]
    pub fisher: Fisher,
    /// Examples of a task of which the Fisher diagonal is taken, at most; one backward pass each.
    #[config(default = 1024)]
    pub examples: usize,
    /// Seed of sampled labels.
    #[config(default = 0)]
    pub seed: u64,
}

impl EwcConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If `lambda` is negative or not finite, or `examples` is 0.
    pub fn init<M: Module>(&self, model: &M) -> Result<Ewc> {
        strength("lambda", self.lambda)?;
        positive("examples", self.examples)?;
        Ok(Ewc {
            config: self.clone(),
            shared: Shared::new(Anchored::new(model)),
        })
    }
}

/// A handle on elastic weight consolidation: clones share its state. See [`EwcConfig`].
#[derive(Clone)]
pub struct Ewc {
    config: EwcConfig,
    shared: Shared<Anchored>,
}

impl fmt::Debug for Ewc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Ewc(lambda {}, {} tasks)",
            self.config.lambda,
            self.tasks()
        )
    }
}

impl<M: Classifier> Strategy<M> for Ewc {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.shared
            .penalty(model, self.config.lambda / 2.0, &batch.device())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let config = &self.config;
        let seed = config.seed.wrapping_add(self.tasks() as u64);
        let watch = Watch::default();
        let fisher = fisher(&model, data, config.fisher, config.examples, seed, &watch)?;
        let mut state = self.shared.lock();
        let anchor = ParamVector::of(&model).rebound(&state.space)?;
        let term = Quadratic::new(fisher.rebound(&state.space)?, anchor)?;
        let held = match state.held.clone() {
            Some(held) => held.plus(&term)?,
            None => term,
        };
        state.hold(held);
        Ok(model)
    }
}

anchored!(Ewc, "ewc 1");
