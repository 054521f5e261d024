//! # DoReMi
//!
//! Weights of domains by group distributionally robust optimisation: up goes what a small proxy has yet to learn, over a reference model's loss.
//!
//! Source: "DoReMi: Optimizing Data Mixtures Speeds Up Language Model Pretraining", arXiv 2305.10429, and its released code

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::simplex::{check_distribution, check_over, check_values, softmax};
use crate::error::{CurriculumError, Result, check, count, counted};

/// Configuration of [`DoReMi`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `weights` | of [`new`](Self::new) | the distribution to start from, each above 0 |
/// | `sampling` | `weights` | the distribution that batches are drawn by, each above 0 |
/// | `rate` | 1 | 0 to 1e6; the paper's eta |
/// | `smoothing` | 1e-4 | 0 to 1, the share of uniform weights in each update |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoReMiConfig {
    weights: Vec<f64>,
    sampling: Option<Vec<f64>>,
    rate: f64,
    smoothing: f64,
}

impl DoReMiConfig {
    /// From these weights of domains, which are the reference model's.
    #[must_use]
    pub fn new(weights: Vec<f64>) -> Self {
        Self {
            weights,
            sampling: None,
            rate: 1.0,
            smoothing: 1e-4,
        }
    }

    /// What batches of the proxy are drawn by, if not by the weights to start from: losses are divided by it.
    #[must_use]
    pub fn with_sampling(mut self, sampling: Vec<f64>) -> Self {
        self.sampling = Some(sampling);
        self
    }

    /// How fast weights follow the excess losses.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// The share of uniform weights that is mixed in after each update.
    #[must_use]
    pub fn with_smoothing(mut self, smoothing: f64) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// At the start.
    ///
    /// # Errors
    /// If a number lies outside its range, or a list is no distribution.
    pub fn init(&self) -> Result<DoReMi> {
        let state = DoReMi {
            sampling: self.sampling.clone().unwrap_or(self.weights.clone()),
            rate: self.rate,
            smoothing: self.smoothing,
            scores: vec![0.0; self.weights.len()],
            weights: self.weights.clone(),
            average: self.weights.clone(),
            steps: 0,
        };
        state.checked()
    }
}

/// Weights of domains that a proxy's losses move; the answer is [`average`](Self::average).
///
/// A step takes the loss of each token of a batch under the proxy and under the reference model. The score of a domain is
/// `lambda_k = mean over its tokens of max(proxy - reference, 0)`, cut at 0 before the mean; a domain without a token keeps its score, 0 at first.
/// Then `a_k <- (1 - c) a_k exp(eta lambda_k) / sum_j a_j exp(eta lambda_j) + c / K`.
///
/// ```
/// use regimen_curriculum::mixing::DoReMiConfig;
///
/// let mut doremi = DoReMiConfig::new(vec![0.5, 0.3, 0.2]).init()?;
/// // In each step of the proxy: the domain and both losses of each token of the batch.
/// doremi.step(&[0, 0, 1, 2], &[2.1, 1.0, 0.9, 3.4], &[2.0, 0.9, 1.0, 3.0])?;
/// let rounded: Vec<String> = doremi.weights().iter().map(|weight| format!("{weight:.4}")).collect();
/// assert_eq!(rounded, ["0.4801", "0.2607", "0.2592"]);
/// // The proxy's loss is the sum of these factors times the tokens' losses.
/// let factors = doremi.loss_weights(&[0, 0, 1, 2])?;
/// assert!((factors.iter().sum::<f32>() - 1.0).abs() < 1e-6);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DoReMi {
    sampling: Vec<f64>,
    rate: f64,
    smoothing: f64,
    scores: Vec<f64>,
    weights: Vec<f64>,
    average: Vec<f64>,
    steps: usize,
}

checked_serde!(DoReMi);

