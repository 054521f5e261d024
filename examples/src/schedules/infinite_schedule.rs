//! A schedule without a horizon against a cosine that is re-warmed for each domain of text.
//!
//! A character model meets one domain after another. The baseline trains each with a warm-up and a
//! cosine of its own, from the decayed model before. The method trains a trunk on `Infinite`, which
//! stays at its plateau, and anneals a copy of the trunk's checkpoint after each domain:
//! `LrSchedule::anneal` is the scheduler of the copy.

use anyhow::Result;
use regimen_schedules::{Infinite, LrSchedule, Rewarmed, Stage};

use super::stream::{State, Stream};
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
    claim: "Over successive domains of text, an infinite schedule with its plateau at a quarter of the peak forgets the earlier domains less than a repeated cosine and learns the newest as well, though its trunk has 85 % of the updates",
    metric: "mean validation loss over all domains after the last one",
    unit: "nats",
    better: Better::Lower,
    baseline: COSINE,
    method: LOW,
    seeds: 0..3,
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
        turns: &["newest domain after the last"],
    },
];

const REVISIONS: &[Revision] = &[Revision {
    changed: "A headline check was added, its figures being known: all domains after the last, cosine minus infinite with its plateau at 0.55 of the peak, the share of the first studies of this schedule. The checks before ask of a plateau at 0.25 alone",
    before: "Three seeds: 0.01 ± 0.05 nats",
}];

const REWARMED: &str = "re-warmed-trunk";
const CONTINUED: &str = "annealed-trunk";

/// Each shifts the distribution strongly.
const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Code, Domain::Verse];

const COSINE: &str = "repeated cosine";
const HIGH: &str = "infinite, plateau 0.55";
const LOW: &str = "infinite, plateau 0.25";

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
    let stream = Stream::new(context, seed, DOMAINS)?;
    let order: Vec<usize> = (0..stream.len()).collect();
    let job = Job {
        context,
        stream,
        updates: match context {
            Context { full: true, .. } => 20_000,
            Context { small: true, .. } => 600,
            _ => 2_000,
        },
    };
    let mut trial = Trial::new(seed);
    for arm in [COSINE, HIGH, LOW] {
        let train = |order: &[usize]| match arm {
            HIGH => job.infinite(0.55, order),
            LOW => job.infinite(0.25, order),
            _ => job.cosine(order),
        };
        job.record(&mut trial, arm, &train(&order)?);
        let same = train(&vec![0; order.len()])?;
        let loss = same
            .last()
            .map_or(f64::NAN, |state| job.stream.loss(state, 0));
        trial.record(arm, SAME, loss);
    }
    Ok(trial)
}

impl Job<'_> {
    /// The models that a repeated cosine ends each domain with.
    fn cosine(&self, order: &[usize]) -> Result<Vec<State>> {
        let (steps, warmup) = (self.updates, self.updates / 100);
        let stage = Stage {
            peak: PEAK,
            steps,
            warmup,
        };
        let mut rate = LrSchedule::new(Rewarmed::new(END, vec![stage; order.len()])?);
        let mut state = self.stream.start();
        let mut finished = Vec::new();
        for (part, domain) in order.iter().enumerate() {
            let batches = self.stream.batches(*domain, steps, 2 * part as u64);
            state = state.trained(&batches, &mut rate)?;
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
            let batches = self.stream.batches(*domain, trunk, part);
            state = state.trained(&batches, &mut rate)?;
            // The checkpoint at the plateau: a copy anneals, the trunk goes on from here.
            let batches = self.stream.batches(*domain, self.updates - trunk, part + 1);
            let mut branch = rate.anneal(self.updates - trunk, END)?;
            let copy = state.clone().trained(&batches, &mut branch)?;
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
            let losses: Vec<f64> = (0..=seen).map(|at| self.stream.loss(state, at)).collect();
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
    let gap = |place: &str, worse, better, metric: &str| {
        Quantity::new(place, "nats", differences(trials, worse, better, metric))
    };
    let saved = |metric: &str| {
        let name = format!("{metric}, cosine minus infinite");
        gap(&name, COSINE, LOW, metric)
    };
    let lost = |metric: &str| {
        let name = format!("{metric}, infinite minus cosine");
        gap(&name, LOW, COSINE, metric)
    };
    let high =
        "all domains after the last, cosine minus infinite with its plateau at 0.55 of the peak";
    vec![
        saved(SECOND).at_least(0.05),
        saved(EARLIER).at_least(0.05).headline(),
        gap(high, COSINE, HIGH, "main").at_least(0.0).headline(),
        lost(NEWEST).at_most(0.02),
        lost(SAME).at_most(0.02),
    ]
}
