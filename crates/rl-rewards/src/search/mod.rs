//! Search: a tree of actions with visits and values, how a child is selected, how a reward is backed up.
//!
//! Nothing here knows of a policy: an action is any type, and whoever searches expands nodes and finds rewards.
//! [`recipes::itool`](crate::recipes::itool) is such a search.

mod selection;
mod tree;

pub use selection::{Candidate, Selection};
pub use tree::{Backup, Node, Tree};
