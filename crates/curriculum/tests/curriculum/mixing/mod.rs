//! Mixtures of domains: hostile input, damaged states, and an agent in a loader.

mod bad_input;
mod loader;
pub(super) mod states;
