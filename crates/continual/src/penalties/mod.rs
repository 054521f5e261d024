//! Divergences between parameters and between outputs: the parts of penalties, and the objective that they make up.

mod bregman;
mod divergence;
mod fisher;
mod gaussian;
mod quadratic;
mod unified;

pub use bregman::Generator;
pub use divergence::{OutputDivergence, Target, of_classes, soft_cross_entropy};
pub use fisher::{Fisher, fisher};
pub(crate) use fisher::{finite, singles};
pub use gaussian::{gaussian_kl, kronecker};
pub use quadratic::{Quadratic, quadratic};
pub use unified::{
    GaussianPrior, KroneckerPrior, Objective, SPECIAL_CASES, SpecialCase, WeightDivergence,
    WeightPart,
};
