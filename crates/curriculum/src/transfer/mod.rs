//! Which tasks of a family to train on, when the policies are used on all of them: a picker that models how policies transfer, what it is compared with,
//! and control tasks with a context. With the feature `transfer`.

pub mod choices;
pub mod environments;
pub mod gaussian_process;
pub mod picker;
pub mod rehearsal;
pub mod slope;

pub use choices::{bisection, equidistant, random_tasks, sequential_oracle, transfer_score};
pub use gaussian_process::{Belief, GaussianProcess, GaussianProcessConfig};
pub use picker::{Acquisition, TransferPicker, TransferPickerConfig, expected_gains};
pub use rehearsal::rehearsal;
pub use slope::Slope;
