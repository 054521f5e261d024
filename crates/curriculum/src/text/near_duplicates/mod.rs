//! Documents that are nearly the same, by MinHash signatures in bands.

mod bands;
mod config;
mod groups;
mod signature;

pub use config::{NearDuplicatesConfig, Verify};
pub use groups::DuplicateGroups;
pub use signature::NearDuplicates;
