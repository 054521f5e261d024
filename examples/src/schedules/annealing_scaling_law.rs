//! The whole validation curve under five schedules, predicted from the curves of two others.
//!
//! A character model of prose is trained with Adam by each of seven schedules. The annealing law is fitted to the constant rate
//! and the cosine; it predicts every measured loss of the other five. The same power law without the annealing term is the
//! baseline.

use std::sync::Arc;

use anyhow::Result;
use regimen_schedules::forecast::law::{
    AnnealingFit, AnnealingFitConfig, AnnealingLaw, AreaPoint, Areas, LossCurve,
};
use regimen_schedules::{
    AnySchedule, Constant, Cosine, Curve, Linear, LrSchedule, PiecewiseConstant, ScheduleExt, Wsd,
};
use regimen_tensor::stats::mean;

use crate::data::{Text, TextBatch, TextLoader};
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences, values,
};
use crate::models::CharWindowConfig;
use crate::optim::adam;
use crate::train::{batch_loss, fit_watched};

/// The experiment.
pub const SYSTEM: System = System {
    name: "annealing-scaling-law",
    number: 4,
    krate: "regimen-schedules",
    paper: "Scaling Law with Learning Rate Annealing (arXiv 2408.11029)",
    paper_figure: "Fitted to a constant rate and a cosine, the law predicts unseen schedules (multi-step, WSD, cyclic, re-warmed) with a mean error of a few tenths of a percent",
    claim: "The annealing law, fitted to the curves of a constant rate and a cosine, predicts the whole validation curves of five other schedules, and with smaller errors than the power law without its annealing term",
    metric: "mean error of the predicted curve over five unseen schedules",
    unit: "%",
    better: Better::Lower,
    baseline: "power law of the rates' sum",
    method: "annealing law",
    seeds: 0..4,
    source: file!(),
    data: DataKind::Text,
    curve: "updates / validation loss, nats",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: NO_SUM,
        does: "The annealing area is its momentum at the time, without the sum over all updates so far",
        turns: &["curve of linear"],
    },
    Fault {
        name: WRONG_SIGN,
        does: "The differences of the rates have the wrong sign, so that falling rates raise the loss",
        turns: &["curve of linear", "without the annealing term"],
    },
];

const NO_SUM: &str = "no-sum-of-momenta";
const WRONG_SIGN: &str = "wrong-sign";

const WINDOW: usize = 8;
const BATCH: usize = 64;
const PEAK: f64 = 4e-3;

/// Updates between two losses.
const EVERY: usize = 20;

/// The schedules that are fitted; the others are predicted.
const FITTED: [&str; 2] = ["constant", "cosine"];
const UNSEEN: [&str; 5] = [
    "WSD 20 %",
    "WSD 10 %",
    "linear",
    "two steps",
    "cosine to 10 %",
];

/// The schedules in the picture.
const SHOWN: [&str; 2] = ["WSD 20 %", "two steps"];

/// The size of a run. Shorter runs forget faster: `(1 - memory) updates` is 20, as at 4,000 updates and 0.995.
struct Job {
    seed: u64,
    updates: usize,
    train: Arc<Text>,
    valid: TextBatch,
    context: Context,
}

impl Job {
    fn new(context: &Context, seed: u64) -> Result<Self> {
        let (updates, windows) = match context {
            Context { full: true, .. } => (4_000, 8_192),
            Context { small: true, .. } => (800, 2_048),
            _ => (2_000, 2_048),
        };
        let (train, valid) = context.text()?.split(0.9);
        Ok(Self {
            seed,
            updates,
            train: Arc::new(train),
            valid: valid.even(windows, WINDOW, &context.device.clone().inner()),
            context: context.clone(),
        })
    }

    /// A fortieth of the run.
    fn warmup(&self) -> usize {
        self.updates / 40
    }

    fn memory(&self) -> f64 {
        1.0 - 20.0 / self.updates as f64
    }

    fn schedule(&self, name: &str) -> Result<AnySchedule> {
        let (updates, warmup) = (self.updates, self.warmup());
        let left = updates - warmup;
        let wsd = |cooldown| -> Result<AnySchedule> {
            let rate = Wsd::new(PEAK, warmup, left - cooldown, cooldown)?;
            Ok(rate.with_curve(Curve::Linear)?.into())
        };
        Ok(match name {
            "constant" => Constant::new(PEAK)?.warmed_up(warmup)?.into(),
            "cosine" => Cosine::new(PEAK, left)?.warmed_up(warmup)?.into(),
            "WSD 20 %" => wsd(updates / 5)?,
            "WSD 10 %" => wsd(updates / 10)?,
            "linear" => Linear::new(PEAK, left)?.warmed_up(warmup)?.into(),
            "two steps" => {
                let drops = [2, 3].map(|quarters| quarters * updates / 4 - warmup);
                let values = [1.0, 0.3, 0.1].map(|share| share * PEAK);
                let steps = PiecewiseConstant::new(drops.to_vec(), values.to_vec())?;
                steps.warmed_up(warmup)?.into()
            }
            _ => {
                let cosine = Cosine::new(PEAK, left)?.with_end(0.1 * PEAK)?;
                cosine.warmed_up(warmup)?.into()
            }
        })
    }