impl Checked for DoReMi {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_distribution("weights", &self.weights)?;
        let domains = self.weights.len();
        check_over("sampling", &self.sampling, domains)?;
        check_over("average", &self.average, domains)?;
        for (field, values) in [("sampling", &self.sampling), ("weights", &self.weights)] {
            for value in values {
                check(field, *value, *value > 0.0, "above 0")?;
            }
        }
        check_values("scores", &self.scores, domains)?;
        for score in &self.scores {
            check("scores", *score, *score >= 0.0, "0 or more")?;
        }
        let good = (0.0..=1e6).contains(&self.rate);
        check("rate", self.rate, good, "0 to 1e6")?;
        let good = (0.0..=1.0).contains(&self.smoothing);
        check("smoothing", self.smoothing, good, "0 to 1")?;
        counted("steps", self.steps)
    }
}

impl DoReMi {
    /// Learns the losses of a batch: the domain of each token, its loss under the proxy and under the reference model.
    ///
    /// # Errors
    /// If lengths differ, a domain is unknown, or a loss is not finite; nothing is changed then.
    pub fn step(&mut self, domains: &[usize], proxy: &[f32], reference: &[f32]) -> Result<()> {
        for losses in [proxy.len(), reference.len()] {
            if losses != domains.len() {
                let ids = domains.len();
                return Err(CurriculumError::Lengths { ids, losses });
            }
        }
        let mut sums = vec![(0.0, 0_usize); self.weights.len()];
        for ((domain, proxy), reference) in domains.iter().zip(proxy).zip(reference) {
            self.check_domain(*domain)?;
            let excess = f64::from(*proxy) - f64::from(*reference);
            check("losses", excess, true, "finite numbers")?;
            sums[*domain].0 += excess.max(0.0);
            sums[*domain].1 += 1;
        }
        for (score, (sum, tokens)) in self.scores.iter_mut().zip(sums) {
            if tokens > 0 {
                *score = sum / tokens as f64;
            }
        }
        self.update();
        Ok(())
    }

    /// One update from scores of all domains that were computed elsewhere, as over several devices.
    ///
    /// # Errors
    /// If there is not one for each domain, or one is negative or above 1e100; nothing is changed then.
    pub fn step_scores(&mut self, scores: &[f64]) -> Result<()> {
        check_values("scores", scores, self.weights.len())?;
        for score in scores {
            check("scores", *score, *score >= 0.0, "0 or more")?;
        }
        self.scores = scores.to_vec();
        self.update();
        Ok(())
    }

    fn update(&mut self) {
        let moved = self.weights.iter().zip(&self.scores);
        let logits: Vec<f64> = moved
            .map(|(weight, score)| weight.ln() + self.rate * score)
            .collect();
        let (kept, domains) = (1.0 - self.smoothing, logits.len() as f64);
        self.weights = softmax(&logits)
            .iter()
            // Without smoothing a weight may become too small for a number, and it would never come back.
            .map(|weight| (kept * weight + self.smoothing / domains).max(f64::MIN_POSITIVE))
            .collect();
        self.steps += 1;
        let part = 1.0 / (self.steps + 1) as f64;
        for (average, weight) in self.average.iter_mut().zip(&self.weights) {
            *average += part * (weight - *average);
        }
    }

    /// The factor of each token's loss in the proxy's, which is the sum of factor times loss: `(a_k / s_k)` over their sum in the batch.
    ///
    /// # Errors
    /// If a domain is unknown.
    pub fn loss_weights(&self, domains: &[usize]) -> Result<Vec<f32>> {
        let ratios = self.domain_factors();
        for domain in domains {
            self.check_domain(*domain)?;
        }
        let sum: f64 = domains.iter().map(|domain| ratios[*domain]).sum();
        let factor = |domain: &usize| (ratios[*domain] / sum) as f32;
        Ok(domains.iter().map(factor).collect())
    }

    /// `(a_k / s_k) / sum_j (a_j / s_j)`: how much a token of each domain counts.
    #[must_use]
    pub fn domain_factors(&self) -> Vec<f64> {
        let ratio = |(weight, sampling): (&f64, &f64)| weight.ln() - sampling.ln();
        let pairs = self.weights.iter().zip(&self.sampling);
        softmax(&pairs.map(ratio).collect::<Vec<_>>())
    }

