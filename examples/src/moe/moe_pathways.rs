//! Pathways through the experts as a gauge of generalisation, from the training data alone.
//!
//! How a user reads them: keep the `Routing` of each mixture of a forward pass, and give them to `Pathway::of_batch`.

mod addition;
mod evidence;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use regimen_moe::balance::{Load, load_balancing_loss};
use regimen_moe::pathways::{
    Checkpoint, Pathway, PathwayTracker, Unit, consistency, expert_embeddings, mean_distance,
    mean_distance_within, routing_weights,
};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::stats::mean;

use crate::experiment::{Better, Check, Context, DataKind, Quantity, System, Trial, values};

use addition::{Adder, Batch, Pairs, accuracy, pairs};

/// The experiment.
pub const SYSTEM: System = System {
    name: "moe-pathways",
    number: 16,
    krate: "regimen-moe",
    paper: "Where to find Grokking in LLM Pretraining? Monitor Memorization-to-Generalization without Test (arXiv 2506.21551)",
    paper_figure: "OLMoE-7B, Pearson correlation with test accuracy in mathematics / code / commonsense / domain knowledge: pathway distance -.947 / -.929 / -.982 / -.925, consistency .925 / .979 / .980 / .992, training loss -.04 / -.07 / .64 / .79",
    claim: "On modular addition the pathway distance of training samples with the same answer, over that of all pairs, falls from when the network has memorised to when it generalises, and goes with test accuracy. A run that never generalises shows no fall",
    metric: "pathway distance of training samples with the same answer over that of all pairs, generalised over memorised",
    unit: "ratio",
    better: Better::Lower,
    baseline: "memorised only",
    method: "generalised",
    seeds: 40..44,
    source: file!(),
    data: DataKind::Simulated,
    curve: "step / pathway distance of samples with the same answer, over that of all pairs",
    faults: evidence::FAULTS,
    revisions: evidence::REVISIONS,
    run,
    judge,
};

const WIDTH: usize = 64;
const THRESHOLD: f64 = 0.7;
const BALANCE: f64 = 0.01;
/// In percent. At least so much training accuracy, in both phases.
const FITTED: f64 = 99.0;
/// Of test accuracy, in percent.
const MEMORISED_UP_TO: f64 = 10.0;
const GENERALISED_FROM: f64 = 80.0;
const SAME: &str = "same answer";
const ALL: &str = "all pairs";
const RELATIVE: &str = "same answer over all pairs";
const LOSS: &str = "training loss";
const EVERY: usize = 100;

/// What a run trains, and how.
struct Arm {
    name: &'static str,
    modulus: usize,
    layers: usize,
    experts: usize,
    steps: usize,
    /// Share of all pairs of numbers that is trained on.
    share: f64,
    rate: f64,
    decay: f32,
    /// Whether the answers are dealt out anew, so that nothing is to be generalised.
    shuffled: bool,
    /// Whether it is to generalise.
    generalises: bool,
}

const GENERALISED: Arm = Arm {
    name: "generalised",
    modulus: 23,
    layers: 2,
    experts: 4,
    steps: 2000,
    share: 0.8,
    rate: 5e-3,
    decay: 5.0,
    shuffled: false,
    generalises: true,
};

/// Too few pairs and too little decay to generalise.
const MEMORISED: Arm = Arm {
    name: "memorised only",
    steps: 1000,
    share: 0.55,
    rate: 2e-3,
    decay: 1.0,
    generalises: false,
    ..GENERALISED
};

/// Reported: the generalising run's settings, where there is nothing to generalise to.
const SHUFFLED: Arm = Arm {
    name: "shuffled answers",
    steps: 1000,
    shuffled: true,
    generalises: false,
    ..GENERALISED
};

/// Reported with the large size: a lower rate, which generalises later and with fewer relapses.
const STEADY: Arm = Arm {
    name: "steady",
    rate: 2e-3,
    decay: 3.0,
    ..GENERALISED
};

fn arms(context: &Context) -> Vec<Arm> {
    let mut whole = GENERALISED;
    if context.is_broken_by("weak-decay") {
        (whole.share, whole.decay) = (MEMORISED.share, MEMORISED.decay);
    }
    if context.small {
        return vec![whole];
    }
    if !context.full {
        return vec![whole, MEMORISED, SHUFFLED];
    }
    let long = |arm| Arm { steps: 3000, ..arm };
    let control = Arm {
        modulus: 31,
        layers: 3,
        experts: 8,
        steps: 4000,
        ..MEMORISED
    };
    vec![long(whole), control, long(SHUFFLED), long(STEADY)]
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    for arm in arms(context) {
        train(context, &mut trial, &arm)?;
    }
    Ok(trial)
}

