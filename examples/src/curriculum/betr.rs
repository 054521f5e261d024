//! BETR on parallel Gospels: which tenth of a pool teaches the text of Mark, by likeness to questions about other parts of it.
//!
//! How a user's program does it: `betr/arms.rs`, ranks of a sample under each target, a classifier that imitates them, and a threshold for a share
//! of tokens.

mod arms;
mod bigram;
mod corpus;
pub mod tune;
mod window;

use anyhow::Result;
use regimen_curriculum::text::Aggregation;

use self::arms::{
    ALONE, BETR, Broken, CENTROID, DIRECT, Fitted, KEPT, KNOWN, MEAN, MEAN_ALONE, RANDOM, Select,
    WHOLE,
};
use self::corpus::{Corpus, DOMAINS, Source};
use self::window::Training;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "betr",
    number: 35,
    krate: "regimen-curriculum",
    paper: "Language Models Improve When Pretraining Data Matches Target Tasks (arXiv 2507.12466)",
    paper_figure: "2.1x compute multiplier over DCLM-Baseline (1.8x on DCLM-RefinedWeb, 2.5x on Nemotron-CC), 4.7x over no filtering; per-example targets 62.2 against 58.3 for one centroid, the best rank 62.2 against 58.2 for the mean",
    claim: "Of a pool of Matthew, Luke, John, prose and guides, the tenth of tokens that is like questions about parts of Mark 14 and 15 teaches the other parts: against random documents, the mean over ranks, the centroid, and a classifier that tells the questions from the pool",
    metric: "loss of a model of windows of 8 characters on the held-out parts of Mark 14 and 15, after equal updates",
    unit: "nats",
    better: Better::Lower,
    baseline: DIRECT,
    method: BETR,
    seeds: 10..15,
    source: file!(),
    data: DataKind::Domains(DOMAINS),
    curve: "share of the pool, random documents / loss",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: OF_TARGETS,
        does: "The targets are ranked for each document, so that every document has a best rank of 1",
        turns: &["random minus betr"],
    },
    Fault {
        name: WORST,
        does: "The positives of the classifier are the documents of the worst ranks",
        turns: &["random minus betr"],
    },
];

const OF_TARGETS: &str = "ranks-of-targets";
const WORST: &str = "worst-ranks";

/// Shares of the pool that random documents are tried with, to see how many of them do what the method's tenth does.
const SHARES: [f64; 5] = [0.05, 0.1, 0.2, 0.5, 1.0];

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let corpus = Corpus::of(context, seed)?;
    let broken = match context.fault.as_deref() {
        Some(OF_TARGETS) => Broken::RanksOfTargets,
        Some(WORST) => Broken::WorstRanks,
        _ => Broken::No,
    };
    let select = Select::new(&corpus, seed, broken);
    let mut job = Job {
        vocabulary: bigram::vocabulary(corpus.chunks.iter().chain([&corpus.evaluation])),
        training: Training::of(context, seed),
        corpus: &corpus,
        small: context.small,
        trial: Trial::new(seed),
    };
    for arm in [BETR, DIRECT, MEAN, CENTROID] {
        let Fitted {
            order,
            by_threshold,
        } = select.fitted(arm, &tune::chosen(arm))?;
        job.arm(arm, &order[..corpus.budget(KEPT)])?;
        job.trial
            .record(arm, "kept by the threshold, %", 100.0 * by_threshold);
        if arm == BETR {
            for share in [0.03, 0.3] {
                let loss = job.pairs(&order[..corpus.budget(share)]);
                let name = format!("bigram loss with {} %", 100.0 * share);
                job.trial.record(arm, &name, loss);
            }
        }
    }
    job.arm(ALONE, &select.ranked(Aggregation::Max)?)?;
    let known = select.known();
    if !context.small {
        job.arm(MEAN_ALONE, &select.ranked(Aggregation::MeanLog)?)?;
        if !known.is_empty() {
            job.arm(KNOWN, &known)?;
        }
    }
    let shares = if context.small {
        &SHARES[1..2]
    } else {
        &SHARES
    };
    job.multiplier(&select, shares)?;
    job.trial.record(BETR, "documents cut", corpus.cut as f64);
    Ok(job.trial)
}

struct Job<'a> {
    corpus: &'a Corpus,
    training: Training<'a>,
    vocabulary: usize,
    small: bool,
    trial: Trial,
}

