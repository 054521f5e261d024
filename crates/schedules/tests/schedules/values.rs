//! Check values of the catalogue, and what is easy to get wrong.

use regimen_schedules::peers::{keras, optax, timm, transformers};
use regimen_schedules::*;

fn any(schedule: impl Into<AnySchedule>) -> AnySchedule {
    schedule.into()
}

fn check(name: &str, schedule: &AnySchedule, expected: &[(usize, f64)], tolerance: f64) {
    for (step, value) in expected {
        let found = schedule.at(*step);
        assert!(
            (found - value).abs() <= tolerance,
            "{name}, step {step}: {found}, expected {value}"
        );
    }
}

#[test]
fn columns() {
    const AT: [usize; 9] = [0, 5, 10, 25, 50, 75, 99, 100, 120];
    let h = transformers::cosine_with_warmup;
    let wsd = |curve, end| transformers::wsd(1.0, (10, 60, 30), end, Rise::Linear, curve);
    // The last column of transformers' cosines rises again there; here the end holds.
    #[rustfmt::skip]
    let rows: Vec<(&str, AnySchedule, [f64; 9])> = vec![
        ("linear", transformers::linear_with_warmup(1.0, 10, 100).unwrap(),
            [0.0, 0.5, 1.0, 0.83333333, 0.55555556, 0.27777778, 0.01111111, 0.0, 0.0]),
        ("cosine", h(1.0, 10, 100, 0.0).unwrap(),
            [0.0, 0.5, 1.0, 0.9330127, 0.58682409, 0.1786062, 0.00030459, 0.0, 0.0]),
        ("warmup cosine", optax::warmup_cosine_decay(0.0, 1.0, 10, 100, 0.0).unwrap(),
            [0.0, 0.5, 1.0, 0.9330127, 0.58682409, 0.1786062, 0.00030459, 0.0, 0.0]),
        ("restarts", transformers::cosine_with_hard_restarts(1.0, 10, 100, 2).unwrap(),
            [0.0, 0.5, 1.0, 0.75, 0.03015369, 0.58682409, 0.00121797, 0.0, 0.0]),
        ("polynomial", transformers::polynomial_with_warmup(1.0, 10, 100, 1e-7, 2.0).unwrap(),
            [0.0, 0.5, 1.0, 0.69444448, 0.30864204, 0.07716059, 0.00012356, 1e-7, 1e-7]),
        ("inverse sqrt", transformers::inverse_sqrt(1.0, 10, None).unwrap(),
            [0.0, 0.5, 1.0, 0.63245553, 0.4472136, 0.36514837, 0.31782086, 0.31622777, 0.28867513]),
        ("cosine with min", h(1.0, 10, 100, 0.1).unwrap(),
            [0.0, 0.5, 1.0, 0.93971143, 0.62814168, 0.26074558, 0.10027413, 0.1, 0.1]),
        ("cosine warm-up min", transformers::cosine_warmup_with_min_lr(1.0, 10, 100, 0.1, None).unwrap(),
            [0.1, 0.6, 0.99972587, 0.93162164, 0.6126279, 0.24889123, 0.1, 0.1, 0.1]),
        ("wsd cosine", wsd(Curve::Cosine, 0.1).unwrap(),
            [0.1, 0.55, 1.0, 1.0, 1.0, 0.93971143, 0.10246515, 0.1, 0.1]),
        ("wsd linear", wsd(Curve::Linear, 0.0).unwrap(),
            [0.0, 0.5, 1.0, 1.0, 1.0, 0.83333333, 0.03333333, 0.0, 0.0]),
        ("wsd 1-sqrt", wsd(Curve::OneMinusSqrt, 0.0).unwrap(),
            [0.0, 0.5, 1.0, 1.0, 1.0, 0.59175171, 0.01680792, 0.0, 0.0]),
        ("cosine onecycle", optax::cosine_onecycle(100, 1.0, 0.3, 25.0, 1e4).unwrap(),
            [0.04, 0.1043078, 0.28, 0.9356922, 0.8117456, 0.2830609, 0.0005074, 4e-6, 4e-6]),
        ("linear onecycle", optax::linear_onecycle(100, 1.0, (0.3, 0.85), 25.0, 1e4).unwrap(),
            [0.04, 0.2, 0.36, 0.84, 0.6509091, 0.2145455, 0.0026704, 4e-6, 4e-6]),
        ("exponential", any(Exponential::new(1.0, 0.5, 10).unwrap()),
            [1.0, 0.5_f64.sqrt(), 0.5, 0.1767767, 0.03125, 0.0055243, 0.0010467, 0.00097656, 0.00024414]),
        ("polynomial, later", optax::polynomial(1.0, 0.01, 2.0, 100, 5).unwrap(),
            [1.0, 1.0, 0.903475, 0.6436, 0.309475, 0.0991, 0.013564, 0.012475, 0.01]),
        ("piecewise", any(PiecewiseConstant::from_factors(1.0, &[(50, 0.1), (75, 0.1)]).unwrap()),
            [1.0, 1.0, 1.0, 1.0, 0.1, 0.01, 0.01, 0.01, 0.01]),
    ];
    for (name, schedule, values) in rows {
        let expected: Vec<_> = AT.into_iter().zip(values).collect();
        check(name, &schedule, &expected, 1e-7);
    }
}

