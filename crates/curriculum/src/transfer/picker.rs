//! # TransferPicker
//!
//! Which tasks of a family to train next, so that the best of the trained policies does well on all of them without more training.
//!
//! Source: "Model-Based Transfer Learning for Contextual Reinforcement Learning", arXiv 2408.04498, and its released code

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::gaussian_process::{Belief, GaussianProcessConfig, check_points};
use super::slope::{Slope, drop};
use crate::error::{CurriculumError, Result, check, count, same};

/// Tasks at most: a choice costs their square.
const TASKS: usize = 1 << 14;

/// What a choice maximises, with `k` tasks trained: of each task `i` the mean over all tasks `j` of
/// `max(mean_i + lambda deviation_i - loss(i, j) - achieved_j, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Acquisition {
    /// `lambda = sqrt(ln(k + 1))`: the paper's.
    Growing,
    /// `lambda` is this: 0 for the mean alone.
    Constant(f64),
    /// `lambda = 1 / (k + 1)`.
    Falling,
    /// Not the gain on all tasks, but the plain upper bound `mean_i + lambda deviation_i`; the released code has 1.96.
    UpperBound(f64),
}

impl Acquisition {
    /// The weight of the deviation when `k` tasks are trained.
    ///
    /// ```
    /// use regimen_curriculum::transfer::Acquisition;
    ///
    /// assert!((Acquisition::Growing.weight(1) - 0.8325546).abs() < 1e-7);
    /// assert!((Acquisition::Growing.weight(10) - 1.5485139).abs() < 1e-7);
    /// ```
    #[must_use]
    pub fn weight(&self, trained: usize) -> f64 {
        let next = trained as f64 + 1.0;
        match self {
            Self::Growing => next.ln().sqrt(),
            Self::Constant(weight) | Self::UpperBound(weight) => *weight,
            Self::Falling => 1.0 / next,
        }
    }
}

/// The expected gain of training each task: the mean over tasks of what its policy is believed to add to `achieved`.
///
/// Beliefs and contexts are one a task, slopes one a dimension. Each task's part is clipped at 0 before the mean is taken.
///
/// # Errors
/// If the lengths differ, or a number is not finite.
pub fn expected_gains(
    beliefs: &[Belief],
    weight: f64,
    (contexts, slopes): (&[Vec<f64>], &[f64]),
    achieved: &[f64],
) -> Result<Vec<f64>> {
    check_points("contexts", contexts)?;
    let tasks = contexts.len();
    count(
        "beliefs",
        beliefs.len(),
        beliefs.len() == tasks,
        "one a task",
    )?;
    count(
        "achieved",
        achieved.len(),
        achieved.len() == tasks,
        "one a task",
    )?;
    let dimensions = contexts[0].len();
    count(
        "slopes",
        slopes.len(),
        slopes.len() == dimensions,
        "one a dimension",
    )?;
    check("weight", weight, true, "a finite number")?;
    for value in achieved.iter().chain(slopes) {
        check("achieved, slopes", *value, true, "finite numbers")?;
    }
    let gains = beliefs.iter().zip(contexts).map(|(belief, from)| {
        let bound = belief.mean + weight * belief.deviation;
        let each = contexts.iter().zip(achieved);
        let gain = each.map(|(to, achieved)| (bound - drop(slopes, from, to) - achieved).max(0.0));
        gain.sum::<f64>() / tasks as f64
    });
    Ok(gains.collect())
}

/// Configuration of a [`TransferPicker`].
///
/// | parameter | default |
/// |---|---|
/// | `contexts` | of [`new`](Self::new) or [`in_a_row`](Self::in_a_row): a point for each task, up to 16,384 |
/// | `slope` | [`Slope::Fitted`] |
/// | `acquisition` | [`Acquisition::Growing`] |
/// | `process` | [`GaussianProcessConfig::new`] |
///
/// The defaults of the process, its lengths from .01 to 100 above all, are those of the released code, where the contexts are 0, 1, 2 and so on:
/// scale others to that, or give other bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferPickerConfig {
    contexts: Vec<Vec<f64>>,
    slope: Slope,
    acquisition: Acquisition,
    process: GaussianProcessConfig,
}

impl TransferPickerConfig {
    /// With the context of each task: a point of any dimension.
    #[must_use]
    pub fn new(contexts: Vec<Vec<f64>>) -> Self {
        Self {
            contexts,
            slope: Slope::Fitted,
            acquisition: Acquisition::Growing,
            process: GaussianProcessConfig::new(),
        }
    }

