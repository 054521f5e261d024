//! Rates that follow a metric.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use proptest::prelude::*;
use regimen_schedules::*;

const PLATEAU: [f64; 10] = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9];

fn assert_trace(mut rate: impl Feedback, metrics: &[f64], expected: &[f64]) {
    for (index, (metric, expected)) in metrics.iter().zip(expected).enumerate() {
        let found = rate.observe(*metric);
        assert!(
            (found - expected).abs() < 1e-15,
            "{index}: {found}, expected {expected}"
        );
    }
}

#[test]
fn plateau_traces() {
    let torch = ReduceOnPlateauConfig::torch().with_patience(2);
    let optax = ReduceOnPlateauConfig::optax().with_patience(2);
    let keras = ReduceOnPlateauConfig::keras().with_patience(2);
    #[rustfmt::skip]
    let rows = [
        (torch, [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]),
        (optax, [1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001]),
        (keras, [1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001]),
        (torch.with_cooldown(2), [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01]),
        (optax.with_cooldown(2), [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]),
        (keras.with_cooldown(2), [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001]),
    ];
    for (config, expected) in rows {
        assert_trace(config.init(1.0).unwrap(), &PLATEAU, &expected);
    }
}

#[test]
fn greedy_trace() {
    let greedy = GreedyConfig::new().with_factor(0.5).with_patience(1);
    let metrics = [1.0, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5];
    let expected = [0.25, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.5, 1.0];
    assert_trace(greedy.init(0.25).unwrap(), &metrics, &expected);
}

#[test]
fn accumulated_values_count_once() {
    let config = ReduceOnPlateauConfig::optax().with_patience(1);
    let mut rate = config.with_accumulation(3).init(1.0).unwrap();
    let metrics = [3.0, 0.0, 0.0, 1.0, 1.0, 0.9, 2.0, 2.0, 2.0];
    let rates = metrics.map(|metric| rate.observe(metric));
    assert_eq!(rates, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1]);
}

#[test]
fn higher_is_better_in_max_mode() {
    let config = ReduceOnPlateauConfig::torch()
        .with_mode(Mode::Max)
        .with_patience(0);
    let mut rate = config.with_factor(0.5).init(1.0).unwrap();
    let rates = [0.5, 0.6, 0.7, 0.7, f64::NAN].map(|metric| rate.observe(metric));
    assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.25]);
    assert_eq!(rate.state().followed.best, Some(0.7));
}

#[test]
fn fields_out_of_range_are_named() {
    let message = |error: Error| error.to_string();
    let config = ReduceOnPlateauConfig::torch().with_factor(1.0);
    assert_eq!(
        message(config.init(1.0).unwrap_err()),
        "`factor` is 1: allowed is between 0 and 1"
    );
    assert!(
        ReduceOnPlateauConfig::keras()
            .with_patience(0)
            .init(1.0)
            .is_err()
    );
    assert!(
        ReduceOnPlateauConfig::torch()
            .with_accumulation(0)
            .init(1.0)
            .is_err()
    );
    assert!(ReduceOnPlateauConfig::torch().init(f64::NAN).is_err());
    assert!(GreedyConfig::new().with_bounds(1.0, 0.5).init(0.1).is_err());
    assert!(GreedyConfig::new().with_window(0).init(0.1).is_err());
    let threshold = Threshold::Absolute(-1.0);
    assert!(
        GreedyConfig::new()
            .with_threshold(threshold)
            .init(0.1)
            .is_err()
    );
}

/// A run that observes a metric after each update; returns its rates.
fn run<F: Feedback + Clone + Send + 'static>(rate: &LrFeedback<F>, metrics: &[f64]) -> Vec<f64> {
    let mut scheduler = rate.clone();
    let update = |metric: &f64| {
        let value = scheduler.step();
        rate.observe(*metric);
        value
    };
    metrics.iter().map(update).collect()
}

