#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod directional;
mod error;
pub mod fisher;
pub mod linalg;
pub mod param_vector;
pub mod per_example;
pub mod projection;
pub mod rank;
pub mod reduce;
pub mod threshold;

pub use error::{Result, TensorError};
pub use param_vector::{ParamEntry, ParamVector};
pub use projection::{Distribution, Projection};
pub use reduce::{Alone, Reducer};
