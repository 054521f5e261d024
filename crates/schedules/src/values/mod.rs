//! Every closed form: what a value follows over the steps of a run, one file a schedule or a family.
//!
//! The shapes that training libraries ship ([`Linear`], [`Cosine`], [`Wsd`], ...), the way between two numbers ([`Between`]), and
//! the weight between two objectives ([`Importance`]).

mod between;
mod cycles;
mod decays;
mod importance;
mod infinite;
mod restarts;
mod rewarmed;
mod shapes;
mod steps;
mod table;
mod wsd;

pub use between::Between;
pub use cycles::{Cyclic, CyclicMode, OneCycle};
pub use decays::{Exponential, InverseTime, Noam, Tanh};
#[cfg(feature = "burn")]
pub use importance::per_length;
pub use importance::{Bridge, Importance};
pub use infinite::Infinite;
pub use restarts::{HardRestarts, WarmRestarts};
pub use rewarmed::{Rewarmed, Stage};
pub use shapes::{Constant, Cosine, InverseSqrt, Linear, Polynomial, SHAPES};
pub use steps::{Boundary, MultiStep, PiecewiseConstant, PiecewiseInterpolate, Step};
pub use table::{Lambda, Table};
pub use wsd::{Stable, Wsd};
