//! Tasks of recurring classes with their examples, one at a time.

use super::class_draws::ClassDraws;
use super::planned::Planned;
use super::recurring_classes::RecurringClasses;
use super::stream::Scenario;
use super::task::Task;
use crate::{ContinualError, Result};

/// Tasks that are planned ahead at most.
const AHEAD: u64 = 1 << 16;

/// The tasks of a [`RecurringClasses`] with all examples of their classes, one at a time: thousands of them take the memory of one.
///
/// The position is that of its [`draws`](Self::draws): saved, and given to another stream, they go on with the next task. With Burn,
/// [`TaskData::all`](super::TaskData::all) makes a data set of a task.
///
/// ```
/// use regimen_continual::scenario::{ClassFrequencies, RecurringClasses, TaskStream};
///
/// let scenario = RecurringClasses::new(ClassFrequencies::uniform(3)?, 2, 5000)?;
/// let mut stream = TaskStream::new(scenario.draws(), &[0, 1, 2, 0, 1, 2])?;
/// let tasks: Vec<_> = stream.by_ref().take(10).collect();
/// assert_eq!((tasks[9].task.id, tasks[9].examples.len()), (9, 4));
/// let saved = serde_json::to_string(stream.draws())?;
/// let restored = TaskStream::new(serde_json::from_str(&saved)?, &[0, 1, 2, 0, 1, 2])?;
/// assert!(restored.eq(stream));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TaskStream {
    draws: ClassDraws,
    by_class: Vec<Vec<usize>>,
}

impl TaskStream {
    /// Of examples with these labels, from the next task of the draws on.
    ///
    /// # Errors
    /// If a label is of no class, or a class has no example.
    pub fn new(draws: ClassDraws, labels: &[usize]) -> Result<Self> {
        let classes = draws.scenario().classes();
        let mut by_class = vec![Vec::new(); classes];
        for (example, label) in labels.iter().enumerate() {
            let Some(of_class) = by_class.get_mut(*label) else {
                let allowed = format!("below {classes}, the classes");
                return Err(ContinualError::range("label", label, &allowed));
            };
            of_class.push(example);
        }
        match by_class.iter().any(Vec::is_empty) {
            true => Err(ContinualError::Empty("the examples of a class")),
            false => Ok(Self { draws, by_class }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn draws(&self) -> &ClassDraws {
        &self.draws
    }
}

impl Iterator for TaskStream {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let number = self.draws.drawn();
        let classes = self.draws.next()?;
        let of_classes = classes.iter().flat_map(|class| &self.by_class[*class]);
        let mut examples: Vec<usize> = of_classes.copied().collect();
        examples.sort_unstable();
        let task = Task {
            id: number as usize,
            classes,
            examples: examples.len(),
        };
        Some(Planned {
            transform: self.draws.scenario().transform(number),
            ..Planned::new(task, examples, false)
        })
    }
}

impl Scenario for RecurringClasses {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        if self.tasks() > AHEAD {
            let allowed = "1 to 65,536 ahead; more by a `TaskStream`";
            return Err(ContinualError::range("tasks", self.tasks(), allowed));
        }
        Ok(TaskStream::new(self.draws(), labels)?.collect())
    }

    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        TaskStream::new(self.draws(), labels)?;
        let task = Task {
            id: 0,
            classes: (0..self.classes()).collect(),
            examples: labels.len(),
        };
        Ok(vec![Planned::new(task, (0..labels.len()).collect(), false)])
    }
}
