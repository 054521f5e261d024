//! # OneShot
//!
//! Prunes a trained module in one call, layer by layer from calibration inputs: by magnitude, Wanda or SparseGPT.
//!
//! Source: Sun et al. (arXiv 2306.11695); Frantar and Alistarh (arXiv 2301.00774), layers in order, each on the inputs
//! that the pruned layers before it give.

use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::linalg::DMatrix;
use serde::{Deserialize, Serialize};

use super::{Pattern, n_m, sparsegpt, wanda};
use crate::error::read;
use crate::{Masks, PruningError, Result};

/// How a layer's weights are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rule {
    /// The smallest `|w|`, output by output.
    Magnitude,
    /// The smallest `|w| ||x||`, output by output.
    Wanda,
    /// The smallest error of the output, made up for by the weights that stay.
    SparseGpt {
        /// Share of the Hessian's mean diagonal that is added to it, in [0, 1]; .01 in the paper.
        damping: f64,
        /// Columns that choose together, at least 1 and a multiple of `m`; 128 in the paper.
        block: usize,
    },
}

impl Rule {
    /// SparseGPT with the paper's damping and block.
    pub const SPARSE_GPT: Self = Self::SparseGpt {
        damping: 0.01,
        block: 128,
    };
}

/// Prunes the linear layers of a trained module that the masks cover, in the order in which the module declares them,
/// which must be that of its forward pass. The masks must be all active: these rules prune once. A weight that is zero
/// beforehand counts as pruned.
///
/// `inputs` gives, for a path such as `layers.0.weight`, what enters that layer, `[tokens, inputs]`, when the module that
/// it gets, pruned up to there, sees the calibration data. Returns the module and its masks.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use regimen_pruning::after::{Pattern, Rule, prune};
/// use regimen_pruning::Masks;
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(16, 8).init(&device); // your trained model
/// let tokens = Tensor::<2>::random([64, 16], Distribution::Default, &device);
/// let masks = Masks::dense(&layer)?;
/// let two_of_four = Pattern::NOfM { n: 2, m: 4 };
/// let (layer, masks) = prune(layer, masks, Rule::Wanda, two_of_four, |_, _| tokens.clone())?;
/// assert_eq!(masks.density(), 0.5);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
///
/// # Errors
/// If a masked layer is not of rank 2 or not all active, the inputs do not fit it, an argument is out of range or a value
/// is not finite.
pub fn prune<M: Module>(
    mut module: M,
    mut masks: Masks,
    rule: Rule,
    pattern: Pattern,
    mut inputs: impl FnMut(&M, &str) -> Tensor<2>,
) -> Result<(M, Masks)> {
    let mut flags: Vec<Vec<bool>> = masks.layers().iter().map(|m| m.active.clone()).collect();
    for (index, layer) in masks.layers().iter().enumerate() {
        let [width, outputs] = layer.shape[..] else {
            return Err(PruningError::Mismatch {
                path: layer.path.clone(),
                expected: "a linear layer, [inputs, outputs]".into(),
                found: format!("{:?}", layer.shape),
            });
        };
        if layer.active.contains(&false) {
            return Err(PruningError::Mismatch {
                path: layer.path.clone(),
                expected: "a mask that is all active".into(),
                found: format!("density {}", layer.density()),
            });
        }
        let tokens = inputs(&module, &layer.path);
        if tokens.dims()[1] != width {
            return Err(PruningError::Mismatch {
                path: layer.path.clone(),
                expected: format!("inputs [tokens, {width}]"),
                found: format!("{:?}", tokens.dims()),
            });
        }
        let tokens = read("inputs", tokens)?;
        let vector = masks.weights(&module)?;
        let mut weights = vector.to_host()?;
        // Burn keeps [inputs, outputs], row-major: column-major [outputs, inputs].
        let dense =
            DMatrix::from_iterator(outputs, width, weights[index].iter().map(|w| f64::from(*w)));
        let pruned = prune_layer(dense, &tokens, rule, pattern)?;
        flags[index] = pruned.iter().map(|w| *w != 0.0).collect();
        weights[index] = pruned.iter().map(|w| *w as f32).collect();
        module = vector.from_host(weights)?.write_to(module)?;
    }
    masks.set(flags)?;
    Ok((module, masks))
}

