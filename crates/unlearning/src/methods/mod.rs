//! How a model forgets: by one edit of its weights, or by training on.

pub mod edit;
pub mod train;
