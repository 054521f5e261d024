//! # per_example
//!
//! Losses and gradients of single examples.
//!
//! Source: cross-entropy `-log softmax(z)_y` without the mean over the batch.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use crate::error::Result;
use crate::param_vector::{ParamVector, independent};

/// The cross-entropy of every example, in nats: logits `[batch, classes]`, targets `[batch]`,
/// result `[batch]`.
///
/// Differentiable; take its `mean()` for the usual loss, and `detach()` it for bookkeeping.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_tensor::per_example::cross_entropy;
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[0.0, 0.0], [100.0, 0.0]], &device);
/// let targets = Tensor::<1, Int>::from_data([0, 0], &device);
/// let losses = cross_entropy(logits, targets).try_into_vec_as::<f32>()?;
/// assert!((losses[0] - 2.0_f32.ln()).abs() < 1e-6 && losses[1] < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let picked = log_softmax(logits, 1).gather(1, targets.reshape([batch, 1]));
    -picked.reshape([batch])
}

/// Calls `visit` with the index and the gradient of each example's loss.
///
/// `loss` returns the loss `[1]` of one example. One backward pass an example, on a copy: running statistics of the
/// module stay as they are.
///
/// # Errors
/// The first error that `visit` returns.
pub fn for_each_gradient<M: Module, E>(
    module: &M,
    examples: impl IntoIterator<Item = E>,
    mut loss: impl FnMut(&M, E) -> Tensor<1>,
    mut visit: impl FnMut(usize, ParamVector) -> Result<()>,
) -> Result<()> {
    let module = &independent(module);
    for (index, example) in examples.into_iter().enumerate() {
        let grads = GradientsParams::from_grads(loss(module, example).backward(), module);
        visit(index, ParamVector::gradients(module, &grads))?;
    }
    Ok(())
}
