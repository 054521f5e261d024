//! # active
//!
//! Meters of plasticity: the share of active units, dormancy, ranks of features, the norm of the weights and the diversity of gradients.
//!
//! Source: Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning" (arXiv 2310.07418), section 3, for active units; Sokar et al., "The
//! Dormant Neuron Phenomenon in Deep Reinforcement Learning" (arXiv 2302.12902), definition 3.1; Yin et al., "Gradient Diversity" (arXiv
//! 1706.05699), definition 1.

use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::linalg::DMatrix;
use regimen_tensor::memory::read;
use regimen_tensor::per_example::for_each_gradient;

use super::activity::Activations;
use crate::error::share;
use crate::projections::eigenvalues;
use crate::{ContinualError, Result};

/// What keeps the scores of a layer without any activity from being 0 over 0.
const TINY: f64 = 1e-30;

/// The share of activations above 0, over all layers, units, examples and places together: `[1]`, in f32, on the device.
///
/// It counts pairs of a unit and an example: a unit that fires on some examples counts for these. It is not the mean of the shares of layers.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use regimen_continual::plasticity::{Activations, active};
///
/// # let device = Device::flex();
/// let first = Activations::flat("first", Tensor::<2>::from_data([[1.0, -1.0, 2.0], [0.0, 3.0, -2.0]], &device));
/// let second = Activations::flat("second", Tensor::<2>::from_data([[0.5, -0.5], [-1.0, -2.0]], &device));
/// assert_eq!(active(&[first, second])?.into_scalar::<f32>(), 0.4);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If there is no layer, or one without activations.
pub fn active(activations: &[Activations]) -> Result<Tensor<1>> {
    let mut all = 0.0;
    let mut sum: Option<Tensor<1>> = None;
    for layer in activations {
        layer.check()?;
        let values = layer.plain();
        all += values.shape().num_elements() as f64;
        let positive = values.greater_elem(0.0).int().sum().float();
        let positive = positive.cast(FloatDType::F32);
        sum = Some(match sum {
            Some(before) => positive.to_device(&before.device()) + before,
            None => positive,
        });
    }
    let sum = sum.ok_or(ContinualError::Empty("the hidden layers"))?;
    Ok(sum / all)
}

/// How active each unit of a layer is beside the others, `[units]`, in f32, on the device: `s_i = E|h_i| / (1/H sum_k E|h_k|)`, 1 in the
/// mean. A unit is dormant at `tau` if its score is at most that; at 0 it is one that is exactly dead on the batch.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use regimen_continual::plasticity::{Activations, dormancy};
///
/// let hidden = Tensor::<2>::from_data([[1.0, 0.0, 0.02, 0.0], [3.0, 0.0, 0.06, 0.5]], &Device::flex());
/// let scores: Vec<f32> = dormancy(&Activations::flat("hidden", hidden))?.into_data().to_vec()?;
/// assert!((scores[0] - 3.493_449_8).abs() < 1e-5 && scores[1] == 0.0 && scores[2] < 0.07);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the layer has no activations.
pub fn dormancy(activations: &Activations) -> Result<Tensor<1>> {
    activations.check()?;
    Ok(scores(activations.magnitudes()))
}

/// Of the mean magnitudes of a layer's units.
pub(super) fn scores(magnitudes: Tensor<1>) -> Tensor<1> {
    let mean = magnitudes.clone().mean().clamp_min(TINY);
    magnitudes / mean
}

/// How many directions the features of a layer use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// The smallest k whose k largest singular values have the share of their sum.
    pub of_share: usize,
    /// The exponential of the entropy of the singular values over their sum.
    pub effective: f64,
}

