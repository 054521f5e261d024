//! A schedule without a horizon against a cosine that is re-warmed for each domain of text.
//!
//! A character model meets one domain after another. The baseline trains each with a warm-up and a
//! cosine of its own, from the decayed model before; after the first domain its peak may be lower. The method trains a trunk on `Infinite`, which
//! stays at its plateau, and anneals a copy of the trunk's checkpoint after each domain:
//! `LrSchedule::anneal` is the scheduler of the copy.

pub mod tune;

use anyhow::Result;
use regimen_schedules::{Infinite, LrSchedule, Rewarmed, Stage};

use super::stream::{Sizes, State, Stream};
use crate::experiment::{
    Better, Check, Context, DataKind, Domain, Fault, Quantity, Revision, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "infinite-schedule",
    number: 9,
    krate: "regimen-schedules",
    paper: "Beyond Cosine Decay: On the effectiveness of Infinite Learning Rate Schedule for Continual Pre-training (arXiv 2503.02844)",
    paper_figure: "Masked auto-encoders on CIFAR-10 split into five tasks, larger ones, and language models: the infinite schedule beats the repeated cosine; the deltas are not established",
    claim: "Over successive domains of text, an infinite schedule forgets the earlier domains less than a cosine that is re-warmed to the same peak, and its end is no better than that of a cosine whose re-warmed peak is swept",
    metric: "mean validation loss over all domains after the last one",
    unit: "nats",
    better: Better::Lower,
    baseline: LOWER,
    method: LEAST,
    seeds: 10..14,
    source: file!(),
    data: DataKind::Domains(DOMAINS),
    curve: "domains seen / validation loss on the first",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: REWARMED,
        does: "The trunk's clock starts anew with each domain, so that every domain is warmed up for",
        turns: &["first domain after the second"],
    },
    Fault {
        name: CONTINUED,
        does: "The trunk goes on from the annealed copy, with the scheduler of that copy",
        turns: &["newest domain after the last, infinite with its plateau"],
    },
];

const REVISIONS: &[Revision] = &[
    Revision {
        changed: "A headline check was added, its figures being known: all domains after the last, cosine minus infinite with its plateau at 0.55 of the peak, the share of the first studies of this schedule. The checks before ask of a plateau at 0.25 alone",
        before: "Three seeds: 0.01 ± 0.05 nats",
    },
    Revision {
        changed: "The peak that the repeated cosine is re-warmed to was too high: the plateau won without any shift too. It is swept now, as the plateau is, on seeds that do not count; the best of each, 0.25 and 0.15 of the first peak, are baseline and method, and two headline checks compare them. Four seeds that had not been run, 900 updates a domain in place of 2,000, windows in random order without repetition",
        before: "All domains after the last, cosine at the full peak minus infinite with its plateau at 0.25: 0.659 ± 0.025 nats; one domain again and again, infinite minus cosine: -0.068 ± 0.004",
    },
];

const REWARMED: &str = "re-warmed-trunk";
const CONTINUED: &str = "annealed-trunk";

/// Each shifts the distribution strongly.
const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Code, Domain::Verse];

const COSINE: &str = "repeated cosine";
const MIDDLE: &str = "repeated cosine, peak 0.55 after the first domain";
const LOWER: &str = "repeated cosine, peak 0.25 after the first domain";
const HIGH: &str = "infinite, plateau 0.55";
const LOW: &str = "infinite, plateau 0.25";
/// The best plateau of those that were tried, as 0.25 is the best peak of the cosine.
const LEAST: &str = "infinite, plateau 0.15";

/// The highest and the least rate, for both schedules.
const PEAK: f64 = 8e-3;
const END: f64 = 8e-4;

const SECOND: &str = "first domain after the second";
const EARLIER: &str = "earlier domains after the last";
const NEWEST: &str = "newest domain after the last";
const SAME: &str = "one domain again and again";

/// Successive domains, and how long each is trained on.
struct Job<'a> {
    context: &'a Context,
    stream: Stream,
    updates: usize,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let stream = Stream::new(context, seed, DOMAINS, Sizes::default())?;
    let order: Vec<usize> = (0..stream.len()).collect();
    let job = Job {
        context,
        stream,
        updates: updates(context),
    };
    let mut trial = Trial::new(seed);
    for arm in [COSINE, MIDDLE, LOWER, HIGH, LOW, LEAST] {
        // The faults turn none of these.
        if context.small && [HIGH, MIDDLE].contains(&arm) {
            continue;
        }
        let train = |order: &[usize]| match arm {
            HIGH => job.infinite(0.55, order),
            LOW => job.infinite(0.25, order),
            LEAST => job.infinite(0.15, order),
            MIDDLE => job.cosine(0.55, order),
            LOWER => job.cosine(0.25, order),
            _ => job.cosine(1.0, order),
        };
        job.record(&mut trial, arm, &train(&order)?);
        if context.small || [HIGH, MIDDLE, LOW].contains(&arm) {
            continue;
        }
        let same = train(&vec![0; order.len()])?;
        let loss = same
            .last()
            .map_or(f64::NAN, |state| job.stream.loss(&state.model, 0));
        trial.record(arm, SAME, loss);
    }
    Ok(trial)
}

