//! Item response theory: how difficult each item is and how able each subject, on one scale, from right and wrong answers.

mod ability;
mod config;
mod fit;
mod joint;
mod marginal;
mod model;
mod responses;
mod step;
mod variational;

pub use ability::{AbilityEstimate, ability};
pub use config::{Estimator, IrtConfig, IrtFit};
pub use model::{IrtModel, ItemParameters};
pub use responses::Responses;
pub use variational::{Normal, VariationalConfig, VariationalFit};
