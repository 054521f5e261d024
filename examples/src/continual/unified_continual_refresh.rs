//! Refresh: a small step up the loss ahead of each training step, around three methods, against the same methods with as many gradients.
//!
//! How a user's loop joins in: `Refresh` wraps the method, `unlearn` gives the moved copy of which loss and gradients are taken, and the
//! method's own `update` follows (`run::with_refresh`).

mod arms;
mod choices;
mod faults;
mod plan;
mod residual;
mod rule;
mod run;
#[cfg(test)]
mod tune;

use anyhow::Result;

use super::bed::tasks;
use crate::experiment::{Better, Context, DataKind, Revision, System, Trial};
use arms::{Arm, arms};
use faults::FAULTS;
use plan::Size;
use rule::judge;

/// The experiment.
pub const SYSTEM: System = System {
    name: "unified-continual-refresh",
    number: 5,
    krate: "regimen-continual",
    paper: "A Unified and General Framework for Continual Learning (arXiv 2403.13249)",
    paper_figure: "Split CIFAR-10, CIFAR-100 and Tiny-ImageNet, ResNet-18, memory of 500, in words: refresh adds one to three points of class-incremental accuracy to ER, DER++ and others",
    claim: "On digits and clothing refresh gains nothing that the seeds show around DER++ and online EWC, and around ER a point on clothing alone. What it does do is certain: a step of unlearning raises the loss of its batch",
    metric: "class-incremental accuracy of DER++ after five tasks, mean over the image sets",
    unit: "%",
    better: Better::Higher,
    baseline: "DER++, equal gradients",
    method: "DER++, refresh",
    seeds: 0..4,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "tasks learned / accuracy among all classes so far, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const REVISIONS: &[Revision] = &[];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let size = Size::of(context);
    let mut sets = context.image_sets()?;
    for set in &mut sets {
        if context.small {
            set.images = set.images.clone().at_most(300);
        }
    }
    let mut curves = std::collections::BTreeMap::<String, Vec<Vec<(f64, f64)>>>::new();
    for set in &sets {
        let parts = tasks(&set.images, seed)?;
        let images = parts.iter().map(|part| part.train.labels.len()).sum();
        for Arm { name, plan } in arms(set.name, images, context) {
            let found = run::run(&plan, size, &parts, seed, &context.device)?;
            let full = format!("{}, {name}", set.name);
            trial.record(&full, "main", found.accuracy);
            for (metric, value) in found.metrics() {
                trial.record(&full, metric, value);
            }
            curves.entry(name).or_default().push(found.curve);
        }
    }
    for (name, of_sets) in curves {
        // The arms of the story, over both sets; a set may have an arm that another lacks.
        let complete =
            of_sets.len() == sets.len() && (name == SYSTEM.method || name == SYSTEM.baseline);
        if complete {
            let curve = mean_curve(&of_sets);
            trial.record(&name, "main", curve[curve.len() - 1].1);
            trial.curve(&name, curve);
        }
    }
    Ok(trial)
}

/// Point by point, as far as the shortest goes.
fn mean_curve(curves: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let length = curves.iter().map(Vec::len).min().unwrap_or(0);
    let point = |place: usize| {
        let sum: f64 = curves.iter().map(|curve| curve[place].1).sum();
        (curves[0][place].0, sum / curves.len() as f64)
    };
    (0..length).map(point).collect()
}
