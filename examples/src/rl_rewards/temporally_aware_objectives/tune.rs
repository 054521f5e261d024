//! What the tuning seeds chose, and how: the mean return over the seeds 1000 and 1001 of each arm, % of the most possible, with each rate of its
//! search.
//!
//! | arm | bandit: .0001 | .0003 | .001 | .003 | .01 | .03 | grid: .001 | .003 | .01 | .03 |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | blind |  | 68.4 | **70.4** | 69.2 | 66.3 | 67.2 | 82.5 | **87.2** | 86.4 | 86.2 |
//! | n/N |  | 68.8 | **70.4** | 69.7 | 69.5 | 70.3 | 82.7 | **87.5** | 86.2 | 85.2 |
//! | n/N and ln N |  | 68.2 | 69.7 | 69.2 | **73.1** | 66.9 | 82.7 | 87.0 | **87.2** | 86.3 |
//! | raw n |  | 68.4 | **70.5** | 69.0 | 67.1 | 67.6 | 82.8 | **87.1** | 86.5 | 86.3 |
//! | truncated | 65.7 | **67.0** | 47.1 | 36.0 | 32.8 | 31.8 | 83.0 | **86.9** | 85.7 | 84.5 |
//! | hand schedule |  |  | 60.8 | **64.7** | 64.2 | 64.1 | 71.9 | 77.3 | **85.8** | 85.8 |
//! | constants for each N |  |  | 68.0 | **69.8** | 66.5 | 63.8 | 79.7 | 82.5 | **87.0** | 86.9 |
//!
//! Two searches of one arm that differ by nothing but their seed are up to five points apart on bandits. In grid worlds the rate moves the arms by more than what they read. On bandits the truncated arm commits to its first good pull the
//! more it searches: what it finds at the smallest rates is near the start of every search.

use anyhow::Result;

use super::arms::{found, mean, plan, tests};
use super::bandit::Bandits;
use super::family::Family;
use super::grids::Grids;
use super::meta::Tested;
use super::settings::{ARMS, BANDITS, EACH, GRIDS, Size};
use crate::experiment::Context;

/// The rates that were tried.
const TRIED: [f64; 6] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03];

/// Prints the return of some arms at some rates, of all at those of the table where none is named, on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, arms: &[String], rates: &[f64], mut line: impl FnMut(String)) -> Result<()> {
    let rates = if rates.is_empty() { &TRIED } else { rates };
    let mut named = ARMS.into_iter().chain([EACH]).collect::<Vec<_>>();
    named.retain(|arm| arms.is_empty() || arms.iter().any(|name| name == arm));
    of(&Bandits, BANDITS, (seed, &named, rates), &mut line)?;
    of(&Grids { side: 5 }, GRIDS, (seed, &named, rates), &mut line)
}

fn of<F: Family>(
    family: &F,
    size: Size,
    (seed, arms, rates): (u64, &[&str], &[f64]),
    line: &mut dyn FnMut(String),
) -> Result<()> {
    let context = Context::new(seed);
    for arm in arms.iter().copied() {
        for rate in rates.iter().copied() {
            let found = found(family, arm, plan(&context, size, arm, rate), seed)?;
            let tested = tests(family, &found, size, seed);
            let [share, drop] = [
                mean(&tested, |tested| tested.share),
                mean(&tested, Tested::drop),
            ];
            let updates = found[0].updates;
            let name = F::NAME;
            line(format!(
                "{seed}; {name}; {arm}; {rate}; {share:.1} %; entropy drop {drop:.1}; {updates} updates"
            ));
        }
    }
    Ok(())
}
