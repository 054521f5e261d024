//! # el2n, grand
//!
//! How much each example matters early in training: the length of its error, and of its gradient.
//!
//! Source: Paul, Ganguli and Dziugaite 2021, "Deep Learning on a Data Diet: Finding Important Examples Early in Training", arXiv 2107.07075

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Int, Tensor};
use regimen_tensor::per_example::{at_label, for_each_gradient};

use crate::error::{CurriculumError, Result};

/// EL2N: the L2 norm of `softmax(logits) - one_hot(label)` of each example, `[batch]` in single precision, from logits `[batch, classes]`.
///
/// The paper takes the mean over several networks early in their training. A label outside of the classes gives NaN.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_curriculum::select::el2n;
///
/// let device = Device::default();
/// let logits = Tensor::<2>::from_data([[0.0, 0.0], [9.0, -9.0]], &device);
/// let scores = el2n(logits, Tensor::<1, Int>::from_data([0, 0], &device));
/// let scores: Vec<f32> = scores.try_into_vec_as().unwrap();
/// assert!((scores[0] - 0.5_f32.sqrt()).abs() < 1e-6 && scores[1] < 1e-6);
/// ```
#[must_use]
pub fn el2n(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let chances = softmax(logits.cast(DType::F32), 1);
    let [rows, _] = chances.dims();
    let right = at_label(chances.clone(), labels);
    let squares = chances.powf_scalar(2.0).sum_dim(1).reshape([rows]);
    // What is right by more than rounding tells is 0.
    (squares - right * 2.0 + 1.0).clamp_min(0.0).sqrt()
}

/// GraNd: the L2 norm of the gradient of each example's loss over all parameters; `loss` returns the loss `[1]` of one example.
///
/// One backward pass an example, on a copy: running statistics of the module stay as they are. The norms are read in one transfer.
///
/// # Errors
/// If the device can't return them.
pub fn grand<M: Module, E>(
    module: &M,
    examples: impl IntoIterator<Item = E>,
    loss: impl FnMut(&M, E) -> Tensor<1>,
) -> Result<Vec<f32>> {
    let mut norms = Vec::new();
    let visited = for_each_gradient(module, examples, loss, |_, gradient| {
        norms.push(gradient.l2());
        Ok(())
    });
    visited.map_err(|error| CurriculumError::Gradients(error.to_string()))?;
    if norms.is_empty() {
        return Ok(Vec::new());
    }
    let norms = Tensor::cat(norms, 0).try_into_vec_as();
    norms.map_err(|error| CurriculumError::Gradients(format!("{error:?}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;
    use regimen_tensor::per_example::cross_entropy;

    use super::*;

    #[test]
    fn errors_by_hand() {
        let device = Device::default();
        let logits = [[1.0_f32, 2.0, 0.5], [0.0, 0.0, 0.0], [50.0, 0.0, -50.0]];
        let labels = Tensor::<1, Int>::from_data([1, 2, 2], &device);
        let found = el2n(Tensor::<2>::from_data(logits, &device), labels);
        let found: Vec<f32> = found.try_into_vec_as().unwrap();
        for ((row, label), found) in logits.iter().zip([1, 2, 2]).zip(found) {
            let sum: f32 = row.iter().map(|x| x.exp()).sum();
            let chances = row.map(|x| if x > 40.0 { 1.0 } else { x.exp() / sum });
            let square = |(class, p): (usize, &f32)| {
                let wanted = if class == label { 1.0 } else { 0.0 };
                (p - wanted).powi(2)
            };
            let wanted = chances.iter().enumerate().map(square).sum::<f32>().sqrt();
            assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
        }
        let outside = Tensor::<1, Int>::from_data([7], &device);
        let found: f32 = el2n(Tensor::<2>::ones([1, 3], &device), outside).into_scalar();
        assert!(found.is_nan());
    }

    /// Of a linear layer without bias the gradient is the outer product of error and input: GraNd is EL2N times the input's length.
    #[test]
    fn of_a_linear_layer_the_gradient_is_the_error_times_the_input() {
        let device = Device::default().autodiff();
        device.seed(3);
        let layer = LinearConfig::new(2, 3).with_bias(false).init(&device);
        let inputs = [[1.0_f32, 2.0], [-3.0, 0.5]];
        let labels = [2_i64, 0];
        let label = |label| Tensor::<1, Int>::from_data([label], &device);
        let examples = inputs.iter().zip(labels);
        let norms = grand(&layer, examples, |layer, (input, of)| {
            let input = Tensor::<2>::from_data([*input], &device);
            cross_entropy(layer.forward(input), label(of))
        });
        for ((input, of), found) in inputs.iter().zip(labels).zip(norms.unwrap()) {
            let logits = layer.forward(Tensor::<2>::from_data([*input], &device));
            let error: f32 = el2n(logits, label(of)).into_scalar();
            let length = (input[0].powi(2) + input[1].powi(2)).sqrt();
            assert!((found - error * length).abs() < 1e-5 * (1.0 + found));
        }
        let none = grand(&layer, Vec::<()>::new(), |_, ()| unreachable!());
        assert!(none.unwrap().is_empty());
    }
}
