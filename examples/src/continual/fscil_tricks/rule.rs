//! How the experiment decides.

use super::arms::{PSEUDO, ROTATED, control};
use crate::experiment::{Check, Quantity, Trial, differences, values};

/// The arm under which counts over all arms are noted.
pub(super) const COUNTED: &str = "all arms";
pub(super) const COLUMNS: &str = "classes trained for each base class, with pseudo-classes";
pub(super) const AWAY: &str =
    "furthest prototype of a base class from the mean of its features by the trained encoder";

/// The arms of all tricks, by what the later sessions train.
pub(super) const METHOD: &str = "all tricks";
pub(super) const FROZEN: &str = "all tricks, frozen";
pub(super) const FULL: &str = "all tricks, full fine-tuning";

/// The sets that the trials have; both embedded ones where there is none.
pub(super) fn names(trials: &[Trial]) -> &'static [&'static str] {
    let of = |set: &str| {
        let arm = format!("{set}, {METHOD}");
        trials
            .iter()
            .any(|trial| trial.value(&arm, "main").is_finite())
    };
    match (of("own"), of("both")) {
        (true, _) => &["own"],
        (_, true) => &["both"],
        _ => &["digits", "clothing"],
    }
}

pub(super) fn judge(trials: &[Trial]) -> Vec<Check> {
    let mut checks = Vec::new();
    for set in names(trials) {
        let gap = |what: &str, metric: &str, better: &str, worse: &str| {
            let arm = |name: &str| format!("{set}, {name}");
            let found = differences(trials, &arm(better), &arm(worse), metric);
            let words = format!("{set}, {what}: {better} minus {worse}");
            Quantity::new(words, "points", found).at_least(0.0)
        };
        let harmonic = "harmonic mean";
        checks.extend([
            gap(harmonic, "main", METHOD, control(set)).headline(),
            gap("average accuracy", "average", METHOD, control(set)).headline(),
            gap(harmonic, "main", METHOD, FROZEN).headline(),
            gap(harmonic, "main", METHOD, FULL).headline(),
            gap(harmonic, "main", PSEUDO.name, ROTATED.name),
        ]);
    }
    let counted = |what: &str| Quantity::new(what, "", values(trials, COUNTED, what));
    checks.extend([
        counted(COLUMNS).exactly(4.0),
        counted(AWAY).each_at_most(1e-5),
    ]);
    checks
}
