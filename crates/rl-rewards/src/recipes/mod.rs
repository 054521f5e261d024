//! What is called in a training loop: small pieces over the traits of a policy.

mod reformulation;

pub use reformulation::{Guidance, GuidedRatio, Placement, Reformulated, Reformulation, Rescued};
