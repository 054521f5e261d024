//! The accuracy of three learners on all digits, predicted from accuracies on fewer.
//!
//! Each learner is trained on 50, 100, ..., 1300 images; the curve is the mean over eight shuffles.
//! `PowerLaw::fit` predicts its end from each level, `LearningTrace` anchors a disturbed curve.

mod learners;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_schedules::forecast::learning_curve::{
    LearningTraceConfig, PowerLaw, reliability, total_variation,
};
use regimen_tensor::stats::mean;

use self::learners::Learner;
use crate::data::Images;
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};

/// The experiment.
pub const SYSTEM: System = System {
    name: "learning-curve-prediction",
    number: 37,
    krate: "regimen-schedules",
    paper: "Modeling of learning curves with applications to pos tagging (arXiv 2402.02515)",
    claim: "A power law fitted to accuracies on a part of the data predicts the accuracy on all of it: at 400 of 1300 images better than the last accuracy does, and to within a point from 40 % on; it ranks learners rightly; anchors steady a disturbed backbone",
    metric: "mean error over three learners of the accuracy at 1300 images, predicted from 400",
    unit: "points",
    better: Better::Lower,
    baseline: "carry forward",
    method: "power law",
    rule: "holds if, in the mean over seeds: the error of carrying forward minus that of the power law at level 8 is at least 0; its error at level 5 minus that at level 20 at least 0; the largest error of a learner at levels 11 to 25 at most 1 point; the least share of rightly ordered pairs at levels 5 to 25 at least 1; the learners within their layer of convergence at levels 5, 8, 10, 16 and 20 at least 2; and the anchored over the free variation of a disturbed backbone at most .9",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 5,
    source: "examples/src/schedules/learning_curve_prediction/mod.rs",
    data: DataKind::Images,
    curve: "training images / accuracy, %",
    run,
    judge,
};

/// The seeds of the finding are this one and those after it: the rule was fixed before any run on them.
///
/// On seeds 0 to 4 the last condition asked for at most 1, which anchors that do nothing just meet; it was .72 there. The others are as
/// they were, and held.
const FIRST_SEED: u64 = 20;

/// Levels of a curve; the last is predicted.
const LEVELS: usize = 26;

/// The level whose error is the metric: 400 digits.
const EARLY: usize = 8;

/// Levels that are reported: 250, 400, 500, 800 and 1000 digits.
const REPORTED: [usize; 5] = [5, EARLY, 10, 16, 20];

/// Levels that a disturbance of these many points hits.
const SPIKES: [(usize, f64); 2] = [(14, 3.0), (19, -3.0)];

/// A learner's mean curve.
struct Measured {
    sizes: Vec<f64>,
    accuracies: Vec<f64>,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let seed = FIRST_SEED + seed;
    let images = context.images()?;
    let curves: Result<Vec<Measured>> = Learner::ALL
        .iter()
        .map(|learner| measure(*learner, &images, seed, if context.full { 32 } else { 8 }))
        .collect();
    let curves = curves?;
    let truth: Vec<f64> = curves
        .iter()
        .map(|curve| curve.accuracies[LEVELS - 1])
        .collect();
    let (mut worst, mut order, mut within) = (0.0_f64, 1.0_f64, [true; 3]);
    for level in 5..LEVELS {
        let fits: Result<Vec<PowerLaw>> = curves.iter().map(|c| fit(context, c, level)).collect();
        let fits = fits?;
        let end = curves[0].sizes[LEVELS - 1];
        let guesses: Vec<f64> = fits.iter().map(|law| law.at(end)).collect();
        let errors: Vec<f64> = guesses
            .iter()
            .zip(&truth)
            .map(|(g, t)| (g - t).abs())
            .collect();
        order = order.min(reliability(&guesses, &truth)?);
        if level >= 11 {
            worst = errors.iter().copied().fold(worst, f64::max);
        }
        if !REPORTED.contains(&level) {
            continue;
        }
        let mut carried = Vec::new();
        for (index, learner) in Learner::ALL.iter().enumerate() {
            let layer = fits[index].layer(curves[index].sizes[level - 1]);
            within[index] &= errors[index] <= layer;
            let name = learner.name();
            trial.record(
                name,
                &format!("error at level {level}"),
                guesses[index] - truth[index],
            );
            trial.record(name, &format!("layer at level {level}"), layer);
            carried.push((curves[index].accuracies[level - 1] - truth[index]).abs());
        }
        let metric = if level == EARLY {
            "main".into()
        } else {
            format!("error at level {level}")
        };
        trial.record("power law", &metric, mean(&errors));
        trial.record("carry forward", &metric, mean(&carried));
    }
    trial.record("power law", "largest error at levels 11 to 25", worst);
    trial.record("power law", "least share of ordered pairs", order);
    let inside = within.iter().filter(|inside| **inside).count();
    trial.record("power law", "learners within their layer", inside as f64);
    let ratios: Result<Vec<f64>> = curves
        .iter()
        .map(|curve| disturbed(context, curve))
        .collect();
    trial.record(
        "anchored",
        "variation over that without anchors",
        mean(&ratios?),
    );
    for (learner, curve) in Learner::ALL.iter().zip(&curves) {
        trial.record(
            learner.name(),
            "accuracy at the end",
            curve.accuracies[LEVELS - 1],
        );
        let points = curve
            .sizes
            .iter()
            .copied()
            .zip(curve.accuracies.iter().copied());
        trial.curve(learner.name(), points.collect());
    }
    Ok(trial)
}

