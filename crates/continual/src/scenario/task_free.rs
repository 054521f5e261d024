//! One stream in which classes fade in and out.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::class_order::ClassOrder;
use super::planned::Planned;
use super::stream::Scenario;
use super::task::Task;
use crate::{ContinualError, Result};

/// A stream without boundaries, whose mixture of classes changes slowly.
///
/// An example of the class at place `p` of the order has the time `p + u + width (v + w - 1)` with `u`, `v` and `w` uniform in 0 to 1, and
/// the stream is in the order of the times: each example comes once. With a width of 0, class follows on class; with 1,
/// neighbours overlap; a width above the number of classes mixes all of them. The one task has number 0 and no classes, as they
/// are not known to a method. At test, all examples are in one task too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TaskFree {
    order: ClassOrder,
    width: f64,
    seed: u64,
}
checked_serde!(TaskFree);

impl TaskFree {
    /// A width of 0 to 2^20, in classes. Of the order, only that of the classes counts.
    ///
    /// # Errors
    /// If the width is out of range.
    pub fn new(order: ClassOrder, width: f64, seed: u64) -> Result<Self> {
        Self { order, width, seed }.checked()
    }

    fn one(examples: Vec<usize>) -> Vec<Planned> {
        let task = Task {
            id: 0,
            classes: Vec::new(),
            examples: examples.len(),
        };
        vec![Planned::new(task, examples, false)]
    }
}

impl Checked for TaskFree {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let good = (0.0..=1_048_576.0).contains(&self.width);
        crate::error::check("width", self.width, good, "0 to 2^20")
    }
}

impl Scenario for TaskFree {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        if labels.is_empty() {
            return Err(ContinualError::Empty("the examples of a stream"));
        }
        self.order.tasks_of(labels)?;
        let mut place = vec![0.0; self.order.classes().len()];
        for (number, class) in self.order.classes().iter().enumerate() {
            place[*class] = number as f64;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut timed: Vec<(f64, usize)> = Vec::with_capacity(labels.len());
        for (example, label) in labels.iter().enumerate() {
            let [u, v, w]: [f64; 3] = [rng.random(), rng.random(), rng.random()];
            timed.push((place[*label] + u + self.width * (v + w - 1.0), example));
        }
        timed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(Self::one(
            timed.into_iter().map(|(_, example)| example).collect(),
        ))
    }

    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        if labels.is_empty() {
            return Err(ContinualError::Empty("the examples of a stream"));
        }
        self.order.tasks_of(labels)?;
        Ok(Self::one((0..labels.len()).collect()))
    }
}
