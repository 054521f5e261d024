//! One update of either task: sample, rescue what failed, compare within groups, learn at the prompts without guidance.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts, SamplePolicy, Sequences};
use regimen_rl_rewards::{
    Advantage, Advantages, Aggregation, Deviation, Groups, Grpo, Objective, Reformulated,
    Reformulation, TokenBatch, Totals,
};

use crate::optim::adam;

/// A prompt with all that an expert has to say about it.
#[derive(Clone, Debug)]
pub(super) struct Exercise {
    pub(super) prompt: Vec<u32>,
    /// The prompt with the expert's material in view.
    pub(super) guided: Vec<u32>,
    /// The right response as the expert writes it.
    pub(super) expert: Completion,
    /// The right response as the policy would write it.
    pub(super) own: Completion,
    /// What a response is compared with.
    pub(super) answer: Vec<u32>,
}

/// A task with its policy.
pub(super) trait Side {
    type Policy: Module + Clone;

    /// A token that fills up a batch.
    const FILL: u32;

    /// Completions of prompts by a policy without autodiff.
    fn sample(
        &self,
        policy: &Self::Policy,
        prompts: &[Vec<u32>],
        samples: usize,
        seed: u64,
    ) -> regimen_rl_rewards::Result<Rollouts>;

    /// The log-probability of each token, `[responses, T]`.
    fn log_probs(
        &self,
        policy: &Self::Policy,
        sequences: &Sequences,
    ) -> regimen_rl_rewards::Result<Tensor<2>>;

    fn is_right(&self, exercise: &Exercise, completion: &Completion) -> bool;
}

/// What happens to groups of which every response failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rescue {
    /// Nothing.
    None,
    /// The policy writes with the expert's material in view: the method.
    Guided,
    /// The same, for as many groups picked at random.
    Anywhere,
    /// The policy tries again without guidance.
    Again,
    /// The expert's text stands in the group.
    Expert,
    /// The right answer stands in the group as the policy would write it.
    Own,
    /// The expert's text is imitated beside.
    Imitate,
}

/// What an arm has cost and met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) rollouts: usize,
    pub(super) tokens: usize,
    pub(super) trained: usize,
    pub(super) updates: usize,
    /// Answers that were learned at a prompt with guidance.
    pub(super) at_guidance: usize,
    groups: usize,
    dead: usize,
    /// Sums of `-log p` over the tokens of guided and of the expert's answers, without guidance, and their numbers.
    guided: (f64, f64),
    expert: (f64, f64),
}

impl Tally {
    /// The share of groups without a signal, after rescue.
    pub(super) fn dead(&self) -> f64 {
        self.dead as f64 / self.groups.max(1) as f64
    }

    /// `-log p` a token of guided answers, and of the expert's.
    pub(super) fn losses(&self) -> (f64, f64) {
        let mean = |(sum, count): (f64, f64)| sum / count.max(1.0);
        (mean(self.guided), mean(self.expert))
    }
}

/// A policy that is trained.
pub(super) struct Learner<'a, S: Side> {
    pub(super) side: &'a S,
    pub(super) device: &'a Device,
    pub(super) policy: S::Policy,
    pub(super) tally: Tally,
    pub(super) rate: f64,
    pub(super) samples: usize,
    pub(super) seed: u64,
    /// The fault of leaving the guidance on where the gradient is taken.
    pub(super) hint_left_on: bool,
    optim: ModuleOptimizer,
}

/// What samples in a group that failed.
struct Writer<'a, S: Side> {
    side: &'a S,
    policy: &'a S::Policy,
    rescue: Rescue,
    exercises: &'a [Exercise],
}

