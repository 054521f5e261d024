//! Which cart-poles to train on, when the policies are used on all of them.
//!
//! How a user's loop does it: [`TransferPicker`](regimen_curriculum::transfer::TransferPicker) in `mbtl/choices.rs`.

mod bench;
mod choices;
mod made_up;
mod measure;

use anyhow::Result;

use self::choices::Broken;
use self::measure::{
    BISECTION, EQUIDISTANT, INDEPENDENT, MADE_UP, MADE_UP_TASKS, PICKED, RANDOM, TOGETHER,
};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "mbtl",
    number: 28,
    krate: "regimen-curriculum",
    paper: "Model-Based Transfer Learning for Contextual Reinforcement Learning (arXiv 2408.04498)",
    paper_figure: "reaches the level of independent or multi-task training with up to 43 to 50 times fewer samples, and is close to the sequential oracle on several control domains",
    claim: "Cart-poles of 50 lengths, each with a linear policy by cross-entropy search: after two to four trainings the best of the policies of the picked tasks keep the poles up longer, over all lengths, than those of random tasks after the same first one, of tasks by bisection and at even distances, and than independent policies or one policy for all with as many steps",
    metric: "share of an episode's steps over all lengths of the pole, mean after 2, 3 and 4 trainings",
    unit: "%",
    better: Better::Higher,
    baseline: EQUIDISTANT,
    method: PICKED,
    seeds: 0..6,
    source: file!(),
    data: DataKind::Simulated,
    curve: "trainings / share of an episode's steps over all lengths, %",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "achieved-not-subtracted",
        does: "What the trained policies achieve is not subtracted from what a task would give",
        turns: &[MADE_UP_CHECK],
    },
    Fault {
        name: "trained-not-excluded",
        does: "A task that is trained may be chosen again",
        turns: &[MADE_UP_CHECK],
    },
    Fault {
        name: "deviation-reversed",
        does: "The deviation of what is believed counts against a task",
        turns: &[MADE_UP_CHECK],
    },
];

const MADE_UP_CHECK: &str = "made-up tasks that follow the model, 8 trainings, picked minus random";

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let broken = match context.fault.as_deref() {
        Some("achieved-not-subtracted") => Broken::Achieved,
        Some("trained-not-excluded") => Broken::Trained,
        Some("deviation-reversed") => Broken::Deviation,
        _ => Broken::No,
    };
    measure::run(context, seed, broken)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: String, values| Quantity::new(&name, "points", values).at_least(0.1);
    let mut checks: Vec<Check> = [
        (RANDOM, "random after the same first"),
        (BISECTION, "bisection"),
        (EQUIDISTANT, "even distances"),
        (INDEPENDENT, "independent policies with as many steps"),
        (TOGETHER, "one policy with as many steps"),
    ]
    .into_iter()
    .map(|(arm, name)| {
        let ahead = differences(trials, PICKED, arm, "main");
        points(format!("pole length, picked minus {name}"), ahead).headline()
    })
    .collect();
    let made_up = values(trials, MADE_UP, MADE_UP_TASKS);
    checks.push(points(MADE_UP_CHECK.into(), made_up));
    checks
}
