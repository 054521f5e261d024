//! What all searches over steps do in a round: go on with texts, score them, count.

use std::sync::Arc;

use super::found::Answer;
use super::process_reward::{ProcessReward, scores};
use crate::error::{Result, RlRewardsError};
use crate::keyed::mixed;
use crate::policy::{Beginning, Completion, End, Step, StepPolicy};

/// A text so far, whether it is over, and its score.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) completion: Arc<Completion>,
    pub(super) over: bool,
    pub(super) score: f64,
}

impl Text {
    /// Nothing yet.
    pub(super) fn empty() -> Self {
        Self {
            completion: Arc::new(Completion::new(End::Truncated)),
            over: false,
            score: 0.0,
        }
    }

    pub(super) fn answer(&self) -> Answer {
        Answer {
            completion: Arc::clone(&self.completion),
            score: self.score,
            whole: self.over,
        }
    }
}

/// A text to be gone on with, of a prompt.
pub(super) struct Wanted<'a> {
    pub(super) prompt: &'a [u32],
    pub(super) so_far: &'a Completion,
    pub(super) seed: u64,
}

/// One more step of each text with its score, and the tokens that it took.
pub(super) fn go_on<P, R>(policy: &P, reward: &R, wanted: &[Wanted<'_>]) -> Result<Vec<(Text, u64)>>
where
    P: StepPolicy + ?Sized,
    R: ProcessReward + ?Sized,
{
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let beginnings = wanted.iter().map(|one| Beginning {
        prompt: one.prompt,
        so_far: one.so_far,
        seed: one.seed,
    });
    let steps = policy.steps(&beginnings.collect::<Vec<_>>())?;
    if steps.len() != wanted.len() {
        return Err(RlRewardsError::OutOfRange {
            field: "steps",
            value: format!("{} of them", steps.len()),
            allowed: "one a beginning",
        });
    }
    let pairs = wanted.iter().zip(&steps);
    let texts: Vec<_> = pairs
        .map(|(one, step)| (one.prompt, &step.completion))
        .collect();
    let scores = scores(reward, &texts)?;
    let all = steps.into_iter().zip(scores).zip(wanted);
    let text = |((step, score), one): ((Step, f64), &Wanted<'_>)| {
        let Step { completion, over } = step;
        let tokens = completion
            .count_sampled()
            .saturating_sub(one.so_far.count_sampled());
        let completion = Arc::new(completion);
        let text = Text {
            completion,
            over,
            score,
        };
        (text, tokens as u64)
    };
    Ok(all.map(text).collect())
}

/// The seed of a draw.
pub(super) fn seed_of(seed: u64, key: u64, round: u64, place: u64) -> u64 {
    mixed([seed, key, round, place])
}
