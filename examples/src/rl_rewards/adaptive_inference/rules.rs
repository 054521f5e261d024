//! The rules that decide how many samples of a prompt are read and which one is the answer.

use anyhow::Result;
use regimen_rl_rewards::policy::Completion;
use regimen_rl_rewards::search::{BestOfN, Budget, Found, Pruned, SelfConsistency};

use super::bench::{Bench, MOST, Sampled, Score};
use super::replay::{Halves, Pruning, Replay};

/// What a rule came to.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Percent of the prompts whose answer is right.
    pub(super) right: f64,
    /// Samples of a prompt in the mean.
    pub(super) samples: f64,
    /// Samples of each prompt.
    pub(super) read: Vec<u64>,
}

impl Outcome {
    fn new(right: usize, read: Vec<u64>) -> Self {
        let prompts = read.len().max(1) as f64;
        Self {
            right: 100.0 * right as f64 / prompts,
            samples: read.iter().sum::<u64>() as f64 / prompts,
            read,
        }
    }
}

impl Bench {
    fn outcome(&self, found: &[Found]) -> Outcome {
        let right = found.iter().zip(&self.samples).filter(|(found, samples)| {
            let best = found.best.as_ref();
            best.is_some_and(|best| {
                let is_it = |one: &&Sampled| one.text == *best.completion;
                samples.iter().find(is_it).is_some_and(|one| one.right)
            })
        });
        let read = found.iter().map(|one| one.spent.calls).collect();
        Outcome::new(right.count(), read)
    }

    /// The best of so many by a score.
    pub(super) fn best_of(&self, samples: usize, by: Score) -> Result<Outcome> {
        self.search(BestOfN::new(samples)?, by)
    }

    /// Samples one after the other until the best score is `enough`.
    pub(super) fn adaptive(&self, enough: f64, by: Score) -> Result<Outcome> {
        self.search(BestOfN::new(MOST)?.with_enough(enough)?, by)
    }

    fn search(&self, search: BestOfN, by: Score) -> Result<Outcome> {
        let reward = |prompt: &[u32], text: &Completion| self.score(by, prompt, text);
        let search = search.with_at_once(1)?;
        let found = search.run(
            &Replay::new(self),
            &reward,
            &self.prompts,
            Budget::unbounded(),
            0,
        )?;
        Ok(self.outcome(&found))
    }

    /// Votes until the leading answer is as sure, or of a fixed number.
    pub(super) fn vote(&self, samples: usize, confidence: Option<f64>) -> Result<Outcome> {
        let mut search = SelfConsistency::new(samples)?.with_at_once(1)?;
        if let Some(confidence) = confidence {
            search = search.with_confidence(confidence)?;
        }
        let reading = |_: &[u32], text: &Completion| text.content().last().copied();
        let found = search.run(
            &Replay::new(self),
            &reading,
            &self.prompts,
            Budget::unbounded(),
            0,
        )?;
        Ok(self.outcome(&found))
    }

    /// As many samples as a prompt has operations, the best by the policy's own score.
    pub(super) fn by_operations(&self) -> Result<Outcome> {
        let most = self.operations.iter().max().copied().unwrap_or(1);
        let of_count = (1..=most).map(|count| {
            let search = BestOfN::new(count)?.with_at_once(1)?;
            let reward = |prompt: &[u32], text: &Completion| self.score(Score::Own, prompt, text);
            Ok(search.run(
                &Replay::new(self),
                &reward,
                &self.prompts,
                Budget::unbounded(),
                0,
            )?)
        });
        let of_count = of_count.collect::<Result<Vec<Vec<Found>>>>()?;
        let chosen = self.operations.iter().enumerate();
        let chosen: Vec<Found> = chosen
            .map(|(place, count)| of_count[count - 1][place].clone())
            .collect();
        Ok(self.outcome(&chosen))
    }

    /// Ends once the *mean* of the scores is `enough`: a fault.
    pub(super) fn by_mean(&self, enough: f64) -> Outcome {
        let (mut right, mut read) = (0, Vec::new());
        for (prompt, samples) in self.prompts.iter().zip(&self.samples) {
            let (mut sum, mut best, mut count) = (0.0, (f64::NEG_INFINITY, false), 0_u32);
            for one in samples {
                let score = self.score(Score::Own, prompt, &one.text);
                sum += score;
                count += 1;
                if score > best.0 {
                    best = (score, one.right);
                }
                if sum / f64::from(count) >= enough {
                    break;
                }
            }
            right += usize::from(best.1);
            read.push(u64::from(count));
        }
        Outcome::new(right, read)
    }

    /// Half of eight samples is given up at half of the answer: by what the policy says of the beginnings, or by chance. The rest is
    /// chosen from by what it says at the end.
    pub(super) fn pruned(&self, by_score: bool) -> Result<Outcome> {
        let reward = Pruning {
            bench: self,
            by_score,
        };
        let policy = Halves::new(self);
        let search = Pruned::new(MOST / 2, MOST / 4, 2)?;
        let found = search.run(&policy, &reward, &self.prompts, Budget::unbounded(), 0)?;
        Ok(self.outcome(&found))
    }

    /// How many samples a rule reads after one whose own word was enough.
    pub(super) fn late(&self, enough: f64, outcome: &Outcome) -> u64 {
        let prompts = self.prompts.iter().zip(&self.samples).zip(&outcome.read);
        let late = prompts.map(|((prompt, samples), read)| {
            let is_enough = |one: &Sampled| self.score(Score::Own, prompt, &one.text) >= enough;
            let first = samples.iter().position(is_enough);
            first.map_or(0, |first| read.saturating_sub(first as u64 + 1))
        });
        late.sum()
    }
}

/// The threshold of a rule whose mean number of samples is nearest to `wanted`, and what it comes to. It looks at numbers of samples alone. Where none is
/// within a twentieth, as of votes, it is the next one that reads more.
pub(super) fn threshold(
    wanted: f64,
    range: [f64; 2],
    rule: impl Fn(f64) -> Result<Outcome>,
) -> Result<(f64, Outcome)> {
    let [mut below, mut above] = [(range[0], rule(range[0])?), (range[1], rule(range[1])?)];
    for _ in 0..24 {
        let middle = f64::midpoint(below.0, above.0);
        let found = rule(middle)?;
        if found.samples > wanted {
            above = (middle, found);
        } else {
            below = (middle, found);
        }
    }
    let [far_below, far_above] = [&below, &above].map(|one| (one.1.samples - wanted).abs());
    if far_below <= far_above.min(0.05) {
        Ok(below)
    } else {
        Ok(above)
    }
}
