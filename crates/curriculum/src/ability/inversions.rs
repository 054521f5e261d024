//! How far two orders of the same examples are apart.

use std::cmp::Ordering;

use crate::error::{CurriculumError, Result, finite};

/// The Normalised Inversion Rate: the share of pairs of examples that two scores order in opposite ways.
///
/// `#{(i, j), i < j : (old_i - old_j)(new_i - new_j) < 0} / (n (n - 1) / 2)`. A tie in either counts as not inverted: 0 for the same order,
/// 1 for the reverse, about 0.5 for unrelated scores without ties. In `O(n log n)`.
///
/// Scores that are estimated differ by chance alone: compare with the rate between two independent estimates by one model.
///
/// ```
/// use regimen_curriculum::normalised_inversions;
///
/// assert_eq!(normalised_inversions(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0])?, 1.0);
/// assert_eq!(normalised_inversions(&[0.1, 0.2, 0.3, 0.4, 0.5], &[0.5, 0.1, 0.2, 0.4, 0.3])?, 0.5);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there are fewer than two scores, their numbers differ, or one is not finite.
#[doc(alias("NIR", "Kendall tau distance"))]
pub fn normalised_inversions(old: &[f64], new: &[f64]) -> Result<f64> {
    let count = old.len();
    if count != new.len() {
        let (ids, losses) = (count, new.len());
        return Err(CurriculumError::Lengths { ids, losses });
    }
    if count < 2 {
        return Err(CurriculumError::TooFew {
            field: "old",
            found: count,
            needed: 2,
        });
    }
    finite("old", old)?;
    finite("new", new)?;
    let mut pairs: Vec<(f64, f64)> = old.iter().copied().zip(new.iter().copied()).collect();
    let order = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    // Among equal old scores the new ones rise, so that none of these pairs is counted.
    pairs.sort_by(|a, b| order(a.0, b.0).then(order(a.1, b.1)));
    let mut values: Vec<f64> = pairs.into_iter().map(|pair| pair.1).collect();
    let inverted = inversions(&mut values);
    let all = count as f64 * (count - 1) as f64 / 2.0;
    Ok(inverted as f64 / all)
}

/// Counts `i < j` with `values[i] > values[j]` while it sorts them.
fn inversions(values: &mut [f64]) -> u64 {
    let count = values.len();
    let (mut found, mut width) = (0, 1);
    let mut merged = Vec::with_capacity(count);
    while width < count {
        merged.clear();
        for start in (0..count).step_by(2 * width) {
            let middle = (start + width).min(count);
            let end = (start + 2 * width).min(count);
            let (mut left, mut right) = (start, middle);
            while left < middle || right < end {
                if right == end || (left < middle && values[left] <= values[right]) {
                    merged.push(values[left]);
                    left += 1;
                } else {
                    found += (middle - left) as u64;
                    merged.push(values[right]);
                    right += 1;
                }
            }
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn check_values() {
        let ordered = [1.0, 2.0, 3.0, 4.0];
        let rate = |new: &[f64]| normalised_inversions(&ordered, new).unwrap();
        assert_eq!(rate(&ordered), 0.0);
        assert_eq!(rate(&[4.0, 3.0, 2.0, 1.0]), 1.0);
        assert_eq!(rate(&[2.0, 1.0, 4.0, 3.0]), 1.0 / 3.0);
        let old = [0.1, 0.2, 0.3, 0.4, 0.5];
        let new = [0.5, 0.1, 0.2, 0.4, 0.3];
        assert_eq!(normalised_inversions(&old, &new).unwrap(), 0.5);
    }

    #[test]
    fn ties_are_not_inverted() {
        let rate = |old: &[f64], new: &[f64]| normalised_inversions(old, new).unwrap();
        assert_eq!(rate(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), 0.0);
        assert_eq!(rate(&[3.0, 2.0, 1.0], &[0.0, -0.0, 0.0]), 0.0);
        assert_eq!(rate(&[0.0, -0.0, 1.0], &[2.0, 1.0, 0.0]), 2.0 / 3.0);
    }

    #[test]
    fn scores_that_cannot_be_compared_are_refused() {
        assert!(normalised_inversions(&[1.0], &[1.0]).is_err());
        assert!(normalised_inversions(&[1.0, 2.0], &[1.0]).is_err());
        assert!(normalised_inversions(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
        assert!(normalised_inversions(&[1.0, 2.0], &[1.0, f64::INFINITY]).is_err());
    }

    proptest! {
        /// As by the definition, and the same both ways round.
        #[test]
        fn counts_pairs_as_the_definition(values in prop::collection::vec((0_u8..9, 0_u8..9), 2..40)) {
            let (old, new): (Vec<f64>, Vec<f64>) = values
                .into_iter()
                .map(|(old, new)| (f64::from(old), f64::from(new)))
                .unzip();
            let mut inverted = 0;
            for i in 0..old.len() {
                for j in 0..i {
                    inverted += usize::from((old[i] - old[j]) * (new[i] - new[j]) < 0.0);
                }
            }
            let all = old.len() * (old.len() - 1) / 2;
            let rate = normalised_inversions(&old, &new).unwrap();
            prop_assert_eq!(rate, inverted as f64 / all as f64);
            prop_assert_eq!(rate, normalised_inversions(&new, &old).unwrap());
        }
    }
}
