//! Losses of a policy over the tokens of sampled responses.
//!
//! An [`Objective`] is a [`PolicyLoss`] a token, of a ratio at some [`Level`], plus a [`KlTerm`] and an entropy bonus, summed by an
//! [`Aggregation`] over a [`Denominator`]. Named ones are settings: `Objective::grpo()`, `Objective::dapo()`. The plain-number parts
//! ([`DynamicSampling`], [`LogWeights`]) need no tensor.

mod dynamic_sampling;
mod hybrid;
mod log_weights;

#[cfg(feature = "burn")]
mod aggregation;
#[cfg(feature = "burn")]
mod batch;
#[cfg(feature = "burn")]
mod chunked;
#[cfg(feature = "burn")]
mod clip;
#[cfg(feature = "burn")]
mod covariance;
#[cfg(feature = "burn")]
mod exponents;
#[cfg(feature = "flex")]
mod fused;
#[cfg(feature = "burn")]
mod kl;
#[cfg(feature = "burn")]
mod metrics;
#[cfg(feature = "burn")]
mod mismatch;
#[cfg(feature = "burn")]
mod mismatch_bound;
#[cfg(feature = "burn")]
mod named;
#[cfg(feature = "burn")]
#[expect(
    clippy::module_inception,
    reason = "the room and its chief item have one name"
)]
mod objective;
#[cfg(feature = "burn")]
mod policy_loss;
#[cfg(feature = "burn")]
mod ratio;
#[cfg(feature = "burn")]
mod soft_weights;
#[cfg(feature = "burn")]
mod softmax;
#[cfg(feature = "burn")]
pub(crate) mod tensors;
#[cfg(feature = "burn")]
mod unified;
#[cfg(feature = "burn")]
mod value;

#[cfg(feature = "burn")]
pub use aggregation::{Aggregation, Denominator, Totals};
#[cfg(feature = "burn")]
pub use batch::TokenBatch;
#[cfg(feature = "burn")]
pub use chunked::Chunked;
#[cfg(feature = "burn")]
pub use clip::Clip;
#[cfg(feature = "burn")]
pub use covariance::{ClipCov, KlCov};
pub use dynamic_sampling::{DynamicSampling, Filled};
pub use hybrid::{Branch, HybridGate};
#[cfg(feature = "burn")]
pub use kl::{KlEstimator, KlGradient, KlTerm};
pub use log_weights::LogWeights;
#[cfg(feature = "burn")]
pub use metrics::{Measured, Metrics};
#[cfg(feature = "burn")]
pub use mismatch::{Correction, Mismatch, MismatchLevel, Outside};
#[cfg(feature = "burn")]
pub use mismatch_bound::{MismatchBound, MismatchMeasure, MismatchOver};
#[cfg(feature = "burn")]
pub use objective::Objective;
#[cfg(feature = "burn")]
pub use policy_loss::PolicyLoss;
#[cfg(feature = "burn")]
pub use ratio::Level;
#[cfg(feature = "burn")]
pub use soft_weights::Divergence;
#[cfg(feature = "burn")]
pub use unified::{Density, Stabilisation, Unified};
#[cfg(feature = "burn")]
pub use value::ValueLoss;
