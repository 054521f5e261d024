//! Equal draws from clusters that are refined while the labels within agree more, on images in hidden renditions, against other selectors.
//!
//! How a user does it: `choose.rs`, and [`ClusterDraws`](regimen_curriculum::ability::mastery::ClusterDraws) as the sampler of a loader.

mod choices;
mod choose;
mod components;
mod renditions;
pub mod tune;

use anyhow::Result;
use rand::seq::SliceRandom;

use self::choices::BUDGET;
use self::choose::{Chosen, Selector, choose};
use self::renditions::{Bed, Draw, RARE, SHARES, generator};
use super::bed::{BATCH, Learner, Rows};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "mastery-clusters",
    number: 10,
    krate: "regimen-curriculum",
    paper: "Scalable and Equitable Math Problem Solving Strategy Prediction in Big Educational Data (EDM 2023, arXiv 2308.03892)",
    paper_figure: "MATHia and Bridge to Algebra, in words: high accuracy from a small sample of a large data set, and nearly the same at every level of mastery",
    claim: "A tenth of a pool of images in six hidden renditions, of which one is more than half of the pool and four are a quarter together: equal draws from refined clusters against random instances, k-means, random centres and instances far from each other",
    metric: "mean accuracy over the renditions, mean of both sets",
    unit: "%",
    better: Better::Higher,
    baseline: FARTHEST,
    method: DP,
    seeds: 0..6,
    source: file!(),
    data: DataKind::ImageSets,
    curve: "rendition, the commonest first / accuracy on the first set, %",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "assignments-permuted",
        does: "The clusters are permuted over the instances",
        turns: &["digits: share of rare renditions"],
    },
    Fault {
        name: "draws-by-size",
        does: "Each cluster has draws in proportion to its size",
        turns: &["digits: share of rare renditions"],
    },
];

const REVISIONS: &[Revision] = &[];

const DP: &str = "dp-means, refined";
const FIXED: &str = "dp-means, fixed 12";
const RANDOM: &str = "random";
const CENTRES: &str = "random centres";
const K_MEANS: &str = "k-means";
const FARTHEST: &str = "farthest first";
const ORACLE: &str = "oracle";
const ALL: &str = "all 3000";

/// Steps of training.
const STEPS: usize = 400;
/// The rate of Adam.
const RATE: f64 = 3e-3;
/// Seeds that have the scan over numbers of clusters.
const SCANNED: u64 = 3;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let mut sets = context.image_sets()?;
    if context.small {
        sets.truncate(1);
    }
    let mut names = Vec::new();
    for (place, set) in sets.into_iter().enumerate() {
        names.push(set.name);
        let bed = Bed::new(set.images, seed, &context.device)?;
        let mut arm = |name: &str, selector: Selector| -> Result<Chosen> {
            let budget = BUDGET * bed.renditions.len() / 3000;
            let chosen = choose(context, &bed, selector, budget, seed)?;
            let found = figures(context, &bed, &chosen.ids, seed)?;
            let draws = place == 0 && [DP, RANDOM, FARTHEST].contains(&name);
            record(&mut trial, name, set.name, &chosen, &found, draws);
            Ok(chosen)
        };
        let clusters = arm(DP, Selector::Refined)?.clusters;
        arm(RANDOM, Selector::Random)?;
        if context.small {
            continue;
        }
        for (name, selector) in [
            (CENTRES, Selector::Centres(clusters)),
            (K_MEANS, Selector::KMeans(clusters)),
            (FIXED, Selector::Fixed(12)),
            (FARTHEST, Selector::Farthest),
            (ORACLE, Selector::Oracle),
            (ALL, Selector::All),
        ] {
            arm(name, selector)?;
        }
        if seed < SYSTEM.seeds.start + SCANNED || context.full {
            for (name, count) in [
                ("dp-means, fixed 6", 6),
                ("dp-means, fixed 24", 24),
                ("dp-means, fixed 48", 48),
            ] {
                arm(name, Selector::Fixed(count))?;
            }
        }
    }
    let arms: Vec<String> = trial.arms.keys().cloned().collect();
    for arm in arms {
        let found = names.iter().map(|set| trial.value(&arm, set));
        let mean = found.sum::<f64>() / names.len() as f64;
        trial.record(&arm, "main", mean);
    }
    Ok(trial)
}