    /// Trains by a schedule, and measures after each [`EVERY`] updates once a tenth of the run is over.
    fn measure(&self, name: &str) -> Result<LossCurve> {
        let (rate, device) = (self.schedule(name)?, &self.context.device);
        device.seed(self.seed);
        let model = CharWindowConfig::new().init(device);
        let text = self.train.clone();
        let loader = TextLoader::new(text, self.updates, BATCH, WINDOW, self.seed, device);
        let mut optim = adam(0.95);
        let mut scheduler = LrSchedule::new(rate.clone());
        let mut points = Vec::new();
        fit_watched(
            model,
            &loader,
            &mut optim,
            &mut scheduler,
            1,
            |done, model| {
                if done % EVERY == 0 && done >= self.updates / 10 {
                    points.push((done, batch_loss(model, self.valid.clone())));
                }
            },
        )?;
        Ok(LossCurve::new(&rate, self.updates, points)?.with_warmup(self.warmup())?)
    }

    /// The measured losses of a run with the areas of its rates.
    fn areas(&self, curve: &LossCurve) -> Result<Vec<AreaPoint>> {
        let mut points = curve.areas(self.memory())?;
        if self.context.is_broken_by(WRONG_SIGN) {
            for point in &mut points {
                point.annealing = -point.annealing;
            }
        }
        if self.context.is_broken_by(NO_SUM) {
            let whole = Areas::of(curve.rates(), curve.warmup(), self.memory())?;
            for (point, (done, _)) in points.iter_mut().zip(curve.points()) {
                point.annealing -= whole.annealing[done - 2];
            }
        }
        Ok(points)
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let job = Job::new(context, seed)?;
    let mut fitted = Vec::new();
    for name in FITTED {
        let curve = job.measure(name)?;
        fitted.push((name, job.areas(&curve)?, curve));
    }
    let points: Vec<AreaPoint> = fitted
        .iter()
        .flat_map(|(_, areas, _)| areas.clone())
        .collect();
    let config = AnnealingFitConfig::new().with_memory(job.memory());
    let law = config.fit_points(&points)?;
    let plain = config.with_annealing(false).fit_points(&points)?;
    let laws = [(SYSTEM.method, &law), (SYSTEM.baseline, &plain)];
    let mut errors = [const { Vec::new() }; 2];
    for (name, areas, curve) in fitted {
        record(&mut trial, laws, name, &areas, &curve);
    }
    for name in UNSEEN {
        let curve = job.measure(name)?;
        let found = record(&mut trial, laws, name, &job.areas(&curve)?, &curve);
        errors
            .iter_mut()
            .zip(found)
            .for_each(|(all, one)| all.push(one));
    }
    for ((arm, fit), errors) in laws.into_iter().zip(errors) {
        trial.record(arm, "main", mean(&errors));
        parameters(&mut trial, arm, fit);
    }
    let best = law.law.best_cooldown(PEAK, job.updates, job.warmup())?;
    trial.record(
        SYSTEM.method,
        "cool-down of its choice, %",
        best.percent as f64,
    );
    Ok(trial)
}

/// Notes how far each law's curve is from the measured one, and returns the means over the curve, in percent.
fn record(
    trial: &mut Trial,
    laws: [(&str, &AnnealingFit); 2],
    name: &str,
    areas: &[AreaPoint],
    curve: &LossCurve,
) -> [f64; 2] {
    let points = curve.points();
    let last = areas.last().map_or(f64::NAN, |at| at.loss);
    trial.record(name, "last loss", last);
    laws.map(|(arm, fit)| {
        let loss = |law: AnnealingLaw, at: &AreaPoint| law.loss(at.forward, at.annealing);
        let predicted: Vec<f64> = areas.iter().map(|at| loss(fit.law, at)).collect();
        let pairs = predicted.iter().zip(areas);
        let errors: Vec<f64> = pairs
            .map(|(found, at)| 100.0 * (found - at.loss).abs() / at.loss)
            .collect();
        let error = mean(&errors);
        trial.record(arm, &format!("error, {name}"), error);
        let end = predicted.last().map_or(f64::NAN, |found| found - last);
        trial.record(
            arm,
            &format!("last loss, predicted minus measured, {name}"),
            end,
        );
        if arm == SYSTEM.method && SHOWN.contains(&name) {
            let done = || points.iter().map(|(done, _)| *done as f64);
            let measured = points.iter().map(|(_, loss)| *loss);
            trial.curve(&format!("{name}, measured"), done().zip(measured).collect());
            trial.curve(
                &format!("{name}, predicted"),
                done().zip(predicted).collect(),
            );
        }
        error
    })
}

/// Notes what was fitted, and the confidence of it.
fn parameters(trial: &mut Trial, arm: &str, fit: &AnnealingFit) {
    let law = fit.law;
    for (name, value) in [
        ("L0", law.floor),
        ("A", law.scale),
        ("alpha", law.exponent),
        ("C", law.gain),
        ("starts that agree", fit.quality.agreeing.0 as f64),
    ] {
        trial.record(arm, name, value);
    }
    for (name, error) in ["L0", "A", "alpha", "C"]
        .iter()
        .zip(&fit.quality.standard_errors)
    {
        trial.record(arm, &format!("standard error of {name}"), *error);
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let error = |name: &&str| {
        let errors = values(trials, SYSTEM.method, &format!("error, {name}"));
        let quantity = format!("mean error over the curve of {name}");
        Quantity::new(quantity, "%", errors).at_most(0.6).headline()
    };
    let mut checks: Vec<Check> = UNSEEN.iter().map(error).collect();
    let gain = differences(trials, SYSTEM.baseline, SYSTEM.method, "main");
    checks.push(
        Quantity::new(
            "mean error without the annealing term minus that of the law",
            "points",
            gain,
        )
        .at_least(0.0)
        .headline(),
    );
    checks
}
