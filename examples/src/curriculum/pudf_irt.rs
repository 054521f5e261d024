//! Examples up to the model's ability, with difficulties from a crowd, against all data, random ones and a filter by the same difficulties.
//!
//! How a user's loop does it: [`AbilityPaced`](regimen_curriculum::AbilityPaced) in `arms.rs`, the crowd in `crowd.rs`.

mod arms;
mod bench;
mod choices;
mod crowd;
pub mod tune;

use anyhow::Result;

use self::arms::{Done, Job, Order};
use self::bench::Bench;
use self::choices::{
    DDS, EQUAL, EVERYTHING, FULL, GROWTH, LOWEST, NOISE, RANDOM, ROOT, STATIC, rate,
};
use self::crowd::Crowd;
use super::bed::Rows;
use crate::data::Images;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "pudf-irt",
    number: 19,
    krate: "regimen-curriculum",
    paper: "PUDF: A Psychology-based Unified Dynamic Framework for Curriculum Learning (arXiv 2408.05326)",
    paper_figure: "GLUE with pre-trained language models, in words: equal or better accuracy than fine-tuning on all data and than other curricula, with faster convergence",
    claim: "Difficulties from the answers of 28 small models, and an ability from the model's own answers before each epoch: training up to the ability against as many random examples, all data at equal visits, and the easiest examples by the same difficulties, with 30 % wrong labels and with none",
    metric: "test accuracy with 30 % wrong labels, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: STATIC,
    method: DDS,
    seeds: 0..6,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "epoch / share of the examples trained on, first set, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "wrong-answers-as-zero",
        does: "A wrong answer counts as 0 instead of -1, so that it tells nothing about the ability",
        turns: &["digits, noise .3: wrong labels"],
    },
    Fault {
        name: "answers-without-ids",
        does: "The answers of each model of the crowd are stored in a shuffled order without the examples' ids",
        turns: &["digits, noise .3: wrong labels"],
    },
    Fault {
        name: "difficulties-permuted",
        does: "The difficulties are permuted over the examples",
        turns: &["digits, noise .3: wrong labels"],
    },
];

const REVISIONS: &[Revision] = &[];

/// Seeds that are also run without wrong labels.
const CLEAN_SEEDS: u64 = 3;
/// What is behind an arm's name where no label is wrong.
const CLEAN: &str = ", clean";

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let mut sets = context.image_sets()?;
    if context.small {
        sets.truncate(1);
    }
    let is_clean_too = !context.small && seed < SYSTEM.seeds.start + CLEAN_SEEDS;
    for (place, set) in sets.iter().enumerate() {
        let (bench, crowd) = prepared(context, &set.images, seed)?;
        let mut note = |what: &str, value: f64| {
            trial.record("the crowd", &format!("{}, {what}", set.name), value);
        };
        note("visits", crowd.visits as f64 / 1e3);
        note("answers", (crowd.subjects() * bench.items) as f64 / 1e3);
        note("accuracy", crowd.accuracy(&bench.images.labels));
        for noise in [Some(NOISE), is_clean_too.then_some(0.0)] {
            let Some(noise) = noise else { continue };
            let job = job(context, &bench, &crowd, noise, seed)?;
            let (ending, draws) = if noise > 0.0 {
                ("", place == 0)
            } else {
                (CLEAN, false)
            };
            compare(&mut trial, &job, set.name, ending, draws)?;
        }
    }
    for arm in [DDS, FULL, EQUAL, EVERYTHING, RANDOM, STATIC, ROOT, LOWEST] {
        let found = sets.iter().map(|set| trial.value(arm, set.name));
        let mean = found.sum::<f64>() / sets.len() as f64;
        if mean.is_finite() {
            trial.record(arm, "main", mean);
        }
    }
    Ok(trial)
}

/// A set's parts and what the crowd says.
fn prepared(context: &Context, images: &Images, seed: u64) -> Result<(Bench, Crowd)> {
    let bench = Bench::new(images, seed)?;
    let crowd = Crowd::new(&bench, seed, &context.device)?;
    Ok((bench, crowd))
}

