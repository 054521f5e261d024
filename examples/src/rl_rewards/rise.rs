//! Learning from one's own wrong answers over turns, against as many answers without them.
//!
//! How a user's loop does it: `arms.rs`, episodes by [`MultiTurn`](regimen_rl_rewards::MultiTurn) and better answers at their states by
//! [`Rise`](regimen_rl_rewards::Rise).

mod answers;
mod arms;
mod bench;
pub mod tune;

use anyhow::Result;

use self::answers::{Answers, LAST};
use self::arms::{data, record, rise, train};
use self::bench::Bench;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "rise",
    number: 41,
    krate: "regimen-rl-rewards",
    paper: "Recursive Introspection: Teaching Language Model Agents How to Self-Improve (arXiv 2407.18219)",
    paper_figure: "GSM8K, five turns of introspection against the first answer: Llama-2-7B +17.7 and Mistral-7B +23.9 points with a stronger model's answers; Llama-3-8B +8.2 and Mistral-7B +6.6 with its own",
    claim: "Five answers to a prompt, each checked: a policy that was trained on better answers after its own wrong ones and sees its last two wrong ones, against one that was trained on as many answers to the prompts alone and repeats none, and against training with the histories of other prompts",
    metric: "held-out prompts of countdown that a small transformer solves within five answers",
    unit: "%",
    better: Better::Higher,
    baseline: tune::REJECTION_DISTINCT,
    method: tune::RISE,
    seeds: 0..3,
    source: file!(),
    data: DataKind::Simulated,
    curve: "answers / solved, %",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "loss-on-all-lines",
        does: "The wrong answers within a state are trained on too",
        turns: &["trained tokens of earlier answers"],
    },
    Fault {
        name: "histories-of-other-prompts",
        does: "In the test a state has the wrong answers to another prompt",
        turns: &["log-probability of an answer in the test"],
    },
    Fault {
        name: "improved-at-the-first-state",
        does: "The better answer is drawn at the prompt alone, not at the state that it is learned at",
        turns: &["log-probability of an improved answer"],
    },
];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.check(context, &mut trial)?;
    let data = data(context, &bench, seed)?;
    trial.record(tune::RISE, "distance of log-probabilities", data.off);
    let [own, alone] = &data.budgets;
    let normalised = rise()?.with_normalised_weights();
    let [first, second, third] = tune::RATES;
    let mut arms = vec![(bench.base.clone(), &tune::BASES[..])];
    for (examples, recipe, sampled, rate, names) in [
        (&data.best, rise()?, alone, first, &tune::REJECTIONS[..]),
        (&data.rise, rise()?, own, second, &tune::RISES[..]),
        (
            &data.permuted,
            rise()?,
            own,
            third,
            &[(tune::OTHERS, Answers::Turns)],
        ),
        (
            &data.rise,
            normalised,
            own,
            second,
            &[(tune::NORMALISED, Answers::Turns)],
        ),
    ] {
        let done = train(context, &bench, examples, &recipe, (rate, seed))?;
        for (name, _) in names {
            record(&mut trial, name, sampled, &done);
        }
        arms.push((done.policy, names));
    }
    let arms = arms.iter().flat_map(|(policy, names)| {
        let names = names.iter();
        names.map(move |(name, answers)| (*name, policy, *answers))
    });
    for (name, policy, answers) in arms {
        let how = (policy, answers, tune::temperature(name));
        bench.test(context, &mut trial, name, how)?;
        let points = (1..=bench::TURNS).map(|turn| {
            let solved = trial.value(name, &format!("solved within {turn}"));
            (turn as f64, solved)
        });
        let points = points.collect();
        trial.curve(name, points);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let points = |name: &str, values| Quantity::new(name, "points", values);
    let gap = |worse, metric| differences(trials, tune::RISE, worse, metric);
    let count = |name: &str, values| Quantity::new(name, "", values);
    let sampled = values(trials, tune::REJECTION, "sampled tokens");
    let shares = gap(tune::REJECTION, "sampled tokens")
        .into_iter()
        .zip(sampled);
    let shares = shares.map(|(gap, of)| gap.abs() / of).collect();
    vec![
        points(
            "rise minus rejection without repeats",
            gap(tune::REJECTION_DISTINCT, "main"),
        )
        .at_least(0.0)
        .headline(),
        points(
            "rise minus histories of other prompts",
            gap(tune::OTHERS, "main"),
        )
        .at_least(0.0)
        .headline(),
        points(
            "solved by the fifth answer after four wrong ones, rise minus rejection",
            gap(tune::REJECTION, LAST),
        )
        .at_least(0.0)
        .headline(),
        points("rise minus base", gap(tune::BASE, "main")).at_least(0.0),
        // A point, since a policy that does not read its history differs by nothing.
        points(
            "answers that repeat an earlier one, rise minus the same shown other histories",
            gap(tune::SHOWN_OTHERS, "repeats"),
        )
        .at_most(-1.0),
        count(
            "trained tokens of earlier answers",
            values(trials, tune::RISE, "trained tokens of earlier answers"),
        )
        .exactly(0.0),
        count(
            "sampled tokens in training, how far rise is from rejection, as a share",
            shares,
        )
        .each_at_most(0.001),
        count(
            "log-probability of an improved answer when drawn, distance from that at its state",
            values(trials, tune::RISE, "distance of log-probabilities"),
        )
        .at_most(0.001),
        count(
            "log-probability of an answer in the test when drawn, distance from that at its state",
            values(
                trials,
                tune::RISE,
                "distance of log-probabilities in the test",
            ),
        )
        .at_most(0.001),
    ]
}
