//! A policy that is taught to say whether it would do better if it started over, and samples as many answers as it takes.
//!
//! How a user's sampling does it: `rules.rs`, the searches of [`regimen_rl_rewards::search`] with
//! [`SelfEvaluation`](regimen_rl_rewards::policy::SelfEvaluation) as their reward, and `lessons.rs`, what it is taught.

mod arms;
mod bench;
mod lessons;
mod measures;
mod replay;
mod rules;
mod settings;
pub mod tune;

use anyhow::Result;

use self::arms::{
    ADAPTIVE, ALL, ANNEALED, BASE, BASELINE, FIXED, LOG_PROB, MEAN, ONE, PERMUTED, PRUNED,
    PRUNED_BY_CHANCE, SHARES, SPENT, TAUGHT, controls, own_word,
};
use self::bench::{Bench, MOST, Policies, Score};
use self::measures::{brier, mean_of, order, order_of_beginnings, order_within};
use self::rules::{Outcome, threshold};
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
    claim: "A small transformer that was taught on 20,000 of its own graded answers to say whether it would do better if it started over stops sampling by what it says: against a fixed number of samples, its mean log-probability, votes, and the number of operations, at two samples in the mean",
    metric: "held-out chains of up to three operations whose answer is right, at two samples of a prompt in the mean",
    unit: "%",
    better: Better::Higher,
    baseline: BASELINE,
    method: ADAPTIVE,
    seeds: 0..3,
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
        turns: &["order of the graded answers"],
    },
    Fault {
        name: "strict-wins",
        does: "A tie counts as a loss in the lessons",
        turns: &["said of right answers to prompts of known facts"],
    },
    Fault {
        name: "mean-for-most",
        does: "The mean of the scores is compared with the threshold in the place of the largest",
        turns: &["samples after one that would have been enough"],
    },
];

/// Means at which rules are drawn.
const CURVE: [f64; 5] = [1.2, 1.5, 2.0, 4.0, 8.0];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let policies = Policies::new(context, seed, &settings::settings(context))?;
    let bench = policies.drawn(context, seed)?;
    let mut trial = Trial::new(seed);
    let (enough, own) = own_word(context, &bench)?;
    stopping(&bench, (enough, &own), &mut trial);
    let mut note = |arm: &str, found: Outcome| {
        trial.record(arm, "main", found.right);
        trial.record(arm, "samples", found.samples);
    };
    note(ADAPTIVE, own);
    for (arm, found) in controls(&bench)? {
        note(arm, found);
    }
    note(ONE, bench.best_of(1, Score::Own)?);
    note(ALL, bench.best_of(MOST, Score::Own)?);
    for (arm, by_score) in [(PRUNED, true), (PRUNED_BY_CHANCE, false)] {
        trial.record(arm, "main", bench.pruned(by_score)?.right);
    }
    for (arm, right) in [BASE, TAUGHT, SPENT].into_iter().zip(policies.greedy) {
        trial.record(arm, "main", right);
    }
    for (by, arm) in [
        (Score::Own, ADAPTIVE),
        (Score::LogProb, LOG_PROB),
        (Score::Permuted, PERMUTED),
    ] {
        trial.record(arm, "order", order(&bench, by)?);
        trial.record(arm, "order within", order_within(&bench, by));
    }
    trial.record(ADAPTIVE, "order of halves", order_of_beginnings(&bench)?);
    trial.record(ADAPTIVE, "order of its lessons", policies.learned);
    trial.record(ADAPTIVE, "Brier", brier(&bench));
    if !context.small {
        curves(&bench, &mut trial)?;
        let annealed = policies.annealed(context, seed)?;
        let by = |enough| annealed.adaptive(enough, Score::Own);
        let (_, found) = threshold(MEAN, SHARES, by)?;
        trial.record(ANNEALED, "main", found.right);
        trial.record(ANNEALED, "samples", found.samples);
    }
    Ok(trial)
}

/// How many samples prompts of each class get, what is said of their answers, and whether the rule goes on after a sample that was enough.
fn stopping(bench: &Bench, (enough, own): (f64, &Outcome), trial: &mut Trial) {
    for class in Class::ALL {
        let all = bench.classes.iter().zip(&own.read);
        let of: Vec<u64> = all
            .filter(|one| *one.0 == class)
            .map(|one| *one.1)
            .collect();
        if !of.is_empty() {
            let mean = of.iter().sum::<u64>() as f64 / of.len() as f64;
            trial.record(ADAPTIVE, &format!("samples, {}", class.name()), mean);
        }
        for (right, word) in [(true, "right"), (false, "wrong")] {
            if let Some(mean) = mean_of(bench, class, right) {
                trial.record(ADAPTIVE, &format!("said of {word}, {}", class.name()), mean);
            }
        }
    }
    let late = bench.late(enough, own) as f64;
    trial.record(ADAPTIVE, "samples after enough", late);
}

fn curves(bench: &Bench, trial: &mut Trial) -> Result<()> {
    let point = |one: Outcome| (one.samples, one.right);
    for (arm, score) in [(ADAPTIVE, Score::Own), (LOG_PROB, Score::LogProb)] {
        let at = |mean| threshold(mean, SHARES, |enough| bench.adaptive(enough, score));
        let points = CURVE.map(|mean| Ok(point(at(mean)?.1)));
        trial.curve(arm, points.into_iter().collect::<Result<Vec<_>>>()?);
    }
    let fixed = [1, 2, 4, 8, MOST].map(|count| Ok(point(bench.best_of(count, Score::Own)?)));
    let fixed = fixed.into_iter().collect::<Result<Vec<_>>>()?;
    trial.curve("fixed, own word", fixed);
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values).at_least(0.0);
    let gap = |first: &str, second: &str| differences(trials, first, second, "main");
    let [one, own, all] = [ONE, ADAPTIVE, ALL].map(|arm| values(trials, arm, "main"));
    let shares = one.iter().zip(own.iter().zip(&all));
    // Where sixteen samples gain less than a point there is nothing to keep.
    let shares = shares.map(|(one, (own, all))| {
        if all - one < 1.0 {
            0.0
        } else {
            (own - one) / (all - one)
        }
    });
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
        Quantity::new(
            "order of the graded answers that win or tie and the others, own word",
            "",
            values(trials, ADAPTIVE, "order of its lessons"),
        )
        .at_least(0.5),
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
            "said of right answers to prompts of known facts",
            "",
            values(trials, ADAPTIVE, "said of right, known"),
        )
        .at_least(0.5),
        Quantity::new(
            "samples after one that would have been enough",
            "",
            values(trials, ADAPTIVE, "samples after enough"),
        )
        .exactly(0.0),
    ]
}
