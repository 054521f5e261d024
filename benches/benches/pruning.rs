//! GraNet's mask update and the masks' application on ten million parameters, and what masking and
//! observing add to a training step of a small convolutional network.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{BatchSize, Criterion};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_benches::Limits;
use regimen_examples::models::{Cnn, CnnConfig};

use regimen_pruning::{Event, GraNetConfig, Layer, Masks, SparseMethod};
use regimen_schedules::Norm;
use regimen_tensor::GradientNorms;
use regimen_tensor::per_example::cross_entropy;

/// Four layers of 2.5 million weights each.
const LAYERS: usize = 4;
const SIDE: usize = 1582;

#[derive(Module, Debug)]
struct Wide {
    layers: Vec<Linear>,
}

fn wide(device: &Device) -> Wide {
    let layer = LinearConfig::new(SIDE, SIDE).with_bias(false);
    Wide {
        layers: (0..LAYERS).map(|_| layer.init(device)).collect(),
    }
}

pub(crate) fn update(criterion: &mut Criterion) {
    let device = Device::default();
    let model = wide(&device);
    let limits = Limits::measure(&device);
    let bytes = (3 * 4 * LAYERS * SIDE * SIDE) as f64;
    println!(
        "masks: applying moves {bytes} bytes, {:.2} ms at {:.1} GB/s",
        bytes / limits.bandwidth * 1e3,
        limits.bandwidth / 1e9
    );
    let masks = Masks::dense(&model).unwrap();
    let masks = masks
        .random(regimen_pruning::Layout::Uniform, 0.5, 1)
        .unwrap();
    let mut group = criterion.benchmark_group("masks-10M");
    group.bench_function("apply", |bencher| {
        bencher.iter_batched(
            || model.clone(),
            |model| masks.apply(model).unwrap(),
            BatchSize::PerIteration,
        );
    });
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut values = || -> Vec<f32> {
        (0..SIDE * SIDE)
            .map(|_| rng.random::<f32>() - 0.5)
            .collect()
    };
    let layers: Vec<Layer> = (0..LAYERS)
        .map(|_| Layer::new(values(), values(), vec![true; SIDE * SIDE]))
        .collect();
    let granet = GraNetConfig::new(0.9, 1000).method().unwrap();
    let event = Event {
        step: 250,
        index: 0,
        seed: 0,
    };
    group.bench_function("update: prune and regenerate", |bencher| {
        bencher.iter_batched(
            || layers.clone(),
            |mut layers| granet.update(&event, &mut layers).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("update, naive: sorts", |bencher| {
        bencher.iter_batched(
            || layers.clone(),
            |layers| naive(&layers),
            BatchSize::PerIteration,
        );
    });
    whole_event(&mut group);
    group.finish();
}

/// The same decision by sorting all weights, and each layer's again.
fn naive(layers: &[Layer]) -> Vec<Vec<usize>> {
    let mut all: Vec<(f32, usize, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(l, layer)| {
            layer
                .weights
                .iter()
                .enumerate()
                .map(move |(i, w)| (w.abs(), l, i))
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.truncate(all.len() / 2);
    let regrown = layers.iter().map(|layer| {
        let mut order: Vec<usize> = (0..layer.gradient.len()).collect();
        order.sort_by(|a, b| {
            layer.gradient[*b]
                .abs()
                .total_cmp(&layer.gradient[*a].abs())
        });
        order.truncate(order.len() / 10);
        order
    });
    regrown.collect()
}

/// A training step that is an event: optimizer, reading, deciding, clearing the optimizer's state.
fn whole_event(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    let device = Device::default().autodiff();
    let model = wide(&device);
    let input = Tensor::<2>::random([4, SIDE], Distribution::Default, &device);
    let gradients = |model: &Wide| {
        let output = model
            .layers
            .iter()
            .fold(input.clone(), |x, layer| layer.forward(x));
        GradientsParams::from_grads(output.square().mean().backward(), model)
    };
    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    for (name, every) in [
        ("whole step, no event", 1_000_000),
        ("whole step, event", 1),
    ] {
        let pruner = GraNetConfig::new(0.9, 1_000_000)
            .with_update_every(every)
            .init(&model)
            .unwrap();
        let mut optim = momentum.init();
        let mut trained = Some(pruner.optimize(model.clone(), &mut optim, 1e-6, gradients(&model)));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let mut time = std::time::Duration::ZERO;
                for _ in 0..count {
                    let model = trained.take().unwrap();
                    let grads = gradients(&model);
                    let start = std::time::Instant::now();
                    trained = Some(pruner.optimize(model, &mut optim, 1e-6, grads));
                    time += start.elapsed();
                }
                time
            });
        });
        pruner.status().unwrap();
    }
}

/// One mask update at 25 million parameters: a step without and with it, and the memory that each needs beyond
/// what is there when it starts; beside it the naive version on the host, which sorts.
///
/// The machine's limit: weights, gradients and masks are read at least once and weights and masks written, and each of the
/// optimizer's moments is read and written: 300 MB with SGD, 700 MB with Adam. At the 36 to 41 GB/s that the memory of the
/// two-core machine moves that is 8 and 18 ms; the bench prints it for the machine at hand.
pub(crate) fn large_update(criterion: &mut Criterion) {
    // Two layers whose tensors are so large that the allocator gives them back at once: the peaks are then exact.
    const BIG: usize = 3536;
    let device = Device::default().autodiff();
    let layer = LinearConfig::new(BIG, BIG).with_bias(false);
    let model = Wide {
        layers: (0..2).map(|_| layer.init(&device)).collect(),
    };
    let bytes = (4 * 2 * BIG * BIG) as f64;
    let input = Tensor::<2>::random([4, BIG], Distribution::Default, &device);
    let gradients = |model: &Wide| {
        let forward = |x: Tensor<2>, layer: &Linear| layer.forward(x);
        let output = model.layers.iter().fold(input.clone(), forward);
        GradientsParams::from_grads(output.square().mean().backward(), model)
    };
    let limits = Limits::measure(&device.clone().inner());
    for (name, moments) in [("sgd", 0.0), ("momentum", 1.0), ("adam", 2.0)] {
        let moved = bytes * (3.0 + 2.0 * moments) + bytes / 2.0;
        let least = moved / limits.bandwidth * 1e3;
        println!("update, {name}: moves {moved} bytes, at least {least:.1} ms");
    }
    let mut group = criterion.benchmark_group("masks-25M");
    let first = gradients(&model);
    group.bench_function("naive on the host: reads and sorts", |bencher| {
        bencher.iter(|| {
            let vector = regimen_tensor::ParamVector::of(&model).to_host().unwrap();
            let dense = regimen_tensor::ParamVector::gradients(&model, &first)
                .to_host()
                .unwrap();
            let pairs = vector.into_iter().zip(dense);
            let layers = pairs.map(|(weights, dense)| {
                let active = vec![true; weights.len()];
                Layer::new(weights, dense, active)
            });
            naive(&layers.collect::<Vec<_>>())
        });
    });
    drop(first);
    let momentum = Some(MomentumConfig::new());
    for (name, optimizer) in [
        ("sgd", SgdConfig::new().init()),
        ("momentum", SgdConfig::new().with_momentum(momentum).init()),
        ("adam", AdamConfig::new().init()),
    ] {
        for (kind, every) in [("no update", 1_000_000), ("update", 1)] {
            let pruner = GraNetConfig::new(0.9, 1_000_000)
                .with_update_every(every)
                .init(&model)
                .unwrap();
            let mut optim = optimizer.clone();
            let first = pruner.mask(model.clone()).unwrap();
            let grads = gradients(&first);
            let mut trained = Some(pruner.optimize(first, &mut optim, 1e-6, grads));
            let mut peak = f64::NAN;
            group.bench_function(format!("step, {kind}, {name}"), |bencher| {
                bencher.iter_custom(|count| {
                    let mut time = std::time::Duration::ZERO;
                    for _ in 0..count {
                        let model = trained.take().unwrap();
                        let grads = gradients(&model);
                        reset_peak();
                        let before = memory("VmRSS");
                        let start = std::time::Instant::now();
                        trained = Some(pruner.optimize(model, &mut optim, 1e-6, grads));
                        time += start.elapsed();
                        peak = peak.max((memory("VmHWM") - before) / bytes);
                    }
                    time
                });
            });
            // Not a number where the filter leaves this bench out.
            if !peak.is_nan() {
                println!(
                    "step, {kind}, {name}: peak memory above its start {peak:.2} x the parameters"
                );
            }
            pruner.status().unwrap();
        }
    }
    group.finish();
}

/// A figure of this process's memory in bytes; NaN where the system does not tell.
pub(crate) fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let figure = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    figure.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0)
}

