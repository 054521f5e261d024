//! What the tuning seeds gave.

use anyhow::Result;

use super::Job;
use super::arms::{Used, collect, fitted, held, response};
use super::settings::CHOSEN;
use super::simulator;
use crate::experiment::Context;

/// Prints what an agent gives on the first field, on which it was collected, at settings in place of those that were chosen; `simulator=1` the scan of
/// the simulator's alpha.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, set: &[String], mut line: impl FnMut(String)) -> Result<()> {
    if set.iter().any(|one| one == "simulator=1") {
        let alphas = [0.0, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 1e-3];
        for (alpha, outcome) in alphas.iter().zip(simulator::scan(seed, &alphas)?) {
            line(format!("{seed}; {alpha}; {outcome:.4?}"));
        }
        return Ok(());
    }
    let context = Context::new(seed);
    let texts = context.domains(super::DOMAINS)?;
    let job = Job::new(&context, &texts, CHOSEN.with(set)?, seed);
    let started = std::time::Instant::now();
    let field = job.field(&job.first(), job.sizes.hidden[0])?;
    let runs = collect(&field, &job.settings, seed)?;
    line(format!(
        "{seed}; collected in {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    for ended in &runs {
        line(format!(
            "{seed}; collected; source {:.2}; {:.4}; {:.3?}; feedback {:.4}",
            ended.source(),
            ended.mean(),
            ended.losses,
            ended.feedback()
        ));
    }
    let share = fitted(&runs, seed)?;
    let ended = field.run(&held(share))?;
    line(format!(
        "{seed}; fit; source {:.2}; {:.4}",
        ended.source(),
        ended.mean()
    ));
    for share in [0.15, 0.3, 0.5, 0.7, 0.85] {
        let ended = field.run(&held(vec![share, 1.0 - share]))?;
        line(format!(
            "{seed}; static; source {share:.2}; {:.4}",
            ended.mean()
        ));
    }
    let seen: Vec<_> = runs.iter().map(|ended| ended.run.clone()).collect();
    let best = field.run(&super::arms::best(&runs))?;
    line(format!(
        "{seed}; replayed; source {:.2}; {:.4}",
        best.source(),
        best.mean()
    ));
    let started = std::time::Instant::now();
    let config = job.settings.agent(2, &job.sizes, seed);
    let agent = config.fit(&seen, &context.device)?;
    let used = Used {
        agent: &agent,
        other: None,
        swapped: false,
    };
    let asked = response(&used, &runs)?;
    let seconds = started.elapsed().as_secs_f64();
    let ended = field.run(&used)?;
    let steps = ended.run.steps().iter();
    let shares: Vec<f64> = steps.map(|step| step.weights[0]).collect();
    line(format!(
        "{seed}; agent; {:.4}; source {:.2}; response {asked:.3}; {seconds:.1} s; {shares:.2?}",
        ended.mean(),
        ended.source()
    ));
    Ok(())
}
