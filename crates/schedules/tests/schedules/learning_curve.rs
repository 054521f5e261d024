//! Learning curves: check values, invariants, resume, bad input.

use proptest::prelude::*;
use regimen_schedules::forecast::learning_curve::{
    percentage_error, reliability, robustness, total_variation,
};
use regimen_schedules::{Error, LearningTrace, LearningTraceConfig, PowerLaw};

fn law() -> PowerLaw {
    PowerLaw::new(40.0, 0.35, 97.0).unwrap()
}

fn near(left: f64, right: f64, tolerance: f64) -> bool {
    (left - right).abs() <= tolerance
}

fn same(left: &PowerLaw, right: &PowerLaw, tolerance: f64) -> bool {
    near(left.a / right.a, 1.0, tolerance)
        && near(left.b / right.b, 1.0, tolerance)
        && near(left.c / right.c, 1.0, tolerance)
}

/// A trace over sizes of 5000, 10,000, ...
fn trace(config: LearningTraceConfig, accuracies: &[f64]) -> LearningTrace {
    let mut trace = config.init().unwrap();
    for (index, accuracy) in accuracies.iter().enumerate() {
        trace
            .observe(5000.0 * (index + 1) as f64, *accuracy)
            .unwrap();
    }
    trace
}

fn clean(levels: usize) -> Vec<f64> {
    let size = |level: usize| 5000.0 * level as f64;
    (1..=levels).map(|level| law().at(size(level))).collect()
}

#[test]
fn values_of_a_known_law() {
    for (size, value) in [
        (100.0, 89.018_950_74),
        (200.0, 90.738_195_67),
        (400.0, 92.087_087_9),
        (1000.0, 93.434_996_25),
        (1e4, 95.407_571_32),
        (1e6, 96.682_268_71),
    ] {
        assert!(near(law().at(size), value, 1e-8), "{size}");
    }
    for (size, layer) in [(5e3, 2.029_646_9), (5e4, 0.906_610_0), (5e5, 0.404_967_8)] {
        assert!(near(law().layer(size), layer, 1e-7), "{size}");
    }
    assert!(near(law().size_for(1.0), 37_784.55, 0.01));
    assert!(near(
        LearningTraceConfig::new().steepest(),
        4.00016e-5,
        1e-12
    ));
    let slope = LearningTraceConfig::new()
        .with_steepest(0.25)
        .unwrap()
        .steepest();
    assert!(near(slope, 0.25, 1e-15));
}

#[test]
fn three_points_give_the_law_in_closed_form_and_by_the_fit() {
    let sizes = [100.0, 200.0, 400.0];
    let accuracies = sizes.map(|size| law().at(size));
    let exact = PowerLaw::through(100.0, 2.0, accuracies).unwrap();
    assert!(same(&exact, &law(), 1e-10), "{exact:?}");
    let fitted = PowerLaw::fit(&sizes, &accuracies, None).unwrap();
    assert!(same(&fitted, &law(), 1e-8), "{fitted:?}");
    assert!(PowerLaw::through(100.0, 2.0, [1.0, 2.0, 3.0]).is_err());
}

#[test]
fn without_noise_the_backbone_is_constant_and_anchors_change_nothing() {
    let config = LearningTraceConfig::new();
    for anchored in [false, true] {
        let trace = trace(config.with_anchored(anchored), &clean(12));
        assert_eq!(trace.trends().len(), 10);
        assert!(trace.trends().iter().all(|trend| same(trend, &law(), 1e-7)));
        assert_eq!(trace.prediction_level(), Some(3));
    }
}

#[test]
fn a_fit_is_a_least_square_of_noisy_points() {
    let sizes: Vec<f64> = (1..=12).map(|level| 50.0 * f64::from(level)).collect();
    let noisy = |size: &f64| law().at(*size) + (size * 0.37).sin();
    let accuracies: Vec<f64> = sizes.iter().map(noisy).collect();
    for anchor in [None, Some(90.0)] {
        let error = |law: &PowerLaw| {
            let pairs = sizes.iter().zip(&accuracies);
            let sum: f64 = pairs.map(|(x, y)| (law.at(*x) - y).powi(2)).sum();
            sum + anchor.map_or(0.0, |anchor: f64| (law.c - anchor).powi(2))
        };
        let fit = PowerLaw::fit(&sizes, &accuracies, anchor).unwrap();
        let least = error(&fit);
        for step in [-1e-3, 1e-3] {
            let grown = 1.0 + step;
            for (a, b, c) in [
                (fit.a * grown, fit.b, fit.c),
                (fit.a, fit.b * grown, fit.c),
                (fit.a, fit.b, fit.c * grown),
            ] {
                assert!(
                    error(&PowerLaw::new(a, b, c).unwrap()) > least,
                    "{anchor:?}"
                );
            }
        }
    }
}