/// A name, a schedule, and its values at some steps.
type Row = (&'static str, AnySchedule, &'static [(usize, f64)]);

#[test]
fn rows() {
    let timm = |stable, curve| timm::wsd(1.0, (10, 0.0), (90, 30), stable, curve, 0.0).unwrap();
    let cyclic = |mode| {
        any(Cyclic::new(0.1, 1.0, 10, 10)
            .unwrap()
            .with_mode(mode)
            .unwrap())
    };
    #[rustfmt::skip]
    let rows: Vec<Row> = vec![
        ("restarts", transformers::cosine_with_hard_restarts(1.0, 10, 100, 2).unwrap(), &[(55, 1.0)]),
        ("wsd rsqrt linear", timm(Stable::inverse_sqrt(10.0), Curve::Linear).into(),
            &[(5, 0.5), (10, 1.0), (40, 0.5), (70, 0.37796447), (71, 0.36278354), (85, 0.17149859),
                (99, 0.01059403), (100, 0.0)]),
        ("wsd exp", timm(Stable::Constant, Curve::Exponential { ratio: 0.1 }).into(),
            &[(71, 0.9179097), (85, 0.24025307), (99, 0.00886391), (100, 0.0)]),
        ("one cycle", OneCycle::new(1.0, 100).unwrap().into(),
            &[(0, 0.04), (15, 0.54598668), (29, 1.0), (30, 0.99949654), (50, 0.79389345), (64, 0.500002),
                (75, 0.26306862), (99, 4e-6), (150, 4e-6)]),
        ("triangular", cyclic(CyclicMode::Triangular), &[(5, 0.55), (10, 1.0), (15, 0.55), (20, 0.1)]),
        ("triangular2", cyclic(CyclicMode::Triangular2), &[(30, 0.55), (50, 0.325)]),
        ("exp_range", cyclic(CyclicMode::ExpRange { gamma: 0.99 }), &[(10, 0.91394387), (30, 0.76573034)]),
        // (1 + cos(2 pi 1.5 p)) / 2 with p = (t - 10) / 90, by hand.
        ("cosine of one and a half cycles", transformers::cosine_with_cycles(1.0, 10, 100, 0.1, 1.5).unwrap(),
            &[(5, 0.5), (10, 1.0), (25, 0.55), (40, 0.1), (55, 0.55), (70, 1.0), (85, 0.55), (100, 0.1), (150, 0.1)]),
        ("cosine of a whole cycle", transformers::cosine_with_cycles(1.0, 10, 100, 0.0, 1.0).unwrap(),
            &[(55, 0.0), (100, 1.0), (150, 1.0)]),
        ("cosine of half a cycle", transformers::cosine_with_cycles(1.0, 10, 100, 0.1, 0.5).unwrap(),
            &[(25, 0.93971143), (50, 0.62814168), (75, 0.26074558), (99, 0.10027413), (100, 0.1)]),
        ("exponential, later", optax::exponential_decay(1.0, 10, 0.5, 5, false, None).unwrap(),
            &[(0, 1.0), (5, 1.0), (15, 0.5), (25, 0.25)]),
        ("sgdr", WarmRestarts::new(1.0, 10).unwrap().with_growth(2.0).unwrap().into(),
            &[(0, 1.0), (5, 0.5), (9, 0.02447174), (10, 1.0), (20, 0.5), (29, 0.00615583), (30, 1.0),
                (50, 0.5), (69, 0.00154133), (70, 1.0)]),
        ("keras restarts", keras::cosine_decay_restarts(1.0, 10, 2.0, 0.5, 0.0).unwrap(),
            &[(0, 1.0), (5, 0.5), (10, 0.5), (20, 0.25), (30, 0.25), (50, 0.125), (70, 0.125)]),
        ("tanh", Tanh::new(1.0, 100).unwrap().into(),
            &[(0, 0.99999917), (25, 0.99987661), (50, 0.98201379), (70, 0.5), (75, 0.26894142),
                (90, 0.01798621), (99, 0.00301842)]),
        ("k 2", Cosine::new(1.0, 100).unwrap().with_k_decay(2.0).unwrap().into(),
            &[(25, 0.99039264), (50, 0.85355339), (75, 0.40245484), (99, 0.0009768)]),
        ("inverse time", InverseTime::new(1.0, 0.5, 10).unwrap().into(),
            &[(5, 0.8), (10, 0.66666667), (25, 0.44444444), (100, 0.16666667)]),
        ("inverse time stairs", InverseTime::new(1.0, 0.5, 10).unwrap().with_staircase().into(),
            &[(5, 1.0), (25, 0.5)]),
        ("linear", Linear::between(0.9, 0.5, 4).unwrap().into(),
            &[(0, 0.9), (1, 0.8), (2, 0.7), (3, 0.6), (4, 0.5), (5, 0.5)]),
    ];
    for (name, schedule, expected) in rows {
        check(name, &schedule, expected, 5.1e-9);
    }
    let noam = Noam::new(1.0, 4000, 512).unwrap();
    let expected = [
        (1, 1.746928107e-7),
        (2000, 3.493856215e-4),
        (4000, 6.987712430e-4),
        (16000, 3.493856215e-4),
    ];
    for (s, value) in expected {
        assert!((noam.at(s - 1) / value - 1.0).abs() < 1e-9);
    }
}