/// The mean curve over shuffles of the data; what the last level leaves is the test set.
fn measure(learner: Learner, images: &Images, seed: u64, shuffles: u64) -> Result<Measured> {
    let count = images.labels.len();
    let step = count * 1300 / (1797 * LEVELS);
    ensure!(
        step > 0,
        "{}: {count} images are too few for {LEVELS} levels",
        images.name
    );
    let sizes: Vec<usize> = (1..=LEVELS).map(|level| step * level).collect();
    let mut sums = vec![0.0; LEVELS];
    for shuffle in 0..shuffles {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed * shuffles + shuffle));
        let (train, test) = order.split_at(step * LEVELS);
        let accuracies = learner.accuracies(&images.select(train), &sizes, &images.select(test));
        sums.iter_mut()
            .zip(accuracies)
            .for_each(|(sum, value)| *sum += value);
    }
    Ok(Measured {
        sizes: sizes.into_iter().map(|size| size as f64).collect(),
        accuracies: sums.into_iter().map(|sum| sum / shuffles as f64).collect(),
    })
}

/// The trend of a level; with the fault, of its accuracies in reverse.
fn fit(context: &Context, curve: &Measured, level: usize) -> Result<PowerLaw> {
    let mut accuracies = curve.accuracies[..level].to_vec();
    if context.fault {
        accuracies.reverse();
    }
    Ok(PowerLaw::fit(&curve.sizes[..level], &accuracies, None)?)
}

/// The variation of the anchored backbone over that of the free one, after two disturbances; with the fault nothing is anchored.
fn disturbed(context: &Context, curve: &Measured) -> Result<f64> {
    let variation = |anchored: bool| -> Result<f64> {
        let config = LearningTraceConfig::new().with_anchored(anchored && !context.fault);
        // One point a level: the sizes here are tens of images, not thousands of words.
        let mut trace = config.with_steepest(1.0 / curve.sizes[0])?.init()?;
        for (index, (size, accuracy)) in curve.sizes.iter().zip(&curve.accuracies).enumerate() {
            let spike = SPIKES.iter().find(|(level, _)| *level == index + 1);
            let accuracy = accuracy + spike.map_or(0.0, |(_, points)| *points);
            trace.observe(*size, accuracy.clamp(0.0, 100.0))?;
        }
        Ok(total_variation(&trace.backbone()))
    };
    Ok(variation(true)? / variation(false)?)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let of = |metric| values(trials, "power law", metric);
    let shrinks = |trial: &Trial| {
        trial.value("power law", "error at level 5") - trial.value("power law", "error at level 20")
    };
    vec![
        Check::at_least(
            "error of carrying forward minus that of the power law at level 8, at least 0 points",
            differences(trials, "carry forward", "power law", "main"),
            0.0,
        ),
        Check::at_least(
            "error at level 5 minus error at level 20, at least 0 points",
            trials.iter().map(shrinks).collect(),
            0.0,
        ),
        Check::at_most(
            "largest error of a learner at levels 11 to 25, at most 1 point",
            of("largest error at levels 11 to 25"),
            1.0,
        ),
        Check::at_least(
            "least share of rightly ordered pairs at levels 5 to 25, at least 1",
            of("least share of ordered pairs"),
            1.0,
        ),
        Check::at_least(
            "learners within their layer of convergence, at least 2 of 3",
            of("learners within their layer"),
            2.0,
        ),
        Check::at_most(
            "anchored over free variation of a disturbed backbone, at most .9",
            values(trials, "anchored", "variation over that without anchors"),
            0.9,
        ),
    ]
}
