//! Streams of tasks, made of a labelled data set.
//!
//! A scenario is made of labels alone: it says which examples each task has ([`Planned`]). With Burn, [`Scenario::tasks`] gives these as
//! data sets that are views on the user's own.
//!
//! | scenario | classes of tasks | task known at test | examples |
//! |---|---|---|---|
//! | [`TaskIncremental`] | disjoint | yes | each once |
//! | [`ClassIncremental`] | disjoint | no | each once |
//! | [`DomainIncremental`] | the same, other inputs | no | all in each task |
//! | [`Blurry`] | of each some in the others | no | each once |
//! | [`TaskFree`] | one stream, a mixture that changes | no | each once |
//! | [`Recurring`] | come back | no | each once, or all each time |
//! | [`RecurringClasses`] | drawn for each, as often as one wants | no | all each time |
//!
//! [`Online`] gives any of them an order for one pass in small batches.

mod blurry;
mod class_draws;
mod class_frequencies;
mod class_order;
mod combinations;
mod corruption;
mod domain_incremental;
mod incremental;
#[cfg(feature = "burn")]
mod one_pass;
mod online;
mod planned;
mod recurring;
mod recurring_classes;
mod stream;
mod task;
mod task_free;
mod task_stream;
mod transform;
#[cfg(feature = "burn")]
mod view;

pub use blurry::Blurry;
pub use class_draws::ClassDraws;
pub use class_frequencies::ClassFrequencies;
pub use class_order::ClassOrder;
pub use corruption::{Corruption, Damage};
pub use domain_incremental::DomainIncremental;
pub use incremental::{ClassIncremental, TaskIncremental};
#[cfg(feature = "burn")]
pub use one_pass::OnePass;
pub use online::Online;
pub use planned::Planned;
pub use recurring::Recurring;
pub use recurring_classes::{Recurrence, RecurringClasses};
pub use stream::Scenario;
pub use task::Task;
pub use task_free::TaskFree;
pub use task_stream::TaskStream;
pub use transform::{Permutation, Transform, rotated};
#[cfg(feature = "burn")]
pub use view::{Labelled, TaskData, View, labels};
