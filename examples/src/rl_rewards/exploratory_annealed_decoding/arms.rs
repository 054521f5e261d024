//! One unit of GRPO whose samples are drawn at a temperature for each token, with what is done about that in the update.

use anyhow::{Result, anyhow};
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Decoding, Rollouts, Sequences, generate_with};
use regimen_rl_rewards::{
    Advantage, Advantages, Groups, Grpo, Objective, Temperature, TokenBatch, TokenSampler, Totals,
    truncated_ratio,
};

use super::bench::Bench;
use super::settings::Update;
use crate::experiment::{Context, Trial};
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::countdown::Instance;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::unit::Unit;

/// Where the truncated ratio stops a weight.
const CAP: f64 = 2.0;

/// How samples are drawn and learned from.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub(super) temperature: Temperature,
    pub(super) update: Update,
}

/// What all arms share.
pub(super) struct Training<'a> {
    pub(super) context: &'a Context,
    pub(super) bench: &'a Bench,
    pub(super) seed: u64,
    /// The temperatures by the formula for the method's arms, with which its samples are scored again.
    pub(super) formula: &'a Temperature,
}

/// What an arm gave.
pub(super) struct Done {
    pub(super) policy: Policy,
    budget: Budget,
    no_signal: f64,
    looks: Vec<Look>,
    /// The largest distance from 1 of a ratio of the first samples at the formula's temperatures, and of a weight from the one by its formula.
    off: [f64; 2],
}

/// What an update's samples were, over their tokens.
struct Look {
    update: usize,
    /// The policy's at temperature 1, in nats.
    entropy: f64,
    /// The share of right samples.
    right: f64,
    /// Of the policy at temperature 1 to the sampler, whole.
    ratio: f64,
    largest: f64,
    /// The same with the cap.
    weight: f64,
}

/// Steps of an update that are looked at.
const LOOKS: usize = 10;

/// A unit of the bed; five of them at the large size.
pub(super) fn unit(context: &Context, rate: f64) -> Unit {
    let updates = match context {
        Context { full: true, .. } => 300,
        Context { small: true, .. } => 2,
        _ => 60,
    };
    Unit {
        updates,
        rate,
        ..Unit::default()
    }
}

/// Samples of an update with their prompts and rewards.
struct Drawn {
    rollouts: Rollouts,
    advantages: Advantages,
    right: f64,
}

