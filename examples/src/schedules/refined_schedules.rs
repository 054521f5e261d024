//! Linear decay, and a schedule refined from its gradient norms, against the usual schedules.
//!
//! A character model of prose is trained with SGD by each schedule, at the best of the same peak
//! rates. `GradientNorms` logs the linear run; `RefinedConfig` makes the next schedule of it.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_schedules::refine::{bound, median_filter, weights};
use regimen_schedules::{
    Constant, Cosine, InverseSqrt, Linear, LrSchedule, MultiStep, Norm, Refined, RefinedConfig,
    Scaled, Schedule, ScheduleExt,
};
use regimen_tensor::GradientNorms;
use regimen_tensor::per_example::cross_entropy;

use crate::data::{ImageBatch, ImageBatcher, Text, TextBatch, TextLoader};
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};
use crate::models::{CharWindow, CharWindowConfig, Mlp, MlpConfig};
use crate::train::{classify, fit, mean, predict, text_loss};

/// The experiment.
pub const SYSTEM: System = System {
    name: "refined-schedules",
    number: 3,
    krate: "regimen-schedules",
    paper: "When, Why and How Much? Adaptive Learning Rate Scheduling by Refinement (arXiv 2310.07831)",
    claim: "Linear decay to zero is at least as good as cosine and clearly better than a constant rate; the schedule refined from its gradient norms lowers the theory's bound and stays within noise of it",
    metric: "validation loss of a character model on prose, SGD, best peak rate",
    unit: "nats",
    better: Better::Lower,
    baseline: "cosine",
    method: "linear",
    rule: "holds if, in the mean over seeds: cosine minus linear is at least 0; constant minus linear at least 0.05; refined minus linear at most 0.03; and the bound of the refined weights on the logged norms is at most that of constant weights",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 4,
    source: "examples/src/schedules/refined_schedules.rs",
    data: DataKind::Text,
    curve: "progress / rate relative to its peak",
    run,
    judge,
};

const WINDOW: usize = 8;
const BATCH: usize = 64;

/// A network whose gradient norms are logged as it trains.
#[derive(Module, Debug)]
struct Logged<N: Module> {
    net: N,
    #[module(skip)]
    norms: GradientNorms,
}

impl TrainStep for Logged<CharWindow> {
    type Input = TextBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: TextBatch) -> TrainOutput<ClassificationOutput> {
        predict(self, batch, &self.net)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.norms.observe(&self, &grads);
        optim.step(lr, self, grads)
    }
}

impl TrainStep for Logged<Mlp> {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.norms.observe(&self, &grads);
        optim.step(lr, self, grads)
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    prose(context, &mut trial)?;
    digits(context, &mut trial)?;
    Ok(trial)
}

/// The ranking of schedules on prose.
fn prose(context: &Context, trial: &mut Trial) -> Result<()> {
    let (train, valid) = context.text()?.split(0.9);
    let job = Job {
        context,
        seed: trial.seed,
        train: Arc::new(train),
        valid,
        updates: match context {
            Context { full: true, .. } => 20_000,
            Context { small: true, .. } => 500,
            _ => 2_000,
        },
    };
    let steps = job.updates;
    let drops = [3, 6, 9].map(|tenths| tenths * steps / 10).to_vec();
    job.sweep(trial, "constant", &Constant::new(1.0)?, Job::plain)?;
    job.sweep(
        trial,
        "inverse sqrt",
        &InverseSqrt::new(1.0, 50.0)?,
        Job::plain,
    )?;
    job.sweep(trial, "step", &MultiStep::new(1.0, 0.1, drops)?, Job::plain)?;
    job.sweep(trial, "cosine", &Cosine::new(1.0, steps)?, Job::plain)?;
    let norms = job.sweep(trial, "linear", &Linear::new(1.0, steps)?, Job::logged)?;
    job.sweep(trial, "refined", &refine(context, &norms)?, Job::plain)?;

    let smooth = median_filter(&norms, steps / 10 + 1)?;
    let mut refined = weights(&smooth, Norm::L2)?;
    if context.fault {
        refined.reverse();
    }
    let constant = vec![1.0; steps];
    let ratio = bound(&refined, &norms, 1.0)? / bound(&constant, &norms, 1.0)?;
    trial.record("refined", "bound relative to constant weights", ratio);
    Ok(())
}

/// The schedule that the logged norms ask for; with the fault, its weights run backwards.
fn refine(context: &Context, norms: &[f64]) -> Result<Refined> {
    if context.fault {
        let mut reversed = weights(norms, Norm::L2)?;
        reversed.reverse();
        return Ok(Refined::from_weights(&reversed)?);
    }
    Ok(RefinedConfig::new(Norm::L2).init(norms)?)
}

/// A run's loss and its gradient norms, if they were logged.
type Run = (f64, Vec<f64>);

/// What every schedule trains.
struct Job<'a> {
    context: &'a Context,
    seed: u64,
    train: Arc<Text>,
    valid: Text,
    updates: usize,
}

