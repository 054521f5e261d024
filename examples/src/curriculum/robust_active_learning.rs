//! Noisy questions about animals: a prior that is good on easy and on hard ones at once.
//!
//! How a user's program does it: [`RobustPriorConfig`](regimen_curriculum::active::robust::RobustPriorConfig) in
//! `robust_active_learning/arms.rs`.

mod arms;
pub mod tune;

use anyhow::Result;

use self::arms::{MEAN, MIN_MAX, ROBUST, UNIFORM};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "robust-active-learning",
    number: 6,
    krate: "regimen-curriculum",
    paper: "Learning to Actively Learn: A Robust Approach (arXiv 2010.15382)",
    paper_figure: "in words: one policy that is trained against an adversary is near the best policy of each class of difficulty on every class, and beats or matches strong baselines on 20 questions and on jokes at a few dozen queries",
    claim: "Fourteen questions about one of 58 animals, a tenth of the answers wrong: the prior of the game with an offset for each of four levels of difficulty has a smaller worst error above the best of its level than the uniform prior, than the prior of the plain min-max game, and than one tuned for the mean error with as many games",
    metric: "worst error within a level of difficulty above that of the level's own policy, largest of four levels",
    unit: "points",
    better: Better::Lower,
    baseline: MIN_MAX,
    method: ROBUST,
    seeds: 0..4,
    source: file!(),
    data: DataKind::Animals,
    curve: "level of difficulty / worst error within it, %",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "no-offsets",
        does: "The offsets of the levels are 0 in the last stage",
        turns: &[MIN_MAX_CHECK],
    },
    Fault {
        name: "largest-class",
        does: "An item's offset is that of the largest class that holds it",
        turns: &[MIN_MAX_CHECK],
    },
];

const MIN_MAX_CHECK: &str = "excess, min-max minus robust";

fn run(context: &Context, seed: u64) -> Result<Trial> {
    arms::run(context, seed)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, arm: &str| {
        let ahead = differences(trials, arm, ROBUST, "main");
        Quantity::new(name, "points", ahead).at_least(0.1)
    };
    vec![
        points("excess, uniform minus robust", UNIFORM).headline(),
        points(MIN_MAX_CHECK, MIN_MAX).headline(),
        points("excess, tuned for the mean minus robust", MEAN),
    ]
}
