//! # TaskFamily
//!
//! Any number of classification tasks from one data set: each a random projection of the inputs and a random permutation of the labels.
//!
//! Source: Kirsch, Harrison, Sohl-Dickstein and Metz, "General-Purpose In-Context Learning by Meta-Learning Transformers", arXiv 2212.04458

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count};

/// The number of the first unseen task; those below it are trained on.
const UNSEEN: u64 = 1 << 63;

/// What the generator of a task has for its second number.
const TASK: u64 = u64::MAX;

/// Numbers of a projection at most.
const MOST: usize = 1 << 28;

/// Configuration of a [`TaskFamily`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `features` | of [`new`](Self::new) | 1 or more; times `projected` up to 2^28 |
/// | `projected` | of [`new`](Self::new) | 1 or more |
/// | `classes` | of [`new`](Self::new) | 2 to 65,536 |
/// | `tasks` | without end | 1 to 2^63 |
/// | `identity` | 0 | 0 to 1 |
/// | `seed` | 0 | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFamilyConfig {
    features: usize,
    projected: usize,
    classes: usize,
    tasks: Option<u64>,
    identity: f64,
    seed: u64,
}

impl TaskFamilyConfig {
    /// Tasks with inputs of `projected` numbers, from examples of so many features and classes.
    #[must_use]
    pub fn new(features: usize, projected: usize, classes: usize) -> Self {
        Self {
            features,
            projected,
            classes,
            tasks: None,
            identity: 0.0,
            seed: 0,
        }
    }

    /// So many tasks to train on, the same ones again and again. Without it a task is new every time.
    #[must_use]
    pub fn with_tasks(mut self, tasks: u64) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// This share of the tasks keeps the labels as they are, which shortens the plateau at the start of training (section on biasing the
    /// distribution of tasks). Test without it: [`TaskFamily::unseen`] never has it.
    #[must_use]
    pub fn with_identity(mut self, share: f64) -> Self {
        self.identity = share;
        self
    }

    /// The seed that all tasks follow from.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks it.
    ///
    /// # Errors
    /// If a number lies outside its range.
    pub fn init(&self) -> Result<TaskFamily> {
        TaskFamily {
            features: self.features,
            projected: self.projected,
            classes: self.classes,
            tasks: self.tasks,
            identity: self.identity,
            seed: self.seed,
        }
        .checked()
    }
}

/// Tasks made from one data set. It holds no task: each is made from its number when it is asked for, so that a family without end takes no memory.
///
/// A task reads `A x` for an example `x` of `features` numbers, with `A` of `projected` rows, its entries independent and normal of mean 0 and
/// variance `1 / features`: the mean of `|A x|^2` is `projected / features` times `|x|^2`. Standardise the features first. Its labels are a random
/// permutation of the classes.
///
/// ```
/// use regimen_curriculum::tasks::TaskFamilyConfig;
///
/// let family = TaskFamilyConfig::new(64, 16, 10).with_tasks(8).init()?;
/// let task = family.task(3)?;
/// assert_eq!(task, family.task(3)?);
/// assert_eq!(task.projection().len(), 16 * 64);
/// assert_ne!(task, family.unseen(3));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TaskFamily {
    features: usize,
    projected: usize,
    classes: usize,
    tasks: Option<u64>,
    identity: f64,
    seed: u64,
}

checked_serde!(TaskFamily);

impl Checked for TaskFamily {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let Self {
            features,
            projected,
            classes,
            ..
        } = *self;
        count("features", features, features > 0, "1 or more")?;
        count("projected", projected, projected > 0, "1 or more")?;
        let size = features.saturating_mul(projected);
        count(
            "features",
            size,
            size <= MOST,
            "up to 2^28 with `projected`",
        )?;
        count(
            "classes",
            classes,
            (2..=1 << 16).contains(&classes),
            "2 to 65536",
        )?;
        if let Some(tasks) = self.tasks {
            let good = (1..=UNSEEN).contains(&tasks);
            check("tasks", tasks as f64, good, "1 to 2^63")?;
        }
        let identity = self.identity;
        check(
            "identity",
            identity,
            (0.0..=1.0).contains(&identity),
            "0 to 1",
        )
    }
}

/// One task of a [`TaskFamily`].
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    projection: Vec<f32>,
    labels: Vec<usize>,
}

impl Task {
    /// The matrix `A`, row after row, `[projected, features]`.
    #[must_use]
    pub fn projection(&self) -> &[f32] {
        &self.projection
    }

