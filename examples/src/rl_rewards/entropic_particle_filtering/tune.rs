//! Tries settings on a tuning seed; `settings.rs` says what was chosen.

use std::time::Instant;

use anyhow::Result;

use super::arms::Arm;
use super::bench::{Bench, Kind};
use super::settings::{SETTINGS, Settings, warm_up};
use crate::experiment::Context;

/// The early temperatures that were tried.
const TRIED: [f64; 3] = [2.0, 4.0, 8.0];

/// The warm-ups that were tried: updates, and demonstrations each.
const WARM_UPS: [(usize, usize); 3] = [(600, 32), (800, 32), (1000, 32)];

/// The fits that were tried.
const FITS: [(usize, f64); 7] = [
    (300, 5e-3),
    (300, 1e-2),
    (300, 2e-2),
    (1000, 1e-3),
    (1000, 2e-3),
    (1000, 5e-3),
    (1000, 1e-2),
];

/// Prints what the base and the rewards are, and what the searches find, on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for (updates, batch) in WARM_UPS {
        let warm_up = warm_up(updates, batch);
        let since = Instant::now();
        let bench = Bench::with(
            &context,
            seed,
            Settings {
                warm_up,
                ..SETTINGS
            },
        )?;
        let seconds = since.elapsed().as_secs_f64();
        let known = bench.known(&context)?;
        let greedy = bench.greedy(&context)?;
        let mut found = Vec::new();
        for arm in [Arm::BestOfN, Arm::Systematic, Arm::Entropic] {
            found.push((arm, both(&context, &bench, arm, seed)?));
        }
        line(format!(
            "{seed}; {updates} x {batch}, {seconds:.1} s; known {known:.1}, greedy {greedy:.1}; {found:.1?}"
        ));
    }
    for fit in FITS {
        let since = Instant::now();
        let bench = Bench::with(&context, seed, Settings { fit, ..SETTINGS })?;
        let seconds = since.elapsed().as_secs_f64();
        let all = bench.calibrations(&context, seed)?;
        let fair = f64::midpoint(all[0][0].order, all[0][1].order);
        line(format!(
            "{seed}; {fit:?}: fair {fair:.4}; {seconds:.1} s; {all:.3?}"
        ));
    }
    let bench = Bench::new(&context, seed)?;
    let constants = TRIED.map(Arm::Constant);
    for arm in constants
        .into_iter()
        .chain([Arm::Systematic, Arm::Entropic])
    {
        let since = Instant::now();
        let found = both(&context, &bench, arm, seed)?;
        let seconds = since.elapsed().as_secs_f64();
        line(format!(
            "{seed}; {arm:?}; fair, over-confident: {found:.1?}; {seconds:.1} s"
        ));
    }
    Ok(())
}

/// What an arm finds by each reward.
fn both(context: &Context, bench: &Bench, arm: Arm, seed: u64) -> Result<Vec<f64>> {
    let kinds = Kind::MAIN.into_iter();
    kinds
        .map(|kind| Ok(bench.right(&arm.search(context, bench, (bench.scorer(kind), 8), seed)?)))
        .collect()
}
