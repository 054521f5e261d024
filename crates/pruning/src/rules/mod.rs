//! The decisions that methods are made of: what is dropped, what is grown, what is left, how much and when.

mod cubic;
mod drop;
mod growth;
mod layer;
mod prune;
mod swap;
mod timing;

pub use cubic::CubicSparsity;
pub use drop::{DropRule, Rounding};
pub use growth::GrowthRule;
pub use layer::Layer;
pub(crate) use layer::finite;
pub use prune::{prune_global, prune_uniform};
pub use timing::{Event, Timing};
