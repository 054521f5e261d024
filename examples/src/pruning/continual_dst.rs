//! One sparse topology a task over shared weights: nothing is forgotten, and growth decides what is learned.
//!
//! How a user's model joins in: it carries a `PerTask`, and `TrainStep::optimize` is one call to it.

use anyhow::Result;
use burn::data::dataloader::DataLoaderBuilder;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_pruning::{AccuracyMatrix, GrowthRule, Layout, PerTask, PerTaskConfig};
use regimen_schedules::{Constant, LrSchedule};

use crate::data::{ImageBatch, ImageBatcher, Images};
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};
use crate::models::{Mlp, MlpConfig};
use crate::train::{accuracy, classify, fit};

/// A network with two outputs a task, and the topologies of its tasks.
#[derive(Module, Debug)]
struct Learner {
    net: Mlp,
    #[module(skip)]
    tasks: PerTask,
    #[module(skip)]
    task: usize,
}

impl Learner {
    /// The logits of the present task's two outputs.
    fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        outputs(&self.net, self.task, images)
    }
}

fn outputs(net: &Mlp, task: usize, images: Tensor<2>) -> Tensor<2> {
    net.forward(images).narrow(1, 2 * task, 2)
}

impl TrainStep for Learner {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, Learner::forward)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.tasks.clone().optimize(self, optim, lr, grads)
    }
}

/// The experiment.
pub const SYSTEM: System = System {
    name: "continual-dst",
    number: 33,
    krate: "regimen-pruning",
    paper: "Continual Learning with Dynamic Sparse Training: Exploring Algorithms for Effective Model Updates (arXiv 2308.14831)",
    claim: "Ten tasks in one network, each under its own sparse topology over shared weights that freeze once used, are remembered exactly; at a density of 2 % growth by gradient learns them far better than random growth, and that far better than a static topology",
    metric: "mean accuracy over ten tasks of two classes after the last, at a density of 2 %",
    unit: "%",
    better: Better::Higher,
    baseline: "static .02",
    method: "gradient .02",
    rule: "holds if, in the mean over seeds: backward transfer is exactly 0 in every arm that freezes; it is below -1 point without freezing at a density of .2; and at a density of .02 (ERK) gradient growth is at least 10 points above random growth and random growth at least 10 points above a static topology",
    paper_effect: PaperEffect::ShownInPart,
    seeds: 6,
    source: "examples/src/pruning/continual_dst.rs",
    data: DataKind::Images,
    curve: "tasks learned / share of the weights in use",
    run,
    judge,
};

const EPOCHS: usize = 30;
const BATCH: usize = 16;
const EVERY: usize = 40;
const RATE: f64 = 2e-3;

