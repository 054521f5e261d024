//! What the crates offer to Arrow and DataFusion.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod columns;
mod likeness;
mod parquet;
mod vectors;
