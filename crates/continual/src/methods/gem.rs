//! # Gem
//!
//! Gradient episodic memory: the gradient nearest to the plain one that does not point against the gradient of any earlier task.
//!
//! Source: Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning" (arXiv 1706.08840).

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::tensor::{FloatDType, Tensor, TensorData};
use regimen_tensor::independent;
use regimen_tensor::linalg::{DMatrix, DVector};
use regimen_tensor::training::Gradients;

use super::episodes::{Episodes, episodic, reference};
use crate::classifier::Classifier;
use crate::error::{positive, strength};
use crate::examples::{Examples, read};
use crate::projections::{Directions, quadratic_program};
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy};
use crate::{ContinualError, Result};

/// `g~ = G^T v + g` where a product of `G g` is negative, with the gradients of the earlier tasks' examples as rows of G and
/// `v = argmin 1/2 v^T (G G^T + ridge I) v + (G g)^T v` under `v >= margin` ([`quadratic_program`]).
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | 256 | examples that are kept of each task: a uniform sample of its data, at least 1 |
/// | `margin` | 0.5 | least multiplier of each memory gradient, 0 or more |
/// | `ridge` | 1e-3 | added to the diagonal of `G G^T`, 0 or more |
/// | `batch` | 256 | examples of one pass, at least 1 |
/// | `seed` | 0 | of the sample |
///
/// A task's gradient is that of the mean cross-entropy of all that is kept of it, at the weights before the step, on a copy of the model:
/// one forward and backward pass an earlier task and step, and running statistics stay. The products of the gradients are
/// read from the device at once; the program is solved in f64. Where no product is negative the gradient stays as it is.
/// Examples of the present task are not used, even where it came before. After a state is restored,
/// [`loss`](Strategy::loss) or [`penalty`](Strategy::penalty) must be called before the step: a batch shows what the
/// kept examples are to be like.
///
/// Differs from the released code in the memory: a uniform sample, where that keeps the last examples.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// # use burn::optim::{GradientsParams, SgdConfig};
/// use regimen_continual::{Classifier, GemConfig, Strategy};
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
/// let gem = GemConfig::new().with_memory(100).init()?;
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
pub struct GemConfig {
    /// Examples that are kept of each task.
    #[config(default = 256)]
    pub memory: usize,
    /// Least multiplier of each memory gradient.
    #[config(default = 0.5)]
    pub margin: f64,
    /// Added to the diagonal of `G G^T`.
    #[config(default = 1e-3)]
    pub ridge: f64,
    /// Examples of one pass.
    #[config(default = 256)]
    pub batch: usize,
    /// Of the sample.
    #[config(default = 0)]
    pub seed: u64,
}

impl GemConfig {
    /// Before the first task.
    ///
    /// # Errors
    /// If `memory` or `batch` is 0, or `margin` or `ridge` is negative or not finite.
    pub fn init<B: Examples>(&self) -> Result<Gem<B>> {
        positive("memory", self.memory)?;
        positive("batch", self.batch)?;
        strength("margin", self.margin)?;
        strength("ridge", self.ridge)?;
        Ok(Gem {
            config: self.clone(),
            shared: Shared::new(Episodes::new(self.memory, self.seed)?),
        })
    }
}

/// A handle on gradient episodic memory: clones share its state. See [`GemConfig`].
#[derive(Clone)]
pub struct Gem<B: Examples> {
    config: GemConfig,
    shared: Shared<Episodes<B>>,
}

/// The examples of each earlier task, and what a batch is like.
type Earlier<B> = (Vec<Vec<<B as Examples>::Item>>, B);

episodic!(Gem, "gem 1");

impl<B: Examples> Gem<B> {
    /// The examples of each earlier task.
    fn earlier(&self) -> Result<Option<Earlier<B>>> {
        let state = self.shared.lock();
        let mut tasks = std::collections::BTreeMap::<usize, Vec<B::Item>>::new();
        let present = state.present();
        for kept in state.memory.iter().filter(|kept| kept.task != present) {
            tasks.entry(kept.task).or_default().push(kept.item.clone());
        }
        match tasks.is_empty() {
            true => Ok(None),
            false => Ok(Some((tasks.into_values().collect(), state.like()?))),
        }
    }
}

/// `G G^T` and `G g`, in one read.
fn products(
    directions: &Directions,
    gradient: &regimen_tensor::ParamVector,
) -> Result<Option<(DMatrix<f64>, DVector<f64>)>> {
    let (Some(gram), Some(with)) = (directions.gram(), directions.products(gradient)?) else {
        return Ok(None);
    };
    let count = directions.len();
    let with = with.to_device(&gram.device()).reshape([1, count]);
    let all = Tensor::cat(vec![gram, with], 0).try_into_vec_as::<f32>();
    let all: Vec<f64> = read("products of gradients", all)?
        .into_iter()
        .map(f64::from)
        .collect();
    let (gram, with) = all.split_at(count * count);
    let gram = DMatrix::from_row_slice(count, count, gram);
    Ok(Some((gram, DVector::from_row_slice(with))))
}

impl<M: Classifier<Batch = B>, B: Examples> Strategy<M> for Gem<B> {
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
        let Some((tasks, like)) = self.earlier()? else {
            return Ok(());
        };
        let config = &self.config;
        let copy = independent(model);
        self.shared.verify(&copy, &like)?;
        let gradients = tasks
            .iter()
            .map(|items| reference(&copy, items, &like, config.batch, grads));
        let gradients = gradients.collect::<Result<Vec<_>>>()?;
        let gradient = grads.vector(model)?.widened();
        let mut directions = Directions::new(&gradient);
        directions.extend(&gradients)?;
        let Some((gram, with)) = products(&directions, &gradient)? else {
            return Ok(());
        };
        if with
            .iter()
            .chain(gram.iter())
            .any(|value| !value.is_finite())
        {
            return Err(ContinualError::NotFinite("products of gradients".into()));
        }
        if with.iter().all(|product| *product >= 0.0) {
            return Ok(());
        }
        let v = quadratic_program(&gram, &with, config.margin, config.ridge)?;
        let factors: Vec<f32> = v.iter().map(|v| *v as f32).collect();
        let entries = gradient.entries().first();
        let device = entries.map_or_else(Default::default, |entry| entry.values.device());
        let factors = TensorData::new(factors, [tasks.len()]);
        let factors = Tensor::from_data(factors, (&device, FloatDType::F32.into()));
        let changed = gradient
            .clone()
            .add(&directions.combined(factors, &gradient)?)?;
        *grads = grads.replaced(model, &changed);
        Ok(())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<B>) -> Result<M> {
        self.shared.end(data)?;
        Ok(model)
    }
}
