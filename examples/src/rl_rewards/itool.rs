//! Preference pairs of fragments of tool calls from a tree search, against more supervision and pairs of whole answers.
//!
//! How a user's loop does it: `gather.rs`, hard requests and pairs by [`ToolSearch`](regimen_rl_rewards::recipes::itool::ToolSearch), and
//! `learn.rs`, updates by [`SimPo`](regimen_rl_rewards::SimPo).

mod bench;
mod gather;
mod learn;
mod pairs;
pub mod tune;

use anyhow::Result;

use self::bench::{BASE, Bench, EXACT, HARD, ITOOL, RANDOM, SFT, TRUTH, WHOLE};
use self::learn::{Arms, BEYOND, ENDS, LEAD};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "itool",
    number: 13,
    krate: "regimen-rl-rewards",
    paper: "iTool: Reinforced Fine-Tuning with Dynamic Deficiency Calibration for Advanced Tool Use (arXiv 2501.09766)",
    paper_figure: "Llama-3.1-8B-Instruct on BFCL: +13.11 points over the base model, and +6.5 points over supervised fine-tuning on its complex scenarios",
    claim: "A fixed set of tool calls, and a base that has 50 to 80 % of fresh requests right: SimPO on pairs of fragments that a tree search finds on hard requests, against more of the set, and against SimPO on pairs of whole answers, at as many trained and sampled tokens",
    metric: "held-out requests for two calls that a small transformer answers exactly",
    unit: "%",
    better: Better::Higher,
    baseline: tune::BASELINE,
    method: ITOOL,
    seeds: 0..3,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / log-probability of a token to be learned",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "swapped",
        does: "The chosen fragment of a pair is taken for the rejected one",
        turns: &["tokens of the truth in their place"],
    },
    Fault {
        name: "end-after-every-fragment",
        does: "The end token follows every fragment",
        turns: &["end tokens after fragments"],
    },
    Fault {
        name: "one-ranking",
        does: "Requests with and without a call are ranked together by perplexity",
        turns: &["hard requests without a call"],
    },
];

/// How far true fragments are ahead of the base's wrong ones on fresh requests.
const MARGIN: &str = "margin on fresh requests";

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, tune::plan(context), seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(context, &mut trial)?;
    let arms = Arms {
        context,
        bench: &bench,
        updates: tune::updates(context),
        seed,
    };
    let fresh = arms.fresh()?;
    trial.record(BASE, MARGIN, arms.margin(&bench.base, &fresh)?);
    let mut costs = Vec::new();
    // The method first: the others have as many pairs, and sample as many tokens.
    for name in [ITOOL, SFT, WHOLE, TRUTH, RANDOM, HARD, EXACT] {
        let is_reported = matches!(name, TRUTH | RANDOM) && !context.small;
        if !(matches!(name, ITOOL | SFT | WHOLE) || is_reported || context.full) {
            continue;
        }
        let (done, cost) = arms.run(name, tune::rate(name), &costs)?;
        if name == ITOOL {
            costs = cost;
        }
        bench.test(context, &mut trial, name, &done.policy)?;
        trial.record(name, MARGIN, arms.margin(&done.policy, &fresh)?);
        done.budget.record(&mut trial, name);
        for (figure, value) in &done.figures {
            trial.record(name, figure, *value);
        }
        trial.curve(name, done.curve);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values);
    let gap = |worse, metric| differences(trials, ITOOL, worse, metric);
    let gains = gap(BASE, "arguments")
        .into_iter()
        .zip(gap(BASE, "functions"));
    let apart = |other, metric| {
        let own = values(trials, ITOOL, metric);
        let gaps = gap(other, metric).into_iter().zip(own);
        gaps.map(|(gap, own)| gap.abs() / own).collect()
    };
    vec![
        points("itool minus sft on", gap(SFT, "main"))
            .at_least(0.0)
            .headline(),
        points("itool minus simpo of whole answers", gap(WHOLE, "main"))
            .at_least(0.0)
            .headline(),
        points(
            "gain on arguments minus gain on functions",
            gains
                .map(|(arguments, functions)| arguments - functions)
                .collect(),
        )
        .at_least(0.0),
        points(
            "right answers to requests without a call, itool minus sft on",
            gap(SFT, "none"),
        )
        .at_least(0.0),
        Quantity::new(
            "true fragments ahead of wrong ones on fresh requests, itool minus base",
            "nats",
            gap(BASE, MARGIN),
        )
        .at_least(0.0),
        points(
            "tokens of the truth in their place, chosen fragments less rejected ones",
            values(trials, ITOOL, LEAD),
        )
        .at_least(0.0),
        Quantity::new(
            "end tokens after fragments that do not end an answer",
            "",
            values(trials, ITOOL, ENDS),
        )
        .exactly(0.0),
        Quantity::new(
            "hard requests without a call, beyond 30 % of them",
            "",
            values(trials, ITOOL, BEYOND),
        )
        .exactly(0.0),
        Quantity::new(
            "trained tokens, how far sft on is from itool, as a share",
            "",
            apart(SFT, "trained tokens"),
        )
        .each_at_most(0.02),
        Quantity::new(
            "sampled tokens, how far simpo of whole answers is from itool, as a share",
            "",
            apart(WHOLE, "sampled tokens"),
        )
        .each_at_most(0.02),
    ]
}