#[test]
fn infinite_schedule_p() {
    let (peak, constant, end) = (3e-4, 1.65e-4, 3e-5);
    let trunk = Infinite::new(peak, constant, 10, 600).unwrap();
    let alpha = Curve::InverseSqrt { alpha: 10.0 };
    let cos = trunk.anneal(850, 150, end).unwrap();
    let rsqrt = cos.with_cooldown(alpha).unwrap();
    #[rustfmt::skip]
    let table = [
        (0, 0.0, 0.0), (5, 1.5e-4, 1.5e-4), (10, 3e-4, 3e-4),
        (11, 2.9999907472670e-4, 2.9840923686069e-4),
        (110, 2.9095671475545e-4, 2.2508150164667e-4),
        (310, 2.325e-4, 1.8562952287447e-4),
        (460, 1.8477029226990e-4, 1.7301814951038e-4),
        (610, 1.65e-4, 1.65e-4), (700, 1.65e-4, 1.65e-4), (850, 1.65e-4, 1.65e-4),
        (851, 1.6313539278697e-4, 1.6313539278697e-4),
        (900, 9.3475195265546e-5, 9.3475195265546e-5),
        (925, 7.0356236397351e-5, 7.0356236397351e-5),
        (950, 5.2955225029891e-5, 5.2955225029891e-5),
        (1000, 3e-5, 3e-5), (5000, 3e-5, 3e-5),
    ];
    for (step, cosine, root) in table {
        assert!((cos.at(step) - cosine).abs() <= 1e-12 * cosine, "{step}");
        assert!((rsqrt.at(step) - root).abs() <= 1e-12 * root, "{step}");
    }
    assert!((cos.at(310) - (peak + constant) / 2.0).abs() < 1e-18);
    assert!((cos.at(925) - (constant * end).sqrt()).abs() < 1e-18);
    // Exact where phases meet, and the trunk is the branch without its end.
    assert_eq!(
        (cos.at(850), cos.at(1000), trunk.plateau()),
        (constant, end, 610)
    );
    assert!((0..=850).all(|step| trunk.at(step) == cos.at(step)));
    assert_eq!(trunk.at(1_000_000_000), constant);
}

#[test]
fn infinite_schedule_q() {
    let trunk = Infinite::new(3e-4, 7.5e-5, 200, 1000).unwrap();
    let branch = trunk.anneal(3200, 800, 3e-6).unwrap();
    #[rustfmt::skip]
    let expected = [(100, 1.5e-4), (200, 3e-4), (700, 1.875e-4), (1200, 7.5e-5), (3200, 7.5e-5),
        (3201, 7.469883667730754e-5), (3600, 1.5e-5), (4000, 3e-6)];
    check("Q", &branch.into(), &expected, 1e-17);
}

#[test]
fn phases_of_length_0_are_skipped() {
    let cold = Infinite::new(1.0, 0.5, 0, 0).unwrap();
    assert_eq!((cold.at(0), cold.at(1)), (0.5, 0.5));
    assert_eq!(Wsd::new(1.0, 0, 0, 0).unwrap().at(0), 0.0);
    assert_eq!(
        Wsd::new(1.0, 0, 5, 0).unwrap().table(6).unwrap(),
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    );
    assert!(
        Infinite::new(1.0, 0.5, 10, 20)
            .unwrap()
            .anneal(29, 5, 0.1)
            .is_err()
    );
    assert!(
        Infinite::new(1.0, 0.5, 10, 20)
            .unwrap()
            .anneal(30, 5, 0.0)
            .is_err()
    );
}

