//! What the tuning seeds chose, and how: means over the seeds 1000 and 1001, in percent of the held-out prompts.
//!
//! One right of k samples of the base policy, which is right in 31.8 decoded greedily:
//!
//! | temperature | 1 | 2 | 4 | 8 | 16 |
//! |---|---|---|---|---|---|
//! | fixed 0.4 | **30.90** | **44.15** | 57.40 | 68.60 | 76.85 |
//! | fixed 0.6 | 28.80 | 43.75 | **59.50** | 72.95 | 82.20 |
//! | fixed 0.8 | 26.35 | 41.75 | 59.10 | **74.30** | 84.75 |
//! | fixed 1.0 | 23.40 | 38.45 | 56.55 | 73.45 | **85.50** |
//! | fixed 1.2 | 19.50 | 33.20 | 51.20 | 69.60 | 83.55 |
//! | fixed 1.5 | 11.50 | 20.85 | 35.30 | 53.90 | 72.85 |
//! | annealed to 0.1 | 25.45 | 40.80 | 58.65 | **74.65** | 85.60 |
//! | reversed from 0.1 | 27.20 | 39.95 | 52.70 | 63.50 | 71.35 |
//! | annealed to 0.3 | 24.80 | 40.20 | 58.25 | 74.60 | 85.95 |
//! | reversed from 0.3 | 26.20 | 40.35 | 55.65 | 69.15 | 79.00 |
//! | annealed to 0.6 | 23.75 | 38.90 | 57.20 | 74.25 | 86.40 |
//! | reversed from 0.6 | 24.30 | 39.05 | 56.05 | 71.50 | 82.90 |
//!
//! Greedy accuracy after training, and in brackets one right of 8 samples, by rate. Log-probabilities of the update are at
//! temperature 1 (plain), the same with the truncated ratio, or at the sampler's own:
//!
//! | arm | update | 6e-5 | 1.2e-4 | 2.5e-4 | 5e-4 | 1e-3 |
//! |---|---|---|---|---|---|---|
//! | fixed 0.6 | plain | 39.00 (72.1) | 41.55 (69.2) | **44.05** (65.0) | 43.55 (57.8) | 26.10 (42.9) |
//! | fixed 0.6 | own | 39.00 (71.9) | 40.15 (68.9) | **44.65** (62.5) | 43.45 (56.8) | 30.30 (41.3) |
//! | fixed 0.6 | truncated | 38.20 (71.5) | 40.70 (68.1) | **44.50** (61.2) | 42.45 (57.1) | 32.05 (43.8) |
//! | fixed 0.8 | plain | 39.00 (71.6) | 41.20 (68.2) | 43.85 (62.5) | **44.65** (57.0) | 34.15 (46.4) |
//! | fixed 0.8 | own | 38.65 (71.8) | 40.70 (68.2) | **44.05** (61.9) | 41.80 (56.0) | 39.90 (49.2) |
//! | fixed 0.8 | truncated | 38.40 (70.9) | 41.30 (67.0) | **44.40** (59.3) | 41.00 (55.4) | 35.50 (43.1) |
//! | fixed 1.0 | plain | 37.85 (70.7) | 40.40 (68.1) | 44.25 (60.8) | **44.35** (55.0) | 38.55 (48.8) |
//! | fixed 1.2 | plain | 36.90 (70.0) | 40.10 (67.0) | **43.50** (60.4) | 41.80 (54.2) | 36.85 (48.5) |
//! | fixed 1.2 | own | 37.65 (70.0) | 39.60 (66.8) | 44.05 (59.7) | **44.30** (55.3) | 41.85 (49.6) |
//! | fixed 1.2 | truncated | 37.75 (70.7) | 40.35 (68.0) | 43.15 (60.8) | **43.90** (57.2) | 36.60 (49.0) |
//! | annealed to 0.3 | plain | 37.90 (69.6) | 39.85 (65.2) | 43.25 (59.1) | **43.90** (54.0) | 37.15 (44.7) |
//! | annealed to 0.3 | truncated | 38.15 (70.3) | 39.95 (66.4) | **43.45** (59.7) | 40.80 (53.8) | 32.15 (46.8) |
//! | annealed to 0.3 | own | 38.45 (71.5) | 39.70 (67.6) | 40.95 (62.4) | **41.55** (54.8) | 33.65 (45.8) |
//! | reversed from 0.3 | truncated | 39.90 (73.3) | 42.55 (69.8) | **43.95** (63.1) | 43.70 (55.8) | 42.55 (52.5) |
//! | annealed to 0.6 | plain | 37.90 (69.5) | 40.00 (65.5) | **43.50** (58.2) | 41.10 (54.6) | 36.80 (47.4) |
//! | annealed to 0.6 | truncated | 37.30 (70.2) | 40.10 (67.4) | **41.50** (61.2) | 41.15 (58.0) | 36.85 (45.7) |
//! | annealed to 0.6 | own | 37.85 (70.6) | 39.75 (66.8) | **43.10** (60.8) | 42.35 (54.8) | 39.50 (46.4) |
//! | reversed from 0.6 (seed 1000 alone) | truncated | 39.90 (71.5) | 42.30 (68.0) | **46.90** (62.4) | 46.00 (57.7) | 38.20 (44.7) |
//!
//! The best fixed temperatures in training are 0.6 with log-probabilities at 0.6 and 0.8 with those at 1,
//! equal in greedy accuracy: the baseline is the one with more right of 8.
//! Rates of 1e-3 and more make every arm worse, so that no range ends at its best. Differences of a point between neighbours are noise.

