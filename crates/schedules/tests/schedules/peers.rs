//! The peers' edge cases: what they allow keeps its rates here, what they refuse is refused.
//!
//! Expected values are worked from the formulas in the released sources of optax, torch and transformers.

use regimen_schedules::peers::{keras, optax, timm, torch, transformers};
use regimen_schedules::{
    AnySchedule, Constant, Cosine, Curve, PiecewiseConstant, PiecewiseInterpolate, Result, Rise,
    Schedule, Stable, WarmRestarts,
};

fn rates(schedule: &impl Schedule, steps: usize) -> Vec<f64> {
    (0..steps).map(|step| schedule.at(step)).collect()
}

fn assert_rates(schedule: Result<AnySchedule>, expected: &[f64]) {
    let found = rates(&schedule.unwrap(), expected.len());
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close, "{found:?}, expected {expected:?}");
}

#[test]
fn a_onecycle_may_begin_at_its_peak() {
    let end = 1.0 / 25.0 / 1e4;
    let cosine = |p: f64| end + (1.0 - end) * (1.0 + (std::f64::consts::PI * p).cos()) / 2.0;
    let found = optax::cosine_onecycle(3, 1.0, 0.198, 25.0, 1e4);
    assert_rates(
        found,
        &[1.0, cosine(1.0 / 3.0), cosine(2.0 / 3.0), end, end],
    );
    // Both fractions on one step: optax keeps the last factor.
    let found = optax::linear_onecycle(2, 1.0, (0.3, 0.4), 4.0, 2.0);
    assert_rates(found, &[1.0 / 16.0, 3.0 / 64.0, 1.0 / 32.0]);
    let found = optax::linear_onecycle(4, 1.0, (0.25, 1.0), 4.0, 2.0);
    assert_rates(found, &[0.25, 1.0, 5.0 / 6.0, 4.0 / 6.0, 0.5]);
    let message = |result: Result<AnySchedule>| result.unwrap_err().to_string();
    assert!(message(optax::cosine_onecycle(0, 1.0, 0.3, 25.0, 1e4)).contains("`steps`"));
    assert!(message(optax::cosine_onecycle(9, 1.0, f64::NAN, 25.0, 1e4)).contains("`pct`"));
    assert!(message(optax::cosine_onecycle(9, 1.0, 0.3, 0.0, 1e4)).contains("`div`"));
    assert!(message(optax::linear_onecycle(9, 1.0, (0.3, 0.8), 2.0, -1.0)).contains("`final_div`"));
}

#[test]
fn optax_is_constant_without_steps() {
    assert_rates(optax::polynomial(0.5, 0.1, 2.0, 0, 7), &[0.5; 9]);
    for (steps, rate) in [(0, 0.5), (10, 0.0), (0, 0.0)] {
        let found = optax::exponential_decay(0.5, steps, rate, 2, true, Some(0.9));
        assert_rates(found, &[0.5; 9]);
    }
    assert_rates(optax::warmup_constant(0.1, 1.0, 0), &[0.1; 3]);
    let found = optax::exponential_decay(1.0, 2, 0.25, 1, true, Some(0.1));
    assert_rates(found, &[1.0, 1.0, 1.0, 0.25, 0.25, 0.1]);
}

#[test]
fn optax_ends_below_0() {
    let found = optax::warmup_cosine_decay(0.0, 1.0, 2, 4, -1.0);
    assert_rates(found, &[0.0, 0.5, 1.0, 0.0, -1.0, -1.0]);
    assert_rates(
        optax::warmup_constant(0.0, -1.0, 2),
        &[0.0, -0.5, -1.0, -1.0],
    );
    assert_rates(optax::polynomial(1.0, -1.0, 1.0, 2, 0), &[1.0, 0.0, -1.0]);
    let cosine = Cosine::new(1.0, 2).unwrap().with_end(-1.0).unwrap();
    assert_eq!(rates(&cosine, 4), [1.0, 0.0, -1.0, -1.0]);
    // `end` is a fraction of the peak there.
    let found = optax::warmup_cosine_decay(0.5, 0.0, 2, 4, 0.1);
    assert_rates(found, &[0.5, 0.25, 0.0, 0.0, 0.0]);
}

#[test]
fn piecewise_factors_come_in_any_order_and_are_not_negative() {
    let factors = [(4, 0.5), (2, 0.1)];
    let levels = PiecewiseConstant::from_factors(1.0, &factors).unwrap();
    assert_eq!(rates(&levels, 6), [1.0, 1.0, 0.1, 0.1, 0.05, 0.05]);
    let lines = PiecewiseInterpolate::from_factors(1.0, &factors, Curve::Linear).unwrap();
    let expected = [1.0, 0.55, 0.1, 0.075, 0.05, 0.05];
    let close = rates(&lines, 6)
        .into_iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close);
    // A factor at step 0 applies from the start.
    let lines = PiecewiseInterpolate::from_factors(1.0, &[(2, 0.5), (0, 4.0)], Curve::Linear);
    assert_eq!(rates(&lines.unwrap(), 4), [4.0, 3.0, 2.0, 2.0]);
    let negative = [(4, 0.5), (2, -0.1)];
    let error = PiecewiseConstant::from_factors(1.0, &negative).unwrap_err();
    assert_eq!(error.to_string(), "`factor` is -0.1: allowed is 0 or more");
    assert!(PiecewiseInterpolate::from_factors(1.0, &negative, Curve::Cosine).is_err());
    assert!(PiecewiseConstant::from_factors(1.0, &[(2, 0.5), (2, 0.5)]).is_err());
}

