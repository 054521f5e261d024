//! Documents that are nearly the same, by MinHash signatures in bands.

mod bands;
mod config;
mod groups;
mod signature;
mod verify;

pub use config::NearDuplicatesConfig;
pub use groups::DuplicateGroups;
pub use signature::NearDuplicates;
pub use verify::Verify;
