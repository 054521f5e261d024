//! The second stage: pairs of the base policy's own samples by an annotator who likes right answers and length, and learning from them.

use anyhow::Result;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand::seq::SliceRandom;
use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts, ScorePolicy, Sequences};
use regimen_rl_rewards::{Dpo, Pairs, Preference, Scored, SimPo};

use super::bench::{Bench, Stream, sampled, scored, stream};
use crate::experiment::Context;
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};

/// What the annotator gives the logarithm of a length; a right answer has 1.
const LENGTH: f64 = 0.5;
/// The scale of the annotator's logistic noise.
const NOISE: f64 = 0.5;
/// Pairs an update.
const BATCH: usize = 64;

/// A form of learning from pairs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// DPO of averages over tokens, with this `beta`.
    Averaged(f64),
    /// DPO of sums, with this `beta`.
    Sum(f64),
    /// SimPO with this `beta` and a margin of .3 of it.
    Simpo(f64),
}

impl Form {
    fn loss(self, pairs: &Pairs) -> Result<Tensor<1>> {
        Ok(match self {
            Self::Averaged(beta) => Dpo::new(beta)?.with_length_normalisation().loss(pairs)?,
            Self::Sum(beta) => Dpo::new(beta)?.loss(pairs)?,
            Self::Simpo(beta) => SimPo::new(beta, 0.3 * beta)?.loss(pairs)?,
        })
    }
}

/// Pairs: all chosen responses, all rejected ones, and the log-probability of each under the base policy.
pub(super) struct Preferred {
    prompts: Vec<Vec<u32>>,
    sides: [Vec<Completion>; 2],
    reference: [Vec<f32>; 2],
    /// What the samples cost.
    pub(super) budget: Budget,
}

/// Pairs of each size of the experiment.
fn count(context: &Context) -> usize {
    if context.small { 600 } else { 4000 }
}

impl Preferred {
    /// Two samples a prompt; those that are the same are no pair.
    pub(super) fn of(context: &Context, bench: &Bench, seed: u64) -> Result<Self> {
        let mut rng = stream(seed, Stream::Paired);
        let mut noise = stream(seed, Stream::Noise);
        let mut found = Self {
            prompts: Vec::new(),
            sides: [Vec::new(), Vec::new()],
            reference: [Vec::new(), Vec::new()],
            budget: Budget::default(),
        };
        let mut round = 0;
        while found.prompts.len() < count(context) {
            let skills: Vec<_> = (0..500)
                .map(|_| bench.task.sum(Part::Training, &mut rng))
                .collect();
            let of = seed.wrapping_mul(1 << 20).wrapping_add(round);
            round += 1;
            let rollouts = sampled(context, &bench.task, &bench.base, (&skills, 2), 1.0, of)?;
            found.budget.sampled += rollouts.count_sampled();
            found.budget.verified += rollouts.len();
            for (skill, group) in skills.iter().zip(rollouts.groups()) {
                let [first, second] = [0, 1].map(|at| &rollouts.rollouts()[group[at]].completion);
                if first.tokens() == second.tokens() || found.prompts.len() == count(context) {
                    continue;
                }
                let utility = |one: &Completion| {
                    let right = f64::from(u8::from(bench.task.is_right(skill, one)));
                    right + LENGTH * (one.count_sampled() as f64).ln()
                };
                let chance: f64 = noise.random_range(1e-9..1.0);
                let off = NOISE * (chance / (1.0 - chance).max(1e-9)).ln();
                let ordered = if utility(first) - utility(second) + off > 0.0 {
                    [first, second]
                } else {
                    [second, first]
                };
                found.prompts.push(bench.task.prompt(skill));
                for (side, one) in found.sides.iter_mut().zip(ordered) {
                    side.push(one.clone());
                }
            }
        }
        for side in 0..2 {
            found.reference[side] = found.sums(context, &bench.base, side)?;
        }
        Ok(found)
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.prompts.len()
    }

    fn rollouts(&self, side: usize, places: &[usize]) -> Result<Rollouts> {
        let prompts = places.iter().map(|at| self.prompts[*at].clone()).collect();
        let completions = places.iter().map(|at| self.sides[side][*at].clone());
        let rollouts = completions.enumerate();
        let rollouts = rollouts.map(|(prompt, completion)| Rollout { prompt, completion });
        Ok(Rollouts::new(prompts, rollouts.collect())?)
    }

