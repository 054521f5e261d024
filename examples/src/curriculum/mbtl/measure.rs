//! The arms on families of cart-poles.

use anyhow::Result;
use regimen_curriculum::transfer::{GaussianProcessConfig, Slope};

use super::bench::{Bench, Kind, Search};
use super::choices::{Broken, at_even_distances, bisected, knowing, nested, picked, random};
use super::made_up;
use crate::experiment::{Context, Trial};

pub(super) const PICKED: &str = "picked";
const FLAT: &str = "picked, no slope";
const FITTED: &str = "picked, slope fitted";
const SHORT: &str = "picked, lengths up to a fifth";
pub(super) const RANDOM: &str = "random after the middle";
pub(super) const BISECTION: &str = "bisection";
pub(super) const EQUIDISTANT: &str = "at even distances";
const ORACLE: &str = "sequential oracle";
pub(super) const INDEPENDENT: &str = "independent, as many steps";
pub(super) const TOGETHER: &str = "one policy, as many steps";
const ALL: &str = "all trained";
/// The arm that has the figure on made-up tasks, and its name.
pub(super) const MADE_UP: &str = PICKED;
pub(super) const MADE_UP_TASKS: &str = "made-up tasks";

/// Trainings in all, and those that count.
const TRAININGS: usize = 8;
const COUNTED: std::ops::RangeInclusive<usize> = 2..=4;

/// Loss of performance over the whole range, which is the released code's of .005 on each of 100 tasks.
const LOSS: f64 = 0.5;
/// Episodes of a cell, and of what is trained with equal steps.
const EPISODES: usize = 4;
const TEST_EPISODES: usize = 8;
/// Random choices that are averaged.
const DRAWS: u64 = 30;
/// Of 1, 3 and 6 episodes of a candidate of the policy for all tasks, the best on the seeds that do not count.
const TOGETHER_EPISODES: usize = 3;

/// Families of each kind in a seed, tasks of each, and made-up families.
struct Sizes {
    families: u64,
    tasks: usize,
    made_up: u64,
}

impl Sizes {
    fn of(context: &Context) -> Self {
        let (families, tasks, made_up) = match context {
            Context { full: true, .. } => (24, 100, 200),
            Context { small: true, .. } => (1, 20, 40),
            _ => (12, 50, 40),
        };
        Self {
            families,
            tasks,
            made_up,
        }
    }
}

pub(super) fn run(context: &Context, seed: u64, broken: Broken) -> Result<Trial> {
    let sizes = Sizes::of(context);
    let mut trial = Trial::new(seed);
    for kind in [Kind::Length, Kind::Mass] {
        let mut sums = Sums::default();
        for family in 0..sizes.families {
            let key = seed.wrapping_mul(1 << 16).wrapping_add(family);
            let bench = Bench::new(kind, sizes.tasks, EPISODES, key)?;
            measure(&bench, key, broken, &mut sums)?;
        }
        sums.tell(&mut trial, kind);
    }
    let ahead = made_up::ahead(sizes.made_up, seed, broken)?;
    trial.record(MADE_UP, MADE_UP_TASKS, ahead);
    Ok(trial)
}

/// Of each arm the scores after each number of trainings, one line a family.
#[derive(Default)]
struct Sums(Vec<(&'static str, Vec<Vec<f64>>)>);

impl Sums {
    fn add(&mut self, arm: &'static str, scores: Vec<f64>) {
        match self.0.iter_mut().find(|(name, _)| *name == arm) {
            Some((_, all)) => all.push(scores),
            None => self.0.push((arm, vec![scores])),
        }
    }

    fn tell(&self, trial: &mut Trial, kind: Kind) {
        for (arm, families) in &self.0 {
            let after = |trainings: usize| {
                let scores = families.iter().map(|scores| scores[trainings - 1]);
                100.0 * scores.sum::<f64>() / families.len() as f64
            };
            let counted = COUNTED.map(after).sum::<f64>() / COUNTED.count() as f64;
            let name = kind.name();
            if kind == Kind::Length {
                trial.record(arm, "main", counted);
                let curve = (1..=TRAININGS).map(|trainings| (trainings as f64, after(trainings)));
                trial.curve(arm, curve.collect());
            } else {
                trial.record(arm, name, counted);
            }
            for trainings in [2, 4, TRAININGS] {
                trial.record(arm, &format!("{name}, after {trainings}"), after(trainings));
            }
        }
    }
}

fn measure(bench: &Bench, key: u64, broken: Broken, sums: &mut Sums) -> Result<()> {
    let usual = GaussianProcessConfig::new;
    let slope = LOSS / bench.tasks() as f64;
    let short = usual().with_lengths([0.01, bench.tasks() as f64 / 5.0]);
    let mut steps = Vec::new();
    for (arm, how) in [
        (PICKED, (Slope::Fixed(vec![slope]), usual())),
        (FLAT, (Slope::Fixed(vec![0.0]), usual())),
        (FITTED, (Slope::Fitted, usual())),
        (SHORT, (Slope::Fixed(vec![slope]), short)),
    ] {
        let chosen = picked(&bench.seen, how, TRAININGS, broken)?;
        sums.add(arm, nested(bench, &chosen));
        if arm == PICKED {
            let each = chosen.iter().map(|task| bench.steps[*task]);
            steps = each
                .scan(0, |sum, steps| {
                    *sum += steps;
                    Some(*sum)
                })
                .collect();
        }
    }
    sums.add(RANDOM, random(bench, TRAININGS, DRAWS, key)?);
    sums.add(BISECTION, bisected(bench, TRAININGS)?);
    sums.add(EQUIDISTANT, at_even_distances(bench, TRAININGS)?);
    sums.add(ORACLE, knowing(bench, TRAININGS)?);
    let independent = steps
        .iter()
        .map(|steps| bench.independent(*steps, TEST_EPISODES));
    sums.add(INDEPENDENT, independent.collect::<Result<_>>()?);
    let search = Search {
        rounds: usize::MAX,
        episodes: TOGETHER_EPISODES,
        ..Search::USUAL
    };
    let together = steps
        .iter()
        .map(|steps| bench.together(search, *steps, TEST_EPISODES));
    sums.add(TOGETHER, together.collect::<Result<_>>()?);
    let own = (0..bench.tasks()).map(|task| bench.fresh[task][task]);
    let own = own.sum::<f64>() / bench.tasks() as f64;
    sums.add(ALL, vec![own; TRAININGS]);
    Ok(())
}
