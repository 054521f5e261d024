//! Columns of Arrow, and scalar functions for DataFusion: what scans a corpus, on the engines of large tables.

mod arrow;
#[cfg(feature = "datafusion")]
pub mod datafusion;
#[cfg(feature = "datafusion")]
mod function;
mod vectors;

pub use arrow::{TextColumn, TextRow};
pub use vectors::VectorColumn;
