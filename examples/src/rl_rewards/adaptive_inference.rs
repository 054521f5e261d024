//! A policy that is taught to say whether it would do better if it started over, and samples as many answers as it takes.
//!
//! How a user's sampling does it: `rules.rs`, the searches of [`regimen_rl_rewards::search`] with
//! [`SelfEvaluation`](regimen_rl_rewards::policy::SelfEvaluation) as their reward, and `bench.rs`, the lessons.

mod bench;
mod rules;
pub mod tune;

use anyhow::Result;

use self::bench::{Bench, MOST, Score};
use self::rules::{Outcome, order, order_of_beginnings};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};
use crate::rl_rewards::bed::chain::Class;

/// The experiment.
pub const SYSTEM: System = System {
    name: "adaptive-inference",
    number: 15,
    krate: "regimen-rl-rewards",
    paper: "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation (arXiv 2410.02725)",
    paper_figure: "Llama 3.1 8B with up to 16 samples: win rate on AlpacaEval 21 % to 34 %, GSM8K 84 % to 91 %; 74 % of the gain of 16 samples at 1.2 samples in the mean; half to three quarters of the samples given up early at little loss",
    claim: "A small transformer that was taught on 6,000 of its own graded answers to say whether it would do better if it started over stops sampling by what it says: against a fixed number of samples, its mean log-probability, votes, and the number of operations, at two samples in the mean",
    metric: "held-out chains of up to three operations whose answer is right, at two samples of a prompt in the mean",
    unit: "%",
    better: Better::Higher,
    baseline: tune::BASELINE,
    method: ADAPTIVE,
    seeds: 0..5,
    source: file!(),
    data: DataKind::Simulated,
    curve: "samples of a prompt in the mean / right answers",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "yes-is-good",
        does: "\"Yes, I would do better\" is read as the good word",
        turns: &["adaptive by its own word minus adaptive by a word of another sample"],
    },
    Fault {
        name: "strict-wins",
        does: "A tie counts as a loss in the lessons",
        turns: &["samples of prompts of known facts minus samples of all prompts"],
    },
    Fault {
        name: "mean-for-most",
        does: "The mean of the scores is compared with the threshold in the place of the largest",
        turns: &["samples after one that would have been enough"],
    },
];

const ADAPTIVE: &str = "adaptive, own word";
const FIXED: &str = "two samples, own word";
const LOG_PROB: &str = "adaptive, log-probability";
const SAFE_VOTE: &str = "adaptive vote";
const VOTE: &str = "vote of two";
const PERMUTED: &str = "adaptive, word of another sample";
const OPERATIONS: &str = "as many as operations";
const ONE: &str = "one sample";
const ALL: &str = "sixteen samples, own word";
const PRUNED: &str = "half given up, own word";
const PRUNED_BY_CHANCE: &str = "half given up, by chance";
const BASE: &str = "base, most probable answer";
const TAUGHT: &str = "after the lessons, most probable answer";
const SPENT: &str = "trained on right samples, most probable answer";

/// Samples of a prompt in the mean.
const MEAN: f64 = 2.0;

/// Means at which rules are drawn.
const CURVE: [f64; 5] = [1.2, 1.5, 2.0, 4.0, 8.0];

/// The range of a score's threshold, and of a vote's.
const SHARES: [f64; 2] = [0.0, 1.0];
const CONFIDENCES: [f64; 2] = [0.5, 1.0 - 1e-9];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed, &tune::settings(context))?;
    let mut trial = Trial::new(seed);
    let mut note = |arm: &str, found: Outcome| {
        trial.record(arm, "main", found.right);
        trial.record(arm, "samples", found.samples);
    };
    for (arm, found) in rules(context, &bench)? {
        note(arm, found);
    }
    for (arm, found) in [
        (ONE, bench.best_of(1, Score::Own)?),
        (ALL, bench.best_of(MOST, Score::Own)?),
        (PRUNED, bench.pruned(true)?),
        (PRUNED_BY_CHANCE, bench.pruned(false)?),
    ] {
        note(arm, found);
    }
    for (arm, right) in [BASE, TAUGHT, SPENT].into_iter().zip(bench.greedy) {
        trial.record(arm, "main", right);
    }
    for (by, arm) in [
        (Score::Own, ADAPTIVE),
        (Score::LogProb, LOG_PROB),
        (Score::Permuted, PERMUTED),
    ] {
        trial.record(arm, "order", order(&bench, by)?);
    }
    trial.record(ADAPTIVE, "order of halves", order_of_beginnings(&bench)?);
    trial.record(ADAPTIVE, "Brier", bench.brier());
    stopping(context, &bench, &mut trial)?;
    if !context.small {
        curves(&bench, &mut trial)?;
    }
    Ok(trial)
}

