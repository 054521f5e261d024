//! # L2Init
//!
//! Weights are pulled to where they started, at every update.
//!
//! Source: Kumar et al., "Maintaining Plasticity in Continual Learning via Regenerative Regularization" (arXiv 2308.11958), equation 2; the strength
//! of Ma et al. (arXiv 2310.07418) is 1e-2.

use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError};

use super::units::frozen;
use crate::Result;
use crate::classifier::Classifier;
use crate::error::strength;
use crate::examples::Examples;
use crate::penalties::{Quadratic, finite};
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, space, zero};

/// `penalty = lambda ||theta - theta_0||^2` over the parameters that train, with the weights theta_0 at the time of `init`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `lambda` | | strength, 0 or more; 1e-2 in the paper on visual control, 1e-3 and below with Adam at larger rates |
///
/// With Adam it is no decay of weights: it goes through the moments. It does not see where tasks begin.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_continual::plasticity::L2InitConfig;
///
/// # let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
/// let pull = L2InitConfig::new(1e-2).init(&model)?;
/// assert_eq!(format!("{pull:?}"), "L2Init(lambda 0.01)");
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct L2InitConfig {
    /// Strength, 0 or more.
    pub lambda: f64,
}

impl L2InitConfig {
    /// Pulls to the weights that the model has now.
    ///
    /// # Errors
    /// If `lambda` is out of range, or a weight is not finite.
    pub fn init<M: Module>(&self, model: &M) -> Result<L2Init> {
        strength("lambda", self.lambda)?;
        let frozen = frozen(model);
        let trained = |vector: ParamVector| vector.filter(|entry| !frozen.contains(&entry.id));
        let start = trained(ParamVector::of(model)).widened();
        finite("the weights", &start)?;
        Ok(L2Init {
            lambda: self.lambda,
            shared: Shared::new(State {
                space: trained(space(model)),
                held: held(start)?,
            }),
        })
    }
}

fn held(start: ParamVector) -> Result<Quadratic> {
    let ones = start.clone().map(|_, values| values.ones_like());
    Quadratic::new(ones, start)
}

struct State {
    space: ParamVector,
    held: Quadratic,
}

/// A handle on the pull to the start: clones share its state. See [`L2InitConfig`].
#[derive(Clone)]
pub struct L2Init {
    lambda: f64,
    shared: Shared<State>,
}

impl fmt::Debug for L2Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L2Init(lambda {})", self.lambda)
    }
}

impl<M: Classifier> Strategy<M> for L2Init {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        if self.lambda == 0.0 {
            return Ok(zero(&batch.device()));
        }
        let held = self.shared.lock().held.clone();
        Ok(held.at(model)? * self.lambda)
    }
}

impl Part for L2Init {
    fn kind(&self) -> String {
        "l2-init 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        let saved = Saved::new(&self.shared.steps.taken())?;
        let start = self.shared.lock().held.anchor().clone();
        Ok(saved.with("start", &start)?.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let step: usize = saved.state()?;
        let mut state = self.shared.lock();
        let start = match state.space.entries().is_empty() {
            true => state.space.clone(),
            false => saved.required("start", &state.space)?,
        };
        state.held = held(start)?;
        self.shared.steps.restore(step);
        Ok(())
    }
}
