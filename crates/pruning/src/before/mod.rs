//! Masks before training, from one batch or from none. A random mask is [`Masks::random`](crate::Masks::random).

pub mod grasp;
pub mod snip;
pub mod synflow;
