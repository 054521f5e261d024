//! What the tuning seed 1000 chose, and how: right samples of 200 held-out boards with 11 blanks (in brackets with 8) after reinforcement learning, in percent, by
//! its rate.
//!
//! | demonstrations | before | 2.5e-4 | 5e-4 | 1e-3 |
//! |---|---|---|---|---|
//! | no wrong turn | 30.5 (72.1) | 32.8 (74.4) | **35.4** (74.4) | 30.0 (66.1) |
//! | one | 25.4 (60.4) | 30.2 (63.1) | **30.9** (60.2) | 20.4 (51.1) |
//! | three | 40.6 (77.0) | **40.9** (74.5) | 38.0 (73.5) | 30.1 (62.6) |
//! | three, lines shuffled | 21.2 (48.4) | 34.6 (60.9) | **36.0** (64.5) | 27.6 (58.8) |
//!
//! Rates below 2.5e-4 were not tried: three wrong turns gain nothing by reinforcement learning at any. The warm-up's rate is that of the searches of
//! `sequential-or-parallel`.

use std::ops::RangeInclusive;

use crate::experiment::Context;
use crate::rl_rewards::bed::by_tokens::ByTokens;
use crate::rl_rewards::bed::sudoku::Form;

pub(super) const NONE: &str = "no wrong turn";
pub(super) const ONE: &str = "one wrong turn";
pub(super) const THREE: &str = "three wrong turns";
pub(super) const SHUFFLED: &str = "three wrong turns, lines shuffled";

/// The number of wrong turns that the tuning seeds chose.
pub(super) const METHOD: &str = THREE;

/// Blanks of a board: the fewest are the easy level, the most the hard one.
pub(super) const BLANKS: RangeInclusive<usize> = 8..=11;

/// Lines of an answer at most.
pub(super) const LINES: usize = 8;

/// An arm.
pub(super) struct Arm {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// The rate of reinforcement learning.
    pub(super) rate: f64,
}

/// How much is learned and tested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) warm_up: ByTokens,
    /// Boards of an update, and samples of each.
    pub(super) boards: usize,
    pub(super) samples: usize,
    /// Tokens that are sampled in all updates.
    pub(super) sampled: usize,
    /// Held-out boards of a level.
    pub(super) tested: usize,
}

pub(super) fn plan(context: &Context) -> Plan {
    let (updates, tokens) = match context {
        Context { full: true, .. } => (2000, 1000),
        Context { small: true, .. } => (40, 400),
        _ => (400, 400),
    };
    let (boards, sampled, tested) = match context {
        Context { full: true, .. } => (32, 500_000, 500),
        Context { small: true, .. } => (4, 2_000, 20),
        _ => (16, 65_000, 200),
    };
    Plan {
        warm_up: ByTokens {
            updates,
            tokens,
            rate: if context.full { 1e-3 } else { 3e-3 },
        },
        boards,
        samples: 8,
        sampled,
        tested,
    }
}

/// All arms.
pub(super) fn arms(context: &Context) -> [Arm; 4] {
    let control = if context.is_broken_by("lines-in-order") {
        Form::Detours(3)
    } else {
        Form::Shuffled(3)
    };
    [
        (NONE, Form::Detours(0), 5e-4),
        (ONE, Form::Detours(1), 5e-4),
        (THREE, Form::Detours(3), 2.5e-4),
        (SHUFFLED, control, 5e-4),
    ]
    .map(|(name, form, rate)| Arm { name, form, rate })
}
