//! Re-warming, re-decaying and a little replay against training again on everything.
//!
//! A character model is trained on one domain of text and then on another. `Rewarmed` warms the
//! rate up and decays it again for the second; `Replay` says how many samples of each batch come
//! from the first. Training on both from scratch costs twice the updates.

use anyhow::Result;
use regimen_curriculum::Replay;
use regimen_schedules::{Constant, LrSchedule, Rewarmed, Stage};

use super::stream::{State, Stream};
use crate::experiment::differences;
use crate::experiment::{Better, Check, Context, DataKind, Domain, PaperEffect, System, Trial};

/// The experiment.
pub const SYSTEM: System = System {
    name: "continual-pretraining",
    number: 40,
    krate: "regimen-schedules",
    paper: "Simple and Scalable Strategies to Continually Pre-train Large Language Models (arXiv 2403.08763)",
    claim: "From prose to verse, re-warming and re-decaying the rate learns the new domain better than going on at the least rate; replaying 5 % of old data undoes a quarter of the forgetting at hardly any cost, and 25 % comes near training on both from scratch at half the updates. From prose to code, a stronger shift, 5 % does the same, but 25 % stays behind",
    metric: "mean validation loss over prose and verse",
    unit: "nats",
    better: Better::Lower,
    baseline: UNION,
    method: QUARTER,
    rule: "holds if, in the mean over seeds: on the new domain, no re-warming minus re-warming is at least 0.05; 5 % of replay undoes at least a quarter of the old domain's rise without replay and costs at most 0.03 on the new one, after both shifts; and after the weak shift 25 % of replay is at most 0.05 worse in the mean of both domains than training on both from scratch",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 3,
    source: "examples/src/schedules/continual_pretraining.rs",
    data: DataKind::Domains(DOMAINS),
    curve: "fraction of replay / validation loss",
    run,
    judge,
};

/// The old one, and two new ones: a weak and a strong shift.
const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Verse, Domain::Code];
const OLD: usize = 0;
const WEAK: usize = 1;
const STRONG: usize = 2;

const BASE: &str = "old only";
const UNION: &str = "both from scratch";
const COLD: &str = "not re-warmed";
const NONE: &str = "re-warmed, no replay";
const FEW: &str = "re-warmed, 5 % replay";
const QUARTER: &str = "re-warmed, 25 % replay";

/// Replayed fractions, with the arm of each.
const REPLAYED: [(f64, &str); 3] = [(0.0, NONE), (0.05, FEW), (0.25, QUARTER)];

/// More of them for the large size; the first is one sample a batch.
const MORE: [(f64, &str); 2] = [
    (1.0 / 64.0, "re-warmed, 1.6 % replay"),
    (0.5, "re-warmed, 50 % replay"),
];

const PEAK: f64 = 6e-3;
const END: f64 = 6e-4;

