//! A transformer that reads small data sets as sequences: trained on 8 tasks, on 64, and never twice on the same one.
//!
//! How a user's loop does it: [`TaskSequences`](regimen_curriculum::tasks::TaskSequences) in `gpicl/learn.rs`.

mod arms;
mod learn;
mod settings;
pub mod tune;

use anyhow::Result;

use self::arms::{ENDLESS, FEW, MANY, SGD, STRONGEST};
use self::settings::{OTHER_LABELS, OWN_LABEL};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "gpicl",
    number: 14,
    krate: "regimen-curriculum",
    paper: "General-Purpose In-Context Learning by Meta-Learning Transformers (arXiv 2212.04458)",
    paper_figure: "after meta-training on MNIST with random projections and label permutations, 99 examples in the context and no step of training: 73.7 % on MNIST, 62.2 % on Fashion-MNIST, 53.4 % on KMNIST; online gradient descent on the same examples 70.3 % on MNIST. With few tasks the network memorises them, with more it recognises them, with very many it learns new ones",
    claim: "A causal transformer that is trained on sequences of tasks, each a random projection of digits with a random permutation of the labels, learns tasks that it never saw from their examples if it never meets a task twice, on digits that were held out and on pictures of clothing; trained as long on 8 or 64 tasks, it does not",
    metric: "accuracy at the last places of a sequence, on unseen tasks of held-out digits",
    unit: "%",
    better: Better::Higher,
    baseline: STRONGEST,
    method: ENDLESS,
    seeds: 0..3,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "place in the sequence / accuracy on unseen tasks of held-out digits, %",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: OWN_LABEL,
        does: "A place holds its own label in place of the one before it",
        turns: &["unseen digits, how far the first place is from chance"],
    },
    Fault {
        name: OTHER_LABELS,
        does: "The labels of the context are those of another task",
        turns: &["unseen digits, late minus first"],
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    arms::run(context, seed)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(0.1);
    // Two places of 512 sequences differ by up to about 5 points where the context tells nothing.
    let by_context = |name: &str, values| Quantity::new(name, "points", values).at_least(5.0);
    let gain = |late: &str, first: &str| -> Vec<f64> {
        let late = values(trials, ENDLESS, late);
        let first = values(trials, ENDLESS, first);
        late.iter()
            .zip(first)
            .map(|(late, first)| late - first)
            .collect()
    };
    let mut checks = vec![
        points(
            "unseen digits, late, endless tasks minus 64",
            differences(trials, ENDLESS, MANY, "main"),
        ),
        by_context("unseen digits, late minus first", gain("main", arms::FIRST)),
        by_context(
            "unseen clothing, late minus first",
            gain(arms::CLOTHING, arms::CLOTHING_FIRST),
        ),
        points(
            "unseen digits, late, endless tasks minus online SGD",
            differences(trials, ENDLESS, SGD, "main"),
        ),
    ];
    checks = checks.into_iter().map(Check::headline).collect();
    checks.push(points(
        "unseen digits, late, endless tasks minus 8",
        differences(trials, ENDLESS, FEW, "main"),
    ));
    checks.push(points(
        "unseen digits, late, endless tasks minus the strongest rule",
        differences(trials, ENDLESS, STRONGEST, "main"),
    ));
    let far = values(trials, ENDLESS, arms::FIRST).into_iter();
    let far = far.zip(values(trials, ENDLESS, arms::CHANCE));
    checks.push(
        Quantity::new(
            "unseen digits, how far the first place is from chance",
            "points",
            far.map(|(first, chance)| (first - chance).abs()).collect(),
        )
        .each_at_most(10.0),
    );
    checks
}
