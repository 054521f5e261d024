//! The shapes that training libraries ship, beyond the four of [`shapes`](crate::shapes).

mod curve;
mod cycles;
mod decays;
mod infinite;
mod restarts;
mod rewarmed;
mod steps;
mod table;
mod wsd;

pub use curve::{Curve, Rise};
pub use cycles::{Cyclic, CyclicMode, OneCycle};
pub use decays::{Exponential, InverseTime, Noam, Tanh};
pub use infinite::Infinite;
pub use restarts::{HardRestarts, WarmRestarts};
pub use rewarmed::{Rewarmed, Stage};
pub use steps::{Boundary, MultiStep, PiecewiseConstant, PiecewiseInterpolate, Step};
pub use table::{Lambda, Table};
pub use wsd::{Stable, Wsd};
