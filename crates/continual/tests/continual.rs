//! Methods by hand-worked values, on the reference models, with damaged states and absurd arguments.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "continual/gem.rs"]
mod gem;
#[path = "continual/gpm.rs"]
mod gpm;
#[path = "continual/hat.rs"]
mod hat;
#[path = "continual/memory.rs"]
mod memory;
#[path = "continual/net.rs"]
mod net;
#[path = "continual/ogd.rs"]
mod ogd;
#[path = "continual/pack_net.rs"]
mod pack_net;
#[path = "continual/penalties.rs"]
mod penalties;
#[path = "continual/prompts.rs"]
mod prompts;
#[path = "continual/two.rs"]
mod two;
