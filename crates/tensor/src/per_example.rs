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
/// Differentiable; take its `mean()` for the usual loss, and `detach()` it for bookkeeping. A target outside `0..classes` has NaN
/// ([`at_label`]), and so has every mean over it.
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
    let [_, classes] = logits.dims();
    let log_p = match classes {
        0 => logits,
        _ => log_softmax(logits, 1),
    };
    -at_label(log_p, targets)
}

/// The value of each row in the column that its label names: values `[rows, columns]`, labels and result `[rows]`.
///
/// A label outside `0..columns`, such as the -100 that marks padding, has NaN, without a read-back, and passes no gradient on. Where such
/// labels are meant, replace the NaN by `mask_fill`: 0 times NaN is NaN.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_tensor::per_example::at_label;
///
/// let device = Device::flex();
/// let values = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
/// let labels = Tensor::<1, Int>::from_data([1, 2], &device);
/// let found = at_label(values, labels).try_into_vec_as::<f32>()?;
/// assert!(found[0] == 2.0 && found[1].is_nan());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn at_label(values: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [rows, columns] = values.dims();
    if columns == 0 {
        return Tensor::full([rows], f32::NAN, (&values.device(), values.dtype()));
    }
    let last = columns as i64 - 1;
    let below = labels.clone().lower_elem(0);
    let outside = below.bool_or(labels.clone().greater_elem(last));
    let column = labels.clamp(0, last).reshape([rows, 1]);
    let found = values.gather(1, column).reshape([rows]);
    found.mask_fill(outside, f32::NAN)
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