/// The rules at equal samples.
fn rules(context: &Context, bench: &Bench) -> Result<Vec<(&'static str, Outcome)>> {
    let by = |score: Score| move |enough: f64| bench.adaptive(enough, score);
    let own = if context.is_broken_by("mean-for-most") {
        bench.threshold(MEAN, SHARES, |enough| Ok(bench.by_mean(enough)))?
    } else {
        bench.threshold(MEAN, SHARES, by(Score::Own))?
    };
    Ok(vec![
        (ADAPTIVE, own),
        (FIXED, bench.best_of(2, Score::Own)?),
        (LOG_PROB, bench.threshold(MEAN, SHARES, by(Score::LogProb))?),
        (
            SAFE_VOTE,
            bench.threshold(MEAN, CONFIDENCES, |sure| bench.vote(MOST, Some(sure)))?,
        ),
        (VOTE, bench.vote(2, None)?),
        (
            PERMUTED,
            bench.threshold(MEAN, SHARES, by(Score::Permuted))?,
        ),
        (OPERATIONS, bench.by_operations()?),
    ])
}

/// How many samples prompts of each class get, and whether a rule goes on after a sample that was enough.
fn stopping(context: &Context, bench: &Bench, trial: &mut Trial) -> Result<()> {
    let counts = bench.counts(MEAN, context.is_broken_by("mean-for-most"))?;
    let all = counts.iter().map(|(_, count, _)| *count).sum::<f64>() / counts.len().max(1) as f64;
    for class in Class::ALL {
        let of: Vec<f64> = counts
            .iter()
            .filter(|one| one.0 == class)
            .map(|one| one.1)
            .collect();
        if !of.is_empty() {
            let mean = of.iter().sum::<f64>() / of.len() as f64;
            trial.record(ADAPTIVE, &format!("samples, {}", class.name()), mean);
            if class == Class::Known {
                trial.record(ADAPTIVE, "samples, known minus all", mean - all);
            }
        }
    }
    let late = counts.iter().map(|(_, _, late)| *late).sum::<f64>();
    trial.record(ADAPTIVE, "samples after enough", late);
    Ok(())
}

fn curves(bench: &Bench, trial: &mut Trial) -> Result<()> {
    for (arm, score) in [(ADAPTIVE, Score::Own), (LOG_PROB, Score::LogProb)] {
        let points =
            CURVE.map(|mean| bench.threshold(mean, SHARES, |enough| bench.adaptive(enough, score)));
        let points = points
            .into_iter()
            .map(|one| one.map(|one| (one.samples, one.right)));
        trial.curve(arm, points.collect::<Result<Vec<_>>>()?);
    }
    let fixed = [1, 2, 4, 8, MOST].map(|count| bench.best_of(count, Score::Own));
    let fixed = fixed
        .into_iter()
        .map(|one| one.map(|one| (one.samples, one.right)));
    trial.curve("fixed, own word", fixed.collect::<Result<Vec<_>>>()?);
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(0.0);
    let gap = |first: &str, second: &str| differences(trials, first, second, "main");
    let [one, own, all] = [ONE, ADAPTIVE, ALL].map(|arm| values(trials, arm, "main"));
    let shares = one.iter().zip(own.iter().zip(&all));
    let shares = shares.map(|(one, (own, all))| (own - one) / (all - one));
    let orders = differences(trials, ADAPTIVE, LOG_PROB, "order");
    vec![
        points(
            "adaptive by its own word minus two samples",
            gap(ADAPTIVE, FIXED),
        )
        .headline(),
        points(
            "adaptive by its own word minus adaptive by the log-probability",
            gap(ADAPTIVE, LOG_PROB),
        )
        .headline(),
        Quantity::new(
            "share of the gain of sixteen samples that is kept",
            "",
            shares.collect(),
        )
        .at_least(0.5)
        .headline(),
        points(
            "half given up by its own word minus by chance",
            gap(PRUNED, PRUNED_BY_CHANCE),
        ),
        Quantity::new(
            "order of right and wrong, own word minus log-probability",
            "",
            orders,
        )
        .at_least(0.0),
        points(
            "adaptive by its own word minus adaptive by a word of another sample",
            gap(ADAPTIVE, PERMUTED),
        ),
        Quantity::new(
            "most probable answer, after the lessons minus the base",
            "points",
            gap(TAUGHT, BASE),
        )
        .at_least(-2.0),
        Quantity::new(
            "samples of prompts of known facts minus samples of all prompts",
            "",
            values(trials, ADAPTIVE, "samples, known minus all"),
        )
        .at_most(0.0),
        Quantity::new(
            "samples after one that would have been enough",
            "",
            values(trials, ADAPTIVE, "samples after enough"),
        )
        .exactly(0.0),
    ]
}
