//! Models that are smaller or faster for being sparse.

mod compressed;
pub mod coupled;
pub mod heads;
mod sparse_linear;
pub mod structured;

pub use sparse_linear::SparseLinear;
