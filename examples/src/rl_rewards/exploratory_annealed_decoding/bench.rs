//! The policy that all arms start from, the temperatures, and the test.

use anyhow::{Result, ensure};
use burn::module::Module;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Decoding, generate_with};
use regimen_rl_rewards::{DecodingTemperature, Temperature, TokenSampler, pass_at_k, worst_at_k};
use regimen_schedules::{Constant, ScheduleExt, Table};

use super::settings;
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::countdown::{Countdown, Instance};
use crate::rl_rewards::bed::evaluate::{Draws, accuracy, pass, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::END;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::warm_up::WarmUp;

/// Samples of a prompt from the base policy and from a trained one, and the numbers of which one must be right.
pub(super) const SAMPLES: usize = 16;
const AFTER: usize = 8;
pub(super) const KS: [usize; 5] = [1, 2, 4, 8, 16];

/// The temperature of the first token.
const HOT: f64 = 1.2;

/// Right answers of the base policy at temperature 1, in percent of the held-out prompts: the warm-up's band.
const BAND: std::ops::RangeInclusive<f64> = 15.0..=40.0;

/// The name of an arm that samples from the base policy.
pub(super) fn at_base(arm: &str) -> String {
    format!("base, {arm}")
}

/// The policy after the warm-up, and the prompts of the test.
pub(super) struct Bench {
    pub(super) task: Countdown,
    pub(super) base: Policy,
    pub(super) tested: Vec<Instance>,
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let task = if context.full {
            Countdown::large()
        } else {
            Countdown::new()
        };
        let warm_up = WarmUp {
            updates: match context {
                Context { full: true, .. } => 6000,
                Context { small: true, .. } => 300,
                _ => 780,
            },
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        device.seed(seed);
        let start = PolicyConfig::sized(context).init(device);
        let base = warm_up.teach(start, &task, &mut rng, device)?;
        let mut tested = task.instances(Part::HeldOut).to_vec();
        tested.shuffle(&mut rng);
        tested.truncate(match context {
            Context { full: true, .. } => 2000,
            Context { small: true, .. } => 100,
            _ => 844,
        });
        Ok(Self { task, base, tested })
    }

    /// Sampled tokens of a response: three of every four, the fourth is the calculator's.
    pub(super) fn sampled(&self) -> usize {
        self.task.response_length() / 4 * 3
    }

    /// The paper's schedule from 1.2 at the first sampled token to `tau_min` at the last, so many times as fast.
    pub(super) fn cooling(&self, tau_min: f64, times: f64) -> Result<Temperature> {
        let last = (self.sampled() - 1) as f64;
        let tau = DecodingTemperature::exploratory(HOT, tau_min)?.with_protected(0);
        let decay = last / (1.0 + HOT - tau_min).ln();
        Ok(tau.with_decay(decay / times)?.into())
    }

    /// The same temperatures from the last to the first.
    pub(super) fn reversed(&self, tau_min: f64) -> Result<Temperature> {
        let mut all = self.cooling(tau_min, 1.0)?.table(self.sampled())?;
        all.reverse();
        Ok(Table::new(all)?.into())
    }

    /// The mean of these temperatures for all tokens.
    pub(super) fn mean(&self, tau_min: f64) -> Result<Temperature> {
        let all = self.cooling(tau_min, 1.0)?.table(self.sampled())?;
        fixed(all.iter().sum::<f64>() / all.len() as f64)
    }

    /// How completions are drawn at a temperature.
    pub(super) fn decoding(&self, temperature: &Temperature) -> Result<Decoding> {
        let sampler = TokenSampler::new(temperature.clone());
        Ok(Decoding::new(sampler, END, self.task.response_length())?)
    }

    /// Refuses a base policy outside of the band; at the small size any serves.
    pub(super) fn check(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        let device = context.device.clone().inner();
        let draws = Draws {
            decoding: &sampling(&self.task)?,
            samples: 2,
            seed: trial.seed,
        };
        let policy = self.base.valid();
        let found = pass(&policy, &self.task, &self.tested, draws, &[1], &device)?;
        let sampled = found[0].all;
        trial.record("base", "right at temperature 1", sampled);
        let greedy = accuracy(&policy, &self.task, &self.tested, &device)?;
        trial.record("base", "main", greedy.all);
        let is_good = context.small || context.full || BAND.contains(&sampled);
        ensure!(
            is_good,
            "the base policy is right in {sampled:.1}%: outside of {BAND:?}"
        );
        Ok(())
    }

    /// Right ones of some samples of a policy on the held-out prompts, as pass@k and the worst of 8, in percent.
    pub(super) fn sample(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        (policy, temperature): (&Policy, &Temperature),
        samples: usize,
    ) -> Result<()> {
        let device = context.device.clone().inner();
        let prompts: Vec<_> = self
            .tested
            .iter()
            .map(|one| self.task.prompt(one))
            .collect();
        let observer = |prompt: &[u32], so_far: &[u32]| self.task.observe(prompt, so_far);
        let decoding = self.decoding(temperature)?;
        // Not the seed of a sample in training.
        let seed = trial.seed.wrapping_add(1 << 40);
        let rollouts = generate_with(
            &policy.valid(),
            &prompts,
            samples,
            &decoding,
            &observer,
            seed,
            &device,
        )?;
        let groups = rollouts.groups();
        let right = groups.iter().zip(&self.tested).map(|(group, instance)| {
            let is_right = |place: &&usize| {
                let one = &rollouts.rollouts()[**place].completion;
                self.task.is_right(instance, one)
            };
            group.iter().filter(is_right).count()
        });
        let right: Vec<usize> = right.collect();
        let mean = |of: &dyn Fn(usize) -> regimen_rl_rewards::Result<f64>| -> Result<f64> {
            let mut sum = 0.0;
            for count in &right {
                sum += of(*count)?;
            }
            Ok(100.0 * sum / right.len() as f64)
        };
        for k in KS.into_iter().filter(|k| *k <= samples) {
            let chance = mean(&|count| pass_at_k(samples, count, k))?;
            trial.record(arm, &format!("pass@{k}"), chance);
        }
        let worst = mean(&|count| worst_at_k(samples, count, 8))?;
        trial.record(arm, "worst@8", worst);
        Ok(())
    }

    /// What the base policy's samples give at each temperature; `own` is the one of the method's arm.
    pub(super) fn inference(
        &self,
        context: &Context,
        trial: &mut Trial,
        own: &Temperature,
    ) -> Result<()> {
        let mut arms = Vec::new();
        for tau in settings::FIXED {
            arms.push((at_base(&settings::fixed_arm(tau)), fixed(tau)?));
        }
        arms.push((at_base(settings::PLAIN), own.clone()));
        arms.push((at_base(settings::BACK), self.reversed(settings::INFERENCE)?));
        for (arm, temperature) in &arms {
            self.sample(context, trial, arm, (&self.base, temperature), SAMPLES)?;
        }
        for (k, tau) in KS.into_iter().zip(settings::BEST) {
            let metric = format!("pass@{k}");
            let best = trial.value(&at_base(&settings::fixed_arm(tau)), &metric);
            trial.record(&at_base(settings::BEST_ARM), &metric, best);
        }
        Ok(())
    }

    /// What a trained policy can do, decoded alike for all arms: greedy, and samples at temperature 1.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        policy: &Policy,
    ) -> Result<()> {
        let device = context.device.clone().inner();
        let greedy = accuracy(&policy.valid(), &self.task, &self.tested, &device)?;
        trial.record(arm, "main", greedy.all);
        self.sample(context, trial, arm, (policy, &fixed(1.0)?), AFTER)
    }
}

/// One temperature for all tokens.
pub(super) fn fixed(tau: f64) -> Result<Temperature> {
    Ok(Constant::new(tau)?.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_cools_from_the_first_sampled_token_to_the_last() {
        let bench = Bench {
            task: Countdown::new(),
            base: PolicyConfig::new().init(&burn::tensor::Device::flex()),
            tested: Vec::new(),
        };
        assert_eq!(bench.sampled(), 6);
        let values = |tau: Temperature| tau.table(6).unwrap();
        // 2.2 - exp(t ln(1.9) / 5).
        let expected = [1.2, 1.063_026, 0.907_289, 0.730_221, 0.528_898, 0.3];
        let cooling = values(bench.cooling(0.3, 1.0).unwrap());
        for (found, expected) in cooling.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{cooling:?}");
        }
        let mut back = values(bench.reversed(0.3).unwrap());
        back.reverse();
        assert_eq!(back, cooling);
        let mean = cooling.iter().sum::<f64>() / 6.0;
        assert_eq!(values(bench.mean(0.3).unwrap()), [mean; 6]);
        assert_eq!(values(bench.cooling(0.3, 20.0).unwrap())[1..], [0.3; 5]);
    }
}
