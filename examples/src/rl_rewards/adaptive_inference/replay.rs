//! A policy that gives samples which were drawn before, so that all rules read the same ones in the same order, and the scores that pruning asks for.

use std::cell::RefCell;
use std::collections::HashMap;

use regimen_rl_rewards::policy::{
    Beginning, Completion, Rollout, Rollouts, SamplePolicy, Step, StepPolicy,
};
use regimen_rl_rewards::search::ProcessReward;

use super::bench::{Bench, Key, Score, beginning};

/// A policy that gives the samples of a prompt one after the other.
pub(super) struct Replay<'a> {
    bench: &'a Bench,
    /// Of each prompt its place, and how many samples of it were given.
    given: RefCell<HashMap<&'a [u32], (usize, usize)>>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(bench: &'a Bench) -> Self {
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
pub(super) struct Halves<'a> {
    replay: Replay<'a>,
    /// Samples by prompt and beginning, the first that was given first.
    rest: RefCell<HashMap<Key, Vec<&'a Completion>>>,
}

impl<'a> Halves<'a> {
    pub(super) fn new(bench: &'a Bench) -> Self {
        Self {
            replay: Replay::new(bench),
            rest: RefCell::default(),
        }
    }
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

/// The reward of pruning: of beginnings, and of whole samples.
pub(super) struct Pruning<'a> {
    pub(super) bench: &'a Bench,
    pub(super) by_score: bool,
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
