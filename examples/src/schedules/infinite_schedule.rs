//! A schedule without a horizon against a cosine that is re-warmed for each domain of text.
//!
//! A character model meets one domain after another. The baseline trains each with a warm-up and a
//! cosine of its own, from the decayed model before. The method trains a trunk on `Infinite`, which
//! stays at its plateau, and anneals a copy of the trunk's checkpoint after each domain:
//! `LrSchedule::anneal` is the scheduler of the copy.

use anyhow::Result;
use regimen_schedules::{Infinite, LrSchedule, Rewarmed, Stage};

use super::stream::{State, Stream};
use crate::experiment::differences;
use crate::experiment::{Better, Check, Context, DataKind, Domain, PaperEffect, System, Trial};

/// The experiment.
pub const SYSTEM: System = System {
    name: "infinite-schedule",
    number: 9,
    krate: "regimen-schedules",
    paper: "Beyond Cosine Decay: On the effectiveness of Infinite Learning Rate Schedule for Continual Pre-training (arXiv 2503.02844)",
    claim: "Over successive domains of text, an infinite schedule forgets the earlier ones less than a repeated cosine and learns the newest as well, though its trunk is trained on 85 % of the updates",
    metric: "mean validation loss over all domains after the last one",
    unit: "nats",
    better: Better::Lower,
    baseline: COSINE,
    method: LOW,
    rule: "holds if, in the mean over seeds, for the plateau at a quarter of the peak: cosine minus infinite is at least 0.05 on the first domain after the second, and on the earlier domains after the last; and infinite minus cosine is at most 0.02 on the newest domain after the last, and on one domain that comes again and again",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 3,
    source: "examples/src/schedules/infinite_schedule.rs",
    data: DataKind::Domains(DOMAINS),
    curve: "domains seen / validation loss on the first",
    run,
    judge,
};

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
struct Job {
    stream: Stream,
    updates: usize,
    /// The trunk's clock starts anew with each domain: it is re-warmed.
    fault: bool,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let stream = Stream::new(context, seed, DOMAINS)?;
    let order: Vec<usize> = (0..stream.len()).collect();
    let job = Job {
        stream,
        updates: match context {
            Context { full: true, .. } => 20_000,
            Context { small: true, .. } => 300,
            _ => 2_000,
        },
        fault: context.fault,
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

impl Job {
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
            if self.fault {
                rate = LrSchedule::new(schedule);
            }
            let part = 2 * part as u64;
            let batches = self.stream.batches(*domain, trunk, part);
            state = state.trained(&batches, &mut rate)?;
            // The checkpoint at the plateau: a copy anneals, the trunk goes on from here.
            let mut branch = rate.anneal(self.updates - trunk, END)?;
            let batches = self.stream.batches(*domain, self.updates - trunk, part + 1);
            finished.push(state.clone().trained(&batches, &mut branch)?);
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
    let saved = |metric| differences(trials, COSINE, LOW, metric);
    let lost = |metric| differences(trials, LOW, COSINE, metric);
    vec![
        Check::at_least(
            "first domain after the second, cosine minus infinite, at least 0.05 nats",
            saved(SECOND),
            0.05,
        ),
        Check::at_least(
            "earlier domains after the last, cosine minus infinite, at least 0.05 nats",
            saved(EARLIER),
            0.05,
        ),
        Check::at_most(
            "newest domain after the last, infinite minus cosine, at most 0.02 nats",
            lost(NEWEST),
            0.02,
        ),
        Check::at_most(
            "one domain again and again, infinite minus cosine, at most 0.02 nats",
            lost(SAME),
            0.02,
        ),
    ]
}
