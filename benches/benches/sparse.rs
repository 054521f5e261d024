//! A pruned linear layer of 4096 x 4096 in compressed rows, beside the dense product of the same layer.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::Criterion;
use regimen_benches::Limits;
use regimen_pruning::{Layout, Masks, SparseLinear};

const SIDE: usize = 4096;

#[derive(Module, Debug)]
struct Net {
    layer: Linear,
}

pub(crate) fn linear(criterion: &mut Criterion) {
    let device = Device::default();
    let limits = Limits::measure(&device);
    let net = Net {
        layer: LinearConfig::new(SIDE, SIDE).init(&device),
    };
    let mut group = criterion.benchmark_group("linear-4096");
    for batch in [1, 32] {
        let x = Tensor::<2>::random([batch, SIDE], Distribution::Default, &device);
        report("dense", batch, 4 * SIDE * SIDE, &limits);
        group.bench_function(format!("dense, batch {batch}"), |bencher| {
            bencher.iter(|| net.layer.forward(x.clone()));
        });
        for percent in [95_u32, 98] {
            let density = 1.0 - f64::from(percent) / 100.0;
            let masks = Masks::dense(&net).unwrap();
            let masks = masks.random(Layout::Uniform, density, 1).unwrap();
            let pruned = masks.apply(net.clone()).unwrap();
            let sparse = SparseLinear::new(&pruned.layer).unwrap();
            report(&format!("{percent}%"), batch, sparse.bytes(), &limits);
            group.bench_function(format!("{percent}% sparse, batch {batch}"), |bencher| {
                bencher.iter(|| sparse.forward(x.clone()).unwrap());
            });
        }
    }
    group.finish();
}

/// What must be moved, and what the machine needs for it at least.
fn report(name: &str, batch: usize, weights: usize, limits: &Limits) {
    let bytes = (weights + 2 * 4 * batch * SIDE) as f64;
    println!(
        "linear-4096, {name}, batch {batch}: moves {bytes} bytes, at least {:.3} ms at {:.1} GB/s",
        bytes / limits.bandwidth * 1e3,
        limits.bandwidth / 1e9
    );
}
