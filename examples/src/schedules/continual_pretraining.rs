//! Re-warming, re-decaying and a little replay against training again on everything.
//!
//! A character model is trained on one domain of text and then on another. `Rewarmed` warms the
//! rate up and decays it again for the second; `Replay` says how many samples of each batch come
//! from the first. Training on both from scratch costs twice the updates.

use anyhow::Result;
use regimen_schedules::{Constant, LrSchedule, Replay, Rewarmed, Stage};

use super::stream::{State, Stream};
use crate::experiment::differences;
use crate::experiment::{Better, Check, Context, DataKind, Domain, PaperEffect, System, Trial};

/// The experiment.
pub const SYSTEM: System = System {
    name: "continual-pretraining",
    number: 40,
    krate: "regimen-schedules",
    paper: "Simple and Scalable Strategies to Continually Pre-train Large Language Models (arXiv 2403.08763)",
    claim: "Re-warming and re-decaying the rate learns a new domain better than going on at the least rate; replaying 5 % of old data undoes a quarter of the forgetting at hardly any cost, and 25 % comes near training on both from scratch at half the updates",
    metric: "mean validation loss over the old and the new domain",
    unit: "nats",
    better: Better::Lower,
    baseline: UNION,
    method: "re-warmed, 25 % replay",
    rule: "holds if, in the mean over seeds: on the new domain, no re-warming minus re-warming is at least 0.05; 5 % of replay undoes at least a quarter of the old domain's rise without replay and costs at most 0.03 on the new one; and 25 % of replay is at most 0.05 worse in the mean of both domains than training on both from scratch",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 3,
    source: "examples/src/schedules/continual_pretraining.rs",
    data: DataKind::Domains(DOMAINS),
    curve: "fraction of replay / validation loss",
    run,
    judge,
};

/// The old one, and the new one.
const DOMAINS: &[Domain] = &[Domain::Documentation, Domain::Code];

const UNION: &str = "both from scratch";
const COLD: &str = "not re-warmed";

/// One sample a batch, only in the large size.
const ONE_IN_64: f64 = 1.0 / 64.0;

/// Replayed fractions, with the arm of each.
const REPLAYED: [(f64, &str); 5] = [
    (0.0, "re-warmed, no replay"),
    (ONE_IN_64, "re-warmed, 1.6 % replay"),
    (0.05, "re-warmed, 5 % replay"),
    (0.25, "re-warmed, 25 % replay"),
    (0.5, "re-warmed, 50 % replay"),
];

const PEAK: f64 = 6e-3;
const END: f64 = 6e-4;

/// The first of two domains, and the second.
const OLD: usize = 0;
const NEW: usize = 1;

struct Job {
    stream: Stream,
    /// Of each domain.
    updates: usize,
    full: bool,
    /// Fractions are rounded down to whole batches: nothing is replayed.
    fault: bool,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let job = Job {
        stream: Stream::new(context, seed, DOMAINS)?,
        updates: match context {
            Context { full: true, .. } => 30_000,
            Context { small: true, .. } => 800,
            _ => 3_000,
        },
        full: context.full,
        fault: context.fault,
    };
    let mut trial = Trial::new(seed);
    let base = job.first()?;
    job.record(&mut trial, "old only", &base.0);
    job.replayed(&mut trial, &base)?;
    job.others(&mut trial, &base)?;
    Ok(trial)
}

/// A model after the first domain, and the scheduler of the whole run.
type Base = (State, LrSchedule<Rewarmed>);

impl Job {
    fn stage(&self, peak: f64, steps: usize) -> Stage {
        let warmup = steps / 100;
        Stage {
            peak,
            steps,
            warmup,
        }
    }

    /// Trains on the old domain.
    fn first(&self) -> Result<Base> {
        let stage = self.stage(PEAK, self.updates);
        let mut rate = LrSchedule::new(Rewarmed::new(END, vec![stage, stage])?);
        let batches = self.stream.batches(OLD, self.updates, 0);
        Ok((self.stream.start().trained(&batches, &mut rate)?, rate))
    }

