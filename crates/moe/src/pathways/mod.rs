//! Pathways: which experts a sample passes through, layer by layer, and what that says about generalisation.

mod consistency;
mod dimension;
mod distance;
mod pathway;
mod tracking;

pub use consistency::{Consistency, consistency, expert_embeddings};
pub use dimension::{effective_dimension, kernel_dimension, routing_kernel};
pub use distance::{
    Unit, distance, mean_distance, mean_distance_watched, mean_distance_within,
    mean_distance_within_watched,
};
pub use pathway::{Pathway, routing_weights};
pub use tracking::{
    Checkpoint, PathwayTracker, generalised_from, memorisation_limit, memorised_from,
    memorised_groups,
};