impl Training<'_> {
    pub(super) fn run(&self, arm: &Arm, rate: f64) -> Result<Done> {
        let unit = unit(self.context, rate);
        let sampler = TokenSampler::new(arm.temperature.clone());
        let decoding = self.bench.decoding(&arm.temperature)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut optim = adam(0.999);
        let mut done = Done {
            policy: self.bench.base.clone(),
            budget: Budget::default(),
            no_signal: 0.0,
            looks: Vec::new(),
            off: [0.0; 2],
        };
        let every = unit.updates.div_ceil(LOOKS);
        for update in 0..unit.updates {
            let instances = (0..unit.prompts)
                .map(|_| self.bench.task.draw(Part::Training, &mut rng))
                .collect();
            let seed = self.seed.wrapping_mul(1 << 20).wrapping_add(update as u64);
            let drawn = self.draw(&mut done, instances, (unit.samples, seed), &decoding)?;
            done.no_signal += drawn.advantages.no_signal().share() / unit.updates as f64;
            if update == 0 {
                done.off = self.distances(&done.policy, &drawn.rollouts)?;
            }
            if update % every == 0 || update + 1 == unit.updates {
                let look = self.look(&done.policy, &drawn, update)?;
                done.looks.push(look);
            }
            self.learn(&mut done, &drawn, arm.update, &sampler, (&mut optim, rate))?;
        }
        Ok(done)
    }

    fn plain(&self) -> Device {
        self.context.device.clone().inner()
    }

    /// Samples some prompts and compares rewards within the groups.
    fn draw(
        &self,
        done: &mut Done,
        instances: Vec<Instance>,
        (samples, seed): (usize, u64),
        decoding: &Decoding,
    ) -> Result<Drawn> {
        let task = &self.bench.task;
        let prompts: Vec<Vec<u32>> = instances.iter().map(|one| task.prompt(one)).collect();
        let observer = |prompt: &[u32], so_far: &[u32]| task.observe(prompt, so_far);
        let rollouts = generate_with(
            &done.policy.valid(),
            &prompts,
            samples,
            decoding,
            &observer,
            seed,
            &self.plain(),
        )?;
        let rewards = rollouts.rollouts().iter().map(|one| {
            let is_right = task.is_right(&instances[one.prompt], &one.completion);
            f64::from(u8::from(is_right))
        });
        let rewards: Vec<f64> = rewards.collect();
        let right = rewards.iter().sum::<f64>() / rewards.len() as f64;
        let groups = Groups::of_rollouts(&rollouts, rewards)?;
        done.budget.sampled += rollouts.count_sampled();
        done.budget.observed += rollouts.iter().map(|(_, one)| one.len()).sum::<usize>();
        done.budget.observed -= rollouts.count_sampled();
        done.budget.read += prompts.iter().map(Vec::len).sum::<usize>();
        done.budget.verified += rollouts.len();
        Ok(Drawn {
            advantages: Grpo::default().advantages(&groups)?,
            rollouts,
            right,
        })
    }

    /// One update. Rows without an advantage are left out with the denominators unchanged, which is the same gradient.
    fn learn(
        &self,
        done: &mut Done,
        drawn: &Drawn,
        update: Update,
        sampler: &TokenSampler,
        (optim, rate): (&mut ModuleOptimizer, f64),
    ) -> Result<()> {
        let values = drawn.advantages.values();
        let rows: Vec<usize> = (0..values.len())
            .filter(|row| values[*row] != 0.0)
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let few = drawn.rollouts.select(&rows)?;
        let sequences = Sequences::new(&few, BLANK, &self.context.device)?;
        let logits = done.policy.forward(sequences.tokens());
        let log_probs = if update == Update::Own {
            sequences.log_probs_of(logits, sampler)?
        } else {
            sequences.log_probs(logits)?
        };
        let lengths = drawn.rollouts.iter().map(|(_, one)| one.count_sampled());
        let totals = Totals::of_lengths(&lengths.collect::<Vec<_>>())?;
        let mut batch = TokenBatch::of_sequences(&sequences)?.with_totals(totals);
        if update == Update::Truncated {
            batch = batch.with_weights(self.weights(&log_probs, &sequences)?)?;
        }
        let values = Advantages::of_responses(rows.iter().map(|row| values[*row]).collect())?;
        let (loss, _) = Objective::dapo().loss(log_probs, &batch, &values)?;
        let grads = GradientsParams::from_grads(loss.backward(), &done.policy);
        done.policy = optim.step(rate, done.policy.clone(), grads);
        done.budget.trained += few.count_sampled();
        done.budget.updates += 1;
        Ok(())
    }

    /// The weight of each token by the policy's log-probabilities at temperature 1. There is one update a batch: the policy is the old one.
    fn weights(&self, log_probs: &Tensor<2>, sequences: &Sequences) -> Result<Tensor<2>> {
        let sampler = if self.context.is_broken_by("ratio-of-one-temperature") {
            log_probs.clone()
        } else {
            sequences.sampler_log_probs()
        };
        Ok(truncated_ratio(log_probs.clone(), sampler, Some(CAP))?)
    }

    /// Samples scored again by the policy that drew them: see [`Done::off`].
    fn distances(&self, policy: &Policy, rollouts: &Rollouts) -> Result<[f64; 2]> {
        let sequences = Sequences::new(rollouts, BLANK, &self.plain())?;
        let logits = policy.valid().forward(sequences.tokens());
        let formula = TokenSampler::new(self.formula.clone());
        let same = sequences.log_probs_of(logits.clone(), &formula)?;
        let same = (same - sequences.sampler_log_probs()).exp() - 1.0;
        let log_probs = sequences.log_probs(logits)?;
        let weights = host(self.weights(&log_probs, &sequences)?)?;
        let [_, width] = log_probs.dims();
        let log_probs = host(log_probs)?;
        let mut farthest = 0.0_f64;
        for (row, (_, completion)) in rollouts.iter().enumerate() {
            for (t, drawn) in completion.log_probs().iter().enumerate() {
                let Some(drawn) = drawn else { continue };
                let at = row * width + t;
                let weight = (log_probs[at] - f64::from(*drawn)).exp().min(CAP);
                farthest = farthest.max((weights[at] - weight).abs());
            }
        }
        let same = f64::from(same.abs().max().into_scalar::<f32>());
        Ok([same, farthest])
    }

    fn look(&self, policy: &Policy, drawn: &Drawn, update: usize) -> Result<Look> {
        let sequences = Sequences::new(&drawn.rollouts, BLANK, &self.plain())?;
        let logits = policy.valid().forward(sequences.tokens());
        let logs = log_softmax(sequences.before_each(logits.clone())?, 2);
        let entropy: Tensor<2> = -(logs.clone().exp() * logs).sum_dim(2).squeeze_dim::<2>(2);
        let outside: Tensor<2, Bool> = sequences.mask().equal_elem(0.0);
        let ratio = (sequences.log_probs(logits)? - sequences.sampler_log_probs()).exp();
        let count = sequences.count_sampled() as f64;
        let mean = |values: Tensor<2>| {
            let values = values.mask_fill(outside.clone(), 0.0);
            f64::from(values.sum().into_scalar::<f32>()) / count
        };
        Ok(Look {
            update,
            entropy: mean(entropy),
            right: drawn.right,
            ratio: mean(ratio.clone()),
            weight: mean(ratio.clone().clamp_max(CAP)),
            largest: f64::from(ratio.max().into_scalar::<f32>()),
        })
    }
}

fn host(tensor: Tensor<2>) -> Result<Vec<f64>> {
    let values = tensor.try_into_vec_as::<f32>();
    let values = values.map_err(|error| anyhow!("{error}"))?;
    Ok(values.into_iter().map(f64::from).collect())
}

impl Done {
    /// Notes what an arm cost and how it went.
    pub(super) fn record(&self, trial: &mut Trial, arm: &str) {
        self.budget.record(trial, arm);
        let count = self.looks.len().max(1) as f64;
        let mean = |of: fn(&Look) -> f64| self.looks.iter().map(of).sum::<f64>() / count;
        let largest = self.looks.iter().map(|look| look.largest);
        let last = self.looks.last();
        for (metric, value) in [
            ("groups with a signal, %", 100.0 * (1.0 - self.no_signal)),
            (
                "entropy at the start",
                self.looks.first().map_or(0.0, |look| look.entropy),
            ),
            ("entropy at the end", last.map_or(0.0, |look| look.entropy)),
            (
                "right samples at the end, %",
                last.map_or(0.0, |look| 100.0 * look.right),
            ),
            ("mean ratio", mean(|look| look.ratio)),
            ("mean ratio cut at 2", mean(|look| look.weight)),
            ("largest ratio", largest.fold(0.0, f64::max)),
            ("distance of a same-temperature ratio from 1", self.off[0]),
            ("distance of a weight from its formula", self.off[1]),
        ] {
            trial.record(arm, metric, value);
        }
        let points = self.looks.iter();
        let points = points.map(|look| (look.update as f64, look.entropy));
        trial.curve(arm, points.collect());
    }
}
