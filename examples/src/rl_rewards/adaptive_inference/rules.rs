//! The rules that decide how many samples of a prompt are read and which one is the answer. They read the same samples, in the same order.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::Result;
use regimen_rl_rewards::policy::{
    Beginning, Completion, Rollout, Rollouts, SamplePolicy, Step, StepPolicy,
};
use regimen_rl_rewards::search::{BestOfN, Budget, Found, ProcessReward, Pruned, SelfConsistency};

use super::bench::{Bench, MOST, Sampled, Score, beginning};
use crate::rl_rewards::bed::chain::Class;

/// A policy that gives the samples of a prompt one after the other.
struct Replay<'a> {
    bench: &'a Bench,
    /// Of each prompt its place, and how many samples of it were given.
    given: RefCell<HashMap<&'a [u32], (usize, usize)>>,
}

impl<'a> Replay<'a> {
    fn new(bench: &'a Bench) -> Self {
        let places = bench.prompts.iter().enumerate();
        let places = places.map(|(place, prompt)| (prompt.as_slice(), (place, 0)));
        Self {
            bench,
            given: RefCell::new(places.collect()),
        }
    }

    fn next(&self, prompt: &[u32]) -> Option<&'a Completion> {
        let mut given = self.given.borrow_mut();
        let (place, count) = given.get_mut(prompt)?;
        let sample = self.bench.samples[*place].get(*count)?;
        *count += 1;
        Some(&sample.text)
    }
}

impl SamplePolicy for Replay<'_> {
    fn sample(
        &self,
        prompts: &[Vec<u32>],
        samples: usize,
        _: u64,
    ) -> regimen_rl_rewards::Result<Rollouts> {
        let mut all = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            for _ in 0..samples {
                let completion = self.next(prompt).cloned();
                all.extend(completion.map(|completion| Rollout {
                    prompt: place,
                    completion,
                }));
            }
        }
        Rollouts::new(prompts.to_vec(), all)
    }
}

/// A policy whose first step is half of a sample and whose second is the rest of one with this beginning.
struct Halves<'a> {
    replay: Replay<'a>,
    /// Samples by prompt and beginning, the first that was given first.
    rest: RefCell<HashMap<(Vec<u32>, Vec<u32>), Vec<&'a Completion>>>,
}

impl StepPolicy for Halves<'_> {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> regimen_rl_rewards::Result<Vec<Step>> {
        let mut steps = Vec::with_capacity(beginnings.len());
        for one in beginnings {
            let mut rest = self.rest.borrow_mut();
            if one.so_far.is_empty() {
                if let Some(text) = self.replay.next(one.prompt) {
                    let half = beginning(text)?;
                    let key = (one.prompt.to_vec(), half.tokens().to_vec());
                    rest.entry(key).or_default().push(text);
                    steps.push(Step {
                        completion: half,
                        over: false,
                    });
                }
            } else {
                let key = (one.prompt.to_vec(), one.so_far.tokens().to_vec());
                let found = rest.get_mut(&key).filter(|all| !all.is_empty());
                steps.extend(found.map(|all| Step {
                    completion: all.remove(0).clone(),
                    over: true,
                }));
            }
        }
        Ok(steps)
    }
}

/// What a rule came to: percent right, and samples of a prompt in the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) right: f64,
    pub(super) samples: f64,
}

impl Bench {
    fn outcome(&self, found: &[Found]) -> Outcome {
        let count = found.len() as f64;
        let right = found.iter().zip(&self.samples).filter(|(found, samples)| {
            let best = found.best.as_ref();
            best.is_some_and(|best| {
                let is_it = |one: &&Sampled| one.text == *best.completion;
                samples.iter().find(is_it).is_some_and(|one| one.right)
            })
        });
        let samples: u64 = found.iter().map(|one| one.spent.calls).sum();
        Outcome {
            right: 100.0 * right.count() as f64 / count,
            samples: samples as f64 / count,
        }
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
        let (mut right, mut count) = (0, 0);
        for (prompt, samples) in self.prompts.iter().zip(&self.samples) {
            let (mut sum, mut best) = (0.0, (f64::NEG_INFINITY, false));
            for (place, one) in samples.iter().enumerate() {
                let score = self.score(Score::Own, prompt, &one.text);
                sum += score;
                count += 1;
                if score > best.0 {
                    best = (score, one.right);
                }
                if sum / (place + 1) as f64 >= enough {
                    break;
                }
            }
            right += usize::from(best.1);
        }
        let prompts = self.prompts.len() as f64;
        Outcome {
            right: 100.0 * right as f64 / prompts,
            samples: count as f64 / prompts,
        }
    }

    /// Half of eight samples is given up at half of the answer: by what the policy says of the beginnings, or by chance. The rest is
    /// chosen from by what it says at the end.
    pub(super) fn pruned(&self, by_score: bool) -> Result<Outcome> {
        let reward = Pruning {
            bench: self,
            by_score,
        };
        let policy = Halves {
            replay: Replay::new(self),
            rest: RefCell::default(),
        };
        let search = Pruned::new(MOST / 2, MOST / 4, 2)?;
        let found = search.run(&policy, &reward, &self.prompts, Budget::unbounded(), 0)?;
        Ok(self.outcome(&found))
    }

