//! # AccuracyMatrix
//!
//! Task-incremental evaluation: accuracy of each task after each task, and what was kept and transferred.
//!
//! Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning" (arXiv 1706.08840); forward transfer
//! as Yildirim et al. (arXiv 2308.14831) measure it.

use serde::{Deserialize, Serialize};

use crate::{PruningError, Result};

/// `A[t][j]`: accuracy on task `j`'s data after training task `t`. For `j <= t` with task `j`'s own topology and
/// outputs; for `j > t` with task `t`'s, the labels shifted to its outputs.
///
/// ```
/// use regimen_pruning::AccuracyMatrix;
///
/// let mut a = AccuracyMatrix::new(2)?;
/// for (after, on, accuracy) in [(0, 0, 0.9), (0, 1, 0.5), (1, 0, 0.7), (1, 1, 0.8)] {
///     a.set(after, on, accuracy)?;
/// }
/// assert_eq!((a.average(), a.forward_transfer(0)), (0.75, Some(0.5)));
/// assert!((a.backward_transfer(1).unwrap() + 0.2).abs() < 1e-12);
/// # Ok::<(), regimen_pruning::PruningError>(())
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
    type Error = PruningError;

    fn try_from(saved: Saved) -> Result<Self> {
        let tasks = saved.rows.len();
        if let Some(row) = saved.rows.iter().find(|row| row.len() != tasks) {
            let allowed = format!("{tasks}, as many as there are rows");
            return Err(PruningError::range("row.len()", row.len(), &allowed));
        }
        let mut all = saved.rows.iter().flatten().flatten();
        if let Some(value) = all.find(|value| !value.is_finite()) {
            return Err(PruningError::range("accuracy", value, "finite"));
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
            return Err(PruningError::range("tasks", tasks, &allowed));
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
            return Err(PruningError::range("after", after, &allowed));
        }
        if on >= tasks {
            return Err(PruningError::range("on", on, &allowed));
        }
        if !accuracy.is_finite() {
            return Err(PruningError::range("accuracy", accuracy, "finite"));
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

    /// BWT after task `t`: the mean of `A[t][j] - A[j][j]` over `j < t`; below 0 is forgetting. None for the first
    /// task or one that is not there.
    #[must_use]
    pub fn backward_transfer(&self, t: usize) -> Option<f64> {
        let row = self.rows.get(t).filter(|_| t > 0)?;
        let changes: Vec<f64> = (0..t).map(|j| row[j] - self.rows[j][j]).collect();
        Some(mean(&changes))
    }

    /// FWT of task `t`: the mean of `A[t][j]` over `j > t`, the accuracy of its topology on later tasks' data. None
    /// for the last task or one that is not there.
    #[must_use]
    pub fn forward_transfer(&self, t: usize) -> Option<f64> {
        let later = self.rows.get(t)?.get(t + 1..)?;
        (!later.is_empty()).then(|| mean(later))
    }
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
}
