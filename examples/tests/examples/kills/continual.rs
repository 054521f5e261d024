//! Methods of continual learning, each with a small network of its own: two tasks, one after the other.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_continual::memory::SharedMemory;
use regimen_continual::{
    AGemConfig, Capacity, Classifier, ContinualBackpropConfig, ContinualError, DerConfig,
    DerPlusPlusConfig, ErAceConfig, ErConfig, EwcConfig, Form, GDumbConfig, GemConfig, GpmConfig,
    GroupMask, GssConfig, IcarlConfig, Kept, L2InitConfig, LucirConfig, LwfConfig, MasConfig,
    Memory, MemoryConfig, MirConfig, NearestMean, NearestMeanConfig, OgdConfig, OnlineEwcConfig,
    PackNet, PackNetConfig, Policy, Prototypes, PrototypesConfig, RWalkConfig, ReDoConfig, Refresh,
    RefreshConfig, ReplayLoader, ReplayLoaderConfig, ReplayRatio, ReplayRatioConfig, ResetConfig,
    ShrinkPerturbConfig, SiConfig, Slda, SldaConfig, Strategy, SubNetConfig, Task,
};
use regimen_tensor::checkpoint::Checkpoint;
use regimen_tensor::{Part, Prepared};

use super::nets::{Cosines, Gates, Net, few, units};
use super::towers::{Pairs, Result, STEPS};

/// Steps of a task.
const TASK: u64 = STEPS as u64 / 2;
/// The step of a task at which PackNet prunes.
const PRUNE: u64 = 7;
const RATE: f64 = 0.02;
const POINTS: usize = 24;

/// How a method takes a step of a task.
type Train<M, S> = fn(&S, M, u64, &Pairs, &mut ModuleOptimizer) -> Result<M>;

/// A method with its network.
struct Learned<M, S> {
    name: &'static str,
    model: M,
    optim: ModuleOptimizer,
    strategy: S,
    train: Train<M, S>,
}

trait Learner {
    fn step(&mut self, step: u64, batch: &Pairs) -> Result<()>;

    fn parts<'a>(&'a mut self, unit: Checkpoint<'a>) -> Checkpoint<'a>;
}

impl<M, S> Learner for Learned<M, S>
where
    M: Classifier<Batch = Pairs>,
    S: Strategy<M> + Part,
{
    fn step(&mut self, step: u64, batch: &Pairs) -> Result<()> {
        let (task, at) = ((step / TASK) as usize, step % TASK);
        let strategy = &self.strategy;
        let mut model = self.model.clone();
        if at == 0 {
            // The classes of the second task are seen, not told.
            let classes = if task == 0 { vec![0, 1] } else { Vec::new() };
            let task = Task {
                id: task,
                classes,
                examples: POINTS,
            };
            model = strategy.before_task(model, &task)?;
        }
        model = (self.train)(strategy, model, at, batch, &mut self.optim)?;
        strategy.status().map_err(|error| {
            let name = self.name;
            format!("{name} in step {step}: {error}")
        })?;
        if at == TASK - 1 {
            let points = [[0.1, 0.9], [0.8, 0.7], [0.9, 0.4], [0.3, 0.2]];
            let data = pairs(&points, task, &batch.0.device());
            model = strategy.after_task(model, &Prepared(vec![data]))?;
        }
        self.model = model;
        Ok(())
    }

    fn parts<'a>(&'a mut self, unit: Checkpoint<'a>) -> Checkpoint<'a> {
        unit.with_model_as(&format!("{}-model", self.name), &mut self.model)
            .with(&format!("{}-optimizer", self.name), &mut self.optim)
            .with(self.name, &mut self.strategy)
    }
}

fn plain<M, S>(
    strategy: &S,
    model: M,
    _: u64,
    batch: &Pairs,
    optim: &mut ModuleOptimizer,
) -> Result<M>
where
    M: Classifier<Batch = Pairs>,
    S: Strategy<M>,
{
    let loss = strategy.loss(&model, batch)?;
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    Ok(strategy.optimize(model, optim, RATE, grads))
}

fn pruned(
    pack: &PackNet,
    model: Net,
    at: u64,
    batch: &Pairs,
    optim: &mut ModuleOptimizer,
) -> Result<Net> {
    let model = match at {
        PRUNE => pack.prune(model)?,
        _ => model,
    };
    plain(pack, model, at, batch, optim)
}

