//! Hybrid post-training: imitation on the prompts that a policy fails, reinforcement on those where it succeeds.
//!
//! How a user's loop does it: `arms.rs`, one update of a policy by [`HybridGate`](regimen_rl_rewards::HybridGate).

mod arms;
mod bench;
pub mod tune;

use anyhow::Result;

use self::arms::{Arm, Post, Steps};
use self::bench::{AFTER, Bench, EARLY, EQUAL, HPT, LONG, RANDOM, RL, SFT, SUM};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "unified-post-training",
    number: 36,
    krate: "regimen-rl-rewards",
    paper: "Towards a Unified View of Large Language Model Post-Training (arXiv 2509.04419)",
    paper_figure: "Qwen2.5-Math-7B, mean in and out of distribution: HPT 52.7 / 62.3, SFT 44.5 / 46.4, GRPO 43.1 / 58.8, SFT then GRPO 46.5 / 49.3, LUFFY 49.8 / 60.1, SRFT 44.2 / 58.7",
    claim: "Demonstrations that are wrong in a fifth of the facts, and a verifier: imitation where all of a prompt's eight samples fail and reinforcement elsewhere against either alone, their sum, one after the other, and as much imitation on prompts picked at random",
    metric: "greedy accuracy of a small transformer on held-out chains of arithmetic, half of them out of distribution",
    unit: "%",
    better: Better::Higher,
    baseline: tune::BASELINE,
    method: HPT,
    seeds: 10..15,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / share of prompts that are imitated",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "gate-reversed",
        does: "Prompts with a success are imitated, the others are left to reinforcement",
        turns: &["hpt minus rl", "prompts with a success that hpt imitated"],
    },
    Fault {
        name: "gate-open-at-its-threshold",
        does: "Reinforcement where the share of successes is at least the threshold: never imitation",
        turns: &["prompts without a success that hpt did not imitate"],
    },
];

const REVISIONS: &[Revision] = &[Revision {
    changed: "The expert's mistakes are drawn apart from how the warm-up teaches facts; rates, weight and baseline are chosen again, and the seeds are fresh",
    before: "One generator drew both, so that the expert was wrong in exactly the weak facts: HPT minus sum 3.7 ± 1.2, minus RL 3.5 ± 1.8, minus SFT 11.9 ± 2.9, minus random gate 6.0 ± 1.3, out of distribution minus SFT 14 ± 5",
}];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test(context, &mut trial, "base", &bench.base)?;
    let post = Post {
        context,
        chain: &bench.chain,
        expert: &bench.expert,
        seed,
        steps: Steps::of(context),
    };
    // The method first: two controls imitate as often as it does.
    let hpt = post.run(&bench.base, Arm::Hybrid, tune::RATES[7].1)?;
    let imitated = hpt.imitated.clone();
    let point = |(update, count): (usize, &usize)| (update as f64, *count as f64 / 32.0);
    trial.curve(HPT, imitated.iter().enumerate().map(point).collect());
    let mut arms = vec![(HPT, hpt)];
    for (name, arm) in [
        (RL, Arm::Reinforcement),
        (SFT, Arm::Imitation(EQUAL)),
        (LONG, Arm::Imitation(3 * EQUAL)),
        (AFTER, Arm::First(post.steps.shown_first())),
        (SUM, Arm::Sum(tune::WEIGHT)),
        (RANDOM, Arm::Random(imitated.clone())),
        (EARLY, Arm::First(imitated.iter().sum())),
    ] {
        arms.push((name, post.run(&bench.base, arm, tune::rate(name))?));
    }
    for (name, done) in arms {
        bench.test(context, &mut trial, name, &done.policy)?;
        done.budget.record(&mut trial, name);
        trial.record(name, "groups without a signal", done.no_signal);
        trial.record(name, "imitated with a success", done.with_success as f64);
        trial.record(name, "failed without imitation", done.left_out as f64);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse| differences(trials, HPT, worse, "main");
    let points = |name: String, values| Quantity::new(name, "points", values);
    let count = |name, metric| {
        let values = crate::experiment::values(trials, HPT, metric);
        Quantity::new(name, "", values).exactly(0.0)
    };
    let mut checks = vec![
        points(format!("hpt minus {}", tune::BASELINE), gap(tune::BASELINE))
            .at_least(0.0)
            .headline(),
        points("hpt minus rl".into(), gap(RL))
            .at_least(0.0)
            .headline(),
        points("hpt minus sft".into(), gap(SFT))
            .at_least(0.0)
            .headline(),
    ];
    if tune::BASELINE != RANDOM {
        checks.push(
            points("hpt minus random gate".into(), gap(RANDOM))
                .at_least(0.0)
                .headline(),
        );
    }
    checks.extend([
        points(
            "out of distribution: hpt minus sft".into(),
            differences(trials, HPT, SFT, "out of distribution"),
        )
        .at_least(0.0),
        count(
            "prompts with a success that hpt imitated",
            "imitated with a success",
        ),
        count(
            "prompts without a success that hpt did not imitate",
            "failed without imitation",
        ),
    ]);
    checks
}
