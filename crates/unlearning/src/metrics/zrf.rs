//! # ZRF
//!
//! The zero retrain forgetting score: how near a model is to one that never learned, by the Jensen-Shannon divergence.
//!
//! Source: Chundawat, Tarun, Mandal and Kankanhalli, "Can Bad Teaching Induce Forgetting?", AAAI 2023, as in arXiv
//! 2308.07707, section 4; `released_divergence` is the quantity of its released evaluation.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::gradients::widen;

/// Lower is better where rows are to agree, 0 is perfect, and the retrained reference scores 0 against itself.
///
/// The Jensen-Shannon divergence of each pair of rows, in nats, `[batch]`, between 0 and ln 2:
/// probabilities `[batch, classes]`.
#[must_use]
pub fn jensen_shannon(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let (p, q) = pair(p, q);
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
    let (model, random) = pair(model, random);
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
    let (p, q) = pair(p, q);
    let mean = (p.clone() + q.clone()) * 0.5;
    let both = (kl(mean.clone(), p) + kl(mean, q)).mean() * (0.5 / classes);
    f64::from(both.into_scalar::<f32>())
}

/// Both in one type, f32 at least.
fn pair(p: Tensor<2>, q: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let p = widen(p);
    let q = q.cast(p.dtype());
    (p, q)
}

/// `KL(p || q)` of each row, with `0 log 0 = 0`.
fn kl(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let [batch, _] = p.dims();
    let tiny = f32::MIN_POSITIVE;
    let ratio = p.clone().clamp_min(tiny).log() - q.clamp_min(tiny).log();
    (p * ratio).sum_dim(1).reshape([batch])
}

#[cfg(test)]
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
}
