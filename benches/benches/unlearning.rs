//! Fisher accumulation over a convolutional network, beside the backward pass that it needs at
//! least and a version that takes every gradient to the host; and selective synaptic dampening beside one
//! epoch of training, up to 11 million parameters.

use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{Criterion, SamplingMode};
use regimen_benches::Limits;
use regimen_examples::models::{Cnn, CnnConfig, Mlp, MlpConfig};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, Projection, fisher};
use regimen_unlearning::SsdConfig;

const BATCHES: usize = 8;
const BATCH: usize = 64;
const SIDE: usize = 8;

pub(crate) fn fisher(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let model = CnnConfig::new(SIDE, 10).init(&device);
    let batches: Vec<(Tensor<2>, Tensor<1, Int>)> = (0..BATCHES)
        .map(|_| {
            let images = Tensor::random([BATCH, SIDE * SIDE], Distribution::Default, &device);
            (images, Tensor::zeros([BATCH], &device))
        })
        .collect();
    let loss = |model: &Cnn, (images, labels): (Tensor<2>, Tensor<1, Int>)| {
        cross_entropy(model.forward(images), labels).mean()
    };
    let scalars = ParamVector::of(&model).len();
    let limits = Limits::measure(&device.clone().inner());
    println!(
        "fisher: {scalars} parameters, {BATCHES} batches of {BATCH}; squaring and adding moves {} bytes, {:.2} ms at {:.1} GB/s",
        BATCHES * scalars * 4 * 5,
        (BATCHES * scalars * 4 * 5) as f64 / limits.bandwidth * 1e3,
        limits.bandwidth / 1e9
    );
    let mut group = criterion.benchmark_group("fisher-cnn");
    group.bench_function("regimen", |bencher| {
        bencher.iter(|| {
            let diagonal = fisher::batch_diagonal(&model, batches.iter().cloned(), loss).unwrap();
            diagonal.l1().into_scalar::<f32>()
        });
    });
    group.bench_function("backward passes only", |bencher| {
        bencher.iter(|| {
            for batch in batches.iter().cloned() {
                let grads = loss(&model, batch).backward();
                std::hint::black_box(GradientsParams::from_grads(grads, &model));
            }
        });
    });
    group.bench_function("naive, on the host", |bencher| {
        bencher.iter(|| {
            let mut sum = vec![0.0_f32; scalars];
            for batch in batches.iter().cloned() {
                let grads = GradientsParams::from_grads(loss(&model, batch).backward(), &model);
                let values = ParamVector::gradients(&model, &grads)
                    .to_host()
                    .unwrap()
                    .concat();
                sum.iter_mut()
                    .zip(values)
                    .for_each(|(s, g)| *s += g * g / BATCHES as f32);
            }
            sum
        });
    });
    group.finish();
}

/// Parameters of a residual network of 20 layers.
const RESNET_20: usize = 272_474;

/// Gradients of a residual network to 2,048 numbers: the matrix drawn for each batch, and drawn once with the gradients folded.
pub(crate) fn projection(criterion: &mut Criterion) {
    let device = Device::default();
    let rows = Tensor::<2>::random([BATCHES, RESNET_20], Distribution::Default, &device);
    let projection = Projection::new(2048, 1).unwrap();
    let mut group = criterion.benchmark_group("trak-projection");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("drawn for each batch", |bencher| {
        bencher.iter(|| {
            let found = projection.apply_rows(rows.clone()).unwrap();
            found.sum().into_scalar::<f32>()
        });
    });
    let folded = projection.with_buckets(1 << 14).unwrap();
    let drawn = folded.draw(RESNET_20, &device).unwrap();
    group.bench_function("drawn once, folded", |bencher| {
        bencher.iter(|| {
            let found = drawn.apply(rows.clone()).unwrap();
            found.sum().into_scalar::<f32>()
        });
    });
    group.bench_function("the draw, once a model", |bencher| {
        bencher.iter(|| folded.draw(RESNET_20, &device).unwrap());
    });
    group.finish();
}

type Batch = (Tensor<2>, Tensor<1, Int>);

/// Dampening on the small convolutional network and on a perceptron of 11 million parameters.
pub(crate) fn dampening(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let cnn = CnnConfig::new(SIDE, 10).init(&device);
    compare(criterion, "ssd-cnn", &cnn, SIDE * SIDE, |model: &Cnn, x| {
        model.forward(x)
    });
    let sizes = vec![784, 2048, 2048, 2048, 512, 10];
    let mlp = MlpConfig::new(sizes).init(&device);
    compare(criterion, "ssd-11m", &mlp, 784, |model: &Mlp, x| {
        model.forward(x)
    });
}

fn compare<M: Module>(
    criterion: &mut Criterion,
    name: &str,
    model: &M,
    pixels: usize,
    forward: impl Fn(&M, Tensor<2>) -> Tensor<2>,
) {
    let device = Device::default().autodiff();
    let batch = || {
        let images = Tensor::random([BATCH, pixels], Distribution::Default, &device);
        (images, Tensor::zeros([BATCH], &device))
    };
    let all: Vec<Batch> = (0..2 * BATCHES).map(|_| batch()).collect();
    let forget = all[..2].to_vec();
    let loss =
        |model: &M, (images, labels): Batch| cross_entropy(forward(model, images), labels).mean();
    let ssd = SsdConfig::new().init().unwrap();
    let of_all = fisher::batch_diagonal(model, all.iter().cloned(), loss).unwrap();
    let of_forget = fisher::batch_diagonal(model, forget.iter().cloned(), loss).unwrap();

    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("forget: two passes and the edit", |bencher| {
        bencher.iter(|| {
            let (all, forget) = (all.iter().cloned(), forget.iter().cloned());
            ssd.forget(model.clone(), all, forget, loss).unwrap().edited
        });
    });
    group.bench_function("one training epoch", |bencher| {
        bencher.iter(|| {
            let momentum = MomentumConfig::new().with_dampening(0.0);
            let mut optim = SgdConfig::new().with_momentum(Some(momentum)).init();
            let mut model = model.clone();
            for batch in all.iter().cloned() {
                let grads = GradientsParams::from_grads(loss(&model, batch).backward(), &model);
                model = optim.step(0.01, model, grads);
            }
            ParamVector::of(&model).l1().into_scalar::<f32>()
        });
    });
    let mut fastest = f64::INFINITY;
    group.bench_function("the edit alone", |bencher| {
        bencher.iter(|| {
            let start = std::time::Instant::now();
            let edited = ssd
                .dampen(model.clone(), &of_all, &of_forget)
                .unwrap()
                .edited;
            fastest = fastest.min(start.elapsed().as_secs_f64());
            edited
        });
    });
    group.finish();
    if fastest.is_infinite() {
        // The filter leaves this bench out.
        return;
    }
    // Read weights and both importances, write weights: what one fused pass would move.
    let bytes = (of_all.len() * 4 * 4) as f64;
    let limits = Limits::measure(&device.inner());
    println!(
        "{name}: {} parameters; the edit moves {:.1} MB at least, {:.3} ms at {:.1} GB/s; it took {:.3} ms, {:.0} % of the bandwidth",
        of_all.len(),
        bytes / 1e6,
        bytes / limits.bandwidth * 1e3,
        limits.bandwidth / 1e9,
        fastest * 1e3,
        100.0 * bytes / fastest / limits.bandwidth
    );
}
