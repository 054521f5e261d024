//! Fisher accumulation over a convolutional network, beside the backward pass that it needs at
//! least and a version that takes every gradient to the host.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::Criterion;
use regimen_benches::Limits;
use regimen_examples::models::{Cnn, CnnConfig};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, fisher};

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