    /// The label of each class.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

impl TaskFamily {
    /// Features of an example.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Numbers that a task reads of an example.
    #[must_use]
    pub fn projected(&self) -> usize {
        self.projected
    }

    /// Classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Tasks to train on; none if there is no end of them.
    #[must_use]
    pub fn tasks(&self) -> Option<u64> {
        self.tasks
    }

    /// A task to train on, by its number.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn task(&self, number: u64) -> Result<Task> {
        let good = number < self.tasks.unwrap_or(UNSEEN);
        check("task", number as f64, good, "below the number of tasks")?;
        Ok(self.made(number, self.identity))
    }

    /// A task that is never trained on. There are 2^63 of them, and higher numbers begin again.
    #[must_use]
    pub fn unseen(&self, number: u64) -> Task {
        self.made(number | UNSEEN, 0.0)
    }

    /// The number of a task to train on, each as likely.
    pub fn draw(&self, rng: &mut impl Rng) -> u64 {
        rng.random_range(0..self.tasks.unwrap_or(UNSEEN))
    }

    /// A generator that follows from the seed and two numbers.
    #[cfg(feature = "burn")]
    pub(super) fn stream(&self, numbers: [u64; 2]) -> ChaCha8Rng {
        keyed(self.seed, numbers)
    }

    fn made(&self, number: u64, identity: f64) -> Task {
        let mut rng = keyed(self.seed, [number, TASK]);
        let mut labels: Vec<usize> = (0..self.classes).collect();
        if rng.random::<f64>() >= identity {
            labels.shuffle(&mut rng);
        }
        let scale = (1.0 / self.features as f32).sqrt();
        let entry = |_| scale * rng.sample::<f32, _>(StandardNormal);
        Task {
            projection: (0..self.projected * self.features).map(entry).collect(),
            labels,
        }
    }
}

/// A generator that follows from a seed and two numbers.
fn keyed(seed: u64, numbers: [u64; 2]) -> ChaCha8Rng {
    let mut key = [0; 32];
    let parts = [seed, numbers[0], numbers[1], 0x7461_736b];
    for (bytes, part) in key.chunks_exact_mut(8).zip(parts) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `E|Ax|^2 = (m/d) |x|^2`: of a matrix of 2000 x 784, 2.5510 times.
    #[test]
    fn a_projection_scales_as_its_sizes_say() {
        let family = TaskFamilyConfig::new(784, 2000, 10).init().unwrap();
        let task = family.task(5).unwrap();
        let x: Vec<f32> = (0..784)
            .map(|i| ((i * 37) % 100) as f32 / 50.0 - 1.0)
            .collect();
        let square = |values: &[f32]| values.iter().map(|v| f64::from(v * v)).sum::<f64>();
        let rows = task.projection().chunks_exact(784);
        let y: Vec<f32> = rows
            .map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum())
            .collect();
        let ratio = square(&y) / square(&x);
        // The ratio of one draw has a standard deviation of 2.551 * sqrt(2 / 2000) = .081.
        assert!((ratio - 2.551).abs() < 0.25, "{ratio}");
    }

    #[test]
    fn as_many_tasks_keep_their_labels_as_asked() {
        let family = TaskFamilyConfig::new(2, 2, 10).with_identity(0.7).init();
        let family = family.unwrap();
        let is_plain = |task: &Task| task.labels().is_sorted();
        let plain = (0..1000).filter(|i| is_plain(&family.task(*i).unwrap()));
        assert!((650..750).contains(&plain.count()));
        assert!((0..1000).all(|i| !is_plain(&family.unseen(i))));
    }

    #[test]
    fn tasks_are_drawn_evenly() {
        let family = TaskFamilyConfig::new(2, 2, 3).with_tasks(4).init().unwrap();
        let mut rng = keyed(0, [0, 0]);
        let mut counts = [0; 4];
        (0..4000).for_each(|_| counts[family.draw(&mut rng) as usize] += 1);
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn labels_are_a_permutation(number in any::<u64>(), seed in any::<u64>(), classes in 2_usize..30) {
            let family = TaskFamilyConfig::new(3, 2, classes).with_seed(seed).with_identity(0.5).init().unwrap();
            for task in [family.unseen(number), family.task(number >> 1).unwrap()] {
                let mut labels = task.labels().to_vec();
                labels.sort_unstable();
                prop_assert!(labels.into_iter().eq(0..classes));
                prop_assert_eq!(task.projection().len(), 6);
                prop_assert!(task.projection().iter().all(|value| value.is_finite()));
            }
        }
    }
}
