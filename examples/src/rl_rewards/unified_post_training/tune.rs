//! What the tuning seeds chose, and how: the mean accuracy over the seeds 1000 and 1001 of each arm at each rate.
//!
//! | arm | 2.5e-4 | 5e-4 | 1e-3 | 2e-3 |
//! |---|---|---|---|---|
//! | hpt | 52.0 | **58.3** | 57.0 | 44.8 |
//! | rl | 52.9 | **53.7** | 50.4 | 25.8 |
//! | sft | 52.2 | 58.3 | **59.2** | 54.8 |
//! | sft, then rl | 53.1 | **57.2** | 50.0 | 30.2 |
//! | early sft | 48.9 | **52.5** | 42.3 | 24.8 |
//! | random gate | 50.8 | **52.0** | 49.6 | 32.1 |
//! | sum, weight .03 | 54.1 | **56.3** | 46.1 | 22.6 |
//! | sum, weight .1 | 54.7 | 54.5 | 53.0 | 35.4 |
//! | sum, weight .3 | 53.0 | 55.5 | 54.5 | 41.8 |
//! | sum, weight 1 | 50.9 | 55.8 | 55.4 | 44.0 |
//!
//! A sum with weight 0 is RL.

use anyhow::Result;

use super::arms::{Arm, Post, Steps};
use super::bench::{AFTER, Bench, EARLY, EQUAL, HPT, LONG, RANDOM, RL, SFT, SUM};
use crate::experiment::{Context, Trial};

/// The best of one after the other, sum and random gate on the tuning seeds.
pub const BASELINE: &str = AFTER;

/// The weight of imitation in the sum.
pub(super) const WEIGHT: f64 = 0.03;

/// The rate of each arm.
pub(super) const RATES: [(&str, f64); 8] = [
    (RL, 5e-4),
    (SFT, 1e-3),
    (LONG, 1e-3),
    (AFTER, 5e-4),
    (SUM, 5e-4),
    (RANDOM, 5e-4),
    (EARLY, 5e-4),
    (HPT, 5e-4),
];

/// The rate of an arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(1e-3, |(_, rate)| *rate)
}

/// The rates that were tried.
const TRIED: [f64; 4] = [2.5e-4, 5e-4, 1e-3, 2e-3];

/// The weights of the sum that were tried.
const WEIGHTS: [f64; 4] = [0.03, 0.1, 0.3, 1.0];

/// Prints the accuracy of every arm at every rate on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed)?;
    let post = Post {
        context: &context,
        chain: &bench.chain,
        expert: &bench.expert,
        seed,
        steps: Steps::of(&context),
    };
    let mut found = |name: &str, arm: Arm, rate: f64| -> Result<Vec<usize>> {
        let done = post.run(&bench.base, arm, rate)?;
        let mut trial = Trial::new(seed);
        bench.test(&context, &mut trial, name, &done.policy)?;
        let main = trial.value(name, "main");
        line(format!(
            "{seed}; {name}; {rate}; {main:.1}; {:?}",
            done.budget
        ));
        Ok(done.imitated)
    };
    for rate in TRIED {
        let imitated = found(HPT, Arm::Hybrid, rate)?;
        found(RL, Arm::Reinforcement, rate)?;
        found(SFT, Arm::Imitation(EQUAL), rate)?;
        found(AFTER, Arm::First(post.steps.shown_first()), rate)?;
        found(EARLY, Arm::First(imitated.iter().sum()), rate)?;
        found(RANDOM, Arm::Random(imitated), rate)?;
        for weight in WEIGHTS {
            found(&format!("{SUM} {weight}"), Arm::Sum(weight), rate)?;
        }
    }
    Ok(())
}
