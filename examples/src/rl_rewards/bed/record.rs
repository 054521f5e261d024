//! The record of the test bed itself: what the base of a task can do, and what the plainest ways to go on from it give.

use std::collections::VecDeque;
use std::fmt::Write as _;

use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::Decoding;
use regimen_rl_rewards::recipes::Rlvr;
use regimen_rl_rewards::{Advantage, Baseline, Grpo, Objective, Reinforce, TokenSampler};
use regimen_schedules::Constant;
use regimen_tensor::stats::{mean, standard_error};

use super::budget::Budget;
use super::chain::Chain;
use super::countdown::Countdown;
use super::evaluate::{Draws, accuracy, held_out, pass, sampling};
use super::policy::{Policy, PolicyConfig};
use super::symbols::END;
use super::task::{Part, Task};
use super::unit::{Learning, Trained, Unit};
use super::warm_up::WarmUp;

/// Rates that are tried for each arm that trains, on seeds that do not count; a best one at an end has its neighbour tried too. PPO takes four
/// steps by each batch, and starts from a quarter of these.
const RATES: [f64; 3] = [2.5e-4, 5e-4, 1e-3];

/// Seeds that choose rates.
const TUNING: [u64; 2] = [1000, 1001];

/// Temperatures that are tried for the base.
const TEMPERATURES: [f64; 5] = [0.4, 0.6, 0.8, 1.0, 1.2];

/// Held-out prompts for the most probable answer, and for samples.
const TESTED: [usize; 2] = [1000, 500];

/// Training prompts by which the temperature is chosen.
const FOR_TEMPERATURE: usize = 300;

/// The arms, in the order of the table.
const ARMS: [&str; 7] = [
    "base",
    "base at its best temperature",
    "warm-up continued",
    "rejection fine-tuning, online",
    "GRPO",
    "PPO, `alpha` 10",
    "PPO, `alpha` 1",
];

/// What an arm gave: percent right, greedy, sampled and of eight samples one, and what it cost.
#[derive(Clone, Copy)]
struct Measured {
    right: [f64; 3],
    budget: Budget,
}

/// A base, its task, and the prompts that it is tested on.
struct Start<'a, T: Task> {
    task: &'a T,
    base: Policy,
    greedy: Vec<T::Problem>,
    sampled: Vec<T::Problem>,
    seed: u64,
    device: Device,
}

impl<'a, T: Task> Start<'a, T> {
    fn new(task: &'a T, updates: usize, seed: u64) -> Result<Self> {
        let device = Device::default().autodiff();
        device.seed(seed);
        let warm_up = WarmUp {
            updates,
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let base = warm_up.teach(PolicyConfig::new().init(&device), task, &mut rng, &device)?;
        let [greedy, sampled] = TESTED.map(|count| held_out(task, count, seed ^ 0x7E57));
        Ok(Self {
            task,
            base,
            greedy,
            sampled,
            seed,
            device,
        })
    }

    fn plain(&self) -> Device {
        self.device.clone().inner()
    }

    fn test(&self, policy: &Policy, decoding: &Decoding) -> Result<[f64; 3]> {
        let (policy, device) = (policy.valid(), self.plain());
        let greedy = accuracy(&policy, self.task, &self.greedy, &device)?.all;
        let draws = Draws {
            decoding,
            samples: 8,
            seed: self.seed,
        };
        let found = pass(&policy, self.task, &self.sampled, draws, &[1, 8], &device)?;
        Ok([greedy, found[0].all, found[1].all])
    }

    fn at(&self, temperature: f64) -> Result<Decoding> {
        let sampler = TokenSampler::new(Constant::new(temperature)?);
        Ok(Decoding::new(sampler, END, self.task.response_length())?)
    }

    /// The temperature at which the base is right most often on training prompts.
    fn best_temperature(&self) -> Result<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let problems: Vec<_> = (0..FOR_TEMPERATURE)
            .map(|_| self.task.draw(Part::Training, &mut rng))
            .collect();
        let (policy, device) = (self.base.valid(), self.plain());
        let mut best = (f64::NEG_INFINITY, 1.0);
        for temperature in TEMPERATURES {
            let draws = Draws {
                decoding: &self.at(temperature)?,
                samples: 8,
                seed: self.seed,
            };
            let found = pass(&policy, self.task, &problems, draws, &[1], &device)?[0].all;
            if found > best.0 {
                best = (found, temperature);
            }
        }
        Ok(best.1)
    }

