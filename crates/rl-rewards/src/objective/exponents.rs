//! Exponents of rows of logits, and their sums: one pass over the logits on `flex`, Burn's operations elsewhere.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use super::fused;

/// `exp(x - max)` of rows, with their sums.
pub(super) struct Exponents {
    /// `exp(x - max)`, `[rows, columns]`.
    pub(super) values: Tensor<2>,
    /// The largest number of each row, `[rows, 1]`.
    pub(super) most: Tensor<2>,
    /// The sums of the exponents, `[rows, 1]`.
    pub(super) sums: Tensor<2>,
}

impl Exponents {
    /// In the memory of the logits, if nothing else holds it.
    pub(super) fn of(logits: Tensor<2>) -> Self {
        #[cfg(feature = "flex")]
        let logits = match fused::exponents(logits) {
            Ok([values, most, sums]) => return Self { values, most, sums },
            Err(logits) => logits,
        };
        let most = logits.clone().max_dim(1);
        let values = (logits - most.clone()).exp();
        let sums = row_sums(&values);
        Self { values, most, sums }
    }
}

/// Sums of rows `[rows, columns]` to `[rows, 1]`, in blocks, so that small numbers are not lost in a long sum.
pub(super) fn row_sums(values: &Tensor<2>) -> Tensor<2> {
    let [rows, columns] = values.dims();
    let root = (columns as f64).sqrt() as usize;
    let width = (root.max(1)..=columns).find(|width| columns.is_multiple_of(*width));
    let width = width.unwrap_or(columns).max(1);
    if width > 64 * root.max(1) {
        // Hardly a divisor: a block of full length and the rest.
        let width = root.max(1);
        let whole = columns / width * width;
        let front = values.clone().slice([0..rows, 0..whole]);
        let sum = front
            .reshape([rows, columns / width, width])
            .sum_dim(2)
            .sum_dim(1)
            .reshape([rows, 1]);
        if whole == columns {
            return sum;
        }
        return sum + values.clone().slice([0..rows, whole..columns]).sum_dim(1);
    }
    let blocks = values.clone().reshape([rows, columns / width, width]);
    blocks.sum_dim(2).sum_dim(1).reshape([rows, 1])
}
