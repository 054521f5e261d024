//! # EntropicAnnealing
//!
//! A temperature for resampling while few particles hold the weight.
//!
//! Source: "Mitigating Premature Exploitation in Particle-based Monte Carlo for Inference-Time Scaling", arXiv 2510.05825, and the
//! code of its_hub.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::log_weights::{effective_sample_size, normalised_entropy};
use crate::error::{Result, check};

/// The largest temperature that a rule gives: shares are equal to about nine digits.
const HOTTEST: f64 = 1e9;

/// How the temperature follows from the shares and from how far the search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntropicRule {
    /// `max(1, N / ESS (1 - t/T))`: the paper's. Nearly equal shares where one particle of many has all.
    #[default]
    EffectiveSize,
    /// `max(1, 1 / (H + (1 - H) t/T))`, with the normalised entropy `H`: far milder.
    Entropy,
    /// `max(1, 2 - t/T)`.
    Progress,
    /// The same at every step, 1 or more: not a rule of the paper, and what it is compared with.
    Constant(f64),
}

/// Flattens resampling early in a search where the weights have collapsed, so that an over-confident score of a beginning does not end the others.
///
/// At step `t` of `T`, with the shares' effective sample size `ESS` of `N` particles: a temperature by the rule if `ESS / N` is below
/// `threshold` and `t / T` below `until`, else 1.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `rule` | effective size | [`EntropicRule`] |
/// | `threshold` | 0.5 | 0 to 1 |
/// | `until` | 0.5 | 0 to 1 |
///
/// ```
/// use regimen_rl_rewards::search::EntropicAnnealing;
///
/// let annealing = EntropicAnnealing::default();
/// let temperature = annealing.temperature(&[0.81, 0.09, 0.09, 0.01], 1.0 / 8.0);
/// assert!((temperature - 2.3534).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("EA", "ePF"))]
pub struct EntropicAnnealing {
    rule: EntropicRule,
    threshold: f64,
    until: f64,
}
checked_serde!(EntropicAnnealing);

impl Default for EntropicAnnealing {
    fn default() -> Self {
        Self {
            rule: EntropicRule::EffectiveSize,
            threshold: 0.5,
            until: 0.5,
        }
    }
}

impl EntropicAnnealing {
    /// By another rule.
    ///
    /// # Errors
    /// If a constant is not 1 to 1e9.
    pub fn with_rule(self, rule: EntropicRule) -> Result<Self> {
        Self { rule, ..self }.checked()
    }

    /// Below another share of the particles; 1 for all weights that are not equal.
    ///
    /// # Errors
    /// If it is not within 0 and 1.
    pub fn with_threshold(self, threshold: f64) -> Result<Self> {
        Self { threshold, ..self }.checked()
    }

    /// Up to another share of the steps.
    ///
    /// # Errors
    /// If it is not within 0 and 1.
    pub fn with_until(self, until: f64) -> Result<Self> {
        Self { until, ..self }.checked()
    }

    /// The temperature by shares and by the share of the steps that is done, 0 to 1.
    #[must_use]
    pub fn temperature(&self, shares: &[f64], progress: f64) -> f64 {
        let kept: Vec<f64> = shares.iter().map(|share| share.clamp(1e-7, 1.0)).collect();
        let size = effective_sample_size(&kept);
        let count = shares.len() as f64;
        if shares.len() < 2 || size / count >= self.threshold || progress >= self.until {
            return 1.0;
        }
        let found = match self.rule {
            EntropicRule::EffectiveSize => count / size * (1.0 - progress),
            EntropicRule::Entropy => {
                let entropy = normalised_entropy(shares);
                1.0 / (entropy + (1.0 - entropy) * progress)
            }
            EntropicRule::Progress => 2.0 - progress,
            EntropicRule::Constant(temperature) => temperature,
        };
        // Also for a progress that is no number.
        if found > 1.0 { found.min(HOTTEST) } else { 1.0 }
    }
}

