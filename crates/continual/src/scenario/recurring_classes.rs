//! # RecurringClasses
//!
//! Long sequences of tasks, each of a few classes drawn from all, so that classes come back.
//!
//! Source: Lesort et al., "Challenging Common Assumptions about Catastrophic Forgetting" (arXiv 2207.04543), and the generators of its code
//! (TLESORT/SCoLe-SCaling-Continual-Learning).

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::class_frequencies::{ClassFrequencies, within};
use super::combinations;
use crate::error::{check, share};
use crate::{ContinualError, Result};

/// Tasks at most.
const MOST: u64 = 1 << 32;
/// Sets of classes at most, where a share of all of them is used.
const SETS: u64 = 1 << 16;

/// Which classes a task has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Recurrence {
    /// Drawn without replacement, with the probabilities of [`ClassFrequencies`].
    Sampled,
    /// As [`Sampled`](Self::Sampled), with the probability of a class divided by this each time that it was drawn: 1 or more.
    Reduced(f64),
    /// All of them, each time: training without tasks.
    Iid,
    /// The first half of the tasks draws from the first half of the classes, the second half from the others.
    Incremental,
    /// The second half of the tasks draws from the first half of the classes alone: what is lost of the others.
    Forgetting,
    /// Disjoint ones, each class once, in a random order: a usual class-incremental sequence.
    Partition,
    /// All sets of so many classes in their lexicographic order, again and again; each class is replaced by a random one that the task has
    /// not with this probability. The probabilities of classes do not count.
    Cyclic(f64),
    /// A random share of all sets of so many classes, above 0 and at most 1 and never none, of which each task has a random one: do
    /// classes need to meet? The probabilities of classes do not count.
    Sets(f64),
}

/// A sequence of tasks with all examples of a few classes each, of which the model is tested on all classes.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `frequencies` | | how often each of the classes comes |
/// | `per_task` | | classes of a task |
/// | `tasks` | | length of the sequence, up to 2^32 |
/// | `recurrence` | `Sampled` | which classes a task has |
/// | `perturbed` | no | a random [`Corruption`](super::Corruption), or none, for each task |
/// | `seed` | 0 | of all draws: they are the same for every method |
///
/// [`draws`](Self::draws) gives the classes of one task after the other, and goes on where it was saved; a
/// [`TaskStream`](super::TaskStream) gives the tasks themselves. As a [`Scenario`](super::Scenario) it plans all tasks ahead, up to
/// 65,536; at test it has one task, of all classes: that is what accumulates. Tasks have numbers of their own, even where their
/// classes are the same.
///
/// ```
/// use regimen_continual::scenario::{ClassFrequencies, RecurringClasses, Scenario};
///
/// let frequencies = ClassFrequencies::imbalanced(10, 4.0)?.shuffled(1);
/// let scenario = RecurringClasses::new(frequencies, 2, 500)?.with_seed(1);
/// assert!(scenario.draws().all(|classes| classes.len() == 2));
/// let labels: Vec<usize> = (0..100).map(|example| example % 10).collect();
/// let (tasks, test) = (scenario.train(&labels)?, scenario.test(&labels)?);
/// assert_eq!((tasks.len(), tasks[0].examples.len()), (500, 20));
/// assert_eq!((test.len(), test[0].examples.len()), (1, 100));
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct RecurringClasses {
    pub(super) frequencies: ClassFrequencies,
    pub(super) per_task: usize,
    pub(super) tasks: u64,
    pub(super) recurrence: Recurrence,
    pub(super) perturbed: bool,
    pub(super) seed: u64,
}
checked_serde!(RecurringClasses);

impl RecurringClasses {
    /// So many tasks of so many classes, drawn.
    ///
    /// # Errors
    /// If a task has no class, or more than there are; if there is no task, or more than 2^32.
    pub fn new(frequencies: ClassFrequencies, per_task: usize, tasks: u64) -> Result<Self> {
        let scenario = Self {
            frequencies,
            per_task,
            tasks,
            recurrence: Recurrence::Sampled,
            perturbed: false,
            seed: 0,
        };
        scenario.checked()
    }

    /// With other rules for the classes of a task.
    ///
    /// # Errors
    /// If a number of the rule is out of its range; if half of the classes are fewer than those of a task; if there are more
    /// tasks than a partition has; if a share is of more than 65,536 sets.
    pub fn with_recurrence(self, recurrence: Recurrence) -> Result<Self> {
        Self { recurrence, ..self }.checked()
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// With inputs that each task perturbs in a way of its own.
    #[must_use]
    pub fn perturbed(self) -> Self {
        let perturbed = true;
        Self { perturbed, ..self }
    }

    /// How many tasks.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.tasks
    }

    /// How often each class is drawn.
    #[must_use]
    pub fn frequencies(&self) -> &ClassFrequencies {
        &self.frequencies
    }

    /// Classes in total.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.frequencies.probabilities().len()
    }
}

impl Checked for RecurringClasses {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let classes = self.classes();
        within(self.per_task, classes)?;
        if !(1..=MOST).contains(&self.tasks) {
            return Err(ContinualError::range("tasks", self.tasks, "1 to 2^32"));
        }
        match self.recurrence {
            Recurrence::Sampled | Recurrence::Iid => Ok(()),
            Recurrence::Reduced(by) => check("reduction", by, by >= 1.0, "1 or more, finite"),
            Recurrence::Incremental | Recurrence::Forgetting => {
                let half = classes / 2;
                match self.per_task <= half {
                    true => Ok(()),
                    false => {
                        let allowed = format!("at most {half}, half of the classes");
                        Err(ContinualError::range("per_task", self.per_task, &allowed))
                    }
                }
            }
            Recurrence::Partition => {
                let most = classes / self.per_task;
                match self.tasks <= most as u64 {
                    true => Ok(()),
                    false => {
                        let allowed = format!("1 to {most}, as each class comes once");
                        Err(ContinualError::range("tasks", self.tasks, &allowed))
                    }
                }
            }
            Recurrence::Cyclic(random) => share("probability of a random class", random),
            Recurrence::Sets(of_all) => {
                let allowed = "above 0, at most 1";
                check("share of the sets", of_all, of_all > 0.0, allowed)?;
                check("share of the sets", of_all, of_all <= 1.0, allowed)?;
                let sets = combinations::count(classes, self.per_task);
                match sets <= SETS {
                    true => Ok(()),
                    false => {
                        let allowed = "few enough for 65,536 sets of the classes";
                        Err(ContinualError::range("per_task", self.per_task, allowed))
                    }
                }
            }
        }
    }
}
