//! # OneShot
//!
//! Prunes a trained module in one call, layer by layer from calibration inputs: by magnitude, Wanda or SparseGPT.
//!
//! Source: Sun et al. (arXiv 2306.11695); Frantar and Alistarh (arXiv 2301.00774), layers in order, each on the inputs
//! that the pruned layers before it give.

use burn::module::Module;
use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::{ParamVector, Watch, independent, threshold};

use super::calibration::{Calibration, damped, wide};
use super::pattern::Pattern;
use super::rule::Rule;
use super::{n_m, sparsegpt, wanda};
use crate::error::fraction;
use crate::mask::Mask;
use crate::{Masks, PruningError, Result};

/// Prunes the linear layers and convolutions of a trained module that the masks cover, in the order in which the module
/// declares them, which must be that of its forward pass. Types and devices stay; sums and corrections are taken in single
/// precision at least.
///
/// What is off already stays off, and counts among what goes: of a row of 100 weights that has 30 off, a share of .5 takes
/// 20 more. Exactly as many weights are on afterwards as the pattern leaves, or fewer where more were off before.
///
/// `inputs` gives, for a path such as `layers.0.weight`, what enters that layer, `[tokens, inputs]`, when the module that
/// it gets, pruned up to there, sees the calibration data; of a convolution, the patches that it multiplies,
/// `[places, channels / groups * kernel]`. [`prune_on`](super::prune_on) records them by itself. Returns the module, whose running statistics are
/// its own ([`independent`]), and its masks.
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
/// If a masked weight is of rank 1, the inputs do not fit it, an argument is out of range or a value is not finite.
pub fn prune<M: Module>(
    module: M,
    masks: Masks,
    rule: Rule,
    pattern: Pattern,
    inputs: impl FnMut(&M, &str) -> Tensor<2>,
) -> Result<(M, Masks)> {
    prune_watched(module, masks, rule, pattern, inputs, &Watch::default())
}

/// As [`prune`], watched: a step is a layer. Stopped, it returns a module and masks of which the layers that were not reached
/// are as they were given.
///
/// # Errors
/// As [`prune`].
pub fn prune_watched<M: Module>(
    module: M,
    mut masks: Masks,
    rule: Rule,
    pattern: Pattern,
    mut inputs: impl FnMut(&M, &str) -> Tensor<2>,
    watch: &Watch,
) -> Result<(M, Masks)> {
    let (layers, weights) = (masks.layers().len(), masks.total());
    let _span = tracing::info_span!("prune", ?rule, layers, weights).entered();
    let mut module = independent(&module);
    for index in 0..layers {
        let mut calibration = Calibration::new(rule);
        calibration.add(inputs(&module, &masks.layers()[index].path))?;
        (module, masks) = prune_one(module, masks, index, &calibration, rule, pattern)?;
        if !watch.goes_on("prune", index + 1, layers) {
            break;
        }
    }
    Ok((module, masks))
}

/// One masked layer of a module, by its place among the masks.
pub(super) fn prune_one<M: Module>(
    module: M,
    mut masks: Masks,
    index: usize,
    inputs: &Calibration,
    rule: Rule,
    pattern: Pattern,
) -> Result<(M, Masks)> {
    let vector = masks.weights(&module)?;
    let (entry, mask) = (&vector.entries()[index], &masks.layers()[index]);
    let weights = to_rows(entry.values.clone(), mask)?;
    let [_, width] = weights.dims();
    if let Some(found) = inputs.width().filter(|found| *found != width) {
        return Err(PruningError::Mismatch {
            path: mask.path.clone(),
            expected: format!("inputs [tokens, {width}]"),
            found: format!("{found}"),
        });
    }
    let active = mask.active.contains(&false).then(|| {
        let flags = TensorData::new(mask.active.clone(), [mask.active.len()]);
        Tensor::<1, Bool>::from_data(flags, &weights.device())
    });
    let active = active.map(|active| to_rows(active, mask)).transpose()?;
    let (weights, kept) = prune_rows(weights, active, inputs, rule, pattern)?;
    let pruned = entry.with_values(from_rows(weights, mask));
    let kept = threshold::flags(from_rows(kept, mask))?;
    let vector = ParamVector::from_entries(vec![pruned]);
    let mut flags: Vec<Vec<bool>> = masks.layers().iter().map(|m| m.active.clone()).collect();
    flags[index] = kept;
    let module = vector.write_to(module)?;
    masks.set(flags)?;
    Ok((module, masks))
}

/// Prunes one layer's weights, `[outputs, inputs]`, from its inputs, `[tokens, inputs]`: the weights in their type and on
/// their device, and which of them stay.
///
/// # Errors
/// As [`prune`].
pub fn prune_layer(
    weights: Tensor<2>,
    inputs: Tensor<2>,
    rule: Rule,
    pattern: Pattern,
) -> Result<(Tensor<2>, Tensor<2, Bool>)> {
    let mut calibration = Calibration::new(rule);
    calibration.add(inputs)?;
    prune_rows(weights.detach().inner(), None, &calibration, rule, pattern)
}

