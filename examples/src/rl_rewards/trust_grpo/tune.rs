//! What the tuning seeds chose, and how: the accuracies on the seeds 1000 / 1001 of each arm at each rate.
//!
//! | arm | 2.5e-4 | 5e-4 | 1e-3 |
//! |---|---|---|---|
//! | outcome only | 68.6 / 73.8 | **69.3 / 79.0** | 68.5 / |
//! | honest, full | 66.6 / 71.2 | **67.8 / 74.7** | 60.1 / |
//! | fooled, no safeguards | 42.5 / 44.9 | **43.7 / 45.6** | 41.0 / |
//! | fooled, annealing only | 41.9 / 45.7 | **44.5 / 45.6** | 41.1 / |
//! | fooled, full | 42.6 / 44.5 | **44.1 /** | 40.5 / |
//! | fooled, constant weight | 42.4 / 45.7 | **42.7 /** | |
//! | fooled, full + gate | 68.0 / 73.7 | **69.8 /** | |
//!
//! What is missing was not run: the rates were frozen ahead of it.

use anyhow::Result;

use super::arms::{Arm, Done, Length, Post};
use super::bench::{Bench, CONSTANT, FADING, FULL, GATED, HONEST, NONE, OUTCOME};
use super::plan::{constant, equal, trusts, updates};
use crate::experiment::{Context, Trial};

/// The rate of each arm.
pub(super) const RATES: [(&str, f64); 7] = [
    (OUTCOME, 5e-4),
    (HONEST, 5e-4),
    (NONE, 5e-4),
    (FADING, 5e-4),
    (FULL, 5e-4),
    (GATED, 5e-4),
    (CONSTANT, 5e-4),
];

/// The rate of an arm; of those at the large size alone that of the full arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(5e-4, |(_, rate)| *rate)
}

/// The rates that were tried.
const TRIED: [f64; 3] = [2.5e-4, 5e-4, 1e-3];

/// Prints the accuracy of some arms, or of all, at some rates, or at those that were tried, on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, arms: &[String], rates: &[f64], mut line: impl FnMut(String)) -> Result<()> {
    let is_tried = |name: &str| arms.is_empty() || arms.iter().any(|arm| arm == name);
    let rates = if rates.is_empty() { &TRIED[..] } else { rates };
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(&context, &mut trial)?;
    line(format!("{seed}; base; {:?}", trial.arms["base"]));
    let post = Post {
        context: &context,
        bench: &bench,
        seed,
    };
    // The tokens of outcome only at its own rate are every arm's.
    let outcome = Arm {
        thinking: None,
        rate: rate(OUTCOME),
    };
    let length = equal(&post.run(&outcome, Length::Updates(updates(&context)))?);
    let mut found = |name: &str, arm: Arm<'_>| -> Result<Done> {
        let done = post.run(&arm, length)?;
        bench.test(&context, &mut trial, name, &done.policy)?;
        let of = |metric| trial.value(name, metric);
        line(format!(
            "{seed}; {name}; {}; {:.1}; bare {:.1}; updates {}; weight {:.3}; distrusted {:.3}; uniform {:.3}; agreement {:.3} {:.3}; trained {}",
            arm.rate,
            of("main"),
            of("bare, share of samples"),
            done.budget.updates,
            done.mean_weight(),
            super::arms::mean(&done.distrusted),
            super::arms::mean(&done.uniform),
            of("rank correlation, honest"),
            of("rank correlation, fooled"),
            done.budget.trained,
        ));
        Ok(done)
    };
    for rate in rates.iter().copied() {
        if is_tried(OUTCOME) {
            let thinking = None;
            found(OUTCOME, Arm { thinking, rate })?;
        }
        for (name, trust) in trusts(&context) {
            let of = |trust| Arm {
                thinking: Some((bench.scorer(name), trust)),
                rate,
            };
            let is_constant = name == FULL && is_tried(CONSTANT);
            if !is_tried(name) && !is_constant {
                continue;
            }
            let done = found(name, of(trust))?;
            if is_constant {
                found(CONSTANT, of(constant(&done)))?;
            }
        }
    }
    Ok(())
}
