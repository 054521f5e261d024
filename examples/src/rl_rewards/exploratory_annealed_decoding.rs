//! Sampling that cools within each response, against fixed temperatures: what it finds, and what a policy learns from it.
//!
//! How a user's loop does it: `arms.rs`, samples of a [`TokenSampler`](regimen_rl_rewards::TokenSampler) with a
//! [`DecodingTemperature`](regimen_rl_rewards::DecodingTemperature), and in the update the weights of
//! [`truncated_ratio`](regimen_rl_rewards::truncated_ratio).

mod arms;
mod bench;
mod settings;
pub mod tune;

use anyhow::Result;

use self::arms::{Arm, Training};
use self::bench::{Bench, at_base, fixed};
use self::settings::{BACK, BASELINE, BEST_ARM, MEAN, METHOD, ONE, PLAIN, REVERSED, Update};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "exploratory-annealed-decoding",
    number: 8,
    krate: "regimen-rl-rewards",
    paper: "Let it Calm: Exploratory Annealed Decoding for Verifiable Reinforcement Learning (arXiv 2510.05251)",
    paper_figure: "Qwen2.5-Math-1.5B and larger, reinforcement learning on mathematics, in words: higher Pass@16 and Worst@16 than fixed temperatures and less collapse of entropy; it helps inference alone too",
    claim: "Responses of six sampled tokens: samples that cool from 1.2 within each against those of the best fixed temperature, from the base policy and as what a unit of GRPO learns from, with the truncated ratio and without",
    metric: "greedy accuracy of a small transformer on held-out multisets of countdown, after a unit of GRPO",
    unit: "%",
    better: Better::Higher,
    baseline: BASELINE,
    method: METHOD,
    seeds: 0..3,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / entropy of the policy at temperature 1, nats",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "reversed-schedule",
        does: "The annealed arms start cold and end hot",
        turns: &[
            "base policy, annealed minus reversed",
            "ratio at the formula's temperatures",
        ],
    },
    Fault {
        name: "ratio-of-one-temperature",
        does: "The ratio is taken of the policy at temperature 1 to itself at temperature 1",
        turns: &["weight of a token"],
    },
    Fault {
        name: "correction-in-other-units",
        does: "The correction cools 20 times too fast, as the released one does",
        turns: &["ratio at the formula's temperatures"],
    },
];

const REVISIONS: &[Revision] = &[
    Revision {
        changed: "2,048 continuations are drawn instead of 512, with rule and seeds as they were: with 512 the fixed temperature was near the ceiling of distinct openings, and that 2,048 would pass could be foreseen",
        before: "Continuations of prose by a character model: distinct openings, annealed minus fixed 0.6, were 0.35 ± 0.14 points, where 0.5 is asked for: inconclusive",
    },
    Revision {
        changed: "Another experiment: best-of-k sampling and reinforcement learning on countdown, against the best fixed temperature. The one before measured what a hot start and a cold end do by definition, and trained nothing",
        before: "2,048 continuations of prose a seed by a character model, annealed 1.2 to 0.5 against fixed 0.6: late words real +4.59 ± 0.29 points and distinct openings +1.3 ± 0.4, both held; fixed 0.6 minus reversed, late words real: 2.21 ± 0.19 where 2 was asked for, within noise",
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.check(context, &mut trial)?;
    let is_reversed = context.is_broken_by("reversed-schedule");
    let own = |tau_min| {
        if is_reversed {
            bench.reversed(tau_min)
        } else {
            bench.cooling(tau_min, 1.0)
        }
    };
    bench.inference(context, &mut trial, &own(settings::INFERENCE)?)?;
    let times = if context.is_broken_by("correction-in-other-units") {
        20.0
    } else {
        1.0
    };
    let training = Training {
        context,
        bench: &bench,
        seed,
        formula: &bench.cooling(settings::TRAINING, times)?,
    };
    let (tau, update) = settings::BASELINE_AT;
    let mut arms = vec![
        (METHOD, own(settings::TRAINING)?, Update::Truncated),
        (BASELINE, fixed(tau)?, update),
        (PLAIN, own(settings::TRAINING)?, Update::Plain),
        (
            REVERSED,
            bench.reversed(settings::TRAINING)?,
            Update::Truncated,
        ),
        (ONE, fixed(1.0)?, Update::Plain),
        (MEAN, bench.mean(settings::TRAINING)?, Update::Truncated),
    ];
    // The last is reported at the large size alone.
    arms.truncate(if context.full { 6 } else { 5 });
    for (name, temperature, update) in arms {
        let arm = Arm {
            temperature,
            update,
        };
        let done = training.run(&arm, settings::rate(name))?;
        bench.test(context, &mut trial, name, &done.policy)?;
        done.record(&mut trial, name);
    }
    Ok(trial)
}

/// The least difference that counts: one of the 844 prompts of the test, so that arms that are the same do not pass.
const LEAST: f64 = 0.1;

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(LEAST);
    let gap = |worse, metric| differences(trials, METHOD, worse, metric);
    let off = |name: &str, metric| {
        let values = values(trials, METHOD, metric);
        Quantity::new(name, "", values).each_at_most(0.001)
    };
    let sampled = values(trials, BASELINE, "sampled tokens");
    let shares = gap(BASELINE, "sampled tokens")
        .into_iter()
        .zip(sampled)
        .map(|(gap, of)| gap.abs() / of);
    vec![
        points(
            "pass@8 of the base policy, annealed minus the best fixed temperature",
            differences(trials, &at_base(PLAIN), &at_base(BEST_ARM), "pass@8"),
        )
        .headline(),
        points(
            "greedy accuracy after training, annealed minus the best fixed temperature",
            gap(BASELINE, "main"),
        )
        .headline(),
        points(
            "pass@8 after training, annealed minus the best fixed temperature",
            gap(BASELINE, "pass@8"),
        )
        .headline(),
        points(
            "greedy accuracy after training, annealed minus reversed",
            gap(REVERSED, "main"),
        ),
        points(
            "pass@8 of the base policy, annealed minus reversed",
            differences(trials, &at_base(PLAIN), &at_base(BACK), "pass@8"),
        ),
        points(
            "groups with a signal, annealed minus fixed 1",
            gap(ONE, "groups with a signal, %"),
        ),
        Quantity::new(
            "sampled tokens in training, how far annealed is from the best fixed temperature, as a share",
            "",
            shares.collect(),
        )
        .each_at_most(0.01),
        off(
            "largest distance from 1 of a ratio at the formula's temperatures",
            "distance of a same-temperature ratio from 1",
        ),
        off(
            "largest distance of the weight of a token from the truncated ratio to the sampler",
            "distance of a weight from its formula",
        ),
    ]
}
