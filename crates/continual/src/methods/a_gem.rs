//! # AGem
//!
//! Averaged gradient episodic memory: a gradient that points against that of a memory batch loses the part that does.
//!
//! Source: Chaudhry et al., "Efficient lifelong learning with A-GEM" (arXiv 1812.00420).

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::tensor::Tensor;
use regimen_tensor::independent;
use regimen_tensor::training::Gradients;

use super::episodes::{Episodes, episodic, reference};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::positive;
use crate::examples::Examples;
use crate::projections::against;
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy};

/// `g~ = g - (g . r) / (r . r) r` where `g . r < 0`, with r the gradient of a batch of examples of earlier tasks.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | 256 | examples that are kept of each task: a uniform sample of its data, at least 1 |
/// | `batch` | 256 | of them all, how many are drawn for a step, at least 1 |
/// | `seed` | 0 | of the sample and the draws |
///
/// r is taken at the weights before the step, of the plain mean cross-entropy, on a copy of the model: one more forward and backward
/// pass a step, and running statistics stay. Examples of the present task are not used, even where it came before.
/// After a state is restored, [`loss`](Strategy::loss) or [`penalty`](Strategy::penalty) must be called before the step: a
/// batch shows what the kept examples are to be like.
///
/// Differs from Mammoth in the memory: of each task the same number, whatever the number of tasks.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// # use burn::optim::{GradientsParams, SgdConfig};
/// use regimen_continual::{AGemConfig, Classifier, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let old = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
/// # let new = (Tensor::<2>::from_data([[2.0, -1.5]], &device), Tensor::<1, Int>::from_data([1], &device));
///
/// let gem = AGemConfig::new().with_memory(100).init()?;
/// // after the first task, with its data
/// let model = gem.after_task(model, &Prepared(vec![old.clone()]))?;
/// // in `TrainStep::step` and `TrainStep::optimize`
/// let loss = gem.loss(&model, &new)?;
/// let grads = GradientsParams::from_grads(loss.backward(), &model);
/// let model = gem.optimize(model, &mut SgdConfig::new().init(), 0.1, grads);
/// # assert!(Strategy::<Model>::status(&gem).is_ok());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct AGemConfig {
    /// Examples that are kept of each task.
    #[config(default = 256)]
    pub memory: usize,
    /// Of them all, how many are drawn for a step.
    #[config(default = 256)]
    pub batch: usize,
    /// Of the sample and the draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl AGemConfig {
    /// Before the first task.
    ///
    /// # Errors
    /// If `memory` or `batch` is 0.
    pub fn init<B: Examples>(&self) -> Result<AGem<B>> {
        positive("memory", self.memory)?;
        positive("batch", self.batch)?;
        Ok(AGem {
            config: self.clone(),
            shared: Shared::new(Episodes::new(self.memory, self.seed)?),
        })
    }
}

/// A handle on averaged gradient episodic memory: clones share its state. See [`AGemConfig`].
#[derive(Clone)]
pub struct AGem<B: Examples> {
    config: AGemConfig,
    shared: Shared<Episodes<B>>,
}

episodic!(AGem, "a-gem 1");

impl<M: Classifier<Batch = B>, B: Examples> Strategy<M> for AGem<B> {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        self.shared.lock().begin(task.id);
        Ok(model)
    }

    fn penalty(&self, _: &M, batch: &B) -> Result<Tensor<1>> {
        Ok(self.shared.show(batch))
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let (items, like) = {
            let mut state = self.shared.lock();
            if state.memory.is_empty() {
                return Ok(());
            }
            let (present, like) = (state.present(), state.like()?);
            let drawn = state
                .memory
                .draw_where(self.config.batch, |kept| kept.task != present);
            let items: Vec<B::Item> = drawn.into_iter().map(|kept| kept.item.clone()).collect();
            (items, like)
        };
        if items.is_empty() {
            return Ok(());
        }
        let copy = independent(model);
        self.shared.verify(&copy, &like)?;
        let reference = reference(&copy, &items, &like, self.config.batch, grads)?;
        if let Some(changed) = against(&grads.vector(model)?, &reference)? {
            *grads = grads.replaced(model, &changed);
        }
        Ok(())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<B>) -> Result<M> {
        self.shared.end(data)?;
        Ok(model)
    }
}
