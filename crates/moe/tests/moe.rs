//! Mixtures against dense references, balance, padding, bad input, and kill-and-resume.
#![allow(clippy::unwrap_used, clippy::excessive_precision, missing_docs)]

#[path = "moe/bad_input.rs"]
mod bad_input;
#[path = "moe/balance.rs"]
mod balance;
#[path = "moe/conformance.rs"]
mod conformance;
#[path = "moe/dense.rs"]
mod dense;
#[path = "moe/golden.rs"]
mod golden;
#[path = "moe/hugging_face.rs"]
mod hugging_face;
#[path = "moe/layer.rs"]
mod layer;
#[path = "moe/pathways.rs"]
mod pathways;
#[path = "moe/routers.rs"]
mod routers;
#[path = "moe/states.rs"]
mod states;
#[path = "moe/types.rs"]
mod types;
