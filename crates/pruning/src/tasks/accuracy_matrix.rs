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
/// let mut a = AccuracyMatrix::new(2);
/// for (after, on, accuracy) in [(0, 0, 0.9), (0, 1, 0.5), (1, 0, 0.7), (1, 1, 0.8)] {
///     a.set(after, on, accuracy)?;
/// }
/// assert_eq!((a.average(), a.forward_transfer(0)), (0.75, Some(0.5)));
/// assert!((a.backward_transfer(1).unwrap() + 0.2).abs() < 1e-12);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccuracyMatrix {
    rows: Vec<Vec<f64>>,
}

impl AccuracyMatrix {
    /// For `tasks` tasks, with nothing measured yet: NaN.
    #[must_use]
    pub fn new(tasks: usize) -> Self {
        Self {
            rows: vec![vec![f64::NAN; tasks]; tasks],
        }
    }

    /// Notes the accuracy on task `on` after task `after`, tasks counted from 0.
    ///
    /// # Errors
    /// If there is no such task.
    pub fn set(&mut self, after: usize, on: usize, accuracy: f64) -> Result<()> {
        let tasks = self.rows.len();
        let allowed = format!("below {tasks}");
        if after >= tasks {
            return Err(PruningError::range("after", after, &allowed));
        }
        if on >= tasks {
            return Err(PruningError::range("on", on, &allowed));
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
        let mut a = AccuracyMatrix::new(3);
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
        assert!(AccuracyMatrix::new(0).average().is_nan());
    }
}