/// Weights of rank 2, inputs by outputs, or of a convolution, as `[outputs, inputs]`.
fn to_rows<K: burn::tensor::kind::Basic>(flat: Tensor<1, K>, mask: &Mask) -> Result<Tensor<2, K>> {
    match mask.shape[..] {
        [inputs, outputs] => Ok(flat.reshape([inputs, outputs]).transpose()),
        [outputs, ..] if mask.shape.len() > 2 => {
            Ok(flat.reshape([outputs, mask.active.len() / outputs.max(1)]))
        }
        _ => Err(PruningError::Mismatch {
            path: mask.path.clone(),
            expected: "a linear layer, [inputs, outputs], or a convolution, [outputs, inputs, ..]"
                .into(),
            found: format!("{:?}", mask.shape),
        }),
    }
}

/// [`to_rows`] undone.
fn from_rows<K: burn::tensor::kind::Basic>(rows: Tensor<2, K>, mask: &Mask) -> Tensor<1, K> {
    match mask.shape.len() {
        2 => rows.transpose().reshape([mask.active.len()]),
        _ => rows.reshape([mask.active.len()]),
    }
}

/// One layer's weights, `[outputs, inputs]`, without a tape.
fn prune_rows(
    weights: Tensor<2>,
    active: Option<Tensor<2, Bool>>,
    inputs: &Calibration,
    rule: Rule,
    pattern: Pattern,
) -> Result<(Tensor<2>, Tensor<2, Bool>)> {
    let dtype = weights.dtype();
    let [_, width] = weights.dims();
    if inputs.width() != Some(width) {
        let found = inputs
            .width()
            .map_or("none".into(), |found| found.to_string());
        return Err(PruningError::range(
            "inputs.dims()[1]",
            found,
            &width.to_string(),
        ));
    }
    let weights = wide(weights);
    if let Rule::SparseGpt { damping, block } = rule {
        let (factor, alive) = factor(inputs, damping)?;
        let alive = TensorData::new(alive, [1, width]);
        let alive = Tensor::<2, Bool>::from_data(alive, &weights.device());
        let weights = weights
            .clone()
            .mask_fill(alive.bool_not().expand(weights.shape()), 0.0);
        let (weights, kept) = sparsegpt::sweep(weights, active, &factor, pattern, block)?;
        return Ok((weights.cast(dtype), kept));
    }
    let norms = inputs.norms()?.to_device(&weights.device());
    let scores = wanda::scores(weights.clone(), norms)?;
    let scores = match &active {
        Some(active) => scores.mask_fill(active.clone().bool_not(), -1.0),
        None => scores,
    };
    let kept = match pattern {
        Pattern::Share(sparsity) => wanda::largest(scores, sparsity)?,
        Pattern::NOfM { n, m } => n_m::keep(scores, n, m)?,
    };
    let kept = match active {
        Some(active) => kept.bool_and(active),
        None => kept,
    };
    Ok((
        weights.mask_fill(kept.clone().bool_not(), 0.0).cast(dtype),
        kept,
    ))
}

