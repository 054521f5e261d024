//! The policy after the warm-up, the test, and the names of the arms.

use anyhow::{Result, ensure};
use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::pass_at_k;
use regimen_rl_rewards::policy::{Rollouts, SamplePolicy, ScorePolicy, Sequences};

use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::chain::{Chain, Class};
use crate::rl_rewards::bed::evaluate::accuracy;
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::sampler::Sampler;
use crate::rl_rewards::bed::skills::{Skill, Skills};
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::warm_up::WarmUp;

pub(super) const BASE: &str = "base";
pub(super) const AVERAGED: &str = "dpo, averaged";
pub(super) const SUM: &str = "dpo, sums";
pub(super) const SIMPO: &str = "simpo";
pub(super) const BEST: &str = "dpo, best temperature";
pub(super) const SFT: &str = "sft on";
pub(super) const ONLINE: &str = "online rejection";
pub(super) const ONCE: &str = "one-round rejection";
pub(super) const RLVR: &str = "rlvr";
pub(super) const PPO: &str = "rlvr by ppo";
pub(super) const PPO_LOW: &str = "rlvr by ppo, alpha 1";

/// Streams of a seed's generator: nothing is drawn twice from one. The facts of the chain are of the first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Shown = 20,
    Tested,
    Paired,
    Noise,
    Order,
    Posted,
    More,
}

/// A generator of a seed's stream.
pub(super) fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// Strings that the warm-up must have taught, in percent.
const REVERSED: f64 = 80.0;

/// The policy after the warm-up, and what it is tested on.
pub(super) struct Bench {
    pub(super) task: Skills,
    pub(super) base: Policy,
    tested: Vec<Skill>,
    strings: Vec<Skill>,
}

/// Samples of a policy at a temperature; `seed` of all draws.
pub(super) fn sampled(
    context: &Context,
    task: &Skills,
    policy: &Policy,
    (skills, samples): (&[Skill], usize),
    temperature: f64,
    seed: u64,
) -> Result<Rollouts> {
    let prompts: Vec<_> = skills.iter().map(|one| task.prompt(one)).collect();
    let sampler = Sampler {
        policy: &policy.valid(),
        task,
        temperature,
        device: &context.device.clone().inner(),
    };
    Ok(sampler.sample(&prompts, samples, seed)?)
}

/// Log-probabilities `[sequences, T]` of rollouts, without a gradient, row by row.
pub(super) fn scored(
    context: &Context,
    policy: &Policy,
    rollouts: &Rollouts,
) -> Result<burn::tensor::Tensor<2>> {
    let device = context.device.clone().inner();
    let sequences = Sequences::new(rollouts, BLANK, &device)?;
    Ok(policy.valid().log_probs(&sequences)?)
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let chain = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        let task = Skills::new(chain);
        let config = PolicyConfig::new();
        let config = if context.full {
            config.with_layers(4).with_width(128).with_hidden(512)
        } else {
            config
        };
        let warm_up = WarmUp {
            updates: match context {
                Context { full: true, .. } => 8000,
                Context { small: true, .. } => 700,
                _ => 1000,
            },
            ..WarmUp::default()
        };
        device.seed(seed);
        let mut rng = stream(seed, Stream::Shown);
        let base = warm_up.teach(config.init(device), &task, &mut rng, device)?;
        let count = if context.small { 300 } else { 1000 };
        let mut rng = stream(seed, Stream::Tested);
        let tested = (0..count).map(|_| task.sum(Part::HeldOut, &mut rng));
        let tested = tested.collect();
        let strings = (0..count / 4).map(|_| task.reversal(Part::HeldOut, &mut rng));
        let strings = strings.collect();
        Ok(Self {
            task,
            base,
            tested,
            strings,
        })
    }

    /// The prompts that are sampled in the test: two fifths.
    fn few(&self) -> &[Skill] {
        &self.tested[..self.tested.len() * 2 / 5]
    }

    /// Tests a policy: greedy accuracy, samples by class of fact, and the other skill. `start` is what its divergence is from.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        (policy, start): (&Policy, &Policy),
    ) -> Result<()> {
        let device = context.device.clone().inner();
        let greedy = |skills| accuracy(&policy.valid(), &self.task, skills, &device);
        let found = greedy(&self.tested)?;
        trial.record(arm, "main", found.all);
        for class in Class::ALL {
            trial.record(arm, class.name(), found.of(Some(class)));
        }
        trial.record(arm, "reversal", greedy(&self.strings)?.all);
        if context.small && ![BASE, AVERAGED, RLVR].contains(&arm) {
            // What follows is reported, and in no check.
            return Ok(());
        }
        let few = self.few();
        let seed = trial.seed;
        let rollouts = sampled(context, &self.task, policy, (few, 8), 1.0, seed)?;
        let groups = rollouts.groups();
        for k in [1, 4, 8] {
            let mut sums = [(0.0, 0.0); 5];
            for (skill, group) in few.iter().zip(&groups) {
                let is_right = |place: &&usize| {
                    let completion = &rollouts.rollouts()[**place].completion;
                    self.task.is_right(skill, completion)
                };
                let right = group.iter().filter(is_right).count();
                let chance = 100.0 * pass_at_k(8, right, k)?;
                let class = self.task.class(skill).map_or(0, |class| class as usize);
                for at in [class, 4] {
                    sums[at].0 += chance;
                    sums[at].1 += 1.0;
                }
            }
            trial.record(arm, &format!("pass@{k}"), sums[4].0 / sums[4].1);
            for class in Class::ALL {
                let (sum, count) = sums[class as usize];
                let name = format!("pass@{k}, {}", class.name());
                trial.record(arm, &name, sum / f64::max(count, 1.0));
            }
        }
        let responses = rollouts.len() as f64;
        let length = rollouts.count_sampled() as f64 / responses;
        trial.record(arm, "tokens of a sample", length);
        let [own, of] = [policy, start].map(|policy| scored(context, policy, &rollouts));
        let far = (own? - of?).sum().into_scalar::<f32>();
        trial.record(arm, "divergence", f64::from(far) / responses);
        Ok(())
    }

    /// The share of samples that are right at a temperature; the most probable completion's at 0.
    pub(super) fn at(
        &self,
        context: &Context,
        policy: &Policy,
        temperature: f64,
        seed: u64,
    ) -> Result<f64> {
        let device = context.device.clone().inner();
        if temperature == 0.0 {
            return Ok(accuracy(&policy.valid(), &self.task, self.few(), &device)?.all);
        }
        let rollouts = sampled(
            context,
            &self.task,
            policy,
            (self.few(), 8),
            temperature,
            seed,
        )?;
        let right = rollouts.rollouts().iter();
        let right =
            right.filter(|one| self.task.is_right(&self.few()[one.prompt], &one.completion));
        Ok(100.0 * right.count() as f64 / rollouts.len() as f64)
    }

    /// Tests the base policy, which must reverse strings.
    pub(super) fn test_base(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        self.test(context, trial, BASE, (&self.base, &self.base))?;
        let found = trial.value(BASE, "reversal");
        ensure!(
            found >= REVERSED,
            "the warm-up is outside of its band: {found:.1} % of the strings are reversed"
        );
        Ok(())
    }
}
