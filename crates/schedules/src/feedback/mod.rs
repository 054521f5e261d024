//! Rates that follow a metric: they have a state, and an entry point of their own,
//! [`Feedback::observe`].

mod adagrad_norm;
mod greedy;
mod metric;
mod plateau;
mod reaction;
mod rule;

pub use adagrad_norm::AdaGradNorm;
pub use greedy::{Greedy, GreedyConfig, GreedyState};
pub use metric::{Mode, Threshold};
pub use plateau::{PlateauRule, PlateauState, ReduceOnPlateau, ReduceOnPlateauConfig};
pub use reaction::{Followed, Reaction};
pub use rule::Feedback;
