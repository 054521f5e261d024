//! Tasks whose classes come in small numbers before and after too.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::class_order::ClassOrder;
use super::planned::Planned;
use super::stream::Scenario;
use crate::{ContinualError, Result};

/// Tasks with blurred boundaries: each gives a share of its examples to the others.
///
/// Of a task's `n` examples, `floor(share * n + 1/2)`, drawn by the seed, go to the other tasks in turn, beginning with the next one; so
/// each example comes once. With tasks of one size, that share of each is of other tasks' classes, but for rounding. A task's
/// classes are those that it has an example of, its own ones first. At test each task has its own classes alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Blurry {
    order: ClassOrder,
    share: f64,
    seed: u64,
}
checked_serde!(Blurry);

impl Blurry {
    /// A share in `0..1`.
    ///
    /// # Errors
    /// If the share is out of range, or there is only one task.
    pub fn new(order: ClassOrder, share: f64, seed: u64) -> Result<Self> {
        Self { order, share, seed }.checked()
    }
}

impl Checked for Blurry {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let share = self.share;
        crate::error::check("share", share, (0.0..1.0).contains(&share), "0 to below 1")?;
        if self.order.tasks() < 2 {
            return Err(ContinualError::range(
                "tasks",
                self.order.tasks(),
                "2 or more",
            ));
        }
        Ok(())
    }
}

impl Scenario for Blurry {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let own = self.order.split(labels)?;
        let tasks = own.len();
        let mut mixed = vec![Vec::new(); tasks];
        for (task, mut examples) in own.into_iter().enumerate() {
            examples.shuffle(&mut rng);
            let given = (self.share * examples.len() as f64 + 0.5).floor() as usize;
            let given = examples.split_off(examples.len() - given.min(examples.len()));
            mixed[task].extend(examples);
            for (number, example) in given.into_iter().enumerate() {
                mixed[(task + 1 + number % (tasks - 1)) % tasks].push(example);
            }
        }
        let mut planned = self.order.plan(labels, false)?;
        for (planned, mut examples) in planned.iter_mut().zip(mixed) {
            if examples.is_empty() {
                return Err(ContinualError::Empty("the examples of a task"));
            }
            examples.sort_unstable();
            let mut has = vec![false; self.order.classes().len()];
            examples
                .iter()
                .for_each(|example| has[labels[*example]] = true);
            let own = planned.task.classes.clone();
            let others = self
                .order
                .classes()
                .iter()
                .filter(|class| !own.contains(class));
            let all = own.iter().chain(others);
            planned.task.classes = all.copied().filter(|class| has[*class]).collect();
            planned.task.examples = examples.len();
            planned.examples = examples;
        }
        Ok(planned)
    }

    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        self.order.plan(labels, false)
    }
}
