//! # Pruned
//!
//! Best of n, of which most are given up after their beginning.
//!
//! Source: "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation", arXiv 2410.02725, mid-generation
//! pruning.

use std::time::Instant;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::budget::{Budget, Spent};
use super::found::{Found, Progress, Unwatched, Watch};
use super::process_reward::ProcessReward;
use super::rounds::{Text, Wanted, go_on, seed_of};
use crate::error::{Result, check};
use crate::keyed::key;
use crate::policy::StepPolicy;

/// Samples and steps at most.
const MOST: usize = 1 << 20;

/// Samples beginnings of one step, keeps those with the largest scores, and writes only these to their end.
///
/// | parameter | range |
/// |---|---|
/// | `samples` | 1 to 2^20 |
/// | `kept` | 1 to `samples` |
/// | `steps` | 1 to 2^20: steps of an answer at most |
///
/// A step is what the policy makes of it: with [`Steps`](crate::policy::Steps) so many tokens, say. Where it is a share `f` of an answer, and a share `q` is kept, the tokens are
/// `f + q (1 - f)` of those of all. The result is the whole answer with the largest last score.
///
/// ```
/// use regimen_rl_rewards::policy::StepPolicy;
/// use regimen_rl_rewards::search::{Budget, Found, ProcessReward, Pruned};
/// use regimen_rl_rewards::Result;
///
/// fn search(policy: &impl StepPolicy, reward: &impl ProcessReward, prompts: &[Vec<u32>]) -> Result<Vec<Found>> {
///     Pruned::new(16, 4, 100)?.run(policy, reward, prompts, Budget::unbounded(), 0)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias = "early pruning")]
pub struct Pruned {
    samples: usize,
    kept: usize,
    steps: usize,
}
checked_serde!(Pruned);

/// The answers of a prompt.
struct Open {
    key: u64,
    texts: Vec<Text>,
    done: bool,
}

impl Pruned {
    /// So many samples, those that are kept, and steps at most.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn new(samples: usize, kept: usize, steps: usize) -> Result<Self> {
        Self {
            samples,
            kept,
            steps,
        }
        .checked()
    }

    /// Searches answers to each prompt, all prompts a step at a time. Draws follow from the seed, the prompt, the step and the sample.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a score is not finite.
    pub fn run<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        self.run_watched(policy, reward, prompts, budget, seed, &mut Unwatched)
    }

    /// As [`run`](Self::run), told of each step.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_watched<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let since = Instant::now();
        let mut found: Vec<Found> = prompts.iter().map(|_| Found::nothing()).collect();
        let open = |prompt: &Vec<u32>| Open {
            key: key(prompt),
            texts: vec![Text::empty(); self.samples],
            done: false,
        };
        let mut all: Vec<Open> = prompts.iter().map(open).collect();
        for step in 1..=self.steps {
            for (one, found) in all.iter_mut().zip(&mut found).filter(|(one, _)| !one.done) {
                let calls = one.texts.iter().filter(|text| !text.over).count() as u64;
                if calls == 0 {
                    one.done = true;
                } else if !budget.allows(&found.spent, [calls; 2], since) {
                    (one.done, found.cut_off) = (true, true);
                }
            }
            if all.iter().all(|one| one.done) {
                break;
            }
            step_all(
                policy,
                reward,
                prompts,
                (&mut all, &mut found),
                (step as u64, seed),
            )?;
            if step == 1 {
                for one in all.iter_mut().filter(|one| !one.done) {
                    // The first of equal scores stays the first.
                    one.texts.sort_by(|a, b| b.score.total_cmp(&a.score));
                    one.texts.truncate(self.kept);
                }
            }
            let progress = Progress {
                round: step,
                open: all.iter().filter(|one| !one.done).count(),
                found: &found,
            };
            if watch.round(&progress).is_break() {
                for (one, found) in all.iter().zip(&mut found) {
                    found.cut_off |= !one.done;
                }
                break;
            }
        }
        Ok(found)
    }
}

/// Goes on with every text that is not over.
fn step_all<P, R>(
    policy: &P,
    reward: &R,
    prompts: &[Vec<u32>],
    (all, found): (&mut [Open], &mut [Found]),
    (step, seed): (u64, u64),
) -> Result<()>
where
    P: StepPolicy + ?Sized,
    R: ProcessReward + ?Sized,
{
    let open = all.iter().enumerate().filter(|(_, one)| !one.done);
    let open = open.flat_map(|(at, one)| {
        let texts = one.texts.iter().enumerate();
        texts
            .filter(|(_, text)| !text.over)
            .map(move |(place, _)| (at, place))
    });
    let open: Vec<(usize, usize)> = open.collect();
    let wanted = open.iter().map(|(at, place)| Wanted {
        prompt: &prompts[*at],
        so_far: &all[*at].texts[*place].completion,
        seed: seed_of(seed, all[*at].key, step, *place as u64),
    });
    let texts = go_on(policy, reward, &wanted.collect::<Vec<_>>())?;
    for ((at, place), (text, tokens)) in open.into_iter().zip(texts) {
        found[at].spent += Spent {
            tokens,
            calls: 1,
            scorings: 1,
        };
        if text.over {
            found[at].offer(text.answer());
        }
        all[at].texts[place] = text;
    }
    for (one, found) in all.iter().zip(found).filter(|(one, _)| !one.done) {
        if found.best.as_ref().is_none_or(|best| !best.whole) {
            found.best = None;
            one.texts.iter().for_each(|text| found.offer(text.answer()));
        }
    }
    Ok(())
}

impl Checked for Pruned {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, value, most) in [
            ("samples", self.samples, MOST),
            ("kept", self.kept, self.samples.min(MOST)),
            ("steps", self.steps, MOST),
        ] {
            let good = (1..=most).contains(&value);
            check(
                field,
                value as f64,
                good,
                "1 to 2^20, and no more kept than sampled",
            )?;
        }
        Ok(())
    }
}
