#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "burn")]
pub mod adaptor;
pub mod between;
pub mod combine;
mod error;
#[cfg(feature = "burn")]
pub mod norms;
pub mod refined;
pub mod schedule;
pub mod shapes;
pub mod smoothing;

#[cfg(feature = "burn")]
pub use adaptor::LrSchedule;
pub use between::{Between, Curve};
pub use combine::{Clamped, Then, Warmup};
pub use error::{Error, Result};
#[cfg(feature = "burn")]
pub use norms::GradientNorms;
pub use refined::{Norm, Refined, RefinedConfig};
pub use schedule::{Schedule, ScheduleExt};
pub use shapes::{Constant, Cosine, InverseSqrt, Linear, Polynomial};
