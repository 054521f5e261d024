//! What settings give on a seed that does not count.

use anyhow::Result;
use regimen_curriculum::tasks::ContextRule;

use super::arms::{ENDLESS, FEW, Job, MANY, Pools};
use super::settings::Settings;
use crate::experiment::{Context, Trial};

/// Prints what the rules and the models give, with other settings than the usual where `set` says so, `name=value`. `only=rules` trains nothing,
/// `only=endless` trains on endless tasks alone.
///
/// # Errors
/// If a setting is unknown, and those of the run.
pub fn tune(seed: u64, set: &[String], mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let mut settings = Settings::of(&context);
    let mut only = "";
    for text in set {
        match text.strip_prefix("only=") {
            Some(name) => only = name,
            None => settings.set(text)?,
        }
    }
    line(format!("{settings:?}"));
    let pools = Pools::new(&context, &settings)?;
    let mut trial = Trial::new(seed);
    let mut tell = |trial: &Trial, arm: &str, seconds: f64| {
        let metrics = &trial.arms[arm];
        let metrics = metrics
            .iter()
            .map(|(name, value)| format!("{name} {value:.1}"));
        line(format!(
            "{arm}: {} ({seconds:.1} s)",
            metrics.collect::<Vec<_>>().join(", ")
        ));
    };
    let job = Job::new(&context, &settings, &pools, (None, seed))?;
    if only != "endless" {
        let mut rules = vec![ContextRule::NearestNeighbour, ContextRule::NearestMean];
        rules.extend([0.1, 1.0, 3.0, 10.0].map(|penalty| ContextRule::Ridge { penalty }));
        rules.extend([0.03, 0.1, 0.3, 1.0, 3.0].map(|rate| ContextRule::OnlineSgd { rate }));
        for rule in rules {
            let arm = format!("{rule:?}");
            job.rule(&mut trial, &arm, rule)?;
            tell(&trial, &arm, 0.0);
        }
    }
    if only == "rules" {
        return Ok(());
    }
    for (arm, tasks) in [(ENDLESS, None), (MANY, Some(64)), (FEW, Some(8))] {
        if only == "endless" && tasks.is_some() {
            continue;
        }
        context.device.seed(seed);
        let start = std::time::Instant::now();
        let job = Job::new(&context, &settings, &pools, (tasks, seed))?;
        job.train(&mut trial, arm)?;
        tell(&trial, arm, start.elapsed().as_secs_f64());
    }
    Ok(())
}
