//! # supervised_contrastive
//!
//! Rows of one class near each other and far from all others; without labels, the two views of each example.
//!
//! Source: Khosla et al., "Supervised Contrastive Learning" (arXiv 2004.11362), equation 2; without labels the NT-Xent loss of Chen et al.,
//! "A Simple Framework for Contrastive Learning of Visual Representations" (arXiv 2002.05709), equation 1.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, FloatDType, Int, Tensor};

use crate::error::check;
use crate::methods::unit;
use crate::{ContinualError, Result};

/// What the similarity of a row with itself becomes: finite, so that no loss is NaN.
const SELF: f32 = -1e9;
/// The least temperature: similarities stay below what replaces a row's own.
const LEAST: f64 = 1e-6;

/// `mean_i -1/|P(i)| sum_{p in P(i)} log( exp(v_i.v_p / tau) / sum_{a != i} exp(v_i.v_a / tau) )`, `[1]`, in f32.
///
/// The rows `[batch, width]` are brought to length 1; `P(i)` are the other rows with i's label. Rows without another of their label are
/// no anchors, and stay in the denominators of others; without any anchor the loss is 0. Nothing is read from the device. The published
/// codes of few-shot class-incremental learning take `tau = 0.07`.
///
/// Differs from SAVC's loss (zysong0113/SAVC), whose denominator has one positive and all negatives: the two agree where each anchor has one positive.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::few_shot::supervised_contrastive;
///
/// let device = Device::flex();
/// let rows = Tensor::<2>::from_data([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 0, 1, 1], &device);
/// let loss = supervised_contrastive(rows, labels, 0.5)?.into_scalar::<f32>();
/// assert!((loss - 0.43019028).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If there are not as many labels as rows, or `tau` is below 1e-6 or not finite.
pub fn supervised_contrastive(
    rows: Tensor<2>,
    labels: Tensor<1, Int>,
    tau: f64,
) -> Result<Tensor<1>> {
    temperature("tau", tau)?;
    let [count, _] = rows.dims();
    let [found] = labels.dims();
    if found != count {
        return Err(ContinualError::mismatch("labels", count, found));
    }
    let rows = unit(rows.cast(FloatDType::F32), 1);
    if count == 0 {
        return Ok(rows.sum());
    }
    let device = rows.device();
    let itself: Tensor<2, Bool> = Tensor::diag_mask([count, count], 0, &device).bool_not();
    let similar = rows.clone().matmul(rows.transpose()) / tau;
    let log_p = log_softmax(similar.mask_fill(itself.clone(), SELF), 1);
    let across = |labels: Tensor<2, Int>| labels.expand([count, count]);
    let alike =
        across(labels.clone().reshape([count, 1])).equal(across(labels.reshape([1, count])));
    let positive = alike.bool_and(itself.bool_not());
    let counts = positive.clone().int().sum_dim(1);
    let anchors = counts.clone().greater_elem(0).int().sum();
    let to = log_p.dtype();
    // A row's own entry is far from 0, and stays out of the sum as 0 and not as a product with it.
    let sums = log_p.mask_fill(positive.bool_not(), 0.0).sum_dim(1);
    let means = sums / counts.float().cast(to).clamp_min(1.0);
    Ok(-means.sum() / anchors.float().cast(to).clamp_min(1.0))
}

/// The loss of two views of each example, `[batch, width]` each: [`supervised_contrastive`] where an example has a label of its own.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::few_shot::nt_xent;
///
/// let device = Device::flex();
/// let first = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
/// let second = Tensor::<2>::from_data([[0.8, 0.6], [-0.6, 0.8]], &device);
/// assert!((nt_xent(first, second, 1.0)?.into_scalar::<f32>() - 0.67357679).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If the two differ in shape, or `tau` is below 1e-6 or not finite.
pub fn nt_xent(first: Tensor<2>, second: Tensor<2>, tau: f64) -> Result<Tensor<1>> {
    let (expected, found) = (first.dims(), second.dims());
    if expected != found {
        return Err(ContinualError::mismatch(
            "rows of the second view",
            format!("{expected:?}"),
            format!("{found:?}"),
        ));
    }
    let numbers = Tensor::<1, Int>::arange(0..expected[0] as i64, &first.device());
    let numbers = Tensor::cat(vec![numbers.clone(), numbers], 0);
    supervised_contrastive(Tensor::cat(vec![first, second], 0), numbers, tau)
}

pub(super) fn temperature(field: &'static str, tau: f64) -> Result<()> {
    check(field, tau, tau >= LEAST, "1e-6 or more, finite")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    const ROWS: [[f32; 2]; 4] = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]];

    fn loss(rows: impl Into<burn::tensor::TensorData>, labels: &[i64], tau: f64) -> f32 {
        let device = Device::flex();
        let rows = Tensor::<2>::from_data(rows, &device);
        let labels = Tensor::<1, Int>::from_data(labels, &device);
        let loss = supervised_contrastive(rows, labels, tau).unwrap();
        loss.into_scalar()
    }

    #[test]
    fn values_by_hand() {
        for (tau, expected) in [(0.1, 0.063_779_84), (0.5, 0.430_190_28), (1.0, 0.673_576_8)] {
            let found = loss(ROWS, &[0, 0, 1, 1], tau);
            assert_relative_eq!(found, expected, epsilon = 1e-6);
        }
        // Length is nothing.
        let longer = ROWS.map(|row| row.map(|value| 3.0 * value));
        assert_relative_eq!(
            loss(longer, &[0, 0, 1, 1], 0.5),
            0.430_190_28,
            epsilon = 1e-6
        );
    }

    /// Over several positives, the mean stands outside of the logarithm; a row without a positive is no anchor, and in the denominators of others.
    #[test]
    fn positives_and_anchors_by_hand() {
        let tau = 0.7_f64;
        let dot = |i: usize, k: usize| {
            let sum: f32 = (0..2).map(|at| ROWS[i][at] * ROWS[k][at]).sum();
            f64::from(sum) / tau
        };
        let term = |i: usize, p: usize| {
            let all: f64 = (0..4).filter(|a| *a != i).map(|a| dot(i, a).exp()).sum();
            -(dot(i, p).exp() / all).ln()
        };
        let anchor = |i: usize| {
            let others: Vec<usize> = (0..3).filter(|p| *p != i).collect();
            others.iter().map(|p| term(i, *p)).sum::<f64>() / 2.0
        };
        let expected = (0..3).map(anchor).sum::<f64>() / 3.0;
        let found = loss(ROWS, &[0, 0, 0, 1], tau);
        assert_relative_eq!(f64::from(found), expected, epsilon = 1e-6);
    }

    #[test]
    fn without_an_anchor_loss_and_gradient_are_0() {
        let device = Device::flex().autodiff();
        for labels in [&[0, 1, 2, 3][..], &[0]] {
            let rows: Vec<[f32; 2]> = ROWS[..labels.len()].to_vec();
            let rows: Vec<f32> = rows.concat();
            let rows = burn::tensor::TensorData::new(rows, [labels.len(), 2]);
            let rows = Tensor::<2>::from_data(rows, &device).require_grad();
            let labels = Tensor::<1, Int>::from_data(labels, &device);
            let loss = supervised_contrastive(rows.clone(), labels, 0.07).unwrap();
            assert_eq!(loss.clone().into_scalar::<f32>(), 0.0);
            let gradient = rows.grad(&loss.backward()).unwrap();
            assert!(
                gradient
                    .try_into_vec_as::<f32>()
                    .unwrap()
                    .iter()
                    .all(|g| *g == 0.0)
            );
        }
    }
}