/// Trains on the full batch, with a checkpoint every 100 steps.
fn train(context: &Context, trial: &mut Trial, arm: &Arm) -> Result<()> {
    let device = &context.device;
    let (train, test) = pairs(arm, trial.seed);
    device.seed(trial.seed);
    let mut model = Adder::new(arm, device)?;
    let batch = Batch::of(&train, device);
    let config = AdamWConfig::new().with_beta_2(0.98).with_epsilon(1e-8);
    let mut optim = config.with_weight_decay(arm.decay).init();
    let mut gauge = Gauge::new(context, train, &test);
    for step in 1..=arm.steps {
        let (logits, routings) = model.forward(&batch);
        let balance = routings
            .iter()
            .map(|r| load_balancing_loss(&Load::of(r)) * BALANCE);
        let task = cross_entropy(logits, batch.answers.clone()).mean();
        let loss = balance.fold(task, |sum, loss| sum + loss);
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optim.step(arm.rate, model, grads);
        if step % EVERY == 0 {
            gauge.measure(step, &model.valid())?;
        }
    }
    report(trial, arm, &gauge.tracker)
}

/// What is read at a checkpoint.
struct Gauge {
    train: Batch,
    test: Batch,
    answers: Vec<usize>,
    tracker: PathwayTracker,
}

impl Gauge {
    fn new(context: &Context, train: Pairs, test: &Pairs) -> Self {
        let device = context.device.clone().inner();
        let mut answers: Vec<usize> = train.iter().map(|pair| pair.2).collect();
        if context.is_broken_by("answers-of-others") {
            answers.rotate_right(1);
        }
        Self {
            train: Batch::of(&train, &device),
            test: Batch::of(test, &device),
            answers,
            tracker: PathwayTracker::new(),
        }
    }

    fn measure(&mut self, step: usize, model: &Adder) -> Result<()> {
        let (logits, routings) = model.forward(&self.train);
        let loss = cross_entropy(logits.clone(), self.train.answers.clone()).mean();
        let weights = routing_weights(&routings)?;
        let pathways = Pathway::of_batch(&routings, THRESHOLD)?;
        let within =
            |unit| mean_distance_within(&pathways, &self.answers, unit)?.context("no pair");
        let all = |unit| mean_distance(&pathways, unit).context("no pair");
        let (same, others) = (within(Unit::Character)?, all(Unit::Character)?);
        let embeddings = expert_embeddings(model.layers.iter().map(|layer| &layer.router))?;
        let smooth = weights
            .iter()
            .map(|weights| consistency(weights, &embeddings));
        let smooth = smooth.collect::<Result<Vec<_>, _>>()?;
        let cosines: Vec<f64> = smooth.iter().map(|c| c.mean_cosine).collect();
        let roughness: Vec<f64> = smooth.iter().filter_map(|c| c.roughness).collect();
        let figure = |name: &str, value: f64| (name.to_owned(), value);
        let mut figures = BTreeMap::from([
            figure(SAME, same),
            figure(ALL, others),
            figure(RELATIVE, same / others),
            figure("same answer, symbols", within(Unit::Symbol)?),
            figure("all pairs, symbols", all(Unit::Symbol)?),
            figure("mean cosine", mean(&cosines)),
            figure(LOSS, f64::from(loss.into_scalar::<f32>())),
            figure("training accuracy", accuracy(logits, &self.train)),
        ]);
        if !roughness.is_empty() {
            figures.extend([figure("roughness", mean(&roughness))]);
        }
        let (logits, _) = model.forward(&self.test);
        self.tracker.add(Checkpoint {
            step: step as u64,
            accuracy: accuracy(logits, &self.test),
            figures,
        })?;
        Ok(())
    }
}

