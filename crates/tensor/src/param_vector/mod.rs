//! A module's parameter space: vectors in it, their algebra, and their files.

mod algebra;
mod entry;
mod file;
mod vector;
mod walk;

pub use entry::ParamEntry;
pub use vector::ParamVector;
