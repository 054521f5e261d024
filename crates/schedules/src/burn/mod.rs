//! What makes schedules Burn's.

mod adaptor;
mod norm;

pub use adaptor::{LrFeedback, LrSchedule};
