//! # Weights of particles
//!
//! Weights in the domain of logarithms: shares, effective sample size, entropy.
//!
//! Source: "Mitigating Premature Exploitation in Particle-based Monte Carlo for Inference-Time Scaling", arXiv 2510.05825, and the
//! code of its_hub.

use crate::error::{Result, check};

/// How far a score is kept from 0 and from 1 before its odds are taken.
const NEAREST: f64 = 1e-7;

/// `ln(r / (1 - r))` of a score, which is kept 1e-7 away from 0 and from 1.
///
/// # Errors
/// If the score is not within 0 and 1.
pub fn log_odds(score: f64) -> Result<f64> {
    check("score", score, (0.0..=1.0).contains(&score), "0 to 1")?;
    let score = score.clamp(NEAREST, 1.0 - NEAREST);
    Ok((score / (1.0 - score)).ln())
}

/// Shares of logarithms of weights: `exp(l) / sum exp(l)`, whatever their size. Minus infinity is a weight of 0; where there is no other weight, and
/// for a NaN or plus infinity among them, all shares are the same.
///
/// ```
/// use regimen_rl_rewards::search::shares;
///
/// let shares = shares(&[-1000.0, -1001.0, f64::NEG_INFINITY]);
/// assert!((shares[0] - 0.7310585786).abs() < 1e-9 && shares[2] == 0.0);
/// ```
#[must_use]
pub fn shares(log_weights: &[f64]) -> Vec<f64> {
    let most = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let count = log_weights.len();
    if !most.is_finite() || log_weights.iter().any(|weight| weight.is_nan()) {
        return vec![1.0 / count.max(1) as f64; count];
    }
    let weights: Vec<f64> = log_weights.iter().map(|one| (one - most).exp()).collect();
    // One at least is 1.
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// `1 / sum p^2`: of how many particles with the same share the shares are worth, from 1 to their number. 0 without a share.
#[must_use]
#[doc(alias = "ESS")]
pub fn effective_sample_size(shares: &[f64]) -> f64 {
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares > 0.0 { 1.0 / squares } else { 0.0 }
}

/// `-sum p ln p / ln N`: 1 for equal shares, 0 where one has all; 1 for a single particle.
#[must_use]
pub fn normalised_entropy(shares: &[f64]) -> f64 {
    if shares.len() < 2 {
        return 1.0;
    }
    let terms = shares.iter().filter(|share| **share > 0.0);
    let entropy: f64 = terms.map(|share| -share * share.ln()).sum();
    entropy / (shares.len() as f64).ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_of_scores() {
        let logs = [0.9, 0.5, 0.5, 0.1].map(|score| log_odds(score).unwrap());
        assert_abs_diff_eq!(logs[0], 2.197_224_58, epsilon = 1e-8);
        let found = shares(&logs);
        for (found, share) in found.iter().zip([0.81, 0.09, 0.09, 0.01]) {
            assert_abs_diff_eq!(*found, share, epsilon = 1e-12);
        }
        assert_abs_diff_eq!(
            effective_sample_size(&found),
            1.487_209_994_1,
            epsilon = 1e-9
        );
        assert_abs_diff_eq!(normalised_entropy(&found), 0.468_995_593_6, epsilon = 1e-9);
        assert_abs_diff_eq!(log_odds(0.0).unwrap(), -16.118_095_6, epsilon = 1e-6);
        assert_abs_diff_eq!(log_odds(0.648).unwrap(), 0.610_259_52, epsilon = 1e-7);
        let mean = (-0.3_f64).exp();
        assert_abs_diff_eq!(log_odds(mean).unwrap(), 1.050_225_61, epsilon = 1e-7);
        assert!(log_odds(1.2).is_err() && log_odds(f64::NAN).is_err());
    }

    #[test]
    fn weights_far_below_1() {
        let found = shares(&[-1000.0, -1001.0, f64::NEG_INFINITY]);
        assert_abs_diff_eq!(found[0], 0.731_058_58, epsilon = 1e-8);
        assert_abs_diff_eq!(effective_sample_size(&found), 1.648_054_27, epsilon = 1e-8);
        assert_eq!(shares(&[f64::NEG_INFINITY; 4]), [0.25; 4]);
        assert_eq!(shares(&[f64::NAN, 1.0]), [0.5; 2]);
        assert!(shares(&[]).is_empty());
        let one_hot = [0.0, 1.0, 0.0];
        assert_eq!(
            (
                effective_sample_size(&one_hot),
                normalised_entropy(&one_hot)
            ),
            (1.0, 0.0)
        );
        assert_abs_diff_eq!(
            normalised_entropy(&[0.5, 0.5, 0.0, 0.0]),
            0.5,
            epsilon = 1e-12
        );
    }

    proptest! {
        /// Whatever the size of the logarithms, shares are a distribution, in their order.
        #[test]
        fn shares_never_vanish(logs in proptest::collection::vec(-1e300..1e300_f64, 1..40)) {
            let found = shares(&logs);
            let sum: f64 = found.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9 && found.iter().all(|share| share.is_finite()));
            let size = effective_sample_size(&found);
            prop_assert!(size >= 1.0 - 1e-9 && size <= logs.len() as f64 + 1e-9);
            for (a, pa) in logs.iter().zip(&found) {
                for (b, pb) in logs.iter().zip(&found) {
                    prop_assert!(a < b || pa >= pb);
                }
            }
        }
    }
}
