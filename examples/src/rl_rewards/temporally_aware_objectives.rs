//! Learned objectives that know how much of an agent's life is left, found by evolution over complete lives.
//!
//! How a user's program does it: `meta.rs`, a search by [`OpenEs`](regimen_rl_rewards::recipes::learned::OpenEs) over
//! [`Lifetimes`](regimen_rl_rewards::recipes::learned::Lifetimes) of agents on bandits and in grid worlds.

mod arms;
mod bandit;
mod family;
mod grids;
mod meta;
mod rule;
mod settings;
pub mod tune;

use anyhow::Result;

use self::bandit::Bandits;
use self::grids::Grids;
use self::settings::{BANDITS, BLIND, GRIDS, HAND, METHOD, SHORT, Size};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "temporally-aware-objectives",
    number: 7,
    krate: "regimen-rl-rewards",
    paper: "Discovering Temporally-Aware Reinforcement Learning Algorithms (arXiv 2402.05828)",
    paper_figure: "In words: objectives that are conditioned on the lifetime do better on held-out environments and over training horizons than those that are not, and move from exploration to exploitation; meta-gradients fail to find such rules",
    claim: "An objective that reads the share of life used and the horizon, found by evolution over complete lives, against one that reads neither and one found by returns five updates ahead",
    metric: "return of the final agent on fresh tasks, of the most possible, mean over four horizons and over bandits and grid worlds",
    unit: "%",
    better: Better::Higher,
    baseline: BLIND,
    method: METHOD,
    seeds: 10..18,
    source: file!(),
    data: DataKind::Simulated,
    curve: "share of life, bandits of 100 updates / entropy of the policy, % of the maximum",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "another-life",
        does: "The method's final agents are trained by the update and the horizon of another candidate's life",
        turns: &["bandit: return, minus blind"],
    },
    Fault {
        name: "return-over-life",
        does: "The method's fitness is the mean return over life",
        turns: &["bandit: early returns"],
    },
];

const REVISIONS: &[Revision] = &[Revision {
    changed: "Inputs that an arm does not see stand at about their means, not at 0; rates are chosen again from .0001 on, and the seeds are fresh",
    before: "With 0, units of the blind arm started without the random biases that the inputs of the life gave those of the others. Seeds 0 to 2 with a half of the test's bandits: return minus blind 4.9 ± 0.7, entropy drop minus blind 5.6 ± 1.0; told the lives of other candidates, two of these seeds were still 3.6 and 1.8 ahead of blind",
}];

/// The sizes of a run: the small one has the bandits' effect, and of the grid worlds no more than that they run.
fn sizes(context: &Context) -> [Size; 2] {
    let sized = |size: Size, more: usize, less: usize| Size {
        pairs: more * size.pairs / less,
        generations: more * size.generations / less,
        truncated: more * size.truncated / less,
        tasks: more * size.tasks / less,
    };
    match context {
        Context { full: true, .. } => [sized(BANDITS, 4, 1), sized(GRIDS, 4, 1)],
        Context { small: true, .. } => [
            Size {
                tasks: 256,
                ..BANDITS
            },
            sized(GRIDS, 1, 4),
        ],
        _ => [BANDITS, GRIDS],
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let [bandits, grids] = sizes(context);
    let beyond = (&Bandits, 600, "return at 600");
    arms::run(context, &mut trial, &Bandits, bandits, beyond)?;
    let wide = (&Grids { side: 7 }, 32, "return at 32, side 7");
    arms::run(context, &mut trial, &Grids { side: 5 }, grids, wide)?;
    for arm in arms::arms(context) {
        let of = |family| trial.value(arm, &format!("{family}: return"));
        let main = (of("bandit") + of("grid")) / 2.0;
        trial.record(arm, "main", main);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |family: &str, metric: &str, worse: &str| {
        let values = differences(trials, METHOD, worse, &format!("{family}: {metric}"));
        let name = format!("{family}: {metric}, minus {worse}");
        Quantity::new(name, "points", values).at_least(0.0)
    };
    let mut checks = Vec::new();
    for family in ["bandit", "grid"] {
        checks.extend([
            gap(family, "return", BLIND).headline(),
            gap(family, "return", SHORT).headline(),
            gap(family, "entropy drop", BLIND).headline(),
            gap(family, "return", HAND),
        ]);
        let metric = format!("{family}: {}", arms::EARLY);
        let early = crate::experiment::values(trials, METHOD, &metric);
        checks.push(Quantity::new(metric, "", early).exactly(0.0));
    }
    checks
}
