//! GRPO with a learned score of the scratch pad beside the outcome, trusted less where it likes wrong answers better, and faded out.
//!
//! How a user's loop does it: `arms.rs`, one update of a policy by [`TrustGrpo`](regimen_rl_rewards::TrustGrpo).

mod arms;
mod bench;
mod plan;
mod scorer;
pub mod tune;

use anyhow::Result;

use self::arms::{Arm, Done, Length, Post, mean};
use self::bench::{Bench, CONSTANT, FULL, GATED, HONEST, NONE, OUTCOME};
use self::plan::{constant, equal, trusts, updates};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "trust-grpo",
    number: 1,
    krate: "regimen-rl-rewards",
    paper: "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward (arXiv 2505.17018)",
    paper_figure: "Qwen2.5-VL-7B, MathVista / MathVerse / MMMU / MMStar: GRPO 67.5 / 44.0 / 57.4 / 64.4, thinking reward without safeguards 67.4 / 46.3 / 56.7 / 65.0, annealing only 70.2 / 47.8 / 60.0 / 65.2, full 71.3 / 48.9 / 61.3 / 66.7",
    claim: "A learned scorer of scratch pads, honest or fooled into liking short text: trust by group and annealing against the outcome alone, against the scorer without safeguards, and against the same amount of it in every group",
    metric: "greedy accuracy of a small transformer on held-out chains of arithmetic",
    unit: "%",
    better: Better::Higher,
    baseline: OUTCOME,
    method: HONEST,
    seeds: 0..5,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / weight of the thinking reward",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "weight-not-applied",
        does: "The weight of a group is computed, and the thinking reward counts in full",
        turns: &["weighted otherwise"],
    },
    Fault {
        name: "trust-reversed",
        does: "Less trust in groups where right answers are liked better",
        turns: &["weighted otherwise"],
    },
    Fault {
        name: "gate-not-applied",
        does: "Groups whose outcomes are equal keep the thinking reward, with the gate as without",
        turns: &["fooled: full + gate minus full", "weighted otherwise"],
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(context, &mut trial)?;
    let post = Post {
        context,
        bench: &bench,
        seed,
    };
    let outcome = Arm {
        thinking: None,
        rate: tune::rate(OUTCOME),
    };
    let outcome = post.run(&outcome, Length::Updates(updates(context)))?;
    let length = equal(&outcome);
    let mut arms = vec![(OUTCOME, outcome)];
    for (name, trust) in trusts(context) {
        let of = |name, trust| Arm {
            thinking: Some((bench.scorer(name), trust)),
            rate: tune::rate(name),
        };
        let done = post.run(&of(name, trust), length)?;
        if name == FULL {
            arms.push((CONSTANT, post.run(&of(CONSTANT, constant(&done)), length)?));
        }
        arms.push((name, done));
    }
    for (name, done) in arms {
        bench.test(context, &mut trial, name, &done.policy)?;
        done.budget.record(&mut trial, name);
        note(&mut trial, name, &done);
    }
    Ok(trial)
}

/// How an arm's groups were, and were trusted.
fn note(trial: &mut Trial, name: &str, done: &Done) {
    trial.record(name, "uniform groups", mean(&done.uniform));
    if done.weights.is_empty() {
        return;
    }
    trial.record(name, "weight of the thinking reward", done.mean_weight());
    trial.record(name, "groups that like the wrong", mean(&done.distrusted));
    trial.record(name, "weighted otherwise", done.misweighted as f64);
    let point = |(update, weight): (usize, &f64)| (update as f64, *weight);
    trial.curve(name, done.weights.iter().enumerate().map(point).collect());
}

/// The least difference that counts: one of the 1,000 prompts of the test, so that arms that are the same do not pass.
const LEAST: f64 = 0.1;

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |name: &str, better, worse| {
        let values = differences(trials, better, worse, "main");
        Quantity::new(name, "points", values).at_least(LEAST)
    };
    let otherwise = [HONEST, FULL, GATED].map(|arm| values(trials, arm, "weighted otherwise"));
    let otherwise = (0..trials.len()).map(|place| otherwise.iter().map(|arm| arm[place]).sum());
    vec![
        gap("honest: full minus outcome only", HONEST, OUTCOME).headline(),
        gap("fooled: full minus no safeguards", FULL, NONE).headline(),
        gap("fooled: full minus constant weight", FULL, CONSTANT).headline(),
        gap("fooled: full + gate minus full", GATED, FULL),
        Quantity::new(
            "groups whose thinking reward is weighted otherwise",
            "",
            otherwise.collect(),
        )
        .exactly(0.0),
    ]
}
