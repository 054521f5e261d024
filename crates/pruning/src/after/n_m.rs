//! # N:M
//!
//! In every group of M consecutive weights the N best stay: the pattern that sparse tensor cores run.
//!
//! Source: Mishra et al., "Accelerating Sparse Deep Neural Networks" (arXiv 2104.08378).

use burn::tensor::{Bool, Tensor};
use regimen_tensor::threshold;

use crate::error::positive;
use crate::{PruningError, Result};

/// Which weights stay, by the largest scores (`|w|`, or Wanda's) of each group of `m` along the input axis,
/// which must be the last; ties by low index.
///
/// # Errors
/// If `n` exceeds `m`, the length is no multiple of `m` or a score is not finite.
pub fn mask(scores: &[f32], n: usize, m: usize) -> Result<Vec<bool>> {
    check(n, m)?;
    if !scores.len().is_multiple_of(m) {
        return Err(PruningError::range(
            "scores.len()",
            scores.len(),
            &format!("a multiple of {m}"),
        ));
    }
    let groups = scores
        .chunks_exact(m)
        .map(|group| Ok(threshold::top_k(group, n)?));
    Ok(groups.collect::<Result<Vec<_>>>()?.concat())
}

/// As [`mask`], of scores on a device, `[outputs, inputs]`.
///
/// # Errors
/// As [`mask`].
pub fn keep(scores: Tensor<2>, n: usize, m: usize) -> Result<Tensor<2, Bool>> {
    check(n, m)?;
    let [outputs, inputs] = scores.dims();
    fits(inputs, m)?;
    let groups = scores.reshape([outputs * inputs / m, m]);
    Ok(threshold::largest_in_rows(groups, n)?.reshape([outputs, inputs]))
}

/// `n` of `m` is possible.
pub(crate) fn check(n: usize, m: usize) -> Result<()> {
    positive("m", m)?;
    if n > m {
        let allowed = format!("0 to m, {m}");
        return Err(PruningError::range("n", n, &allowed));
    }
    Ok(())
}

/// A layer's inputs fall into groups of `m`.
pub(crate) fn fits(inputs: usize, m: usize) -> Result<()> {
    positive("m", m)?;
    if !inputs.is_multiple_of(m) {
        let allowed = format!("a multiple of m, {m}");
        return Err(PruningError::range("inputs", inputs, &allowed));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_of_four_by_magnitude() {
        let w = [0.1_f32, -0.5, 0.3, 0.2, 0.9, 0.0, -0.05, 0.4].map(f32::abs);
        let expected = [0, 1, 1, 0, 1, 0, 0, 1].map(|f| f == 1);
        assert_eq!(mask(&w, 2, 4).unwrap(), expected);
        let scores = Tensor::<1>::from_floats(w, &burn::tensor::Device::flex()).reshape([1, 8]);
        let kept = keep(scores.clone(), 2, 4).unwrap();
        assert_eq!(threshold::flags(kept).unwrap(), expected);
        assert!(keep(scores, 2, 3).is_err());
        assert!(mask(&w, 5, 4).is_err() && mask(&w[..7], 2, 4).is_err());
    }
}
