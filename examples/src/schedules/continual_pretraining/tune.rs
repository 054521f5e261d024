//! Peaks that were tried on seeds that do not count.

use anyhow::Result;

use super::arms::{AVERAGED, COLD, Job, Losses, OLD, ONCE, OTHER, UNION, named};
use super::choices::{SHARES, TRANSFORMER, TRANSFORMERS};
use crate::experiment::Context;
use crate::models::CharTransformer;
use crate::schedules::stream::State;

/// Writes a line for each arm, share of the peak and shift: the losses on the old domain, on the new one, and their mean.
///
/// # Errors
/// If the embedded data is damaged.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let job = Job::new(&context, seed)?;
    // The first stage's peak of either model.
    let large = Job::transformer(&context, seed)?;
    let old = large.stream.batches(OLD, 0)?;
    for peak in TRANSFORMERS {
        let state: State<CharTransformer> = large.scratch(&old, 1, peak / TRANSFORMER.peak)?;
        let loss = large.losses(&state.model, OLD)[0];
        line(format!("transformer: old only; {peak}; {loss:.4}"));
    }
    let old = job.stream.batches(OLD, 0)?;
    for share in [2.0, 1.0, 0.5, 0.25] {
        let state: State = job.scratch(&old, 1, share)?;
        line(format!(
            "old only; {share}; {:.4}",
            job.losses(&state.model, OLD)[0]
        ));
    }
    let base = job.first()?;
    let mut tell = |arm: &str, share: f64, new: usize, [old, fresh, mean]: Losses| {
        let arm = named(arm, new);
        line(format!("{arm}; {share}; {old:.4}; {fresh:.4}; {mean:.4}"));
    };
    for new in job.shifts() {
        let cold = job.not_rewarmed(&base, new)?;
        tell(COLD, 0.0, new, job.losses(&cold.model, new));
        for share in SHARES {
            for fraction in [0.0, 0.05, 0.25, 0.5] {
                let (state, _) = job.replayed(&base, new, fraction, share)?;
                let arm = format!("{} % replay", 100.0 * fraction);
                tell(&arm, share, new, job.losses(&state.model, new));
                if fraction == 0.0 {
                    let (step, model) = job.averaged(&base, &state, new)?;
                    let arm = format!("{AVERAGED} at {step}");
                    tell(&arm, share, new, job.losses(&model, new));
                }
            }
            let state = job.third(&base, new, 0.25, share)?;
            tell(OTHER, share, new, job.losses(&state.model, new));
            for (stages, arm) in [(1, ONCE), (2, UNION)] {
                let state: State = job.union(new, stages, share)?;
                tell(arm, share, new, job.losses(&state.model, new));
            }
        }
    }
    Ok(())
}