/// Formulas with `max(1, steps - warmup)` below the line; past the run's end the value is held.
#[test]
fn a_warmup_may_be_as_long_as_the_run_or_longer() {
    let ramp = [0.0, 0.25, 0.5, 0.75];
    let with = |rest: [f64; 3]| [&ramp[..], &rest].concat();
    for steps in [1, 3, 4] {
        let linear = transformers::linear_with_warmup(1.0, 4, steps);
        assert_rates(linear, &with([0.0, 0.0, 0.0]));
        let cosine = transformers::cosine_with_warmup(1.0, 4, steps, 0.1);
        assert_rates(cosine, &with([1.0, 0.1, 0.1]));
        let waves = transformers::cosine_with_cycles(1.0, 4, steps, 0.1, 0.5);
        assert_rates(waves, &with([1.0, 0.1, 0.1]));
        let restarts = transformers::cosine_with_hard_restarts(1.0, 4, steps, 2);
        assert_rates(restarts, &with([1.0, 0.0, 0.0]));
        let polynomial = transformers::polynomial_with_warmup(1.0, 4, steps, 0.1, 2.0);
        assert_rates(polynomial, &with([0.1, 0.1, 0.1]));
        let ahead = transformers::cosine_warmup_with_min_lr(1.0, 4, steps, 0.1, None);
        assert_rates(ahead, &[0.25, 0.5, 0.75, 1.0, 0.1, 0.1]);
    }
    let message = |result: Result<AnySchedule>| result.unwrap_err().to_string();
    // transformers holds rates at 0 and above, and an end below the rate.
    assert!(message(transformers::cosine_with_warmup(1.0, 4, 9, -0.1)).contains("`end`"));
    let end = transformers::polynomial_with_warmup(0.1, 4, 9, 0.1, 1.0);
    assert!(message(end).contains("below `rate`"));
    // optax refuses it.
    assert!(message(optax::warmup_cosine_decay(0.0, 1.0, 4, 4, 0.0)).contains("`steps`"));
}

#[test]
fn torch_refuses_what_it_refuses() {
    let message = |result: Result<AnySchedule>| result.unwrap_err().to_string();
    for start in [0.0, -0.5, 1.5, f64::NAN] {
        assert!(message(torch::linear_lr(1.0, start, 1.0, 5)).contains("`start`"));
    }
    for end in [-0.1, 1.1] {
        assert!(message(torch::linear_lr(1.0, 0.5, end, 5)).contains("`end`"));
        assert!(message(torch::constant_lr(1.0, end, 5)).contains("`factor`"));
    }
    assert_rates(torch::linear_lr(1.0, 1.0, 0.0, 2), &[1.0, 0.5, 0.0, 0.0]);
    assert_rates(torch::constant_lr(1.0, 0.0, 1), &[0.0, 1.0]);
}

fn any(result: Result<impl Into<AnySchedule>>) -> Result<AnySchedule> {
    result.map(Into::into)
}