/// The upper factor, and which inputs are not always zero. One that is tells nothing: its weights go first, as in the
/// released code.
fn factor(inputs: &Calibration, damping: f64) -> Result<(DMatrix<f64>, Vec<bool>)> {
    fraction("damping", damping, true)?;
    let hessian = inputs.hessian(0.0)?;
    let alive: Vec<bool> = hessian.diagonal().iter().map(|sum| *sum != 0.0).collect();
    let mut hessian = damped(hessian, damping);
    for (i, _) in alive.iter().enumerate().filter(|(_, alive)| !**alive) {
        hessian[(i, i)] = 1.0;
    }
    Ok((sparsegpt::upper_factor(hessian)?, alive))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::{DType, Device, FloatDType};
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

    /// In double precision, `[rows, columns]`.
    fn tensor(matrix: &DMatrix<f64>) -> Tensor<2> {
        let values: Vec<f64> = matrix.transpose().iter().copied().collect();
        let data = TensorData::new(values, [matrix.nrows(), matrix.ncols()]);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    /// A layer pruned in double precision.
    fn prune_layer(
        dense: DMatrix<f64>,
        x: &[f32],
        rule: Rule,
        pattern: Pattern,
    ) -> Result<DMatrix<f64>> {
        let x = DMatrix::from_row_iterator(40, 6, x.iter().map(|x| f64::from(*x)));
        let (pruned, kept) = super::prune_layer(tensor(&dense), tensor(&x), rule, pattern)?;
        let values = pruned.try_into_vec_as::<f64>().unwrap();
        let kept = threshold::flags(kept).unwrap();
        assert!(values.iter().zip(kept).all(|(w, kept)| kept || *w == 0.0));
        Ok(DMatrix::from_row_slice(
            dense.nrows(),
            dense.ncols(),
            &values,
        ))
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
        let norms = wanda::norms(tensor(&matrix()))
            .unwrap()
            .try_into_vec_as::<f64>()
            .unwrap();
        for (row, column) in [(0, 1), (2, 3), (3, 5)] {
            let mut one = dense.clone();
            one[(row, column)] = 0.0;
            let lost = (&x * (one - &dense).transpose()).norm();
            let score = dense[(row, column)].abs() * norms[column];
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

    const RULES: [Rule; 3] = [
        Rule::Magnitude,
        Rule::Wanda,
        Rule::SparseGpt {
            damping: 0.01,
            block: 8,
        },
    ];

    #[test]
    fn a_masked_model_is_pruned_on_from_there() {
        let device = Device::flex();
        let layer = burn::nn::LinearConfig::new(8, 5)
            .with_bias(false)
            .init(&device);
        let x = Tensor::<2>::random([30, 8], burn::tensor::Distribution::Default, &device);
        for rule in RULES {
            let dense = Masks::dense(&layer).unwrap();
            let by = |layer, masks, pattern| prune(layer, masks, rule, pattern, |_, _| x.clone());
            let (first, masks) = by(layer.clone(), dense, Pattern::Share(0.25)).unwrap();
            assert_eq!(masks.count(), 30, "{rule:?}");
            // Of the ten groups of four inputs of an output, those of which something is left.
            let active = &masks.layers()[0].active;
            let is_left = |group: &usize| {
                let (output, first) = (group % 5, group / 5 * 4);
                (first..first + 4).any(|input| active[input * 5 + output])
            };
            let groups = (0..10).filter(is_left).count();
            for (pattern, left) in [
                (Pattern::Share(0.75), 10),
                (Pattern::NOfM { n: 1, m: 4 }, groups),
                (Pattern::Share(0.125), 30),
                (Pattern::Share(0.25), 30),
            ] {
                let (second, then) = by(first.clone(), masks.clone(), pattern).unwrap();
                assert_eq!(then.count(), left, "{rule:?} {pattern:?}");
                let values = second.weight.val().try_into_vec_as::<f32>().unwrap();
                let flags = then.layers()[0]
                    .active
                    .iter()
                    .zip(&masks.layers()[0].active);
                for (value, (now, before)) in values.iter().zip(flags) {
                    assert!(*before || !now, "{rule:?}: what is off stays off");
                    assert!(*now || *value == 0.0, "{rule:?}: what is off is zero");
                }
            }
        }
    }

    #[test]
    fn other_types_are_kept() {
        let device = Device::flex();
        let config = burn::nn::LinearConfig::new(8, 5);
        for dtype in [FloatDType::BF16, FloatDType::F16, FloatDType::F64] {
            let mut layer = config.init(&device);
            layer.weight = layer.weight.map(|w| w.cast(dtype));
            layer.bias = layer.bias.map(|b| b.map(|b| b.cast(dtype)));
            let x = Tensor::<2>::random([30, 8], burn::tensor::Distribution::Default, &device);
            for rule in RULES {
                for pattern in [Pattern::Share(0.5), Pattern::NOfM { n: 2, m: 4 }] {
                    let masks = Masks::dense(&layer).unwrap();
                    let (pruned, masks) = prune(layer.clone(), masks, rule, pattern, |_, _| {
                        x.clone().cast(dtype)
                    })
                    .unwrap();
                    assert_eq!(pruned.weight.val().dtype(), dtype.into());
                    assert_eq!(masks.count(), 20, "{rule:?} {dtype:?}");
                    let y = pruned.forward(x.clone().cast(dtype));
                    assert!(y.is_finite().all().into_scalar::<bool>());
                }
            }
        }
    }

    #[test]
    fn shares_are_exact() {
        let device = Device::flex();
        let layer = burn::nn::LinearConfig::new(100, 2)
            .with_bias(false)
            .init(&device);
        let x = Tensor::<2>::random([120, 100], burn::tensor::Distribution::Default, &device);
        for rule in [Rule::Magnitude, Rule::Wanda, Rule::SPARSE_GPT] {
            let masks = Masks::dense(&layer).unwrap();
            let share = Pattern::Share(0.29);
            let (_, masks) = prune(layer.clone(), masks, rule, share, |_, _| x.clone()).unwrap();
            assert_eq!(masks.count(), 142, "{rule:?}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_errors() {
        let device = Device::flex();
        let layer = burn::nn::LinearConfig::new(4, 2).init(&device);
        let bad = Tensor::<2>::full([3, 4], f32::NAN, &device);
        for rule in [Rule::Wanda, Rule::SPARSE_GPT] {
            let masks = Masks::dense(&layer).unwrap();
            let failed = prune(layer.clone(), masks, rule, Pattern::Share(0.5), |_, _| {
                bad.clone()
            });
            assert!(failed.is_err(), "{rule:?}");
        }
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
