//! Methods by hand-worked values, on the reference models, with damaged states and absurd arguments.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "continual/divergence.rs"]
mod divergence;
#[path = "continual/exemplars.rs"]
mod exemplars;
#[path = "continual/lwf.rs"]
mod lwf;
#[path = "continual/memory.rs"]
mod memory;
#[path = "continual/models.rs"]
mod models;
#[path = "continual/penalties.rs"]
mod penalties;
#[path = "continual/refresh.rs"]
mod refresh;
#[path = "continual/replay.rs"]
mod replay;
#[path = "continual/replay_choice.rs"]
mod replay_choice;
#[path = "continual/two.rs"]
mod two;
#[path = "continual/unified.rs"]
mod unified;
