//! What the tuning seeds 1000 and 1001 chose, and how.

use anyhow::Result;

use super::bench::{Bench, Score, Settings};
use super::rules::order;
use crate::experiment::Context;

/// The strongest of two samples by the policy's own word, stopping by its log-probability, and stopping by votes.
pub(super) const BASELINE: &str = super::LOG_PROB;

const SETTINGS: Settings = Settings {
    graded: 3000,
    tested: 1000,
    lessons: (200, 1e-3),
    spent: (200, 5e-4),
};

/// Updates and rates of the lessons that were tried.
const TRIED: [(usize, f64); 5] = [
    (1000, 1e-3),
    (1000, 2e-3),
    (3000, 1e-3),
    (3000, 2e-3),
    (6000, 1e-3),
];

/// The settings of a size.
pub(super) fn settings(context: &Context) -> Settings {
    match context {
        Context { small: true, .. } => Settings {
            graded: 600,
            tested: 150,
            ..SETTINGS
        },
        Context { full: true, .. } => Settings {
            graded: 5000,
            tested: 5000,
            ..SETTINGS
        },
        _ => SETTINGS,
    }
}

/// Prints what the rules find at each rate of the lessons and of the training on right samples, on one tuning seed.
///
/// # Errors
/// If a rule fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for lessons in TRIED {
        let settings = Settings {
            lessons,
            ..SETTINGS
        };
        let bench = Bench::new(&context, seed, &settings)?;
        let found = super::rules(&context, &bench)?;
        let found: Vec<_> = found
            .iter()
            .map(|(arm, one)| format!("{arm} {:.1} ({:.2})", one.right, one.samples))
            .collect();
        line(format!(
            "{seed}; {lessons:?}; greedy {:.1?}; Brier {:.3}; one {:.1}, all {:.1}; order {:.3} of {:.3}; {}",
            bench.greedy,
            bench.brier(),
            bench.best_of(1, Score::Own)?.right,
            bench.best_of(super::MOST, Score::Own)?.right,
            order(&bench, Score::Own)?,
            order(&bench, Score::LogProb)?,
            found.join("; ")
        ));
    }
    Ok(())
}
