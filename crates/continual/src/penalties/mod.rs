//! Divergences between parameters and between outputs: the parts of penalties.

mod fisher;
mod quadratic;

pub use fisher::{Fisher, fisher};
pub(crate) use fisher::{finite, singles};
pub use quadratic::{Quadratic, quadratic};
