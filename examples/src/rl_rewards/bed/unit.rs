//! One unit of reinforcement learning on the test bed: sample, verify, compare within groups, update.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollouts, ScorePolicy, Sequences, generate_with};
use regimen_rl_rewards::recipes::Rlvr;
use regimen_rl_rewards::{Advantage, Advantages, Groups, Objective, TokenBatch, Totals};

use super::budget::Budget;
use super::evaluate::sampling;
use super::policy::Policy;
use super::ppo::Ppo;
use super::symbols::BLANK;
use super::task::{Part, Task};
use crate::optim::adam;

/// How a unit runs: Adam from fresh moments, one update a batch of samples.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Updates.
    pub updates: usize,
    /// Prompts an update.
    pub prompts: usize,
    /// Samples a prompt.
    pub samples: usize,
    /// The rate.
    pub rate: f64,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            updates: 60,
            prompts: 32,
            samples: 8,
            rate: 5e-4,
        }
    }
}

/// By what a policy learns.
#[derive(Clone, Copy)]
pub struct Learning<'a> {
    /// What rewards are compared with.
    pub advantage: &'a dyn Advantage,
    /// What is minimised.
    pub objective: &'a Objective,
}

/// What a unit gave.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The policy after it.
    pub policy: Policy,
    /// What it cost.
    pub budget: Budget,
    /// The share of groups without a signal, over all updates.
    pub no_signal: f64,
}

impl Unit {
    /// Trains a policy on a task.
    ///
    /// # Errors
    /// If the policy's logits hold no distribution, or a reward is not finite.
    pub fn run<T: Task>(
        &self,
        mut policy: Policy,
        task: &T,
        reward: impl Fn(&T::Problem, &Completion) -> f64,
        learning: Learning<'_>,
        seed: u64,
        device: &Device,
    ) -> Result<Trained> {
        let Learning {
            advantage,
            objective,
        } = learning;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut optim = adam(0.999);
        let (mut budget, mut no_signal) = (Budget::default(), 0.0);
        for update in 0..self.updates {
            let seed = seed.wrapping_mul(1 << 20).wrapping_add(update as u64);
            let (problems, rollouts) =
                self.drawn(&policy, task, (&mut rng, seed), &mut budget, device)?;
            let rewards = rollouts.rollouts().iter();
            let rewards = rewards.map(|one| reward(&problems[one.prompt], &one.completion));
            let groups = Groups::of_rollouts(&rollouts, rewards.collect())?;
            let advantages = advantage.advantages(&groups)?;
            no_signal += advantages.no_signal().share() / self.updates as f64;
            let (next, trained) = step(
                policy,
                &rollouts,
                &advantages,
                objective,
                (&mut optim, self.rate),
                device,
            )?;
            policy = next;
            budget.trained += trained;
            budget.updates += 1;
        }
        Ok(Trained {
            policy,
            budget,
            no_signal,
        })
    }

