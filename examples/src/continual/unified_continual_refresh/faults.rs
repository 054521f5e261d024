//! The ways to break refresh, and the check that they turn.

use crate::experiment::Fault;

pub(super) const DESCENT: &str = "descent-for-ascent";
pub(super) const RANDOM: &str = "random-direction";
/// The part of the structural check's quantity that the faults name.
pub(super) const RAISED: &str = "steps of unlearning that raise the loss";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: DESCENT,
        does: "The step of unlearning goes down the loss in every arm with refresh",
        turns: &[RAISED],
    },
    Fault {
        name: RANDOM,
        does: "The step of unlearning goes in a random direction of the same length in every arm with refresh",
        turns: &[RAISED],
    },
];
