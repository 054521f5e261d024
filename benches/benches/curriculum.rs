//! SeTa's plan of an epoch of three million examples, beside grouping by a full sort.

use std::hint::black_box;

use criterion::Criterion;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::{Sampler, SetaConfig};

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
