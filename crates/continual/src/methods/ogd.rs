//! # Ogd
//!
//! Orthogonal gradient descent: gradients lose what would change the outputs on examples of earlier tasks.
//!
//! Source: Farajtabar et al., "Orthogonal gradient descent for continual learning" (arXiv 1910.07104).

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::training::Gradients;
use regimen_tensor::{ParamVector, Watch, independent};
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::error::positive;
use crate::examples::Examples;
use crate::penalties::singles;
use crate::projections::{Basis, Directions};
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, space};
use crate::{ContinualError, Result};

/// `g~ = g - sum_s (g . s) s` over an orthonormal basis of the gradients of logits on examples of the tasks that ended.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `examples` | 200 | examples of a task whose gradients are kept, the first of its data |
/// | `all_logits` | false | the gradients of all logits of an example; else of its label's |
/// | `directions` | 2000 | of the basis, at most: one f32 a weight and direction; no more are added when it is full |
///
/// After a plain step of gradient descent the kept outputs are unchanged to first order. Momentum, Adam and weight decay move
/// weights along other directions too. A copy of the model takes the gradients, one backward pass each: running statistics stay.
/// With batch norm, which uses a batch's statistics in training, each example is a batch of one.
///
/// Differs from the paper's first form in the logit: it has the gradients of all logits (`all_logits`), and names the label's
/// alone (OGD-GTL) as the better choice.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// # use burn::optim::{GradientsParams, SgdConfig};
/// use regimen_continual::{Classifier, OgdConfig, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # device.seed(1);
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let old = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
/// # let new = (Tensor::<2>::from_data([[2.0, 1.0]], &device), Tensor::<1, Int>::from_data([1], &device));
///
/// let ogd = OgdConfig::new().init(&model)?;
/// // after the first task, with its data
/// let model = ogd.after_task(model, &Prepared(vec![old.clone()]))?;
/// let before = model.logits(&old);
/// // in `TrainStep::step` and `TrainStep::optimize`
/// let loss = ogd.loss(&model, &new)?;
/// let grads = GradientsParams::from_grads(loss.backward(), &model);
/// let model = ogd.optimize(model, &mut SgdConfig::new().init(), 0.1, grads);
/// let moved = (model.logits(&old) - before).try_into_vec_as::<f32>().unwrap();
/// assert!(moved[0].abs() < 1e-5 && moved[1].abs() > 1e-4); // the label's logit stays
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct OgdConfig {
    /// Examples of a task whose gradients are kept, the first of its data.
    #[config(default = 200)]
    pub examples: usize,
    /// The gradients of all logits of an example; else of its label's.
    #[config(default = false)]
    pub all_logits: bool,
    /// Directions of the basis, at most.
    #[config(default = 2000)]
    pub directions: usize,
}

impl OgdConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If `examples` or `directions` is 0.
    pub fn init<M: Module>(&self, model: &M) -> Result<Ogd> {
        positive("examples", self.examples)?;
        positive("directions", self.directions)?;
        let space = space(model);
        Ok(Ogd {
            config: self.clone(),
            shared: Shared::new(State {
                basis: Basis::new(&space),
                space,
                tasks: 0,
            }),
        })
    }
}

/// A handle on orthogonal gradient descent: clones share its state. See [`OgdConfig`].
#[derive(Clone)]
pub struct Ogd {
    config: OgdConfig,
    shared: Shared<State>,
}

struct State {
    space: ParamVector,
    basis: Basis,
    tasks: usize,
}

/// What is saved beside the directions.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    tasks: usize,
    directions: usize,
}

impl fmt::Debug for Ogd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directions = self.basis().directions().len();
        write!(f, "Ogd({directions} directions)")
    }
}

impl Ogd {
    /// The directions that gradients lose.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.shared.lock().basis.clone()
    }

    /// [`after_task`](Strategy::after_task) with progress; where `watch` stops it, the directions so far are kept.
    ///
    /// # Errors
    /// As for `after_task`: then nothing is kept.
    pub fn after_task_watched<M: Classifier>(
        &self,
        model: M,
        data: &dyn DataLoader<M::Batch>,
        watch: &Watch,
    ) -> Result<M> {
        let rows = singles(data, self.config.examples)?;
        let _span = tracing::info_span!("ogd", examples = rows.len()).entered();
        let copy = independent(&model);
        let mut basis = self.basis();
        'examples: for (done, row) in rows.iter().enumerate() {
            let mut class = 0;
            loop {
                if basis.directions().len() >= self.config.directions {
                    break 'examples;
                }
                let logits = copy.logits(row).cast(FloatDType::F32);
                let [_, classes] = logits.dims();
                let label = match self.config.all_logits {
                    true => {
                        let class = TensorData::new(vec![class as i64], [1, 1]);
                        Tensor::<2, Int>::from_data(class, &logits.device())
                    }
                    false => row.labels().reshape([1, 1]),
                };
                let gradient = logits.gather(1, label).sum().backward();
                let gradient = GradientsParams::from_grads(gradient, &copy);
                basis.add(&ParamVector::gradients(&copy, &gradient))?;
                class += 1;
                if !self.config.all_logits || class >= classes {
                    break;
                }
            }
            if !watch.goes_on("ogd", done + 1, rows.len()) {
                break;
            }
        }
        let mut state = self.shared.lock();
        (state.basis, state.tasks) = (basis, state.tasks.saturating_add(1));
        Ok(model)
    }
}

impl<M: Classifier> Strategy<M> for Ogd {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        let basis = self.basis();
        if !basis.directions().is_empty() {
            let projected = basis.project(&grads.vector(model)?)?;
            *grads = grads.replaced(model, &projected);
        }
        Ok(())
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        self.after_task_watched(model, data, &Watch::default())
    }
}

impl Part for Ogd {
    fn kind(&self) -> String {
        "ogd 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let (basis, tasks) = {
            let state = self.shared.lock();
            (state.basis.clone(), state.tasks)
        };
        let mut saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            tasks,
            directions: basis.directions().len(),
        })?;
        for (path, matrix) in basis.directions().matrices() {
            saved = saved.with_tensor(&format!("directions::{path}"), matrix)?;
        }
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut state = self.shared.lock();
        if plain.directions > self.config.directions || (plain.tasks == 0 && plain.directions > 0) {
            let reason = format!("{} directions do not fit", plain.directions);
            return Err(ContinualError::State(reason).into());
        }
        let first = state.space.entries().first();
        let device = first.map_or_else(Default::default, |entry| entry.values.device());
        let find = |path: &str| saved.tensor(&format!("directions::{path}"), &device);
        let directions = Directions::of_matrices(&state.space, plain.directions, find)?;
        (state.basis, state.tasks) = (Basis::of(directions), plain.tasks);
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
