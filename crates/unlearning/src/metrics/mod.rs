//! # metrics
//!
//! What a model still knows: accuracy, membership inference, relearn time, distance to a retrained model.
//!
//! Source: arXiv 2308.07707, section 4, and the released evaluation.
//!
//! | metric | better | perfect | the retrained reference |
//! |---|---|---|---|
//! | accuracy on retained and test data | higher | 1 | its own, near the original's |
//! | accuracy on forgotten data | nearer to the reference | the reference's | 0 for a whole class, test accuracy for random examples |
//! | membership inference | nearer to the reference: an unnaturally low value is a leak too | the reference's | what strangers of the forget set's kind score |
//! | ZRF | higher | 1 | below 1: it generalises |
//! | relearn time | longer, up to the reference's | the reference's | the longest |
//! | distances to the reference | lower | 0 | 0; between two seeds, the floor |

mod distance;
mod lira;
pub mod muse;
mod predictions;
mod relearn;
pub mod tofu;

pub use distance::{OutputDistance, output_distance, weight_distance};
pub use lira::{Attack, LiraConfig, Shadow};
pub use predictions::{Predictions, attack};
pub use relearn::{RelearnConfig, Relearned};

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};
use nalgebra::{Matrix2, Vector2};

use crate::error::{Result, UnlearningError};

/// On retained and test data higher is better, 1 is perfect and the retrained reference scores near the original; on
/// forgotten data nearer to the reference is better and its own score is perfect (0 for a whole class).
///
/// The share of examples, `0..=1`, whose highest logit is their class: logits `[batch, classes]`,
/// targets `[batch]`. Reads one number.
#[must_use]
pub fn accuracy(logits: Tensor<2>, targets: Tensor<1, Int>) -> f64 {
    let [batch, _] = logits.dims();
    let right = logits.argmax(1).reshape([batch]).equal(targets);
    right.int().sum().into_scalar::<i64>() as f64 / batch as f64
}

/// A feature of attacks, no metric: neither direction is better, and the retrained reference's values are perfect.
///
/// The entropy of the softmax, in nats, `[batch]`, of logits `[batch, classes]`.
#[must_use]
pub fn softmax_entropy(logits: Tensor<2>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let log_p = log_softmax(logits, 1);
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

/// Lower is better where rows are to agree, 0 is perfect, and the retrained reference scores 0 against itself.
///
/// The Jensen-Shannon divergence of each pair of rows, in nats, `[batch]`, between 0 and ln 2:
/// probabilities `[batch, classes]`.
#[must_use]
pub fn jensen_shannon(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let mean = (p.clone() + q.clone()) * 0.5;
    (kl(p, mean.clone()) + kl(q, mean)) * 0.5
}

/// Higher is better, 1 is perfect (as ignorant as a random model), and the retrained reference scores somewhat less,
/// for what it learned elsewhere.
///
/// ZRF, the zero retrain forgetting score: 1 minus the mean Jensen-Shannon divergence between a
/// model's and a randomly initialised model's predictions on forget data; logits `[batch, classes]`.
#[must_use]
pub fn zrf(model: Tensor<2>, random: Tensor<2>) -> f64 {
    let divergence = jensen_shannon(softmax(model, 1), softmax(random, 1));
    1.0 - f64::from(divergence.mean().into_scalar::<f32>())
}

/// Lower is better where rows are to agree, 0 is perfect and what the retrained reference scores against itself; it is no
/// divergence, has no upper bound and depends on the number of classes.
///
/// The quantity that the released evaluation puts in the place of the divergence: the mean over all
/// elements of the reversed terms, `m log(m / p)` and `m log(m / q)` with `m = (p + q) / 2`, halved and
/// added. For comparison with published ZRF values only.
#[must_use]
pub fn released_divergence(p: Tensor<2>, q: Tensor<2>) -> f64 {
    let classes = p.dims()[1] as f64;
    let mean = (p.clone() + q.clone()) * 0.5;
    let both = (kl(mean.clone(), p) + kl(mean, q)).mean() * (0.5 / classes);
    f64::from(both.into_scalar::<f32>())
}

/// `KL(p || q)` of each row, with `0 log 0 = 0`.
fn kl(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let [batch, _] = p.dims();
    let tiny = f32::MIN_POSITIVE;
    let ratio = p.clone().clamp_min(tiny).log() - q.clamp_min(tiny).log();
    (p * ratio).sum_dim(1).reshape([batch])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn row(values: [f32; 3]) -> Tensor<2> {
        Tensor::from_data([values], &Device::flex())
    }

    fn value(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_scalar::<f32>())
    }

    const P: [f32; 3] = [0.7, 0.2, 0.1];
    const Q: [f32; 3] = [0.3, 0.3, 0.4];

    #[test]
    fn entropy_of_07_02_01() {
        let entropy = value(softmax_entropy(row(P).log()));
        assert!((entropy - 0.801_818_55).abs() < 1e-6);
    }

    #[test]
    fn jensen_shannon_of_a_pair() {
        let js = value(jensen_shannon(row(P), row(Q)));
        assert!((js - 0.094_361_51).abs() < 1e-6);
        let most = value(jensen_shannon(row([1.0, 0.0, 0.0]), row([0.0, 1.0, 0.0])));
        assert!((most - std::f64::consts::LN_2).abs() < 1e-6);
        assert!((zrf(row(P).log(), row(Q).log()) - (1.0 - 0.094_361_51)).abs() < 1e-6);
    }

    #[test]
    fn released_zrf_quantity_of_a_pair() {
        assert!((released_divergence(row(P), row(Q)) - 0.034_825_66).abs() < 1e-6);
    }

    /// The released quantity depends on the number of classes and has no bound; ZRF's is a divergence and has neither defect.
    #[test]
    fn the_divergence_that_is_none_is_not_ours() {
        let wide =
            |[a, b, c]: [f32; 3]| Tensor::<2>::from_data([[a, b, c, 0., 0., 0.]], &Device::flex());
        let ours = value(jensen_shannon(row(P), row(Q)));
        assert!((value(jensen_shannon(wide(P), wide(Q))) - ours).abs() < 1e-6);
        let theirs = released_divergence(row(P), row(Q));
        assert!((released_divergence(wide(P), wide(Q)) - theirs / 2.0).abs() < 1e-6);
        assert!((ours - theirs).abs() > 0.05);
        let (one, other) = (row([1.0, 0.0, 0.0]), row([0.0, 1.0, 0.0]));
        assert!(value(jensen_shannon(one.clone(), other.clone())) <= 0.694);
        assert!(released_divergence(one, other) > 5.0);
        // What is reported is made of the divergence.
        let score = zrf(row(P).log(), row(Q).log());
        assert!((score - (1.0 - ours)).abs() < 1e-6);
        assert!((score - (1.0 - theirs)).abs() > 0.05);
    }

    #[test]
    fn an_attacker_without_a_clue_is_bounded() {
        let same: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
        let score = membership_inference(&same, &same, &same).unwrap();
        assert!((0.0..=1.0).contains(&score));
        assert!(membership_inference(&same, &[], &same).is_err());
        assert!(membership_inference(&same, &[f64::NAN], &same).is_err());
    }

    #[test]
    fn accuracy_counts_the_highest_logits() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 0.0]], &device);
        let targets = Tensor::<1, Int>::from_data([1, 1], &device);
        assert_eq!(accuracy(logits, targets), 0.5);
    }
}
