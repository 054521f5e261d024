//! Methods by hand-worked values, on the reference models, with damaged states and absurd arguments.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "continual/bad_input.rs"]
mod bad_input;
#[path = "continual/classifiers.rs"]
mod classifiers;
#[path = "continual/conformance.rs"]
mod conformance;
#[path = "continual/divergence.rs"]
mod divergence;
#[path = "continual/exemplars.rs"]
mod exemplars;
#[path = "continual/few_shot.rs"]
mod few_shot;
#[path = "continual/gem.rs"]
mod gem;
#[path = "continual/gpm.rs"]
mod gpm;
#[path = "continual/group_mask.rs"]
mod group_mask;
#[path = "continual/hat.rs"]
mod hat;
#[path = "continual/loader.rs"]
mod loader;
#[path = "continual/lwf.rs"]
mod lwf;
#[path = "continual/memory.rs"]
mod memory;
#[path = "continual/metrics.rs"]
mod metrics;
#[path = "continual/models.rs"]
mod models;
#[path = "continual/net.rs"]
mod net;
#[path = "continual/ogd.rs"]
mod ogd;
#[path = "continual/pack_net.rs"]
mod pack_net;
#[path = "continual/penalties.rs"]
mod penalties;
#[path = "continual/plasticity.rs"]
mod plasticity;
#[path = "continual/prompts.rs"]
mod prompts;
#[path = "continual/recurring_classes.rs"]
mod recurring_classes;
#[path = "continual/refresh.rs"]
mod refresh;
#[path = "continual/regularisers.rs"]
mod regularisers;
#[path = "continual/released.rs"]
mod released;
#[path = "continual/replay.rs"]
mod replay;
#[path = "continual/replay_choice.rs"]
mod replay_choice;
#[path = "continual/resume.rs"]
mod resume;
#[path = "continual/scenario.rs"]
mod scenario;
#[path = "continual/states.rs"]
mod states;
#[path = "continual/two.rs"]
mod two;
#[path = "continual/unified.rs"]
mod unified;
#[path = "continual/wrapped.rs"]
mod wrapped;