impl<S: Side> SamplePolicy for Writer<'_, S> {
    fn sample(
        &self,
        prompts: &[Vec<u32>],
        samples: usize,
        seed: u64,
    ) -> regimen_rl_rewards::Result<Rollouts> {
        let text = |exercise: &Exercise| match self.rescue {
            Rescue::Own => exercise.own.clone(),
            _ => exercise.expert.clone(),
        };
        if !matches!(self.rescue, Rescue::Own | Rescue::Expert) {
            return self.side.sample(self.policy, prompts, samples, seed);
        }
        let mut rollouts = Vec::new();
        for (prompt, tokens) in prompts.iter().enumerate() {
            let mut exercises = self.exercises.iter();
            if let Some(exercise) = exercises.find(|one| one.guided == *tokens) {
                let completion = text(exercise);
                rollouts.extend(vec![Rollout { prompt, completion }; samples]);
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }
}

impl<'a, S: Side> Learner<'a, S> {
    pub(super) fn new(
        side: &'a S,
        base: &S::Policy,
        rate: f64,
        seed: u64,
        device: &'a Device,
    ) -> Self {
        Self {
            side,
            device,
            policy: base.clone(),
            tally: Tally::default(),
            rate,
            samples: 8,
            seed,
            hint_left_on: false,
            optim: adam(0.999),
        }
    }

    fn right(&self, exercise: &Exercise, completion: &Completion) -> f64 {
        f64::from(u8::from(self.side.is_right(exercise, completion)))
    }

    /// The seed of what is sampled next.
    fn next_seed(&self) -> u64 {
        let step = self.tally.updates as u64;
        self.seed.wrapping_mul(1 << 20).wrapping_add(2 * step)
    }

    /// One update.
    pub(super) fn step(&mut self, exercises: &[Exercise], rescue: Rescue) -> Result<()> {
        let prompts: Vec<_> = exercises.iter().map(|one| one.prompt.clone()).collect();
        let (policy, seed) = (self.policy.valid(), self.next_seed());
        let rollouts = self.side.sample(&policy, &prompts, self.samples, seed)?;
        self.tally.rollouts += rollouts.len();
        self.tally.tokens += rollouts.count_sampled();
        let all = rollouts.rollouts().iter();
        let rewards = all.map(|one| self.right(&exercises[one.prompt], &one.completion));
        let rewards: Vec<f64> = rewards.collect();
        let failed =
            Reformulation::default().failed(&Groups::of_rollouts(&rollouts, rewards.clone())?);
        let imitated = if rescue == Rescue::Imitate {
            failed.clone()
        } else {
            Vec::new()
        };
        let mixed = self.rescue(exercises, (rollouts, rewards), &failed, rescue, &policy)?;
        let rollouts = if self.hint_left_on {
            with_guidance(exercises, &mixed)?
        } else {
            mixed.rollouts().clone()
        };
        let is_guided = |prompt: &[u32]| exercises.iter().any(|one| one.guided == prompt);
        self.tally.at_guidance += rollouts.iter().filter(|one| is_guided(one.0)).count();
        if rescue == Rescue::Guided && self.tally.updates < 10 {
            self.measure(exercises, &mixed)?;
        }
        let grpo = Grpo::default().with_deviation(Deviation::Population);
        let advantages = grpo.with_epsilon(1e-6)?.advantages(&mixed.groups()?)?;
        let no_signal = advantages.no_signal();
        self.tally.groups += no_signal.groups;
        self.tally.dead += no_signal.single + no_signal.uniform;
        self.learn(exercises, &rollouts, &advantages, &imitated)
    }

    fn rescue(
        &mut self,
        exercises: &[Exercise],
        (rollouts, rewards): (Rollouts, Vec<f64>),
        failed: &[usize],
        rescue: Rescue,
        policy: &S::Policy,
    ) -> Result<Reformulated> {
        // Groups picked at random are all taken for failed ones, as far as a prompt is given for them.
        let mut chosen = vec![false; exercises.len()];
        match rescue {
            Rescue::None | Rescue::Imitate => {}
            Rescue::Anywhere => {
                chosen[..failed.len()].fill(true);
                chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(self.next_seed()));
            }
            _ => failed.iter().for_each(|group| chosen[*group] = true),
        }
        let mark = if rescue == Rescue::Anywhere { 1.0 } else { 0.0 };
        let recipe = Reformulation::default().with_failure(mark)?;
        let guide = |prompt: usize| {
            let exercise: &Exercise = &exercises[prompt];
            let shown = if rescue == Rescue::Again {
                &exercise.prompt
            } else {
                &exercise.guided
            };
            chosen[prompt].then(|| shown.clone())
        };
        let writer = Writer {
            side: self.side,
            policy,
            rescue,
            exercises,
        };
        let side = self.side;
        let verify = |prompt: usize, one: &Completion| {
            Ok(f64::from(u8::from(side.is_right(&exercises[prompt], one))))
        };
        let seed = self.next_seed() + 1;
        let mixed = recipe.rescue(rollouts, rewards, guide, &writer, seed, verify)?;
        if !matches!(rescue, Rescue::Expert | Rescue::Own) {
            self.tally.rollouts += mixed.rescued().responses;
            self.tally.tokens += mixed.rescued().tokens;
        }
        Ok(mixed)
    }

    /// How far guided answers and the expert's are from what the policy writes without guidance.
    fn measure(&mut self, exercises: &[Exercise], mixed: &Reformulated) -> Result<()> {
        let all = mixed.rollouts().rollouts().iter().zip(mixed.guided());
        let guided: Vec<Rollout> = all
            .filter(|(_, is)| **is)
            .map(|(one, _)| one.clone())
            .collect();
        if guided.is_empty() {
            return Ok(());
        }
        let expert = guided.iter().map(|one| Rollout {
            prompt: one.prompt,
            completion: exercises[one.prompt].expert.clone(),
        });
        let expert = expert.collect();
        for (rollouts, is_expert) in [(guided, false), (expert, true)] {
            let prompts = mixed.rollouts().prompts().to_vec();
            let plain = self.device.clone().inner();
            let sequences = Sequences::new(&Rollouts::new(prompts, rollouts)?, S::FILL, &plain)?;
            let sum = self.side.log_probs(&self.policy.valid(), &sequences)?.sum();
            let sum = -f64::from(sum.try_into_scalar::<f32>()?);
            let place = if is_expert {
                &mut self.tally.expert
            } else {
                &mut self.tally.guided
            };
            *place = (place.0 + sum, place.1 + sequences.count_sampled() as f64);
        }
        Ok(())
    }

    /// The clipped objective at ratio 1, one update a batch of samples, and imitation of the expert beside it.
    fn learn(
        &mut self,
        exercises: &[Exercise],
        rollouts: &Rollouts,
        advantages: &Advantages,
        imitated: &[usize],
    ) -> Result<()> {
        let lengths = rollouts.iter().map(|(_, one)| one.count_sampled());
        let totals = Totals::of_lengths(&lengths.collect::<Vec<_>>())?;
        let rows = (0..rollouts.len()).filter(|row| advantages.values()[*row] != 0.0);
        let rows: Vec<usize> = rows.collect();
        let mut losses = Vec::new();
        if !rows.is_empty() {
            let values = rows.iter().map(|row| advantages.values()[*row]).collect();
            losses.push(self.loss(&rollouts.select(&rows)?, values, totals)?);
        }
        if !imitated.is_empty() {
            let shown = imitated.iter().map(|prompt| Rollout {
                prompt: *prompt,
                completion: exercises[*prompt].expert.clone(),
            });
            let shown = Rollouts::new(rollouts.prompts().to_vec(), shown.collect())?;
            // A prompt that is imitated weighs as much as a group.
            let totals = Totals::new(shown.count_sampled(), exercises.len())?;
            losses.push(self.loss(&shown, vec![1.0; shown.len()], totals)?);
        }
        self.tally.updates += 1;
        let Some(loss) = losses.into_iter().reduce(|sum, loss| sum + loss) else {
            return Ok(());
        };
        let grads = GradientsParams::from_grads(loss.backward(), &self.policy);
        self.policy = self.optim.step(self.rate, self.policy.clone(), grads);
        Ok(())
    }

    fn loss(&mut self, rollouts: &Rollouts, values: Vec<f64>, totals: Totals) -> Result<Tensor<1>> {
        self.tally.trained += rollouts.count_sampled();
        let sequences = Sequences::new(rollouts, S::FILL, self.device)?;
        let batch = TokenBatch::of_sequences(&sequences)?.with_totals(totals);
        let objective =
            Objective::reinforce().with_aggregation(Aggregation::SequenceMeanTokenMean)?;
        let log_probs = self.side.log_probs(&self.policy, &sequences)?;
        let advantages = Advantages::of_responses(values)?;
        Ok(objective.loss(log_probs, &batch, &advantages)?.0)
    }
}

/// The fault: guided responses stay at the prompts with guidance.
fn with_guidance(exercises: &[Exercise], mixed: &Reformulated) -> Result<Rollouts> {
    let mut prompts: Vec<_> = exercises.iter().map(|one| one.prompt.clone()).collect();
    prompts.extend(exercises.iter().map(|one| one.guided.clone()));
    let all = mixed.rollouts().rollouts().iter().zip(mixed.guided());
    let rollouts = all.map(|(one, is_guided)| Rollout {
        prompt: one.prompt + if *is_guided { exercises.len() } else { 0 },
        completion: one.completion.clone(),
    });
    Ok(Rollouts::new(prompts, rollouts.collect())?)
}
