//! The methods of continual learning side by side: what replay, holding weights and a known task are worth at equal gradients.
//!
//! How a user's model joins in: `bed::Net` is a `Classifier`, and `bed::learn` is the loop over tasks with a `Strategy`.

mod alone;
mod arms;
mod learner;
mod means;
mod methods;
mod setting;
pub mod tune;

use anyhow::Result;

use self::arms::{Arm, DECIDING, LARGE, PLAIN, REPORTED};
use self::setting::{Bed, Figures};
use super::bed::tasks;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "continual-survey",
    number: 29,
    krate: "regimen-continual",
    paper: "A Comprehensive Survey of Continual Learning: Theory, Method and Application (arXiv 2302.00487)",
    paper_figure: "A survey without an experiment of its own, in words: class-incremental, replay is far ahead of holding weights or outputs, and that ahead of fine-tuning; task-incremental, the differences are small",
    claim: "Five tasks of two classes each, at equal gradient evaluations. Class-incremental, replay of 100 examples is ahead of the best tuned regulariser, and that of fine-tuning; where the task is known at test, replay gains little over fine-tuning",
    metric: "mean accuracy over five tasks after the last, class-incremental, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: HELD,
    method: "der++",
    seeds: 0..6,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "tasks learned / mean accuracy so far on the first set, class-incremental, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "anchor-follows",
        does: "The weights that the regulariser holds to are overwritten by the present ones in every step",
        turns: &["digits, class-incremental: ewc minus fine-tuning"],
    },
    Fault {
        name: "replay-of-the-current-task",
        does: "The memory of the replay methods is emptied ahead of every task, so that they replay the current one",
        turns: &[
            "digits, class-incremental: der++ minus ewc",
            "clothing, class-incremental: der++ minus ewc",
        ],
    },
    Fault {
        name: "masked-classes",
        does: "Class-incremental accuracy is measured with the logits of other tasks masked",
        turns: &[
            "digits: der++ minus fine-tuning, class- less task-incremental",
            "clothing: der++ minus fine-tuning, class- less task-incremental",
        ],
    },
];

const REVISIONS: &[Revision] = &[];

/// The best regulariser on the tuning seeds.
const HELD: &str = "ewc";
/// Plain epochs a task.
const EPOCHS: usize = 5;
/// Examples that a memory holds.
const MEMORY: usize = 100;
/// Seeds that have all arms; the others have those of the checks.
const WHOLE: u64 = 3;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let mut firsts = vec![Vec::new(); arms(context, seed).len()];
    for (place, set) in context.image_sets()?.into_iter().enumerate() {
        let images = if context.small {
            set.images.at_most(800)
        } else {
            set.images
        };
        let parts = tasks(&images, seed)?;
        for (arm, first) in arms(context, seed).iter().zip(&mut firsts) {
            let bed = Bed {
                context,
                parts: parts.clone(),
                epochs: EPOCHS,
                seed,
                memory: arm.memory.unwrap_or(MEMORY),
            };
            let mut figures = bed.run(arm, arm.strength(set.name))?;
            if context.is_broken_by("masked-classes") {
                figures.classes = Some(figures.within);
            }
            record(&mut trial, arm.name, set.name, &figures);
            first.extend(figures.classes);
            let drawn = DECIDING.iter().any(|one| one.name == arm.name);
            if place == 0 && drawn && figures.curve.len() == parts.len() {
                trial.curve(arm.name, figures.curve);
            }
        }
    }
    for (arm, both) in arms(context, seed).iter().zip(firsts) {
        if !both.is_empty() {
            let mean = both.iter().sum::<f64>() / both.len() as f64;
            trial.record(arm.name, "main", mean);
        }
    }
    Ok(trial)
}

/// Those of this run.
fn arms(context: &Context, seed: u64) -> Vec<Arm> {
    let mut arms = DECIDING.to_vec();
    if context.full || (!context.small && seed < WHOLE) {
        arms.extend(REPORTED);
        arms.extend(PLAIN);
    }
    if context.full {
        arms.extend(LARGE);
    }
    arms
}

fn record(trial: &mut Trial, arm: &str, set: &str, figures: &Figures) {
    let mut note = |what: &str, value: f64| trial.record(arm, &format!("{set}, {what}"), value);
    if let Some(classes) = figures.classes {
        note("classes", classes);
    }
    note("within", figures.within);
    if let Some(forgetting) = figures.forgetting {
        note("forgetting", forgetting);
    }
    note("gradients", figures.compute.gradients() as f64 / 1e3);
    note("kept", figures.compute.bytes() as f64 / 1e3);
}

/// The sets that were run: the embedded ones, or the user's own.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let own = |trial: &Trial| trial.value("naive", "own, classes").is_finite();
    if trials.iter().any(own) {
        &["own"]
    } else {
        &["digits", "clothing"]
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name, values| Quantity::new(name, "points", values);
    let mut checks = Vec::new();
    for set in sets(trials) {
        let (classes, within) = (format!("{set}, classes"), format!("{set}, within"));
        let gap = |better, worse| {
            let name = if worse == "naive" {
                "fine-tuning"
            } else {
                worse
            };
            let name = format!("{set}, class-incremental: {better} minus {name}");
            points(name, differences(trials, better, worse, &classes))
        };
        let gain = |of: &str| differences(trials, "der++", "naive", of);
        let hidden = gain(&classes).into_iter().zip(gain(&within));
        let hidden = hidden.map(|(classes, within)| classes - within);
        let name = format!("{set}: der++ minus fine-tuning, class- less task-incremental");
        checks.extend([
            gap("der++", HELD).at_least(0.0).headline(),
            // An anchor that follows the weights gives exactly 0.
            gap(HELD, "naive").at_least(1.0).headline(),
            // And so does the mask of the task.
            points(name, hidden.collect()).at_least(1.0).headline(),
            gap("der++", "gdumb").at_least(0.0),
            gap("er", "gdumb").at_least(0.0),
        ]);
    }
    checks
}
