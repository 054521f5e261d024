//! # threshold
//!
//! The k largest or smallest of many values, with exact counts and settled ties.
//!
//! Source: radix selection over the ordered bit pattern of a float: one pass counts by leading bits, one gathers the keys
//! that share those of the threshold, one marks. Over tensors on a device: bisection over the same keys, one count read back
//! a pass.

mod device;
mod host;
mod scope;

pub use device::{flags, largest, largest_in_rows, smallest};
pub use host::{bottom_k_of, kth_largest, top_k, top_k_masks, top_k_of};
pub use scope::{Scope, keep_largest, share_of};
