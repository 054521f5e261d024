//! From a sampler to Burn's batches, and from their losses back to the sampler.

mod alarm;
mod core;
mod curriculum_loader;
mod cuts;
mod feed;
mod feedback;
mod part;
mod pending;
mod position;
mod sample;
mod shared;
mod workers;

pub use curriculum_loader::CurriculumLoader;
pub use feedback::Feedback;
pub use sample::{LoaderState, NotedLosses, Rejected, Sample};