impl Job<'_> {
    /// Records the best validation loss over the peak rates, each trained by `train`, and returns
    /// that run's norms.
    fn sweep<S: Schedule + Clone>(
        &self,
        trial: &mut Trial,
        arm: &str,
        shape: &S,
        train: fn(&Self, Scaled<S>) -> Result<Run>,
    ) -> Result<Vec<f64>> {
        let peaks: &[f64] = if self.context.full {
            &[0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
        } else {
            &[0.8, 1.6, 3.2]
        };
        let mut best = (f64::INFINITY, 0.0, Vec::new());
        for peak in peaks {
            let (loss, norms) = train(self, shape.clone().scaled(*peak))?;
            if loss < best.0 {
                best = (loss, *peak, norms);
            }
        }
        trial.record(arm, "main", best.0);
        trial.record(arm, "best peak rate", best.1);
        let points = (0..=100).map(|i| {
            (
                f64::from(i) / 100.0,
                shape.at(i as usize * self.updates / 100),
            )
        });
        trial.curve(arm, points.collect());
        Ok(best.2)
    }

    /// The validation loss of a run, without a log.
    fn plain<S: Rate>(&self, rate: S) -> Result<Run> {
        let model = self.train(self.start(), rate)?;
        Ok((self.loss(&model), Vec::new()))
    }

    /// The validation loss of a run, and its gradient norms.
    fn logged<S: Rate>(&self, rate: S) -> Result<Run> {
        let (net, norms) = (self.start(), GradientNorms::new(Norm::L2));
        let model = Logged {
            net,
            norms: norms.clone(),
        };
        let model = self.train(model, rate)?;
        Ok((self.loss(&model.net), norms.norms()?))
    }

    fn start(&self) -> CharWindow {
        self.context.device.seed(self.seed);
        CharWindowConfig::new().init(&self.context.device)
    }

    fn train<M>(&self, model: M, rate: impl Rate) -> Result<M>
    where
        M: TrainStep<Input = TextBatch> + Module,
    {
        let (text, device) = (self.train.clone(), &self.context.device);
        let loader = TextLoader::new(text, self.updates, BATCH, WINDOW, self.seed, device);
        let mut optim = SgdConfig::new().init();
        fit(model, &loader, &mut optim, &mut LrSchedule::new(rate), 1)
    }

    fn loss(&self, model: &CharWindow) -> f64 {
        text_loss(model, &self.valid, WINDOW, &self.context.device)
    }
}

/// What can be a learning rate.
trait Rate: Schedule + Clone + Send + Sync + 'static {}

impl<S: Schedule + Clone + Send + Sync + 'static> Rate for S {}

/// Where refinement is no help: a network that memorises a small set, so that its norms collapse.
fn digits(context: &Context, trial: &mut Trial) -> Result<()> {
    let images = crate::data::Images::digits()?;
    let steps = 2000;
    let train = |rate: Box<dyn Schedule + Send + Sync>| -> Result<Run> {
        context.device.seed(trial.seed);
        let norms = GradientNorms::new(Norm::L2);
        let model = Logged {
            net: MlpConfig::new(vec![64, 64, 10]).init(&context.device),
            norms: norms.clone(),
        };
        let loader: Arc<dyn DataLoader<ImageBatch>> = DataLoaderBuilder::new(ImageBatcher)
            .batch_size(16)
            .shuffle(trial.seed)
            .set_device(context.device.clone())
            .build(images.clone());
        let mut optim = SgdConfig::new().init();
        let epochs = steps * 16 / images.labels.len();
        let mut rate = LrSchedule::new(Arc::<dyn Schedule + Send + Sync>::from(rate));
        let model = fit(model, loader.as_ref(), &mut optim, &mut rate, epochs)?.valid();
        let all = images.batch(&context.device.clone().inner());
        Ok((
            mean(cross_entropy(model.net.forward(all.images), all.labels)),
            norms.norms()?,
        ))
    };
    let (constant, _) = train(Box::new(Constant::new(0.5)?))?;
    let (linear, norms) = train(Box::new(Linear::new(0.5, steps)?))?;
    let next = refine(context, &norms)?.with_peak(0.5)?;
    let peak = next.peak_position();
    let (refined, _) = train(Box::new(next))?;
    for (arm, loss) in [
        ("constant", constant),
        ("linear", linear),
        ("refined", refined),
    ] {
        trial.record(arm, "training loss on memorised digits", loss);
    }
    trial.record("refined", "peak position on memorised digits", peak);
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse, better| differences(trials, worse, better, "main");
    let ratio = values(trials, "refined", "bound relative to constant weights");
    vec![
        Check::at_least(
            "cosine minus linear, at least 0 nats",
            gap("cosine", "linear"),
            0.0,
        ),
        Check::at_least(
            "constant minus linear, at least 0.05 nats",
            gap("constant", "linear"),
            0.05,
        ),
        Check::at_most(
            "refined minus linear, at most 0.03 nats",
            gap("refined", "linear"),
            0.03,
        ),
        Check::at_most(
            "bound of refined over constant weights, at most 1",
            ratio,
            1.0,
        ),
    ]
}
