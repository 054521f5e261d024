//! Particle filters over the steps of an answer, with a process reward that tells right from wrong and one that is sure of itself too early.
//!
//! How a user's search does it: `arms.rs`, a [`ParticleFilter`](regimen_rl_rewards::search::ParticleFilter) over
//! [`Steps`](regimen_rl_rewards::policy::Steps) of a model, and `scorer.rs`, a process reward.

mod arms;
mod bench;
mod scorer;
pub mod tune;

use anyhow::Result;

use self::arms::Arm;
use self::bench::{Bench, Kind};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences,
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
    baseline: "constant temperature",
    method: "epf",
    seeds: 0..5,
    source: file!(),
    data: DataKind::Simulated,
    curve: "particles / right answers by the over-confident reward",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "multiplied",
        does: "The logarithms of the weights are multiplied by the temperature",
        turns: &["epf minus the filter, over-confident"],
    },
    Fault {
        name: "late",
        does: "The weights are annealed in the late half of the steps alone",
        turns: &["epf minus the filter, over-confident"],
    },
    Fault {
        name: "scores",
        does: "Scores are taken for logarithms of weights in place of their log-odds",
        turns: &["epf minus the filter, over-confident"],
    },
];

/// Particles of the main comparison, and the others.
const PARTICLES: usize = 8;
const FEW: usize = 4;
const MANY: usize = 16;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.describe(context, &mut trial)?;
    let compared = [Arm::Systematic, Arm::Entropic];
    let others = [Arm::Constant(tune::CONSTANT), Arm::BestOfN];
    let reported = [
        Arm::Vote,
        Arm::Beam,
        Arm::Multinomial,
        Arm::NoneEarly,
        Arm::LowSize,
        Arm::ByEntropy,
        Arm::LookAhead,
    ];
    let mut arms = compared.to_vec();
    arms.extend(others);
    if !context.small {
        arms.extend(reported);
    }
    for arm in arms {
        let name = arm.name();
        let mut sum = 0.0;
        for kind in Kind::ALL {
            let found = arm.search(context, &bench, (kind, PARTICLES), seed)?;
            let right = bench.right(&found);
            trial.record(&name, kind.name(), right);
            let calls = found.iter().map(|one| one.spent.calls + one.spent.scorings);
            trial.record(
                &name,
                "calls",
                calls.sum::<u64>() as f64 / found.len() as f64,
            );
            sum += right;
        }
        trial.record(&name, "main", sum / 2.0);
    }
    for arm in compared {
        let name = arm.name();
        let mut points = vec![(
            PARTICLES as f64,
            trial.value(&name, Kind::OverConfident.name()),
        )];
        for particles in [FEW, MANY] {
            let found = arm.search(context, &bench, (Kind::OverConfident, particles), seed)?;
            let right = bench.right(&found);
            trial.record(&name, &format!("over-confident, {particles}"), right);
            points.push((particles as f64, right));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        trial.curve(&name, points);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(0.0);
    let gap = |other: &str, metric: &str| differences(trials, "epf", other, metric);
    let small_n = gap("filter", "over-confident, 4");
    let large_n = gap("filter", "over-confident, 16");
    let more: Vec<f64> = small_n
        .iter()
        .zip(&large_n)
        .map(|(few, many)| few - many)
        .collect();
    vec![
        points(
            "epf minus the filter, over-confident",
            gap("filter", "over-confident"),
        )
        .headline(),
        points("epf minus best of n", gap("best of n", "main")).headline(),
        points("gain over the filter at 4 particles minus at 16", more).headline(),
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
    ]
}