/// An error names what the caller typed, not the field of a part that the argument became, and says its value.
#[test]
fn errors_name_the_peers_own_arguments() {
    let nan = f64::NAN;
    let cycles = || WarmRestarts::new(1.0, 5).unwrap();
    let refused: Vec<(&str, Result<AnySchedule>)> = vec![
        ("`target` is NaN", keras::cosine_decay(0.0, nan, 5, 9, 0.1)),
        ("`target` is -1", keras::cosine_decay(0.0, -1.0, 5, 9, 0.1)),
        ("`init` is NaN", keras::cosine_decay(nan, 1.0, 5, 9, 0.1)),
        ("`alpha` is NaN", keras::cosine_decay(0.0, 1.0, 5, 9, nan)),
        (
            "`alpha` is 1000",
            keras::cosine_decay(0.0, 1e300, 5, 9, 1e300),
        ),
        (
            "`rate` is -1",
            keras::cosine_decay_restarts(-1.0, 5, 2.0, 1.0, 0.0),
        ),
        (
            "`first` is 0",
            keras::cosine_decay_restarts(1.0, 0, 2.0, 1.0, 0.0),
        ),
        (
            "`t_mul` is 0.5",
            keras::cosine_decay_restarts(1.0, 5, 0.5, 1.0, 0.0),
        ),
        (
            "`m_mul` is 2",
            keras::cosine_decay_restarts(1.0, 5, 2.0, 2.0, 0.0),
        ),
        (
            "`alpha` is 2",
            keras::cosine_decay_restarts(1.0, 5, 2.0, 1.0, 2.0),
        ),
        ("`init` is NaN", optax::warmup_constant(nan, 1.0, 0)),
        (
            "`init` is inf",
            optax::warmup_constant(f64::INFINITY, 1.0, 5),
        ),
        ("`peak` is NaN", optax::warmup_constant(0.0, nan, 5)),
        (
            "`init` is NaN",
            optax::warmup_cosine_decay(nan, 1.0, 2, 9, 0.0),
        ),
        (
            "`peak` is -1",
            optax::warmup_cosine_decay(0.0, -1.0, 2, 9, 0.0),
        ),
        (
            "`peak` is NaN",
            optax::warmup_exponential_decay(0.0, nan, 5, Constant::ONE),
        ),
        (
            "`init` is -1",
            optax::exponential_decay(-1.0, 5, 0.5, 2, false, None),
        ),
        (
            "`end` is -1",
            optax::exponential_decay(1.0, 5, 0.5, 2, false, Some(-1.0)),
        ),
        (
            "`init` is NaN",
            optax::exponential_decay(nan, 0, 0.5, 2, false, None),
        ),
        ("`init` is -1", optax::polynomial(-1.0, 0.0, 1.0, 5, 2)),
        ("`init` is NaN", optax::polynomial(nan, 0.0, 1.0, 0, 2)),
        ("`cycles` is 0", optax::sgdr(&[])),
        (
            "`steps` is",
            optax::sgdr(&[(0.0, 1.0, 0, usize::MAX, 0.0); 3]),
        ),
        (
            "`peak` is NaN",
            optax::cosine_onecycle(9, nan, 0.3, 2.0, 2.0),
        ),
        (
            "`div` is",
            optax::cosine_onecycle(9, 1e300, 0.3, 1e-300, 2.0),
        ),
        (
            "`final_div` is",
            optax::linear_onecycle(9, 1.0, (0.3, 0.8), 2.0, 1e-310),
        ),
        (
            "`peak` is 1000",
            optax::linear_onecycle(9, 1e308, (0.3, 0.8), 1.0, 1e-3),
        ),
        (
            "`init` is NaN",
            timm::warmed_up(Constant::ONE, 3, nan, true),
        ),
        (
            "`init` is NaN",
            timm::tanh(cycles(), (-7.0, 3.0), 3, nan, true),
        ),
        (
            "`lower` is NaN",
            timm::tanh(cycles(), (nan, 3.0), 0, 0.0, true),
        ),
        (
            "`upper` is -9",
            timm::tanh(cycles(), (-7.0, -9.0), 0, 0.0, true),
        ),
        ("`rate` is -1", any(timm::multi_step(-1.0, 0.5, &[3]))),
        (
            "`rate` is -1",
            any(timm::wsd(
                -1.0,
                (2, 0.0),
                (9, 3),
                Stable::Constant,
                Curve::Linear,
                0.0,
            )),
        ),
        (
            "`init` is -1",
            any(timm::wsd(
                1.0,
                (2, -1.0),
                (9, 3),
                Stable::Constant,
                Curve::Linear,
                0.0,
            )),
        ),
        ("`rate` is NaN", torch::constant_lr(nan, 0.5, 5)),
        (
            "`rate` is inf",
            torch::linear_lr(f64::INFINITY, 0.5, 1.0, 5),
        ),
        ("`rate` is NaN", transformers::constant_with_warmup(nan, 5)),
        ("`rate` is -1", transformers::linear_with_warmup(-1.0, 2, 9)),
        (
            "`rate` is -1",
            transformers::cosine_with_warmup(-1.0, 2, 9, 0.0),
        ),
        (
            "`rate` is -1",
            transformers::cosine_with_hard_restarts(-1.0, 2, 9, 2),
        ),
        (
            "`rate` is NaN",
            transformers::polynomial_with_warmup(nan, 2, 9, 0.0, 1.0),
        ),
        ("`rate` is -1", transformers::inverse_sqrt(-1.0, 2, None)),
        (
            "`timescale` is 0",
            transformers::inverse_sqrt(1.0, 2, Some(0)),
        ),
        (
            "`rate` is -1",
            transformers::cosine_warmup_with_min_lr(-1.0, 4, 9, 0.0, None),
        ),
        (
            "`start` is NaN",
            transformers::cosine_warmup_with_min_lr(1.0, 4, 9, 0.0, Some(nan)),
        ),
        (
            "`start` is 1000",
            transformers::cosine_warmup_with_min_lr(1e300, 4, 9, 0.0, Some(1e300)),
        ),
        (
            "`rate` is -1",
            transformers::wsd(-1.0, (1, 2, 3), 0.0, Rise::Linear, Curve::Cosine),
        ),
        (
            "`end` is -1",
            transformers::wsd(1.0, (1, 2, 3), -1.0, Rise::Linear, Curve::Cosine),
        ),
    ];
    for (place, (says, result)) in refused.into_iter().enumerate() {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(says), "{place}: {message}, not {says}");
    }
}
