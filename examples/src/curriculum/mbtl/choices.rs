//! Which tasks each arm trains, in order.

use anyhow::{Context as _, Result};
use regimen_curriculum::transfer::{
    GaussianProcessConfig, Slope, TransferPicker, TransferPickerConfig, bisection, equidistant,
    expected_gains, random_tasks, sequential_oracle,
};

use super::bench::Bench;

/// How the picker is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    No,
    /// What is achieved is not subtracted.
    Achieved,
    /// Trained tasks are not left out.
    Trained,
    /// The deviation counts against a task.
    Deviation,
}

/// The tasks of the picker, which sees the performances of those that it trains.
pub(super) fn picked(
    seen: &[Vec<f64>],
    (slope, process): (Slope, GaussianProcessConfig),
    trainings: usize,
    broken: Broken,
) -> Result<Vec<usize>> {
    let config = TransferPickerConfig::in_a_row(seen.len()).with_slope(slope);
    let config = config.with_process(process);
    let mut picker = config.init()?;
    let mut chosen = Vec::new();
    while chosen.len() < trainings {
        let next = match broken {
            Broken::No => picker.next_task()?,
            _ => broken_choice(&picker, broken)?,
        };
        let task = next.context("fewer tasks than trainings")?;
        if !chosen.contains(&task) {
            picker.observe(task, &seen[task])?;
        }
        chosen.push(task);
    }
    Ok(chosen)
}

fn broken_choice(picker: &TransferPicker, broken: Broken) -> Result<Option<usize>> {
    let Some(beliefs) = picker.beliefs()? else {
        return Ok(picker.next_task()?);
    };
    let trained: Vec<usize> = picker.trained().collect();
    let weight = (trained.len() as f64 + 1.0).ln().sqrt();
    let weight = if broken == Broken::Deviation {
        -weight
    } else {
        weight
    };
    let achieved = match broken {
        Broken::Achieved => vec![0.0; picker.tasks()],
        _ => picker.achieved(),
    };
    let contexts: Vec<Vec<f64>> = (0..picker.tasks()).map(|task| vec![task as f64]).collect();
    let slopes = picker.slopes();
    let mut gains = expected_gains(&beliefs, weight, (&contexts, &slopes), &achieved)?;
    if broken == Broken::Trained {
        // A trained task with all it is believed to be worth.
        for task in &trained {
            gains[*task] = f64::INFINITY;
        }
    }
    let open =
        (0..picker.tasks()).filter(|task| broken == Broken::Trained || !trained.contains(task));
    Ok(open.reduce(|best, next| {
        if gains[next] > gains[best] {
            next
        } else {
            best
        }
    }))
}

/// The mean score after each number of trainings of random choices after the middle task.
pub(super) fn random(bench: &Bench, trainings: usize, draws: u64, seed: u64) -> Result<Vec<f64>> {
    let first = Some((bench.tasks() - 1) / 2);
    let mut scores = vec![0.0; trainings];
    for draw in 0..draws {
        let chosen = random_tasks(
            bench.tasks(),
            trainings,
            first,
            seed.wrapping_mul(1 << 20) + draw,
        )?;
        for (place, score) in scores.iter_mut().enumerate() {
            *score += bench.score(&chosen[..=place]) / draws as f64;
        }
    }
    Ok(scores)
}

/// The score after each number of trainings of a choice that does not know how many there will be.
pub(super) fn nested(bench: &Bench, chosen: &[usize]) -> Vec<f64> {
    (1..=chosen.len())
        .map(|count| bench.score(&chosen[..count]))
        .collect()
}

fn row(bench: &Bench) -> Vec<f64> {
    (0..bench.tasks()).map(|task| task as f64).collect()
}

pub(super) fn at_even_distances(bench: &Bench, trainings: usize) -> Result<Vec<f64>> {
    let of = |count| Ok(bench.score(&equidistant(&row(bench), count)?));
    (1..=trainings).map(of).collect()
}

pub(super) fn bisected(bench: &Bench, trainings: usize) -> Result<Vec<f64>> {
    Ok(nested(bench, &bisection(&row(bench), trainings)?))
}

/// What knows the fresh episodes.
pub(super) fn knowing(bench: &Bench, trainings: usize) -> Result<Vec<f64>> {
    Ok(nested(bench, &sequential_oracle(&bench.fresh, trainings)?))
}