#[test]
fn rewarmed_1000() {
    let stage = Stage {
        peak: 3e-4,
        steps: 1000,
        warmup: 10,
    };
    let rate = Rewarmed::new(3e-5, vec![stage, stage]).unwrap();
    #[rustfmt::skip]
    let expected = [(1, 3e-5), (5, 1.5e-4), (10, 3e-4), (11, 2.9999932028e-4), (257, 2.6061075716e-4),
        (505, 1.65e-4), (752, 6.9692166554e-5)];
    for (step, value) in expected {
        assert!((rate.at(step) - value).abs() < 1e-14, "{step}");
        assert!(
            (rate.at(1000 + step) - value).abs() < 1e-14,
            "{step}, again"
        );
    }
    assert_eq!((rate.at(2000), rate.at(9999)), (3e-5, 3e-5));
    let flat = Stage {
        peak: 3e-5,
        ..stage
    };
    let flat = Rewarmed::new(3e-5, vec![flat]).unwrap();
    assert!((10..1200).all(|step| (flat.at(step) - 3e-5).abs() < 1e-19));
}

#[test]
fn finite_schedules_hold_their_end() {
    let ends: Vec<(AnySchedule, usize, f64)> = vec![
        (Linear::between(0.3, 0.7, 10).unwrap().into(), 10, 0.7),
        (
            Polynomial::decay(3.0, 0.5, 10, 0.7).unwrap().into(),
            10,
            0.5,
        ),
        (
            Cosine::new(7.0, 10).unwrap().with_end(0.3).unwrap().into(),
            10,
            0.3,
        ),
        (
            Tanh::new(7.0, 10).unwrap().with_end(0.3).unwrap().into(),
            10,
            0.3,
        ),
        (HardRestarts::new(7.0, 3, 10).unwrap().into(), 10, 0.0),
        (
            OneCycle::new(25.0, 10)
                .unwrap()
                .with_divisors(25.0, 2.0)
                .unwrap()
                .into(),
            9,
            0.5,
        ),
        (
            Wsd::new(7.0, 2, 3, 5)
                .unwrap()
                .with_end(0.2)
                .unwrap()
                .into(),
            10,
            0.2,
        ),
        (
            WarmRestarts::new(7.0, 5).unwrap().with_limit(2).into(),
            10,
            0.0,
        ),
        (
            PiecewiseInterpolate::new(&[(2, 5.0), (10, 0.1)], Curve::Linear)
                .unwrap()
                .into(),
            10,
            0.1,
        ),
        (
            Linear::new(1.0, 4)
                .unwrap()
                .repeated(5)
                .unwrap()
                .with_times(2)
                .unwrap()
                .into(),
            10,
            0.0,
        ),
        (
            Swa::new(Constant::new(2.0).unwrap(), 5, 0.1, 5)
                .unwrap()
                .into(),
            10,
            0.1,
        ),
    ];
    for (schedule, end, value) in ends {
        for step in [end, end + 1, end + 2, 10 * end, usize::MAX / 2, usize::MAX] {
            assert_eq!(schedule.at(step), value, "{schedule:?} at {step}");
        }
    }
}

#[test]
fn owners_of_boundaries() {
    let values = || (vec![50], vec![1.0, 0.1]);
    let (steps, levels) = values();
    let torch = PiecewiseConstant::new(steps, levels).unwrap();
    let (steps, levels) = values();
    let keras = keras::piecewise_constant(steps, levels).unwrap();
    assert_eq!((torch.at(49), torch.at(50)), (1.0, 0.1));
    assert_eq!((keras.at(50), keras.at(51)), (1.0, 0.1));
    let timm = timm::multi_step(1.0, 0.1, &[50]).unwrap();
    assert_eq!((timm.at(48), timm.at(49)), (1.0, 0.1));

    let parts = || vec![Linear::new(1.0, 10).unwrap(), Linear::new(2.0, 10).unwrap()];
    let next = Sequence::new(parts(), vec![5]).unwrap();
    let previous = next.clone().with_boundary(Boundary::Previous);
    assert_eq!((next.at(5), previous.at(5)), (2.0, 0.5));
    assert_eq!(next.at(6), previous.at(6));
}

#[test]
fn origins_of_warm_ups() {
    let one = Constant::new(1.0).unwrap();
    assert_eq!(
        transformers::constant_with_warmup(1.0, 4).unwrap().at(0),
        0.0
    );
    assert_eq!(
        one.warmed_up(4).unwrap().table(5).unwrap(),
        [0.25, 0.5, 0.75, 1.0, 1.0]
    );
    let from = one.warmed_up(4).unwrap().starting_at(0.2).unwrap();
    assert_eq!((from.at(0), from.at(4)), (0.2, 1.0));
    let min = transformers::cosine_warmup_with_min_lr(1.0, 4, 20, 0.1, Some(0.3)).unwrap();
    assert_eq!((min.at(0), min.at(3)), (0.3, 1.0));
    assert!((min.at(19) - 0.1).abs() < 1e-15 && min.at(20) == 0.1);
    for warmup in [0, 1] {
        let short = transformers::cosine_warmup_with_min_lr(1.0, warmup, 20, 0.0, None).unwrap();
        assert!((0..25).all(|step| (0.0..=1.0).contains(&short.at(step))));
    }
    let jump = timm::warmed_up(Cosine::new(1.0, 100).unwrap(), 10, 0.0, false).unwrap();
    let no_jump = timm::tanh(
        WarmRestarts::new(1.0, 100).unwrap(),
        (-7.0, 3.0),
        10,
        0.0,
        false,
    )
    .unwrap();
    assert!(jump.at(10) < 0.98 && jump.at(9) == 0.9);
    assert!((no_jump.at(10) / 10.0 - no_jump.at(1)).abs() < 1e-15);
}

