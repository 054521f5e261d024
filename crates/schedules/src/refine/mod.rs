//! A schedule for the next run of a job from the gradient norms of the first: refinement, and the smoothing of the norms.

#[cfg(feature = "forecast")]
mod numerical;
mod refined;
mod smoothing;

#[cfg(feature = "forecast")]
pub use numerical::{numerical_objective, numerical_step_sizes, numerical_step_sizes_watched};
pub use refined::{Norm, Refined, RefinedConfig, bound, step_sizes, weights};
pub use smoothing::{
    RECIPE_POINTS, filter_recipe, filter_recipe_watched, median_filter, median_filter_watched,
    resample,
};
