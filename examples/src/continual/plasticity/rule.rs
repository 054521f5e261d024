//! How the experiment decides.

use super::arms::{ADAPTIVE, EQUAL, HIGH, PLAIN, RANDOM_UNITS, REDO, best_static, rival};
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

/// The sets that the trials have; both embedded ones where there is none.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let own = |trial: &Trial| trial.value("own, plain", "main").is_finite();
    match trials.iter().any(own) {
        true => &["own"],
        false => &["digits", "clothing"],
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
        let (rival, best) = (rival(set), fixed(best_static(set)));
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
                format!("memorised of the last tasks: ReDo minus {rival}"),
                REDO,
                rival,
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
