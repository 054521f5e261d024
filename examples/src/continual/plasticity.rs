//! Plasticity: a network that learns task after task memorises less and less. What repairs it, and does waiting with many updates until its units
//! have settled pay?
//!
//! How a user's loop joins in: `ReDo`, `ContinualBackprop` and the others are strategies (`memorise`), `ReplayRatio` says at each item of a stream
//! how many updates to make (`stream::learn`), and `probe` measures.

mod agent;
mod arms;
mod bed;
mod faults;
mod memorise;
mod net;
mod rule;
mod stream;
pub mod tune;

use anyhow::Result;
use regimen_continual::plasticity::{ReplayRatioConfig, weight_norm};

use self::arms::{ADAPTIVE, BEST_STATIC, EQUAL, HIGH, When, reported, rules, ways};
use self::bed::Bed;
use self::faults::FAULTS;
use self::rule::{fixed, judge};
use crate::experiment::{Better, Context, DataKind, Revision, System, Trial};

/// The experiment.
pub const SYSTEM: System = System {
    name: "plasticity",
    number: 27,
    krate: "regimen-continual",
    paper: "Revisiting Plasticity in Visual Reinforcement Learning: Data, Modules and Training Stages (arXiv 2310.07418)",
    paper_figure: "Return after 2M steps of DrQ-v2, replay ratio .5 / 2 / adaptive: Cheetah Run 828 / 793 / 880, Walker Run 710 / 709 / 758, Quadruped Run 579 / 417 / 784; Atari-100k, ratio .5 / 2 / adaptive: 42.3 / 35.1 / 55.8",
    claim: "A stream of images with random labels that change, then true ones, learned from a buffer: the rule that raises the replay ratio once the share of active units settles is better over the stable part than any static ratio. Apart from it: random labels again and again are memorised less and less, and ReDo repairs that",
    metric: "accuracy over the stable part of the stream, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: BEST,
    method: ADAPTIVE,
    seeds: 0..4,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "items of the stable part / accuracy on the test images, mean of both sets, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

/// The arm of each set's best static ratio.
const BEST: &str = "best static ratio";

const REVISIONS: &[Revision] = &[];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let (mut highest, mut waited) = (0.0_f64, f64::INFINITY);
    let mut curves: Vec<[Vec<(f64, f64)>; 2]> = Vec::new();
    let sets = if context.small { 1 } else { 2 };
    for set in context.image_sets()?.into_iter().take(sets) {
        let bed = Bed::new(context, set.images, seed)?;
        highest = highest.max(memorised(&bed, set.name, &mut trial)?);
        let (comparisons, of_set) = streamed(&bed, set.name, &mut trial)?;
        waited = waited.min(comparisons);
        curves.push(of_set);
    }
    for (place, name) in [ADAPTIVE, BEST].into_iter().enumerate() {
        let of: Vec<_> = curves.iter().map(|curves| curves[place].clone()).collect();
        let curve = mean_curve(&of);
        let points = curve.iter().map(|point| point.1);
        let mean = points.sum::<f64>() / curve.len().max(1) as f64;
        trial.record(name, "main", mean);
        trial.curve(name, curve);
    }
    if context.full {
        balanced(context, seed, &mut trial)?;
    }
    trial.record(rule::COUNTED, rule::HIGHEST, highest);
    trial.record(rule::COUNTED, rule::WAITED, waited);
    Ok(trial)
}

/// Finding A on one set; the highest score of a unit that was made anew, over the largest that is dormant.
fn memorised(bed: &Bed<'_>, set: &str, trial: &mut Trial) -> Result<f64> {
    let size = memorise::Size::of(bed.context);
    let mut highest = 0.0_f64;
    for way in ways(set) {
        let first_seed = SYSTEM.seeds.start;
        if reported(&way) && (bed.seed != first_seed || bed.context.small) {
            continue;
        }
        let found = memorise::memorise(bed, &way)?;
        let name = format!("{set}, {}", way.keep.name());
        let (first, last) = found.ends(&size);
        for (metric, value) in [
            ("main", last),
            ("first", first),
            ("active", found.active),
            ("dormant", found.dormant),
            ("weights", found.weights),
            ("recycled", found.recycled),
        ] {
            trial.record(&name, metric, value);
        }
        if matches!(way.keep, arms::Keep::ReDo(..)) {
            highest = highest.max(found.highest);
        }
    }
    Ok(highest)
}

/// The curves of the rule and of the best static ratio.
type Curves = [Vec<(f64, f64)>; 2];

/// Finding B on one set: how many comparisons the rule made before it switched, and the curves.
fn streamed(bed: &Bed<'_>, set: &str, trial: &mut Trial) -> Result<(f64, Curves)> {
    let size = stream::Size::of(bed.context);
    let [rule, by_loss] = rules(set);
    let mut note = |name: &str, when: When| -> Result<stream::Found> {
        let found = stream::learn(bed, when)?;
        let name = format!("{set}, {name}");
        for (metric, value) in [
            ("main", found.mean),
            ("end", found.end),
            ("updates", found.updates as f64),
            ("switched", found.switched as f64),
        ] {
            trial.record(&name, metric, value);
        }
        for (layer, active) in found.active.iter().enumerate() {
            trial.record(&name, &format!("active {}", layer + 1), *active);
        }
        Ok(found)
    };
    let adaptive = note(ADAPTIVE, rule)?;
    let of_best = note(&fixed(BEST_STATIC), When::Always(BEST_STATIC))?;
    let items = (size.unstable + size.stable) as f64;
    note(EQUAL, When::Always(adaptive.updates as f64 / items))?;
    note(HIGH, When::Always(size.high))?;
    if !bed.context.small {
        note("switch at the change", When::Oracle)?;
        note("switch at a random item", When::Anywhere)?;
        note("the rule on the loss", by_loss)?;
    }
    let interval = match rule {
        When::Active(_, interval) => interval,
        _ => 1,
    };
    let comparisons = adaptive.switched as f64 / interval as f64;
    Ok((comparisons, [adaptive.curve, of_best.curve]))
}

/// Steps of the agent's environment.
const STEPS: usize = 20_000;

/// The cart and pole by ratio: the mean return over the last half of the steps.
fn balanced(context: &Context, seed: u64, trial: &mut Trial) -> Result<()> {
    let rule = ReplayRatioConfig::new(1000).with_window(200).with_tau(0.01);
    let fixed = |ratio| rule.with_low(ratio).with_high(ratio);
    let mut note = |name: &str, config: ReplayRatioConfig| -> Result<usize> {
        let found = agent::balance(config.init()?, STEPS, seed, &context.device)?;
        let name = format!("cart and pole, {name}");
        let switched = found.ratio.switched().unwrap_or(STEPS as u64);
        for (metric, value) in [
            ("main", found.after(STEPS / 2)),
            ("updates", found.updates as f64),
            ("switched", switched as f64),
            ("weights", weight_norm(&found.critic).into_scalar()),
        ] {
            trial.record(&name, metric, value);
        }
        Ok(found.updates)
    };
    let updates = note(ADAPTIVE, rule)?;
    note("ratio 0.5", fixed(0.5))?;
    note(HIGH, fixed(2.0))?;
    note(EQUAL, fixed(updates as f64 / STEPS as f64))?;
    Ok(())
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
