//! The third stage: a policy learns from a verifier, or from more of what it was shown.

use anyhow::Result;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollouts, Sequences};
use regimen_rl_rewards::recipes::Rlvr;
use regimen_rl_rewards::{Advantages, Objective};

use super::bench::{Bench, Stream, sampled, scored, stream};
use crate::experiment::Context;
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::ppo::Ppo;
use crate::rl_rewards::bed::skills::Skill;
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::unit::loss;
use crate::rl_rewards::bed::warm_up::{imitation, pairs};

/// Prompts of an update, and samples of each.
const PROMPTS: usize = 32;
const SAMPLES: usize = 8;

/// What an arm learns from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arm {
    /// Verifiable rewards, for so many updates.
    Rlvr(usize),
    /// The same by PPO with a value function and a score of so much for a right response.
    Ppo(usize, f64),
    /// Its right samples, until it has drawn so many tokens.
    Online(usize),
    /// Right samples of the start, as many tokens drawn, in so many updates.
    Once(usize, usize),
    /// Demonstrations of the warm-up, until it has learned so many tokens.
    Shown(usize),
}

/// What all arms share.
pub(super) struct Stage<'a> {
    pub(super) context: &'a Context,
    pub(super) bench: &'a Bench,
    /// The policy of the second stage.
    pub(super) start: &'a Policy,
    pub(super) seed: u64,
}

/// What an arm gave.
pub(super) struct Done {
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    /// The share of groups without a signal at each update that sampled.
    pub(super) no_signal: Vec<f64>,
    /// The share of right samples at each update.
    pub(super) right: Vec<f64>,
}

/// Updates of RLVR.
pub(super) fn updates(context: &Context) -> usize {
    match context {
        Context { full: true, .. } => 600,
        // Padding is judged by what the stage before gave.
        Context { small: true, .. } if context.is_broken_by("padded-length") => 1,
        Context { small: true, .. } => 40,
        _ => 60,
    }
}

