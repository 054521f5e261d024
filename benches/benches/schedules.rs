//! A schedule's value, beside a sum that starts anew at each step.

use std::hint::black_box;

use criterion::Criterion;
use regimen_schedules::refined::step_sizes;
use regimen_schedules::{Cosine, Linear, Norm, RefinedConfig, Schedule, ScheduleExt};

pub(crate) fn value(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule-value");
    let steps = 10_000;
    let linear = Linear::new(0.1, steps).unwrap();
    let cosine = Cosine::new(0.1, steps).unwrap().warmed_up(500).unwrap();
    let norms: Vec<f64> = (1..=steps).map(|t| (t as f64).powf(-0.5)).collect();
    let refined = RefinedConfig::new(Norm::L2).init(&norms).unwrap();
    let all: [(&str, &dyn Schedule); 3] = [
        ("linear", &linear),
        ("warm cosine", &cosine),
        ("refined", &refined),
    ];
    for (name, schedule) in all {
        let mut step = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                step = (step + 1) % steps;
                black_box(schedule.at(black_box(step)))
            });
        });
    }
    let weights: Vec<f64> = norms.iter().map(|norm| norm.powi(-2)).collect();
    group.bench_function("refined, naive", |bencher| {
        bencher.iter(|| black_box(step_sizes(black_box(&weights)).unwrap()[5000]));
    });
    group.finish();
}
