//! Properties of temperatures, samplers and their correction.
#![allow(clippy::unwrap_used, missing_docs)]

mod adaptive;
mod advantage;
mod bad_input;
mod conformance;
mod decoding;
mod golden;
mod itool;
mod learned;
mod length_bias;
mod objective;
mod objective_chunked;
mod objective_unified;
mod pictures;
mod policy;
mod preference;
mod recipes;
mod reformulation;
mod search;
mod simulators;
mod states;
mod trust;
mod verify;
