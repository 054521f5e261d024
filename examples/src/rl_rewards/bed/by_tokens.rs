//! A warm-up whose updates have as many trained tokens each, however long its demonstrations are: arms are compared at equal trained tokens.

use anyhow::Result;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Sequences};

use super::kept::Kept;
use super::policy::Policy;
use super::symbols::BLANK;
use super::task::{Part, Task};
use super::warm_up::{WarmUp, imitation, pairs};

/// How it runs: AdamW with the rates of a [`WarmUp`].
#[derive(Clone, Copy, Debug)]
pub struct ByTokens {
    /// Updates.
    pub updates: usize,
    /// Trained tokens of an update, to the nearest demonstration; what one has too many or too few, the next one makes up for.
    pub tokens: usize,
    /// The rate.
    pub rate: f64,
}

/// What it gave.
#[derive(Clone, Debug)]
pub struct Taught {
    /// The policy.
    pub policy: Policy,
    /// Tokens that were trained on.
    pub trained: usize,
    /// Demonstrations.
    pub shown: usize,
}

type Shown = (Vec<u32>, Completion);

/// Updates whose demonstrations are drawn together, so that those of an update are about as long as each other.
const TOGETHER: usize = 8;

impl ByTokens {
    /// Trains a policy on what a task's warm-up shows, once for all runs of this program.
    ///
    /// # Errors
    /// If the device can't return the policy.
    pub fn teach<T: Task>(
        &self,
        policy: Policy,
        task: &T,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Taught> {
        let kept = Kept::of(self, &policy, &format!("{task:?}"), rng)?;
        let batches = self.batches(task, rng);
        let all = || batches.iter().flatten();
        let trained = all().map(|(_, one)| one.count_sampled()).sum();
        let shown = all().count();
        let found = match &kept {
            Some(kept) => kept.read(&policy, rng)?,
            None => None,
        };
        let policy = match found {
            Some(found) => found,
            None => {
                let policy = self.run(policy, batches, device)?;
                if let Some(kept) = kept {
                    kept.write(&policy, rng)?;
                }
                policy
            }
        };
        Ok(Taught {
            policy,
            trained,
            shown,
        })
    }

    /// Demonstrations of each update.
    fn batches<T: Task>(&self, task: &T, rng: &mut ChaCha8Rng) -> Vec<Vec<Shown>> {
        let mut batches: Vec<Vec<Shown>> = Vec::new();
        let mut pool: Vec<Shown> = Vec::new();
        // Tokens that the updates so far have too many, negative for too few.
        let mut over = 0;
        while batches.len() < self.updates {
            let mut tokens: usize = pool.iter().map(|(_, one)| one.count_sampled()).sum();
            while tokens < TOGETHER * self.tokens {
                let problem = task.draw(Part::Training, rng);
                let shown = (task.prompt(&problem), task.taught(&problem, rng));
                tokens += shown.1.count_sampled();
                pool.push(shown);
            }
            pool.sort_by_key(|(_, one)| one.len());
            let (mut drawn, mut batch, mut tokens) = (Vec::new(), Vec::new(), over);
            for shown in pool.drain(..) {
                let more = shown.1.count_sampled() as isize;
                if !batch.is_empty() && tokens + more / 2 >= self.tokens as isize {
                    drawn.push(std::mem::take(&mut batch));
                    over = tokens - self.tokens as isize;
                    tokens = over;
                }
                tokens += more;
                batch.push(shown);
            }
            pool = batch;
            drawn.shuffle(rng);
            batches.append(&mut drawn);
        }
        batches.truncate(self.updates);
        batches
    }

    fn run(&self, mut policy: Policy, batches: Vec<Vec<Shown>>, device: &Device) -> Result<Policy> {
        let rates = WarmUp {
            updates: self.updates,
            rate: self.rate,
            ..WarmUp::default()
        };
        let mut optim = AdamWConfig::new().with_epsilon(1e-8).init();
        for (update, batch) in batches.into_iter().enumerate() {
            let sequences = Sequences::new(&pairs(batch)?, BLANK, device)?;
            let loss = imitation(&policy, &sequences)?;
            let grads = GradientsParams::from_grads(loss.backward(), &policy);
            policy = optim.step(rates.rate_at(update), policy, grads);
        }
        Ok(policy)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::super::sudoku::{Form, Sudoku};
    use super::*;

    /// Whatever is shown, the updates have the tokens that were asked for, and each of them to a demonstration.
    #[test]
    fn updates_have_as_many_tokens() {
        let warm_up = ByTokens {
            updates: 30,
            tokens: 400,
            rate: 1e-3,
        };
        for form in [Form::Direct, Form::Search] {
            let task = Sudoku::new(10..=11, form);
            let batches = warm_up.batches(&task, &mut ChaCha8Rng::seed_from_u64(0));
            assert_eq!(batches.len(), 30);
            let tokens = |batch: &[Shown]| batch.iter().map(|(_, one)| one.count_sampled()).sum();
            let all = || batches.iter().flatten();
            let longest = all().map(|(_, one)| one.count_sampled()).max().unwrap();
            let found: Vec<usize> = batches.iter().map(|batch| tokens(batch)).collect();
            assert!(found.iter().all(|found| found.abs_diff(400) <= longest));
            assert!(found.iter().sum::<usize>().abs_diff(30 * 400) <= TOGETHER * longest);
        }
    }
}
