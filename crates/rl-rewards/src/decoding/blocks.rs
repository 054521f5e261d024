//! Rows cut into blocks of about the root of their length, for sums and draws that neither lose small numbers in large ones nor
//! take many of a generator.

use burn::tensor::{DType, Tensor};

/// Half precision as f32, in which sums and probabilities are taken; other types as they are.
pub(super) fn wide<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F16 | DType::BF16 => values.cast(DType::F32),
        _ => values,
    }
}

/// Rows `[rows, columns]` as `[rows, blocks, width]`, with as many blocks as columns of a block, the rest filled.
pub(super) fn blocks(values: Tensor<2>, fill: f32) -> Tensor<3> {
    let [rows, columns] = values.dims();
    let width = (columns as f64).sqrt().ceil().max(1.0) as usize;
    let count = columns.div_ceil(width);
    let missing = count * width - columns;
    let values = if missing == 0 {
        values
    } else {
        let options = (&values.device(), values.dtype());
        let rest = Tensor::full([rows, missing], fill, options);
        Tensor::cat(vec![values, rest], 1)
    };
    values.reshape([rows, count, width])
}

/// The sum of each row up to each column, `[rows, columns]`.
///
/// Within blocks, then over them: an error grows with the root of the length, not with the length.
pub(super) fn running_sums(values: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = values.dims();
    let within = blocks(values, 0.0).cumsum(2);
    let [_, count, width] = within.dims();
    let totals = within.clone().narrow(2, width - 1, 1);
    let before = totals.clone().cumsum(1) - totals;
    let sums = (within + before).reshape([rows, count * width]);
    sums.narrow(1, 0, columns)
}

/// Log-probabilities of logits `[rows, columns]`; NaN in a row without a distribution.
///
/// As `log_softmax`, whose sum on some devices runs along the row and loses a tail of small probabilities: 0.3 % of the whole in
/// a vocabulary of 100,000. Differentiable.
pub(super) fn log_probs(logits: Tensor<2>) -> Tensor<2> {
    let most = logits.clone().detach().max_dim(1);
    let shifted = logits - most;
    let sums = blocks(shifted.clone().exp(), 0.0).sum_dim(2).sum_dim(1);
    shifted - sums.log().squeeze_dim::<2>(2)
}
