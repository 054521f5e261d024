//! How strengths are chosen: by class-incremental accuracy on seeds that do not count, or by the task-incremental one where that is all there is.

use anyhow::{Context as _, Result};

use super::arms::{DECIDING, REPORTED};
use super::{EPOCHS, MEMORY};
use crate::Context;
use crate::continual::bed::tasks;
use crate::continual::continual_survey::setting::Bed;

/// The seeds that choose.
const SEEDS: std::ops::Range<u64> = 1000..1003;

/// The names of the arms that are tuned, with the strengths that are tried.
#[must_use]
pub fn grids() -> Vec<(&'static str, &'static [f64])> {
    let arms = DECIDING.iter().chain(&REPORTED);
    arms.map(|arm| (arm.name, arm.grid)).collect()
}

/// What an arm gives with a strength on each set: its name, and the mean accuracies over the tuning seeds, among all classes (0 for
/// methods that have to know the task) and within the task.
///
/// # Errors
/// If there is no such arm, or a run fails.
pub fn tried(arm: &str, strength: f64) -> Result<Vec<(&'static str, [f64; 2])>> {
    let mut arms = DECIDING.iter().chain(&REPORTED);
    let arm = arms.find(|one| one.name == arm).context("no such arm")?;
    let mut found: Vec<(&'static str, [f64; 2])> = Vec::new();
    for seed in SEEDS {
        let context = Context::new(seed);
        for set in context.image_sets()? {
            let bed = Bed {
                context: &context,
                parts: tasks(&set.images, seed)?,
                epochs: EPOCHS,
                seed,
                memory: MEMORY,
            };
            let figures = bed.run(arm, strength)?;
            let both = [figures.classes.unwrap_or(0.0), figures.within];
            let share = both.map(|value| value / SEEDS.count() as f64);
            match found.iter_mut().find(|(name, _)| *name == set.name) {
                Some((_, sum)) => *sum = [sum[0] + share[0], sum[1] + share[1]],
                None => found.push((set.name, share)),
            }
        }
    }
    Ok(found)
}
