//! A step of continual learning on a convolutional network, by method, beside the plain step; and what adding to a memory costs
//! however full it is.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode};
use regimen_continual::memory::{Capacity, MemoryConfig, Policy};
use regimen_continual::{
    AGemConfig, Classifier, DerPlusPlusConfig, ErConfig, EwcConfig, FloatRow, Kept, LwfConfig,
    SiConfig, Strategy, plain_loss,
};
use regimen_examples::models::{Cnn, CnnConfig};
use regimen_tensor::Prepared;

pub(crate) const SIDE: usize = 28;
pub(crate) const BATCH: usize = 64;
const RATE: f64 = 0.03;

pub(crate) type Batch = (Tensor<2>, Tensor<1, Int>);
pub(crate) type Boxed = Box<dyn Strategy<Model>>;

#[derive(Module, Debug)]
pub(crate) struct Model {
    pub(crate) inner: Cnn,
}

impl Classifier for Model {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        self.inner.forward(images.clone())
    }
}

/// Noise with the labels 0 to 9 in turn.
pub(crate) fn batch(device: &Device) -> Batch {
    let images = Tensor::random([BATCH, SIDE * SIDE], Distribution::Default, device);
    let labels = Tensor::<1, Int>::arange(0..BATCH as i64, device) % 10;
    (images, labels)
}

pub(crate) fn optimizer() -> ModuleOptimizer {
    SgdConfig::new().init()
}

/// A step by a method, or the plain one.
pub(crate) fn step(
    strategy: Option<&dyn Strategy<Model>>,
    model: Model,
    optim: &mut ModuleOptimizer,
    batch: &Batch,
) -> Model {
    step_at(RATE, strategy, model, optim, batch)
}

/// As [`step`], at another rate.
pub(crate) fn step_at(
    rate: f64,
    strategy: Option<&dyn Strategy<Model>>,
    model: Model,
    optim: &mut ModuleOptimizer,
    batch: &Batch,
) -> Model {
    let loss = match strategy {
        Some(strategy) => strategy.loss(&model, batch).unwrap(),
        None => plain_loss(&model, batch),
    };
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    match strategy {
        Some(strategy) => {
            strategy.update(model, optim, ModuleLearningRate::from(rate), grads.into())
        }
        None => optim.step(rate, model, grads),
    }
}

pub(crate) fn steps(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let model = Model {
        inner: CnnConfig::new(SIDE, 10).init(&device),
    };
    let seen = batch(&device);
    let memory = || MemoryConfig::reservoir(500);
    let methods: [(&str, Option<Boxed>); 7] = [
        ("plain", None),
        (
            "Ewc",
            Some(Box::new(
                EwcConfig::new(100.0).with_examples(8).init(&model).unwrap(),
            )),
        ),
        (
            "Si",
            Some(Box::new(SiConfig::new(0.1).init(&model).unwrap())),
        ),
        (
            "Lwf",
            Some(Box::new(LwfConfig::new().init(&model).unwrap())),
        ),
        (
            "Er, as many again",
            Some(Box::new(ErConfig::new(memory()).init(&model).unwrap())),
        ),
        (
            "DerPlusPlus, twice as many again",
            Some(Box::new(
                DerPlusPlusConfig::new(memory()).init(&model).unwrap(),
            )),
        ),
        (
            "AGem, as many again",
            Some(Box::new(
                AGemConfig::new().with_batch(BATCH).init::<Batch>().unwrap(),
            )),
        ),
    ];
    let mut group = criterion.benchmark_group("continual-step");
    group.sampling_mode(SamplingMode::Flat);
    for (name, strategy) in &methods {
        let mut optim = optimizer();
        let strategy = strategy.as_deref();
        // In the second task, with a memory that is full.
        let mut model = model.clone();
        if let Some(strategy) = strategy {
            for _ in 0..10 {
                model = step(Some(strategy), model, &mut optim, &seen);
            }
            model = strategy
                .after_task(model, &Prepared(vec![seen.clone(); 4]))
                .unwrap();
        }
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                model = step(strategy, model.clone(), &mut optim, &seen);
            });
        });
    }
    group.finish();
}

pub(crate) fn memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("continual-memory-add");
    let example = |number: usize| {
        let row = FloatRow {
            shape: vec![1],
            values: vec![number as f32],
            label: (number % 10) as i64,
        };
        Kept::new(row, number % 10, 0)
    };
    for size in [100, 10_000, 1_000_000] {
        let config = MemoryConfig::new(Policy::ClassBalanced, Capacity::Total(size));
        let mut full = config.init::<FloatRow>().unwrap();
        for number in 0..size {
            full.add(example(number)).unwrap();
        }
        let mut number = size;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    example(number)
                },
                |kept| full.add(kept).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}
