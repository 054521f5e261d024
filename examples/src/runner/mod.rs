//! Runs experiments: one queue over systems and seeds, a process for each, a core for each process.
//!
//! Burn's generator is one a process, so a seed that shares its process with another is not repeatable. What a seed
//! measured is kept as soon as it is there, so a run that was stopped goes on where it was.

mod faults;
mod job;
mod origin;
mod plan;
mod pool;
mod process;
mod progress;
mod run;
mod store;

pub use faults::{FaultReport, FaultRow, faults};
pub use job::{Drill, Job, run_seed, trial};
pub use plan::Plan;
pub use pool::execute;
pub use process::end_with_parent;
pub use run::{Found, run};
pub use store::Store;
