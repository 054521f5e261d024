//! What routers do with scores.

use burn::tensor::{DType, FloatDType, Int, Tensor};

use crate::Result;

/// Logits in float32, whatever the layer computes in.
pub(super) fn logits(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let single = |t: Tensor<2>| match t.dtype() {
        DType::F32 => t,
        _ => t.cast(FloatDType::F32),
    };
    single(x).matmul(single(weight))
}

/// The chosen entries of each row.
pub(super) fn chosen(scores: &Tensor<2>, choices: &Tensor<2, Int>) -> Tensor<2> {
    scores.clone().gather(1, choices.clone())
}

/// Each row divided by its sum.
pub(super) fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let sum = rows.clone().sum_dim(1);
    rows / (sum + 1e-20)
}

/// `top_k` within the number of experts.
pub(super) fn check_top_k(experts: usize, top_k: usize) -> Result<()> {
    crate::error::positive("experts", experts)?;
    if top_k == 0 || top_k > experts {
        let allowed = format!("1 to the number of experts, {experts}");
        return Err(crate::MoeError::range("top_k", top_k, &allowed));
    }
    Ok(())
}
