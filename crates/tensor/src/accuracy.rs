//! # AccuracyMatrix
//!
//! Accuracy of each task after each task, and what was kept, forgotten and transferred.
//!
//! Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning" (arXiv 1706.08840); Chaudhry et al. (arXiv
//! 1801.10112) for forgetting and intransigence; Wang et al. (arXiv 2302.00487), section 2.3, for the rest; the forward transfer of
//! topologies as Yildirim et al. (arXiv 2308.14831) measure it.

use serde::{Deserialize, Serialize};

use crate::error::{Result, TensorError};

/// `A[t][j]`: accuracy on task `j`'s data after training task `t`, tasks counted from 0, as a share or in percent.
///
/// | measure after task `t` | formula |
/// |---|---|
/// | [`average_accuracy`](Self::average_accuracy) | `AA_t = mean over j <= t of A[t][j]` |
/// | [`average_incremental`](Self::average_incremental) | `AIA_t = mean over i <= t of AA_i` |
/// | [`forgetting`](Self::forgetting) | `FM_t = mean over j < t of max over i < t of A[i][j] - A[t][j]` |
/// | [`backward_transfer`](Self::backward_transfer) | `BWT_t = mean over j < t of A[t][j] - A[j][j]` |
/// | [`intransigence`](Self::intransigence) | `IM_t = a* - A[t][t]`, `a*` of a model trained on all tasks up to `t` |
/// | [`forward_transfer_over_scratch`](Self::forward_transfer_over_scratch) | `mean over 1 <= j <= t of A[j][j] - s_j`, `s_j` of a model trained on task `j` alone |
/// | [`forward_transfer_over_chance`](Self::forward_transfer_over_chance) | `mean over 1 <= j <= t of A[j - 1][j] - b_j`, `b_j` of an untrained model |
///
/// A measure for which an accuracy is missing is none. `FM >= -BWT` always.
///
/// ```
/// use regimen_tensor::AccuracyMatrix;
///
/// let mut a = AccuracyMatrix::new(2)?;
/// a.record(0, &[0.9])?; // accuracy on the tasks so far, or on all
/// a.record(1, &[0.5, 0.8])?;
/// assert_eq!((a.average(), a.forgetting(1)), (0.65, Some(0.4)));
/// assert_eq!((a.backward_transfer(1), a.forgetting(0)), (Some(-0.4), None));
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
/// It can be saved at any time: what is not measured yet is `null` in a file, and reads back as NaN.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct AccuracyMatrix {
    rows: Vec<Vec<f64>>,
}

/// Tasks at most: an accuracy for each pair is kept.
const MOST: usize = 4096;

/// A matrix as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    rows: Vec<Vec<Option<f64>>>,
}

impl From<AccuracyMatrix> for Saved {
    fn from(matrix: AccuracyMatrix) -> Self {
        let known = |value: f64| (!value.is_nan()).then_some(value);
        let rows = matrix.rows.into_iter();
        Self {
            rows: rows
                .map(|row| row.into_iter().map(known).collect())
                .collect(),
        }
    }
}

impl TryFrom<Saved> for AccuracyMatrix {
    type Error = TensorError;

    fn try_from(saved: Saved) -> Result<Self> {
        let tasks = saved.rows.len();
        if let Some(row) = saved.rows.iter().find(|row| row.len() != tasks) {
            let allowed = format!("{tasks}, as many as there are rows");
            return Err(TensorError::out_of_range("row.len()", row.len(), &allowed));
        }
        let mut all = saved.rows.iter().flatten().flatten();
        if let Some(value) = all.find(|value| !value.is_finite()) {
            return Err(TensorError::out_of_range("accuracy", value, "finite"));
        }
        let value = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let rows = saved.rows.into_iter();
        Ok(Self {
            rows: rows
                .map(|row| row.into_iter().map(value).collect())
                .collect(),
        })
    }
}

/// Two matrices are equal if they have the same accuracies, and the same places not measured.
impl PartialEq for AccuracyMatrix {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
        let rows = self.rows.iter().zip(&other.rows);
        self.rows.len() == other.rows.len()
            && rows.into_iter().all(|(a, b)| a.iter().zip(b).all(same))
    }
}

impl AccuracyMatrix {
    /// For `tasks` tasks, at most 4096, with nothing measured yet: NaN.
    ///
    /// # Errors
    /// If `tasks` is above 4096.
    pub fn new(tasks: usize) -> Result<Self> {
        if tasks > MOST {
            let allowed = format!("0 to {MOST}");
            return Err(TensorError::out_of_range("tasks", tasks, &allowed));
        }
        Ok(Self {
            rows: vec![vec![f64::NAN; tasks]; tasks],
        })
    }

    /// Notes the accuracy on task `on` after task `after`, tasks counted from 0.
    ///
    /// # Errors
    /// If there is no such task or the accuracy is not finite.
    pub fn set(&mut self, after: usize, on: usize, accuracy: f64) -> Result<()> {
        let tasks = self.rows.len();
        let allowed = format!("below {tasks}");
        if after >= tasks {
            return Err(TensorError::out_of_range("after", after, &allowed));
        }
        if on >= tasks {
            return Err(TensorError::out_of_range("on", on, &allowed));
        }
        if !accuracy.is_finite() {
            return Err(TensorError::out_of_range("accuracy", accuracy, "finite"));
        }
        self.rows[after][on] = accuracy;
        Ok(())
    }

