//! The settings of refresh.

use burn::config::Config;
use serde::{Deserialize, Serialize};

use crate::error::{check, positive, strength};
use crate::{ContinualError, Result};

/// Moves ahead of one training step at most.
const MOST: usize = 10_000;

/// The rule by which [`Refresh`](crate::Refresh) moves the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Form {
    /// The released code's: `p += delta (n + noise z) / (1 + .001 f)` with `n = ‖p‖ / ‖g‖ g` for each parameter tensor, `z` of a standard
    /// normal distribution.
    Code {
        /// Length of a move as a share of the weights' norm, 0 or more; the released value is 1e-5.
        delta: f64,
        /// Standard deviation of the noise, 0 or more; the released value is 1e-3.
        noise: f64,
    },
    /// The paper's: `steps` times `p += gamma (f + damping)^-1 g + noise (2 gamma (f + damping)^-1)^1/2 z`; before there is Fisher
    /// information, `f + damping` is 1. Far below the learning rate: half of it made training diverge.
    Paper {
        /// Rate of unlearning, 0 or more.
        gamma: f64,
        /// Moves ahead of each training step, 1 to 10,000; a gradient each.
        steps: usize,
        /// What noise is multiplied by, 0 or more; the paper's is 1.
        noise: f64,
        /// Added to the Fisher information, above 0.
        damping: f64,
    },
}

impl Form {
    /// The released code's, with noise of 1e-3.
    #[must_use]
    pub fn code(delta: f64) -> Self {
        Self::Code { delta, noise: 1e-3 }
    }

    /// The paper's, with one move, noise of 1 and a damping of 1e-3.
    #[must_use]
    pub fn paper(gamma: f64) -> Self {
        Self::Paper {
            gamma,
            steps: 1,
            noise: 1.0,
            damping: 1e-3,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Code { delta, noise } => {
                strength("delta", delta)?;
                strength("noise", noise)
            }
            Self::Paper {
                gamma,
                steps,
                noise,
                damping,
            } => {
                strength("gamma", gamma)?;
                if !(1..=MOST).contains(&steps) {
                    return Err(ContinualError::range("steps", steps, "1 to 10,000"));
                }
                strength("noise", noise)?;
                check("damping", damping, damping > 0.0, "above 0")
            }
        }
    }

    /// Whether it moves nothing at all, and how many moves it makes else.
    pub(super) fn moves(&self) -> usize {
        match *self {
            Self::Code { delta, .. } => usize::from(delta > 0.0),
            Self::Paper { gamma, steps, .. } if gamma > 0.0 => steps,
            Self::Paper { .. } => 0,
        }
    }

    pub(super) fn noise(&self) -> f64 {
        match *self {
            Self::Code { noise, .. } | Self::Paper { noise, .. } => noise,
        }
    }
}

/// Where a move of [`Refresh`](crate::Refresh) goes: those that are no ascent are controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Up the loss of the batch: unlearning.
    #[default]
    Ascent,
    /// Down the loss of the batch.
    Descent,
    /// A random direction for each parameter tensor, with the length of the ascent.
    Random,
}

/// Refresh: ahead of each training step the weights move a little up the loss of the batch, and stay there.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `form` | `Form::code(1e-5)` | the rule and its length |
/// | `direction` | `Ascent` | the others are controls |
/// | `restore` | `false` | whether the weights return before the update, as in sharpness-aware minimisation |
/// | `fisher` | `true` | whether moves are divided by the Fisher information of earlier tasks |
/// | `tau` | 1e-5 | `f <- tau f + f_task` at the end of a task, 0 or more |
/// | `examples` | 1024 | examples of a task of which `f_task` is taken, at most ([`Fisher::Weighted`](crate::penalties::Fisher::Weighted)) |
/// | `seed` | 0 | of noise and random directions |
///
/// A move costs one gradient on a batch. It is taken on a copy: the running statistics of the live network do not see it. To first order,
/// a move and a step minimise the loss and a multiple of the norm of its gradient. Parameters without a gradient are not moved, and their noise
/// is not drawn. The code form with `delta = 0` is the method itself, bit for bit. In half precision a move below the spacing of the numbers
/// has no effect: 1e-5 is below that of bf16.
///
/// In `TrainStep::step`, [`unlearn`](crate::Refresh::unlearn) gives the moved copy of the model, of which loss and gradients are taken. With
/// accumulation, the first micro-batch of a step decides the move. `TrainStep::optimize` moves the model itself and lets the method update it.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// # use burn::optim::{GradientsParams, SgdConfig};
/// use regimen_continual::{Classifier, EwcConfig, RefreshConfig, Strategy};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
/// # let mut optim = SgdConfig::new().init();
///
/// let refresh = RefreshConfig::new().init(&model, EwcConfig::new(100.0).init(&model)?)?;
/// // `TrainStep::step`
/// let moved = refresh.unlearn(&model, &batch)?;
/// let loss = refresh.loss(&moved, &batch)?;
/// let grads = GradientsParams::from_grads(loss.backward(), &moved);
/// // `TrainStep::optimize`
/// let model = refresh.optimize(model, &mut optim, 0.03, grads);
/// # assert!(Strategy::<Model>::status(&refresh).is_ok());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct RefreshConfig {
    /// The rule and its length.
    #[config(default = "Form::code(1e-5)")]
    pub form: Form,
    /// Where a move goes.
    #[config(default = "Direction::Ascent")]
    pub direction: Direction,
    /// Whether the weights return before the update.
    #[config(default = false)]
    pub restore: bool,
    /// Whether moves are divided by the Fisher information of earlier tasks.
    #[config(default = true)]
    pub fisher: bool,
    /// Share of earlier Fisher information that stays when a task ends, 0 or more.
    #[config(default = 1e-5)]
    pub tau: f64,
    /// Examples of a task of which the Fisher information is taken, at most; one backward pass each.
    #[config(default = 1024)]
    pub examples: usize,
    /// Seed of noise and random directions.
    #[config(default = 0)]
    pub seed: u64,
}

impl RefreshConfig {
    /// Refuses numbers outside of their range.
    pub(super) fn check(&self) -> Result<()> {
        self.form.check()?;
        strength("tau", self.tau)?;
        positive("examples", self.examples)
    }
}
