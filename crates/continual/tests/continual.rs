//! Methods by hand-worked values, on the reference models, with damaged states and absurd arguments.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "continual/gem.rs"]
mod gem;
#[path = "continual/penalties.rs"]
mod penalties;
#[path = "continual/two.rs"]
mod two;