fn refreshed<S: Strategy<Net>>(
    refresh: &Refresh<S>,
    model: Net,
    _: u64,
    batch: &Pairs,
    optim: &mut ModuleOptimizer,
) -> Result<Net> {
    let moved = refresh.unlearn(&model, batch)?;
    let loss = refresh.loss(&moved, batch)?;
    let grads = GradientsParams::from_grads(loss.backward(), &moved);
    Ok(refresh.optimize(model, optim, RATE, grads))
}

/// Points of a task with their classes, two a task.
fn pairs(points: &[[f32; 2]], task: usize, device: &Device) -> Pairs {
    let labels: Vec<i64> = points
        .iter()
        .map(|point| (2 * task + class(point)) as i64)
        .collect();
    let count = points.len();
    (
        Tensor::from_data(TensorData::new(points.concat(), [count, 2]), device),
        Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device),
    )
}

fn class([a, b]: &[f32; 2]) -> usize {
    usize::from(a * b > 0.25)
}

pub(super) type Points = Vec<[f32; 2]>;

/// The points of a batch as they are.
struct AsTheyAre;

impl Batcher<[f32; 2], Points> for AsTheyAre {
    fn batch(&self, items: Points, _: &Device) -> Points {
        items
    }
}

/// All that keeps a state in continual learning.
pub(super) struct Continual {
    learners: Vec<Box<dyn Learner>>,
    loader: ReplayLoader<[f32; 2], Points>,
    shared: SharedMemory<[f32; 2]>,
    kept: Memory<[f32; 2]>,
    nearest: NearestMean,
    prototypes: Prototypes,
    slda: Slda,
    ratio: ReplayRatio,
}

impl Continual {
    /// Parameters have ids from this one on.
    pub(super) fn new(first_id: u64, device: &Device) -> Result<Self> {
        let shared = SharedMemory::from(MemoryConfig::reservoir(9).with_seed(3).init()?);
        let points = (0..POINTS).map(|i| [(i % 6) as f32 / 5.0, (i / 6) as f32 / 3.0]);
        let loader = ReplayLoaderConfig::new(5)
            .with_share(0.3)
            .with_every_epoch(true)
            .init(
                Arc::new(InMemDataset::new(points.collect())),
                Arc::new(AsTheyAre),
                &shared,
                class,
                device,
            )?;
        let kept = MemoryConfig::new(Policy::LossAware, Capacity::TotalBytes(80));
        Ok(Self {
            learners: learners(first_id, device)?,
            loader,
            shared,
            kept: kept.with_seed(4).init()?,
            nearest: NearestMeanConfig::new(4, 2).init(device)?,
            prototypes: PrototypesConfig::new(4, 2).init(device)?,
            slda: SldaConfig::new(4, 2).init(device)?,
            ratio: ReplayRatioConfig::new(4).with_window(2).init()?,
        })
    }

    pub(super) fn parts<'a>(&'a mut self, unit: Checkpoint<'a>) -> Checkpoint<'a> {
        let unit = self.learners.iter_mut().fold(unit, |unit, learner| {
            let learner: &'a mut dyn Learner = learner.as_mut();
            learner.parts(unit)
        });
        unit.with("replay", &mut self.loader)
            .with("shared-memory", &mut self.shared)
            .with("memory", &mut self.kept)
            .with("nearest-mean", &mut self.nearest)
            .with("prototypes", &mut self.prototypes)
            .with("slda", &mut self.slda)
            .with("replay-ratio", &mut self.ratio)
    }

    /// A handle on the loader of replay, whose batches [`step`](Self::step) takes.
    pub(super) fn loader(&self) -> ReplayLoader<[f32; 2], Points> {
        self.loader.clone()
    }

    pub(super) fn step(&mut self, step: u64, points: &Points) -> Result<()> {
        let device = Device::flex().autodiff();
        let task = (step / TASK) as usize;
        let batch = pairs(points, task, &device);
        for learner in &mut self.learners {
            learner.step(step, &batch)?;
        }
        let (features, labels) = &batch;
        self.nearest.add(features.clone(), labels.clone())?;
        self.prototypes.add(features.clone(), labels.clone())?;
        self.slda.add(features.clone(), labels.clone())?;
        for point in points {
            self.kept.add(Kept::new(*point, class(point), task))?;
        }
        let drawn = self.kept.draw(3);
        let numbers: Vec<u64> = drawn.iter().map(|kept| kept.number()).collect();
        let losses: Vec<f32> = drawn.iter().map(|kept| kept.item[0]).collect();
        self.kept.observe(&numbers, &losses)?;
        for _ in 0..self.ratio.step() {
            let measure = losses.iter().copied().fold(0.0, f32::max);
            self.ratio.observe(f64::from(measure))?;
        }
        Ok(())
    }
}

