//! What the policy can do alone, and how far each reward is from the truth early and late in an answer.

use std::cmp::Ordering;

use anyhow::{Result, ensure};
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::search::ProcessReward;

use super::bench::{Bench, Kind, OPERATIONS, Stream, labelled, stream};
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::chain::Class;
use crate::rl_rewards::bed::evaluate::accuracy;
use crate::rl_rewards::bed::task::Part;

/// How many samples the rewards are compared with.
const SAMPLES: usize = 400;

/// The least share of chains of known facts, in percent, that the policy's most probable answers have to be right in.
const BAND: f64 = 90.0;

/// Of the scores of beginnings, in the first half of the operations or after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calibration {
    /// The mean of score minus truth, which is 1 or 0.
    pub(super) over: f64,
    /// The chance that a right beginning is scored above a wrong one: the area under the curve.
    pub(super) order: f64,
}

impl Calibration {
    fn of(right: &[f64], wrong: &[f64]) -> Self {
        let count = (right.len() + wrong.len()).max(1) as f64;
        let sum: f64 =
            right.iter().map(|score| score - 1.0).sum::<f64>() + wrong.iter().sum::<f64>();
        let above = |one: &f64| -> f64 {
            let of = wrong.iter().map(|other| match one.total_cmp(other) {
                Ordering::Greater => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Less => 0.0,
            });
            of.sum()
        };
        let pairs = (right.len() * wrong.len()).max(1) as f64;
        Self {
            over: sum / count,
            // The sum of nothing is -0.
            order: 0.0 + right.iter().map(above).sum::<f64>() / pairs,
        }
    }
}

impl Bench {
    /// Notes what the policy and the rewards are.
    ///
    /// # Errors
    /// If the policy is outside of its band; at the small size any serves.
    pub(super) fn describe(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        trial.record("base", "main", self.greedy(context)?);
        let all = self.calibrations(context, trial.seed)?;
        for (kind, both) in Kind::of(context).iter().zip(all) {
            for (one, when) in both.into_iter().zip(["early", "late"]) {
                let arm = format!("reward, {}", kind.name());
                trial.record(&arm, &format!("score minus truth, {when}"), one.over);
                trial.record(&arm, &format!("order, {when}"), one.order);
            }
        }
        let known = self.known(context)?;
        trial.record("base", "known facts", known);
        ensure!(
            context.small || known >= BAND,
            "the warm-up is outside of its band: {known:.1} % of chains of known facts are right"
        );
        Ok(())
    }

    /// The share of the tested prompts, in percent, whose most probable answer is right.
    pub(super) fn greedy(&self, context: &Context) -> Result<f64> {
        let device = context.device.clone().inner();
        Ok(accuracy(&self.policy, &self.task, &self.problems, &device)?.all)
    }

    /// Of each reward, early and late.
    pub(super) fn calibrations(
        &self,
        context: &Context,
        seed: u64,
    ) -> Result<Vec<[Calibration; 2]>> {
        let mut rng = stream(seed, Stream::Calibrated);
        let samples = if context.small { SAMPLES / 4 } else { SAMPLES };
        let texts = labelled(&self.task, &self.policy, context, (samples, 0.0), &mut rng)?;
        let mut beginnings = Vec::new();
        for one in &texts {
            for (tokens, right) in &one.labels {
                beginnings.push((
                    one.prompt.as_slice(),
                    beginning(&one.text, *tokens)?,
                    *right,
                ));
            }
        }
        let pairs: Vec<_> = beginnings
            .iter()
            .map(|(prompt, text, _)| (*prompt, text))
            .collect();
        let of_kind = |kind: &Kind| {
            let scores = self.scorer(*kind).scores(&pairs)?;
            // Wrong and right ones, early and late.
            let mut apart = [const { [const { Vec::new() }; 2] }; 2];
            for (score, (_, text, right)) in scores.into_iter().zip(&beginnings) {
                let late = usize::from(text.len() > OPERATIONS / 2);
                apart[late][usize::from(*right)].push(score);
            }
            Ok(apart.map(|[wrong, right]| Calibration::of(&right, &wrong)))
        };
        Kind::of(context).iter().map(of_kind).collect()
    }

    /// The share of chains of known facts, in percent, whose most probable answer is right.
    pub(super) fn known(&self, context: &Context) -> Result<f64> {
        let mut rng = stream(1, Stream::Calibrated);
        let mut known = Vec::new();
        let count = if context.small { 20 } else { 200 };
        while known.len() < count {
            let problem = self.task.problem_of(OPERATIONS, Part::HeldOut, &mut rng);
            if self.task.class(&problem) == Class::Known {
                known.push(problem);
            }
        }
        let device = context.device.clone().inner();
        Ok(accuracy(&self.policy, &self.task, &known, &device)?.all)
    }
}

/// The first tokens of a text.
fn beginning(text: &Completion, tokens: usize) -> Result<Completion> {
    let end = if tokens == text.len() {
        text.end()
    } else {
        End::Truncated
    };
    let mut found = Completion::new(end);
    for token in &text.tokens()[..tokens] {
        found.sampled(*token, 0.0)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_of_four_scores() {
        let found = Calibration::of(&[0.9, 0.4], &[0.4, 0.1]);
        assert!((found.over - (-0.1 - 0.6 + 0.4 + 0.1) / 4.0).abs() < 1e-12);
        // Of four pairs, three in order and one tied.
        assert!((found.order - 3.5 / 4.0).abs() < 1e-12);
        let none = Calibration::of(&[], &[]);
        assert_eq!((none.over, none.order), (0.0, 0.0));
    }
}
