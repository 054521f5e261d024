//! What the losses share: types, constants, masks.

use burn::tensor::{Bool, DType, Tensor, TensorData};

use crate::advantage::Advantages;
use crate::error::{Result, RlRewardsError};

/// Half precision as f32, in which losses are taken; other types as they are.
pub(crate) fn wide<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F16 | DType::BF16 => values.cast(DType::F32),
        _ => values,
    }
}

/// A constant of another tensor's type.
pub(crate) fn constant<const D: usize>(values: Tensor<D>, like: &Tensor<D>) -> Tensor<D> {
    values.inner().cast(like.dtype())
}

/// 1 where true, of another tensor's type.
pub(crate) fn number<const D: usize>(mask: Tensor<D, Bool>, dtype: DType) -> Tensor<D> {
    mask.inner().float().cast(dtype)
}

/// Advantages of rows as `[rows, 1]` or `[rows, tokens]`, of another tensor's device and type.
pub(crate) fn advantages_like(advantages: &Advantages, like: &Tensor<2>) -> Result<Tensor<2>> {
    let [rows, tokens] = like.dims();
    let width = advantages.tokens().unwrap_or(1);
    if advantages.responses() != rows || (width != 1 && width != tokens) {
        return Err(RlRewardsError::OutOfRange {
            field: "advantages",
            value: format!("of shape [{}, {width}]", advantages.responses()),
            allowed: "one for each row of the log-probabilities, or one for each token",
        });
    }
    let data = TensorData::new(advantages.values().to_vec(), [rows, width]);
    Ok(Tensor::from_data(
        data,
        (&like.device().inner(), like.dtype()),
    ))
}

/// Refuses a tensor of another shape.
pub(crate) fn check_shape<const D: usize>(
    field: &'static str,
    given: [usize; D],
    wanted: [usize; D],
) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    Err(RlRewardsError::OutOfRange {
        field,
        value: format!("of shape {given:?} where {wanted:?} is needed"),
        allowed: "the shape of the mask",
    })
}
