//! What methods with herded exemplars have in common: the classes so far, and what is known at the end of a task.

use regimen_tensor::ParamVector;

use super::replay::{Fill, Herd, Replay};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::positive;
use crate::examples::Examples;
use crate::memory::{Capacity, MemoryConfig, Policy};
use crate::scenario::Task;
use crate::teacher::{Classes, Teacher, labels};

/// The state beside the exemplars.
pub(super) struct Known<E> {
    pub(super) space: ParamVector,
    pub(super) classes: Classes,
    /// What the last task left.
    pub(super) ended: Option<E>,
}

/// Exemplars of all classes together, each with the same share.
pub(super) type Exemplars<B, E> = Replay<B, Known<E>>;

impl<E> Known<E> {
    /// The state of the same model with other classes.
    pub(super) fn with(&self, classes: Classes, ended: Option<E>) -> Self {
        Self {
            space: self.space.clone(),
            classes,
            ended,
        }
    }
}

impl<B: Examples, E: Clone> Exemplars<B, E> {
    pub(super) fn herded<M: Classifier<Batch = B>>(
        model: &M,
        exemplars: usize,
        replay: Option<usize>,
        seed: u64,
    ) -> Result<Self> {
        positive("replay", replay.unwrap_or(1))?;
        let memory = MemoryConfig::new(Policy::Herded, Capacity::Total(exemplars));
        let known = Known {
            space: Teacher::space(model),
            classes: Classes::default(),
            ended: None,
        };
        Self::new(&memory.with_seed(seed), Fill::Always, known)
    }

    /// Looks at the labels of a batch, where no one told the task's classes.
    pub(super) fn look(&self, batch: &B) -> Result<()> {
        if self.with(|_, known| known.classes.unknown()) {
            let seen = labels(batch)?;
            self.with(|_, known| known.classes.current.extend(seen));
        }
        Ok(())
    }

    /// The classes so far, and what the last task left.
    pub(super) fn known(&self) -> (Classes, Option<E>) {
        self.with(|_, known| (known.classes.clone(), known.ended.clone()))
    }

    pub(super) fn begin(&self, task: &Task) {
        self.before_task(task);
        self.with(|_, known| known.classes.begin(&task.classes));
    }

    pub(super) fn end(&self, after: Herd<B>, ended: E) {
        self.with(|memory, known| {
            *memory = after.memory;
            known.classes.end(&after.classes);
            known.ended = Some(ended);
        });
        self.after_task();
    }
}

/// What is kept and known, of a handle with `replay: Exemplars<B, E>`.
macro_rules! exemplars {
    ($name:ident) => {
        impl<B: Examples> std::fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let (kept, old) = (self.memory().len(), self.old_classes().len());
                let name = stringify!($name);
                write!(f, "{name}({kept} exemplars, {old} old classes)")
            }
        }

        impl<B: Examples> $name<B> {
            /// A copy of the exemplars.
            #[must_use]
            pub fn memory(&self) -> $crate::memory::Memory<B::Item> {
                self.replay.with(|memory, _| memory.clone())
            }

            /// The classes of the tasks that ended, in ascending order.
            #[must_use]
            pub fn old_classes(&self) -> Vec<usize> {
                self.replay
                    .with(|_, known| known.classes.old.iter().copied().collect())
            }
        }
    };
}
pub(super) use exemplars;