    /// Goes on with the new domain, re-warmed, at each fraction of replay.
    fn replayed(&self, trial: &mut Trial, (state, rate): &Base) -> Result<()> {
        let mut curves = [const { Vec::new() }; 3];
        for (fraction, arm) in REPLAYED {
            if fraction == ONE_IN_64 && !self.full {
                continue;
            }
            let used = if self.fault {
                fraction.floor()
            } else {
                fraction
            };
            let batches = self.stream.mixed((NEW, OLD), used, self.updates, 1)?;
            let model = state.clone().trained(&batches, &mut rate.clone())?;
            let losses = self.record(trial, arm, &model);
            let count = Replay::new(used, Stream::BATCH)?.old_in(self.updates);
            trial.record(arm, "replayed samples", count as f64);
            for (curve, loss) in curves.iter_mut().zip(losses) {
                curve.push((fraction, loss));
            }
        }
        for (name, curve) in ["old domain", "new domain", "mean"].into_iter().zip(curves) {
            trial.curve(name, curve);
        }
        Ok(())
    }

    /// What the recipe is compared with.
    fn others(&self, trial: &mut Trial, (base, rate): &Base) -> Result<()> {
        let updates = self.updates;
        let new = self.stream.batches(NEW, updates, 1);
        let scratch = || self.stream.start();
        let one = |peak, steps| -> Result<LrSchedule<_>> {
            let stage = self.stage(peak, steps);
            Ok(LrSchedule::new(Rewarmed::new(END, vec![stage])?))
        };

        let mut cold = LrSchedule::new(Constant::new(END)?);
        let model = base.clone().trained(&new, &mut cold)?;
        self.record(trial, COLD, &model);
        let model = base.clone().trained(&new, &mut one(PEAK / 2.0, updates)?)?;
        self.record(trial, "re-warmed to half, no replay", &model);
        let model = scratch().trained(&new, &mut one(PEAK, updates)?)?;
        self.record(trial, "new from scratch", &model);
        let both = self.stream.mixed((NEW, OLD), 0.5, 2 * updates, 1)?;
        let model = scratch().trained(&both, &mut one(PEAK, 2 * updates)?)?;
        self.record(trial, UNION, &model);

        let quarter = self.stream.mixed((NEW, OLD), 0.25, updates, 1)?;
        let model = base
            .clone()
            .forgotten()
            .trained(&quarter, &mut rate.clone())?;
        self.record(trial, "re-warmed, 25 % replay, new optimizer", &model);

        // Re-warming alone: the old domain itself, two hundredths of its updates later.
        let start = self.stream.batches(OLD, updates / 50, 1);
        let model = base.clone().trained(&start, &mut rate.clone())?;
        self.record(trial, "old again, re-warmed, soon after", &model);
        Ok(())
    }

    /// The losses on the old domain, on the new one, and their mean.
    fn record(&self, trial: &mut Trial, arm: &str, state: &State) -> [f64; 3] {
        let [old, new] = [OLD, NEW].map(|domain| self.stream.loss(state, domain));
        let both = (old + new) / 2.0;
        trial.record(arm, "old domain", old);
        trial.record(arm, "new domain", new);
        trial.record(arm, "main", both);
        [old, new, both]
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let [(_, none), _, (_, few), (_, quarter), _] = REPLAYED;
    let rise = |arm| differences(trials, arm, "old only", "old domain");
    let undone = rise(few).into_iter().zip(rise(none));
    vec![
        Check::at_least(
            "new domain, not re-warmed minus re-warmed, at least 0.05 nats",
            differences(trials, COLD, none, "new domain"),
            0.05,
        ),
        Check::at_least(
            "forgetting undone by 5 % replay, at least 0.25",
            undone.map(|(few, none)| 1.0 - few / none).collect(),
            0.25,
        ),
        Check::at_most(
            "new domain, 5 % replay minus none, at most 0.03 nats",
            differences(trials, few, none, "new domain"),
            0.03,
        ),
        Check::at_most(
            "mean of both, 25 % replay minus both from scratch, at most 0.05 nats",
            differences(trials, quarter, UNION, "main"),
            0.05,
        ),
    ]
}
