//! What a policy of the test bed can do on held-out prompts.

use std::collections::BTreeMap;

use anyhow::Result;
use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Decoding, NextToken, generate_with};
use regimen_rl_rewards::{TokenSampler, pass_at_k};
use regimen_schedules::Constant;

use super::symbols::END;
use super::task::{Part, Task};

/// Shares, in percent, of held-out prompts.
#[derive(Clone, Debug)]
pub struct Found<L> {
    /// Of all prompts.
    pub all: f64,
    /// Of the prompts of each level.
    pub by_level: BTreeMap<L, f64>,
}

impl<L> Default for Found<L> {
    fn default() -> Self {
        Self {
            all: 0.0,
            by_level: BTreeMap::new(),
        }
    }
}

impl<L: Copy + Ord> Found<L> {
    /// Of the prompts of a level; 0 where there is none.
    #[must_use]
    pub fn of(&self, level: L) -> f64 {
        self.by_level.get(&level).copied().unwrap_or(0.0)
    }
}

/// The sampler of the whole vocabulary at temperature 1.
///
/// # Errors
/// None: the settings are right.
pub fn sampling(task: &impl Task) -> Result<Decoding> {
    let sampler = TokenSampler::new(Constant::ONE);
    Ok(Decoding::new(sampler, END, task.response_length())?)
}

/// Takes the most probable token.
///
/// # Errors
/// None: the settings are right.
pub fn greedy(task: &impl Task) -> Result<Decoding> {
    let sampler = TokenSampler::new(Constant::ONE).with_top_k(1)?;
    Ok(Decoding::new(sampler, END, task.response_length())?)
}

/// Held-out problems, by a seed of their own.
#[must_use]
pub fn held_out<T: Task>(task: &T, count: usize, seed: u64) -> Vec<T::Problem> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| task.draw(Part::HeldOut, &mut rng))
        .collect()
}

/// How a policy is sampled for a test.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    /// Temperature and length.
    pub decoding: &'a Decoding,
    /// Completions of a problem.
    pub samples: usize,
    /// Of all draws.
    pub seed: u64,
}

/// The chance that one of `k` of the completions of a problem is right, for each `k`.
///
/// # Errors
/// If the policy's logits hold no distribution, or `k` is over `samples`.
pub fn pass<M: NextToken, T: Task>(
    policy: &M,
    task: &T,
    problems: &[T::Problem],
    draws: Draws<'_>,
    ks: &[usize],
    device: &Device,
) -> Result<Vec<Found<T::Level>>> {
    let Draws {
        decoding,
        samples,
        seed,
    } = draws;
    let mut prompts = Vec::new();
    let mut place = BTreeMap::new();
    // A prompt that was drawn twice has one group.
    let of_problem: Vec<usize> = problems
        .iter()
        .map(|problem| {
            let prompt = task.prompt(problem);
            *place.entry(prompt.clone()).or_insert_with(|| {
                prompts.push(prompt);
                prompts.len() - 1
            })
        })
        .collect();
    let observer = |prompt: &[u32], so_far: &[u32]| task.observe(prompt, so_far);
    let rollouts = generate_with(policy, &prompts, samples, decoding, &observer, seed, device)?;
    let groups = rollouts.groups();
    let mut found = (0..ks.len()).map(|_| Found::default()).collect::<Vec<_>>();
    let mut counts: BTreeMap<T::Level, f64> = BTreeMap::new();
    for (problem, group) in problems.iter().zip(&of_problem) {
        let is_right =
            |place: &&usize| task.is_right(problem, &rollouts.rollouts()[**place].completion);
        let right = groups[*group].iter().filter(is_right).count();
        let level = task.level(problem);
        *counts.entry(level).or_default() += 1.0;
        for (k, found) in ks.iter().zip(&mut found) {
            let chance = 100.0 * pass_at_k(samples, right, *k)?;
            found.all += chance / problems.len() as f64;
            *found.by_level.entry(level).or_default() += chance;
        }
    }
    for found in &mut found {
        for (level, sum) in &mut found.by_level {
            *sum /= counts[level];
        }
    }
    Ok(found)
}

/// The share of problems, in percent, whose most probable completion is right.
///
/// # Errors
/// If the policy's logits hold no distribution.
pub fn accuracy<M: NextToken, T: Task>(
    policy: &M,
    task: &T,
    problems: &[T::Problem],
    device: &Device,
) -> Result<Found<T::Level>> {
    let draws = Draws {
        decoding: &greedy(task)?,
        samples: 1,
        seed: 0,
    };
    let found = pass(policy, task, problems, draws, &[1], device)?;
    Ok(found.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Module;

    use super::super::chain::{Chain, Class};
    use super::super::policy::PolicyConfig;
    use super::super::warm_up::WarmUp;
    use super::*;

    fn base(updates: usize, config: &PolicyConfig, chain: &Chain) -> super::super::policy::Policy {
        let device = Device::default().autodiff();
        device.seed(0);
        let warm_up = WarmUp {
            updates,
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let policy = config.init(&device);
        let policy = warm_up.teach(policy, chain, &mut rng, &device);
        policy.unwrap().valid()
    }

    /// The warm-up of a narrow policy teaches the form of a response, and of known facts more than of hidden ones.
    #[test]
    fn known_facts_are_learned_and_hidden_ones_are_not() {
        let chain = Chain::new(0);
        let config = PolicyConfig::new().with_width(32).with_hidden(64);
        let policy = base(500, &config, &chain);
        let problems = held_out(&chain, 200, 9);
        let device = Device::default();
        let found = accuracy(&policy, &chain, &problems, &device).unwrap();
        let of = |class| found.of(class);
        assert!(of(Class::Known) > of(Class::Hidden) + 10.0, "{found:?}");
        let draws = Draws {
            decoding: &sampling(&chain).unwrap(),
            samples: 8,
            seed: 0,
        };
        let sampled = pass(&policy, &chain, &problems, draws, &[1, 8], &device);
        let sampled = sampled.unwrap();
        assert!(sampled[1].all > sampled[0].all + 5.0, "{sampled:?}");
    }
}