    /// One unit from the base by a reward of 1 for a right answer.
    fn unit(&self, advantage: &dyn Advantage, rate: f64) -> Result<Trained> {
        let learning = Learning {
            advantage,
            objective: &Objective::dapo(),
        };
        let unit = Unit {
            rate,
            ..Unit::default()
        };
        let right =
            |problem: &T::Problem, one: &_| f64::from(u8::from(self.task.is_right(problem, one)));
        unit.run(
            self.base.clone(),
            self.task,
            right,
            learning,
            self.seed,
            &self.device,
        )
    }

    /// As many samples as in a unit, each of a prompt of its own, by PPO with a value function.
    fn ppo(&self, alpha: f64, rate: f64) -> Result<Trained> {
        let Unit {
            prompts, samples, ..
        } = Unit::default();
        let unit = Unit {
            prompts: prompts * samples,
            samples: 1,
            rate,
            ..Unit::default()
        };
        let accepts = |problem: &T::Problem, one: &_| self.task.is_right(problem, one);
        unit.run_ppo(
            &self.base,
            self.task,
            accepts,
            rewards(self.task, alpha)?,
            self.seed,
            &self.device,
        )
    }

    /// The warm-up goes on until as many tokens have had a gradient as in a unit of GRPO at the middle rate.
    fn longer(&self, rate: f64) -> Result<(Policy, Budget)> {
        let tokens = self.unit(&Grpo::dr(), RATES[1])?.budget.trained;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x10_96E5);
        let mut budget = Budget::default();
        let mut policy = self.base.clone();
        let mut demonstration = || {
            let problem = self.task.draw(Part::Training, &mut rng);
            let taught = self.task.taught(&problem, &mut rng);
            (self.task.prompt(&problem), taught)
        };
        let of_batch: usize = {
            let some = (0..64).map(|_| demonstration().1.count_sampled());
            some.sum()
        };
        let warm_up = WarmUp {
            updates: tokens.div_ceil(of_batch.max(1)),
            rate,
            ..WarmUp::default()
        };
        policy = warm_up.run(policy, &self.device, || {
            let (prompt, taught) = demonstration();
            budget.trained += taught.count_sampled();
            budget.demonstrations += 1;
            (prompt, taught)
        })?;
        budget.updates = warm_up.updates;
        Ok((policy, budget))
    }

    /// An arm at a rate, which those that do not train ignore.
    fn arm(&self, arm: &str, rate: f64) -> Result<Measured> {
        let decoding = sampling(self.task)?;
        let (policy, budget, decoding) = match arm {
            "base" => (self.base.clone(), Budget::default(), decoding),
            "base at its best temperature" => {
                let decoding = self.at(self.best_temperature()?)?;
                (self.base.clone(), Budget::default(), decoding)
            }
            "warm-up continued" => {
                let (policy, budget) = self.longer(rate)?;
                (policy, budget, decoding)
            }
            "PPO, `alpha` 10" | "PPO, `alpha` 1" => {
                let alpha = if arm.ends_with("10") { 10.0 } else { 1.0 };
                let Trained { policy, budget, .. } = self.ppo(alpha, rate)?;
                (policy, budget, decoding)
            }
            _ => {
                let rejection = Reinforce::new(Baseline::Constant(0.0))?;
                let centred = Grpo::dr();
                let advantage: &dyn Advantage = if arm == "GRPO" { &centred } else { &rejection };
                let Trained { policy, budget, .. } = self.unit(advantage, rate)?;
                (policy, budget, decoding)
            }
        };
        Ok(Measured {
            right: self.test(&policy, &decoding)?,
            budget,
        })
    }
}

/// PPO's rewards: where no response of a task has an end, none is punished for it.
fn rewards(task: &impl Task, alpha: f64) -> Result<Rlvr> {
    let rlvr = Rlvr::ppo().with_alpha(alpha)?;
    Ok(if task.has_end() {
        rlvr
    } else {
        rlvr.with_unfinished(None)?
    })
}