    /// So many tasks in a row: the contexts are 0, 1, 2 and so on.
    #[must_use]
    pub fn in_a_row(tasks: usize) -> Self {
        Self::new(
            (0..tasks.min(TASKS + 1))
                .map(|task| vec![task as f64])
                .collect(),
        )
    }

    /// What is lost by distance.
    #[must_use]
    pub fn with_slope(mut self, slope: Slope) -> Self {
        self.slope = slope;
        self
    }

    /// What a choice maximises.
    #[must_use]
    pub fn with_acquisition(mut self, acquisition: Acquisition) -> Self {
        self.acquisition = acquisition;
        self
    }

    /// The process that tells the performance of a task that was not trained.
    #[must_use]
    pub fn with_process(mut self, process: GaussianProcessConfig) -> Self {
        self.process = process;
        self
    }

    /// Nothing trained yet.
    ///
    /// # Errors
    /// If there is no task or over 16,384, contexts differ in their dimension or are not finite, or a number lies outside its range.
    pub fn init(&self) -> Result<TransferPicker> {
        TransferPicker {
            config: self.clone(),
            rows: Vec::new(),
        }
        .checked()
    }

    fn check(&self) -> Result<()> {
        let tasks = self.contexts.len();
        count("contexts", tasks, tasks <= TASKS, "up to 16384")?;
        check_points("contexts", &self.contexts)?;
        self.slope.check(self.contexts[0].len())?;
        if let Acquisition::Constant(weight) | Acquisition::UpperBound(weight) = self.acquisition {
            check("acquisition", weight, weight.abs() <= 1e100, "up to 1e100")?;
        }
        self.process.check()
    }
}

/// Picks the tasks to train, one after another.
///
/// The performance of a policy that is trained on task `i` is believed to be a Gaussian process over contexts, and to fall from there to task `j` by
/// slope times distance. The first task is the one nearest the middle of the contexts; each next one has the largest expected gain on all tasks
/// over what the trained policies achieve. For a target, use the policy with the best observed performance on it ([`best_for`](Self::best_for)).
///
/// Performances are best between 0 and 1: the process has mean 0, which is pessimistic far from what was trained.
///
/// ```
/// use regimen_curriculum::transfer::TransferPickerConfig;
///
/// // A task for each length of a pole; `your_training` gives a policy, `your_test` its performance on a task, 0 to 1.
/// let lengths: Vec<f64> = (1..=50).map(|tenth| f64::from(tenth) / 10.0).collect();
/// # let your_training = |length: f64| length;
/// # let your_test = |policy: &f64, length: f64| 1.0 - (policy - length).abs() / 5.0;
/// let mut picker = TransferPickerConfig::in_a_row(lengths.len()).init()?;
/// let mut policies = Vec::new();
/// while let Some(task) = picker.next_task()?.filter(|_| policies.len() < 4) {
///     let policy = your_training(lengths[task]);
///     let row: Vec<f64> = lengths.iter().map(|length| your_test(&policy, *length)).collect();
///     picker.observe(task, &row)?;
///     policies.push(policy);
/// }
/// let (policy, expected) = picker.best_for(30).unwrap();
/// println!("for length {}: policy {policy}, {expected:.2}; mean over all {:.2}", lengths[30], picker.score());
/// # assert_eq!(picker.trained().collect::<Vec<_>>()[0], 24);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TransferPicker {
    config: TransferPickerConfig,
    /// Each trained task with the performance of its policy on every task.
    rows: Vec<(usize, Vec<f64>)>,
}

checked_serde!(TransferPicker);

impl Checked for TransferPicker {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        for (place, (task, row)) in self.rows.iter().enumerate() {
            self.check_row(*task, row)?;
            if self.rows[..place].iter().any(|(other, _)| other == task) {
                return Err(CurriculumError::Repeated { id: *task });
            }
        }
        Ok(())
    }
}

