//! Routers: which experts a token goes to, and with which weight.

mod expert_choice;
mod gating;
mod hash;
mod noise;
mod noisy;
mod router;
mod scores;
mod sigmoid;
mod softmax;
mod top_k;

pub use expert_choice::{ExpertChoiceRouter, ExpertChoiceRouterConfig};
pub use gating::{Choices, Gating, NoisyScores};
pub use hash::{HashRouter, HashRouterConfig};
pub use noise::Noise;
pub use noisy::{NoisyRouter, NoisyRouterConfig};
pub use router::{Router, RouterConfig, RouterInput};
pub(crate) use scores::single;
pub use sigmoid::{SigmoidRouter, SigmoidRouterConfig, select as select_sigmoid};
pub use softmax::{SoftmaxRouter, SoftmaxRouterConfig};
pub(crate) use top_k::ranked;
pub use top_k::top_k;
