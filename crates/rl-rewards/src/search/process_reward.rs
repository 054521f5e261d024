//! # ProcessReward
//!
//! What a beginning of an answer is worth.
//!
//! Source: "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs using Particle-Based Monte Carlo Methods",
//! arXiv 2502.01618, and the code of its_hub.

use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};
use crate::policy::Completion;

/// What beginnings of answers are worth, from 0 to 1 for [`ParticleFilter`](super::ParticleFilter), any finite number for the other searches.
/// One that looks at whole answers alone (an outcome reward, a verifier) serves [`BestOfN`](super::BestOfN) and
/// [`SelfConsistency`](super::SelfConsistency).
///
/// A function of prompt and completion is one; a network implements the trait, to score all texts of a round at once.
pub trait ProcessReward {
    /// A score for each pair of prompt and text, in order.
    ///
    /// # Errors
    /// As the implementation says.
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Result<Vec<f64>>;
}

impl<F: Fn(&[u32], &Completion) -> f64> ProcessReward for F {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Result<Vec<f64>> {
        Ok(texts
            .iter()
            .map(|(prompt, text)| self(prompt, text))
            .collect())
    }
}

/// Scores that are as many as the texts, and finite.
pub(super) fn scores<R: ProcessReward + ?Sized>(
    reward: &R,
    texts: &[(&[u32], &Completion)],
) -> Result<Vec<f64>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let scores = reward.scores(texts)?;
    if scores.len() != texts.len() {
        return Err(RlRewardsError::OutOfRange {
            field: "scores",
            value: format!("{} of them", scores.len()),
            allowed: "one a text",
        });
    }
    let finite = |score: &f64| check("score", *score, true, "finite");
    scores.iter().try_for_each(finite)?;
    Ok(scores)
}

/// How the scores of single steps become the score of a beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[doc(alias = "PRM aggregation")]
pub enum StepScores {
    /// Their product: an error early weighs for ever.
    #[default]
    Product,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The last.
    Last,
}

impl StepScores {
    /// The score of steps, each from 0 to 1; 1 without a step.
    ///
    /// ```
    /// use regimen_rl_rewards::search::StepScores;
    ///
    /// let steps = [0.9, 0.9, 0.8];
    /// assert!((StepScores::Product.of(&steps)? - 0.648).abs() < 1e-12);
    /// assert_eq!(StepScores::Last.of(&steps)?, 0.8);
    /// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
    /// ```
    ///
    /// # Errors
    /// If a score is not within 0 and 1.
    pub fn of(self, steps: &[f64]) -> Result<f64> {
        for step in steps {
            check("step", *step, (0.0..=1.0).contains(step), "0 to 1")?;
        }
        let Some(last) = steps.last() else {
            return Ok(1.0);
        };
        let all = steps.iter().copied();
        Ok(match self {
            Self::Product => all.product(),
            Self::Mean => all.sum::<f64>() / steps.len() as f64,
            Self::Min => all.fold(1.0, f64::min),
            Self::Max => all.fold(0.0, f64::max),
            Self::Last => *last,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_one_score() {
        let steps = [0.9, 0.5, 0.7];
        for (rule, score) in [
            (StepScores::Product, 0.315),
            (StepScores::Mean, 0.7),
            (StepScores::Min, 0.5),
            (StepScores::Max, 0.9),
            (StepScores::Last, 0.7),
        ] {
            approx::assert_abs_diff_eq!(rule.of(&steps).unwrap(), score, epsilon = 1e-12);
            assert_eq!(rule.of(&[]).unwrap(), 1.0);
            assert!(rule.of(&[1.1]).is_err() && rule.of(&[f64::NAN]).is_err());
        }
    }
}