impl TransferPicker {
    /// Tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.config.contexts.len()
    }

    /// The tasks that are trained, in their order.
    pub fn trained(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().map(|(task, _)| *task)
    }

    /// The best observed performance on each task, 0 where none was observed.
    #[must_use]
    pub fn achieved(&self) -> Vec<f64> {
        let mut achieved = vec![0.0; self.tasks()];
        if let Some((_, first)) = self.rows.first() {
            achieved.copy_from_slice(first);
        }
        for (_, row) in self.rows.iter().skip(1) {
            let each = achieved.iter_mut().zip(row);
            each.for_each(|(best, value)| *best = best.max(*value));
        }
        achieved
    }

    /// The mean over all tasks of what is achieved.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.achieved().iter().sum::<f64>() / self.tasks() as f64
    }

    /// The trained policy for a target task, by its place among the trained, and its observed performance there; none before anything is trained, or if
    /// there is no such task.
    #[must_use]
    pub fn best_for(&self, task: usize) -> Option<(usize, f64)> {
        let values = self.rows.iter().map(|(_, row)| row.get(task).copied());
        let values = values
            .enumerate()
            .filter_map(|(place, value)| Some((place, value?)));
        values.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// Takes in a trained policy: the task it was trained on and its performance on every task.
    ///
    /// # Errors
    /// If there is no such task, it was trained before, there is not one performance a task, or one is not finite or above 1e100. Nothing changes
    /// then.
    pub fn observe(&mut self, task: usize, row: &[f64]) -> Result<()> {
        self.check_row(task, row)?;
        if self.trained().any(|other| other == task) {
            return Err(CurriculumError::Repeated { id: task });
        }
        self.rows.push((task, row.to_vec()));
        Ok(())
    }

    fn check_row(&self, task: usize, row: &[f64]) -> Result<()> {
        let examples = self.tasks();
        if task >= examples {
            return Err(CurriculumError::UnknownExample { id: task, examples });
        }
        count(
            "row",
            row.len(),
            row.len() == examples,
            "one performance a task",
        )?;
        for value in row {
            check("row", *value, value.abs() <= 1e100, "finite, up to 1e100")?;
        }
        Ok(())
    }

    /// The slopes in use, one a dimension of the contexts.
    #[must_use]
    pub fn slopes(&self) -> Vec<f64> {
        self.config.slope.values(&self.config.contexts, &self.rows)
    }

    /// What is believed of the performance of each task's own policy; none before anything is trained.
    ///
    /// A trained task counts with the best performance on it when it had been trained, its own or that of an earlier policy.
    ///
    /// # Errors
    /// If the process can't be fitted: without noise, where two contexts are the same.
    pub fn beliefs(&self) -> Result<Option<Vec<Belief>>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let contexts = &self.config.contexts;
        let points: Vec<Vec<f64>> = self.trained().map(|task| contexts[task].clone()).collect();
        let value = |(place, (task, _)): (usize, &(usize, Vec<f64>))| {
            let so_far = self.rows[..=place].iter().map(|(_, row)| row[*task]);
            so_far.fold(f64::NEG_INFINITY, f64::max)
        };
        let values: Vec<f64> = self.rows.iter().enumerate().map(value).collect();
        let process = self.config.process.fit(&points, &values)?;
        let beliefs = contexts.iter().map(|context| process.at(context));
        beliefs.collect::<Result<_>>().map(Some)
    }

    /// The value of training each task next: expected gains, or upper bounds with [`Acquisition::UpperBound`]; none before anything is trained.
    ///
    /// # Errors
    /// As for [`beliefs`](Self::beliefs).
    pub fn values(&self) -> Result<Option<Vec<f64>>> {
        let Some(beliefs) = self.beliefs()? else {
            return Ok(None);
        };
        let weight = self.config.acquisition.weight(self.rows.len());
        if let Acquisition::UpperBound(_) = self.config.acquisition {
            let bound = |belief: &Belief| belief.mean + weight * belief.deviation;
            return Ok(Some(beliefs.iter().map(bound).collect()));
        }
        let slopes = self.slopes();
        let space = (self.config.contexts.as_slice(), slopes.as_slice());
        expected_gains(&beliefs, weight, space, &self.achieved()).map(Some)
    }

    /// The task to train next; none when all are trained. Of equal values the first.
    ///
    /// # Errors
    /// As for [`beliefs`](Self::beliefs).
    pub fn next_task(&self) -> Result<Option<usize>> {
        let Some(values) = self.values()? else {
            return Ok(Some(middle(&self.config.contexts)));
        };
        let mut open = vec![true; self.tasks()];
        self.trained().for_each(|task| open[task] = false);
        let left = (0..self.tasks()).filter(|task| open[*task]);
        Ok(left.reduce(|best, next| {
            if values[next] > values[best] {
                next
            } else {
                best
            }
        }))
    }

    /// Takes over the state of another one.
    ///
    /// # Errors
    /// If its configuration is another.
    pub fn resume(&mut self, other: Self) -> Result<()> {
        same("config", &self.config, &other.config)?;
        self.rows = other.rows;
        Ok(())
    }
}

