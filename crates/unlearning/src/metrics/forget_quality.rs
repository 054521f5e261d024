//! # forget_quality
//!
//! Whether an unlearned and a retrained model answer alike, by the Kolmogorov-Smirnov test of their truth ratios.
//!
//! Source: TOFU, arXiv 2401.06121, section 2.2.2; the exact tail is Hodges's, Arkiv för Matematik 3, 1958.

use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, share};

/// What [`forget_quality`] found: a higher `p_value` is better, 1 is perfect, the retrained reference scores 1 against itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ForgetQuality {
    /// Largest distance of the distribution functions: lower is better, 0 is perfect, the retrained reference scores 0.
    pub statistic: f64,
    /// Higher is better, 1 is perfect, the retrained reference scores 1 against itself; above 0.05 the paper calls it forgotten.
    pub p_value: f64,
}

regimen_tensor::checked_serde!(ForgetQuality);

impl Checked for ForgetQuality {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        share("statistic", self.statistic)?;
        share("p_value", self.p_value)
    }
}

/// A higher p-value is better, 1 is perfect, and the retrained reference scores 1 against itself.
///
/// The two-sample Kolmogorov-Smirnov test of the truth ratios of an unlearned and of a retrained model on forgotten
/// questions, or of their logarithms ([`log_truth_ratio`](super::tofu::log_truth_ratio)), which have the same order. The p-value is exact, by
/// counting paths, `unlearned * retrained` steps, and keeps its relative precision however small it is; ties as in continuous data.
///
/// # Errors
/// If a sample is empty or holds NaN.
pub fn forget_quality(unlearned: &[f64], retrained: &[f64]) -> Result<ForgetQuality> {
    for (set, sample) in [("unlearned", unlearned), ("retrained", retrained)] {
        if sample.is_empty() {
            return Err(UnlearningError::Empty(set));
        }
        if sample.iter().any(|value| value.is_nan()) {
            return Err(UnlearningError::NotFinite(set));
        }
    }
    let (n, m) = (unlearned.len(), retrained.len());
    let gap = largest_gap(unlearned, retrained);
    Ok(ForgetQuality {
        statistic: gap as f64 / (n as f64 * m as f64),
        p_value: tail(n, m, gap),
    })
}

/// The largest distance of the distribution functions, times both sizes.
fn largest_gap(one: &[f64], two: &[f64]) -> u128 {
    let sorted = |sample: &[f64]| {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (a, b) = (sorted(one), sorted(two));
    let below = |sorted: &[f64], at: f64| sorted.partition_point(|value| *value <= at) as u128;
    let (n, m) = (a.len() as u128, b.len() as u128);
    let gaps = a.iter().chain(&b);
    let gaps = gaps.map(|at| (below(&a, *at) * m).abs_diff(below(&b, *at) * n));
    gaps.max().unwrap_or(0)
}

/// The probability that samples of one law are at least so far apart: the share of paths from one corner of the grid `n` by
/// `m` to the other that leave the points nearer to the diagonal than `gap`.
///
/// It adds up where paths leave: what is small is never a difference of what is large.
fn tail(n: usize, m: usize, gap: u128) -> f64 {
    if gap == 0 {
        return 1.0;
    }
    let near = |i: usize, j: usize| {
        let (i, j) = ((i * m) as u128, (j * n) as u128);
        i.abs_diff(j) < gap
    };
    // row[j]: the probability of having come to (i, j) on near points only.
    let (mut row, mut outside) = (vec![0.0_f64; m + 1], 0.0);
    for i in 0..=n {
        for j in 0..=m {
            let left = (n - i + m - j) as f64;
            // A step from (i - 1, j) takes one of the first sample that were left there.
            let from_above = if i == 0 {
                0.0
            } else {
                row[j] * (n - i + 1) as f64 / (left + 1.0)
            };
            let from_left = if j == 0 {
                0.0
            } else {
                row[j - 1] * (m - j + 1) as f64 / (left + 1.0)
            };
            let start = if (i, j) == (0, 0) { 1.0 } else { 0.0 };
            let here = start + from_above + from_left;
            row[j] = if near(i, j) {
                here
            } else {
                outside += here;
                0.0
            };
        }
    }
    outside.min(1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forget_quality_of_five_against_five() {
        let quality = |one: &[f64], two: &[f64]| forget_quality(one, two).unwrap();
        let found = quality(&[0.1, 0.2, 0.3, 0.4, 0.5], &[0.2, 0.3, 0.6, 0.7, 0.8]);
        assert!((found.statistic - 0.6).abs() < 1e-12);
        assert!((found.p_value - 0.357_142_86).abs() < 1e-8);
        let same = quality(&[0.1, 0.5], &[0.5, 0.1]);
        assert_eq!((same.statistic, same.p_value), (0.0, 1.0));
        // Of the C(4, 1) orders of 1 and 3 values, two have the single one at an end.
        let apart = quality(&[9.0], &[1.0, 2.0, 3.0]);
        assert!((apart.statistic - 1.0).abs() < 1e-12 && (apart.p_value - 0.5).abs() < 1e-12);
        let many: Vec<f64> = (0..400).map(f64::from).collect();
        let moved: Vec<f64> = many.iter().map(|x| x + 200.0).collect();
        assert!(quality(&many, &moved).p_value < 1e-12);
    }

    /// For two samples of one size the tail has a closed form: an alternating sum of ratios of binomials (Gnedenko and
    /// Korolyuk 1951), `2 sum_k (-1)^(k - 1) C(2n, n - k h) / C(2n, n)`.
    #[test]
    fn a_tiny_p_value_keeps_its_digits() {
        let closed = |n: i32, h: i32| {
            let ratio = |shift: i32| -> f64 {
                (1..=shift)
                    .map(|i| f64::from(n - shift + i) / f64::from(n + i))
                    .product()
            };
            let terms = (1..=n / h).map(|k| (if k % 2 == 1 { 2.0 } else { -2.0 }) * ratio(k * h));
            terms.sum::<f64>()
        };
        // n = m = 400 at a distance of 0.35.
        let expected = closed(400, 140);
        assert!(expected > 3.8e-22 && expected < 4.0e-22, "{expected}");
        let many: Vec<f64> = (0..400).map(f64::from).collect();
        let moved: Vec<f64> = many.iter().map(|x| x + 139.5).collect();
        let found = forget_quality(&many, &moved).unwrap();
        assert!(
            (found.statistic - 0.35).abs() < 1e-12,
            "{}",
            found.statistic
        );
        assert!(
            (found.p_value / expected - 1.0).abs() < 1e-9,
            "{}",
            found.p_value
        );
        for h in [1, 3, 20, 60, 399] {
            let found = tail(400, 400, 400 * h as u128);
            assert!((found / closed(400, h) - 1.0).abs() < 1e-9, "{h}: {found}");
        }
    }

    #[test]
    fn bad_samples_are_named() {
        assert!(forget_quality(&[], &[1.0]).is_err());
        assert!(forget_quality(&[1.0], &[f64::NAN]).is_err());
    }
}
