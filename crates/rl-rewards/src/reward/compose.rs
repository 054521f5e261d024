//! # Reward
//!
//! The weighted sum of verifiers and penalties, behind gates, within bounds.
//!
//! Source: TÜLU 3 (arXiv 2411.15124, section 6): `alpha` times what a verifier accepts, another score for responses without an end; DeepSeek-R1
//! (arXiv 2501.12948): accuracy and format together

use regimen_schedules::{AnySchedule, Constant, Schedule};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::response::{Response, Scorer};
use super::scorer::AnyScorer;
use crate::error::{Result, RlRewardsError, check};
use crate::verify::{Reason, Verdict};

/// The most parts, and the most gates, of a reward.
pub const MOST_PARTS: usize = 64;

/// The score of a response, and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RewardScore {
    /// The reward.
    pub score: f64,
    /// Why the sum does not count, where it does not: the first gate that is closed, or [`Reason::Unfinished`].
    pub closed: Option<Reason>,
    /// The score of each part before its weight, and why, in the order in which they were added. Empty where the sum does not count.
    pub parts: Vec<Verdict>,
    /// The weight of each part at this step.
    pub weights: Vec<f64>,
}

/// `clip(sum_i weight_i(step) * score_i, low, high)` if every gate is right, else the score of a closed gate.
///
/// ```
/// use regimen_rl_rewards::reward::{Overlong, Response, Reward};
/// use regimen_rl_rewards::verify::{MathAnswer, Tags};
///
/// let reward = Reward::new()
///     .with(MathAnswer::default(), 1.0)?
///     .with(Overlong::new(480, 512)?, 0.5)?
///     .gated_by(Tags::think_then_answer())?;
/// let responses = [
///     Response::new("<think>1+1</think><answer>2</answer>", 496),
///     Response::new("2", 4),
/// ];
/// let scored = reward.score(&responses, &["2", "2"])?;
/// assert_eq!((scored[0].score, scored[1].score), (0.75, 0.0)); // 1 - 0.5 * 0.5; the gate is closed
/// assert_eq!(scored[1].closed.map(|why| why.to_string()).unwrap(), "broken: exactly one block of each tag");
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// Weights are numbers or schedules over the steps of training, such as a format reward that is annealed away. Group-normalised advantages do not see a
/// constant that is added to every reward, nor a positive factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Reward<S = AnyScorer> {
    parts: Vec<(S, AnySchedule)>,
    gates: Vec<S>,
    closed: f64,
    unfinished: Option<f64>,
    bounds: Option<[f64; 2]>,
}
checked_serde!(Reward<S>);

/// A weight of a part: a number or a schedule over the steps of training.
fn constant(weight: f64) -> Result<AnySchedule> {
    let constant = Constant::new(weight).map_err(|_| out_of_range("weight", weight, "finite"));
    Ok(constant?.into())
}

fn out_of_range(
    field: &'static str,
    value: impl ToString,
    allowed: &'static str,
) -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    }
}

impl Reward {
    /// Without parts: every reward is 0.
    #[must_use]
    pub fn new() -> Self {
        Self::of_own()
    }
}

impl Default for Reward {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Scorer> Reward<S> {
    /// Without parts, for scorers of one's own type.
    #[must_use]
    pub fn of_own() -> Self {
        Self {
            parts: Vec::new(),
            gates: Vec::new(),
            closed: 0.0,
            unfinished: None,
            bounds: None,
        }
    }

    /// Adds a part with a weight.
    ///
    /// # Errors
    /// If the weight is not finite, or there are more than [`MOST_PARTS`].
    pub fn with(self, part: impl Into<S>, weight: f64) -> Result<Self> {
        let weight = constant(weight)?;
        self.annealed(part, weight)
    }

    /// Adds a part whose weight is a schedule over the steps of training.
    ///
    /// # Errors
    /// If there are more than [`MOST_PARTS`].
    pub fn annealed(mut self, part: impl Into<S>, weight: impl Into<AnySchedule>) -> Result<Self> {
        self.parts.push((part.into(), weight.into()));
        self.checked()
    }

