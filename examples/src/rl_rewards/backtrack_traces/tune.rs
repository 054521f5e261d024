//! Tries the rates of reinforcement learning on a tuning seed; `settings.rs` says what was chosen.

use anyhow::Result;

use super::learn::Bench;
use super::settings::arms;
use crate::experiment::{Context, Trial};

/// The rates that were tried.
const TRIED: [f64; 3] = [2.5e-4, 5e-4, 1e-3];

/// Prints what every arm solves at every rate on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed);
    for arm in arms(&context) {
        for rate in TRIED {
            let mut trial = Trial::new(seed);
            let start = std::time::Instant::now();
            bench.arm(&mut trial, &arm, rate)?;
            let value = |metric: &str| trial.value(arm.name, metric);
            line(format!(
                "{seed}; {}; {rate}; 11 blanks {:.1} from {:.1}, greedy {:.1} from {:.1}; 8 blanks {:.1} from {:.1}; wrong turns {:.2}; updates {}; sampled {}; {:.0} s",
                arm.name,
                value("main"),
                value("before, 11 blanks"),
                value("11 blanks, greedy"),
                value("before, 11 blanks, greedy"),
                value("8 blanks"),
                value("before, 8 blanks"),
                value("wrong turns of a demonstration"),
                value("updates"),
                value("sampled tokens"),
                start.elapsed().as_secs_f64(),
            ));
        }
    }
    Ok(())
}
