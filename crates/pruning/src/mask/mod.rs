//! Which weights are on: masks, how many a layer keeps, what a mask looks like, and masks in files.

mod bind;
mod bits;
pub mod checkpoint;
pub mod density;
mod exploration;
pub mod inspect;
mod layer_mask;
mod masks;
mod multiply;
mod prunable;

pub use density::Layout;
pub use exploration::Exploration;
pub use layer_mask::Mask;
pub use masks::Masks;
pub(crate) use prunable::frozen;
pub use prunable::{LeftDense, Why};