/// The ranks by singular values in any order: with `share` .99 the feature rank of the papers.
///
/// ```
/// use regimen_continual::plasticity::ranks;
///
/// let ranks = ranks(&[4.0, 2.0, 1.0, 0.01], 0.99)?;
/// assert_eq!(ranks.of_share, 3);
/// assert!((ranks.effective - 2.625_074_93).abs() < 1e-8);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If there is no singular value, one is negative or not finite, or `share` is outside of 0 to 1.
pub fn ranks(singular: &[f64], share_of_sum: f64) -> Result<Ranks> {
    share("share", share_of_sum)?;
    if singular.is_empty() {
        return Err(ContinualError::Empty("the singular values"));
    }
    let mut values = singular.to_vec();
    values.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = values.iter().sum();
    let good = |value: &f64| value.is_finite() && *value >= 0.0;
    if !total.is_finite() || !values.iter().all(good) {
        return Err(ContinualError::NotFinite("the singular values".into()));
    }
    if total == 0.0 {
        return Ok(Ranks {
            of_share: 0,
            effective: 0.0,
        });
    }
    let sums = values.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    });
    let below = sums.take_while(|sum| *sum < share_of_sum * total).count();
    let entropy: f64 = values
        .iter()
        .filter(|value| **value > 0.0)
        .map(|value| -(value / total) * (value / total).ln())
        .sum();
    Ok(Ranks {
        of_share: (below + 1).min(values.len()),
        effective: entropy.exp(),
    })
}

/// The singular values of a layer's features, one row an example and place, by the products of its units: those below a thousandth of the
/// largest are lost in f32 and 0.
pub(super) fn singular(activations: &Activations) -> Result<Vec<f64>> {
    activations.check()?;
    let values = activations.plain();
    let [batch, units, places] = values.dims();
    let rows = values.swap_dims(1, 2).reshape([batch * places, units]);
    let gram = rows.clone().transpose().matmul(rows);
    let gram = read("features", gram)?;
    if gram.iter().any(|value| !value.is_finite()) {
        return Err(ContinualError::NotFinite("the features".into()));
    }
    let gram = DMatrix::from_iterator(units, units, gram.into_iter().map(f64::from));
    let energies = eigenvalues(gram)?;
    let largest = energies.iter().copied().fold(0.0, f64::max);
    let kept = |energy: &f64| match *energy > largest * 1e-6 {
        true => energy.sqrt(),
        false => 0.0,
    };
    Ok(energies.iter().map(kept).collect())
}

/// The Euclidean norm of all parameters, `[1]`, on the device.
#[must_use]
pub fn weight_norm<M: Module>(model: &M) -> Tensor<1> {
    ParamVector::of(model).l2()
}

/// `sum_i |g_i|^2 / |sum_i g_i|^2` of the gradients of single examples: `1 / n` where all n are the same, 1 where they are orthogonal, and above
/// where they cancel. One backward pass an example, on a copy of the model.
///
/// # Errors
/// If there is no example, or the gradients are not finite or sum to 0.
pub fn gradient_diversity<M: Module, E>(
    model: &M,
    examples: impl IntoIterator<Item = E>,
    loss: impl FnMut(&M, E) -> Tensor<1>,
) -> Result<f64> {
    let (mut squares, mut sum): (f64, Option<ParamVector>) = (0.0, None);
    for_each_gradient(model, examples, loss, |_, gradient| {
        let norm = read("the norm of a gradient", gradient.l2())?;
        squares += norm
            .iter()
            .map(|norm| f64::from(*norm).powi(2))
            .sum::<f64>();
        sum = Some(match sum.take() {
            Some(before) => before.add(&gradient)?,
            None => gradient.widened(),
        });
        Ok(())
    })?;
    let sum = sum.ok_or(ContinualError::Empty("the examples"))?;
    let norm = read("the norm of a sum of gradients", sum.l2())?;
    let square: f64 = norm.iter().map(|norm| f64::from(*norm).powi(2)).sum();
    let diversity = squares / square;
    match diversity.is_finite() {
        true => Ok(diversity),
        false => Err(ContinualError::NotFinite(
            "the gradients over their sum".into(),
        )),
    }
}