fn resumes<F: Feedback + Clone + Send + 'static>(
    new: &dyn Fn() -> F,
    metrics: &[f64],
    stop: usize,
) {
    let schedule = || Cosine::new(0.5, 30).unwrap();
    let straight = run(&LrFeedback::scaling(schedule(), new()), metrics);
    // A clone in the learner has the position; the handle outside shares the feedback.
    let first = LrFeedback::scaling(schedule(), new());
    let mut scheduler = first.clone();
    let mut found = Vec::new();
    for metric in &metrics[..stop] {
        found.push(scheduler.step());
        first.observe(*metric);
    }
    let bytes = scheduler.to_record().into_bytes().unwrap();
    let second = LrFeedback::scaling(schedule(), new());
    let mut scheduler = second.clone();
    scheduler.load_record(LrSchedulerRecord::from_bytes(bytes).unwrap());
    for metric in &metrics[stop..] {
        found.push(scheduler.step());
        second.observe(*metric);
    }
    assert_eq!(found, straight);
}

proptest! {
    #[test]
    fn feedback_resumes_from_its_record(
        metrics in prop::collection::vec(0.1_f64..2.0, 1..60), stop in 0_usize..60, cooldown in 0_usize..3,
    ) {
        let stop = stop.min(metrics.len());
        for config in [ReduceOnPlateauConfig::torch(), ReduceOnPlateauConfig::optax(), ReduceOnPlateauConfig::keras()] {
            let config = config.with_patience(2).with_cooldown(cooldown).with_accumulation(2);
            resumes(&|| config.init(1.0).unwrap(), &metrics, stop);
        }
        let config = GreedyConfig::new().with_patience(1).with_factor(0.5).with_window(3);
        let config = config.with_pauses(cooldown, 1).with_reset_after(2);
        resumes(&|| config.init(0.01).unwrap(), &metrics, stop);
    }

    #[test]
    fn greedy_stays_within_its_bounds(metrics in prop::collection::vec(0.1_f64..2.0, 1..200)) {
        let config = GreedyConfig::new().with_patience(0).with_factor(0.5).with_reset_after(3);
        let mut rate = config.with_bounds(0.01, 0.4).init(0.1).unwrap();
        for metric in metrics {
            prop_assert!((0.01..=0.4).contains(&rate.observe(metric)));
        }
    }
}

#[test]
fn state_survives_serde() {
    let mut rate = GreedyConfig::new().with_window(4).init(0.1).unwrap();
    for metric in [3.0, 2.0, 2.5] {
        rate.observe(metric);
    }
    let text = serde_json::to_string(&rate).unwrap();
    assert_eq!(serde_json::from_str::<Greedy>(&text).unwrap(), rate);
    let mut rate = ReduceOnPlateauConfig::torch().init(0.1).unwrap();
    rate.observe(2.0);
    let text = serde_json::to_string(&rate).unwrap();
    assert_eq!(
        serde_json::from_str::<ReduceOnPlateau>(&text).unwrap(),
        rate
    );
}

#[test]
fn a_state_with_a_value_that_is_not_finite_survives_json() {
    fn assert_resumes<F>(mut rate: F, metrics: [f64; 6])
    where
        F: Feedback + serde::Serialize + for<'de> serde::Deserialize<'de>,
    {
        for (step, metric) in metrics.into_iter().enumerate() {
            let mut resumed: F =
                serde_json::from_str(&serde_json::to_string(&rate).unwrap()).unwrap();
            assert_eq!(resumed.observe(metric), rate.observe(metric), "{step}");
            assert_eq!(
                serde_json::to_string(&resumed).unwrap(),
                serde_json::to_string(&rate).unwrap()
            );
        }
    }
    let metrics = [3.0, f64::NAN, 2.0, f64::INFINITY, 1.0, 1.0];
    let plateau = ReduceOnPlateauConfig::torch()
        .with_patience(0)
        .with_accumulation(2);
    assert_resumes(plateau.init(1.0).unwrap(), metrics);
    let greedy = GreedyConfig::new().with_patience(0).with_window(2);
    assert_resumes(greedy.init(0.1).unwrap(), metrics);
}