/// Each figure in the two phases, at the first two checkpoints and at the last three, and how it goes with test accuracy.
fn report(trial: &mut Trial, arm: &Arm, tracker: &PathwayTracker) -> Result<()> {
    let checkpoints = tracker.checkpoints();
    let (early, late) = (&checkpoints[..2], &checkpoints[checkpoints.len() - 3..]);
    let over = |part: &[Checkpoint], read: &dyn Fn(&Checkpoint) -> f64| {
        mean(&part.iter().map(read).collect::<Vec<_>>())
    };
    let test = |part| over(part, &|c: &Checkpoint| c.accuracy);
    trial.record(arm.name, "test accuracy, early", test(early));
    trial.record(arm.name, "test accuracy, late", test(late));
    for name in checkpoints[0].figures.keys() {
        let read = |part| over(part, &|c: &Checkpoint| c.figures[name]);
        trial.record(arm.name, &format!("{name}, early"), read(early));
        trial.record(arm.name, &format!("{name}, late"), read(late));
        if let Some(found) = tracker.correlation(name, EVERY as u64) {
            trial.record(arm.name, &format!("{name}, correlation"), found);
        }
    }
    for name in [SAME, ALL, RELATIVE, LOSS] {
        let ratio = change(trial, arm, tracker, name);
        trial.record(arm.name, &format!("{name}, ratio"), ratio);
    }
    let main = trial.value(arm.name, &format!("{RELATIVE}, ratio"));
    trial.record(arm.name, "main", main);
    let curve = tracker.curve(RELATIVE).into_iter();
    trial.curve(
        arm.name,
        curve.map(|(step, value)| (step as f64, value)).collect(),
    );
    Ok(())
}

/// A figure after a run has generalised over that after it has memorised, or at its end over its start if it is not to generalise.
fn change(trial: &mut Trial, arm: &Arm, tracker: &PathwayTracker, name: &str) -> f64 {
    if !arm.generalises {
        let at = |when| trial.value(arm.name, &format!("{name}, {when}"));
        return at("late") / at("early");
    }
    let fitted = |c: &Checkpoint| c.figures["training accuracy"] >= FITTED;
    let before = tracker.mean_where(name, |c| fitted(c) && c.accuracy <= MEMORISED_UP_TO);
    let after = tracker.mean_where(name, |c| fitted(c) && c.accuracy >= GENERALISED_FROM);
    for (phase, figure) in [("memorised", before), ("generalised", after)] {
        if let Some(figure) = figure {
            trial.record(arm.name, &format!("{name}, {phase}"), figure);
        }
    }
    before
        .zip(after)
        .map_or(1.0, |(before, after)| after / before)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let of = |metric: &str| values(trials, GENERALISED.name, metric);
    let control = |metric: &str| values(trials, MEMORISED.name, metric);
    let map = |values: Vec<f64>, change: fn(f64) -> f64| values.into_iter().map(change).collect();
    let falls = |ratios| map(ratios, |ratio| 1.0 - ratio);
    let rise = trials.iter().map(|trial| {
        let at = |when| trial.value(GENERALISED.name, &format!("test accuracy, {when}"));
        at("late") - at("early")
    });
    let correlation = |name: &str| of(&format!("{name}, correlation"));
    let gauges = correlation(RELATIVE).into_iter().zip(correlation(LOSS));
    let none = |name, values| Quantity::new(name, "", values);
    vec![
        none(
            "fall of the same-answer distance over that of all pairs",
            falls(of("main")),
        )
        .at_least(0.15)
        .headline(),
        none(
            "correlation of test accuracy and same-answer distance over that of all pairs",
            correlation(RELATIVE),
        )
        .at_most(-0.7)
        .headline(),
        none(
            "correlation with test accuracy, in size, distance minus training loss",
            gauges
                .map(|(distance, loss)| distance.abs() - loss.abs())
                .collect(),
        )
        .at_least(0.0)
        .headline(),
        none(
            "correlation of test accuracy and mean cosine of consecutive layers",
            correlation("mean cosine"),
        )
        .at_least(0.0)
        .headline(),
        none(
            "fall of the same-answer distance alone",
            falls(of("same answer, ratio")),
        )
        .at_least(0.10),
        Quantity::new("rise of test accuracy", "points", rise.collect()).at_least(50.0),
        Quantity::new(
            "training loss at the memorised checkpoints",
            "nats",
            of("training loss, memorised"),
        )
        .at_most(0.2),
        none(
            "change of the distance of all pairs, in size",
            map(of("all pairs, ratio"), |ratio| (ratio - 1.0).abs()),
        )
        .at_most(0.15),
        Quantity::new(
            "test accuracy of the control",
            "%",
            control("test accuracy, late"),
        )
        .at_most(20.0),
        none(
            "fall in the control of the same-answer distance over that of all pairs",
            falls(control("main")),
        )
        .at_most(0.10),
    ]
}
