//! What the tuning seeds chose, and how.

use anyhow::Result;

use super::arms::Arm;
use super::bench::{Bench, Kind};
use crate::experiment::{Context, Trial};

/// Updates of the warm-up.
pub(super) const WARM_UP: usize = 1000;

/// Updates and rate of a process reward's fit.
pub(super) const FIT: (usize, f64) = (300, 5e-4);

/// The fits that were tried.
const FITS: [(usize, f64); 4] = [(300, 5e-4), (1000, 5e-4), (1000, 1e-3), (2000, 1e-3)];

/// The early temperature of the control, of the three that were tried.
pub(super) const CONSTANT: f64 = 4.0;

/// The early temperatures that were tried.
const TRIED: [f64; 3] = [2.0, 4.0, 8.0];

/// Prints what the base and the rewards are, and what the searches find, on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for fit in FITS {
        let bench = Bench::fitted(&context, seed, fit)?;
        let mut trial = Trial::new(seed);
        bench.describe(&context, &mut trial)?;
        line(format!("{seed}; fit {fit:?}; {:.3?}", trial.arms));
        for arm in [Arm::BestOfN, Arm::Systematic] {
            let found = arm.search(&context, &bench, (Kind::Fair, 8), seed)?;
            line(format!(
                "{seed}; fit {fit:?}; {arm:?}; fair: {:.1}",
                bench.right(&found)
            ));
        }
    }
    let bench = Bench::new(&context, seed)?;
    let constants = TRIED.map(Arm::Constant);
    let arms = [Arm::BestOfN, Arm::Systematic, Arm::Entropic];
    for arm in constants.into_iter().chain(arms) {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let search = arm.search(&context, &bench, (kind, 8), seed)?;
            found.push(bench.right(&search));
        }
        line(format!(
            "{seed}; {arm:?}; fair, over-confident: {found:.1?}"
        ));
    }
    Ok(())
}
