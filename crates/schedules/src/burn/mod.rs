//! What makes schedules Burn's.

mod adaptor;
mod failure;
mod feedback;
mod norm;

pub use adaptor::LrSchedule;
pub use feedback::LrFeedback;
