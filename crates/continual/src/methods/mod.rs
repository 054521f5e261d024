//! The methods, one file each.

mod a_gem;
mod adapters;
mod episodes;
mod ewc;
mod gem;
mod gpm;
mod hat;
mod hat_gate;
mod hat_mask;
mod ogd;
mod pack_net;
mod progressive;
mod prompts;

pub use a_gem::{AGem, AGemConfig};
pub use adapters::{AdapterPool, AdapterPoolConfig};
pub use ewc::{Ewc, EwcConfig};
pub use gem::{Gem, GemConfig};
pub use gpm::{Gpm, GpmConfig};
pub use hat::{Hat, HatConfig};
pub use hat_gate::{Anneal, Annealed, Gated, HatGate, HatGateConfig};
pub use ogd::{Ogd, OgdConfig};
pub use pack_net::{PackNet, PackNetConfig};
pub use progressive::{Column, Lateral, Progressive, ProgressiveConfig};
pub use prompts::{Chosen, DualPrompt, DualPromptConfig, PromptPool, PromptPoolConfig};
