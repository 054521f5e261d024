//! The ways to break the methods, each with the checks that it must turn.

use super::rule::{HIGHEST, WAITED};
use crate::experiment::Fault;

pub(super) const MOST_ACTIVE: &str = "recycle-the-most-active";
pub(super) const ITSELF: &str = "compared-with-itself";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: MOST_ACTIVE,
        does: "ReDo makes the units with the highest scores anew, as many as are dormant",
        turns: &[HIGHEST],
    },
    Fault {
        name: ITSELF,
        does: "The share of active units is compared with itself",
        turns: &[WAITED],
    },
];