impl Job<'_> {
    /// The loss of the bigram model.
    fn pairs(&self, kept: &[usize]) -> f64 {
        let kept = kept.iter().map(|place| &self.corpus.chunks[*place]);
        bigram::loss(kept, &self.corpus.evaluation, self.vocabulary)
    }

    /// Both losses of an arm, and what it keeps.
    fn arm(&mut self, arm: &str, kept: &[usize]) -> Result<[f64; 2]> {
        let texts = kept.iter().map(|place| &self.corpus.chunks[*place]);
        let model = self.training.model(texts)?;
        let loss = self.training.loss(&model, &self.corpus.evaluation)?;
        let pairs = self.pairs(kept);
        self.trial.record(arm, "main", loss);
        self.trial.record(arm, "bigram loss", pairs);
        let others: &[_] = if self.small { &[] } else { &self.corpus.others };
        for (name, text) in others {
            let name = name.split([' ', '(']).next().unwrap_or(name);
            let loss = self.training.loss(&model, text)?;
            self.trial.record(arm, &format!("loss on {name}"), loss);
        }
        let gospels = kept.iter().map(|place| self.corpus.sources[*place]);
        let gospels = gospels.filter(|source| *source != Source::Other).count();
        let share = 100.0 * gospels as f64 / kept.len() as f64;
        self.trial.record(arm, "Gospels, %", share);
        Ok([loss, pairs])
    }

    /// How many times the method's tokens random documents need for its loss.
    fn multiplier(&mut self, select: &Select<'_>, shares: &[f64]) -> Result<()> {
        let (mut curve, mut pairs) = (Vec::new(), Vec::new());
        for share in shares.iter().copied() {
            let arm = match share {
                KEPT => RANDOM.to_owned(),
                1.0 => WHOLE.to_owned(),
                _ => format!("{RANDOM}, {} %", 100.0 * share),
            };
            let [loss, pair] = self.arm(&arm, &select.random(share))?;
            curve.push((share, loss));
            pairs.push((share, pair));
        }
        for (curve, metric, name) in [
            (&curve, "main", "multiplier"),
            (&pairs, "bigram loss", "bigram multiplier"),
        ] {
            let needed = needed(curve, self.trial.value(BETR, metric));
            self.trial.record(BETR, name, needed / KEPT);
        }
        self.trial.curve(RANDOM, curve);
        let point = (KEPT, self.trial.value(BETR, "main"));
        self.trial.curve(BETR, vec![point]);
        Ok(())
    }
}

/// The least share at which a curve of losses comes down to one, between its points in the logarithm of the share: at least the first of them, and
/// the whole pool where it never does.
fn needed(curve: &[(f64, f64)], loss: f64) -> f64 {
    if curve[0].1 <= loss {
        return curve[0].0;
    }
    for pair in curve.windows(2) {
        let [(from, above), (to, below)] = [pair[0], pair[1]];
        if below <= loss {
            let part = (above - loss) / (above - below);
            return from * (to / from).powf(part);
        }
    }
    1.0
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse, metric| differences(trials, worse, BETR, metric);
    let nats = |name: &str, values| Quantity::new(name, "nats", values).at_least(0.0);
    let times = |name: &str, metric| {
        Quantity::new(name, "times", values(trials, BETR, metric)).at_least(1.0)
    };
    vec![
        nats("loss, random minus betr", gap(RANDOM, "main")).headline(),
        nats("loss, centroid minus betr", gap(CENTROID, "main")).headline(),
        nats("loss, mean log2 rank minus betr", gap(MEAN, "main")).headline(),
        times(
            "random tokens for the loss of betr, over its own",
            "multiplier",
        )
        .headline(),
        nats("loss, target versus pool minus betr", gap(DIRECT, "main")),
        nats("loss, best rank alone minus betr", gap(ALONE, "main")),
        nats("bigram model, random less betr", gap(RANDOM, "bigram loss")),
        nats(
            "bigram model, centroid less betr",
            gap(CENTROID, "bigram loss"),
        ),
        nats(
            "bigram model, mean log2 rank less betr",
            gap(MEAN, "bigram loss"),
        ),
        times("bigram model, times the tokens", "bigram multiplier"),
    ]
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn tokens_that_are_needed() {
        let curve = [(0.1, 3.0), (0.4, 2.0), (1.0, 1.5)];
        assert!((needed(&curve, 2.5) - 0.2).abs() < 1e-12);
        assert_eq!(needed(&curve, 3.5), 0.1);
        assert_eq!(needed(&curve, 1.0), 1.0);
        assert_eq!(needed(&curve, 2.0), 0.4);
    }
}