    /// As [`run`](Self::run), by PPO with a value function of its own; `accepts` says whether a response is right.
    ///
    /// # Errors
    /// As there.
    pub fn run_ppo<T: Task>(
        &self,
        start: &Policy,
        task: &T,
        accepts: impl Fn(&T::Problem, &Completion) -> bool,
        rlvr: Rlvr,
        seed: u64,
        device: &Device,
    ) -> Result<Trained> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ppo = Ppo::new(rlvr, start, self.rate, device);
        let (mut policy, mut budget) = (start.clone(), Budget::default());
        let plain = device.clone().inner();
        for update in 0..self.updates {
            let seed = seed.wrapping_mul(1 << 20).wrapping_add(update as u64);
            let (problems, rollouts) =
                self.drawn(&policy, task, (&mut rng, seed), &mut budget, device)?;
            let rewards = rlvr.rewards(&rollouts, |prompt, one| {
                f64::from(u8::from(accepts(&problems[prompt], one)))
            })?;
            let sequences = Sequences::new(&rollouts, BLANK, &plain)?;
            let reference = start.valid().log_probs(&sequences)?;
            budget.scored += rollouts.count_sampled();
            let (next, trained) = ppo.update(policy, &rollouts, &rewards, reference, device)?;
            policy = next;
            budget.trained += trained;
            budget.updates += 1;
        }
        Ok(Trained {
            policy,
            budget,
            no_signal: 0.0,
        })
    }

    /// Problems of an update and samples of the policy.
    fn drawn<T: Task>(
        &self,
        policy: &Policy,
        task: &T,
        (rng, seed): (&mut ChaCha8Rng, u64),
        budget: &mut Budget,
        device: &Device,
    ) -> Result<(Vec<T::Problem>, Rollouts)> {
        let problems: Vec<T::Problem> = (0..self.prompts)
            .map(|_| task.draw(Part::Training, rng))
            .collect();
        let prompts: Vec<Vec<u32>> = problems.iter().map(|one| task.prompt(one)).collect();
        let observer = |prompt: &[u32], so_far: &[u32]| task.observe(prompt, so_far);
        let rollouts = generate_with(
            &policy.valid(),
            &prompts,
            self.samples,
            &sampling(task)?,
            &observer,
            seed,
            &device.clone().inner(),
        )?;
        budget.sampled += rollouts.count_sampled();
        budget.read += prompts.iter().map(Vec::len).sum::<usize>();
        budget.verified += rollouts.len();
        Ok((problems, rollouts))
    }
}

/// One update, and how many tokens a gradient was taken of: rows of advantage 0 are left out with the denominators unchanged, which
/// is the same gradient.
///
/// # Errors
/// If a row has no token, or as many advantages are not there.
pub fn step(
    policy: Policy,
    rollouts: &Rollouts,
    advantages: &Advantages,
    objective: &Objective,
    (optim, rate): (&mut ModuleOptimizer, f64),
    device: &Device,
) -> Result<(Policy, usize)> {
    let rows = 0..rollouts.len();
    let rows: Vec<usize> = rows
        .filter(|row| advantages.values()[*row] != 0.0)
        .collect();
    if rows.is_empty() {
        return Ok((policy, 0));
    }
    let loss = loss(&policy, rollouts, advantages, objective, &rows, device)?;
    let grads = GradientsParams::from_grads(loss.backward(), &policy);
    let trained = rollouts.select(&rows)?.count_sampled();
    Ok((optim.step(rate, policy, grads), trained))
}