/// Prunes one layer's weights, `[outputs, inputs]`, from its inputs, `[tokens, inputs]` row-major.
///
/// # Errors
/// As [`prune`].
pub fn prune_layer(
    mut weights: DMatrix<f64>,
    inputs: &[f32],
    rule: Rule,
    pattern: Pattern,
) -> Result<DMatrix<f64>> {
    let width = weights.ncols();
    if let Rule::SparseGpt { damping, block } = rule {
        let norms = wanda::norms(inputs, width)?;
        let values = inputs.iter().map(|x| f64::from(*x));
        let inputs = DMatrix::from_row_iterator(inputs.len() / width, width, values);
        let mut hessian = sparsegpt::hessian(&inputs, damping)?;
        // An input that is always zero tells nothing: its weights go first, as in the released code.
        for dead in (0..width).filter(|i| norms[*i] == 0.0) {
            hessian[(dead, dead)] = 1.0;
            weights.column_mut(dead).fill(0.0);
        }
        let factor = sparsegpt::upper_factor(hessian)?;
        return sparsegpt::prune_pattern(weights, &factor, pattern, block);
    }
    let norms = match rule {
        Rule::Wanda => wanda::norms(inputs, width)?,
        _ => vec![1.0; width],
    };
    let flat: Vec<f32> = weights.transpose().iter().map(|w| *w as f32).collect();
    let kept = match pattern {
        Pattern::Share(sparsity) => wanda::mask(&flat, &norms, sparsity)?,
        Pattern::NOfM { n, m } => {
            n_m::fits(width, m)?;
            let scores = flat.iter().zip(norms.iter().cycle());
            n_m::mask(&scores.map(|(w, x)| w.abs() * x).collect::<Vec<_>>(), n, m)?
        }
    };
    for (place, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
        weights[(place / width, place % width)] = 0.0;
    }
    Ok(weights)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::magnitude;
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;
    use regimen_tensor::linalg::{DVector, solve_spd};

    /// Inputs with correlated columns, `[40, 6]`.
    fn inputs() -> Vec<f32> {
        let raw = |i: usize| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
        let row = |t: usize| (0..6).map(move |j| raw(6 * t + j) + 0.7 * raw(6 * t));
        (0..40).flat_map(row).collect()
    }

    fn weights() -> DMatrix<f64> {
        let value = |i: usize, j: usize| ((i * 31 + j * 17 + 5) % 23) as f64 / 11.0 - 1.0;
        DMatrix::from_fn(4, 6, |i, j| if j == 0 { 0.02 } else { value(i, j) + 0.05 })
    }

    fn matrix() -> DMatrix<f64> {
        DMatrix::from_row_iterator(40, 6, inputs().into_iter().map(f64::from))
    }

    /// The squared error of a layer's outputs, damped as SparseGPT's Hessian is.
    fn error(from: &DMatrix<f64>, to: &DMatrix<f64>) -> f64 {
        let hessian = sparsegpt::hessian(&matrix(), 0.01).unwrap();
        let difference = to - from;
        (&difference * hessian * difference.transpose()).trace()
    }

    /// The best weights on the places that are not zero in `mask`, row by row, by exact least squares.
    fn least_squares(dense: &DMatrix<f64>, mask: &DMatrix<f64>) -> DMatrix<f64> {
        let hessian = sparsegpt::hessian(&matrix(), 0.01).unwrap();
        let mut best = DMatrix::zeros(4, 6);
        for row in 0..4 {
            let free: Vec<usize> = (0..6).filter(|j| mask[(row, *j)] != 0.0).collect();
            let pull = &hessian * dense.row(row).transpose();
            let small =
                DMatrix::from_fn(free.len(), free.len(), |i, j| hessian[(free[i], free[j])]);
            let right = DVector::from_iterator(free.len(), free.iter().map(|j| pull[*j]));
            let found = solve_spd(small, &right).unwrap();
            free.iter()
                .zip(found.iter())
                .for_each(|(j, w)| best[(row, *j)] = *w);
        }
        best
    }

    #[test]
    fn sparsegpt_with_its_first_column_gone_is_exact_least_squares() {
        // The smallest weights stand in the first column: all others can still make up for them.
        let rule = Rule::SparseGpt {
            damping: 0.01,
            block: 6,
        };
        let pruned = prune_layer(weights(), &inputs(), rule, Pattern::Share(4.0 / 24.0)).unwrap();
        assert!((0..4).all(|row| pruned[(row, 0)] == 0.0));
        assert_abs_diff_eq!(pruned, least_squares(&weights(), &pruned), epsilon = 1e-9);
    }

    #[test]
    fn sparsegpt_lies_between_magnitude_and_the_exact_optimum() {
        for pattern in [Pattern::Share(0.5), Pattern::NOfM { n: 1, m: 2 }] {
            let by = |rule| prune_layer(weights(), &inputs(), rule, pattern).unwrap();
            let pruned = by(Rule::SparseGpt {
                damping: 0.01,
                block: 6,
            });
            let found = error(&weights(), &pruned);
            assert!(found < error(&weights(), &by(Rule::Magnitude)));
            assert!(found >= error(&weights(), &least_squares(&weights(), &pruned)) - 1e-9);
            assert_eq!(pruned.iter().filter(|w| **w == 0.0).count(), 12);
        }
    }

    #[test]
    fn wandas_score_is_the_error_of_removing_one_weight() {
        let (dense, x) = (weights(), matrix());
        let norms = wanda::norms(&inputs(), 6).unwrap();
        for (row, column) in [(0, 1), (2, 3), (3, 5)] {
            let mut one = dense.clone();
            one[(row, column)] = 0.0;
            let lost = (&x * (one - &dense).transpose()).norm();
            let score = dense[(row, column)].abs() * f64::from(norms[column]);
            assert_abs_diff_eq!(lost, score, epsilon = 1e-5);
        }
    }

    #[test]
    fn an_input_that_is_always_zero_loses_its_weights() {
        let mut x = inputs();
        x.chunks_mut(6).for_each(|row| row[2] = 0.0);
        let pruned = prune_layer(weights(), &x, Rule::SPARSE_GPT, Pattern::Share(0.5)).unwrap();
        assert!((0..4).all(|row| pruned[(row, 2)] == 0.0));
        assert!(pruned.iter().all(|w| w.is_finite()));
    }

    #[test]
    fn masks_must_be_all_active() {
        let layer = burn::nn::LinearConfig::new(6, 4).init(&burn::tensor::Device::flex());
        let first = magnitude(&layer, Masks::dense(&layer).unwrap(), 0.75).unwrap();
        let x = Tensor::<2>::ones([4, 6], &burn::tensor::Device::flex());
        let staged = prune(layer, first, Rule::Wanda, Pattern::Share(0.9), |_, _| {
            x.clone()
        });
        assert!(staged.unwrap_err().to_string().contains("all active"));
    }

    #[test]
    fn bad_input_is_named() {
        let fail = |rule, pattern| {
            prune_layer(weights(), &inputs(), rule, pattern)
                .unwrap_err()
                .to_string()
        };
        assert!(fail(Rule::Wanda, Pattern::Share(1.5)).contains("sparsity"));
        assert!(fail(Rule::Wanda, Pattern::NOfM { n: 2, m: 4 }).contains("inputs"));
        let block = Rule::SparseGpt {
            damping: 0.01,
            block: 3,
        };
        assert!(fail(block, Pattern::NOfM { n: 1, m: 2 }).contains("block"));
        assert!(fail(Rule::SPARSE_GPT, Pattern::NOfM { n: 3, m: 2 }).contains('n'));
    }

    proptest! {
        #[test]
        fn every_group_keeps_n_of_m(values in prop::collection::vec(0.1_f64..1.0, 24), n in 0_usize..4) {
            let dense = DMatrix::from_vec(4, 6, values);
            for rule in [Rule::Magnitude, Rule::Wanda, Rule::SparseGpt { damping: 0.01, block: 6 }] {
                let pattern = Pattern::NOfM { n, m: 3 };
                if n > 3 { continue; }
                let pruned = prune_layer(dense.clone(), &inputs(), rule, pattern).unwrap();
                for row in 0..4 {
                    for group in 0..2 {
                        let kept = (0..3).filter(|j| pruned[(row, 3 * group + j)] != 0.0).count();
                        prop_assert_eq!(kept, n);
                    }
                }
            }
        }
    }
}
