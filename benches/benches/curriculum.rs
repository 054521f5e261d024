//! SeTa's plan of an epoch of three million examples, beside grouping by a full sort; epochs with replay, beside a plain loader.

use std::hint::black_box;
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::Dataset;
use burn::tensor::Device;
use criterion::Criterion;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::text::TokenWindows;
use regimen_curriculum::{ReplayMixConfig, Sample, Sampler, SetaConfig};

const EXAMPLES: usize = 3_000_000;

pub(crate) fn plan(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Late in training most losses are tiny.
    let losses: Vec<f32> = (0..EXAMPLES)
        .map(|_| 3.0 * rng.random::<f32>().powi(6))
        .collect();
    let ids: Vec<usize> = (0..EXAMPLES).collect();
    let config = SetaConfig::new(1_000_000)
        .with_prune_ratio(0.1)
        .with_groups(5)
        .with_window_scale(0.6);
    let mut sampler = config.init(EXAMPLES).unwrap();
    sampler.observe(&ids, &losses).unwrap();
    let _ = sampler.plan();
    let mut group = criterion.benchmark_group("seta-plan-3M");
    group.bench_function("regimen", |bencher| {
        bencher.iter(|| black_box(sampler.plan()))
    });
    group.bench_function("naive, full sort", |bencher| {
        bencher.iter(|| {
            let mut drawn = ids.clone();
            drawn.shuffle(&mut rng);
            drawn.truncate(EXAMPLES * 9 / 10);
            drawn.sort_by(|a, b| losses[*a].total_cmp(&losses[*b]));
            let mut inside = drawn[drawn.len() / 5..4 * drawn.len() / 5].to_vec();
            inside.shuffle(&mut rng);
            black_box(inside)
        });
    });
    group.finish();
}

/// A batch of windows as one vector: what the loaders cost by themselves.
struct Join;

impl Batcher<Sample<Vec<u32>>, Vec<u32>> for Join {
    fn batch(&self, items: Vec<Sample<Vec<u32>>>, _: &Device) -> Vec<u32> {
        items.into_iter().flat_map(|sample| sample.item).collect()
    }
}

impl Batcher<Vec<u32>, Vec<u32>> for Join {
    fn batch(&self, items: Vec<Vec<u32>>, _: &Device) -> Vec<u32> {
        items.concat()
    }
}

/// An epoch of a million windows of 64 tokens in batches of 256, with a quarter of old ones, beside Burn's loader over the new ones alone.
pub(crate) fn replay(criterion: &mut Criterion) {
    const WINDOWS: usize = 1 << 20;
    const CONTEXT: usize = 64;
    let device = Device::flex();
    let windows = |first: u32| -> Arc<dyn Dataset<Vec<u32>>> {
        let tokens: Vec<u32> = (0..WINDOWS as u32 + 64).map(|i| first + i).collect();
        Arc::new(
            TokenWindows::new(tokens, CONTEXT)
                .unwrap()
                .with_stride(1)
                .unwrap(),
        )
    };
    let (old, new) = (windows(0), windows(1 << 24));
    let batches = WINDOWS / 256;
    let mut group = criterion.benchmark_group("replay-epoch-1M");
    let plain = DataLoaderBuilder::<Vec<u32>, Vec<u32>>::new(Join)
        .batch_size(256)
        .shuffle(7);
    let plain = plain.build(new.clone());
    group.bench_function("Burn's loader, new data alone", |bencher| {
        bencher.iter(|| {
            plain
                .iter()
                .map(|batch| batch.unwrap().len())
                .sum::<usize>()
        });
    });
    for fraction in [0.0, 0.25] {
        let config = ReplayMixConfig::new(fraction, 256).with_batches(batches);
        let loader = config.loader(vec![old.clone()], new.clone(), Arc::new(Join), &device);
        let loader = loader.unwrap();
        group.bench_function(format!("regimen, {fraction} replay"), |bencher| {
            bencher.iter(|| {
                loader
                    .iter()
                    .map(|batch| batch.unwrap().len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}
