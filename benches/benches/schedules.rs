//! A schedule's value, for all schedules, beside a sum that starts anew at each step; and tables.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use regimen_schedules::forecast::law::{AnnealingFitConfig, AnnealingLaw, LossCurve};
use regimen_schedules::refine::step_sizes;
use regimen_schedules::{
    AnySchedule, Cosine, Linear, Noisy, Norm, RefinedConfig, Schedule, ScheduleExt, WarmRestarts,
    Wsd,
};

#[path = "../../crates/schedules/tests/schedules/entries.rs"]
#[allow(dead_code, reason = "the gallery shows more than names")]
mod entries;

pub(crate) fn value(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule-value");
    let steps = 10_000;
    let linear = Linear::new(0.1, steps).unwrap();
    let cosine = Cosine::new(0.1, steps).unwrap().warmed_up(500).unwrap();
    let norms: Vec<f64> = (1..=steps).map(|t| (t as f64).powf(-0.5)).collect();
    let refined = RefinedConfig::new(Norm::L2).init(&norms).unwrap();
    let restarts = WarmRestarts::new(0.1, 10).unwrap();
    let restarts = restarts.with_growth(1.5).unwrap();
    let all: [(&str, &dyn Schedule); 4] = [
        ("linear", &linear),
        ("warm cosine", &cosine),
        ("sgdr, growth 1.5", &restarts),
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

/// Every schedule of the gallery, as the enum that a file holds: a value in the run's own order.
pub(crate) fn every(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule-every");
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(300));
    group.sample_size(20);
    for entry in entries::all() {
        let mut step = 0;
        group.bench_function(entry.name, |bencher| {
            bencher.iter(|| {
                step = (step + 1) % entries::STEPS;
                black_box(entry.schedule.at(black_box(step)))
            });
        });
    }
    group.finish();
}

/// A million values at once.
pub(crate) fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule-table");
    group.sample_size(20);
    let steps = 1_000_000;
    let cosine = Cosine::new(0.1, steps).unwrap();
    let restarts = WarmRestarts::new(0.1, 1_000).unwrap();
    let all: [(&str, AnySchedule); 7] = [
        ("linear", Linear::new(0.1, steps).unwrap().into()),
        ("cosine", cosine.into()),
        ("sgdr", restarts.with_growth(2.0).unwrap().into()),
        (
            "sgdr, growth 1.5",
            restarts.with_growth(1.5).unwrap().into(),
        ),
        ("noise on a cosine", Noisy::new(cosine, 1).unwrap().into()),
        ("warm cosine", cosine.warmed_up(500).unwrap().into()),
        (
            "wsd",
            Wsd::new(0.1, 500, steps / 2, steps / 2).unwrap().into(),
        ),
    ];
    for (name, schedule) in all {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(schedule.table(black_box(steps)).unwrap()));
        });
    }
    group.finish();
}

/// The annealing law, fitted to a curve of 10,000 updates with a loss at each, and the curve that it predicts.
pub(crate) fn law(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("annealing-law");
    let truth = AnnealingLaw {
        floor: 3.057,
        scale: 0.490,
        exponent: 0.497,
        gain: 0.299,
        memory: 0.999,
    };
    let steps = 10_000;
    let rates = Cosine::new(2e-4, steps).unwrap().table(steps).unwrap();
    let losses = truth.predict(&rates, 0).unwrap();
    let noisy = losses.iter().enumerate().map(|(step, loss)| {
        let noise = 3e-3 * ((step * step) as f64).sin();
        (step + 1, loss * (1.0 + noise))
    });
    let curve = LossCurve::of_rates(rates.clone(), noisy.collect()).unwrap();
    let curves = [curve];
    let config = AnnealingFitConfig::new();
    group.bench_function("fit", |bencher| {
        bencher.iter(|| black_box(config.fit(black_box(&curves)).unwrap()));
    });
    group.bench_function("predict", |bencher| {
        bencher.iter(|| black_box(truth.predict(black_box(&rates), 0).unwrap()));
    });
    group.finish();
}
