//! # pass_at_k
//!
//! The chance that at least one of `k` completions of a prompt is right, estimated without bias from more of them.
//!
//! Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code", arXiv 2107.03374, equation 1.

use crate::error::{Result, check};

/// `1 - C(samples - right, k) / C(samples, k)`: the share of the choices of `k` of the samples that hold a right one.
///
/// ```
/// use regimen_rl_rewards::pass_at_k;
///
/// let of_eight = |k| pass_at_k(8, 3, k);
/// assert!((of_eight(1)? - 0.375).abs() < 1e-12);
/// assert!((of_eight(4)? - 0.9285714285714286).abs() < 1e-12);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If `k` is not 1 to `samples`, or more are right than there are.
pub fn pass_at_k(samples: usize, right: usize, k: usize) -> Result<f64> {
    check_counts(samples, right, k)?;
    Ok(1.0 - all_of(samples, samples - right, k))
}

/// `C(right, k) / C(samples, k)`: the share of the choices of `k` of the samples that are all right, which is the worst of `k` samples.
///
/// ```
/// use regimen_rl_rewards::worst_at_k;
///
/// let of_eight = |k| worst_at_k(8, 6, k);
/// assert!((of_eight(1)? - 0.75).abs() < 1e-12);
/// assert!((of_eight(4)? - 15.0 / 70.0).abs() < 1e-12);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// As [`pass_at_k`].
pub fn worst_at_k(samples: usize, right: usize, k: usize) -> Result<f64> {
    check_counts(samples, right, k)?;
    Ok(all_of(samples, right, k))
}

fn check_counts(samples: usize, right: usize, k: usize) -> Result<()> {
    check("k", k as f64, (1..=samples).contains(&k), "1 to `samples`")?;
    check("right", right as f64, right <= samples, "at most `samples`")
}

/// `C(some, k) / C(samples, k)`: the chance that `k` draws without replacement are all of the `some`.
fn all_of(samples: usize, some: usize, k: usize) -> f64 {
    if some < k {
        return 0.0;
    }
    // It is the product of 1 - k / i for i from samples down to some + 1; or, for few draws, of the shares.
    if k <= samples - some {
        let draws = (0..k).map(|i| (some - i) as f64 / (samples - i) as f64);
        draws.product()
    } else {
        let places = (0..samples - some).map(|i| 1.0 - k as f64 / (samples - i) as f64);
        places.product()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_that_of_drawing_without_replacement() {
        let expected = [(1, 0.375), (2, 0.642_857_1), (4, 0.928_571_4), (8, 1.0)];
        for (k, value) in expected {
            assert!((pass_at_k(8, 3, k).unwrap() - value).abs() < 1e-7, "{k}");
        }
        assert!((pass_at_k(16, 2, 8).unwrap() - 0.766_666_7).abs() < 1e-7);
        assert_eq!(pass_at_k(5, 0, 5).unwrap(), 0.0);
        assert_eq!(pass_at_k(5, 5, 1).unwrap(), 1.0);
        assert!(pass_at_k(8, 9, 1).is_err() && pass_at_k(8, 1, 0).is_err());
        assert!(pass_at_k(8, 1, 9).is_err() && pass_at_k(0, 0, 1).is_err());
    }

    #[test]
    fn the_worst_of_some_is_right_where_all_are() {
        // 6 right of 8: 6/8, 15/28, 20/56, 15/70, 6/56, 1/28, 0, 0.
        let expected = [1.0, 0.75, 15.0 / 28.0, 20.0 / 56.0, 15.0 / 70.0];
        for (k, value) in expected.into_iter().enumerate().skip(1) {
            assert!((worst_at_k(8, 6, k).unwrap() - value).abs() < 1e-12, "{k}");
        }
        assert!((worst_at_k(8, 6, 6).unwrap() - 1.0 / 28.0).abs() < 1e-12);
        assert_eq!(worst_at_k(8, 6, 7).unwrap(), 0.0);
        assert_eq!(worst_at_k(5, 5, 5).unwrap(), 1.0);
        let most = usize::MAX;
        assert_eq!(worst_at_k(most, most, most).unwrap(), 1.0);
        assert_eq!(pass_at_k(most, 0, most).unwrap(), 0.0);
        assert_eq!(
            worst_at_k(5, 2, 1).unwrap(),
            1.0 - pass_at_k(5, 3, 1).unwrap()
        );
        assert!(worst_at_k(8, 9, 1).is_err() && worst_at_k(8, 1, 0).is_err());
    }

    #[test]
    fn large_counts_take_the_shorter_product() {
        let (many, few) = (1 << 40, 3);
        let near = pass_at_k(many, few, 2).unwrap();
        assert!((near - 2.0 * few as f64 / many as f64).abs() < 1e-15);
        assert!(pass_at_k(many, few, many / 2).unwrap() > 0.87);
        assert!(pass_at_k(many, many - 1, 1).unwrap() > 0.99);
    }
}
