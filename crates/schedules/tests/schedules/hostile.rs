//! What a user may type by mistake gives an error, never a panic.

use regimen_schedules::forecast::early_signals::{EarlySignal, select};
use regimen_schedules::forecast::law::{
    AnnealingFitConfig, AnnealingLaw, Areas, ChinchillaFitConfig, LossCurve,
};
use regimen_schedules::forecast::learning_curve::{
    percentage_error, reliability, robustness, total_variation,
};
use regimen_schedules::refine::{
    bound, filter_recipe, median_filter, numerical_step_sizes, resample, step_sizes, weights,
};
use regimen_schedules::*;

use crate::entries;

const BAD: [f64; 6] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    -1.0,
    0.0,
];

#[test]
fn no_step_makes_a_schedule_panic() {
    for entry in entries::all() {
        let mut values = [0.0; 3];
        for step in [0, 1, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
            assert!(entry.schedule.at(step).is_finite(), "{} {step}", entry.name);
            entry.schedule.fill(step, &mut values);
        }
    }
}

#[test]
fn logs_that_are_empty_short_or_not_finite() {
    for norms in [
        vec![],
        vec![1.0],
        vec![f64::NAN; 3],
        vec![0.0; 9],
        vec![f64::MAX; 9],
        vec![1e-300; 9],
    ] {
        for norm in [Norm::L1, Norm::L2] {
            let refined = RefinedConfig::new(norm).init(&norms);
            assert!(refined.is_err() || refined.unwrap().shape().iter().all(|v| v.is_finite()));
            let _ = weights(&norms, norm);
        }
        for width in [0, 2, 1 << 30, usize::MAX] {
            assert!(median_filter(&norms, width).is_err());
        }
        let _ = (
            filter_recipe(&norms),
            step_sizes(&norms),
            resample(&norms, 0).unwrap(),
            resample(&norms, 1).unwrap(),
        );
        let _ = (
            bound(&norms, &norms, 1.0),
            numerical_step_sizes(&norms, 1.0),
            Refined::from_step_sizes(&norms),
        );
        let _ = (robustness(&norms), total_variation(&norms));
        let _ = (
            percentage_error(&norms, &norms),
            reliability(&norms, &norms),
        );
        let _ = (
            Areas::of(&norms, usize::MAX, 0.9),
            Areas::of(&norms, 0, f64::NAN),
        );
        let sizes: Vec<f64> = (1..=norms.len()).map(|size| size as f64).collect();
        let fit = PowerLaw::fit(&sizes, &norms, None);
        assert!(fit.is_err() || fit.unwrap().c.is_finite());
        if let Ok(curve) = LossCurve::of_rates(norms.clone(), vec![(1, 2.0)]) {
            assert!(AnnealingFitConfig::new().fit(&[curve]).is_err());
        }
    }
    assert!(AnnealingFitConfig::new().fit(&[]).is_err());
    assert!(ChinchillaFitConfig::new().fit(&[]).is_err());
    assert!(LossCurve::of_rates(vec![1.0], vec![(usize::MAX, 1.0)]).is_err());
    let law = AnnealingLaw {
        floor: 1.0,
        scale: 1.0,
        exponent: 0.5,
        gain: 0.1,
        memory: 0.9,
    };
    assert!(law.best::<Constant>(&[], 5, 0).is_err());
    assert!(law.best_cooldown(1.0, 50, usize::MAX).is_err());
    assert!(law.last(&Constant::ONE, 0, 0).is_err());
}

#[test]
fn metrics_that_are_not_finite_leave_a_rate() {
    for bad in BAD {
        let mut plateau = ReduceOnPlateauConfig::keras()
            .with_patience(1)
            .init(1.0)
            .unwrap();
        let mut greedy = GreedyConfig::new().with_window(3).init(1.0).unwrap();
        let mut norm = AdaGradNorm::new(1.0).unwrap();
        for metric in [1.0, bad, bad, 1.0] {
            let rates = [
                plateau.observe(metric),
                greedy.observe(metric),
                norm.observe(metric),
            ];
            assert!(
                rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0),
                "{bad}: {rates:?}"
            );
        }
        let mut signals = EarlySignalsConfig::new(1, u64::MAX).init().unwrap();
        let _ = (
            signals.observe(u64::MAX, bad, bad),
            signals.observe(u64::MAX, bad, bad),
        );
        let _ = signals.signal();
        let run = EarlySignal {
            gradient_norm: bad,
            loss: bad,
            healthy: true,
        };
        let selection = select(&[run, run], 0.5).unwrap();
        assert_eq!(selection.keep.len() + selection.stop.len(), 2);
        assert!(selection.saved(u64::MAX, 0).is_finite());
        let mut trace = LearningTraceConfig::new().init().unwrap();
        for size in [1.0, 2.0, bad] {
            let _ = trace.observe(size, bad);
        }
        assert!(trace.predict(bad).is_err());
    }
}

#[test]
fn pictures_of_nothing_and_of_too_much() {
    let schedule = Linear::new(1.0, 10).unwrap();
    let huge = Linear::between(-f64::MAX, f64::MAX, 10).unwrap();
    let top = Constant::new(f64::MAX).unwrap();
    let nan = Lambda(|_| f64::NAN);
    for (width, height) in [(0, 0), (1, 1), (30, 20), (480, 240)] {
        for steps in [0, 1, 10] {
            let picture = Picture::new(steps)
                .with_size(width, height)
                .with_title("title");
            let _ = (picture.svg(&[]), picture.svg(&[&schedule]));
            assert!(picture.svg(&[&nan]).is_err());
            let drawn = picture.svg(&[&huge, &top]).is_ok();
            assert!(drawn || steps == 0 || width < 480);
        }
    }
}
