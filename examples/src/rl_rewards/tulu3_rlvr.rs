//! Three stages of post-training: demonstrations, pairs by an annotator who likes length, and verifiable rewards.
//!
//! How a user's loop does it: `pairs.rs`, an update by [`Dpo`](regimen_rl_rewards::Dpo) of averages, and `stage.rs`, one by
//! [`Rlvr`](regimen_rl_rewards::Rlvr).

mod bench;
mod pairs;
mod stage;
pub mod tune;

use anyhow::Result;

use self::bench::{AVERAGED, BASE, BEST, Bench, ONCE, ONLINE, PPO, PPO_LOW, RLVR, SFT, SIMPO, SUM};
use self::pairs::Preferred;
use self::stage::{Arm, Stage, updates};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "tulu3-rlvr",
    number: 32,
    krate: "regimen-rl-rewards",
    paper: "Tülu 3: Pushing Frontiers in Open Language Model Post-Training (arXiv 2411.15124)",
    paper_figure: "8B, SFT / DPO / RLVR: average of ten benchmarks 60.4 / 64.4 / 64.8, GSM8K 76.2 / 84.3 / 87.6, MATH 31.5 / 42.0 / 43.7, IFEval 72.8 / 81.1 / 82.4; safety 93.1 / 87.2 / 85.5",
    claim: "After demonstrations and length-normalised DPO, GRPO with a verifier against more demonstrations, rejection fine-tuning at as many sampled tokens and the start at its best temperature; DPO of averages against sums by an annotator who likes length",
    metric: "greedy accuracy of a small transformer on held-out chains of arithmetic",
    unit: "%",
    better: Better::Higher,
    baseline: tune::BASELINE,
    method: RLVR,
    seeds: 0..4,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / share of right samples",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "any-answer",
        does: "The verifier accepts any final digit",
        turns: &["rlvr minus its start"],
    },
    Fault {
        name: "rewards-permuted",
        does: "The rewards of a group are given to its responses in another order",
        turns: &["rlvr minus its start"],
    },
    Fault {
        name: "padded-length",
        does: "Both sides of averaged DPO are divided by the length of the padded row",
        turns: &["margins that padding moves"],
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(context, &mut trial)?;
    let preferred = Preferred::of(context, &bench, seed)?;
    let mut start = bench.base.clone();
    for (name, form, rate) in tune::FORMS {
        if !context.full && name == SIMPO {
            continue;
        }
        let (policy, budget) = preferred.learn(context, &bench.base, (form, rate), seed)?;
        bench.test(context, &mut trial, name, (&policy, &bench.base))?;
        budget.record(&mut trial, name);
        if name == AVERAGED {
            let moved = preferred.moved_by_padding(context, &policy)?;
            trial.record(name, "margins moved by padding", moved);
            start = policy;
        }
    }
    let best = bench.at(context, &start, tune::TEMPERATURE, seed)?;
    trial.record(BEST, "main", best);
    let stage = Stage {
        context,
        bench: &bench,
        start: &start,
        seed,
    };
    let count = updates(context);
    let rlvr = stage.run(Arm::Rlvr(count), tune::rate(RLVR))?;
    let (sampled, trained) = (rlvr.budget.sampled, rlvr.budget.trained);
    // At the small size more supervision turns no check.
    let shown = if context.small { trained / 8 } else { trained };
    let point = |(update, share): (usize, &f64)| (update as f64, *share);
    let mut arms = vec![(RLVR, rlvr)];
    for (name, arm) in [
        (SFT, Arm::Shown(shown)),
        (ONLINE, Arm::Online(sampled)),
        (ONCE, Arm::Once(sampled, count)),
        (PPO, Arm::Ppo(count, 10.0)),
        (PPO_LOW, Arm::Ppo(count, 1.0)),
    ] {
        // What no check and no baseline has is reported at the full size alone.
        let is_needed = name == SFT || !context.small && name == tune::BASELINE;
        if context.full || is_needed {
            arms.push((name, stage.run(arm, tune::rate(name))?));
        }
    }
    for (name, done) in arms {
        bench.test(context, &mut trial, name, (&done.policy, &start))?;
        done.budget.record(&mut trial, name);
        let updates = done.no_signal.len().max(1) as f64;
        let share = done.no_signal.iter().sum::<f64>() / updates;
        trial.record(name, "groups without a signal", share);
        trial.curve(name, done.right.iter().enumerate().map(point).collect());
    }
    Ok(trial)
}

/// The least difference that counts: one of the 1,000 prompts of the test, so that arms that are the same do not pass.
const LEAST: f64 = 0.1;

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(LEAST);
    let gap = |better, worse| differences(trials, better, worse, "main");
    let minus = |more: Vec<f64>, less: Vec<f64>| -> Vec<f64> {
        more.iter()
            .zip(less)
            .map(|(more, less)| more - less)
            .collect()
    };
    let gain = |class| differences(trials, RLVR, AVERAGED, class);
    vec![
        points("rlvr minus its start", gap(RLVR, AVERAGED)).headline(),
        points("rlvr minus sft on", gap(RLVR, SFT)).headline(),
        points(
            "rlvr's samples minus its start at its best temperature",
            minus(values(trials, RLVR, "pass@1"), values(trials, BEST, "main")),
        )
        .headline(),
        points("dpo: averaged minus sums", gap(AVERAGED, SUM)).headline(),
        points(
            "gain on one weak fact minus gain on hidden ones",
            minus(gain("one weak"), gain("hidden")),
        ),
        Quantity::new(
            "length of averaged dpo's samples over the base's",
            "",
            values(trials, AVERAGED, "tokens of a sample")
                .iter()
                .zip(values(trials, BASE, "tokens of a sample"))
                .map(|(own, base)| own / base)
                .collect(),
        )
        .at_most(tune::LONGEST),
        Quantity::new(
            "margins that padding moves",
            "nats",
            values(trials, AVERAGED, "margins moved by padding"),
        )
        .each_at_most(1e-3),
    ]
}
