//! Gradients that leave earlier tasks as they are.

mod against;
mod basis;
mod directions;
mod layers;
mod qp;
mod subspace;

pub use against::against;
pub use basis::Basis;
pub use directions::Directions;
pub use layers::{Layers, Patches, patches};
pub use qp::quadratic_program;
pub(crate) use subspace::eigenvalues;
pub use subspace::{Seen, grown, leading};
