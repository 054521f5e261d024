//! The arms: group-relative policy optimisation by outcomes, with a thinking reward beside them or without.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Rollouts, generate};
use regimen_rl_rewards::{Advantage, Groups, Grpo, Objective, TrustGrpo};

use super::bench::{Bench, POSTED, stream};
use super::scorer::Scorer;
use crate::experiment::Context;
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::chain::Problem;
use crate::rl_rewards::bed::evaluate::sampling;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::styles::Style;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::unit::loss;

/// Prompts and samples of an update.
const PROMPTS: usize = 32;
const SAMPLES: usize = 8;

/// How far a thinking reward is trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    pub(super) alpha: f64,
    /// The number of updates over which it fades.
    pub(super) fades_over: Option<usize>,
    /// Less in groups where wrong answers are liked better.
    pub(super) by_group: bool,
    /// Not at all in groups whose outcomes are equal.
    pub(super) is_gated: bool,
}

impl Trust {
    /// The same everywhere.
    pub(super) const BARE: Self = Self {
        alpha: 0.3,
        fades_over: None,
        by_group: false,
        is_gated: false,
    };

    fn grpo(self) -> Result<TrustGrpo> {
        let mut trust = TrustGrpo::new().with_alpha(self.alpha)?;
        if let Some(steps) = self.fades_over {
            trust = trust.with_steps(steps)?;
        }
        if !self.by_group {
            trust = trust.without_trust();
        }
        Ok(if self.is_gated {
            trust.with_gate(0.0)?
        } else {
            trust
        })
    }

    /// The weight of a group's thinking reward without `alpha`, worked out apart from [`TrustGrpo`], and whether the group is trusted less.
    fn weight(self, outcomes: &[f64], thinking: &[f64], step: usize) -> (f64, bool) {
        let fading = self
            .fades_over
            .map_or(1.0, |steps| (-(step as f64) / steps as f64).exp());
        let liked = |right: bool| {
            let pairs = outcomes.iter().zip(thinking);
            let of: Vec<f64> = pairs
                .filter(|(outcome, _)| (**outcome >= 0.5) == right)
                .map(|(_, thought)| *thought)
                .collect();
            (!of.is_empty()).then(|| mean(&of))
        };
        let gap = liked(true)
            .zip(liked(false))
            .map_or(0.0, |(right, wrong)| right - wrong);
        let gamma = if self.by_group {
            gap.min(0.0).exp()
        } else {
            1.0
        };
        (gamma * fading, gap < 0.0)
    }
}

/// By what an arm learns: a scorer with how it is trusted, or outcomes alone.
#[derive(Clone, Copy)]
pub(super) struct Arm<'a> {
    pub(super) thinking: Option<(&'a Scorer, Trust)>,
    pub(super) rate: f64,
}

/// For how long an arm learns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    /// So many updates.
    Updates(usize),
    /// Until so many tokens are sampled.
    Tokens(usize),
}

/// What an arm gave.
pub(super) struct Done {
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    /// Of each update, the mean weight of a group's thinking reward as the arm says, 1 for an `alpha` of 0.3 that is trusted and not faded.
    pub(super) weights: Vec<f64>,
    /// Of each update, the share of groups in which wrong answers are liked better.
    pub(super) distrusted: Vec<f64>,
    /// Of each update, the share of groups whose outcomes are equal.
    pub(super) uniform: Vec<f64>,
    /// Of each update, the share of samples that write no running result though there are several.
    pub(super) bare: Vec<f64>,
    /// Groups whose thinking reward has another weight than the arm says.
    pub(super) misweighted: usize,
}

impl Done {
    /// The mean over all groups of the weight of the thinking reward.
    pub(super) fn mean_weight(&self) -> f64 {
        mean(&self.weights)
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What all arms share.
pub(super) struct Post<'a> {
    pub(super) context: &'a Context,
    pub(super) bench: &'a Bench,
    pub(super) seed: u64,
}

impl Post<'_> {
    /// Trains the base policy.
    pub(super) fn run(&self, arm: &Arm<'_>, length: Length) -> Result<Done> {
        let mut rng = stream(self.seed, POSTED);
        let mut optim = adam(0.999);
        let mut done = Done {
            policy: self.bench.base.clone(),
            budget: Budget::default(),
            weights: Vec::new(),
            distrusted: Vec::new(),
            uniform: Vec::new(),
            bare: Vec::new(),
            misweighted: 0,
        };
        let goes_on = |done: &Done| match length {
            Length::Updates(updates) => done.budget.updates < updates,
            Length::Tokens(tokens) => done.budget.sampled < tokens,
        };
        while goes_on(&done) {
            self.update(&mut done, arm, &mut rng, &mut optim)?;
        }
        Ok(done)
    }

