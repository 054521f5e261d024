//! # AnySchedule
//!
//! Every schedule of the crate as one type, to keep in a file.
//!
//! Source: an enum in place of Burn's closed `LrSchedulerConfig`.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::blend::{Combined, Noisy, Swa};
use super::clock::{Held, Repeated, Restarted, Sequence, Skipped};
use super::combine::{Clamped, Scaled, Then, Warmup};
use crate::error::{Error, Result};
use crate::refine::Refined;
use crate::schedule::{Schedule, check_depth};
use crate::values::{
    Between, Constant, Cosine, Cyclic, Exponential, HardRestarts, Infinite, InverseSqrt,
    InverseTime, Linear, MultiStep, Noam, OneCycle, PiecewiseConstant, PiecewiseInterpolate,
    Polynomial, Rewarmed, Step, Table, Tanh, WarmRestarts, Wsd,
};

type Any = Box<AnySchedule>;

/// Any schedule of the crate, and any composition of them.
///
/// In a file a schedule is a map whose `schedule` names the variant in snake case; what is read is
/// checked as by the constructors. A `Then` of two can be written as a `Sequence`. A composition has at most
/// [`MOST_LEVELS`](crate::MOST_LEVELS) levels, which bounds the stack that any use of it takes.
///
/// ```
/// use regimen_schedules::{AnySchedule, Schedule};
///
/// let text = r#"{ "schedule": "warmup", "steps": 10, "from": 0.0,
///     "inner": { "schedule": "cosine", "peak": 1.0, "steps": 90 } }"#;
/// let rate: AnySchedule = serde_json::from_str(text)?;
/// assert_eq!((rate.at(5), rate.at(10), rate.at(100)), (0.5, 1.0, 0.0));
///
/// let wrong = r#"{ "schedule": "cosine", "peak": 1.0, "steps": 0 }"#;
/// let message = serde_json::from_str::<AnySchedule>(wrong).unwrap_err().to_string();
/// assert_eq!(message, "`steps` is 0: allowed is 1 or more");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "schedule", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the type of its name")]
pub enum AnySchedule {
    Constant(Constant),
    Linear(Linear),
    Between(Between),
    Cosine(Cosine),
    InverseSqrt(InverseSqrt),
    Polynomial(Polynomial),
    Refined(Refined),
    Tanh(Tanh),
    Exponential(Exponential),
    InverseTime(InverseTime),
    Noam(Noam),
    Step(Step),
    MultiStep(MultiStep),
    PiecewiseConstant(PiecewiseConstant),
    PiecewiseInterpolate(PiecewiseInterpolate),
    WarmRestarts(WarmRestarts),
    HardRestarts(HardRestarts),
    OneCycle(OneCycle),
    Cyclic(Cyclic),
    Wsd(Wsd),
    Infinite(Infinite),
    Rewarmed(Rewarmed),
    Table(Table),
    Warmup(Warmup<Any>),
    Then(Then<Any, Any>),
    Clamped(Clamped<Any>),
    Scaled(Scaled<Any>),
    Sequence(Sequence<AnySchedule>),
    Repeated(Repeated<Any>),
    Restarted(Restarted<Any>),
    Skipped(Skipped<Any>),
    Held(Held<Any>),
    Combined(Combined<AnySchedule>),
    Swa(Swa<Any>),
    Noisy(Noisy<Any>),
}
checked_serde!(AnySchedule);

impl Checked for AnySchedule {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_depth(self.depth())
    }
}

/// The value of whichever variant it is, and the way into the enum for those without parts.
macro_rules! variants {
    (leaves: $($leaf:ident),*; compositions: $($outer:ident),* $(,)?) => {
        impl Schedule for AnySchedule {
            fn at(&self, step: usize) -> f64 {
                match self {
                    $(Self::$leaf(schedule) => schedule.at(step),)*
                    $(Self::$outer(schedule) => schedule.at(step),)*
                }
            }

            fn fill(&self, from: usize, values: &mut [f64]) {
                match self {
                    $(Self::$leaf(schedule) => schedule.fill(from, values),)*
                    $(Self::$outer(schedule) => schedule.fill(from, values),)*
                }
            }

            fn depth(&self) -> usize {
                match self {
                    $(Self::$leaf(schedule) => schedule.depth(),)*
                    $(Self::$outer(schedule) => schedule.depth(),)*
                }
            }
        }

        $(impl From<$leaf> for AnySchedule {
            fn from(schedule: $leaf) -> Self {
                Self::$leaf(schedule)
            }
        })*
    };
}

variants! {
    leaves: Constant, Linear, Between, Cosine, InverseSqrt, Polynomial, Refined, Tanh, Exponential,
        InverseTime, Noam, Step, MultiStep, PiecewiseConstant, PiecewiseInterpolate, WarmRestarts,
        HardRestarts, OneCycle, Cyclic, Wsd, Infinite, Rewarmed, Table;
    compositions: Warmup, Then, Clamped, Scaled, Sequence, Repeated, Restarted, Skipped, Held,
        Combined, Swa, Noisy,
}

impl From<Any> for AnySchedule {
    fn from(schedule: Any) -> Self {
        *schedule
    }
}

impl<A: Into<AnySchedule>, B: Into<AnySchedule>> From<Then<A, B>> for AnySchedule {
    fn from(schedule: Then<A, B>) -> Self {
        Self::Then(schedule.map(Self::boxed, Self::boxed))
    }
}

/// Compositions of whatever can become an [`AnySchedule`].
macro_rules! compositions {
    ($part:expr => $($name:ident),* $(,)?) => {$(
        impl<S: Into<AnySchedule>> From<$name<S>> for AnySchedule {
            fn from(schedule: $name<S>) -> Self {
                Self::$name(schedule.map($part))
            }
        }
    )*};
}

compositions!(Self::boxed => Warmup, Clamped, Scaled, Repeated, Restarted, Skipped, Held, Swa, Noisy);
compositions!(S::into => Sequence, Combined);

impl AnySchedule {
    /// Any schedule of the crate, to be a part of others.
    #[must_use]
    pub fn boxed(schedule: impl Into<Self>) -> Box<Self> {
        Box::new(schedule.into())
    }
}
