//! Gradients that leave earlier tasks as they are.

mod basis;
mod directions;
mod qp;

pub use basis::Basis;
pub use directions::Directions;
pub use qp::quadratic_program;
