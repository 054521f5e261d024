//! Properties of schedules, of refinement and of the adaptor to Burn.
#![allow(clippy::unwrap_used, missing_docs)]

#[cfg(all(feature = "forecast", feature = "plot"))]
mod bad_input;
mod compositions;
mod conformance;
mod depth;
mod entries;
mod feedback;
#[cfg(feature = "plot")]
mod gallery;
mod golden;
#[cfg(all(feature = "forecast", feature = "plot"))]
mod hostile;
mod importance;
#[cfg(feature = "forecast")]
mod learning_curve;
#[cfg(feature = "forecast")]
mod parts;
mod peers;
mod records;
#[cfg(feature = "forecast")]
mod states;
mod values;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use proptest::prelude::*;
use regimen_schedules::refine::{bound, median_filter, resample, step_sizes, weights};
use regimen_schedules::{
    Constant, Cosine, InverseSqrt, Linear, LrSchedule, Norm, Polynomial, Refined, RefinedConfig,
    Schedule, ScheduleExt,
};

fn norms() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.01_f64..100.0, 2..120)
}

fn close(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-9)
}

proptest! {
    #[test]
    fn a_common_factor_of_the_norms_changes_nothing(norms in norms(), factor in 0.1_f64..10.0) {
        let scaled: Vec<f64> = norms.iter().map(|norm| norm * factor).collect();
        for norm in [Norm::L1, Norm::L2] {
            let one = RefinedConfig::new(norm).init(&norms).unwrap();
            let two = RefinedConfig::new(norm).init(&scaled).unwrap();
            prop_assert!(close(one.shape(), two.shape()));
        }
    }

    #[test]
    fn refined_values_lie_between_0_and_1_and_end_at_0(norms in norms()) {
        let rate = RefinedConfig::new(Norm::L2).init(&norms).unwrap();
        prop_assert!(rate.shape().iter().all(|value| (0.0..=1.0).contains(value)));
        prop_assert!(rate.shape().contains(&1.0));
        prop_assert_eq!(rate.at(norms.len() - 1), 0.0);
    }

    #[test]
    fn constant_norms_give_linear_decay(steps in 2_usize..200, value in 0.1_f64..10.0) {
        let rate = RefinedConfig::new(Norm::L1).init(&vec![value; steps]).unwrap();
        let linear = Linear::new(1.0, steps - 1).unwrap();
        let expected: Vec<f64> = (0..steps).map(|step| linear.at(step)).collect();
        prop_assert!(close(rate.shape(), &expected));
    }

    #[test]
    fn no_weights_have_a_lower_bound_than_the_refined(norms in norms(), other in norms()) {
        let best = bound(&weights(&norms, Norm::L2).unwrap(), &norms, 1.0).unwrap();
        let other: Vec<f64> = norms.iter().zip(other.iter().cycle()).map(|(_, w)| *w).collect();
        prop_assert!(bound(&other, &norms, 1.0).unwrap() >= best * (1.0 - 1e-12));
        let closed = 1.0 / norms.iter().map(|norm| norm.powi(-2)).sum::<f64>().sqrt();
        prop_assert!((best - closed).abs() < 1e-9 * closed);
    }

    #[test]
    fn the_median_filter_agrees_with_a_sort(values in prop::collection::vec(-5_i8..5, 1..60), half in 0_usize..9) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let found = median_filter(&values, 2 * half + 1).unwrap();
        let (half, last) = (half as isize, values.len() as isize - 1);
        for (center, median) in found.iter().enumerate() {
            let mut window: Vec<f64> = (-half..=half)
                .map(|offset| {
                    let mut i = (center as isize + offset).max(0);
                    while i > last {
                        i = if last == 0 { 0 } else { (2 * last - i).abs() };
                    }
                    values[i as usize]
                })
                .collect();
            window.sort_by(f64::total_cmp);
            prop_assert_eq!(*median, window[half as usize]);
        }
    }

    #[test]
    fn composition_is_off_by_nothing(first in 1_usize..20, step in 0_usize..60) {
        let flat = Linear::new(1.0, 40).unwrap();
        let joined = Constant::new(0.3).unwrap().then(first, flat).unwrap();
        let expected = if step < first { 0.3 } else { flat.at(step - first) };
        prop_assert_eq!(joined.at(step), expected);
        let warm = flat.warmed_up(first).unwrap();
        prop_assert!((warm.at(first - 1) - 1.0).abs() < 1e-12);
        prop_assert_eq!(warm.at(first), 1.0);
        prop_assert!(flat.clamped(0.2, 0.7).unwrap().at(step) >= 0.2);
    }
}

#[test]
fn every_schedule_is_finite_past_its_end() {
    let all: Vec<Box<dyn Schedule>> = vec![
        Box::new(Linear::new(1.0, 10).unwrap()),
        Box::new(Cosine::new(3.0, 10).unwrap()),
        Box::new(InverseSqrt::new(1.0, 5.0).unwrap()),
        Box::new(Polynomial::new(1.0, 10, 0.0, 1.5).unwrap()),
        Box::new(
            Refined::from_weights(&[1.0; 10])
                .unwrap()
                .with_steps(7)
                .unwrap(),
        ),
    ];
    for schedule in all {
        for step in [0, 1, 9, 10, 11, usize::MAX / 2] {
            let value = schedule.at(step);
            assert!(value.is_finite() && value >= 0.0);
        }
    }
}

#[test]
fn a_resumed_scheduler_goes_on_where_it_stopped() {
    for stop in 0..12 {
        let new = || LrSchedule::new(Cosine::new(1.0, 10).unwrap()).with_calls_per_update(3);
        let mut straight = new();
        let expected: Vec<f64> = (0..24).map(|_| straight.step()).collect();
        let mut first = new();
        let mut found: Vec<f64> = (0..stop).map(|_| first.step()).collect();
        let bytes = first.to_record().into_bytes().unwrap();
        let mut second = new();
        second.load_record(LrSchedulerRecord::from_bytes(bytes).unwrap());
        found.extend((stop..24).map(|_| second.step()));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_schedule_survives_serde() {
    let rate = RefinedConfig::new(Norm::L2).init(&[3.0, 1.0, 2.0]).unwrap();
    let rate = rate.with_peak(0.3).unwrap();
    let text = serde_json::to_string(&rate).unwrap();
    let back: Refined = serde_json::from_str(&text).unwrap();
    assert_eq!(back, rate);
}

#[test]
fn step_sizes_are_the_tail_products() {
    let weights = [0.5, 2.0, 1.0, 0.25];
    let sizes = step_sizes(&weights).unwrap();
    for (t, size) in sizes.iter().enumerate() {
        let tail: f64 = weights[t + 1..].iter().sum();
        assert!((size - weights[t] * tail / 3.75).abs() < 1e-12);
    }
    assert_eq!(resample(&[0.0, 1.0], 3).unwrap(), [0.0, 0.5, 1.0]);
}
