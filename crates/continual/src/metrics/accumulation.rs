//! # Accumulation
//!
//! The accuracy on all classes after every task of a long sequence: whether knowledge accumulates although each task erases much of the last.
//!
//! Source: Lesort et al., "Challenging Common Assumptions about Catastrophic Forgetting" (arXiv 2207.04543).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::stats::{mean, spearman};
use serde::{Deserialize, Serialize};

use crate::error::{positive, share};
use crate::{ContinualError, Result};

/// Classes at most.
const MOST: usize = 1 << 16;

/// Accuracies from 0 to 1 after each task, on all examples of the test set and on those of each class.
///
/// A test set without examples of a class is refused: accuracy is on all classes, not on the seen or the current ones, and is about
/// `per_task / classes` at first. What accumulates is seen over hundreds of tasks: look at the curve by
/// [segments](Self::segment), not at its end alone. With the features of a frozen encoder, [`NearestMean`](crate::NearestMean) and
/// [`Slda`](crate::Slda) are probes of what it has learned.
///
/// ```
/// use regimen_continual::Accumulation;
///
/// let mut curve = Accumulation::new(2)?;
/// curve.record(&[0, 0, 1, 1], &[0, 0, 0, 0])?; // knows class 0 alone
/// curve.record(&[0, 0, 1, 1], &[0, 1, 1, 1])?;
/// assert_eq!((curve.curve(), curve.last(1)), (&[0.5, 0.75][..], Some(0.75)));
/// assert_eq!((curve.segment(1, 2), curve.of_classes(1)), (Some(0.625), Some(vec![0.5, 1.0])));
/// // Class 1 was trained more often.
/// assert_eq!(curve.by_frequency(&[0.1, 0.4], 1)?, 1.0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Accumulation {
    classes: usize,
    overall: Vec<f64>,
    /// A row for each task.
    by_class: Vec<Vec<f64>>,
}
checked_serde!(Accumulation);

impl Accumulation {
    /// Before the first task, of so many classes.
    ///
    /// # Errors
    /// If there is no class, or more than 65,536.
    pub fn new(classes: usize) -> Result<Self> {
        let new = Self {
            classes,
            overall: Vec::new(),
            by_class: Vec::new(),
        };
        new.checked()
    }

    /// After a task, the labels of the test set and the classes that were found; the share that is right.
    ///
    /// # Errors
    /// If the two differ in length, a label is of no class, or a class has no example: nothing is kept of them.
    pub fn record(&mut self, labels: &[usize], found: &[usize]) -> Result<f64> {
        if labels.len() != found.len() {
            let what = "classes that were found";
            return Err(ContinualError::mismatch(what, labels.len(), found.len()));
        }
        let mut counts = vec![[0_usize; 2]; self.classes];
        for (label, found) in labels.iter().zip(found) {
            let Some([right, all]) = counts.get_mut(*label) else {
                let allowed = format!("below {}, the classes", self.classes);
                return Err(ContinualError::range("label", label, &allowed));
            };
            *right += usize::from(label == found);
            *all += 1;
        }
        if counts.iter().any(|[_, all]| *all == 0) {
            return Err(ContinualError::Empty("the test examples of a class"));
        }
        let shares = counts
            .iter()
            .map(|[right, all]| *right as f64 / *all as f64);
        self.by_class.push(shares.collect());
        let right: usize = counts.iter().map(|[right, _]| right).sum();
        let overall = right as f64 / labels.len() as f64;
        self.overall.push(overall);
        Ok(overall)
    }

    /// The accuracy on all examples after each task.
    #[must_use]
    pub fn curve(&self) -> &[f64] {
        &self.overall
    }

    /// Its mean over the tasks from one to another, both counted from 1 and included; none if there are not so many.
    #[must_use]
    pub fn segment(&self, first: usize, last: usize) -> Option<f64> {
        let tasks = self.overall.get(first.checked_sub(1)?..last)?;
        (!tasks.is_empty()).then(|| mean(tasks))
    }

    /// Its mean over so many last tasks; none if there are not so many.
    #[must_use]
    pub fn last(&self, tasks: usize) -> Option<f64> {
        let first = self.overall.len().checked_sub(tasks)?.checked_add(1)?;
        self.segment(first, self.overall.len())
    }

    /// The accuracy of each class, in the mean over so many last tasks; none if there are not so many.
    #[must_use]
    pub fn of_classes(&self, tasks: usize) -> Option<Vec<f64>> {
        let rows = self.by_class.len().checked_sub(tasks)?;
        let rows = &self.by_class[rows..];
        let of_class = |class| {
            let sum: f64 = rows.iter().map(|row: &Vec<f64>| row[class]).sum();
            sum / rows.len() as f64
        };
        (!rows.is_empty()).then(|| (0..self.classes).map(of_class).collect())
    }

    /// Spearman's rank correlation of the accuracy of classes over the last tasks with how often each was trained; 0 if all are alike.
    ///
    /// # Errors
    /// If there are not so many tasks, or not as many frequencies as classes, or one is not finite.
    pub fn by_frequency(&self, frequencies: &[f64], tasks: usize) -> Result<f64> {
        let Some(accuracies) = self.of_classes(tasks) else {
            let allowed = format!("1 to {}, the tasks so far", self.overall.len());
            return Err(ContinualError::range("tasks", tasks, &allowed));
        };
        Ok(spearman(&accuracies, frequencies)?)
    }
}

impl Checked for Accumulation {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        positive("classes", self.classes)?;
        if self.classes > MOST {
            let allowed = "1 to 65,536";
            return Err(ContinualError::range("classes", self.classes, allowed));
        }
        let (tasks, rows) = (self.overall.len(), self.by_class.len());
        if tasks != rows {
            return Err(ContinualError::mismatch("rows of classes", tasks, rows));
        }
        if let Some(row) = self.by_class.iter().find(|row| row.len() != self.classes) {
            let what = "accuracies of classes";
            return Err(ContinualError::mismatch(what, self.classes, row.len()));
        }
        let mut all = self.overall.iter().chain(self.by_class.iter().flatten());
        all.try_for_each(|accuracy| share("accuracy", *accuracy))
    }
}
