//! Tasks that come again.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::class_order::ClassOrder;
use super::planned::Planned;
use super::stream::Scenario;
use crate::{ContinualError, Result};

/// Visits at most.
const MOST: usize = 1 << 16;

/// Tasks of disjoint classes that come in any sequence, some of them again, with the same number.
///
/// Each visit of a task has another part of its examples, in the order of the data: of `n` examples over `v` visits, visit `i` has
/// those from `i n / v` to `(i + 1) n / v`, so that each comes once; or all of them each time
/// ([`with_all`](Self::with_all)). At test, each task that is visited comes once, in the order of the first visits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Recurring {
    order: ClassOrder,
    visits: Vec<usize>,
    all: bool,
}
checked_serde!(Recurring);

impl Recurring {
    /// With the tasks of these numbers, one after the other.
    ///
    /// # Errors
    /// If there is no visit, there are more than 65,536, or one is of no task.
    pub fn new(order: ClassOrder, visits: Vec<usize>) -> Result<Self> {
        let all = false;
        Self { order, visits, all }.checked()
    }

    /// With all tasks in their order, `rounds` times.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn rounds(order: ClassOrder, rounds: usize) -> Result<Self> {
        let visits = order.tasks().saturating_mul(rounds);
        if visits > MOST {
            return Err(ContinualError::range("visits", visits, "1 to 65,536"));
        }
        let tasks = order.tasks();
        Self::new(order, (0..visits).map(|visit| visit % tasks).collect())
    }

    /// With all examples of a task at each visit.
    #[must_use]
    pub fn with_all(self) -> Self {
        Self { all: true, ..self }
    }
}

impl Checked for Recurring {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let visits = self.visits.len();
        if !(1..=MOST).contains(&visits) {
            return Err(ContinualError::range("visits", visits, "1 to 65,536"));
        }
        let tasks = self.order.tasks();
        match self.visits.iter().find(|task| **task >= tasks) {
            Some(task) => {
                let allowed = format!("below {tasks}, the tasks");
                Err(ContinualError::range("visits", task, &allowed))
            }
            None => Ok(()),
        }
    }
}

impl Scenario for Recurring {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        let tasks = self.order.plan(labels, false)?;
        let mut visits = vec![0; tasks.len()];
        self.visits.iter().for_each(|task| visits[*task] += 1);
        let mut visited = vec![0; tasks.len()];
        let plan = |task: &usize| {
            let mut planned = tasks[*task].clone();
            if !self.all {
                let (n, visit, of) = (planned.examples.len(), visited[*task], visits[*task]);
                visited[*task] += 1;
                let part = visit * n / of..(visit + 1) * n / of;
                planned.examples = planned.examples[part].to_vec();
                planned.task.examples = planned.examples.len();
            }
            match planned.examples.is_empty() {
                true => Err(ContinualError::Empty("the examples of a visit")),
                false => Ok(planned),
            }
        };
        self.visits.iter().map(plan).collect()
    }

    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        let tasks = self.order.plan(labels, false)?;
        let mut seen = vec![false; tasks.len()];
        let first = |task: &&usize| !std::mem::replace(&mut seen[**task], true);
        let visited: Vec<&usize> = self.visits.iter().filter(first).collect();
        Ok(visited
            .into_iter()
            .map(|task| tasks[*task].clone())
            .collect())
    }
}