/// Lets the peak start anew, where the system allows it.
pub(crate) fn reset_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

pub(crate) fn training_step(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let model = CnnConfig::new(28, 10).init(&device);
    let images = Tensor::<2>::random([64, 28 * 28], Distribution::Default, &device);
    let labels = Tensor::<1, Int>::zeros([64], &device);
    let gradients = |model: &Cnn| {
        let loss = cross_entropy(model.forward(images.clone()), labels.clone()).mean();
        GradientsParams::from_grads(loss.backward(), model)
    };
    let optimizer = || -> ModuleOptimizer {
        SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new()))
            .init()
    };
    let mut group = criterion.benchmark_group("training-step-cnn");
    let (mut plain, mut optim) = (Some(model.clone()), optimizer());
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            let model = plain.take().unwrap();
            let grads = gradients(&model);
            plain = Some(optim.step(1e-6, model, grads));
        });
    });
    let pruner = GraNetConfig::new(0.9, 1_000_000)
        .with_initial_sparsity(0.5)
        .with_update_every(100)
        .init(&model)
        .unwrap();
    let norms = GradientNorms::new(Norm::L2);
    let (mut masked, mut optim) = (Some(model), optimizer());
    group.bench_function("masked, norms observed", |bencher| {
        bencher.iter(|| {
            let model = masked.take().unwrap();
            let grads = gradients(&model);
            norms.observe(&model, &grads);
            masked = Some(pruner.optimize(model, &mut optim, 1e-6, grads));
        });
    });
    group.finish();
    pruner.status().unwrap();
}
