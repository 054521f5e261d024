//! # GradientNorms
//!
//! A log of gradient norms that never stops the device during a run.
//!
//! Source: what arXiv 2310.07831 refines from: one global norm an update.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::scalar_log::ScalarLog;
use crate::checkpoint::{Part, PartError, json};
use crate::error::{Result, TensorError};
use crate::param_vector::ParamVector;

/// Which norm of a gradient is logged.
///
/// A [`GradientNorms`] also takes the `Norm` of `regimen-schedules`, which refines a schedule from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Norm {
    /// The Euclidean norm.
    L2,
    /// The sum of magnitudes.
    L1,
}

/// A log of the global gradient norm of every update of the optimizer.
///
/// Each call of [`observe`](Self::observe) adds a few operations to the device's queue and reads
/// nothing; every 512 updates the pending values are read in one transfer. Clones share the
/// log: keep one in the model (`#[module(skip)]`) and one outside.
///
/// Observe the gradient that is applied, before clipping, in [`TrainStep::optimize`]:
///
/// ```text
/// fn optimize(self, optim: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
///     self.norms.observe(&self, &grads);
///     optim.step(lr, self, grads)
/// }
/// ```
///
/// Burn sums the gradients of accumulated micro-batches, and those of several devices where one of them collects
/// (`MultiDevice`): [`with_micro_batches`](Self::with_micro_batches) logs the norm of their mean. Where every device steps for
/// itself (`DistributedDataParallel`), each observes the reduced gradient, and the entry is the mean of their norms: one for an
/// update, not one for each device. Norms are taken in f32 for parameters of half precision too.
///
/// [`TrainStep::optimize`]: https://docs.rs/burn/latest/burn/train/trait.TrainStep.html
#[derive(Clone)]
pub struct GradientNorms {
    norm: Norm,
    micro_batches: usize,
    log: ScalarLog,
}

impl std::fmt::Debug for GradientNorms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GradientNorms({:?}, {} updates)", self.norm, self.len())
    }
}

impl GradientNorms {
    /// An empty log of a norm: [`Norm::L2`] for SGD, [`Norm::L1`] for Adam.
    #[must_use]
    pub fn new(norm: impl Into<Norm>) -> Self {
        Self::resume(norm, Vec::new())
    }

    /// A log that goes on from norms that were saved.
    #[must_use]
    pub fn resume(norm: impl Into<Norm>, norms: Vec<f64>) -> Self {
        Self {
            norm: norm.into(),
            micro_batches: 1,
            log: ScalarLog::resume(norms),
        }
    }

    /// Divides each norm by the number of gradients that Burn adds up for an update, so that it is the norm of their mean: the
    /// accumulation, times the number of devices under `MultiDevice`.
    ///
    /// An epoch's last window of micro-batches may be shorter than the others; its norm is divided by the same number.
    ///
    /// # Errors
    /// If `micro_batches` is 0.
    pub fn with_micro_batches(self, micro_batches: usize) -> Result<Self> {
        if micro_batches == 0 {
            return Err(TensorError::out_of_range("micro_batches", 0, "1 or more"));
        }
        Ok(Self {
            micro_batches,
            ..self
        })
    }

    /// Logs the norm of a module's gradients: the entry of an update.
    ///
    /// A read that fails is kept for [`norms`](Self::norms) to report.
    pub fn observe<M: Module>(&self, module: &M, grads: &GradientsParams) {
        let gradient = ParamVector::gradients(module, grads);
        let size = |values: Tensor<1>| match self.norm {
            Norm::L2 => values.square().sum(),
            Norm::L1 => values.abs().sum(),
        };
        let values = gradient.entries().iter();
        // In f32 at least: a sum of squares of half precision overflows, and stands still when it is large.
        let sizes = values.map(|entry| size(entry.values.clone().cast(DType::F32)));
        // Parts of a model may lie on different devices.
        let total = sizes.reduce(|left, right| {
            let right = right.to_device(&left.device());
            left + right
        });
        if let Some(total) = total {
            let norm = match self.norm {
                Norm::L2 => total.sqrt(),
                Norm::L1 => total,
            };
            self.log.observe(norm / self.micro_batches as f64);
        }
        self.log.end_update(module);
    }

    /// All norms so far, one an update; NaN for one without a gradient. Reads what is pending from the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn norms(&self) -> Result<Vec<f64>> {
        self.log.values()
    }

    /// The number of updates that were logged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether nothing was logged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a log of norms saves.
#[derive(Serialize, Deserialize)]
struct Saved {
    norm: Norm,
    micro_batches: usize,
    #[serde(with = "crate::floats")]
    norms: Vec<f64>,
}

/// The norms of all updates. Clones restore what they share; a state of another norm, or of another number of micro-batches, is refused.
impl Part for GradientNorms {
    fn kind(&self) -> String {
        "gradient norms 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&Saved {
            norm: self.norm,
            micro_batches: self.micro_batches,
            norms: self.norms()?,
        })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let saved: Saved = json::load(bytes)?;
        if saved.norm != self.norm {
            let (found, allowed) = (format!("{:?}", saved.norm), format!("{:?}", self.norm));
            return Err(TensorError::out_of_range("norm", found, allowed).into());
        }
        if saved.micro_batches != self.micro_batches {
            let (found, allowed) = (saved.micro_batches, self.micro_batches);
            return Err(TensorError::out_of_range("micro_batches", found, allowed).into());
        }
        self.log.restart(saved.norms);
        Ok(())
    }
}
