//! How the experiment decides.

use super::arms::{ADAPTIVE, BEST_STATIC, CRELU, EQUAL, HIGH, PLAIN, RANDOM_UNITS, REDO, RIVAL};
use crate::experiment::{Check, Quantity, Trial, differences, values};

/// The arm under which counts over all arms are noted.
pub(super) const COUNTED: &str = "all arms";
pub(super) const HIGHEST: &str = "highest score of a unit that ReDo made anew, over tau";
pub(super) const WAITED: &str =
    "comparisons up to the switch of the rule, the smaller of both sets";

/// The name of a static ratio's arm.
pub(super) fn fixed(ratio: f64) -> String {
    format!("ratio {ratio}")
}

/// The sets that the trials have: the digits alone at the small size; both embedded ones where there is no trial.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let has = |set: &str| {
        let arm = format!("{set}, {PLAIN}");
        trials
            .iter()
            .any(|trial| trial.value(&arm, "main").is_finite())
    };
    match (has("own"), has("digits"), has("clothing")) {
        (true, ..) => &["own"],
        (_, true, false) => &["digits"],
        _ => &["digits", "clothing"],
    }
}

pub(super) fn judge(trials: &[Trial]) -> Vec<Check> {
    let mut checks = Vec::new();
    for set in sets(trials) {
        let arm = |name: &str| format!("{set}, {name}");
        let gap = |words: String, better: &str, worse: &str| {
            let found = differences(trials, &arm(better), &arm(worse), "main");
            Quantity::new(format!("{set}, {words}"), "points", found).at_least(0.0)
        };
        let [first, last] = ["first", "main"].map(|metric| values(trials, &arm(PLAIN), metric));
        let fallen = first
            .into_iter()
            .zip(last)
            .map(|(first, last)| first - last);
        let best = fixed(BEST_STATIC);
        checks.extend([
            gap(
                format!("stable part: the rule minus {best}"),
                ADAPTIVE,
                &best,
            )
            .headline(),
            gap(
                "stable part: the rule minus a static ratio of as many updates".into(),
                ADAPTIVE,
                EQUAL,
            )
            .headline(),
            gap(
                "stable part: the rule minus the high ratio".into(),
                ADAPTIVE,
                HIGH,
            )
            .headline(),
            Quantity::new(
                format!("{set}, plain: memorised of the first tasks minus the last ones"),
                "points",
                fallen.collect(),
            )
            .at_least(0.0),
            gap(
                format!("memorised of the last tasks: ReDo minus {RIVAL}"),
                REDO,
                RIVAL,
            ),
            gap(
                "memorised of the last tasks: ReDo minus concatenated ReLU".into(),
                REDO,
                CRELU,
            ),
            gap(
                "memorised of the last tasks: ReDo minus random units".into(),
                REDO,
                RANDOM_UNITS,
            ),
        ]);
    }
    let counted = |what: &str| Quantity::new(what, "", values(trials, COUNTED, what));
    checks.extend([
        counted(HIGHEST).each_at_most(1.0),
        counted(WAITED).at_least(1.5),
    ]);
    checks
}
