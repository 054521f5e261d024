//! Tasks of disjoint classes.

use serde::{Deserialize, Serialize};

use super::class_order::ClassOrder;
use super::planned::Planned;
use super::stream::Scenario;
use crate::Result;

/// Tasks of disjoint classes; which task an example is of is not known at test: the model chooses among all classes.
///
/// ```
/// use regimen_continual::scenario::{ClassIncremental, ClassOrder, Scenario};
///
/// let labels: Vec<usize> = (0..100).map(|example| example % 10).collect();
/// let scenario = ClassIncremental::new(ClassOrder::new(10, 5)?.shuffled(7));
/// let tasks = scenario.train(&labels)?;
/// assert_eq!((tasks.len(), tasks[0].examples.len(), tasks[0].task.classes.len()), (5, 20, 2));
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassIncremental {
    order: ClassOrder,
}

/// Tasks of disjoint classes; which task an example is of is known at test, so that a model chooses among its classes alone
/// ([`Task::mask`](super::Task::mask)). The same examples as in [`ClassIncremental`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskIncremental {
    order: ClassOrder,
}

macro_rules! incremental {
    ($name:ident, $known:literal) => {
        impl $name {
            /// With the classes in this order.
            #[must_use]
            pub fn new(order: ClassOrder) -> Self {
                Self { order }
            }

            /// The order of its classes.
            #[must_use]
            pub fn order(&self) -> &ClassOrder {
                &self.order
            }
        }

        impl Scenario for $name {
            fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
                self.order.plan(labels, $known)
            }
        }
    };
}

incremental!(ClassIncremental, false);
incremental!(TaskIncremental, true);
