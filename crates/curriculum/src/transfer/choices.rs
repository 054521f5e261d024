//! # bisection, equidistant, sequential_oracle
//!
//! What a picker of training tasks is compared with: choices that look at no result, and choices that know all of them.
//!
//! Source: the baselines of "Model-Based Transfer Learning for Contextual Reinforcement Learning", arXiv 2408.04498, and of its released code

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::gaussian_process::check_points;
use super::picker::middle;
use crate::error::{Result, count, finite};

/// Distinct tasks at random, `first` ahead of them if there is one.
///
/// # Errors
/// If `trainings` is not 1 to `tasks`, or there is no task `first`.
pub fn random_tasks(
    tasks: usize,
    trainings: usize,
    first: Option<usize>,
    seed: u64,
) -> Result<Vec<usize>> {
    count(
        "trainings",
        trainings,
        (1..=tasks).contains(&trainings),
        "1 to the number of tasks",
    )?;
    if let Some(first) = first {
        count("first", first, first < tasks, "below the number of tasks")?;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn = rand::seq::index::sample(&mut rng, tasks, tasks);
    let rest = drawn.into_iter().filter(|task| Some(*task) != first);
    Ok(first.into_iter().chain(rest).take(trainings).collect())
}

/// The tasks nearest to points at even distances, for a number of trainings that is known ahead: with `b` of them
/// `max - (max - min) / (2 b) - (max - min) k / b`. A task that is nearest to two points is there twice.
///
/// # Errors
/// If there is no context, one is not finite, or `trainings` is not 1 to the number of tasks.
pub fn equidistant(contexts: &[f64], trainings: usize) -> Result<Vec<usize>> {
    finite("contexts", contexts)?;
    let tasks = contexts.len();
    count(
        "trainings",
        trainings,
        (1..=tasks).contains(&trainings),
        "1 to the number of tasks",
    )?;
    let [low, high] = bounds(contexts);
    let (range, parts) = (high - low, trainings as f64);
    let points = (0..trainings).map(|k| high - range / (2.0 * parts) - range * k as f64 / parts);
    Ok(points.map(|point| nearest(contexts, point)).collect())
}

/// The middle first, then the middle of the widest gap; the gaps at the two ends are cut at a third from the outer end. Of gaps of one width the
/// lower one.
///
/// # Errors
/// As for [`equidistant`].
pub fn bisection(contexts: &[f64], trainings: usize) -> Result<Vec<usize>> {
    finite("contexts", contexts)?;
    let tasks = contexts.len();
    count(
        "trainings",
        trainings,
        (1..=tasks).contains(&trainings),
        "1 to the number of tasks",
    )?;
    let [low, high] = bounds(contexts);
    let points: Vec<Vec<f64>> = contexts.iter().map(|context| vec![*context]).collect();
    let mut chosen = vec![middle(&points)];
    while chosen.len() < trainings {
        let mut cuts: Vec<f64> = chosen.iter().map(|task| contexts[*task]).collect();
        cuts.sort_unstable_by(f64::total_cmp);
        let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
        let inner = cuts
            .windows(2)
            .map(|pair| (pair[1] - pair[0], (pair[0] + pair[1]) / 2.0));
        let mut gaps = vec![(first - low, low + (first - low) / 3.0)];
        gaps.extend(inner);
        gaps.push((high - last, high - (high - last) / 3.0));
        gaps.sort_by(|a, b| b.0.total_cmp(&a.0));
        let of = |point: f64| {
            let far = |task: &usize| (contexts[*task] - point).abs();
            let open = (0..tasks).filter(|task| !chosen.contains(task));
            open.min_by(|a, b| far(a).total_cmp(&far(b)))
        };
        match gaps.first().and_then(|(_, point)| of(*point)) {
            Some(task) => chosen.push(task),
            None => break,
        }
    }
    Ok(chosen)
}

/// The choice that knows every performance, `matrix[i][j]` that of the policy of task `i` on task `j`: each next task is the one that adds most.
///
/// # Errors
/// If there is no task, the matrix is not square, a number is not finite, or `trainings` is not 1 to the number of tasks.
pub fn sequential_oracle(matrix: &[Vec<f64>], trainings: usize) -> Result<Vec<usize>> {
    check_matrix(matrix)?;
    let tasks = matrix.len();
    count(
        "trainings",
        trainings,
        (1..=tasks).contains(&trainings),
        "1 to the number of tasks",
    )?;
    let mut chosen: Vec<usize> = Vec::new();
    for _ in 0..trainings {
        let with = |task: usize| mean_of_best(matrix, chosen.iter().copied().chain([task]));
        let open = (0..tasks).filter(|task| !chosen.contains(task));
        let scored = open.map(|task| (task, with(task)));
        match scored.reduce(|best, next| if next.1 > best.1 { next } else { best }) {
            Some((task, _)) => chosen.push(task),
            None => break,
        }
    }
    Ok(chosen)
}

/// The mean over tasks of the best performance among the policies of the chosen ones; with all tasks chosen, what no choice can exceed.
///
/// # Errors
/// If there is no task, the matrix is not square, a number is not finite, nothing is chosen, or a chosen task is not there.
pub fn transfer_score(matrix: &[Vec<f64>], chosen: &[usize]) -> Result<f64> {
    check_matrix(matrix)?;
    count(
        "chosen",
        chosen.len(),
        !chosen.is_empty(),
        "one task or more",
    )?;
    for task in chosen {
        count(
            "chosen",
            *task,
            *task < matrix.len(),
            "below the number of tasks",
        )?;
    }
    Ok(mean_of_best(matrix, chosen.iter().copied()))
}

fn mean_of_best(matrix: &[Vec<f64>], chosen: impl Iterator<Item = usize> + Clone) -> f64 {
    let best = |to: usize| {
        let values = chosen.clone().map(|task| matrix[task][to]);
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..matrix.len()).map(best).sum::<f64>() / matrix.len() as f64
}

fn check_matrix(matrix: &[Vec<f64>]) -> Result<()> {
    check_points("matrix", matrix)?;
    count(
        "matrix",
        matrix[0].len(),
        matrix[0].len() == matrix.len(),
        "as many columns as rows",
    )
}

fn bounds(contexts: &[f64]) -> [f64; 2] {
    contexts
        .iter()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
            [low.min(*value), high.max(*value)]
        })
}

