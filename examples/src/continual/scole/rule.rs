//! How the experiment decides.

use super::arms::{
    BLOCKED, BLOCKED_MASKED, DEFAULT, FREQUENCY, LONG_0, LONG_9, LONG_MASKED, MASKED, PAIRS,
    RANDOM, RARE,
};
use crate::experiment::{Check, Quantity, Trial, differences, values};

/// The arm under which counts over all arms are noted.
pub(super) const COUNTED: &str = "all arms";
pub(super) const TESTED: &str = "smallest share of the test images that an accuracy is of";
pub(super) const MOVED: &str = "times that weights changed between two tasks";
pub(super) const RETURNS: &str = "returns of a class after a pause in the default sequence, mean";

/// The sets that the trials have; both embedded ones where there is none.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let own = |trial: &Trial| trial.value("own, default", "main").is_finite();
    match trials.iter().any(own) {
        true => &["own"],
        false => &["digits", "clothing"],
    }
}

pub(super) fn judge(trials: &[Trial]) -> Vec<Check> {
    let mut checks = Vec::new();
    for set in sets(trials) {
        let arm = |name: &str| format!("{set}, {name}");
        let main = |name: &str| values(trials, &arm(name), "main");
        let gap = |words: &str, better: &str, worse: &str| {
            let found = differences(trials, &arm(better), &arm(worse), "main");
            Quantity::new(format!("{set}, {words}"), "points", found).at_least(0.0)
        };
        let risen = |name: &str| {
            let pairs = main(name)
                .into_iter()
                .zip(values(trials, &arm(name), "middle"));
            let words = format!("{set}, {name}: last 50 tasks minus tasks 26 to 100");
            let found = pairs.map(|(last, middle)| last - middle).collect();
            Quantity::new(words, "points", found)
                .at_least(0.0)
                .headline()
        };
        let by_frequency = Quantity::new(
            format!("{set}, lambda 4: rank correlation of a class's accuracy with its frequency"),
            "",
            values(trials, &arm(RARE.name), "correlation"),
        );
        // The stronger one on the tuning seeds.
        let unmasked = LONG_UNMASKED[usize::from(*set != "digits")];
        checks.extend([
            gap(
                "last 50 tasks, both masked: default minus blocked",
                MASKED.name,
                BLOCKED_MASKED.name,
            )
            .headline(),
            risen(MASKED.name),
            gap(
                "last 50 tasks: default minus blocked",
                DEFAULT.name,
                BLOCKED.name,
            )
            .headline(),
            gap(
                "last 50 tasks: recurring pairs minus blocked",
                PAIRS.name,
                BLOCKED.name,
            )
            .headline(),
            risen(DEFAULT.name),
            gap(
                "25 long tasks: masked minus un-masked",
                LONG_MASKED.name,
                unmasked,
            ),
            gap(
                "25 long tasks: momentum 0 minus .9",
                LONG_0.name,
                LONG_9.name,
            ),
            by_frequency.at_least(0.0),
            gap(
                "lambda 4: frequency minus random replay",
                FREQUENCY.name,
                RANDOM.name,
            ),
        ]);
    }
    let counted = |what: &str| Quantity::new(what, "", values(trials, COUNTED, what));
    checks.extend([
        counted(TESTED).exactly(1.0),
        counted(MOVED).exactly(0.0),
        counted(RETURNS).at_least(1.0),
    ]);
    checks
}

/// The stronger arm without a mask in few long tasks on the tuning seeds, on the digits and on all other images.
const LONG_UNMASKED: [&str; 2] = [LONG_0.name, LONG_0.name];