/// Every method.
fn learners(first_id: u64, device: &Device) -> Result<Vec<Box<dyn Learner>>> {
    let mut id = first_id;
    let mut net = || {
        id += 1000;
        Net::new(id, device)
    };
    let optim = || AdamWConfig::new().init();
    let mut learners: Vec<Box<dyn Learner>> = Vec::new();
    macro_rules! add {
        ($name:literal, $init:expr) => {
            add!($name, $init, plain)
        };
        ($name:literal, $init:expr, $train:expr) => {{
            let model = net();
            let strategy = $init(&model)?;
            add!($name, model, strategy, $train);
        }};
        ($name:literal, $model:expr, $strategy:expr, $train:expr) => {
            learners.push(Box::new(Learned {
                name: $name,
                model: $model,
                optim: optim(),
                strategy: $strategy,
                train: $train,
            }))
        };
    }
    let memory = MemoryConfig::reservoir(6);

    // Penalties.
    add!("ewc", |net| EwcConfig::new(10.0).init(net));
    add!("online-ewc", |net| OnlineEwcConfig::new(10.0)
        .with_gamma(0.9)
        .init(net));
    add!("mas", |net| MasConfig::new(1.0).init(net));
    add!("si", |net| SiConfig::new(0.1).init(net));
    add!("rwalk", |net| RWalkConfig::new().with_interval(5).init(net));
    add!("lwf", |net| LwfConfig::new().init(net));

    // Memories.
    add!("er", |net| ErConfig::new(memory).init(net));
    add!("er-ace", |net| ErAceConfig::new(memory).init(net));
    add!("der", |net| DerConfig::new(memory).init(net));
    add!("der-plus-plus", |net| DerPlusPlusConfig::new(memory)
        .init(net));
    add!("mir", |net| MirConfig::new(memory, RATE)
        .with_candidates(5)
        .with_replay(Some(2))
        .init(net));
    add!("gss", |net| GssConfig::new(6).with_gradients(3).init(net));
    add!("gdumb", |net| GDumbConfig::new(6).init(net));
    add!("icarl", |net| IcarlConfig::new(4).init(net));

    // A mask, which keeps the number of its steps.
    add!("group-mask", |_| Ok::<_, ContinualError>(
        GroupMask::default()
    ));

    // Against loss of plasticity.
    add!("redo", |net| ReDoConfig::new(units())
        .with_tau(0.9)
        .with_every(3)
        .init(net));
    add!("continual-backprop", |net| ContinualBackpropConfig::new(
        units()
    )
    .with_rho(0.1)
    .with_maturity(2)
    .init(net));
    add!("reset", |net| ResetConfig::new(vec!["head".into()], 5)
        .init(net));
    add!("shrink-perturb", |_| ShrinkPerturbConfig::new(4).init());
    add!("l2-init", |net| L2InitConfig::new(0.1).init(net));

    // Projections and parts of networks.
    add!("gem", |_| GemConfig::new().with_memory(3).init());
    add!("a-gem", |_| AGemConfig::new()
        .with_memory(3)
        .with_batch(2)
        .init());
    add!("ogd", |net| OgdConfig::new()
        .with_examples(2)
        .with_directions(3)
        .init(net));
    add!("gpm", |net| GpmConfig::new().init(net));
    add!("pack-net", |net| PackNetConfig::new().init(net), pruned);
    add!("sub-net", |net| SubNetConfig::new().init(net));

    // Refresh by both rules.
    add!(
        "refresh",
        |net| RefreshConfig::new()
            .with_form(Form::code(1e-3))
            .init(net, ErConfig::new(memory).init(net)?),
        refreshed
    );
    add!(
        "refresh-paper",
        |net| RefreshConfig::new()
            .with_form(Form::paper(1e-4))
            .init(net, EwcConfig::new(10.0).init(net)?),
        refreshed
    );

    let cosines = Cosines::new(id + 1000, device);
    let lucir = LucirConfig::new(4).init(&cosines)?;
    add!("lucir", cosines, lucir, plain);
    let (gates, hat) = Gates::new(id + 2000, device)?;
    add!("hat", gates, hat, plain);
    // FewShot, by its config.
    let (model, handle) = few(id + 3000, device)?;
    add!("few-shot", model, handle, plain);
    Ok(learners)
}