    /// Adds a gate: the sum counts only for responses to which it gives 1.
    ///
    /// # Errors
    /// If there are more than [`MOST_PARTS`].
    pub fn gated_by(mut self, gate: impl Into<S>) -> Result<Self> {
        self.gates.push(gate.into());
        self.checked()
    }

    /// The score of a response that a gate stops, 0 by default.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_closed(self, closed: f64) -> Result<Self> {
        Self { closed, ..self }.checked()
    }

    /// The score of a response that was cut off, in place of all else (TÜLU 3: -10).
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_unfinished(self, unfinished: f64) -> Result<Self> {
        Self {
            unfinished: Some(unfinished),
            ..self
        }
        .checked()
    }

    /// Bounds of the sum; they don't touch the scores of closed gates and of responses that were cut off.
    ///
    /// # Errors
    /// If they are not finite, or the low one is above the high one.
    pub fn clipped(self, low: f64, high: f64) -> Result<Self> {
        Self {
            bounds: Some([low, high]),
            ..self
        }
        .checked()
    }

    /// The rewards of responses, each with its reference, at step 0.
    ///
    /// # Errors
    /// If there are not as many references as responses, or a reward is not finite.
    pub fn score(
        &self,
        responses: &[Response<'_>],
        references: &[impl AsRef<str>],
    ) -> Result<Vec<RewardScore>> {
        self.score_at(0, responses, references)
    }

    /// The rewards at a step of training, which the weights follow.
    ///
    /// # Errors
    /// If there are not as many references as responses, or a reward is not finite.
    pub fn score_at(
        &self,
        step: usize,
        responses: &[Response<'_>],
        references: &[impl AsRef<str>],
    ) -> Result<Vec<RewardScore>> {
        if responses.len() != references.len() {
            let allowed = "as many as there are responses";
            return Err(out_of_range("references", references.len(), allowed));
        }
        let weights: Vec<f64> = self
            .parts
            .iter()
            .map(|(_, weight)| weight.at(step))
            .collect();
        let pairs = responses.iter().zip(references);
        let scored = pairs.map(|(response, reference)| {
            let scored = self.score_one(response, reference.as_ref(), &weights);
            let finite = scored.score.is_finite();
            let what = "reward";
            finite
                .then_some(scored)
                .ok_or(RlRewardsError::NotFinite { what })
        });
        scored.collect()
    }

    fn score_one(&self, response: &Response<'_>, reference: &str, weights: &[f64]) -> RewardScore {
        let mut scored = RewardScore {
            score: 0.0,
            closed: None,
            parts: Vec::new(),
            weights: weights.to_vec(),
        };
        if let Some(unfinished) = self.unfinished.filter(|_| !response.finished) {
            scored.score = unfinished;
            scored.closed = Some(Reason::Unfinished);
            return scored;
        }
        let mut gates = self
            .gates
            .iter()
            .map(|gate| gate.score(response, reference));
        if let Some(closed) = gates.find(|verdict| !verdict.is_right()) {
            scored.score = self.closed;
            scored.closed = Some(closed.reason);
            return scored;
        }
        let parts = self
            .parts
            .iter()
            .map(|(part, _)| part.score(response, reference));
        scored.parts = parts.collect();
        let terms = scored.parts.iter().zip(weights);
        scored.score = terms.map(|(part, weight)| weight * part.score).sum();
        if let Some([low, high]) = self.bounds {
            scored.score = scored.score.clamp(low, high);
        }
        scored
    }
}

impl<S> Checked for Reward<S> {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, count) in [("parts", self.parts.len()), ("gates", self.gates.len())] {
            check(field, count as f64, count <= MOST_PARTS, "64 at most")?;
        }
        check("closed", self.closed, true, "finite")?;
        check("unfinished", self.unfinished.unwrap_or(0.0), true, "finite")?;
        let [low, high] = self.bounds.unwrap_or([0.0; 2]);
        check("low", low, low <= high, "finite, the high bound at most")?;
        check("high", high, true, "finite")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_schedules::Linear;

    use super::*;
    use crate::reward::{Overlong, PerToken};
    use crate::verify::{Gsm8k, Json, Tags, Verifier};

    #[test]
    fn the_reward_of_tulu() {
        let reward = Reward::new().with(Gsm8k::default(), 10.0).unwrap();
        let reward = reward.with_unfinished(-10.0).unwrap();
        let responses = [
            Response::new("so 7", 3),
            Response::new("so 8", 3),
            Response::cut_off("so 7", 3),
        ];
        let scored = reward.score(&responses, &["7"; 3]).unwrap();
        let scores: Vec<f64> = scored.iter().map(|scored| scored.score).collect();
        assert_eq!(scores, [10.0, 0.0, -10.0]);
        assert_eq!(scored[2].closed, Some(Reason::Unfinished));
        assert_eq!(scored[0].parts, [Verdict::right()]);
    }

    #[test]
    fn weights_are_annealed_and_sums_clipped() {
        let format = Linear::new(1.0, 10).unwrap();
        let reward = Reward::new()
            .with(Gsm8k::default(), 2.0)
            .unwrap()
            .annealed(Json::default(), format)
            .unwrap()
            .with(PerToken::new(0.25).unwrap(), 1.0)
            .unwrap()
            .clipped(-0.5, 2.5)
            .unwrap();
        let score = |step, text, tokens| {
            let scored = reward.score_at(step, &[Response::new(text, tokens)], &["7"]);
            scored.unwrap()[0].score
        };
        assert_eq!(score(0, "7", 0), 2.5);
        assert_eq!(score(5, "7", 1), 2.25);
        assert_eq!(score(10, "7", 2), 1.5);
        assert_eq!(score(10, "x", 9), -0.5);
    }

    #[test]
    fn a_gate_is_right_or_stops_all() {
        let reward = Reward::new().with(Gsm8k::default(), 1.0).unwrap();
        let reward = reward.gated_by(Tags::new(&["answer"]).unwrap()).unwrap();
        let reward = reward.with_closed(-1.0).unwrap().clipped(0.0, 1.0).unwrap();
        let responses = ["<answer>7</answer>", "7"].map(|text| Response::new(text, 1));
        let scored = reward.score(&responses, &["7", "7"]).unwrap();
        assert_eq!((scored[0].score, scored[1].score), (1.0, -1.0));
        assert!(scored[1].parts.is_empty() && scored[1].closed.is_some());
        let error = reward.score(&responses, &["7"]).unwrap_err().to_string();
        assert!(error.contains("`references` is 1"), "{error}");
    }

    #[test]
    fn own_scorers() {
        struct Own;
        impl Scorer for Own {
            fn score(&self, response: &Response<'_>, _: &str) -> Verdict {
                Verdict::graded(response.tokens as f64, Reason::Alike)
            }
        }
        let reward = Reward::<Own>::of_own().with(Own, 0.5).unwrap();
        let scored = reward.score(&[Response::new("", 3)], &[""]).unwrap();
        assert_eq!(scored[0].score, 1.5);
        let boxed = Reward::<Box<dyn Scorer>>::of_own().with(Box::new(Own) as Box<dyn Scorer>, 1.0);
        let scored = boxed
            .unwrap()
            .score(&[Response::new("", 3)], &[""])
            .unwrap();
        assert_eq!(scored[0].score, 3.0);
    }

    #[test]
    fn settings_that_are_refused_and_files() {
        let new = Reward::new;
        assert!(new().with(Gsm8k::default(), f64::NAN).is_err());
        assert!(new().clipped(1.0, 0.0).is_err());
        assert!(new().clipped(f64::NAN, 0.0).is_err());
        assert!(new().with_closed(f64::INFINITY).is_err());
        assert!(new().with_unfinished(f64::NAN).is_err());
        let full = (0..MOST_PARTS).try_fold(new(), |reward, _| reward.with(Gsm8k::default(), 1.0));
        assert!(full.unwrap().with(Gsm8k::default(), 1.0).is_err());
        let reward = new().with(Overlong::new(1, 2).unwrap(), 1.0).unwrap();
        let reward = reward.gated_by(Tags::think_then_answer()).unwrap();
        let text = serde_json::to_string(&reward).unwrap();
        assert_eq!(serde_json::from_str::<Reward>(&text).unwrap(), reward);
        assert!(
            serde_json::from_str::<Reward>(&text.replace("\"limit\":2", "\"limit\":1")).is_err()
        );
        assert!(Gsm8k::default().verify("7", "7").is_right());
    }
}