    /// The weights after the last step.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The mean of the weights over the start and all steps: what the large model is to be trained with.
    #[must_use]
    pub fn average(&self) -> &[f64] {
        &self.average
    }

    /// Mean excess loss of each domain when it was last seen.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    fn check_domain(&self, domain: usize) -> Result<()> {
        let good = domain < self.weights.len();
        count("domains", domain, good, "below the number of weights")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert_abs_diff_eq!(found, wanted, epsilon = 1e-6);
        }
    }

    const START: [f64; 3] = [0.5, 0.3, 0.2];

    #[test]
    fn worked_values() {
        let config = DoReMiConfig::new(START.to_vec()).with_sampling(vec![0.6, 0.2, 0.2]);
        let mut doremi = config.init().unwrap();
        doremi.step_scores(&[0.1, 0.0, 0.4]).unwrap();
        close(
            doremi.weights(),
            &[0.480_097_64, 0.260_661_42, 0.259_240_94],
        );
        close(
            doremi.average(),
            &[0.490_048_82, 0.280_330_71, 0.229_620_47],
        );
        close(&doremi.domain_factors(), &[0.235_365, 0.383_362, 0.381_273]);
        let mut smoother = config.with_smoothing(1e-3).init().unwrap();
        smoother.step_scores(&[0.1, 0.0, 0.4]).unwrap();
        close(
            smoother.weights(),
            &[0.479_965_53, 0.260_726_83, 0.259_307_63],
        );
    }

    #[test]
    fn excess_is_cut_before_the_mean() {
        let mut doremi = DoReMiConfig::new(vec![0.5, 0.5]).init().unwrap();
        let proxy = [1.3, 0.8, 1.5, 0.9, 7.0];
        let reference = [1.0, 1.0, 1.0, 1.0, 5.0];
        doremi.step(&[0, 0, 0, 0, 1], &proxy, &reference).unwrap();
        close(doremi.scores(), &[0.2, 2.0]);
        // A domain that the batch lacks keeps its score.
        doremi.step(&[0], &[1.0], &[3.0]).unwrap();
        close(doremi.scores(), &[0.0, 2.0]);
        let before = doremi.clone();
        assert!(doremi.step(&[2], &[1.0], &[1.0]).is_err());
        assert!(doremi.step(&[0], &[f32::NAN], &[1.0]).is_err());
        assert!(doremi.step(&[0], &[1.0], &[]).is_err());
        assert_eq!(doremi, before);
    }

    #[test]
    fn without_a_rate_smoothing_alone_leads_to_uniform_weights() {
        let config = DoReMiConfig::new(START.to_vec()).with_rate(0.0);
        let mut doremi = config.with_smoothing(0.1).init().unwrap();
        for _ in 0..300 {
            doremi.step_scores(&[5.0, 0.0, 1.0]).unwrap();
        }
        close(doremi.weights(), &[1.0 / 3.0; 3]);
    }

    proptest! {
        #[test]
        fn weights_stay_a_distribution(scores in prop::collection::vec(0.0..1e3_f64, 3), shift in 0.0..10.0_f64) {
            let config = DoReMiConfig::new(START.to_vec());
            let mut doremi = config.init().unwrap();
            let mut shifted = config.init().unwrap();
            for _ in 0..4 {
                doremi.step_scores(&scores).unwrap();
                doremi.check().unwrap();
                let more: Vec<f64> = scores.iter().map(|score| score + shift).collect();
                shifted.step_scores(&more).unwrap();
            }
            // Only differences of scores count.
            close(doremi.weights(), shifted.weights());
            let text = serde_json::to_string(&doremi).unwrap();
            prop_assert_eq!(serde_json::from_str::<DoReMi>(&text).unwrap(), doremi);
        }

        #[test]
        fn equal_scores_without_smoothing_change_nothing(score in 0.0..50.0_f64) {
            let mut doremi = DoReMiConfig::new(START.to_vec()).with_smoothing(0.0).init().unwrap();
            doremi.step_scores(&[score; 3]).unwrap();
            close(doremi.weights(), &START);
        }
    }
}