#[test]
fn a_state_from_a_file_is_checked() {
    let plateau =
        serde_json::to_string(&ReduceOnPlateauConfig::torch().init(0.5).unwrap()).unwrap();
    for (good, bad) in [
        ("\"factor\":0.1", "\"factor\":2.0"),
        ("\"accumulation\":1", "\"accumulation\":0"),
        ("\"rate\":0.5", "\"rate\":-0.5"),
    ] {
        assert!(plateau.contains(good));
        assert!(
            serde_json::from_str::<ReduceOnPlateau>(&plateau.replace(good, bad)).is_err(),
            "{bad}"
        );
    }
    let greedy = serde_json::to_string(&GreedyConfig::new().init(0.5).unwrap()).unwrap();
    for (good, bad) in [
        ("\"most\":1.0", "\"most\":0.0"),
        ("\"reset_after\":500", "\"reset_after\":0"),
        ("\"first\":0.5", "\"first\":-1.0"),
    ] {
        assert!(greedy.contains(good));
        assert!(
            serde_json::from_str::<Greedy>(&greedy.replace(good, bad)).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn a_threshold_of_both_kinds_is_their_sum() {
    let threshold = Threshold::Both {
        relative: 0.1,
        absolute: 0.2,
    };
    let improves = |mode, metric| {
        let config = ReduceOnPlateauConfig::optax()
            .with_mode(mode)
            .with_threshold(threshold);
        let mut rate = config.init(1.0).unwrap();
        rate.observe(2.0);
        rate.observe(metric);
        rate.state().followed.best == Some(metric)
    };
    // optax: below 0.9 * 2 - 0.2 = 1.6.
    assert_eq!(
        [1.59, 1.61].map(|metric| improves(Mode::Min, metric)),
        [true, false]
    );
    assert_eq!(
        [2.41, 2.39].map(|metric| improves(Mode::Max, metric)),
        [true, false]
    );
    let bad = Threshold::Both {
        relative: 0.1,
        absolute: f64::NAN,
    };
    assert!(
        ReduceOnPlateauConfig::optax()
            .with_threshold(bad)
            .init(1.0)
            .is_err()
    );
}

#[test]
fn an_earlier_record_takes_the_rate_all_the_way_back() {
    let config = ReduceOnPlateauConfig::torch()
        .with_patience(0)
        .with_accumulation(2);
    let rate = LrFeedback::new(config.init(1.0).unwrap());
    let (new, record) = (rate.feedback(), rate.to_record());
    for metric in [3.0, 3.0, 4.0, 4.0, 5.0] {
        rate.observe(metric);
    }
    assert_ne!(rate.feedback(), new);
    rate.clone().load_record(record);
    assert_eq!(rate.feedback(), new);
    // A record of something else changes nothing.
    rate.observe(3.0);
    let before = rate.feedback();
    rate.clone().load_record(LrSchedulerRecord::new());
    assert_eq!(rate.feedback(), before);

    let greedy = LrFeedback::new(GreedyConfig::new().with_window(3).init(0.1).unwrap());
    let (new, record) = (greedy.feedback(), greedy.to_record());
    greedy.observe(1.0);
    greedy.clone().load_record(record);
    assert_eq!(greedy.feedback(), new);
}

#[test]
fn values_that_are_not_finite_improve_on_nothing() {
    let config = ReduceOnPlateauConfig::torch().with_patience(9);
    let mut rate = config.init(1.0).unwrap();
    for metric in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        rate.observe(metric);
    }
    assert_eq!(
        (rate.state().followed.best, rate.state().followed.bad),
        (None, 3)
    );
    rate.observe(2.0);
    rate.observe(f64::NEG_INFINITY);
    assert_eq!(rate.state().followed.best, Some(2.0));
}

#[test]
fn a_constant_metric_below_0_is_no_improvement() {
    for (mode, better) in [(Mode::Min, -1.1), (Mode::Max, -0.9)] {
        for threshold in [
            Threshold::Relative(1e-4),
            Threshold::Both {
                relative: 1e-4,
                absolute: 0.0,
            },
        ] {
            let config = ReduceOnPlateauConfig::torch().with_patience(2);
            let config = config.with_mode(mode).with_threshold(threshold);
            let mut plateau = config.init(1.0).unwrap();
            let rates = [-1.0; 4].map(|metric| plateau.observe(metric));
            assert_eq!(rates, [1.0, 1.0, 1.0, 0.1]);
            assert_eq!(plateau.observe(better), 0.1);
            assert_eq!(plateau.state().followed.best, Some(better));

            let config = GreedyConfig::new().with_patience(1).with_factor(0.5);
            let config = config.with_mode(mode).with_threshold(threshold);
            let mut greedy = config.init(1.0).unwrap();
            let rates = [-1.0; 3].map(|metric| greedy.observe(metric));
            assert_eq!(rates, [1.0, 1.0, 0.5]);
        }
    }
}