/// Options of peers are kept in a file, and are checked.
#[test]
fn schedules_by_their_names_elsewhere_are_saved() {
    use optax::warmup_cosine_decay_with_exponent as powered;
    use transformers::cosine_warmup_with_min_lr_and_cycles as cycles;
    let all = [
        cycles(1.0, 10, 100, 0.1, None, 1.5).unwrap(),
        cycles(1.0, 10, 100, 0.1, Some(0.3), 0.7).unwrap(),
        cycles(1.0, 1, 100, 0.1, None, 2.0).unwrap(),
        powered(0.1, 1.0, 10, 100, 0.0, 3.0).unwrap(),
    ];
    for schedule in all {
        let file = serde_json::to_string(&schedule).unwrap();
        let back: AnySchedule = serde_json::from_str(&file).unwrap();
        assert_eq!(back, schedule);
        assert_eq!(back.table(150).unwrap(), schedule.table(150).unwrap());
    }
    let (half, default) = (
        cycles(1.0, 10, 100, 0.1, None, 0.5).unwrap(),
        transformers::cosine_warmup_with_min_lr(1.0, 10, 100, 0.1, None).unwrap(),
    );
    assert!((0..150).all(|t| (half.at(t) - default.at(t)).abs() < 1e-15));
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = |found: Result<AnySchedule>| found.unwrap_err().to_string();
        let found = message(cycles(1.0, 10, 100, 0.1, None, wrong));
        assert_eq!(found, format!("`cycles` is {wrong}: allowed is above 0"));
        let found = message(powered(0.0, 1.0, 10, 100, 0.0, wrong));
        assert_eq!(found, format!("`exponent` is {wrong}: allowed is above 0"));
    }
    // transformers allows a warm-up as long as the run, optax does not.
    assert_eq!(cycles(1.0, 100, 100, 0.1, None, 1.0).unwrap().at(49), 0.5);
    assert!(powered(0.0, 1.0, 100, 100, 0.0, 1.0).is_err());
}

#[test]
fn peaks_of_one_cycle() {
    let torch = OneCycle::new(1.0, 100).unwrap();
    let optax = optax::cosine_onecycle(100, 1.0, 0.3, 25.0, 1e4).unwrap();
    let peak = |schedule: &dyn Schedule| (0..100).find(|step| schedule.at(*step) == 1.0);
    assert_eq!((peak(&torch), peak(&optax)), (Some(29), Some(30)));
    for rise in [0.0, 0.004, 0.5, 1.0] {
        for steps in [1, 2, 3, 250] {
            let rate = OneCycle::new(1.0, steps).unwrap().with_rise(rise).unwrap();
            for rate in [Ok(rate), rate.with_three_phases()].into_iter().flatten() {
                assert!((0..300).all(|step| (4e-6..=1.0).contains(&rate.at(step))));
            }
        }
    }
}

#[test]
fn one_cycle_in_three_phases_reaches_its_end() {
    let rise = |rise| OneCycle::new(1.0, 10).unwrap().with_rise(rise).unwrap();
    for share in [0.0, 0.04, 0.1, 0.3, 0.45, 0.5] {
        let rate = rise(share).with_three_phases().unwrap();
        let ends = [9, 10, 11, 1000].map(|step| rate.at(step));
        assert!(ends.iter().all(|end| (end - 4e-6).abs() < 1e-18), "{share}");
    }
    // A rise of a half is the last that torch brings to its end: values of its own.
    let half = rise(0.5).with_curve(Curve::Linear).unwrap();
    let half = half.with_three_phases().unwrap();
    #[rustfmt::skip]
    let torch = [0.04, 0.28, 0.52, 0.76, 1.0, 0.76, 0.52, 0.28, 0.04, 4e-6];
    for (step, value) in torch.into_iter().enumerate() {
        assert!((half.at(step) - value).abs() < 1e-12, "{step}");
    }
    for share in [0.5 + f64::EPSILON, 0.55, 0.6, 0.75, 1.0] {
        let one = rise(share).with_three_phases().unwrap_err();
        assert_eq!(half.with_rise(share).unwrap_err(), one);
        let allowed = "allowed is 0 to 0.5 with three phases";
        assert_eq!(one.to_string(), format!("`rise` is {share}: {allowed}"));
    }
    let wrong = r#"{ "first": 0.04, "peak": 1.0, "last": 4e-6, "steps": 10, "rise": 0.6, "three_phases": true }"#;
    assert!(serde_json::from_str::<OneCycle>(wrong).is_err());
    let right = wrong.replace("true", "false");
    assert!(serde_json::from_str::<OneCycle>(&right).is_ok());
}

