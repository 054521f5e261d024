//! How the experiment decides.

use super::arms::{CHOSEN, CONTROLS, PSEUDO, ROTATED};
use crate::experiment::{Check, Quantity, Trial, differences, values};

/// The arm under which counts over all arms are noted.
pub(super) const COUNTED: &str = "all arms";
pub(super) const COLUMNS: &str = "classes trained for each base class, with pseudo-classes";
pub(super) const AWAY: &str =
    "furthest prototype of a base class from the mean of its features by the trained encoder";

/// The arms of the chosen tricks, by what the later sessions train: the sub-network, nothing, everything.
pub(super) const METHOD: &str = CHOSEN.name;
pub(super) const FROZEN: &str = "chosen tricks, frozen";
pub(super) const FULL: &str = "chosen tricks, full fine-tuning";

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
        let arm = |name: &str| format!("{set}, {name}");
        let quantity = |words: String, metric: &str, better: &str, worse: &str| {
            let found = differences(trials, &arm(better), &arm(worse), metric);
            Quantity::new(words, "points", found).at_least(0.0)
        };
        let gap = |better: &str, worse: &str| {
            let words = format!("{set}, harmonic mean: {better} minus {worse}");
            quantity(words, "main", better, worse)
        };
        // The control with the highest mean over these very seeds: never to the method's favour.
        let best = |metric: &str| {
            let mean = |name: &str| {
                let values = values(trials, &arm(name), metric);
                values.iter().sum::<f64>() / values.len().max(1) as f64
            };
            let controls = CONTROLS.into_iter();
            let best = controls.max_by(|a, b| mean(a).total_cmp(&mean(b)));
            best.unwrap_or(CONTROLS[0])
        };
        let against = |what: &str, metric: &str| {
            let words =
                format!("{set}, {what}: {METHOD} minus the best of CE, augmentation and pixels");
            quantity(words, metric, METHOD, best(metric)).headline()
        };
        checks.extend([
            against("harmonic mean", "main"),
            against("average accuracy", "average"),
            gap(METHOD, FROZEN).headline(),
            gap(METHOD, FULL).headline(),
            gap(PSEUDO.name, ROTATED.name),
        ]);
    }
    let counted = |what: &str| Quantity::new(what, "", values(trials, COUNTED, what));
    checks.extend([
        counted(COLUMNS).exactly(4.0),
        counted(AWAY).each_at_most(1e-5),
    ]);
    checks
}