use anyhow::Result;

use super::arms::{Arm, Training};
use super::bench::{Bench, KS, SAMPLES, at_base, fixed};
use super::settings::{FIXED, PLAIN, Update, fixed_arm};
use crate::experiment::{Context, Trial};

/// The rates that were tried.
const TRIED: [f64; 5] = [6e-5, 1.2e-4, 2.5e-4, 5e-4, 1e-3];

/// Prints what the base policy's samples give at every temperature, and every arm after training at every rate, on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed)?;
    let mut trial = Trial::new(seed);
    bench.check(&context, &mut trial)?;
    let base = |metric| trial.value("base", metric);
    line(format!(
        "{seed}; base; greedy {:.1}; sampled {:.1}",
        base("main"),
        base("right at temperature 1")
    ));
    let mut arms = Vec::new();
    for tau in FIXED {
        arms.push((fixed_arm(tau), fixed(tau)?));
    }
    for tau_min in [0.1, 0.3, 0.6] {
        arms.push((
            format!("{PLAIN} to {tau_min}"),
            bench.cooling(tau_min, 1.0)?,
        ));
        arms.push((format!("reversed from {tau_min}"), bench.reversed(tau_min)?));
    }
    for (name, temperature) in &arms {
        let mut trial = Trial::new(seed);
        let arm = at_base(name);
        bench.sample(
            &context,
            &mut trial,
            &arm,
            (&bench.base, temperature),
            SAMPLES,
        )?;
        let found = KS.map(|k| format!("{:.1}", trial.value(&arm, &format!("pass@{k}"))));
        line(format!("{seed}; {arm}; {}", found.join("; ")));
    }
    let mut arms = Vec::new();
    for tau in [0.6, 0.8, 1.0, 1.2] {
        arms.push((fixed_arm(tau), fixed(tau)?, Update::Plain));
        if tau != 1.0 {
            for update in [Update::Own, Update::Truncated] {
                arms.push((fixed_arm(tau), fixed(tau)?, update));
            }
        }
    }
    for tau_min in [0.3, 0.6] {
        let name = format!("{PLAIN} to {tau_min}");
        let own = bench.cooling(tau_min, 1.0)?;
        for update in [Update::Plain, Update::Truncated, Update::Own] {
            arms.push((name.clone(), own.clone(), update));
        }
        let name = format!("reversed from {tau_min}");
        arms.push((name, bench.reversed(tau_min)?, Update::Truncated));
    }
    for (name, temperature, update) in arms {
        let training = Training {
            context: &context,
            bench: &bench,
            seed,
            formula: &temperature,
        };
        let arm = Arm {
            temperature: temperature.clone(),
            update,
        };
        for rate in TRIED {
            let done = training.run(&arm, rate)?;
            let mut trial = Trial::new(seed);
            bench.test(&context, &mut trial, &name, &done.policy)?;
            done.record(&mut trial, &name);
            let value = |metric: &str| trial.value(&name, metric);
            line(format!(
                "{seed}; {name}, {update:?}; {rate}; greedy {:.1}; pass@1 {:.1}; pass@8 {:.1}; signal {:.1}; sampled {}; entropy {:.2}; ratio {:.2}, largest {:.0}",
                value("main"),
                value("pass@1"),
                value("pass@8"),
                value("groups with a signal, %"),
                value("sampled tokens"),
                value("entropy at the end"),
                value("mean ratio"),
                value("largest ratio"),
            ));
        }
    }
    Ok(())
}