#[test]
fn lengths_of_the_decay() {
    // optax counts the warm-up, Keras does not.
    let optax = optax::warmup_cosine_decay(0.0, 1.0, 10, 100, 0.0).unwrap();
    let keras = keras::cosine_decay(0.0, 1.0, 10, 90, 0.0).unwrap();
    assert!((0..130).all(|step| optax.at(step) == keras.at(step)));
    assert!(optax::warmup_cosine_decay(0.0, 1.0, 10, 10, 0.0).is_err());
}

#[test]
fn any_finite_positive_rate_is_accepted() {
    for rate in [f64::MIN_POSITIVE, 1e-9, 1.0, 1e3, 1e300] {
        assert_eq!(Cosine::new(rate, 10).unwrap().at(0), rate);
        assert_eq!(Exponential::new(rate, 0.5, 10).unwrap().at(0), rate);
        assert_eq!(Step::new(rate, 2.0, 1).unwrap().at(usize::MAX), f64::MAX);
        assert!(WarmRestarts::new(rate, 10).is_ok() && Wsd::new(rate, 1, 1, 1).is_ok());
        assert_eq!(
            Exponential::new(rate, 2.0, 1).unwrap().at(usize::MAX),
            f64::MAX
        );
    }
}

/// The catalogue at a rate, without compositions.
fn at_rate(rate: f64) -> Result<Vec<AnySchedule>> {
    let (stage, alpha) = (
        Stage {
            peak: rate,
            steps: 60,
            warmup: 6,
        },
        10.0,
    );
    let trunk = Infinite::new(rate, rate / 2.0, 10, 20)?;
    let exp_range = CyclicMode::ExpRange { gamma: 0.99 };
    Ok(vec![
        Constant::new(rate)?.into(),
        Linear::new(rate, 50)?.into(),
        Linear::between(rate / 2.0, rate, 50)?.into(),
        Between::new(rate, rate / 3.0, 5, 50, Curve::Geometric)?.into(),
        Cosine::new(rate, 50)?.with_end(rate / 10.0)?.into(),
        InverseSqrt::new(rate, 10.0)?.into(),
        Polynomial::new(rate, 50, 0.2, 1.5)?.into(),
        Polynomial::decay(rate, rate / 9.0, 50, 2.0)?
            .with_cycle()?
            .into(),
        Refined::from_weights(&[1.0; 50])?.with_peak(rate)?.into(),
        Tanh::new(rate, 50)?.into(),
        Exponential::new(rate, 0.5, 10)?.into(),
        InverseTime::new(rate, 0.5, 10)?.into(),
        Noam::new(rate * 10_f64.sqrt(), 10, 1)?.into(),
        Step::new(rate, 0.1, 10)?.into(),
        MultiStep::new(rate, 0.1, vec![10, 30])?.into(),
        PiecewiseConstant::new(vec![10], vec![rate, rate / 2.0])?.into(),
        PiecewiseInterpolate::new(&[(0, rate / 2.0), (10, rate)], Curve::Cosine)?.into(),
        WarmRestarts::new(rate, 7)?
            .with_growth(1.5)?
            .with_decay(0.5)?
            .into(),
        HardRestarts::new(rate, 3, 50)?.into(),
        OneCycle::new(rate, 50)?.into(),
        Cyclic::new(rate / 10.0, rate, 5, 7)?
            .with_mode(exp_range)?
            .into(),
        Wsd::new(rate, 10, 20, 20)?.into(),
        trunk.with_cooldown(Curve::InverseSqrt { alpha })?.into(),
        trunk.anneal(40, 10, rate / 20.0)?.into(),
        Rewarmed::new(rate / 10.0, vec![stage, stage])?.into(),
        Table::new(vec![rate, rate / 2.0])?.into(),
    ])
}

#[test]
fn the_whole_catalogue_accepts_any_finite_positive_rate() {
    for rate in [1e-300, 1e-9, 1.0, 42.0, 1e3, 1e300, f64::MAX / 4.0] {
        for schedule in at_rate(rate).unwrap() {
            for step in (0..130).chain([1_000_000]) {
                let value = schedule.at(step);
                let fits = (0.0..=rate * (1.0 + 1e-12)).contains(&value);
                assert!(fits, "{schedule:?} at {step}: {value}");
            }
            assert!(
                schedule
                    .table(130)
                    .unwrap()
                    .iter()
                    .any(|value| *value > 0.9 * rate),
                "{schedule:?}"
            );
        }
    }
    assert!(at_rate(f64::INFINITY).is_err() && at_rate(f64::NAN).is_err());
}