    /// The log-probability of each response of a side under a policy.
    fn sums(&self, context: &Context, policy: &Policy, side: usize) -> Result<Vec<f32>> {
        let places: Vec<usize> = (0..self.len()).collect();
        let mut sums = Vec::new();
        for some in places.chunks(500) {
            let log_probs = scored(context, policy, &self.rollouts(side, some)?)?;
            sums.extend(log_probs.sum_dim(1).try_into_vec_as::<f32>()?);
        }
        Ok(sums)
    }

    /// These pairs under a policy and under the base.
    fn pairs(
        &self,
        context: &Context,
        policy: &Policy,
        places: &[usize],
    ) -> Result<(Pairs, usize)> {
        let rows = places.len();
        let (chosen, rejected) = (self.rollouts(0, places)?, self.rollouts(1, places)?);
        let tokens = chosen.count_sampled() + rejected.count_sampled();
        // Both sides in one pass.
        let both = Sequences::new(&chosen.join(rejected), BLANK, &context.device)?;
        let all = policy.log_probs(&both)?;
        let mask = both.mask().inner();
        let padded = context.is_broken_by("padded-length");
        let lengths = if padded {
            mask.ones_like().sum_dim(1)
        } else {
            mask.sum_dim(1)
        };
        let part = |side: usize| {
            let lengths = lengths.clone().narrow(0, side * rows, rows).reshape([rows]);
            let sums = all.clone().narrow(0, side * rows, rows).sum_dim(1);
            let own = Scored::new(sums.reshape([rows]), lengths.clone())?;
            let values: Vec<f32> = places.iter().map(|at| self.reference[side][*at]).collect();
            let device = context.device.clone().inner();
            let values = Tensor::from_data(TensorData::new(values, [rows]), &device);
            Ok::<_, anyhow::Error>((own, Scored::new(values, lengths)?))
        };
        let ((chosen, chosen_of), (rejected, rejected_of)) = (part(0)?, part(1)?);
        let pairs = Pairs::new(chosen, rejected)?.with_reference(chosen_of, rejected_of)?;
        Ok((pairs, tokens))
    }

    /// Learns from all pairs once, 64 an update, with a rate that rises over a tenth of the updates and falls to 0.
    pub(super) fn learn(
        &self,
        context: &Context,
        base: &Policy,
        (form, rate): (Form, f64),
        seed: u64,
    ) -> Result<(Policy, Budget)> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut stream(seed, Stream::Order));
        let (mut policy, mut optim) = (base.clone(), adam(0.999));
        let mut budget = self.budget;
        budget.scored += self
            .sides
            .iter()
            .flatten()
            .map(Completion::count_sampled)
            .sum::<usize>();
        let updates = self.len().div_ceil(BATCH);
        for (update, places) in order.chunks(BATCH).enumerate() {
            let (pairs, tokens) = self.pairs(context, &policy, places)?;
            let grads = form.loss(&pairs)?.backward();
            let grads = GradientsParams::from_grads(grads, &policy);
            let done = (update + 1) as f64 / updates as f64;
            let share = (done / 0.1).min((1.0 - done) / 0.9 + 1e-3).min(1.0);
            policy = optim.step(rate * share, policy, grads);
            budget.trained += tokens;
            budget.updates += 1;
        }
        Ok((policy, budget))
    }

    /// How far margins of averages in a batch are from those of the same pairs alone: padding must change nothing.
    pub(super) fn moved_by_padding(&self, context: &Context, policy: &Policy) -> Result<f64> {
        let margins = |places: &[usize]| -> Result<Vec<f32>> {
            let (chosen, rejected) = self.pairs(context, policy, places)?.0.ratios()?;
            Ok((chosen.means() - rejected.means()).try_into_vec_as()?)
        };
        let places: Vec<usize> = (0..16).collect();
        let mut most: f64 = 0.0;
        for (together, place) in margins(&places)?.into_iter().zip(&places) {
            let alone = margins(&[*place])?[0];
            most = most.max(f64::from((together - alone).abs()));
        }
        Ok(most)
    }
}