/// The loss of an objective by some rows of the rollouts, divided by the counts of all of them.
///
/// # Errors
/// If there is no such row, or none at all.
pub fn loss(
    policy: &Policy,
    rollouts: &Rollouts,
    advantages: &Advantages,
    objective: &Objective,
    rows: &[usize],
    device: &Device,
) -> Result<Tensor<1>> {
    let lengths = rollouts.iter().map(|(_, one)| one.count_sampled());
    let totals = Totals::of_lengths(&lengths.collect::<Vec<_>>())?;
    let few = rollouts.select(rows)?;
    let sequences = Sequences::new(&few, BLANK, device)?;
    let values = rows.iter().map(|row| advantages.values()[*row]);
    let values = Advantages::of_responses(values.collect())?;
    let batch = TokenBatch::of_sequences(&sequences)?.with_totals(totals);
    let log_probs = policy.log_probs(&sequences)?;
    Ok(objective.loss(log_probs, &batch, &values)?.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_rl_rewards::Grpo;
    use regimen_rl_rewards::policy::generate;
    use regimen_tensor::ParamVector;

    use super::super::chain::{Chain, Problem};
    use super::super::evaluate::{accuracy, held_out};
    use super::super::policy::PolicyConfig;
    use super::super::symbols::ANSWER;
    use super::super::warm_up::WarmUp;
    use super::*;

    /// A chain's narrow policy after a short warm-up, on a device with autodiff.
    fn base(chain: &Chain, updates: usize, device: &Device) -> Policy {
        device.seed(0);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let policy = PolicyConfig::new()
            .with_width(32)
            .with_hidden(64)
            .init(device);
        let warm_up = WarmUp {
            updates,
            ..WarmUp::default()
        };
        warm_up.teach(policy, chain, &mut rng, device).unwrap()
    }

    #[test]
    fn rows_without_an_advantage_change_no_gradient() {
        let device = Device::default().autodiff();
        let chain = Chain::new(0);
        let policy = base(&chain, 20, &device);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let problems = (0..6).map(|_| chain.problem(Part::Training, &mut rng));
        let prompts: Vec<_> = problems.map(|problem| chain.prompt(&problem)).collect();
        let decoding = sampling(&chain).unwrap();
        let plain = device.clone().inner();
        let rollouts = generate(&policy.valid(), &prompts, 4, &decoding, 0, &plain).unwrap();
        let values = (0..rollouts.len()).map(|row| [0.0, 0.5, -0.5][row % 3]);
        let advantages = Advantages::of_responses(values.collect()).unwrap();
        for objective in [
            Objective::dapo(),
            Objective::grpo(),
            Objective::dr_grpo(6).unwrap(),
        ] {
            let of = |rows: &[usize]| {
                let loss = loss(&policy, &rollouts, &advantages, &objective, rows, &device);
                let grads = GradientsParams::from_grads(loss.unwrap().backward(), &policy);
                ParamVector::gradients(&policy, &grads)
            };
            let all = of(&(0..rollouts.len()).collect::<Vec<_>>());
            let few: Vec<usize> = (0..rollouts.len()).filter(|row| row % 3 != 0).collect();
            let far = all
                .clone()
                .sub(&of(&few))
                .unwrap()
                .l2()
                .into_scalar::<f32>();
            assert!(far < 1e-6 * (1.0 + all.l2().into_scalar::<f32>()), "{far}");
        }
    }

    /// PPO's updates by a verifier help, and every response is a batch of its own.
    #[test]
    fn a_value_function_teaches() {
        let device = Device::default().autodiff();
        let chain = Chain::new(0);
        let policy = base(&chain, 560, &device);
        let problems = held_out(&chain, 500, 9);
        let greedy = |policy: &Policy| {
            let found = accuracy(&policy.valid(), &chain, &problems, &device.clone().inner());
            found.unwrap().all
        };
        let unit = Unit {
            updates: 25,
            prompts: 256,
            samples: 1,
            rate: 2.5e-4,
        };
        let accepts = |problem: &Problem, one: &Completion| chain.is_right(problem, one);
        let trained = unit.run_ppo(&policy, &chain, accepts, Rlvr::ppo(), 0, &device);
        let Trained {
            policy: after,
            budget,
            ..
        } = trained.unwrap();
        assert_eq!((budget.updates, budget.verified), (25, 25 * 256));
        assert_eq!(budget.trained, 4 * budget.sampled);
        let (before, after) = (greedy(&policy), greedy(&after));
        assert!(after > before + 2.0, "{before} {after}");
    }

    /// A unit with the right reward helps; one whose verifier takes any digit for an answer does not.
    #[test]
    fn only_a_true_verifier_teaches() {
        let device = Device::default().autodiff();
        let chain = Chain::new(0);
        let policy = base(&chain, 560, &device);
        let problems = held_out(&chain, 500, 9);
        let plain = device.clone().inner();
        let greedy = |policy: &Policy| {
            let found = accuracy(&policy.valid(), &chain, &problems, &plain);
            found.unwrap().all
        };
        let learning = Learning {
            advantage: &Grpo::dr(),
            objective: &Objective::dapo(),
        };
        let unit = Unit {
            updates: 40,
            ..Unit::default()
        };
        let after = |reward: &dyn Fn(&Problem, &Completion) -> f64| {
            let trained = unit.run(policy.clone(), &chain, reward, learning, 0, &device);
            let Trained { policy, budget, .. } = trained.unwrap();
            assert_eq!((budget.updates, budget.verified), (40, 40 * 256));
            greedy(&policy)
        };
        let before = greedy(&policy);
        let right = after(&|problem, one| f64::from(u8::from(chain.is_right(problem, one))));
        let fooled = after(&|_, one| {
            let answer = one.content().rsplit(|token| *token == ANSWER).next();
            f64::from(u8::from(matches!(answer, Some([0..7]))))
        });
        assert!(right > before + 2.0, "{before} {right} {fooled}");
        assert!(fooled < before, "{before} {right} {fooled}");
    }
}
