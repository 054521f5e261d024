//! The classes of a data set, shared among tasks.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::planned::Planned;
use super::task::Task;
use crate::error::positive;
use crate::{ContinualError, Result};

/// Classes at most.
const MOST: usize = 1 << 20;

/// The classes `0..classes` in the order in which tasks bring them.
///
/// Tasks have equal numbers of classes; where they can't, the first ones have one more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClassOrder {
    order: Vec<usize>,
    tasks: usize,
}
checked_serde!(ClassOrder);

impl ClassOrder {
    /// In the order of their numbers.
    ///
    /// # Errors
    /// If there is no task, there are fewer classes than tasks, or more than 2^20.
    pub fn new(classes: usize, tasks: usize) -> Result<Self> {
        if classes > MOST {
            return Err(ContinualError::range("classes", classes, "at most 2^20"));
        }
        let order = (0..classes).collect();
        Self { order, tasks }.checked()
    }

    /// In an order that follows from the seed.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.order.sort_unstable();
        self.order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        self
    }

    /// In this order.
    ///
    /// # Errors
    /// If it has not each class once.
    pub fn with_order(self, order: Vec<usize>) -> Result<Self> {
        if order.len() != self.order.len() {
            let (expected, found) = (self.order.len(), order.len());
            return Err(ContinualError::mismatch(
                "classes of an order",
                expected,
                found,
            ));
        }
        Self { order, ..self }.checked()
    }

    /// How many tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// All classes, in their order.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        &self.order
    }

    /// The classes of a task, in their order; none if there is no such task.
    #[must_use]
    pub fn of(&self, task: usize) -> &[usize] {
        if task >= self.tasks {
            return &[];
        }
        let (each, more) = (self.order.len() / self.tasks, self.order.len() % self.tasks);
        let start = task * each + task.min(more);
        &self.order[start..start + each + usize::from(task < more)]
    }

    /// The task of each class.
    fn owners(&self) -> Vec<usize> {
        let mut owners = vec![0; self.order.len()];
        for task in 0..self.tasks {
            for class in self.of(task) {
                owners[*class] = task;
            }
        }
        owners
    }

    /// The task of each label.
    pub(super) fn tasks_of(&self, labels: &[usize]) -> Result<Vec<usize>> {
        let owners = self.owners();
        let classes = owners.len();
        let owner = |label: &usize| {
            let allowed = || format!("below {classes}, the classes");
            let owner = owners.get(*label).copied();
            owner.ok_or_else(|| ContinualError::range("label", label, &allowed()))
        };
        labels.iter().map(owner).collect()
    }

    /// The examples of each task, in the order of the data.
    pub(super) fn split(&self, labels: &[usize]) -> Result<Vec<Vec<usize>>> {
        let mut split = vec![Vec::new(); self.tasks];
        for (example, task) in self.tasks_of(labels)?.into_iter().enumerate() {
            split[task].push(example);
        }
        if split.iter().any(Vec::is_empty) {
            return Err(ContinualError::Empty("the examples of a task"));
        }
        Ok(split)
    }

    /// As tasks with their classes.
    pub(super) fn plan(&self, labels: &[usize], known: bool) -> Result<Vec<Planned>> {
        let split = self.split(labels)?.into_iter().enumerate();
        let planned = split.map(|(id, examples)| {
            let task = Task {
                id,
                classes: self.of(id).to_vec(),
                examples: examples.len(),
            };
            Planned::new(task, examples, known)
        });
        Ok(planned.collect())
    }
}

impl Checked for ClassOrder {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        positive("tasks", self.tasks)?;
        let classes = self.order.len();
        if classes > MOST || classes < self.tasks {
            let allowed = format!("{}, the tasks, to 2^20", self.tasks);
            return Err(ContinualError::range("classes", classes, &allowed));
        }
        let mut found = vec![false; classes];
        for class in &self.order {
            match found.get_mut(*class) {
                Some(found) if !*found => *found = true,
                _ => {
                    let allowed = format!("below {classes}, each once");
                    return Err(ContinualError::range("order", class, &allowed));
                }
            }
        }
        Ok(())
    }
}