struct Job {
    stream: Stream,
    /// Of each domain.
    updates: usize,
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
        fault: context.fault,
    };
    let mut trial = Trial::new(seed);
    let base = job.first()?;
    let shifts = WEAK..job.stream.len();
    for new in shifts {
        job.record(&mut trial, BASE, &base.0, new);
        job.replayed(&mut trial, &base, new, &REPLAYED)?;
        job.compared(&mut trial, &base, new)?;
    }
    if context.full {
        job.replayed(&mut trial, &base, WEAK, &MORE)?;
        job.variants(&mut trial, &base)?;
    }
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

    /// Goes on with a new domain, re-warmed, at each fraction of replay.
    fn replayed(
        &self,
        trial: &mut Trial,
        (state, rate): &Base,
        new: usize,
        fractions: &[(f64, &str)],
    ) -> Result<()> {
        let mut curves = [const { Vec::new() }; 3];
        for (fraction, arm) in fractions {
            let used = if self.fault {
                fraction.floor()
            } else {
                *fraction
            };
            let batches = self.stream.mixed((new, OLD), used, self.updates, 1)?;
            let model = state.clone().trained(&batches, &mut rate.clone())?;
            let losses = self.record(trial, arm, &model, new);
            let count = Replay::new(used, Stream::BATCH)?.old_in(self.updates);
            trial.record(&named(arm, new), "replayed samples", count as f64);
            for (curve, loss) in curves.iter_mut().zip(losses) {
                curve.push((*fraction, loss));
            }
        }
        if fractions == REPLAYED {
            for (name, curve) in ["old domain", "new domain", "mean"].into_iter().zip(curves) {
                trial.curve(&named(name, new), curve);
            }
        }
        Ok(())
    }

    /// A cosine of its own, with its warm-up.
    fn once(&self, peak: f64, steps: usize) -> Result<LrSchedule<Rewarmed>> {
        Ok(LrSchedule::new(Rewarmed::new(
            END,
            vec![self.stage(peak, steps)],
        )?))
    }

    /// What the recipe is compared with.
    fn compared(&self, trial: &mut Trial, (base, rate): &Base, new: usize) -> Result<()> {
        let updates = self.updates;
        let both = self.stream.mixed((new, OLD), 0.5, 2 * updates, 1)?;
        let start = self.stream.start();
        let model = start.trained(&both, &mut self.once(PEAK, 2 * updates)?)?;
        self.record(trial, UNION, &model, new);
        if new == WEAK {
            let mut cold = LrSchedule::new(Constant::new(END)?);
            let batches = self.stream.batches(new, updates, 1);
            let model = base.clone().trained(&batches, &mut cold)?;
            self.record(trial, COLD, &model, new);
            // Re-warming alone: the old domain itself, two hundredths of its updates later.
            let batches = self.stream.batches(OLD, updates / 50, 1);
            let model = base.clone().trained(&batches, &mut rate.clone())?;
            self.record(trial, "old again, re-warmed, soon after", &model, new);
        }
        Ok(())
    }

    /// Other ways to go on, for the large size.
    fn variants(&self, trial: &mut Trial, (base, rate): &Base) -> Result<()> {
        let updates = self.updates;
        let new = self.stream.batches(WEAK, updates, 1);
        let model = base
            .clone()
            .trained(&new, &mut self.once(PEAK / 2.0, updates)?)?;
        self.record(trial, "re-warmed to half, no replay", &model, WEAK);
        let start = self.stream.start();
        let model = start.trained(&new, &mut self.once(PEAK, updates)?)?;
        self.record(trial, "new from scratch", &model, WEAK);
        let quarter = self.stream.mixed((WEAK, OLD), 0.25, updates, 1)?;
        let model = base
            .clone()
            .forgotten()
            .trained(&quarter, &mut rate.clone())?;
        self.record(trial, "re-warmed, 25 % replay, new optimizer", &model, WEAK);
        Ok(())
    }

    /// The losses on the old domain, on a new one, and their mean.
    fn record(&self, trial: &mut Trial, arm: &str, state: &State, new: usize) -> [f64; 3] {
        let [first, second] = [OLD, new].map(|domain| self.stream.loss(state, domain));
        let (arm, both) = (named(arm, new), (first + second) / 2.0);
        trial.record(&arm, "old domain", first);
        trial.record(&arm, "new domain", second);
        trial.record(&arm, "main", both);
        [first, second, both]
    }
}

/// An arm's name after the shift to a domain.
fn named(arm: &str, new: usize) -> String {
    if new == STRONG {
        format!("strong shift: {arm}")
    } else {
        arm.to_owned()
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let mut checks = vec![
        Check::at_least(
            "new domain, not re-warmed minus re-warmed, at least 0.05 nats",
            differences(trials, COLD, NONE, "new domain"),
            0.05,
        ),
        Check::at_most(
            "mean of both, 25 % replay minus both from scratch, at most 0.05 nats",
            differences(trials, QUARTER, UNION, "main"),
            0.05,
        ),
    ];
    checks.extend(few(trials, WEAK));
    // A folder of two texts has one shift.
    let strong = named(FEW, STRONG);
    if trials.iter().any(|trial| trial.arms.contains_key(&strong)) {
        checks.extend(few(trials, STRONG));
    }
    checks
}

/// What a little replay does after a shift.
fn few(trials: &[Trial], new: usize) -> [Check; 2] {
    let [base, none, few] = [BASE, NONE, FEW].map(|arm| named(arm, new));
    let rise = |arm| differences(trials, arm, &base, "old domain");
    let undone = rise(&few).into_iter().zip(rise(&none));
    [
        Check::at_least(
            &named("forgetting undone by 5 % replay, at least 0.25", new),
            undone.map(|(few, none)| 1.0 - few / none).collect(),
            0.25,
        ),
        Check::at_most(
            &named("new domain, 5 % replay minus none, at most 0.03 nats", new),
            differences(trials, &few, &none, "new domain"),
            0.03,
        ),
    ]
}
