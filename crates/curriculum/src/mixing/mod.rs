//! Which share of each domain to train on: weights by what a proxy says, by a fit over many small runs, or by an agent that follows the run.
//!
//! Weights in proportion to the data, or to a power of it (a temperature), are [`mixture_weights`](crate::mixture_weights); what draws by weights is
//! [`Mixture`](crate::Mixture).
//!
//! | weights | from | cost |
//! |---|---|---|
//! | [`mixture_weights`](crate::mixture_weights) | sizes | none |
//! | [`DoReMi`] | excess loss of a proxy over a reference model | two small runs |
//! | [`Doge`] | agreement of the domains' gradients in a proxy | one small run, a gradient for each domain a step |
//! | [`RegMix`] with a [`MixtureFit`] | the losses of many small runs | as many runs |
//! | `MixingAgent` in an [`AgentMixture`] | evaluations of the run itself | many small runs with evaluations, once for several uses |

#[cfg(feature = "burn")]
pub mod agent;
pub mod agent_mixture;
pub mod conservative;
pub mod doge;
pub mod doremi;
pub mod fit;
pub mod regmix;
mod simplex;
pub mod trajectory;
pub mod walks;

#[cfg(feature = "burn")]
pub use agent::{FeedbackInput, MixingAgent, MixingAgentConfig, MixingAgentState};
pub use agent_mixture::{AgentMixture, MixturePolicy};
pub use conservative::{conservative_penalty, ln_dirichlet_density};
#[cfg(feature = "burn")]
pub use doge::gradient_products;
pub use doge::{Doge, DogeConfig, GradientProducts};
pub use doremi::{DoReMi, DoReMiConfig};
pub use fit::{MixtureFit, MixtureFitConfig};
pub use regmix::RegMix;
pub use trajectory::{MixtureStep, Trajectory, discounted_returns};
pub use walks::MixtureWalk;