/// The updates of a domain.
fn updates(context: &Context) -> usize {
    match context {
        Context { full: true, .. } => 20_000,
        Context { small: true, .. } => 600,
        _ => 900,
    }
}

impl Job<'_> {
    /// The models that a repeated cosine ends each domain with, whose later peaks are a share of the first.
    fn cosine(&self, share: f64, order: &[usize]) -> Result<Vec<State>> {
        let (steps, warmup) = (self.updates, self.updates / 100);
        let stage = |peak| Stage {
            peak,
            steps,
            warmup,
        };
        let mut stages = vec![stage(share * PEAK); order.len()];
        stages[0] = stage(PEAK);
        let mut rate = LrSchedule::new(Rewarmed::new(END, stages)?);
        let mut state = self.stream.start();
        let mut finished = Vec::new();
        for (part, domain) in order.iter().enumerate() {
            let batches = self.stream.batches(*domain, 2 * part as u64)?;
            state = state.trained(&batches, steps, &mut rate)?;
            finished.push(state.clone());
        }
        Ok(finished)
    }

    /// The annealed branches of a trunk whose plateau is a share of the peak. Of a domain's updates
    /// the warm-up takes 1 %, the cool-down ends at 60 %, the trunk at 85 %.
    fn infinite(&self, plateau: f64, order: &[usize]) -> Result<Vec<State>> {
        let (warmup, trunk) = (self.updates / 100, self.updates * 85 / 100);
        let cooldown = self.updates * 60 / 100 - warmup;
        let schedule = Infinite::new(PEAK, plateau * PEAK, warmup, cooldown)?;
        let mut rate = LrSchedule::new(schedule);
        let mut state = self.stream.start();
        let mut finished = Vec::new();
        for (part, domain) in order.iter().enumerate() {
            if self.context.is_broken_by(REWARMED) {
                rate = LrSchedule::new(schedule);
            }
            let part = 2 * part as u64;
            let batches = self.stream.batches(*domain, part)?;
            state = state.trained(&batches, trunk, &mut rate)?;
            // The checkpoint at the plateau: a copy anneals, the trunk goes on from here.
            let batches = self.stream.batches(*domain, part + 1)?;
            let anneal = self.updates - trunk;
            let mut branch = rate.anneal(anneal, END)?;
            let copy = state.clone().trained(&batches, anneal, &mut branch)?;
            if self.context.is_broken_by(CONTINUED) {
                (state, rate) = (copy.clone(), branch);
            }
            finished.push(copy);
        }
        Ok(finished)
    }

    /// Losses of the models that the domains ended with.
    fn record(&self, trial: &mut Trial, arm: &str, finished: &[State]) {
        let last = finished.len() - 1;
        let mut first = Vec::new();
        for (seen, state) in finished.iter().enumerate() {
            let losses: Vec<f64> = (0..=seen)
                .map(|at| self.stream.loss(&state.model, at))
                .collect();
            for (domain, loss) in losses.iter().enumerate() {
                let metric = format!("domain {} after {}", domain + 1, seen + 1);
                trial.record(arm, &metric, *loss);
            }
            first.push((seen as f64 + 1.0, losses[0]));
            if seen == 1 {
                trial.record(arm, SECOND, losses[0]);
            }
            if seen == last {
                let sum: f64 = losses.iter().sum();
                trial.record(arm, "main", sum / losses.len() as f64);
                trial.record(arm, NEWEST, losses[last]);
                trial.record(arm, EARLIER, (sum - losses[last]) / last as f64);
            }
        }
        trial.curve(arm, first);
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse, better, metric: &str, words: &str| {
        let name = format!("{metric}, {words}");
        Quantity::new(name, "nats", differences(trials, worse, better, metric))
    };
    let all = |worse, better, words: &str| {
        let name = format!("all domains after the last, {words}");
        Quantity::new(name, "nats", differences(trials, worse, better, "main"))
    };
    let same_peak = "cosine to the same peak minus infinite with its plateau at 0.25";
    let best = "infinite minus cosine, each at its best";
    vec![
        gap(COSINE, LOW, SECOND, same_peak).at_least(0.05),
        gap(COSINE, LOW, EARLIER, same_peak)
            .at_least(0.05)
            .headline(),
        all(
            COSINE,
            HIGH,
            "cosine to the same peak minus infinite with its plateau at 0.55",
        )
        .at_least(0.0)
        .headline(),
        all(LOWER, LEAST, "cosine minus infinite, each at its best")
            .at_least(0.0)
            .headline(),
        gap(
            LOW,
            COSINE,
            NEWEST,
            "infinite with its plateau at 0.25 minus cosine to the same peak",
        )
        .at_most(0.02),
        gap(LEAST, LOWER, NEWEST, best).at_most(0.02),
        gap(LEAST, LOWER, SAME, best).at_most(0.02),
    ]
}
