//! A module's parameter space: vectors in it, their algebra, and their files.

mod algebra;
mod entry;
mod file;
mod independent;
mod vector;
mod walk;

pub(crate) use algebra::widen;
pub use entry::ParamEntry;
pub use independent::independent;
pub use vector::ParamVector;