/// The rate at which an arm's greedy accuracy is the highest in the mean of some seeds.
fn best_rate<T: Task>(arm: &str, tuning: &[Start<'_, T>]) -> Result<f64> {
    let of = |rate: f64| -> Result<(f64, f64)> {
        let found = tuning.iter().map(|start| start.arm(arm, rate));
        let found = found.collect::<Result<Vec<_>>>()?;
        let greedy: Vec<f64> = found.iter().map(|one| one.right[0]).collect();
        Ok((rate, mean(&greedy)))
    };
    let scale = if arm.starts_with("PPO") { 0.25 } else { 1.0 };
    let mut tried: VecDeque<(f64, f64)> = RATES
        .into_iter()
        .map(|rate| of(scale * rate))
        .collect::<Result<_>>()?;
    loop {
        let best = (0..tried.len()).max_by(|a, b| tried[*a].1.total_cmp(&tried[*b].1));
        match best.unwrap_or(0) {
            0 if tried.len() < 6 => tried.push_front(of(tried[0].0 / 2.0)?),
            last if last + 1 == tried.len() && tried.len() < 6 => {
                tried.push_back(of(tried[last].0 * 2.0)?);
            }
            place => return Ok(tried[place].0),
        }
    }
}

/// The lines of a task's arms.
fn lines<T: Task>(
    name: &str,
    task: impl Fn(u64) -> T,
    updates: usize,
    seeds: u64,
    out: &mut String,
) -> Result<()> {
    let tasks: Vec<(u64, T)> = (0..seeds)
        .chain(TUNING)
        .map(|seed| (seed, task(seed)))
        .collect();
    let starts = tasks
        .iter()
        .map(|(seed, task)| Start::new(task, updates, *seed))
        .collect::<Result<Vec<_>>>()?;
    let (counting, tuning) = starts.split_at(starts.len() - TUNING.len());
    for (place, arm) in ARMS.into_iter().enumerate() {
        let rate = if place > 1 {
            best_rate(arm, tuning)?
        } else {
            RATES[1]
        };
        let found = counting.iter().map(|start| start.arm(arm, rate));
        let found = found.collect::<Result<Vec<_>>>()?;
        let shown = |of: &dyn Fn(&Measured) -> f64| {
            let values: Vec<f64> = found.iter().map(of).collect();
            format!("{:.1} ± {:.1}", mean(&values), standard_error(&values))
        };
        let tokens = |of: &dyn Fn(&Budget) -> usize| {
            let values: Vec<f64> = found.iter().map(|one| of(&one.budget) as f64).collect();
            format!("{:.0}", mean(&values))
        };
        let rate = if place > 1 {
            format!("{rate:.1e}")
        } else {
            String::new()
        };
        writeln!(
            out,
            "| `{name}` | {arm} | {rate} | {} | {} | {} | {} | {} |",
            shown(&|one| one.right[0]),
            shown(&|one| one.right[1]),
            shown(&|one| one.right[2]),
            tokens(&|budget| budget.sampled),
            tokens(&|budget| budget.trained),
        )?;
    }
    Ok(())
}

/// The table of all arms, means and standard errors over so many seeds, on one of `chain` and `countdown` or on both.
///
/// # Errors
/// If a policy's logits hold no distribution.
pub fn table(seeds: u64, task: Option<&str>) -> Result<String> {
    let mut out = String::from(
        "| task | arm | rate | greedy | sampled | of 8 samples one | sampled tokens | trained tokens |\n|---|---|---|---|---|---|---|---|\n",
    );
    let wanted = |name| task.is_none_or(|task| task == name);
    if wanted("chain") {
        lines("chain", Chain::new, 560, seeds, &mut out)?;
    }
    if wanted("countdown") {
        lines("countdown", |_| Countdown::new(), 780, seeds, &mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_rl_rewards::policy::{Completion, Rollout, Rollouts};

    use super::*;

    /// A right and a wrong answer of a task have different rewards, whether its answers have an end or not.
    fn told_apart<T: Task>(task: &T) {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (problem, other) = (
            task.draw(Part::Training, &mut rng),
            task.draw(Part::Training, &mut rng),
        );
        let taught = |one| task.taught(one, &mut ChaCha8Rng::seed_from_u64(7));
        let of = |completion: Completion| Rollout {
            prompt: 0,
            completion,
        };
        let rollouts = vec![of(taught(&problem)), of(taught(&other))];
        let rollouts = Rollouts::new(vec![task.prompt(&problem)], rollouts).unwrap();
        let rlvr = rewards(task, 10.0).unwrap();
        let first = rlvr.rewards(&rollouts, |_, one| {
            f64::from(u8::from(*one == taught(&problem)))
        });
        assert_eq!(first.unwrap(), [10.0, 0.0]);
    }

    #[test]
    fn right_and_wrong_answers_are_told_apart() {
        told_apart(&Chain::new(0));
        told_apart(&Countdown::new());
    }
}
