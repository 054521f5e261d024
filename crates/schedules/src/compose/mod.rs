//! Schedules built from schedules: over time ([`Sequence`], [`Repeated`], ...), over their values ([`Scaled`], [`Combined`], ...),
//! and every one of them as one type, [`AnySchedule`].

mod any;
mod blend;
mod clock;
mod combine;
mod ext;
mod mapped;

pub use any::AnySchedule;
pub use blend::{Combined, Noise, Noisy, Reduction, Swa};
pub use clock::{Held, Repeated, Restarted, Sequence, Skipped};
pub use combine::{Clamped, Scaled, Then, Warmup, WarmupClock};
pub use ext::ScheduleExt;
