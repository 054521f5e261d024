//! Top-k and top-p.

use burn::tensor::{FloatDType, Int, Tensor};

use super::blocks::{log_probs, running_sums};

/// Logits `[rows, vocabulary]` with minus infinity for all but the `top_k` largest, and of those for all but the fewest whose
/// probability reaches `top_p`. Of equal logits the first ones are kept. A row with a NaN keeps all.
pub(super) fn truncate(logits: Tensor<2>, top_k: Option<usize>, top_p: Option<f64>) -> Tensor<2> {
    let [rows, vocabulary] = logits.dims();
    let top_k = top_k.filter(|top_k| *top_k < vocabulary);
    let top_p = top_p.filter(|top_p| *top_p < 1.0);
    let plain = logits.clone().detach();
    let (sorted, count) = match (top_k, top_p) {
        (None, None) => return logits,
        (None, Some(_)) => (plain.clone().sort_descending(1), vocabulary),
        (Some(top_k), _) => (plain.clone().topk(top_k, 1), top_k),
    };
    let count = match top_p {
        Some(top_p) => nucleus(sorted.clone(), top_p),
        None => Tensor::full([rows, 1], count as i64, &logits.device()),
    };
    let least = sorted
        .gather(1, count.clone() - 1)
        .expand([rows, vocabulary]);
    let above = plain.clone().greater(least.clone()).int().sum_dim(1);
    let equal = plain.clone().equal(least.clone());
    // Places among the equal ones, from 1: whole numbers, which f32 counts up to 2^24.
    let place = running_sums(equal.clone().cast(FloatDType::F32)).int();
    let left = (count - above).expand([rows, vocabulary]);
    let late = equal.bool_and(place.greater(left));
    let lost = plain.lower(least).bool_or(late);
    logits.mask_fill(lost, f32::NEG_INFINITY)
}

/// How many of the sorted logits of each row together reach a probability, `[rows, 1]`.
///
/// A place is kept if what lies at and after it is more than `1 - top_p`: sums from the smallest probability up, in which none
/// is lost. The first place is kept however small `top_p` is.
fn nucleus(sorted: Tensor<2>, top_p: f64) -> Tensor<2, Int> {
    let rising = log_probs(sorted).exp().flip([1]);
    let rest = running_sums(rising);
    let kept = rest.greater_elem(1.0 - top_p).int().sum_dim(1);
    kept.clamp_min(1)
}