/// The task nearest the middle of the contexts, each dimension counted by its range; the first of several.
pub(super) fn middle(contexts: &[Vec<f64>]) -> usize {
    let dimensions = contexts.first().map_or(0, Vec::len);
    let bounds: Vec<[f64; 2]> = (0..dimensions)
        .map(|d| {
            let values = contexts.iter().map(|context| context[d]);
            values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
                [low.min(value), high.max(value)]
            })
        })
        .collect();
    let far = |context: &[f64]| -> f64 {
        let each = context
            .iter()
            .zip(&bounds)
            .filter(|(_, [low, high])| high > low);
        each.map(|(value, [low, high])| ((value - low) / (high - low) - 0.5).powi(2))
            .sum()
    };
    let far: Vec<f64> = contexts.iter().map(|context| far(context)).collect();
    let nearer = |best: usize, next: usize| {
        if far[next] < far[best] - 1e-12 {
            next
        } else {
            best
        }
    };
    (0..contexts.len()).reduce(nearer).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    fn beliefs() -> Vec<Belief> {
        let process = GaussianProcessConfig::new().with_fixed(1.0, 1.0);
        let process = process.fit(&[vec![2.0]], &[0.8]).unwrap();
        (0..5)
            .map(|x| process.at(&[f64::from(x)]).unwrap())
            .collect()
    }

    fn contexts(tasks: usize) -> Vec<Vec<f64>> {
        (0..tasks).map(|task| vec![task as f64]).collect()
    }

    #[test]
    fn gains_by_hand() {
        let weight = Acquisition::Growing.weight(1);
        let achieved = [0.6, 0.7, 0.8, 0.7, 0.6];
        let contexts = contexts(5);
        let gains = expected_gains(&beliefs(), weight, (&contexts, &[0.1]), &achieved).unwrap();
        let expected = [0.092867, 0.324256, 0.074921, 0.324256, 0.092867];
        for (gain, expected) in gains.iter().zip(expected) {
            assert_relative_eq!(*gain, expected, epsilon = 1e-6);
        }
        let process = GaussianProcessConfig::new().with_fixed(1.0, 1.0);
        let config = TransferPickerConfig::in_a_row(5).with_process(process);
        let config = config.with_slope(Slope::Fixed(vec![0.1]));
        let mut picker = config.init().unwrap();
        assert_eq!(picker.next_task().unwrap(), Some(2));
        picker.observe(2, &achieved).unwrap();
        assert_eq!(picker.next_task().unwrap(), Some(1));
        assert_eq!(picker.best_for(4), Some((0, 0.6)));
        assert!(picker.observe(2, &achieved).is_err());
    }

    #[test]
    fn weights() {
        for (trained, weight) in [
            (1, 0.8325546),
            (2, 1.0481471),
            (3, 1.1774100),
            (10, 1.5485139),
        ] {
            assert_relative_eq!(Acquisition::Growing.weight(trained), weight, epsilon = 1e-7);
        }
        assert_eq!(Acquisition::Growing.weight(0), 0.0);
        assert_eq!(Acquisition::Falling.weight(1), 0.5);
    }

    #[test]
    fn the_first_is_the_lower_of_the_middle() {
        assert_eq!(middle(&contexts(100)), 49);
        let grid: Vec<Vec<f64>> = (0..9)
            .map(|i| vec![f64::from(i % 3), 1e6 * f64::from(i / 3)])
            .collect();
        assert_eq!(middle(&grid), 4);
    }

    /// Without a slope and a weight, the gain orders tasks by the mean alone.
    #[test]
    fn a_flat_gap_orders_by_the_mean() {
        let contexts = contexts(5);
        let gains = expected_gains(&beliefs(), 0.0, (&contexts, &[0.0]), &[0.0; 5]).unwrap();
        for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))) {
            let by_mean = beliefs()[a].mean > beliefs()[b].mean;
            assert!(!by_mean || gains[a] >= gains[b]);
        }
    }

    proptest! {
        #[test]
        fn what_is_achieved_never_falls(rows in prop::collection::vec(prop::collection::vec(0.0..1.0_f64, 8), 1..8)) {
            let config = TransferPickerConfig::in_a_row(8)
                .with_process(GaussianProcessConfig::new().with_restarts(1));
            let mut picker = config.init().unwrap();
            let mut before = 0.0;
            for row in rows {
                let task = picker.next_task().unwrap().unwrap();
                picker.observe(task, &row).unwrap();
                prop_assert!(picker.score() >= before);
                before = picker.score();
                let values = picker.values().unwrap().unwrap();
                prop_assert!(values.iter().all(|value| *value >= 0.0 && value.is_finite()));
            }
            let again: TransferPicker = serde_json::from_str(&serde_json::to_string(&picker).unwrap()).unwrap();
            prop_assert_eq!(again.next_task().unwrap(), picker.next_task().unwrap());
        }
    }
}