    /// Of each prompt its class, the samples that the rule by the policy's own word reads at so many in the mean, and how many of them come after
    /// one that was enough.
    pub(super) fn counts(&self, mean: f64, by_mean: bool) -> Result<Vec<(Class, f64, f64)>> {
        let rule = |enough: f64| {
            if by_mean {
                Ok(self.by_mean(enough))
            } else {
                self.adaptive(enough, Score::Own)
            }
        };
        let (enough, _) = self.nearest(mean, [0.0, 1.0], rule)?;
        let prompts = self.prompts.iter().zip(&self.samples).zip(&self.classes);
        let counts = prompts.map(|((prompt, samples), class)| {
            let (mut sum, mut first, mut read) = (0.0, None, 0);
            for one in samples {
                let score = self.score(Score::Own, prompt, &one.text);
                sum += score;
                read += 1;
                if score >= enough {
                    first = first.or(Some(read));
                }
                let looked_at = if by_mean {
                    sum / f64::from(read)
                } else {
                    score
                };
                if looked_at >= enough {
                    break;
                }
            }
            let late = first.map_or(0, |first| read - first);
            (*class, f64::from(read), f64::from(late))
        });
        Ok(counts.collect())
    }

    /// The Brier score of the policy's own word: of the outcome that it is asked for, a win or a tie against the next sample.
    pub(super) fn brier(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (prompt, samples) in self.prompts.iter().zip(&self.samples) {
            for pair in samples.chunks_exact(2) {
                let holds = pair[0].right || !pair[1].right;
                let outcome = f64::from(u8::from(holds));
                sum += (self.score(Score::Own, prompt, &pair[0].text) - outcome).powi(2);
                count += 1.0;
            }
        }
        sum / f64::max(count, 1.0)
    }

    /// The threshold of a rule whose mean number of samples is nearest to `wanted`. It looks at numbers of samples alone.
    pub(super) fn threshold(
        &self,
        wanted: f64,
        range: [f64; 2],
        rule: impl Fn(f64) -> Result<Outcome>,
    ) -> Result<Outcome> {
        Ok(self.nearest(wanted, range, rule)?.1)
    }

    fn nearest(
        &self,
        wanted: f64,
        [mut low, mut high]: [f64; 2],
        rule: impl Fn(f64) -> Result<Outcome>,
    ) -> Result<(f64, Outcome)> {
        let mut best = (low, rule(low)?);
        for _ in 0..24 {
            let middle = f64::midpoint(low, high);
            let found = rule(middle)?;
            if (found.samples - wanted).abs() < (best.1.samples - wanted).abs() {
                best = (middle, found);
            }
            if found.samples > wanted {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(best)
    }
}

/// The reward of pruning: of beginnings, and of whole samples.
struct Pruning<'a> {
    bench: &'a Bench,
    by_score: bool,
}

impl ProcessReward for Pruning<'_> {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> regimen_rl_rewards::Result<Vec<f64>> {
        let score = |(prompt, text): &(&[u32], &Completion)| {
            let whole = self.bench.score(Score::Own, prompt, text);
            if !whole.is_nan() {
                return whole;
            }
            // Samples come in random order: to keep the first is to keep any.
            if self.by_score {
                self.bench.of_beginning(prompt, text)
            } else {
                0.0
            }
        };
        Ok(texts.iter().map(score).collect())
    }
}

/// The chance that a right sample is scored above a wrong one of any prompt, by whole samples.
pub(super) fn order(bench: &Bench, by: Score) -> Result<f64> {
    of_order(bench, |prompt, text| Ok(bench.score(by, prompt, text)))
}

/// As [`order`], by the halves of the samples.
pub(super) fn order_of_beginnings(bench: &Bench) -> Result<f64> {
    of_order(bench, |prompt, text| {
        Ok(bench.of_beginning(prompt, &beginning(text)?))
    })
}

fn of_order(bench: &Bench, score: impl Fn(&[u32], &Completion) -> Result<f64>) -> Result<f64> {
    let (mut scores, mut right) = (Vec::new(), Vec::new());
    for (prompt, samples) in bench.prompts.iter().zip(&bench.samples) {
        for one in samples {
            scores.push(score(prompt, &one.text)?);
            right.push(one.right);
        }
    }
    let ranks = regimen_tensor::stats::ranks(&scores);
    let sum: f64 = ranks
        .iter()
        .zip(&right)
        .filter(|(_, right)| **right)
        .map(|(rank, _)| rank)
        .sum();
    let [yes, no] = [true, false].map(|is| right.iter().filter(|one| **one == is).count() as f64);
    Ok((sum - yes * (yes + 1.0) / 2.0) / (yes * no).max(1.0))
}