/// Name, layout, growth (none: static), density, whether used weights freeze.
type Arm = (&'static str, Layout, Option<GrowthRule>, f64, bool);

const RANDOM: Option<GrowthRule> = Some(GrowthRule::Random);
const UNFIRED: Option<GrowthRule> = Some(GrowthRule::Unfired);
const GRADIENT: Option<GrowthRule> = Some(GrowthRule::Gradient);

/// The arms that decide.
const DECIDING: [Arm; 5] = [
    ("random .2", Layout::Erk, RANDOM, 0.2, true),
    ("random .2, no freezing", Layout::Erk, RANDOM, 0.2, false),
    ("static .02", Layout::Erk, None, 0.02, true),
    ("random .02", Layout::Erk, RANDOM, 0.02, true),
    ("gradient .02", Layout::Erk, GRADIENT, 0.02, true),
];

/// The arms that only report: the paper's question of initialisation at low and high sparsity.
const REPORTED: [Arm; 3] = [
    ("uniform random .2", Layout::Uniform, RANDOM, 0.2, true),
    ("uniform random .02", Layout::Uniform, RANDOM, 0.02, true),
    (
        "uniform gradient .02",
        Layout::Uniform,
        GRADIENT,
        0.02,
        true,
    ),
];

/// More growth rules and densities, with the large size alone.
const LARGE: [Arm; 7] = [
    ("gradient .2", Layout::Erk, GRADIENT, 0.2, true),
    ("uniform gradient .2", Layout::Uniform, GRADIENT, 0.2, true),
    ("random .05", Layout::Erk, RANDOM, 0.05, true),
    ("uniform random .05", Layout::Uniform, RANDOM, 0.05, true),
    ("gradient .05", Layout::Erk, GRADIENT, 0.05, true),
    (
        "uniform gradient .05",
        Layout::Uniform,
        GRADIENT,
        0.05,
        true,
    ),
    ("unfired .02", Layout::Erk, UNFIRED, 0.02, true),
];

/// A task's two classes, labelled 0 and 1, to train and to test on.
type Task = [Images; 2];

/// Pairs of classes, then the same pairs with the pixels in another order.
fn tasks(images: &Images) -> Vec<Task> {
    let parts = images.split_standardised(&[0.5, 0.5]);
    let mut order: Vec<usize> = (0..images.pixels_per_image()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(33));
    let pair = |part: &Images, first: usize| {
        let members = [part.members(first), part.members(first + 1)].concat();
        let mut chosen = part.select(&members);
        chosen.labels.iter_mut().for_each(|label| *label -= first);
        chosen.classes = 2;
        chosen
    };
    let permuted = |images: &Images| {
        let size = order.len();
        let places = (0..images.pixels.len()).map(|i| i / size * size + order[i % size]);
        Images {
            pixels: places.map(|place| images.pixels[place]).collect(),
            ..images.clone()
        }
    };
    let firsts = (0..images.classes / 2).map(|i| 2 * i);
    let plain: Vec<Task> = firsts
        .map(|first| [pair(&parts[0], first), pair(&parts[1], first)])
        .collect();
    let others: Vec<Task> = plain
        .iter()
        .map(|task| task.each_ref().map(permuted))
        .collect();
    plain.into_iter().chain(others).collect()
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut images = context.images()?;
    if context.small {
        images = images.at_most(600);
    }
    let tasks = tasks(&images);
    let mut trial = Trial::new(seed);
    let (reported, large) = (!context.small, context.full);
    let mut arms = DECIDING.to_vec();
    arms.extend(REPORTED.into_iter().filter(|_| reported));
    arms.extend(LARGE.into_iter().filter(|_| large));
    for arm in arms {
        learn(context, &mut trial, &arm, &tasks)?;
    }
    Ok(trial)
}

/// Learns the tasks one after another and records what is known of each after each.
fn learn(context: &Context, trial: &mut Trial, arm: &Arm, all: &[Task]) -> Result<()> {
    let (name, layout, growth, density, freeze) = *arm;
    let device = &context.device;
    device.seed(trial.seed);
    let sizes = vec![all[0][0].pixels_per_image(), 64, 64, 2 * all.len()];
    let net = MlpConfig::new(sizes).init(device);
    let mut config = PerTaskConfig::new(density)
        .with_update_every(EVERY)
        .with_until(0.8)
        .with_layout(layout)
        .with_growth(growth.unwrap_or(GrowthRule::Random))
        .with_freeze(freeze && !context.fault)
        .with_seed(trial.seed);
    if growth.is_none() {
        config = config.with_swap_start(0.0).with_swap_end(0.0);
    }
    let tasks = config.init(&net)?;
    let mut model = Learner {
        net,
        tasks: tasks.clone(),
        task: 0,
    };
    let mut matrix = AccuracyMatrix::new(all.len());
    let mut used = vec![(0.0, 0.0)];
    for (task, [train, _]) in all.iter().enumerate() {
        model.task = task;
        model = learn_one(model, train, context, trial.seed)?;
        evaluate(&tasks, &model.net, all, task, device, &mut matrix)?;
        used.push(((task + 1) as f64, tasks.state().used().rate()));
    }
    let last = all.len() - 1;
    let transfer = |value: Option<f64>| value.unwrap_or(f64::NAN);
    trial.record(name, "main", matrix.average());
    trial.record(
        name,
        "backward transfer",
        transfer(matrix.backward_transfer(last)),
    );
    trial.record(
        name,
        "forward transfer of the first task",
        transfer(matrix.forward_transfer(0)),
    );
    trial.record(name, "weights in use", used[used.len() - 1].1);
    trial.curve(name, used);
    Ok(())
}

/// One task from its first mask to its place in the store.
fn learn_one(model: Learner, train: &Images, context: &Context, seed: u64) -> Result<Learner> {
    let epochs = if context.full { 100 } else { EPOCHS };
    let steps = epochs * train.labels.len().div_ceil(BATCH);
    let loader = DataLoaderBuilder::new(ImageBatcher)
        .batch_size(BATCH)
        .shuffle(seed + model.task as u64)
        .set_device(context.device.clone())
        .build(train.clone());
    let tasks = model.tasks.clone();
    let model = tasks.begin(model, steps)?;
    let mut optim = AdamConfig::new().with_epsilon(1e-8).init();
    let mut rate = LrSchedule::new(Constant::new(RATE)?);
    let model = fit(model, loader.as_ref(), &mut optim, &mut rate, epochs)?;
    tasks.finish(&model)?;
    Ok(model)
}

/// Accuracy on every task: the learned ones by their own topology, the others by the present one.
fn evaluate(
    tasks: &PerTask,
    net: &Mlp,
    all: &[Task],
    after: usize,
    device: &Device,
    matrix: &mut AccuracyMatrix,
) -> Result<()> {
    for (on, [_, test]) in all.iter().enumerate() {
        let task = on.min(after);
        let net = tasks.model_of(task, net.valid())?;
        let found = accuracy(test, device, |x| outputs(&net, task, x));
        matrix.set(after, on, found)?;
    }
    Ok(())
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let forgotten = |trial: &Trial| {
        let freezing = DECIDING
            .iter()
            .chain(&REPORTED)
            .chain(&LARGE)
            .filter(|arm| arm.4);
        let arms = freezing.filter(|arm| trial.arms.contains_key(arm.0));
        let transfers = arms.map(|arm| trial.value(arm.0, "backward transfer").abs());
        transfers.fold(0.0, |a: f64, b| if b.is_nan() { b } else { a.max(b) })
    };
    let gap = |better, worse| differences(trials, better, worse, "main");
    vec![
        Check::at_most(
            "largest backward transfer of any arm with freezing, in size, at most 0",
            trials.iter().map(forgotten).collect(),
            0.0,
        ),
        Check::at_most(
            "backward transfer without freezing, at most -1",
            values(trials, "random .2, no freezing", "backward transfer"),
            -1.0,
        ),
        Check::at_least(
            "gradient growth minus random growth at .02, at least 10",
            gap("gradient .02", "random .02"),
            10.0,
        ),
        Check::at_least(
            "random growth minus a static topology at .02, at least 10",
            gap("random .02", "static .02"),
            10.0,
        ),
    ]
}
