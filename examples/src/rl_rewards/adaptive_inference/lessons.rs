//! What the policy learns from its graded samples: to say whether it would do better, or, with the same ones, to answer right.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{
    Completion, Rollout, Rollouts, SelfEvaluation, Sequences, generate,
};
use regimen_rl_rewards::search::{ProcessReward, Question, win_or_tie};
use regimen_tensor::stats::ranks;

use super::settings::Settings;
use crate::experiment::Context;
use crate::rl_rewards::bed::chain::{Chain, Problem};
use crate::rl_rewards::bed::evaluate::sampling;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::symbols::{BLANK, LETTERS};
use crate::rl_rewards::bed::task::Part;
use crate::rl_rewards::bed::warm_up::{WarmUp, imitation, pairs};

/// Streams of a seed's generator. The facts of the chain are of the first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Graded = 50,
    Taught,
    Tested,
    Spent,
    Permuted,
}

pub(super) fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// "Would you do better if you started over?", "no", "yes": letters that no answer has.
fn question() -> Result<Question> {
    let [asked, no, yes] = [16, 17, 18].map(|letter| LETTERS + letter);
    Ok(Question::new(vec![asked], no, yes)?)
}

/// Samples of training prompts, 1 for each that is right and else 0.
pub(super) struct Graded {
    rollouts: Rollouts,
    rewards: Vec<f64>,
}

impl Graded {
    /// Two samples of each of so many prompts.
    pub(super) fn new(
        task: &Chain,
        policy: &Policy,
        prompts: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Self> {
        let problems = (0..prompts).map(|_| task.problem(Part::Training, rng));
        let problems: Vec<Problem> = problems.collect();
        let prompts: Vec<Vec<u32>> = problems.iter().map(|one| task.prompt(one)).collect();
        let rollouts = generate(
            &policy.valid(),
            &prompts,
            2,
            &sampling(task)?,
            rng.random(),
            &device.clone().inner(),
        )?;
        let all = rollouts.rollouts().iter();
        let right = all.map(|one| task.is_right(&problems[one.prompt], &one.completion));
        let rewards = right.map(|right| f64::from(u8::from(right))).collect();
        Ok(Self { rollouts, rewards })
    }

    fn pair(&self, one: &Rollout) -> (Vec<u32>, Completion) {
        let prompt = self.rollouts.prompts()[one.prompt].clone();
        (prompt, one.completion.clone())
    }

    /// A policy that is trained on the right ones alone.
    pub(super) fn learn_right(
        &self,
        policy: Policy,
        (updates, rate): (usize, f64),
        mut rng: ChaCha8Rng,
        device: &Device,
    ) -> Result<Policy> {
        let all = self.rollouts.rollouts().iter().zip(&self.rewards);
        let right = all.filter(|(_, reward)| **reward > 0.0);
        let right: Vec<&Rollout> = right.map(|(one, _)| one).collect();
        let plan = WarmUp {
            updates,
            rate,
            ..WarmUp::default()
        };
        plan.run(policy, device, || {
            self.pair(right[rng.random_range(0..right.len())])
        })
    }

    /// A policy that is taught the question by these samples and their beginnings; the rest of each update is ordinary demonstrations.
    pub(super) fn teach(
        &self,
        context: &Context,
        (task, mut policy): (&Chain, Policy),
        settings: &Settings,
        seed: u64,
    ) -> Result<Policy> {
        let mut rng = stream(seed, Stream::Taught);
        let labels = if context.is_broken_by("strict-wins") {
            strictly(&self.rewards)
        } else {
            win_or_tie(&self.rollouts, &self.rewards, 0.0)?
        };
        let lessons = question()?.lessons(&self.rollouts, &labels, 1, &mut rng)?;
        let (updates, rate) = settings.lessons;
        let plan = WarmUp {
            updates,
            rate,
            ..WarmUp::default()
        };
        let (asked, shown) = settings.batch;
        let mut optim = AdamWConfig::new().with_epsilon(1e-8).init();
        for update in 0..updates {
            let some = (0..asked).filter_map(|_| lessons.rollouts().choose(&mut rng));
            let some = some.map(|one| {
                (
                    lessons.prompts()[one.prompt].clone(),
                    one.completion.clone(),
                )
            });
            let some = Sequences::new(&pairs(some.collect())?, BLANK, &context.device)?;
            let ordinary = (0..shown).map(|_| {
                let problem = task.problem(Part::Training, &mut rng);
                (task.prompt(&problem), task.taught(&problem, &mut rng))
            });
            let ordinary = Sequences::new(&pairs(ordinary.collect())?, BLANK, &context.device)?;
            let loss = imitation(&policy, &some)? + imitation(&policy, &ordinary)?;
            let grads = GradientsParams::from_grads(loss.backward(), &policy);
            policy = optim.step(plan.rate_at(update), policy, grads);
        }
        Ok(policy)
    }

    /// The chance that a sample that wins or ties is scored above one that does not, by what a policy says.
    pub(super) fn order(&self, context: &Context, policy: &Policy) -> Result<f64> {
        let all = self.rollouts.rollouts().iter();
        let all = all.map(|one| {
            let prompt = self.rollouts.prompts()[one.prompt].as_slice();
            (prompt, &one.completion)
        });
        let all: Vec<_> = all.collect();
        let scores = said(
            context,
            &policy.valid(),
            &all,
            &context.device.clone().inner(),
        )?;
        let labels = win_or_tie(&self.rollouts, &self.rewards, 0.0)?;
        Ok(ordered(&scores, &labels))
    }
}

/// What a policy says of texts.
pub(super) fn said(
    context: &Context,
    policy: &Policy,
    texts: &[(&[u32], &Completion)],
    device: &Device,
) -> Result<Vec<f64>> {
    let scores = SelfEvaluation::new(policy, question()?, device).scores(texts)?;
    if context.is_broken_by("yes-is-good") {
        return Ok(scores.into_iter().map(|score| 1.0 - score).collect());
    }
    Ok(scores)
}

/// The chance that one of those that are so is scored above one of the others.
pub(super) fn ordered(scores: &[f64], so: &[bool]) -> f64 {
    let ranks = ranks(scores);
    let sum: f64 = ranks
        .iter()
        .zip(so)
        .filter(|(_, so)| **so)
        .map(|(rank, _)| rank)
        .sum();
    let [yes, no] = [true, false].map(|is| so.iter().filter(|one| **one == is).count() as f64);
    (sum - yes * (yes + 1.0) / 2.0) / (yes * no).max(1.0)
}

/// Whether each sample wins against the other of its prompt, ties excluded: a fault.
fn strictly(rewards: &[f64]) -> Vec<bool> {
    let others = rewards.chunks(2).flat_map(|pair| pair.iter().rev());
    let pairs = rewards.iter().zip(others);
    pairs.map(|(one, other)| one > other).collect()
}
