//! Which examples an epoch trains on: by their losses, or at random to compare with.

pub mod chosen;
pub(crate) mod draw;
#[cfg(feature = "burn")]
pub mod early_scores;
pub mod forgetting;
pub mod infobatch;
pub mod kmeans;
pub mod pacing;
pub(crate) mod part;
pub mod prioritised;
pub mod random;
pub(crate) mod scores;
pub mod seta;

pub use chosen::Chosen;
#[cfg(feature = "burn")]
pub use early_scores::{el2n, grand};
pub use forgetting::Forgetting;
pub use infobatch::{InfoBatch, InfoBatchConfig};
pub use pacing::{EasyFirst, Pacing, SelfPaced};
pub use prioritised::Prioritised;
pub use random::{DynamicRandom, StaticSubset, Uniform};
pub use seta::{Seta, SetaConfig};