#[test]
fn levels_wait_for_a_flat_and_possible_backbone() {
    let mut accuracies = clean(20);
    accuracies[1] -= 0.3;
    let config = LearningTraceConfig::new().with_anchored(false);
    let early = trace(config, &accuracies[..4]);
    assert_eq!(early.working_level(), None);
    assert_eq!(early.predict(1e6), Err(Error::NotYet { level: 4 }));
    let late = trace(config, &accuracies);
    let working = late.working_level().unwrap();
    assert!(working > 3, "{working}");
    let steps: Vec<f64> = late
        .backbone()
        .windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .collect();
    let flat = |level: usize| steps[level - 3] / 5000.0 <= config.steepest();
    assert!((working..=working + 5).all(flat) && !flat(working - 1));
    // A straight rise towards 100 has its asymptote far above it.
    let rise: Vec<f64> = (0..20).map(|level| 40.0 + 3.0 * f64::from(level)).collect();
    let rise = trace(config.with_steepest(1.0).unwrap(), &rise);
    assert_eq!(
        (rise.working_level(), rise.prediction_level()),
        (Some(3), None)
    );
}

#[test]
fn convergence_comes_after_the_prediction_level() {
    let config = LearningTraceConfig::new();
    let level = |tau| trace(config.with_convergence(tau), &clean(20)).convergence_level();
    // The law leaves one point at 37,784 words: level 8 is the first past it.
    assert_eq!(
        (level(1.0), level(50.0), level(0.1)),
        (Some(8), Some(4), None)
    );
}

#[test]
fn anchors_steady_a_disturbed_backbone() {
    let mut accuracies = clean(24);
    accuracies[12] += 2.0;
    accuracies[17] -= 3.0;
    let config = LearningTraceConfig::new();
    let variation = |anchored| {
        let trace = trace(config.with_anchored(anchored), &accuracies);
        assert_eq!(trace.working_level(), Some(3));
        total_variation(&trace.backbone())
    };
    let (anchored, free) = (variation(true), variation(false));
    assert!(anchored < 0.5 * free, "{anchored} {free}");
}

