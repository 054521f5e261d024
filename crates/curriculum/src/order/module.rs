//! # module
//!
//! Gradients of batches for any Burn module and any loss.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use regimen_tensor::{ParamVector, TensorError, independent};

use crate::error::{CurriculumError, Result, count};

use super::gradients::{BatchGradients, check_row};

/// A module, its batches and its loss, as a source of gradients.
///
/// Points are kept on the host, as are the tables made of them: a table is read once for each order, and larger than a model
/// by the square of the number of batches. The module that was given stays as it is. Give it on an autodiff device, with dropout
/// off: the loss of a batch must be the same each time. Running statistics are no parameters, and not part of a point.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::order::{
///     Correction, ModuleGradients, OrderHistory, OrderOptimizer, OrderRun, OrderTableConfig,
/// };
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
/// let batches = vec![[[1.0, 0.0]], [[-1.0, 2.0]], [[0.5, 1.0]], [[2.0, 1.0]]];
/// let mut source = ModuleGradients::new(&model, batches, |model: &Linear, batch| {
///     let outputs = model.forward(Tensor::<2>::from_data(*batch, &device));
///     (outputs - 1.0).square().mean()
/// })?;
///
/// // One run in the order of the data, and a table of it.
/// let rule = OrderOptimizer::adam(0.01);
/// let start = source.start()?;
/// let run = OrderRun::train(&mut source, &rule, &start, &[0, 1, 2, 3])?;
/// let table = OrderTableConfig::new(2).init(&mut source, &rule, run)?;
///
/// // Where another order would have ended, and where it does end.
/// let order = [3, 1, 0, 2];
/// let estimate = table.estimate(&order, Correction::Directions, OrderHistory::Own)?;
/// let truth = OrderRun::train(&mut source, &rule, &start, &order)?;
/// for (estimated, trained) in estimate.iter().zip(truth.end()) {
///     assert!((estimated - trained).abs() < 1e-4);
/// }
/// let model = source.module_at(&estimate)?;
/// # let _ = model;
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub struct ModuleGradients<M: Module, B, F> {
    module: M,
    like: ParamVector,
    batches: Vec<B>,
    loss: F,
}

impl<M: Module, B, F: FnMut(&M, &B) -> Tensor<1>> ModuleGradients<M, B, F> {
    /// A source of gradients of `loss` on each of the batches.
    ///
    /// # Errors
    /// `OutOfRange` for no batches, or a module without parameters.
    pub fn new(module: &M, batches: Vec<B>, loss: F) -> Result<Self> {
        count("batches", batches.len(), !batches.is_empty(), "1 or more")?;
        let module = independent(module);
        let like = ParamVector::of(&module);
        count("parameters", like.len(), !like.is_empty(), "1 or more")?;
        Ok(Self {
            module,
            like,
            batches,
            loss,
        })
    }

    /// The parameters of the module that was given.
    ///
    /// # Errors
    /// `Gradients` if the device fails.
    pub fn start(&self) -> Result<Vec<f64>> {
        flat(&self.like)
    }

    /// A copy of the module with the parameters of a point.
    ///
    /// # Errors
    /// `OutOfRange` for a point of another length, or with a number that is not finite.
    pub fn module_at(&self, point: &[f64]) -> Result<M> {
        check_row("point", point, self.like.len())?;
        let mut rest = point.iter().map(|value| *value as f32);
        let entries = self.like.entries().iter();
        let values = entries.map(|entry| rest.by_ref().take(entry.len()).collect());
        let vector = self.like.from_host(values.collect()).map_err(failed)?;
        vector.write_to(independent(&self.module)).map_err(failed)
    }
}

impl<M: Module, B, F: FnMut(&M, &B) -> Tensor<1>> BatchGradients for ModuleGradients<M, B, F> {
    fn batches(&self) -> usize {
        self.batches.len()
    }

    fn parameters(&self) -> usize {
        self.like.len()
    }

    fn gradient(&mut self, point: &[f64], batch: usize) -> Result<Vec<f64>> {
        let module = self.module_at(point)?;
        let batch = self.batches.get(batch).ok_or(CurriculumError::OutOfRange {
            field: "batch",
            value: batch.to_string(),
            allowed: "a batch of the source",
        });
        let loss = (self.loss)(&module, batch?);
        if !loss.is_autodiff() {
            let reason = "the loss is not on an autodiff device";
            return Err(CurriculumError::Gradients(reason.into()));
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        flat(&ParamVector::gradients(&module, &gradients))
    }

    fn precision(&self) -> f64 {
        let types = self.like.entries().iter().map(|entry| match entry.dtype {
            DType::F16 => 2.0_f64.powi(-10),
            DType::BF16 => 2.0_f64.powi(-7),
            _ => f64::from(f32::EPSILON),
        });
        types.fold(f64::from(f32::EPSILON), f64::max)
    }
}

fn flat(vector: &ParamVector) -> Result<Vec<f64>> {
    let rows = vector.to_host().map_err(failed)?;
    Ok(rows.into_iter().flatten().map(f64::from).collect())
}

fn failed(error: TensorError) -> CurriculumError {
    CurriculumError::Gradients(error.to_string())
}