impl Stage<'_> {
    pub(super) fn run(&self, arm: Arm, rate: f64) -> Result<Done> {
        let mut done = Done {
            policy: self.start.clone(),
            budget: Budget::default(),
            no_signal: Vec::new(),
            right: Vec::new(),
        };
        let mut rng = stream(self.seed, Stream::Posted);
        let mut optim = adam(0.999);
        let optim = (&mut optim, rate);
        match arm {
            Arm::Rlvr(updates) => self.verified(&mut done, updates, &mut rng, optim)?,
            Arm::Ppo(updates, alpha) => {
                let rlvr = Rlvr::ppo().with_alpha(alpha)?;
                self.valued(&mut done, (rlvr, updates), &mut rng, rate)?;
            }
            Arm::Online(tokens) => self.online(&mut done, tokens, &mut rng, optim)?,
            Arm::Once(tokens, updates) => {
                self.once(&mut done, (tokens, updates), &mut rng, optim)?;
            }
            Arm::Shown(tokens) => self.shown(&mut done, tokens, optim)?,
        }
        Ok(done)
    }

    /// Prompts, samples of a policy, and which of them are right.
    fn drawn(
        &self,
        done: &mut Done,
        from: &Policy,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<Skill>, Rollouts, Vec<bool>)> {
        self.drawn_of(done, from, (PROMPTS, SAMPLES), rng)
    }

    /// As [`drawn`](Self::drawn), so many prompts and samples of each.
    fn drawn_of(
        &self,
        done: &mut Done,
        from: &Policy,
        (prompts, samples): (usize, usize),
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<Skill>, Rollouts, Vec<bool>)> {
        let task = &self.bench.task;
        let skills: Vec<Skill> = (0..prompts)
            .map(|_| task.sum(Part::Training, rng))
            .collect();
        let round = done.right.len() as u64;
        let seed = self.seed.wrapping_mul(1 << 20).wrapping_add(round);
        let rollouts = sampled(self.context, task, from, (&skills, samples), 1.0, seed)?;
        done.budget.sampled += rollouts.count_sampled();
        done.budget.read += skills
            .iter()
            .map(|one| task.prompt(one).len())
            .sum::<usize>();
        done.budget.verified += rollouts.len();
        let right = rollouts.rollouts().iter();
        let right: Vec<bool> = right
            .map(|one| task.is_right(&skills[one.prompt], &one.completion))
            .collect();
        let count = right.iter().filter(|is| **is).count();
        done.right.push(count as f64 / right.len() as f64);
        let uniform = rollouts.groups().into_iter().filter(|group| {
            let count = group.iter().filter(|place| right[**place]).count();
            count == 0 || count == group.len()
        });
        let uniform = uniform.count() as f64 / prompts as f64;
        done.no_signal.push(uniform);
        Ok((skills, rollouts, right))
    }

    fn verified(
        &self,
        done: &mut Done,
        updates: usize,
        rng: &mut ChaCha8Rng,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let rlvr = Rlvr::grpo();
        let task = &self.bench.task;
        let device = &self.context.device;
        let any = self.context.is_broken_by("any-answer");
        for update in 0..updates {
            let policy = done.policy.clone();
            let (skills, rollouts, _) = self.drawn(done, &policy, rng)?;
            let accepts = |prompt: usize, one: &Completion| {
                let is = if any {
                    task.has_any_answer(one)
                } else {
                    task.is_right(&skills[prompt], one)
                };
                f64::from(u8::from(is))
            };
            let mut rewards = rlvr.rewards(&rollouts, accepts)?;
            if self.context.is_broken_by("rewards-permuted") {
                permute(&mut rewards, &rollouts, self.seed ^ update as u64);
            }
            let advantages = rlvr.advantages(&rollouts, rewards)?;
            let reference = scored(self.context, self.start, &rollouts)?;
            done.budget.scored += rollouts.count_sampled();
            let sequences = Sequences::new(&rollouts, BLANK, device)?;
            let (loss, _) = rlvr.loss(&policy, &sequences, (None, Some(reference)), &advantages)?;
            step(done, &loss, rollouts.count_sampled(), (optim, rate));
        }
        Ok(())
    }

    /// PPO, each response of a prompt of its own.
    fn valued(
        &self,
        done: &mut Done,
        (rlvr, updates): (Rlvr, usize),
        rng: &mut ChaCha8Rng,
        rate: f64,
    ) -> Result<()> {
        let device = &self.context.device;
        let mut ppo = Ppo::new(rlvr, self.start, rate, device);
        for _ in 0..updates {
            let policy = done.policy.clone();
            let of_update = (PROMPTS * SAMPLES, 1);
            let (_, rollouts, right) = self.drawn_of(done, &policy, of_update, rng)?;
            let accepts = |prompt: usize, _: &Completion| f64::from(u8::from(right[prompt]));
            let rewards = rlvr.rewards(&rollouts, accepts)?;
            let reference = scored(self.context, self.start, &rollouts)?;
            done.budget.scored += rollouts.count_sampled();
            let (policy, trained) = ppo.update(policy, &rollouts, &rewards, reference, device)?;
            done.policy = policy;
            done.budget.trained += trained;
            done.budget.updates += 1;
        }
        Ok(())
    }

    /// `-lp` of the right samples, over the tokens of all.
    fn online(
        &self,
        done: &mut Done,
        tokens: usize,
        rng: &mut ChaCha8Rng,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        while done.budget.sampled < tokens {
            let policy = done.policy.clone();
            let (_, rollouts, right) = self.drawn(done, &policy, rng)?;
            let rows: Vec<usize> = (0..right.len()).filter(|row| right[*row]).collect();
            if rows.is_empty() {
                continue;
            }
            let values = right.iter().map(|is| f64::from(u8::from(*is))).collect();
            let certain = Advantages::of_responses(values)?;
            let device = &self.context.device;
            let loss = loss(
                &policy,
                &rollouts,
                &certain,
                &Objective::gpg(),
                &rows,
                device,
            )?;
            let trained = rollouts.select(&rows)?.count_sampled();
            step(done, &loss, trained, (optim, rate));
        }
        Ok(())
    }

    fn once(
        &self,
        done: &mut Done,
        (tokens, updates): (usize, usize),
        rng: &mut ChaCha8Rng,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let mut all = Vec::new();
        while done.budget.sampled < tokens {
            let (_, rollouts, right) = self.drawn(done, self.start, rng)?;
            let kept = rollouts.iter().zip(right).filter(|(_, right)| *right);
            all.extend(kept.map(|((prompt, one), _)| (prompt.to_vec(), one.clone())));
        }
        all.shuffle(&mut stream(self.seed, Stream::Order));
        for some in all.chunks(all.len().div_ceil(updates).max(1)) {
            self.imitate(done, some.to_vec(), (optim, rate))?;
        }
        Ok(())
    }

    fn shown(
        &self,
        done: &mut Done,
        tokens: usize,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let mut rng = stream(self.seed, Stream::More);
        let task = &self.bench.task;
        while done.budget.trained < tokens {
            let some = (0..64).map(|_| {
                let skill = task.draw(Part::Training, &mut rng);
                (task.prompt(&skill), task.taught(&skill, &mut rng))
            });
            let some: Vec<_> = some.collect();
            done.budget.demonstrations += some.len();
            self.imitate(done, some, (optim, rate))?;
        }
        Ok(())
    }

    fn imitate(
        &self,
        done: &mut Done,
        some: Vec<(Vec<u32>, Completion)>,
        optim: (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let shown = pairs(some)?;
        let sequences = Sequences::new(&shown, BLANK, &self.context.device)?;
        let loss = imitation(&done.policy, &sequences)?;
        step(done, &loss, shown.count_sampled(), optim);
        Ok(())
    }
}

fn step(
    done: &mut Done,
    loss: &Tensor<1>,
    trained: usize,
    (optim, rate): (&mut ModuleOptimizer, f64),
) {
    let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
    done.policy = optim.step(rate, done.policy.clone(), grads);
    done.budget.trained += trained;
    done.budget.updates += 1;
}

/// The fault: the rewards of each group in another order.
fn permute(rewards: &mut [f64], rollouts: &Rollouts, seed: u64) {
    let mut rng = stream(seed, Stream::Noise);
    for group in rollouts.groups() {
        let mut of: Vec<f64> = group.iter().map(|place| rewards[*place]).collect();
        of.shuffle(&mut rng);
        for (place, reward) in group.into_iter().zip(of) {
            rewards[place] = reward;
        }
    }
}