/// What the arms share, with so large a share of wrong labels.
fn job<'a>(
    context: &'a Context,
    bench: &'a Bench,
    crowd: &Crowd,
    noise: f64,
    seed: u64,
) -> Result<Job<'a>> {
    let (labels, wrong) = bench.labels(noise, seed);
    let device = &context.device;
    Ok(Job {
        context,
        seed,
        bench,
        rows: bench.rows(&labels, device),
        held_out: bench.held_out(&labels, device),
        test: Rows::new(&bench.test, device),
        items: crowd.items(context, &labels[..bench.items], seed)?,
        labels,
        wrong,
    })
}

/// Runs all arms of one set and notes what they gave.
fn compare(trial: &mut Trial, job: &Job, set: &str, ending: &str, draws: bool) -> Result<()> {
    let dds = job.method()?;
    if draws {
        let share = |size: &usize| 100.0 * *size as f64 / job.bench.pool as f64;
        let points = dds.sizes.iter().enumerate();
        let points = points.map(|(epoch, size)| (epoch as f64 + 1.0, share(size)));
        trial.curve(DDS, points.collect());
    }
    let mut note = |arm: &str, done: &Done| {
        let arm = format!("{arm}{ending}");
        let mut note = |what: &str, value: f64| {
            let name = if what.is_empty() {
                set.to_owned()
            } else {
                format!("{set}, {what}")
            };
            trial.record(&arm, &name, value);
        };
        note("", done.accuracy);
        note("best epoch", done.best);
        note("visits", done.visits as f64 / 1e3);
        note("wrong labels", done.wrong);
        let reached = done.reached.map_or(0.0, |_| 100.0);
        note("reached 93 %", reached);
    };
    note(DDS, &dds);
    let last = dds.sizes.last().copied().unwrap_or(0);
    let all = [
        (EQUAL, Order::All),
        (RANDOM, Order::Random(&dds.sizes)),
        (STATIC, Order::Static(last)),
        (EVERYTHING, Order::Everything),
        (ROOT, Order::Root(GROWTH)),
        (LOWEST, Order::Lowest(&dds.sizes)),
    ];
    let arms = if job.context.small { &all[1..2] } else { &all };
    for (arm, order) in arms {
        let done = job.rival(order, dds.visits, rate(arm))?;
        match &done.marked {
            Some(marked) if *arm == EQUAL => {
                note(EQUAL, marked);
                note(FULL, &done);
            }
            _ => note(arm, &done),
        }
    }
    Ok(())
}

/// The sets that were run: the embedded ones, or the user's own.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let own = |trial: &Trial| trial.value(DDS, "own").is_finite();
    if trials.iter().any(own) {
        &["own"]
    } else {
        &["digits", "clothing"]
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: String, values| Quantity::new(name, "points", values).at_least(0.0);
    let clean: Vec<Trial> = trials
        .iter()
        .filter(|trial| trial.arms.contains_key(&format!("{DDS}{CLEAN}")))
        .cloned()
        .collect();
    let mut checks = Vec::new();
    for set in sets(trials) {
        for (trials, ending, words) in [(trials, "", "noise .3"), (&clean[..], CLEAN, "clean")] {
            let gap = |rival: &str| {
                let (first, second) = (format!("{DDS}{ending}"), format!("{rival}{ending}"));
                let gaps = differences(trials, &first, &second, set);
                points(format!("{set}, {words}: {DDS} minus {rival}"), gaps)
            };
            checks.extend([RANDOM, EQUAL, STATIC].map(|rival| gap(rival).headline()));
            checks.push(gap(EVERYTHING));
        }
        // Of all data it is 30 %; what avoids less than half of them is no filter.
        let wrong = values(trials, DDS, &format!("{set}, wrong labels"));
        let name = format!("{set}, noise .3: wrong labels in the last epoch of {DDS}");
        checks.push(Quantity::new(name, "%", wrong).at_most(50.0 * NOISE));
    }
    checks
}
