//! The picker on made-up performances that follow its own model.

use anyhow::Result;
use rayon::prelude::*;
use regimen_curriculum::transfer::{
    GaussianProcessConfig, Slope, random_tasks, rehearsal, transfer_score,
};

use super::choices::{Broken, picked};

const TASKS: usize = 100;
const SLOPE: f64 = 0.005;
const TRAININGS: usize = 8;
const DRAWS: u64 = 30;
/// A fifth of the tasks: with the default of 100 a process of few points is often taken for a straight line.
const LONGEST: f64 = 20.0;

/// Percent by which the picker's mean score over so many families is above that of random tasks after the same first one.
pub(super) fn ahead(families: u64, seed: u64, broken: Broken) -> Result<f64> {
    let each = (0..families).into_par_iter().map(|family| {
        let key = seed.wrapping_mul(1 << 20).wrapping_add(family);
        let matrix = rehearsal(TASKS, SLOPE, key)?;
        let process = GaussianProcessConfig::new().with_lengths([0.01, LONGEST]);
        let how = (Slope::Fixed(vec![SLOPE]), process);
        let score = transfer_score(&matrix, &picked(&matrix, how, TRAININGS, broken)?)?;
        let mut random = 0.0;
        for draw in 0..DRAWS {
            let key = key.wrapping_mul(DRAWS).wrapping_add(draw);
            let chosen = random_tasks(TASKS, TRAININGS, Some((TASKS - 1) / 2), key)?;
            random += transfer_score(&matrix, &chosen)? / DRAWS as f64;
        }
        Ok(100.0 * (score - random))
    });
    let each: Vec<f64> = each.collect::<Result<_>>()?;
    Ok(each.iter().sum::<f64>() / each.len() as f64)
}
