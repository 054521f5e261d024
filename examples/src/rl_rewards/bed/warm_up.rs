//! The warm-up: supervised learning of demonstrations, to the base policy that all arms of an experiment start from.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts, ScorePolicy, Sequences};

use super::kept::Kept;
use super::symbols::BLANK;
use super::task::{Part, Task};

/// How a warm-up runs: AdamW at this rate, which rises over the first 30 updates and is .3 of it in the last quarter.
#[derive(Clone, Copy, Debug)]
pub struct WarmUp {
    /// Updates.
    pub updates: usize,
    /// Demonstrations an update.
    pub batch: usize,
    /// The rate.
    pub rate: f64,
}

impl Default for WarmUp {
    fn default() -> Self {
        Self {
            updates: 560,
            batch: 64,
            rate: 2e-3,
        }
    }
}

/// The updates over which the rate rises.
const RISE: usize = 30;

impl WarmUp {
    /// The rate of an update.
    #[must_use]
    pub fn rate_at(&self, update: usize) -> f64 {
        let rise = ((update + 1) as f64 / RISE as f64).min(1.0);
        let last = if 4 * update >= 3 * self.updates {
            0.3
        } else {
            1.0
        };
        self.rate * rise * last
    }

    /// Trains a policy on what a task's warm-up shows.
    ///
    /// # Errors
    /// If a demonstration has no token.
    pub fn teach<M: ScorePolicy + Module, T: Task>(
        &self,
        policy: M,
        task: &T,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<M> {
        self.kept(policy, &format!("{task:?}"), rng, device, |rng| {
            let problem = task.draw(Part::Training, rng);
            (task.prompt(&problem), task.taught(&problem, rng))
        })
    }

    /// As [`run`](Self::run), once for all runs of this program: the policy and the generator are then those of the first run.
    ///
    /// `task` tells tasks apart. Another program, warm-up, policy at the start, generator or task is another run.
    ///
    /// # Errors
    /// If a demonstration has no token, or the device can't return the policy.
    pub fn kept<M: ScorePolicy + Module>(
        &self,
        policy: M,
        task: &str,
        rng: &mut ChaCha8Rng,
        device: &Device,
        mut demonstration: impl FnMut(&mut ChaCha8Rng) -> (Vec<u32>, Completion),
    ) -> Result<M> {
        let Some(kept) = Kept::of(self, &policy, task, rng)? else {
            return self.run(policy, device, || demonstration(rng));
        };
        if let Some(found) = kept.read(&policy, rng)? {
            return Ok(found);
        }
        let policy = self.run(policy, device, || demonstration(rng))?;
        kept.write(&policy, rng)?;
        Ok(policy)
    }

    /// Trains a policy on demonstrations, a prompt with its completion, of which each is drawn once.
    ///
    /// # Errors
    /// If a demonstration has no token.
    pub fn run<M: ScorePolicy + Module>(
        &self,
        mut policy: M,
        device: &Device,
        mut demonstration: impl FnMut() -> (Vec<u32>, Completion),
    ) -> Result<M> {
        let mut optim = AdamWConfig::new().with_epsilon(1e-8).init();
        for update in 0..self.updates {
            let batch: Vec<_> = (0..self.batch).map(|_| demonstration()).collect();
            let sequences = Sequences::new(&pairs(batch)?, BLANK, device)?;
            let loss = imitation(&policy, &sequences)?;
            let grads = GradientsParams::from_grads(loss.backward(), &policy);
            policy = optim.step(self.rate_at(update), policy, grads);
        }
        Ok(policy)
    }
}

/// Prompts, each with one completion.
///
/// # Errors
/// If a prompt has no token.
pub fn pairs(pairs: Vec<(Vec<u32>, Completion)>) -> Result<Rollouts> {
    let (prompts, completions): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let rollouts = completions.into_iter().enumerate();
    let rollouts = rollouts.map(|(prompt, completion)| Rollout { prompt, completion });
    Ok(Rollouts::new(prompts, rollouts.collect())?)
}

/// The mean negative log-probability of the sampled tokens.
///
/// # Errors
/// As the policy says.
pub fn imitation(policy: &impl ScorePolicy, sequences: &Sequences) -> Result<Tensor<1>> {
    let count = sequences.count_sampled().max(1) as f64;
    Ok(-policy.log_probs(sequences)?.sum() / count)
}
