//! # Membership inference
//!
//! The share of forgotten examples that an attacker takes for training data, by a logistic regression on one feature.
//!
//! Source: arXiv 2308.07707, section 4, and the released evaluation.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use nalgebra::{Matrix2, Vector2};

use crate::Predictions;
use crate::error::{Result, UnlearningError};
use crate::gradients::widen;

/// A feature of attacks, no metric: neither direction is better, and the retrained reference's values are perfect.
///
/// The entropy of the softmax, in nats, `[batch]`, of logits `[batch, classes]`.
#[must_use]
pub fn softmax_entropy(logits: Tensor<2>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let log_p = log_softmax(widen(logits), 1);
    -(log_p.clone().exp() * log_p).sum_dim(1).reshape([batch])
}

/// Neither direction is better: the retrained reference's own score is perfect, and that is what strangers to the model score,
/// near the share of test samples that the attacker takes for members.
///
/// The membership inference of the paper: the share of forget samples, `0..=1`, that an attacker takes for
/// training data.
///
/// The attacker is a logistic regression on one feature, the [`softmax_entropy`], with balanced class
/// weights and the usual ridge of strength 1 on its slope, fitted on retain samples (members)
/// against test samples (not members). Compare the score with that of a model that was retrained.
///
/// # Errors
/// If a set is empty or a value is not finite.
///
/// ```
/// use regimen_unlearning::membership_inference;
///
/// let (members, strangers) = ([0.1, 0.2, 0.1, 0.3], [1.9, 2.0, 2.2, 1.8]);
/// assert_eq!(membership_inference(&members, &strangers, &[0.2, 2.1])?, 0.5);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn membership_inference(retain: &[f64], test: &[f64], forget: &[f64]) -> Result<f64> {
    for (set, values) in [("retain", retain), ("test", test), ("forget", forget)] {
        if values.is_empty() {
            return Err(UnlearningError::Empty(set));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(UnlearningError::NotFinite(set));
        }
    }
    let [slope, intercept] = logistic(retain, test);
    let members = forget.iter().filter(|x| slope * **x + intercept > 0.0);
    Ok(members.count() as f64 / forget.len() as f64)
}

/// Slope and intercept of a balanced logistic regression of members against strangers, by Newton's
/// method on `sum w log(1 + exp(-y z)) + slope^2 / 2`.
fn logistic(members: &[f64], strangers: &[f64]) -> [f64; 2] {
    let total = (members.len() + strangers.len()) as f64;
    let weight = |set: &[f64]| total / (2.0 * set.len() as f64);
    let samples: Vec<(f64, f64, f64)> = [(members, 1.0), (strangers, 0.0)]
        .into_iter()
        .flat_map(|(set, label)| set.iter().map(move |x| (*x, label, weight(set))))
        .collect();
    let objective = |b: &Vector2<f64>| {
        let loss = samples.iter().map(|(x, label, w)| {
            let z = b[0] * x + b[1];
            // log(1 + e^z) - label z, without overflow.
            w * (z.max(0.0) + (-z.abs()).exp().ln_1p() - label * z)
        });
        0.5 * b[0] * b[0] + loss.sum::<f64>()
    };
    let mut b = Vector2::zeros();
    for _ in 0..100 {
        let mut gradient = Vector2::new(b[0], 0.0);
        let mut hessian = Matrix2::new(1.0, 0.0, 0.0, 1e-12);
        for (x, label, w) in &samples {
            let p = 1.0 / (1.0 + (-(b[0] * x + b[1])).exp());
            let row = Vector2::new(*x, 1.0);
            gradient += row * (w * (p - label));
            hessian += row * row.transpose() * (w * p * (1.0 - p));
        }
        let Some(step) = hessian.cholesky().map(|factor| factor.solve(&gradient)) else {
            break;
        };
        // Halve the step until the objective falls.
        let mut length = 1.0;
        while objective(&(b - step * length)) > objective(&b) && length > 1e-8 {
            length *= 0.5;
        }
        b -= step * length;
        if step.norm() * length < 1e-10 * (1.0 + b.norm()) {
            break;
        }
    }
    [b[0], b[1]]
}

/// Neither direction is better: the retrained reference's own score is perfect, and that is what strangers to the model score,
/// near the share of test examples that the attacker takes for members.
///
/// The share of forget examples, `0..=1`, that a balanced logistic regression on `feature` takes for training data;
/// it is fitted on retained examples against test examples, as [`membership_inference`].
///
/// # Errors
/// If a feature is not finite.
pub fn attack(
    retain: &Predictions,
    test: &Predictions,
    forget: &Predictions,
    feature: impl Fn(&Predictions) -> Vec<f64>,
) -> Result<f64> {
    membership_inference(&feature(retain), &feature(test), &feature(forget))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn entropy_of_07_02_01() {
        let p = Tensor::<2>::from_data([[0.7, 0.2, 0.1]], &Device::flex());
        let entropy = f64::from(softmax_entropy(p.log()).into_scalar::<f32>());
        assert!((entropy - 0.801_818_55).abs() < 1e-6);
    }

    #[test]
    fn an_attacker_without_a_clue_is_bounded() {
        let same: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
        let score = membership_inference(&same, &same, &same).unwrap();
        assert!((0.0..=1.0).contains(&score));
        assert!(membership_inference(&same, &[], &same).is_err());
        assert!(membership_inference(&same, &[f64::NAN], &same).is_err());
    }
}
