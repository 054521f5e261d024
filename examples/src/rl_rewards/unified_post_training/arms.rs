//! The arms: one update of a policy on some prompts, of which some are imitated and the others reinforced.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Rollouts, ScorePolicy, Sequences, generate};
use regimen_rl_rewards::{
    Advantage, Advantages, Aggregation, Branch, Groups, Grpo, HybridGate, Objective, TokenBatch,
    Totals,
};

use super::super::bed::budget::Budget;
use super::super::bed::chain::{Chain, Expert, Problem};
use super::super::bed::evaluate::sampling;
use super::super::bed::policy::Policy;
use super::super::bed::symbols::BLANK;
use super::super::bed::task::Part;
use super::super::bed::unit::loss;
use super::super::bed::warm_up::pairs;
use super::bench::drawn;
use crate::experiment::Context;
use crate::optim::adam;

/// What an arm does with the prompts of an update.
#[derive(Clone, Debug)]
pub(super) enum Arm {
    /// Reinforces all.
    Reinforcement,
    /// Imitates all, with so many times the updates; nothing is sampled.
    Imitation(usize),
    /// Imitates so many demonstrations in updates of their own, then reinforces all.
    First(usize),
    /// Both on all, imitation with this weight.
    Sum(f64),
    /// Imitates as many as this in each update, picked at random.
    Random(Vec<usize>),
    /// Imitates those without a success.
    Hybrid,
}

/// The length of post-training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    updates: usize,
    prompts: usize,
    samples: usize,
}

impl Steps {
    pub(super) fn of(context: &Context) -> Self {
        let updates = match context {
            Context { full: true, .. } => 300,
            Context { small: true, .. } => 20,
            _ => 40,
        };
        Self {
            updates,
            prompts: 32,
            samples: 8,
        }
    }
}

impl Steps {
    /// Demonstrations that, ahead of all updates with samples, make up for the tokens that the gated arms imitate: nine tenths of an
    /// update's prompts each.
    pub(super) fn shown_first(self) -> usize {
        9 * self.updates * self.prompts / 10
    }
}

/// What all arms share.
pub(super) struct Post<'a> {
    pub(super) context: &'a Context,
    pub(super) chain: &'a Chain,
    pub(super) expert: &'a Expert,
    pub(super) seed: u64,
    pub(super) steps: Steps,
}

/// What an arm gave.
pub(super) struct Done {
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    /// Prompts that were imitated, an update.
    pub(super) imitated: Vec<usize>,
    /// The share of groups without a signal.
    pub(super) no_signal: f64,
    /// Prompts that were imitated though they had a success.
    pub(super) with_success: usize,
    /// Prompts without a success that were not imitated.
    pub(super) left_out: usize,
}

/// The prompts of an update, the samples with their rewards, and which prompts are imitated.
struct Update {
    problems: Vec<Problem>,
    rollouts: Option<(Rollouts, Vec<f64>)>,
    imitated: Vec<bool>,
    /// The weight of imitation.
    weight: f64,
    /// Whether prompts that are imitated are reinforced as well.
    both: bool,
}