impl Checked for EntropicAnnealing {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        if let EntropicRule::Constant(value) = self.rule {
            check(
                "rule",
                value,
                (1.0..=HOTTEST).contains(&value),
                "a constant of 1 to 1e9",
            )?;
        }
        for (field, value) in [("threshold", self.threshold), ("until", self.until)] {
            check(field, value, (0.0..=1.0).contains(&value), "0 to 1")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::super::log_weights::{log_odds, shares};
    use super::*;

    const RULES: [EntropicRule; 3] = [
        EntropicRule::EffectiveSize,
        EntropicRule::Entropy,
        EntropicRule::Progress,
    ];

    #[test]
    fn temperatures_and_what_they_make_of_the_shares() {
        let logs = [0.9, 0.5, 0.5, 0.1].map(|score| log_odds(score).unwrap());
        let own = shares(&logs);
        for (t, temperatures) in [
            (1.0, [2.3534, 1.867_863_089_9, 1.875]),
            (2.0, [2.0172, 1.661_828_819_3, 1.75]),
            (3.0, [1.681, 1.496_732_081_6, 1.625]),
            (4.0, [1.0; 3]),
        ] {
            for (rule, temperature) in RULES.into_iter().zip(temperatures) {
                let annealing = EntropicAnnealing::default().with_rule(rule).unwrap();
                let found = annealing.temperature(&own, t / 8.0);
                assert_abs_diff_eq!(found, temperature, epsilon = 1e-9);
            }
        }
        let tempered = |logs: &[f64], temperature: f64| {
            let logs: Vec<f64> = logs.iter().map(|log| log / temperature).collect();
            shares(&logs)
        };
        let found = tempered(&logs, 2.3534);
        for (found, share) in found
            .iter()
            .zip([0.51525529, 0.20255756, 0.20255756, 0.07962959])
        {
            assert_abs_diff_eq!(*found, share, epsilon = 1e-8);
        }
        assert_abs_diff_eq!(
            effective_sample_size(&found),
            2.825_752_647_8,
            epsilon = 1e-8
        );
        let logs = [0.97, 0.5, 0.5, 0.4].map(|score| log_odds(score).unwrap());
        let temperature = EntropicAnnealing::default().temperature(&shares(&logs), 0.125);
        assert_abs_diff_eq!(temperature, 2.993_968_254_0, epsilon = 1e-8);
        let found = tempered(&logs, temperature);
        assert_abs_diff_eq!(found[0], 0.526_364_99, epsilon = 1e-8);
    }

    /// The released code's own tests: an effective size of a fifth, and a normalised entropy of one half.
    #[test]
    fn temperatures_of_the_released_code() {
        let mut fifth = vec![0.0; 10];
        fifth[..2].fill(0.5);
        let found = EntropicAnnealing::default().temperature(&fifth, 0.2);
        assert_abs_diff_eq!(found, 4.0, epsilon = 1e-4);
        let entropy = EntropicAnnealing::default().with_rule(EntropicRule::Entropy);
        let entropy = entropy.unwrap().with_threshold(1.0).unwrap();
        let found = entropy.temperature(&[0.5, 0.5, 0.0, 0.0], 0.3);
        assert_abs_diff_eq!(found, 1.538_461_54, epsilon = 1e-8);
    }

    #[test]
    fn equal_shares_and_single_particles_have_none() {
        for rule in RULES {
            let annealing = EntropicAnnealing::default().with_rule(rule).unwrap();
            for shares in [&[][..], &[1.0], &[0.25; 4]] {
                assert_eq!(annealing.temperature(shares, 0.1), 1.0);
            }
        }
        let constant = EntropicRule::Constant(4.0);
        let constant = EntropicAnnealing::default().with_rule(constant).unwrap();
        assert_eq!(constant.temperature(&[0.9, 0.05, 0.05], 0.1), 4.0);
        assert_eq!(constant.temperature(&[0.9, 0.05, 0.05], 0.5), 1.0);
    }
}
