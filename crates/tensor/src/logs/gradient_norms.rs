//! # GradientNorms
//!
//! A log of gradient norms that never stops the device during a run.
//!
//! Source: what arXiv 2310.07831 refines from: one global norm an update.

use burn::module::Module;
use burn::optim::GradientsParams;
use serde::{Deserialize, Serialize};

use super::scalar_log::ScalarLog;
use crate::error::Result;
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

/// A log of the global gradient norm of every update.
///
/// Each call of [`observe`](Self::observe) adds a few operations to the device's queue and reads
/// nothing; every 512 updates the pending values are read in one transfer. Clones share the
/// log: keep one in the model (`#[module(skip)]`) and one outside.
///
/// Observe the gradient that is applied: after averaging over accumulated micro-batches, before
/// clipping, in [`TrainStep::optimize`]:
///
/// ```text
/// fn optimize(self, optim: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
///     self.norms.observe(&self, &grads);
///     optim.step(lr, self, grads)
/// }
/// ```
///
/// [`TrainStep::optimize`]: https://docs.rs/burn/latest/burn/train/trait.TrainStep.html
#[derive(Clone)]
pub struct GradientNorms {
    norm: Norm,
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
            log: ScalarLog::resume(norms),
        }
    }

    /// Logs the norm of a module's gradients.
    ///
    /// A read that fails is kept for [`norms`](Self::norms) to report.
    pub fn observe<M: Module>(&self, module: &M, grads: &GradientsParams) {
        let gradient = ParamVector::gradients(module, grads);
        self.log.observe(match self.norm {
            Norm::L2 => gradient.l2(),
            Norm::L1 => gradient.l1(),
        });
    }

    /// All norms so far, one an update. Reads what is pending from the device.
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
