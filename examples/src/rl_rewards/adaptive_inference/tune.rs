//! Tries settings on a tuning seed.

use anyhow::{Result, bail};

use super::arms::{ADAPTIVE, controls, own_word};
use super::bench::{MOST, Policies, Score};
use super::measures::{brier, order, order_within};
use super::settings::{SETTINGS, Settings};
use crate::experiment::Context;

/// Settings with others in the place of some: `graded=3000,updates=200`.
fn changed(set: &str) -> Result<Settings> {
    let mut found = SETTINGS;
    for one in set.split(',') {
        let Some((name, value)) = one.split_once('=') else {
            bail!("{one}: name=value is allowed");
        };
        match name {
            "graded" => found.graded = value.parse()?,
            "asked" => found.batch.0 = value.parse()?,
            "shown" => found.batch.1 = value.parse()?,
            "updates" => found.lessons.0 = value.parse()?,
            "rate" => found.lessons.1 = value.parse()?,
            "spent" => found.spent.1 = value.parse()?,
            _ => bail!("{name}: graded, asked, shown, updates, rate and spent are allowed"),
        }
    }
    Ok(found)
}

/// Prints what the rules find on one tuning seed, by the settings that were chosen or with some of them changed.
///
/// # Errors
/// If a rule fails.
pub fn tune(seed: u64, set: &[String], mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let chosen = [String::new()];
    for set in if set.is_empty() { &chosen } else { set } {
        let settings = if set.is_empty() {
            SETTINGS
        } else {
            changed(set)?
        };
        let policies = Policies::new(&context, seed, &settings)?;
        let bench = policies.drawn(&context, seed)?;
        let mut found = controls(&bench)?;
        found.push((ADAPTIVE, own_word(&context, &bench)?.1));
        let found: Vec<_> = found
            .iter()
            .map(|(arm, one)| format!("{arm} {:.1} ({:.2})", one.right, one.samples))
            .collect();
        let [own, log_prob] = [Score::Own, Score::LogProb].map(|by| order(&bench, by));
        line(format!(
            "{seed}; {set}; most probable {:.1?}; Brier {:.4}; one {:.1}, all {:.1}; order {:.3}, by log-probability {:.3}; within {:.3}, {:.3}; {}",
            policies.greedy,
            brier(&bench),
            bench.best_of(1, Score::Own)?.right,
            bench.best_of(MOST, Score::Own)?.right,
            own?,
            log_prob?,
            order_within(&bench, Score::Own),
            order_within(&bench, Score::LogProb),
            found.join("; ")
        ));
    }
    Ok(())
}
