//! How good predictions are, and how steady a backbone is.

use crate::error::{Error, Result, check};

/// The mean absolute percentage error of predictions, `100 mean(|pred - true| / true)`.
///
/// # Errors
/// If there is no value, the lengths differ, a value is not finite, or a true one is not above 0.
pub fn percentage_error(predicted: &[f64], measured: &[f64]) -> Result<f64> {
    check_pairs(predicted, measured, 1)?;
    let mut sum = 0.0;
    for (guess, truth) in predicted.iter().zip(measured) {
        check("measured", *truth, *truth > 0.0, "above 0")?;
        sum += (guess - truth).abs() / truth;
    }
    Ok(100.0 * sum / measured.len() as f64)
}

/// The reliability of decisions: the share of pairs of learners whose predicted order is the
/// measured one, 0 to 1. A tie agrees only with a tie.
///
/// # Errors
/// If there are fewer than two learners, the lengths differ, or a value is not finite.
pub fn reliability(predicted: &[f64], measured: &[f64]) -> Result<f64> {
    check_pairs(predicted, measured, 2)?;
    let count = measured.len();
    let pairs = (0..count).flat_map(|i| (0..i).map(move |j| (i, j)));
    let agree = |&(i, j): &(usize, usize)| {
        predicted[i].partial_cmp(&predicted[j]) == measured[i].partial_cmp(&measured[j])
    };
    Ok(pairs.filter(agree).count() as f64 / (count * (count - 1) / 2) as f64)
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