fn nearest(contexts: &[f64], point: f64) -> usize {
    let far = |task: usize| (contexts[task] - point).abs();
    (0..contexts.len())
        .reduce(|best, next| if far(next) < far(best) { next } else { best })
        .unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn choices_by_hand() {
        let contexts: Vec<f64> = (0..100).map(f64::from).collect();
        // 99 - 99/8 = 86.6, then 24.75 less each.
        assert_eq!(equidistant(&contexts, 4).unwrap(), [87, 62, 37, 12]);
        // The ends, cut at a third from outside: 99 - 50/3 and 49/3; then 16 to 49, which is as wide as 49 to 82.
        assert_eq!(bisection(&contexts, 4).unwrap(), [49, 82, 16, 32]);
        let random = random_tasks(100, 5, Some(49), 3).unwrap();
        assert_eq!((random[0], random.len()), (49, 5));
        assert!(random[1..].iter().all(|task| *task != 49));
    }

    #[test]
    fn an_oracle_takes_what_adds_most() {
        let matrix = vec![
            vec![0.9, 0.1, 0.0],
            vec![0.5, 0.6, 0.5],
            vec![0.0, 0.0, 0.8],
        ];
        assert_eq!(sequential_oracle(&matrix, 3).unwrap(), [1, 0, 2]);
        approx::assert_relative_eq!(
            transfer_score(&matrix, &[0, 2]).unwrap(),
            0.6,
            epsilon = 1e-12
        );
        let all = transfer_score(&matrix, &[0, 1, 2]).unwrap();
        approx::assert_relative_eq!(all, (0.9 + 0.6 + 0.8) / 3.0, epsilon = 1e-12);
        assert!(
            transfer_score(&matrix, &[]).is_err() && transfer_score(&matrix[..2], &[0]).is_err()
        );
    }
}
