//! From a sampler to Burn's batches, and from their losses back to the sampler.

mod curriculum_loader;
mod feed;
mod sample;
mod shared;

pub use curriculum_loader::{CurriculumLoader, Feedback};
pub use sample::{LoaderState, Sample};