    /// The matrix, a row a task that was trained.
    #[must_use]
    pub fn rows(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// ACC: the mean of the last row.
    #[must_use]
    pub fn average(&self) -> f64 {
        self.rows.last().map_or(f64::NAN, |row| mean(row))
    }

    /// Notes the accuracies on the first tasks after task `after`: of those so far, or of all.
    ///
    /// # Errors
    /// If there is no such task, there are more accuracies than tasks, or one is not finite: nothing is noted.
    pub fn record(&mut self, after: usize, accuracies: &[f64]) -> Result<()> {
        let tasks = self.rows.len();
        let Some(row) = self.rows.get_mut(after) else {
            let allowed = format!("below {tasks}");
            return Err(TensorError::out_of_range("after", after, &allowed));
        };
        if accuracies.len() > tasks {
            let (given, allowed) = (accuracies.len(), format!("{tasks} or fewer"));
            return Err(TensorError::out_of_range(
                "accuracies.len()",
                given,
                &allowed,
            ));
        }
        if let Some(odd) = accuracies.iter().find(|accuracy| !accuracy.is_finite()) {
            return Err(TensorError::out_of_range("accuracy", odd, "finite"));
        }
        row[..accuracies.len()].copy_from_slice(accuracies);
        Ok(())
    }

    /// The accuracy on task `on` after task `after`; none if it is not measured.
    #[must_use]
    pub fn get(&self, after: usize, on: usize) -> Option<f64> {
        let value = *self.rows.get(after)?.get(on)?;
        (!value.is_nan()).then_some(value)
    }

    /// AA: the mean of `A[t][j]` over `j <= t`.
    #[must_use]
    pub fn average_accuracy(&self, t: usize) -> Option<f64> {
        mean_of(0..=t, |j| self.get(t, j))
    }

    /// AIA: the mean of AA over the tasks up to `t`.
    #[must_use]
    pub fn average_incremental(&self, t: usize) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(0..=t, |i| self.average_accuracy(i))
    }

    /// FM: the mean over `j < t` of the best earlier accuracy, over those of `A[0][j]` to `A[t - 1][j]` that are measured, among them
    /// `A[j][j]`, less `A[t][j]`. None for the first task.
    #[must_use]
    pub fn forgetting(&self, t: usize) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(0..t, |j| {
            let learned = self.get(j, j)?;
            let best = (0..t)
                .filter_map(|i| self.get(i, j))
                .fold(learned, f64::max);
            Some(best - self.get(t, j)?)
        })
    }

    /// BWT: the mean of `A[t][j] - A[j][j]` over `j < t`; below 0 is forgetting. None for the first
    /// task or one that is not there.
    #[must_use]
    pub fn backward_transfer(&self, t: usize) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(0..t, |j| Some(self.get(t, j)? - self.get(j, j)?))
    }

    /// IM: how much less than `joint`, the accuracy on task `t` of a model trained on the tasks up to it together, `A[t][t]` is; lower is
    /// better.
    #[must_use]
    pub fn intransigence(&self, t: usize, joint: f64) -> Option<f64> {
        Some(joint - self.get(t, t)?)
    }

    /// FWT as the survey has it: the mean of `A[j][j] - alone[j]` over `1 <= j <= t`, where `alone[j]` is the accuracy of a model that was
    /// trained on task `j` only. None for the first task or with fewer than `t + 1` values.
    #[must_use]
    pub fn forward_transfer_over_scratch(&self, t: usize, alone: &[f64]) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(1..=t, |j| Some(self.get(j, j)? - alone.get(j)?))
    }

    /// FWT as GEM has it: the mean of `A[j - 1][j] - chance[j]` over `1 <= j <= t`, where `chance[j]` is the accuracy on task `j` of the
    /// model before it was trained. None for the first task or with fewer than `t + 1` values.
    #[must_use]
    pub fn forward_transfer_over_chance(&self, t: usize, chance: &[f64]) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(1..=t, |j| Some(self.get(j - 1, j)? - chance.get(j)?))
    }

    /// The mean of `A[t][j]` over `j > t`, the accuracy on later tasks' data, as of the topology of task `t`. None
    /// for the last task or one that is not there.
    #[must_use]
    pub fn forward_transfer(&self, t: usize) -> Option<f64> {
        self.rows.get(t)?;
        mean_of(t + 1..self.rows.len(), |j| self.get(t, j))
    }
}