/// What a selection is worth, in percent.
struct Figures {
    /// Of each rendition.
    each: Vec<f64>,
    mean: f64,
    worst: f64,
    /// With the shares of the pool.
    weighted: f64,
    /// Instances of rare renditions among those chosen.
    rare: f64,
}

/// Trains on some instances and tests on every rendition.
fn figures(context: &Context, bed: &Bed, ids: &[usize], seed: u64) -> Result<Figures> {
    let device = &context.device;
    let rows = Rows::new(&bed.pool.select(ids), device);
    let sizes = vec![rows.width(), 64, bed.pool.classes];
    let mut learner = Learner::new(sizes, RATE, seed, device);
    let mut rng = generator(seed, Draw::Order);
    let mut order: Vec<usize> = (0..ids.len()).collect();
    let (steps, mut done) = (if context.small { 50 } else { STEPS }, 0);
    while done < steps {
        order.shuffle(&mut rng);
        for ids in order.chunks(BATCH).take(steps - done) {
            learner.step(&rows, ids);
            done += 1;
        }
    }
    let tests = bed.test.iter();
    let each: Vec<f64> = tests
        .map(|test| learner.accuracy(&Rows::new(test, device)))
        .collect();
    let is_rare = |id: &&usize| bed.renditions[**id] >= RARE;
    let rare = ids.iter().filter(is_rare).count();
    Ok(Figures {
        mean: each.iter().sum::<f64>() / each.len() as f64,
        worst: each.iter().copied().fold(f64::INFINITY, f64::min),
        weighted: each
            .iter()
            .zip(SHARES)
            .map(|(one, share)| one * share)
            .sum(),
        rare: 100.0 * rare as f64 / ids.len() as f64,
        each,
    })
}

fn record(trial: &mut Trial, arm: &str, set: &str, chosen: &Chosen, found: &Figures, draws: bool) {
    let best = found.each.iter().copied().fold(0.0, f64::max);
    let mut note = |what: &str, value: f64| trial.record(arm, &format!("{set}{what}"), value);
    note("", found.mean);
    note(", worst", found.worst);
    note(", weighted", found.weighted);
    note(", gap", best - found.worst);
    note(", rare", found.rare);
    if chosen.clusters > 0 {
        note(", clusters", chosen.clusters as f64);
    }
    if chosen.rounds > 0 {
        note(", lambda", chosen.lambda);
        note(", rounds", chosen.rounds as f64);
    }
    if draws {
        let points = found.each.iter().enumerate();
        let points = points.map(|(rendition, value)| (rendition as f64 + 1.0, *value));
        trial.curve(arm, points.collect());
    }
}

/// The sets that were run: the embedded ones, or the user's own.
fn sets(trials: &[Trial]) -> &'static [&'static str] {
    let own = |trial: &Trial| trial.value(DP, "own").is_finite();
    if trials.iter().any(own) {
        &["own"]
    } else {
        &["digits", "clothing"]
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let mut checks = Vec::new();
    for set in sets(trials) {
        let gap = |what: &str, words: &str, rival: &str| {
            let metric = format!("{set}{what}");
            let name = format!("{set}: {words}, {DP} minus {rival}");
            Quantity::new(name, "points", differences(trials, DP, rival, &metric))
        };
        checks.extend([
            gap("", "mean over renditions", RANDOM)
                .at_least(0.0)
                .headline(),
            gap("", "mean over renditions", K_MEANS)
                .at_least(0.0)
                .headline(),
            gap(", worst", "worst rendition", RANDOM)
                .at_least(0.0)
                .headline(),
            gap("", "mean over renditions", FARTHEST).at_least(0.0),
            gap("", "mean over renditions", CENTRES).at_least(0.0),
            // Draws that do not see the clusters give 0, give or take two.
            gap(
                ", rare",
                "share of rare renditions among the chosen",
                RANDOM,
            )
            .at_least(5.0),
        ]);
    }
    checks
}
