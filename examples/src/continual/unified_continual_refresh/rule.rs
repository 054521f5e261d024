//! How the experiment decides.

use super::choices::{Control, choice};
use super::faults::RAISED;
use super::plan::Base;
use crate::experiment::{Check, Quantity, Trial, differences, values};

/// The sets that the trials have; both embedded ones where there is none.
fn sets(trials: &[Trial]) -> Vec<&'static str> {
    let has = |set: &str| {
        let arm = format!("{set}, DER++, refresh");
        trials.iter().any(|trial| trial.arms.contains_key(&arm))
    };
    let found = ["digits", "clothing", "own"]
        .into_iter()
        .filter(|set| has(set));
    let found: Vec<&str> = found.collect();
    match found.is_empty() {
        true => vec!["digits", "clothing"],
        false => found,
    }
}

pub(super) fn judge(trials: &[Trial]) -> Vec<Check> {
    let sets = sets(trials);
    let mut checks = Vec::new();
    for set in &sets {
        for base in Base::DECIDING {
            let arm = |ending: &str| format!("{set}, {}{ending}", base.name());
            // The stronger of the two on the tuning seeds.
            let (control, ending) = match choice(base, set).control {
                Control::EqualGradients => ("equal gradients", ", equal gradients"),
                Control::Plain => ("the plain method", ""),
            };
            let gain = differences(trials, &arm(", refresh"), &arm(ending), "main");
            let name = format!("{}: refresh minus {control}", arm(""));
            checks.push(Quantity::new(name, "points", gain).at_least(0.0).headline());
        }
    }
    for set in &sets {
        let arm = |ending: &str| format!("{set}, DER++{ending}");
        let paper = arm(", refresh in the paper's form");
        for (words, other) in [
            (
                "a random direction",
                arm(", random direction in the paper's form"),
            ),
            ("equal gradients", arm(", equal gradients")),
        ] {
            let name = format!(
                "{set}, norm of the held-out gradient: {words} minus refresh in the paper's form"
            );
            let gap = differences(trials, &other, &paper, "gradient norm");
            checks.push(Quantity::new(name, "", gap).at_least(0.0));
        }
    }
    let raised =
        |ending: &str, set: &str| values(trials, &format!("{set}, DER++, {ending}"), "raised");
    let of_all = sets.iter().flat_map(|set| {
        [
            raised("refresh", set),
            raised("refresh in the paper's form", set),
        ]
    });
    let of_all: Vec<Vec<f64>> = of_all.collect();
    let least = (0..trials.len()).map(|trial| {
        let shares = of_all.iter().map(|values| values[trial]);
        shares.fold(1.0, |least: f64, share| {
            if share.is_nan() {
                share
            } else {
                least.min(share)
            }
        })
    });
    checks.push(
        Quantity::new(
            format!("least share of {RAISED} of their batch"),
            "",
            least.collect(),
        )
        .at_least(0.95),
    );
    checks
}
