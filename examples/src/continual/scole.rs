//! Recurrence: long sequences of two-class tasks, of which the model is tested on all classes after each: does knowledge accumulate although every
//! task erases much of the last?
//!
//! How a user's loop joins in: `RecurringClasses` gives the tasks, `Accumulation` the curve, `GroupMask` is a `Strategy`, and
//! `FrequencyReplay` says which classes to train beside those of a task (`learn::learn`).

mod arms;
mod beside;
mod learn;
mod net;
mod rule;
mod sequence;
pub mod tune;

use anyhow::Result;

use self::arms::{ADAM, ADAM_MASKED, ALL, Arm, IID};
use self::learn::Bed;
use self::rule::judge;
use crate::experiment::{Better, Context, DataKind, Fault, Revision, System, Trial};

/// The experiment.
pub const SYSTEM: System = System {
    name: "scole",
    number: 39,
    krate: "regimen-continual",
    paper: "Challenging Common Assumptions about Catastrophic Forgetting (arXiv 2207.04543)",
    paper_figure: "Over 500 to 1000 tasks of two classes of MNIST, Fashion-MNIST, KMNIST or CIFAR-10, in words: the accuracy of plain SGD on all classes climbs steadily, far above what a short sequence of disjoint tasks suggests; masking and no momentum make it climb faster, and rare classes stay behind",
    claim: "1,000 tasks of two classes, plain SGD with a loss among the classes of each mini-batch. Where classes come back, accuracy on all ten classes ends far above that of as many updates on one pair of classes after the other, and still rises after 100 tasks",
    metric: "accuracy on all classes over the last 50 of 1,000 tasks, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: arms::BLOCKED_MASKED.name,
    method: arms::MASKED.name,
    seeds: 4..8,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "tasks learned / accuracy on all classes, mean of both sets, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "current-classes-only",
        does: "Accuracy is measured on the test images of the task's classes alone",
        turns: &[rule::TESTED],
    },
    Fault {
        name: "new-head",
        does: "The head is drawn anew before every task",
        turns: &[rule::MOVED],
    },
    Fault {
        name: "no-recurrence",
        does: "The tasks of random pairs are drawn without recurrence: those of a pair of classes in a row",
        turns: &[rule::RETURNS],
    },
];

const REVISIONS: &[Revision] = &[Revision {
    changed: "1,000 tasks in place of 500 for all arms but lambda 4, four seeds that had not been run, rates and momentum of all arms chosen anew on two tuning seeds in place of one. The method and its baseline are the default and the blocked tasks under the mask and without momentum, each at its own rate; a check of the rise of the masked default was added. Between task 100 and the last 50 the model is tested after every fifth task. The iid arm is run on two seeds",
    before: "Un-masked, 500 tasks, four seeds: default minus blocked 77.06 ± 0.12 points on the digits, 54.7 ± 2.6 on clothing; all headline checks held, and the correlation with frequency and frequency replay on the digits were within noise",
}];

/// Seeds that run the iid arm, which no check uses; at the large size all do, and Adam too.
const REPORTING: u64 = 2;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let reports = !context.small && seed < SYSTEM.seeds.start + REPORTING;
    let reported = match (context.full, reports) {
        (true, _) => &[IID, ADAM, ADAM_MASKED][..],
        (_, true) => &[IID],
        _ => &[],
    };
    let arms: Vec<Arm> = ALL.iter().chain(reported).copied().collect();
    let mut curves = vec![Vec::new(); arms.len()];
    let mut tested = f64::INFINITY;
    let (mut moved, mut returns) = (0, Vec::new());
    for set in context.image_sets()? {
        let bed = Bed::new(context, set.images, seed)?;
        for (arm, curves) in arms.iter().zip(&mut curves) {
            let found = bed.run(arm, arm.setting(set.name))?;
            let name = format!("{}, {}", set.name, arm.name);
            for (metric, value) in found.metrics(arm)? {
                trial.record(&name, metric, value);
            }
            tested = found.tested.min(tested);
            moved += found.moved;
            if arm.is_default() {
                returns.push(found.returns);
            }
            curves.push(found.curve()?);
        }
    }
    for (arm, curves) in arms.iter().zip(curves) {
        if arm.name == SYSTEM.method || arm.name == SYSTEM.baseline {
            let curve = mean_curve(&curves);
            trial.record(arm.name, "main", curve[curve.len() - 1].1);
            trial.curve(arm.name, curve);
        }
    }
    let returns = returns.iter().sum::<f64>() / returns.len().max(1) as f64;
    for (metric, value) in [
        (rule::TESTED, tested),
        (rule::MOVED, moved as f64),
        (rule::RETURNS, returns),
    ] {
        trial.record(rule::COUNTED, metric, value);
    }
    Ok(trial)
}

/// Point by point.
fn mean_curve(curves: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let length = curves.iter().map(Vec::len).min().unwrap_or(0);
    let point = |place: usize| {
        let sum: f64 = curves.iter().map(|curve| curve[place].1).sum();
        (curves[0][place].0, sum / curves.len() as f64)
    };
    (0..length).map(point).collect()
}
