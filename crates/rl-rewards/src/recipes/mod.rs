//! Recipes: published training loops, as the pieces that a loop of yours is made of.
//!
//! | module | what it is |
//! |---|---|
//! | [`itool`] | preference pairs of fragments of tool calls, found by a tree search where the policy is weak |

pub mod itool;