impl Post<'_> {
    /// Post-trains a policy.
    pub(super) fn run(&self, base: &Policy, arm: Arm, rate: f64) -> Result<Done> {
        let mut optim = adam(0.999);
        let mut done = Done {
            policy: base.clone(),
            budget: Budget::default(),
            imitated: Vec::new(),
            no_signal: 0.0,
            with_success: 0,
            left_out: 0,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let updates = match arm {
            Arm::Imitation(times) => times * self.steps.updates,
            Arm::First(count) => count.div_ceil(self.steps.prompts) + self.steps.updates,
            _ => self.steps.updates,
        };
        for step in 0..updates {
            let update = self.update(&mut done, &arm, step, &mut rng)?;
            done.imitated
                .push(update.imitated.iter().filter(|is| **is).count());
            self.learn(&mut done, &update, (&mut optim, rate))?;
        }
        Ok(done)
    }

    /// Draws prompts, samples where the arm reinforces, and decides.
    fn update(
        &self,
        done: &mut Done,
        arm: &Arm,
        step: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Update> {
        let count = self.steps.prompts;
        let problems = (0..count).map(|_| drawn(self.chain, Part::Training, rng));
        let problems: Vec<Problem> = problems.collect();
        let shown = match arm {
            Arm::Imitation(_) => count,
            Arm::First(total) => {
                let before: usize = done.imitated.iter().sum();
                total.saturating_sub(before).min(count)
            }
            _ => 0,
        };
        let rollouts = if shown > 0 {
            None
        } else {
            Some(self.sample(done, &problems, step)?)
        };
        let imitated = match (arm, &rollouts) {
            (_, None) => (0..count).map(|prompt| prompt < shown).collect(),
            (Arm::Sum(_), _) => vec![true; count],
            (Arm::Random(counts), _) => {
                // A generator of its own: the prompts stay those of the other arms.
                let mut picked = vec![false; count];
                picked[..counts.get(step).copied().unwrap_or(0).min(count)].fill(true);
                picked.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed ^ step as u64));
                picked
            }
            (Arm::Hybrid, Some((rollouts, rewards))) => self.gate(done, rollouts, rewards)?,
            _ => vec![false; count],
        };
        Ok(Update {
            problems,
            rollouts,
            imitated,
            weight: if let Arm::Sum(weight) = arm {
                *weight
            } else {
                1.0
            },
            both: matches!(arm, Arm::Sum(_)),
        })
    }

    fn sample(
        &self,
        done: &mut Done,
        problems: &[Problem],
        step: usize,
    ) -> Result<(Rollouts, Vec<f64>)> {
        let prompts: Vec<_> = problems.iter().map(|one| self.chain.prompt(one)).collect();
        let seed = self.seed.wrapping_mul(1 << 20).wrapping_add(step as u64);
        let device = self.context.device.clone().inner();
        let (policy, samples) = (done.policy.valid(), self.steps.samples);
        let decoding = sampling(self.chain)?;
        let rollouts = generate(&policy, &prompts, samples, &decoding, seed, &device)?;
        done.budget.sampled += rollouts.count_sampled();
        done.budget.read += prompts.iter().map(Vec::len).sum::<usize>();
        done.budget.verified += rollouts.len();
        let rewards = rollouts.rollouts().iter().map(|one| {
            let is_right = self.chain.is_right(&problems[one.prompt], &one.completion);
            f64::from(u8::from(is_right))
        });
        let rewards = rewards.collect();
        Ok((rollouts, rewards))
    }

    /// Which prompts are imitated: those whose share of successes is at the threshold of 0.
    fn gate(&self, done: &mut Done, rollouts: &Rollouts, rewards: &[f64]) -> Result<Vec<bool>> {
        let gate = HybridGate::new(0.0)?;
        let mut imitated = Vec::new();
        for group in rollouts.groups() {
            let successes = group.iter().filter(|place| rewards[**place] > 0.0).count();
            let is = gate.branch(successes, group.len())? == Branch::Imitation;
            let is = if self.context.is_broken_by("gate-reversed") {
                !is
            } else {
                is && !self.context.is_broken_by("gate-open-at-its-threshold")
            };
            done.with_success += usize::from(is && successes > 0);
            done.left_out += usize::from(!is && successes == 0);
            imitated.push(is);
        }
        Ok(imitated)
    }

    /// One update: the mean over prompts of either loss, `-1/n sum_i sum_t` for reinforcement and the token mean for imitation.
    fn learn(
        &self,
        done: &mut Done,
        update: &Update,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let mut losses = Vec::new();
        if update.imitated.contains(&true) {
            losses.push(self.imitation(done, update)? * update.weight);
        }
        if let Some((rollouts, rewards)) = &update.rollouts {
            losses.extend(self.reinforcement(done, update, rollouts, rewards)?);
        }
        let Some(loss) = losses.into_iter().reduce(|sum, loss| sum + loss) else {
            return Ok(());
        };
        let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
        done.policy = optim.step(rate, done.policy.clone(), grads);
        done.budget.updates += 1;
        Ok(())
    }

    fn imitation(&self, done: &mut Done, update: &Update) -> Result<Tensor<1>> {
        let chosen = update.problems.iter().zip(&update.imitated);
        let chosen = chosen
            .filter(|(_, is)| **is)
            .map(|(problem, _)| (self.chain.prompt(problem), self.expert.shows(problem)));
        let shown = pairs(chosen.collect())?;
        done.budget.demonstrations += shown.len();
        done.budget.trained += shown.count_sampled();
        let sequences = Sequences::new(&shown, BLANK, &self.context.device)?;
        let totals = Totals::new(shown.count_sampled(), update.problems.len())?;
        let batch = TokenBatch::of_sequences(&sequences)?.with_totals(totals);
        let objective =
            Objective::reinforce().with_aggregation(Aggregation::SequenceMeanTokenMean)?;
        let certain = Advantages::of_responses(vec![1.0; shown.len()])?;
        let log_probs = done.policy.log_probs(&sequences)?;
        Ok(objective.loss(log_probs, &batch, &certain)?.0)
    }

    /// None where no sample has an advantage.
    fn reinforcement(
        &self,
        done: &mut Done,
        update: &Update,
        rollouts: &Rollouts,
        rewards: &[f64],
    ) -> Result<Option<Tensor<1>>> {
        let groups = Groups::of_rollouts(rollouts, rewards.to_vec())?;
        let advantages = Grpo::dr().advantages(&groups)?;
        done.no_signal += advantages.no_signal().share() / self.steps.updates as f64;
        let counts = |row: &usize| {
            let is_imitated = update.imitated[rollouts.rollouts()[*row].prompt];
            advantages.values()[*row] != 0.0 && (update.both || !is_imitated)
        };
        let rows: Vec<usize> = (0..rollouts.len()).filter(counts).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        done.budget.trained += rollouts.select(&rows)?.count_sampled();
        let objective =
            Objective::reinforce().with_aggregation(Aggregation::SequenceMeanTokenSum)?;
        let device = &self.context.device;
        let loss = loss(
            &done.policy,
            rollouts,
            &advantages,
            &objective,
            &rows,
            device,
        )?;
        Ok(Some(loss))
    }
}