/// The mean over these, none if there is none or a value is missing.
fn mean_of(
    tasks: impl IntoIterator<Item = usize>,
    value: impl Fn(usize) -> Option<f64>,
) -> Option<f64> {
    let values: Vec<f64> = tasks.into_iter().map(value).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| mean(&values))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn three_tasks_by_hand() {
        let mut a = AccuracyMatrix::new(3).unwrap();
        let values = [[0.9, 0.4, 0.6], [0.8, 0.7, 0.5], [0.6, 0.9, 1.0]];
        for (t, row) in values.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                a.set(t, j, *value).unwrap();
            }
        }
        let near = |x: Option<f64>, y: f64| (x.unwrap() - y).abs() < 1e-12;
        assert!((a.average() - 2.5 / 3.0).abs() < 1e-12);
        assert!(near(a.backward_transfer(1), -0.1));
        assert!(near(a.backward_transfer(2), (-0.3 + 0.2) / 2.0));
        assert!(near(a.forward_transfer(0), 0.5) && near(a.forward_transfer(1), 0.5));
        assert_eq!(
            (a.backward_transfer(0), a.forward_transfer(2)),
            (None, None)
        );
        assert_eq!(
            (a.backward_transfer(3), a.forward_transfer(3)),
            (None, None)
        );
        assert!(a.set(3, 0, 1.0).is_err() && a.set(0, 3, 1.0).is_err());
        assert!(a.set(0, 0, f64::NAN).is_err() && a.set(0, 0, f64::INFINITY).is_err());
        assert!(AccuracyMatrix::new(0).unwrap().average().is_nan());
    }

    #[test]
    fn a_matrix_is_read_back_in_the_middle_of_a_run() {
        let mut a = AccuracyMatrix::new(3).unwrap();
        a.set(0, 0, 0.9).unwrap();
        a.set(0, 1, 0.1 + 0.2).unwrap();
        let text = serde_json::to_string(&a).unwrap();
        let mut again: AccuracyMatrix = serde_json::from_str(&text).unwrap();
        assert_eq!(again, a);
        assert_eq!(again.rows()[0][1].to_bits(), (0.1_f64 + 0.2).to_bits());
        assert!(again.rows()[2][2].is_nan());
        again.set(1, 1, 0.5).unwrap();
        assert_ne!(again, a);
        for broken in [r#"{"rows":[[1.0,null],[null]]}"#, r#"{"rows":[[1.0,2.0]]}"#] {
            assert!(serde_json::from_str::<AccuracyMatrix>(broken).is_err());
        }
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!(
            (found.unwrap() - expected).abs() < 1e-8,
            "{found:?} {expected}"
        );
    }

    #[test]
    fn all_measures_by_hand() {
        let mut a = AccuracyMatrix::new(3).unwrap();
        a.record(0, &[0.8, 0.2, 0.1]).unwrap();
        a.record(1, &[0.85, 0.9, 0.2]).unwrap();
        a.record(2, &[0.6, 0.7, 0.95]).unwrap();
        near(a.average_accuracy(0), 0.8);
        near(a.average_accuracy(1), 0.875);
        near(a.average_accuracy(2), 0.75);
        near(a.average_incremental(2), 0.808_333_333);
        near(a.forgetting(2), 0.225);
        near(a.backward_transfer(2), -0.2);
        near(
            a.forward_transfer_over_scratch(2, &[0.8, 0.85, 0.97]),
            0.015,
        );
        near(a.forward_transfer_over_chance(2, &[0.1; 3]), 0.1);
        near(a.intransigence(2, 0.97), 0.02);
    }

    #[test]
    fn forgetting_is_over_all_earlier_tasks_and_no_later_one() {
        let mut a = AccuracyMatrix::new(3).unwrap();
        a.record(0, &[0.9]).unwrap();
        a.record(1, &[0.5, 0.8]).unwrap();
        near(a.forgetting(1), 0.4);
        near(a.backward_transfer(1), -0.4);
        assert_eq!(
            (a.forgetting(0), a.forgetting(2), a.forgetting(3)),
            (None, None, None)
        );
        // A better accuracy than ever is no forgetting, and the last row is no earlier one.
        a.record(1, &[0.95, 0.8]).unwrap();
        near(a.forgetting(1), -0.05);
    }

    #[test]
    fn what_is_not_measured_is_none() {
        let mut a = AccuracyMatrix::new(3).unwrap();
        a.record(2, &[0.1, 0.2, 0.3]).unwrap();
        near(a.average_accuracy(2), 0.2);
        let none = [
            a.average_incremental(2),
            a.forgetting(2),
            a.backward_transfer(2),
            a.forward_transfer_over_scratch(2, &[0.0; 3]),
            a.forward_transfer_over_chance(2, &[0.0; 3]),
            a.intransigence(1, 0.5),
            a.average_accuracy(3),
            a.average_incremental(usize::MAX - 1),
        ];
        assert_eq!(none, [None; 8]);
        near(a.intransigence(2, 0.5), 0.2);
        assert_eq!(a.forward_transfer(0), None);
        assert_eq!(a.forward_transfer_over_chance(0, &[0.0; 3]), None);
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused_as_a_whole() {
        let mut a = AccuracyMatrix::new(2).unwrap();
        for (after, row) in [(2, vec![0.1]), (0, vec![0.1; 3]), (1, vec![0.1, f64::NAN])] {
            assert!(a.record(after, &row).is_err());
        }
        assert_eq!(a, AccuracyMatrix::new(2).unwrap());
        assert_eq!(a.get(0, 0), None);
    }
}
