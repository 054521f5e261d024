//! # Wanda
//!
//! Prunes a trained layer without training: magnitude times the norm of its input, row by row.
//!
//! Source: Sun et al., "A Simple and Effective Pruning Approach for Large Language Models" (arXiv 2306.11695).

use burn::tensor::{Bool, Tensor};
use regimen_tensor::threshold;

use super::calibration::{Calibration, wide};
use super::rule::Rule;
use crate::error::fraction;
use crate::{PruningError, Result};

/// L2 norm of each input over the rows of `inputs`, `[tokens, width]`: `[width]`, in single precision, or double of double.
///
/// # Errors
/// If there is no row.
pub fn norms(inputs: Tensor<2>) -> Result<Tensor<1>> {
    let mut sums = Calibration::new(Rule::Wanda);
    sums.add(inputs)?;
    sums.norms()
}

/// Which weights stay of `weights`, `[outputs, width]`: in each row the `floor(sparsity * width)`
/// smallest `|W_ij| norms_j` go, with `norms` of `[width]` and `sparsity` in [0, 1]; ties stay by low index. Run the layers
/// in order, each on the inputs that the pruned layers before it give.
///
/// # Errors
/// If `sparsity` is out of range, the width is not that of the norms or a score is not finite.
pub fn mask(weights: Tensor<2>, norms: Tensor<1>, sparsity: f64) -> Result<Tensor<2, Bool>> {
    largest(scores(weights, norms)?, sparsity)
}

/// `|W_ij| norms_j`.
pub(super) fn scores(weights: Tensor<2>, norms: Tensor<1>) -> Result<Tensor<2>> {
    let (weights, norms) = (wide(weights.detach().inner()), wide(norms.detach().inner()));
    let ([_, width], [found]) = (weights.dims(), norms.dims());
    if width != found {
        return Err(PruningError::range(
            "norms.dims()[0]",
            found,
            &width.to_string(),
        ));
    }
    let norms = norms.cast(weights.dtype()).to_device(&weights.device());
    Ok(weights.abs() * norms.reshape([1, width]))
}

/// The largest scores of each row.
pub(super) fn largest(scores: Tensor<2>, sparsity: f64) -> Result<Tensor<2, Bool>> {
    fraction("sparsity", sparsity, true)?;
    let [_, width] = scores.dims();
    let stay = width - threshold::share_of(sparsity, width);
    Ok(threshold::largest_in_rows(scores, stay)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn wanda_rows() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 3.0, 0.0, 0.1], [2.0, 4.0, 1.0, 0.2]], &device);
        let norms = norms(x).unwrap();
        let found = norms.clone().try_into_vec_as::<f32>().unwrap();
        for (f, e) in found.iter().zip([2.236_068, 5.0, 1.0, 0.223_606_8]) {
            approx::assert_abs_diff_eq!(*f, e, epsilon = 1e-6);
        }
        let w = Tensor::<2>::from_floats([[2.0, -1.0, 0.5, 3.0], [-0.2, 4.0, 1.0, -1.0]], &device);
        let kept = |norms: Tensor<1>| {
            let mask = mask(w.clone(), norms, 0.5).unwrap();
            let kept = w.clone().mask_fill(mask.bool_not(), 0.0);
            kept.try_into_vec_as::<f32>().unwrap()
        };
        assert_eq!(kept(norms), [2.0, -1.0, 0.0, 0.0, 0.0, 4.0, 1.0, 0.0]);
        let ones = Tensor::ones([4], &device);
        assert_eq!(kept(ones), [2.0, 0.0, 0.0, 3.0, 0.0, 4.0, 1.0, 0.0]);
        let other = Tensor::ones([3], &device);
        assert!(mask(w.clone(), other, 0.5).is_err());
    }
}
