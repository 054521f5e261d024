//! Particle filters over the steps of an answer, with a process reward that tells right from wrong and one that is sure of itself too early.
//!
//! How a user's search does it: `arms.rs`, a [`ParticleFilter`](regimen_rl_rewards::search::ParticleFilter) over
//! [`Steps`](regimen_rl_rewards::policy::Steps) of a model, and `scorer.rs`, a process reward.

mod arms;
mod beginnings;
mod bench;
mod calibration;
mod scorer;
mod settings;
pub mod tune;

use anyhow::Result;

use self::arms::Arm;
use self::beginnings::Beginnings;
use self::bench::{Bench, Kind};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "entropic-particle-filtering",
    number: 17,
    krate: "regimen-rl-rewards",
    paper: "Mitigating Premature Exploitation in Particle-based Monte Carlo for Inference-Time Scaling (arXiv 2510.05825)",
    paper_figure: "Mathematics sets with a process reward model: above particle filtering, beam search and best of n on several, up to 50 % more of the task's reward, most for few particles and hard problems",
    claim: "Annealed resampling of a small transformer's steps by a process reward that was fitted to its own samples, fair or with the policy's own errors taken for right, against the plain filter, a constant early temperature, best of n, voting and a beam at equal calls",
    metric: "held-out chains of six operations with two weak facts or more that are right, mean over both rewards, 8 particles",
    unit: "%",
    better: Better::Higher,
    baseline: "filter",
    method: "epf",
    seeds: 0..5,
    source: file!(),
    data: DataKind::Simulated,
    curve: "particles / right answers by the over-confident reward",
    faults: FAULTS,
    revisions: &[Revision {
        changed: "The seed of a step's draws is mixed by SplitMix64 where it was the first number of a ChaCha generator, for speed: other draws, and nothing else",
        before: "over-confident: epf minus the filter -.48 ± .48; epf minus best of n 11.4 ± 2.4; gain at 4 particles minus at 16 .08 ± .32; minus the constant temperature -.08 ± .57; fair: minus the filter -.48 ± .53. The finding was inconclusive, the paper's effect in part",
    }],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "multiplied",
        does: "The logarithms of the weights are multiplied by the temperature",
        turns: &["different beginnings of three steps"],
    },
    Fault {
        name: "late",
        does: "The weights are annealed in the late half of the steps alone",
        turns: &["different beginnings of three steps"],
    },
    Fault {
        name: "scores",
        does: "Scores are taken for logarithms of weights in place of their log-odds",
        turns: &["different beginnings of five steps"],
    },
];

/// Particles of the main comparison, and the others.
const PARTICLES: usize = 8;
const FEW: usize = 4;
const MANY: usize = 16;
const VERY_MANY: usize = 32;

/// The last step after which the resampling is annealed.
const ANNEALED: usize = bench::STEPS / 2;

/// Steps of the longest beginnings that are compared.
const LATE: usize = bench::OPERATIONS - 1;

/// By how many different beginnings the annealed filter has to have more while it is annealed, and by how many it may have more later.
const FEWEST: f64 = 0.05;
const MOST: f64 = 1.0;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.describe(context, &mut trial)?;
    let filters = [
        Arm::Systematic,
        Arm::Entropic,
        Arm::Constant(settings::CONSTANT),
    ];
    for arm in filters {
        compare(context, &bench, arm, &mut trial)?;
        if context.full {
            let by = (bench.scorer(Kind::AsTaught) as &_, PARTICLES);
            let right = bench.right(&arm.search(context, &bench, by, seed)?);
            trial.record(&arm.name(), Kind::AsTaught.name(), right);
        }
    }
    compare(context, &bench, Arm::BestOfN, &mut trial)?;
    if !context.small {
        for arm in Arm::REPORTED {
            compare(context, &bench, arm, &mut trial)?;
        }
    }
    if context.full {
        for arm in Arm::VARIANTS {
            compare(context, &bench, arm, &mut trial)?;
        }
    }
    for arm in &filters[..2] {
        let name = arm.name();
        let right = trial.value(&name, Kind::OverConfident.name());
        let mut points = vec![(PARTICLES as f64, right)];
        let full = context.full.then_some(VERY_MANY);
        for particles in [FEW, MANY].into_iter().chain(full) {
            let by = (bench.scorer(Kind::OverConfident) as &_, particles);
            let right = bench.right(&arm.search(context, &bench, by, seed)?);
            trial.record(&name, &format!("over-confident, {particles}"), right);
            points.push((particles as f64, right));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        trial.curve(&name, points);
    }
    Ok(trial)
}

/// Notes what an arm finds and spends by both rewards, and which beginnings it goes on with by the over-confident one.
fn compare(context: &Context, bench: &Bench, arm: Arm, trial: &mut Trial) -> Result<()> {
    let name = arm.name();
    let mut sum = 0.0;
    for kind in Kind::MAIN {
        let beginnings = Beginnings::new(bench.scorer(kind));
        let found = arm.search(context, bench, (&beginnings, PARTICLES), trial.seed)?;
        let right = bench.right(&found);
        trial.record(&name, kind.name(), right);
        sum += right / Kind::MAIN.len() as f64;
        let mean = |values: Vec<u64>| values.iter().sum::<u64>() as f64 / found.len() as f64;
        let tokens = mean(found.iter().map(|one| one.spent.tokens).collect());
        let scorings = mean(found.iter().map(|one| one.spent.scorings).collect());
        trial.record(&name, "tokens", tokens);
        trial.record(&name, "scorings", scorings);
        if kind == Kind::OverConfident && arm.goes_step_by_step() {
            for steps in 1..bench::OPERATIONS {
                let distinct = beginnings.distinct(steps);
                trial.record(&name, &format!("beginnings of {steps}"), distinct);
                let kept = bench.kept(&beginnings, steps);
                trial.record(&name, &format!("right beginning of {steps}"), kept);
            }
        }
    }
    trial.record(&name, "main", sum);
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(0.0);
    let gap = |other: &str, metric: &str| differences(trials, "epf", other, metric);
    let small_n = gap("filter", "over-confident, 4");
    let large_n = gap("filter", "over-confident, 16");
    let more = small_n.iter().zip(&large_n);
    let more: Vec<f64> = more.map(|(few, many)| few - many).collect();
    vec![
        points(
            "epf minus the filter, over-confident",
            gap("filter", "over-confident"),
        )
        .headline(),
        points("epf minus best of n", gap("best of n", "main")).headline(),
        points("gain over the filter at 4 particles minus at 16", more).headline(),
        points("epf minus the filter, both rewards", gap("filter", "main")),
        points(
            "epf minus a constant early temperature",
            gap("constant temperature", "main"),
        ),
        Quantity::new(
            "epf minus the filter, fair",
            "points",
            gap("filter", "fair"),
        )
        .at_least(-2.0),
        points(
            "prompts whose right beginning of three steps goes on, over-confident, epf minus the filter",
            gap("filter", &format!("right beginning of {ANNEALED}")),
        ),
        // An amount, so that a filter that is not annealed at all does not pass.
        Quantity::new(
            "different beginnings of three steps that go on, over-confident, epf minus the filter",
            "",
            gap("filter", &format!("beginnings of {ANNEALED}")),
        )
        .at_least(FEWEST),
        // Late in an answer it is as choosy as the filter, up to as much.
        Quantity::new(
            "different beginnings of five steps that go on, over-confident, epf minus the filter",
            "",
            gap("filter", &format!("beginnings of {LATE}")),
        )
        .at_most(MOST),
    ]
}
