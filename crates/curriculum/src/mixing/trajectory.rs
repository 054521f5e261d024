//! # Trajectory
//!
//! A training as the steps of a decision process: the mixture of each step, and what evaluation said after it.
//!
//! Source: "Data Mixing Agent: Learning to Re-weight Domains for Continual Pre-training", arXiv 2507.15640 (the Markov decision process)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::simplex::{check_many, check_over, check_values};
use crate::error::{CurriculumError, Result, check, count};

/// The most steps of a run.
pub(super) const STEPS: usize = 1 << 16;

/// One step of a [`Trajectory`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureStep {
    /// The share of each domain in what was trained on.
    pub weights: Vec<f64>,
    /// Each measure after it; higher is better.
    pub feedback: Vec<f64>,
}

/// Mixtures and feedback of one run, from the feedback before its first step.
///
/// Measures are such that higher is better, and dense: mean log probabilities of held-out text or of reference answers, that is minus losses.
///
/// ```
/// use regimen_curriculum::mixing::Trajectory;
///
/// let mut run = Trajectory::new(2, vec![-1.5, -3.0])?; // two domains; minus the losses on source and target
/// run.push(vec![0.4, 0.6], vec![-1.6, -2.4])?;
/// run.push(vec![0.5, 0.5], vec![-1.5, -2.3])?;
/// let rewards = run.rewards(&[0.5, 0.5])?; // gains of the mean
/// assert!((rewards[0] - 0.25).abs() < 1e-12 && (rewards[1] - 0.1).abs() < 1e-12);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Trajectory {
    domains: usize,
    start: Vec<f64>,
    steps: Vec<MixtureStep>,
}

checked_serde!(Trajectory);

impl Checked for Trajectory {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_many("domains", self.domains)?;
        check_many("start", self.start.len())?;
        check_values("start", &self.start, self.start.len())?;
        let steps = self.steps.len();
        count("steps", steps, steps <= STEPS, "up to 65536")?;
        for step in &self.steps {
            self.check_step(step)?;
        }
        Ok(())
    }
}

impl Trajectory {
    /// A run over so many domains, with each measure before its first step.
    ///
    /// # Errors
    /// If there is no domain or measure or over 4096 of them, or a measure is not finite.
    pub fn new(domains: usize, start: Vec<f64>) -> Result<Self> {
        let steps = Vec::new();
        let run = Self {
            domains,
            start,
            steps,
        };
        run.checked()
    }

    /// What a step was trained on, and each measure after it.
    ///
    /// # Errors
    /// If the weights are no distribution over the domains, or there is not one finite number for each measure; nothing is changed then.
    pub fn push(&mut self, weights: Vec<f64>, feedback: Vec<f64>) -> Result<()> {
        let step = MixtureStep { weights, feedback };
        self.check_step(&step)?;
        let steps = self.steps.len();
        count("steps", steps, steps < STEPS, "below 65536")?;
        self.steps.push(step);
        Ok(())
    }

    fn check_step(&self, step: &MixtureStep) -> Result<()> {
        check_over("weights", &step.weights, self.domains)?;
        check_values("feedback", &step.feedback, self.start.len())
    }

    /// The number of domains.
    #[must_use]
    pub fn domains(&self) -> usize {
        self.domains
    }

    /// The number of measures.
    #[must_use]
    pub fn measures(&self) -> usize {
        self.start.len()
    }

    /// Each measure before the first step.
    #[must_use]
    pub fn start(&self) -> &[f64] {
        &self.start
    }

    /// All steps so far.
    #[must_use]
    pub fn steps(&self) -> &[MixtureStep] {
        &self.steps
    }

    /// Each measure now.
    #[must_use]
    pub fn feedback(&self) -> &[f64] {
        self.steps.last().map_or(&self.start, |step| &step.feedback)
    }

    /// The mean of the mixtures; none before the first step.
    #[must_use]
    pub fn mean_weights(&self) -> Option<Vec<f64>> {
        let steps = self.steps.len() as f64;
        let mean = |domain: usize| {
            let weights = self.steps.iter().map(|step| step.weights[domain]);
            weights.sum::<f64>() / steps
        };
        (steps > 0.0).then(|| (0..self.domains).map(mean).collect())
    }

    /// The score, `sum_m measure_weights[m] * feedback[m]`, before the first step and after each.
    ///
    /// # Errors
    /// If there is not one finite weight for each measure.
    pub fn scores(&self, measure_weights: &[f64]) -> Result<Vec<f64>> {
        check_values("measure_weights", measure_weights, self.measures())?;
        let all = self.steps.iter().map(|step| &step.feedback);
        let all = std::iter::once(&self.start).chain(all);
        let score = |feedback: &Vec<f64>| -> f64 {
            let parts = feedback.iter().zip(measure_weights);
            parts.map(|(value, weight)| value * weight).sum()
        };
        let scores: Vec<f64> = all.map(score).collect();
        check_values("scores", &scores, scores.len())?;
        Ok(scores)
    }

    /// How much each step raised the score.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn rewards(&self, measure_weights: &[f64]) -> Result<Vec<f64>> {
        let scores = self.scores(measure_weights)?;
        Ok(scores.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }
}

/// What each step and those after it are worth: `G_t = r_t + gamma G_{t + 1}`.
///
/// # Errors
/// If gamma is not within 0 and 1, or a reward is not finite or over 1e100.
///
/// ```
/// use regimen_curriculum::mixing::discounted_returns;
///
/// let returns = discounted_returns(&[0.1, -0.05, 0.2], 0.9)?;
/// assert!((returns[0] - 0.217).abs() < 1e-12 && (returns[1] - 0.13).abs() < 1e-12 && returns[2] == 0.2);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub fn discounted_returns(rewards: &[f64], gamma: f64) -> Result<Vec<f64>> {
    check("gamma", gamma, (0.0..=1.0).contains(&gamma), "0 to 1")?;
    check_values("rewards", rewards, rewards.len())?;
    let mut returns = rewards.to_vec();
    for place in (1..returns.len()).rev() {
        returns[place - 1] += gamma * returns[place];
    }
    Ok(returns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_step_is_refused() {
        let mut run = Trajectory::new(2, vec![0.0, 1.0]).unwrap();
        assert_eq!(run.mean_weights(), None);
        assert_eq!(run.feedback(), [0.0, 1.0]);
        let before = run.clone();
        for (weights, feedback) in [
            (vec![0.5, 0.6], vec![0.0, 0.0]),
            (vec![1.0], vec![0.0, 0.0]),
            (vec![1.5, -0.5], vec![0.0, 0.0]),
            (vec![0.5, 0.5], vec![0.0]),
            (vec![0.5, 0.5], vec![0.0, f64::NAN]),
        ] {
            assert!(run.push(weights, feedback).is_err());
        }
        assert_eq!(run, before);
        run.push(vec![0.25, 0.75], vec![1.0, 2.0]).unwrap();
        run.push(vec![0.75, 0.25], vec![1.0, 4.0]).unwrap();
        assert_eq!(run.mean_weights().unwrap(), [0.5, 0.5]);
        assert_eq!(run.scores(&[0.5, 0.5]).unwrap(), [0.5, 1.5, 2.5]);
        assert_eq!(run.rewards(&[1.0, 0.0]).unwrap(), [1.0, 0.0]);
        assert!(run.rewards(&[1.0]).is_err());
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Trajectory>(&text).unwrap(), run);
        assert!(serde_json::from_str::<Trajectory>(&text.replace("0.25", "0.3")).is_err());
    }
}