#[test]
fn restarts_fall_on_whole_steps_for_any_growth() {
    for mult in [1.0, 1.01, 1.0624, 1.0625, 1.07, 1.1, 1.5, 2.0, 3.0, 10.0] {
        let rate = WarmRestarts::new(1.0, 7)
            .unwrap()
            .with_growth(mult)
            .unwrap();
        // By addition, what the closed form finds by a logarithm.
        let (mut start, mut length) = (0.0, 7.0);
        for step in 0..5_000 {
            while step as f64 >= start + length {
                start += length;
                length *= mult;
            }
            let within = (step as f64 - start) / length;
            let expected = 0.5 * (1.0 + (std::f64::consts::PI * within).cos());
            let near = (rate.at(step) - expected).abs() < 1e-9;
            // A cycle may end within rounding of a step.
            assert!(
                near || !(1e-9..=1.0 - 1e-9).contains(&within),
                "{mult} {step}"
            );
        }
    }
}

/// Growths `a / b` with a first cycle of `b^cycles` steps: every restart is a whole step.
#[test]
fn restarts_on_whole_steps_are_exact() {
    let growths = [
        (3_u64, 2_u64, 20),
        (17, 16, 6),
        (33, 32, 6),
        (5, 4, 12),
        (7, 2, 15),
        (3, 1, 25),
        (9, 1, 15),
    ];
    for (a, b, cycles) in growths {
        let mult = a as f64 / b as f64;
        let mut length = b.pow(cycles);
        let rate = WarmRestarts::new(1.0, length as usize).unwrap();
        let rate = rate.with_growth(mult).unwrap().with_decay(0.5).unwrap();
        let mut start = 0;
        for n in 0..cycles {
            let peak = 0.5_f64.powi(n as i32);
            assert_eq!(rate.at(start as usize), peak, "{mult} {n}");
            let middle = rate.at((start + length / 2) as usize) / peak;
            assert!((middle - 0.5).abs() <= 0.8 / length as f64 + 1e-12);
            start += length;
            // The last step of the cycle: half a cosine, a step from its end.
            let angle = std::f64::consts::FRAC_PI_2 / length as f64;
            let last = rate.at(start as usize - 1) / peak;
            assert!((last - angle.sin().powi(2)).abs() < 1e-12, "{mult} {n}");
            length = length / b * a;
        }
    }
}

/// What `AnySchedule` moves: nothing of it is a table.
#[test]
fn schedules_are_small() {
    assert!(size_of::<WarmRestarts>() <= 128);
    assert!(size_of::<AnySchedule>() <= 128);
}

#[test]
fn compositions_are_checked_without_the_enum_too() {
    let wrong = r#"{ "parts": [], "by": "average" }"#;
    assert!(serde_json::from_str::<Combined<Cosine>>(wrong).is_err());
    let wrong = r#"{ "steps": 0, "inner": { "value": 1.0 } }"#;
    assert!(serde_json::from_str::<Warmup<Constant>>(wrong).is_err());
    let curve = Curve::Polynomial { power: f64::NAN };
    let swa = Swa::new(Constant::new(1.0).unwrap(), 5, 0.1, 5).unwrap();
    assert!(swa.with_curve(curve).is_err());
}

#[test]
fn nothing_times_infinity_is_nothing() {
    let far = usize::MAX / 4;
    assert_eq!(Exponential::new(0.0, 2.0, 1).unwrap().at(far), 0.0);
    assert_eq!(Step::new(0.0, 2.0, 1).unwrap().at(far), 0.0);
    assert_eq!(Step::new(1.0, 0.0, 1).unwrap().at(far), 0.0);
}

#[test]
fn rates_too_small_to_multiply_anneal_geometrically() {
    let trunk = Infinite::new(1e-190, 1e-200, 0, 0).unwrap();
    let branch = trunk.anneal(0, 2, 1e-210).unwrap();
    assert!((branch.at(1) / 1e-205 - 1.0).abs() < 1e-9);
}