    fn update(
        &self,
        done: &mut Done,
        arm: &Arm<'_>,
        rng: &mut ChaCha8Rng,
        optim: &mut ModuleOptimizer,
    ) -> Result<()> {
        let task = &self.bench.task;
        let step = done.budget.updates;
        let problems: Vec<Problem> = (0..PROMPTS)
            .map(|_| task.draw(Part::Training, rng))
            .collect();
        let prompts: Vec<_> = problems.iter().map(|one| task.prompt(one)).collect();
        let seed = self.seed.wrapping_mul(1 << 20).wrapping_add(step as u64);
        let plain = self.context.device.clone().inner();
        let policy = done.policy.valid();
        let rollouts = generate(&policy, &prompts, SAMPLES, &sampling(task)?, seed, &plain)?;
        done.budget.sampled += rollouts.count_sampled();
        done.budget.read += prompts.iter().map(Vec::len).sum::<usize>();
        done.budget.verified += rollouts.len();
        done.budget.updates += 1;
        let outcomes = rollouts.rollouts().iter().map(|one| {
            let is_right = task.is_right(&problems[one.prompt], &one.completion);
            f64::from(u8::from(is_right))
        });
        let outcomes = Groups::of_rollouts(&rollouts, outcomes.collect())?;
        let informative = outcomes.informative();
        let uniform = informative.iter().filter(|is| !**is).count();
        done.uniform.push(uniform as f64 / informative.len() as f64);
        done.bare.push(self.share_bare(&problems, &rollouts));
        let rewards = match &arm.thinking {
            None => outcomes,
            Some((scorer, trust)) => {
                let thinking = scorer.score(task, &problems, &rollouts)?;
                done.budget.scored += rollouts.count_sampled();
                let rewards = self.combine(*trust, &outcomes, &thinking, step)?;
                watch(done, *trust, &rewards, &outcomes, &thinking, step);
                outcomes.with_rewards(rewards)?
            }
        };
        let advantages = Grpo::verl().advantages(&rewards)?;
        let rows = 0..rollouts.len();
        let rows: Vec<usize> = rows
            .filter(|row| advantages.values()[*row] != 0.0)
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        done.budget.trained += rollouts.select(&rows)?.count_sampled();
        let device = &self.context.device;
        let loss = loss(
            &done.policy,
            &rollouts,
            &advantages,
            &Objective::ppo(),
            &rows,
            device,
        )?;
        let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
        done.policy = optim.step(arm.rate, done.policy.clone(), grads);
        Ok(())
    }

    /// The combined rewards, or those of a method that is broken on purpose.
    fn combine(
        &self,
        trust: Trust,
        outcomes: &Groups,
        thinking: &[f64],
        step: usize,
    ) -> Result<Vec<f64>> {
        let is_gated = trust.is_gated && !self.context.is_broken_by("gate-not-applied");
        let trust = Trust { is_gated, ..trust };
        if !trust.by_group {
            return Ok(trust.grpo()?.combine(outcomes, thinking, step)?.rewards);
        }
        if self.context.is_broken_by("weight-not-applied") {
            let bare = Trust {
                is_gated: trust.is_gated,
                ..Trust::BARE
            };
            return Ok(bare.grpo()?.combine(outcomes, thinking, step)?.rewards);
        }
        let found = trust.grpo()?.combine(outcomes, thinking, step)?;
        if !self.context.is_broken_by("trust-reversed") {
            return Ok(found.rewards);
        }
        // With right and wrong in each other's place, groups in which right answers are liked better are trusted less.
        let swapped = outcomes.rewards().iter().map(|outcome| 1.0 - outcome);
        let swapped = outcomes.clone().with_rewards(swapped.collect())?;
        let reversed = trust.grpo()?.combine(&swapped, thinking, step)?.gamma;
        let mut rewards = found.rewards;
        for (group, gamma) in reversed.iter().enumerate() {
            for member in outcomes.members(group) {
                let outcome = outcomes.rewards()[*member];
                rewards[*member] =
                    outcome + (rewards[*member] - outcome) / found.gamma[group] * gamma;
            }
        }
        Ok(rewards)
    }

    fn share_bare(&self, problems: &[Problem], rollouts: &Rollouts) -> f64 {
        let task = &self.bench.task;
        let (mut bare, mut all) = (0_usize, 0_usize);
        for one in rollouts.rollouts() {
            let problem = &problems[one.prompt];
            if task.operations(problem) > 1 {
                all += 1;
                bare += usize::from(task.style(problem, &one.completion) == Style::Bare);
            }
        }
        bare as f64 / all.max(1) as f64
    }
}

/// Notes how the groups of an update were trusted.
fn watch(
    done: &mut Done,
    trust: Trust,
    rewards: &[f64],
    outcomes: &Groups,
    thinking: &[f64],
    step: usize,
) {
    let (mut weights, mut distrusted) = (Vec::new(), 0);
    for group in 0..outcomes.len() {
        let members = outcomes.members(group);
        let of = |values: &[f64]| -> Vec<f64> { members.iter().map(|i| values[*i]).collect() };
        let (own, thought) = (of(outcomes.rewards()), of(thinking));
        let (weight, is_distrusted) = trust.weight(&own, &thought, step);
        distrusted += usize::from(is_distrusted);
        let is_uniform = own.windows(2).all(|pair| pair[0] == pair[1]);
        let counts = if trust.is_gated && is_uniform {
            0.0
        } else {
            weight
        };
        let is_off = |i: &&usize| {
            let said = outcomes.rewards()[**i] + counts * trust.alpha * thinking[**i];
            (rewards[**i] - said).abs() > 1e-9
        };
        done.misweighted += usize::from(members.iter().any(|i| is_off(&i)));
        weights.push(weight * trust.alpha / Trust::BARE.alpha);
    }
    done.weights.push(mean(&weights));
    done.distrusted
        .push(distrusted as f64 / outcomes.len() as f64);
}
