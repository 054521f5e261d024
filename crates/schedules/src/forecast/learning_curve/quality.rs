//! How good predictions are, and how steady a backbone is.

use crate::error::{Error, Result, check, finite_result};

/// The mean absolute percentage error of predictions, `100 mean(|pred - true| / true)`.
///
/// # Errors
/// If there is no value, the lengths differ, a value or the mean is not finite, or a true one is not above 0.
pub fn percentage_error(predicted: &[f64], measured: &[f64]) -> Result<f64> {
    check_pairs(predicted, measured, 1)?;
    let mut sum = 0.0;
    for (guess, truth) in predicted.iter().zip(measured) {
        check("measured", *truth, *truth > 0.0, "above 0")?;
        sum += (guess - truth).abs() / truth;
    }
    let largest = predicted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    finite_result("predicted", 100.0 * sum / measured.len() as f64, largest)
}

/// The reliability of decisions: the share of pairs of learners whose predicted order is the
/// measured one, 0 to 1. A tie agrees only with a tie.
///
/// # Errors
/// If there are fewer than two learners, the lengths differ, or a value is not finite.
pub fn reliability(predicted: &[f64], measured: &[f64]) -> Result<f64> {
    check_pairs(predicted, measured, 2)?;
    // Of all pairs, those whose order is the same (Knight 1966): sorted by both values, pairs of another order are inversions of
    // the second value, and ties are runs. `+ 0.0` makes one zero of both.
    let pairs = predicted.iter().zip(measured);
    let mut pairs: Vec<(f64, f64)> = pairs.map(|(one, two)| (one + 0.0, two + 0.0)).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let of = |count: usize| count as u128 * count.saturating_sub(1) as u128 / 2;
    let runs = |same: fn(&(f64, f64), &(f64, f64)) -> bool, sorted: &[(f64, f64)]| -> u128 {
        sorted.chunk_by(same).map(|run| of(run.len())).sum()
    };
    let both = runs(|a, b| a == b, &pairs);
    let first = runs(|a, b| a.0 == b.0, &pairs);
    let mut second: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let other = inversions(&mut second);
    let ties = second.chunk_by(|a, b| a == b).map(|run| of(run.len()));
    let all = of(measured.len());
    let same = all - other - first - ties.sum::<u128>() + 2 * both;
    Ok(same as f64 / all as f64)
}

/// Sorts values; returns how many pairs were in falling order.
fn inversions(values: &mut [f64]) -> u128 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut one, mut two) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), two.peek()) {
        if b < a {
            count += one.len() as u128;
            merged.extend(two.next());
        } else {
            merged.extend(one.next());
        }
    }
    merged.extend(one);
    merged.extend(two);
    values.copy_from_slice(&merged);
    count
}

/// The robustness of a backbone: the share of its inner levels at which it goes on in the direction
/// it came from, 0 to 1; 1 for fewer than three levels.
#[must_use]
pub fn robustness(backbone: &[f64]) -> f64 {
    let inner = backbone.windows(3);
    let count = inner.len();
    let kept = inner.filter(|w| (w[1] - w[0]) * (w[2] - w[1]) >= 0.0);
    if count == 0 {
        return 1.0;
    }
    kept.count() as f64 / count as f64
}

/// The total variation of a backbone: the sum of its absolute steps, in the accuracy's unit.
#[must_use]
pub fn total_variation(backbone: &[f64]) -> f64 {
    backbone.windows(2).map(|w| (w[1] - w[0]).abs()).sum()
}

fn check_pairs(predicted: &[f64], measured: &[f64], needed: usize) -> Result<()> {
    let found = measured.len();
    if found < needed {
        return Err(Error::TooFew {
            field: "measured",
            found,
            needed,
        });
    }
    let count = predicted.len();
    check(
        "predicted",
        count as f64,
        count == found,
        "one for each measured value",
    )?;
    let mut values = predicted.iter().chain(measured);
    values.try_for_each(|value| check("value", *value, true, "finite"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reliability_is_the_share_of_pairs_in_the_same_order(pairs in prop::collection::vec((-3_i8..3, -3_i8..3), 2..40)) {
            let number = |value: i8| if value == 0 { -0.0 } else { f64::from(value) };
            let (one, two): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (number(*a), f64::from(*b))).unzip();
            let all = (0..one.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            let same = |(i, j): &(usize, usize)| one[*i].partial_cmp(&one[*j]) == two[*i].partial_cmp(&two[*j]);
            let (count, agree) = (all.clone().count(), all.filter(same).count());
            prop_assert_eq!(reliability(&one, &two).unwrap(), agree as f64 / count as f64);
        }
    }
}
