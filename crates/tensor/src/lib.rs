#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;

pub mod checked;

pub mod files;

pub mod floats;

pub mod watch;

pub mod checkpoint;

#[cfg(feature = "burn")]
pub mod memory;

#[cfg(feature = "burn")]
pub mod param_vector;

#[cfg(feature = "burn")]
pub mod per_example;

#[cfg(feature = "burn")]
pub mod fisher;

#[cfg(feature = "burn")]
pub mod threshold;

#[cfg(feature = "burn")]
pub mod projection;

#[cfg(feature = "burn")]
pub mod directional;

pub mod stats;

pub mod accuracy;

#[cfg(feature = "linalg")]
pub mod linalg;

#[cfg(feature = "simd")]
pub mod simd;

#[cfg(feature = "burn")]
pub mod logs;

pub mod reduce;

#[cfg(feature = "burn")]
pub mod prepared;

#[cfg(feature = "burn")]
pub mod optimizer_state;

#[cfg(feature = "burn")]
pub mod training;

#[cfg(feature = "testing")]
pub mod testing;

pub use accuracy::AccuracyMatrix;
pub use checkpoint::Part;
pub use error::{Result, TensorError};
#[cfg(feature = "burn")]
pub use logs::{GradientNorms, ScalarLog};
#[cfg(feature = "burn")]
pub use param_vector::{ParamEntry, ParamVector, independent};
#[cfg(feature = "burn")]
pub use prepared::Prepared;
#[cfg(feature = "burn")]
pub use projection::{Distribution, Drawn, Projection};
pub use reduce::{Alone, ReduceError, Reducer};
#[cfg(feature = "burn")]
pub use training::Gradients;
pub use watch::Watch;
