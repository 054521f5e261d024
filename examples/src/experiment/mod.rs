//! What an experiment is, and how its outcome is computed.

mod check;
mod context;
mod finding;
mod number;
mod system;
mod trial;

pub use check::{Check, Direction, MARGIN, Outcome, Quantity, SEEDS, worst};
pub use context::{Context, DataKind, Domain, ImageSet};
pub use finding::{Finding, Origin, PaperEffect};
pub use number::short;
pub use system::{Better, Fault, Revision, System, rule};
pub use trial::{Failure, SeedResult, Summary, Trial, differences, values};
