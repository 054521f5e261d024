#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;

pub mod param_vector;

pub mod per_example;

pub mod fisher;

pub mod threshold;

pub mod projection;

pub mod directional;

pub mod stats;

#[cfg(feature = "linalg")]
pub mod linalg;

pub mod logs;

pub mod reduce;

#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Result, TensorError};
pub use logs::{GradientNorms, ScalarLog};
pub use param_vector::{ParamEntry, ParamVector, independent};
pub use projection::{Distribution, Drawn, Projection};
pub use reduce::{Alone, ReduceError, Reducer};
