//! Pathways: which experts a sample passes through, layer by layer, and what that says about generalisation.

mod consistency;
mod distance;
mod pathway;
mod tracking;

pub use consistency::{Consistency, consistency};
pub use distance::{Unit, distance, mean_distance, mean_distance_within};
pub use pathway::{Pathway, routing_weights};
pub use tracking::{
    Checkpoint, PathwayTracker, effective_dimension, generalised_from, memorised_from,
};