#[test]
fn quality_of_predictions() {
    assert!(near(
        percentage_error(&[99.0, 52.0], &[100.0, 50.0]).unwrap(),
        2.5,
        1e-12
    ));
    let share = reliability(&[1.0, 3.0, 2.0], &[1.0, 2.0, 3.0]).unwrap();
    assert!(near(share, 2.0 / 3.0, 1e-12));
    assert!(near(robustness(&[1.0, 2.0, 3.0, 2.0]), 0.5, 1e-12));
    assert!(near(total_variation(&[1.0, 2.0, 0.0]), 3.0, 1e-12));
    assert!(percentage_error(&[], &[]).is_err() && reliability(&[1.0], &[1.0]).is_err());
    assert!(percentage_error(&[1.0], &[0.0]).is_err());
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let mut trace = trace(LearningTraceConfig::new(), &clean(5));
    let before = trace.clone();
    for (size, accuracy) in [
        (f64::NAN, 90.0),
        (f64::INFINITY, 90.0),
        (25_000.0, 90.0),
        (30_000.0, f64::NAN),
        (30_000.0, 100.5),
        (30_000.0, -1.0),
    ] {
        assert!(trace.observe(size, accuracy).is_err(), "{size} {accuracy}");
    }
    assert_eq!(trace, before);
    let config = LearningTraceConfig::new();
    let mut never = config.with_look_ahead(usize::MAX).init().unwrap();
    for (index, accuracy) in clean(5).into_iter().enumerate() {
        never
            .observe(5000.0 * (index + 1) as f64, accuracy)
            .unwrap();
    }
    assert_eq!(never.working_level(), None);
    for bad in [
        config.with_verticality(1.0, 1.0),
        config.with_verticality(f64::NAN, 1.0),
        config.with_verticality(0.1, 0.5),
        config.with_ceiling(0.0),
        config.with_convergence(f64::INFINITY),
    ] {
        assert!(bad.init().is_err(), "{bad:?}");
    }
    for slope in [-1.0, 0.0, f64::INFINITY, f64::NAN] {
        let refused = config.with_steepest(slope).unwrap_err().to_string();
        assert!(refused.starts_with("`slope` is"), "{refused}");
    }
    let huge = PowerLaw::fit(&[1e40, 1.01e40, 1.02e40], &[1.0, 5.0, 5.1], None);
    assert!(huge.unwrap_err().to_string().contains("sizes[0]"));
    assert!(PowerLaw::fit(&[1.0, 2.0], &[1.0, 2.0], None).is_err());
    assert!(PowerLaw::fit(&[1.0, 2.0, 2.0], &[1.0, 2.0, 3.0], None).is_err());
    assert!(PowerLaw::fit(&[1.0, 2.0, 3.0], &[1.0, 2.0], None).is_err());
    assert!(serde_json::from_str::<PowerLaw>(r#"{"a":1,"b":-1,"c":3}"#).is_err());
}

proptest! {
    #[test]
    fn laws_increase_bend_down_and_leave_less_to_gain(
        a in 0.1_f64..80.0, b in 0.05_f64..2.0, x in 1.0_f64..1e5, step in 1.0_f64..1e4,
    ) {
        let law = PowerLaw::new(a, b, 95.0).unwrap();
        let [first, second, third] = [x, x + step, x + 2.0 * step].map(|x| law.at(x));
        prop_assert!(first <= second && second <= third && third <= 95.0);
        prop_assert!(third - second <= second - first + 1e-9);
        prop_assert!(law.layer(x + step) <= law.layer(x));
    }

    #[test]
    fn a_law_is_found_again(a in 5.0_f64..80.0, b in 0.1_f64..1.5, x in 10.0_f64..5000.0) {
        let law = PowerLaw::new(a * x.powf(b), b, 95.0).unwrap();
        let sizes: Vec<f64> = (1..=10).map(|level| x * f64::from(level)).collect();
        let accuracies: Vec<f64> = sizes.iter().map(|x| law.at(*x)).collect();
        let fit = PowerLaw::fit(&sizes, &accuracies, None).unwrap();
        prop_assert!(same(&fit, &law, 1e-5), "{:?} {:?}", fit, law);
    }

    #[test]
    fn a_resumed_trace_is_the_straight_one(
        noise in prop::collection::vec(-0.5_f64..0.5, 14), cut in 0_usize..14, anchored: bool,
    ) {
        // Floats of all bits: JSON keeps them with `float_roundtrip`.
        let accuracies: Vec<f64> = clean(14).iter().zip(&noise).map(|(y, e)| y + e).collect();
        let config = LearningTraceConfig::new().with_verticality(1e-3, 1.0).with_anchored(anchored);
        let straight = trace(config, &accuracies);
        let saved = serde_json::to_string(&trace(config, &accuracies[..cut])).unwrap();
        let mut resumed: LearningTrace = serde_json::from_str(&saved).unwrap();
        for (index, accuracy) in accuracies.iter().enumerate().skip(cut) {
            resumed.observe(5000.0 * (index + 1) as f64, *accuracy).unwrap();
        }
        prop_assert_eq!(resumed, straight);
    }
}

#[test]
fn no_prediction_lies_above_the_ceiling_or_below_0() {
    let law = PowerLaw::new(40.0, 0.35, 97.0).unwrap();
    let config = LearningTraceConfig::new().with_anchored(false);
    let mut trace = config.init().unwrap();
    for level in 1..=12 {
        let size = 5000.0 * f64::from(level);
        trace.observe(size, law.at(size)).unwrap();
    }
    for level in 13..=22 {
        // Nearly a straight line up to 99.9: no curve that ends below 100.
        trace
            .observe(
                5000.0 * f64::from(level),
                96.0 + 3.9 * f64::from(level - 12) / 10.0,
            )
            .unwrap();
    }
    let last = trace.trends().last().unwrap();
    assert!(
        last.c > 100.0 && last.at(1e12) > 100.0 && last.at(1e-300) < 0.0,
        "{last:?}"
    );
    assert_eq!(trace.predict(1e12).unwrap(), 100.0);
    assert_eq!(trace.predict(1e-300).unwrap(), 0.0);
}
