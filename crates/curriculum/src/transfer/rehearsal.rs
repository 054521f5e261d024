//! # rehearsal
//!
//! Performances of policies on each other's tasks that follow the picker's own model: to try settings on before anything is trained.
//!
//! Source: Regimen's own; the model is that of "Model-Based Transfer Learning for Contextual Reinforcement Learning", arXiv 2408.04498

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::{Result, check, count};

/// Points of the line that the policies' own performances lie along.
const KNOTS: usize = 9;
/// Standard deviations of a policy's own performance about the line, and of a performance elsewhere.
const LUCK: f64 = 0.08;
const NOISE: f64 = 0.02;

/// A matrix whose entry `[i][j]` is the performance of the policy of task `i` on task `j`, for tasks in a row: a policy's own performance lies on a line
/// through nine random numbers of .3 to 1, with a standard deviation of .08, and falls by `slope` a task, with one of .02. All are cut to 0 to 1.
///
/// # Errors
/// If there are fewer than 2 tasks or over 4,096, or the slope is not within 0 and 1.
pub fn rehearsal(tasks: usize, slope: f64, seed: u64) -> Result<Vec<Vec<f64>>> {
    count("tasks", tasks, (2..=4096).contains(&tasks), "2 to 4096")?;
    check("slope", slope, (0.0..=1.0).contains(&slope), "0 to 1")?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let knots: Vec<f64> = (0..KNOTS).map(|_| rng.random_range(0.3..1.0)).collect();
    let point = |task: usize| {
        let place = (task * (KNOTS - 1)) as f64 / (tasks - 1) as f64;
        let low = (place as usize).min(KNOTS - 2);
        knots[low] + (place - low as f64) * (knots[low + 1] - knots[low])
    };
    let own: Vec<f64> = (0..tasks)
        .map(|task| normal(&mut rng, point(task), LUCK))
        .collect();
    let row = |from: usize, rng: &mut ChaCha8Rng| {
        let at = |to: usize, rng: &mut ChaCha8Rng| match from.abs_diff(to) {
            0 => own[from],
            far => normal(rng, own[from] - slope * far as f64, NOISE),
        };
        (0..tasks).map(|to| at(to, rng)).collect()
    };
    Ok((0..tasks).map(|from| row(from, &mut rng)).collect())
}

fn normal(rng: &mut impl Rng, mean: f64, deviation: f64) -> f64 {
    (mean + deviation * rng.sample::<f64, _>(StandardNormal)).clamp(0.0, 1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::*;

    const TASKS: usize = 100;

    fn after(matrix: &[Vec<f64>], trainings: usize) -> f64 {
        let process = GaussianProcessConfig::new()
            .with_restarts(4)
            .with_lengths([0.01, 20.0]);
        let config = TransferPickerConfig::in_a_row(TASKS).with_process(process);
        let config = config.with_slope(Slope::Fixed(vec![0.005]));
        let mut picker = config.init().unwrap();
        for _ in 0..trainings {
            let task = picker.next_task().unwrap().unwrap();
            picker.observe(task, &matrix[task]).unwrap();
        }
        picker.score()
    }

    /// With the true slope and lengths of up to a fifth of the range, selection beats the mean of random choices, and no choice the oracle.
    #[test]
    fn a_true_model_is_worth_having() {
        let (mut picked, mut random, mut oracle) = (0.0, 0.0, 0.0);
        for instance in 0..30 {
            let matrix = rehearsal(TASKS, 0.005, instance).unwrap();
            picked += after(&matrix, 8);
            for draw in 0..30 {
                let chosen = random_tasks(TASKS, 8, None, 1000 * instance + draw).unwrap();
                random += transfer_score(&matrix, &chosen).unwrap() / 30.0;
            }
            let chosen = sequential_oracle(&matrix, 8).unwrap();
            oracle += transfer_score(&matrix, &chosen).unwrap();
        }
        assert!(
            random < picked && picked <= oracle + 1e-9,
            "{random} {picked} {oracle}"
        );
    }

    #[test]
    fn a_policy_is_best_near_its_own_task() {
        let matrix = rehearsal(50, 0.01, 3).unwrap();
        for (task, row) in matrix.iter().enumerate() {
            let far = (task + 25) % 50;
            assert!(row[task] + 0.1 > row[far]);
            assert!(row.iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