#[test]
fn restarts_of_any_growth_stay_within_their_bounds() {
    let barely = 1.0 + f64::EPSILON;
    for mult in [
        1.0,
        barely,
        1.0 + 1e-9,
        1.001,
        1.0625,
        1.5,
        2.0,
        3.0,
        1e3,
        1e9,
    ] {
        for first in [1, 7, usize::MAX] {
            let rate = WarmRestarts::new(1.0, first)
                .unwrap()
                .with_growth(mult)
                .unwrap();
            let rate = rate.with_decay(0.99).unwrap().with_end(0.001).unwrap();
            for step in (0..200).chain([1_000_000, usize::MAX / 2, usize::MAX]) {
                let value = rate.at(step);
                assert!(
                    (0.0..=1.0).contains(&value),
                    "{mult} {first} {step}: {value}"
                );
            }
        }
    }
    let more = |mult| WarmRestarts::new(1.0, 7).unwrap().with_growth(mult);
    assert!(more(0.9).is_err() && more(f64::INFINITY).is_err() && more(1e10).is_err());
}

#[test]
fn parameters_are_checked_wherever_they_come_from() {
    for wrong in [
        r#"{ "schedule": "cosine", "peak": 1.0, "steps": 0 }"#,
        r#"{ "schedule": "cosine", "peak": 1.0, "steps": 5, "exponant": 2.0 }"#,
        r#"{ "schedule": "wsd", "peak": 1.0, "warmup": 1, "stable": 1, "decay": 1, "curve": { "power": { "power": 0.0 } } }"#,
        r#"{ "schedule": "scaled", "factor": 1.0, "inner": { "schedule": "step", "peak": 1.0, "gamma": 0.1, "every": 0 } }"#,
        r#"{ "schedule": "clamped", "low": 2.0, "high": 1.0, "inner": { "schedule": "constant", "value": 1.0 } }"#,
        r#"{ "schedule": "sequence", "parts": [], "boundaries": [] }"#,
        r#"{ "schedule": "sequence", "parts": [{ "schedule": "constant", "value": 1.0 }], "boundaries": [5, 5] }"#,
        r#"{ "schedule": "refined", "shape": [], "steps": 1, "peak": 1.0 }"#,
        r#"{ "schedule": "table", "values": [] }"#,
        r#"{ "schedule": "warmest" }"#,
        r#"{ "schedule": "warmup", "steps": 5, "form": 0.1, "inner": { "schedule": "constant", "value": 1.0 } }"#,
        r#"{ "schedule": "held", "every": 0, "inner": { "schedule": "constant", "value": 1.0 } }"#,
        r#"{ "schedule": "repeated", "period": 0, "inner": { "schedule": "constant", "value": 1.0 } }"#,
    ] {
        assert!(
            serde_json::from_str::<AnySchedule>(wrong).is_err(),
            "{wrong}"
        );
    }
    let message = MultiStep::new(1.0, 0.1, vec![3, 2])
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "`milestones` is 2 after 3: allowed is steps in rising order"
    );
    assert!(Cyclic::new(0.1, 1.0, 1, usize::MAX).is_err());
    assert!(HardRestarts::new(1.0, 3, usize::MAX / 2).is_err());
    assert!(
        Noisy::new(Constant::ONE, 1)
            .unwrap()
            .with_noise(Noise::Uniform, 0.0)
            .is_err()
    );
    assert!(PiecewiseConstant::new(vec![5], vec![1.0]).is_err());
    assert!(PiecewiseInterpolate::new(&[], Curve::Linear).is_err());
    assert!(Rewarmed::new(0.0, vec![]).is_err());
    assert!(Table::new(vec![1.0, f64::NAN]).is_err());
}

#[test]
fn noise_is_seeded_bounded_and_of_the_asked_size() {
    let one = Constant::new(1.0).unwrap();
    let noise = Noise::Normal { std: 0.1 };
    let rate = Noisy::new(one, 7).unwrap().with_noise(noise, 0.67).unwrap();
    let values = rate.table(20_000).unwrap();
    assert_eq!(values, rate.table(20_000).unwrap());
    assert_ne!(
        values,
        Noisy::new(one, 8)
            .unwrap()
            .with_noise(noise, 0.67)
            .unwrap()
            .table(20_000)
            .unwrap()
    );
    let mean = values.iter().sum::<f64>() / 20_000.0;
    let square = values.iter().map(|v| (v - 1.0).powi(2)).sum::<f64>() / 20_000.0;
    assert!((mean - 1.0).abs() < 0.004 && (square.sqrt() - 0.1).abs() < 0.003);
    let wide = Noisy::new(one, 7).unwrap();
    assert!(
        wide.table(5_000)
            .unwrap()
            .iter()
            .all(|v| (v - 1.0).abs() < 0.67)
    );
    let uniform = Noisy::new(one, 7)
        .unwrap()
        .with_noise(Noise::Uniform, 0.5)
        .unwrap();
    let uniform = uniform.with_range(10, Some(20)).table(30).unwrap();
    assert!(
        uniform
            .iter()
            .enumerate()
            .all(|(t, v)| (*v == 1.0) != (10..20).contains(&t))
    );
    assert!(uniform.iter().all(|v| (0.5..=1.5).contains(v)));
}
