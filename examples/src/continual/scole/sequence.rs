//! The tasks of an arm, by the places of their images.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;
use regimen_continual::scenario::{
    ClassFrequencies, ClassOrder, Planned, Recurring, RecurringClasses, Scenario,
};

use super::arms::{Arm, Order};

/// Classes of a task.
pub(super) const PER_TASK: usize = 2;

/// So many tasks of an arm over images with these labels: the same for all arms of one order, imbalance and seed.
///
/// # Errors
/// If there are fewer than four classes, or one has no image.
pub(super) fn tasks(arm: &Arm, labels: &[usize], count: usize, seed: u64) -> Result<Vec<Planned>> {
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    anyhow::ensure!(classes >= 2 * PER_TASK, "{classes} classes: at least four");
    let frequencies = ClassFrequencies::imbalanced(classes, arm.lambda)?.shuffled(seed);
    let fresh = RecurringClasses::new(frequencies, PER_TASK, count as u64)?.with_seed(seed);
    let pairs = ClassOrder::new(classes, classes / PER_TASK)?.shuffled(seed);
    let in_a_row: Vec<usize> = (0..count)
        .map(|task| task * pairs.tasks() / count)
        .collect();
    let visits = |visits| {
        Recurring::new(pairs.clone(), visits)?
            .with_all()
            .train(labels)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Ok(match arm.order {
        Order::Fresh => fresh.train(labels)?,
        Order::Blocked => visits(in_a_row)?,
        Order::Pairs => {
            let mut shuffled = in_a_row;
            shuffled.shuffle(&mut rng);
            visits(shuffled)?
        }
        Order::Iid => {
            let mut tasks = fresh.train(labels)?;
            for task in &mut tasks {
                let drawn = index::sample(&mut rng, labels.len(), task.examples.len());
                task.examples = drawn.into_vec();
                task.task.classes = (0..classes).collect();
            }
            tasks
        }
    })
}

/// How often a class comes back after a pause, in the mean over the classes.
pub(super) fn returns(tasks: &[Planned], classes: usize) -> f64 {
    let has = |task: usize, class: &usize| tasks[task].task.classes.contains(class);
    let begins =
        |task: usize, class: &usize| has(task, class) && (task == 0 || !has(task - 1, class));
    let of_class = |class| {
        let stretches = (0..tasks.len())
            .filter(|task| begins(*task, &class))
            .count();
        stretches.saturating_sub(1)
    };
    (0..classes).map(of_class).sum::<usize>() as f64 / classes as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::arms::{ALL, BLOCKED, DEFAULT, PAIRS};
    use super::*;

    fn labels() -> Vec<usize> {
        (0..200).map(|image| image % 10).collect()
    }

    #[test]
    fn arms_have_equal_updates() {
        for arm in ALL {
            let tasks = tasks(&arm, &labels(), 50, 3).unwrap();
            assert_eq!(tasks.len(), 50);
            assert!(
                tasks.iter().all(|task| task.examples.len() == 40),
                "{arm:?}"
            );
        }
    }

    /// The same tasks: blocked no class comes back, shuffled it does.
    #[test]
    fn pairs_are_the_blocked_tasks_in_another_order() {
        let of = |arm| tasks(arm, &labels(), 50, 3).unwrap();
        let (blocked, pairs) = (of(&BLOCKED), of(&PAIRS));
        let sorted = |tasks: &[Planned]| {
            let mut ids: Vec<usize> = tasks.iter().map(|task| task.task.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(&blocked), sorted(&pairs));
        assert_eq!(returns(&blocked, 10), 0.0);
        assert!(returns(&pairs, 10) > 4.0 && returns(&of(&DEFAULT), 10) > 4.0);
    }
}
