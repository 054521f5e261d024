//! GraNet against dynamic and static sparse training at 99 % sparsity.
//!
//! How a user's model joins in: it carries a `Pruner`, and `TrainStep::optimize` is one call to it.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_pruning::{
    Fixed, GraNetConfig, Layout, MagnitudeConfig, Masks, Pruner, RigLConfig, SetConfig,
};
use regimen_schedules::{LrSchedule, Schedule};

use crate::data::{ImageBatch, ImageBatcher, Images};
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};
use crate::models::{Mlp, MlpConfig};
use crate::train::{accuracy, classify, fit};

/// A network that is pruned as it trains.
#[derive(Module, Debug)]
struct Pruned {
    net: Mlp,
    #[module(skip)]
    pruner: Pruner,
}

impl TrainStep for Pruned {
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
        self.pruner.clone().optimize(self, optim, lr, grads)
    }
}

/// The experiment.
pub const SYSTEM: System = System {
    name: "granet",
    number: 30,
    krate: "regimen-pruning",
    paper: "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration (arXiv 2106.10404)",
    claim: "At 99 % sparsity GraNet beats RigL, which beats SET, which beats static ERK, which beats a static uniform mask; gradual pruning alone ties with GraNet at this size",
    metric: "test accuracy of a perceptron at 99 % sparsity",
    unit: "%",
    better: Better::Higher,
    baseline: "rigl",
    method: "granet",
    rule: "holds if, in the mean over seeds: granet minus rigl is at least 0.5; rigl minus set at least 5; set minus erk at least 20; erk minus uniform at least 15; every sparse arm ends at exactly the target number of weights; and GraNet regrew at least as many weights as remain at its end",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 6,
    source: "examples/src/pruning/granet.rs",
    data: DataKind::Images,
    curve: "share of training / sparsity",
    run,
    judge,
};

const SPARSITY: f64 = 0.99;
const BATCH: usize = 32;
const EVERY: usize = 20;
const SPARSE: [&str; 7] = [
    "uniform",
    "erk",
    "set",
    "rigl",
    "gmp",
    "granet",
    "granet dense",
];

/// The pruner of an arm over a run of `steps`.
fn pruner(arm: &str, net: &Mlp, steps: usize, seed: u64, fault: bool) -> Result<Pruner> {
    let dense = Masks::dense(net)?;
    let mut granet = GraNetConfig::new(SPARSITY, steps)
        .with_update_every(EVERY)
        .with_seed(seed);
    if fault {
        granet = granet.with_swap_start(0.0).with_swap_end(0.0);
    }
    let random = |layout| Masks::dense(net)?.random(layout, 1.0 - SPARSITY, seed);
    Ok(match arm {
        "uniform" => Fixed::init(random(Layout::Uniform)?),
        "erk" => Fixed::init(random(Layout::Erk)?),
        "set" => SetConfig::new(SPARSITY, steps)
            .with_update_every(EVERY)
            .with_seed(seed)
            .init(net)?,
        "rigl" => RigLConfig::new(SPARSITY, steps)
            .with_update_every(EVERY)
            .with_seed(seed)
            .init(net)?,
        "gmp" => MagnitudeConfig::new(SPARSITY, steps)
            .with_update_every(EVERY)
            .init(net)?,
        "granet" => granet.with_initial_sparsity(0.5).init(net)?,
        "granet dense" => granet.init(net)?,
        _ => Fixed::init(dense),
    })
}

/// A rate of .1, divided by ten at one half and at three quarters.
#[derive(Clone)]
struct Steps(usize);

impl Schedule for Steps {
    fn at(&self, step: usize) -> f64 {
        let quarter = 4 * step / self.0.max(1);
        [0.1, 0.1, 0.01, 0.001][quarter.min(3)]
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let parts = context.images()?.split_standardised(&[0.5, 0.5]);
    let epochs = if context.full { 160 } else { 40 };
    let mut trial = Trial::new(seed);
    for arm in ["dense"].iter().chain(&SPARSE) {
        train(context, &mut trial, arm, &parts, epochs)?;
    }
    Ok(trial)
}

/// Trains one arm and records its accuracy, what is left of its weights, and what it regrew.
fn train(
    context: &Context,
    trial: &mut Trial,
    arm: &str,
    parts: &[Images],
    epochs: usize,
) -> Result<()> {
    let (device, images) = (&context.device, &parts[0]);
    let steps = epochs * images.labels.len().div_ceil(BATCH);
    device.seed(trial.seed);
    let sizes = vec![images.width * images.height, 256, 256, images.classes];
    let net = MlpConfig::new(sizes).init(device);
    let pruner = pruner(arm, &net, steps, trial.seed, context.fault)?;
    let loader: Arc<dyn DataLoader<ImageBatch>> = DataLoaderBuilder::new(ImageBatcher)
        .batch_size(BATCH)
        .shuffle(trial.seed)
        .set_device(device.clone())
        .build(images.clone());
    let mut optim = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_dampening(0.0)))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let model = Pruned {
        net: pruner.mask(net)?,
        pruner: pruner.clone(),
    };
    let mut rate = LrSchedule::new(Steps(steps));
    let model = fit(model, loader.as_ref(), &mut optim, &mut rate, epochs)?;
    pruner.status()?;
    let net = model.valid().net;
    trial.record(arm, "main", accuracy(&parts[1], device, |x| net.forward(x)));
    let state = pruner.state();
    let target = (state.masks.total() as f64 * (1.0 - SPARSITY) + 1e-6).floor();
    let count = state.masks.count() as f64;
    trial.record(arm, "sparsity", state.masks.sparsity());
    trial.record(arm, "weights off target", (count - target).abs());
    trial.record(
        arm,
        "regrown per remaining weight",
        state.grown as f64 / count,
    );
    if arm.starts_with("granet") || arm == "gmp" {
        let method = GraNetConfig::new(SPARSITY, steps)
            .with_initial_sparsity(if arm == "granet" { 0.5 } else { 0.0 })
            .method()?;
        let point = |i: usize| (i as f64 / 100.0, method.sparsity(i * steps / 100));
        trial.curve(arm, (0..=100).map(point).collect());
    }
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |better, worse| differences(trials, better, worse, "main");
    let off = |trial: &Trial| {
        SPARSE
            .iter()
            .map(|arm| trial.value(arm, "weights off target"))
            .sum()
    };
    vec![
        Check::at_least(
            "granet minus rigl, at least 0.5",
            gap("granet", "rigl"),
            0.5,
        ),
        Check::at_least("rigl minus set, at least 5", gap("rigl", "set"), 5.0),
        Check::at_least("set minus static erk, at least 20", gap("set", "erk"), 20.0),
        Check::at_least(
            "static erk minus uniform, at least 15",
            gap("erk", "uniform"),
            15.0,
        ),
        Check::at_most(
            "weights off the target, over all sparse arms, at most 0",
            trials.iter().map(off).collect(),
            0.0,
        ),
        Check::at_least(
            "weights that GraNet regrew per remaining weight, at least 1",
            values(trials, "granet", "regrown per remaining weight"),
            1.0,
        ),
    ]
}
