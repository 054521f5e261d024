//! Agreement with the peers' own schedulers, whose values `golden/peers.csv` holds.

use std::collections::BTreeMap;

use regimen_schedules::peers::{keras, optax, timm, torch, transformers};
use regimen_schedules::*;

const FILE: &str = include_str!("../../golden/peers.csv");

/// The values of each case.
fn recorded() -> BTreeMap<&'static str, Vec<(usize, f64)>> {
    let mut cases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in FILE.lines().skip(2) {
        let (rest, value) = line.rsplit_once(',').unwrap();
        let (case, step) = rest.rsplit_once(',').unwrap();
        let row = (step.parse().unwrap(), value.parse().unwrap());
        cases.entry(case).or_default().push(row);
    }
    cases
}

/// What the crate has for each case.
fn ours(case: &str) -> Result<AnySchedule> {
    let library = case.split_once(' ').unwrap();
    match library {
        ("torch", name) => of_torch(name),
        ("transformers", name) => of_transformers(name),
        ("timm", name) => of_timm(name),
        ("optax", name) => of_optax(name),
        ("keras", name) => of_keras(name),
        _ => panic!("no case {case}"),
    }
}

/// A function as a user saves it.
fn saved(function: impl Fn(usize) -> f64 + Sync) -> Result<AnySchedule> {
    Ok(Table::new(Lambda(function).table(121).unwrap())?.into())
}

/// timm's WSD of the cases, with a decay by a function.
fn wsd_by(stable: Stable, end: f64, decay: impl Fn(f64) -> f64 + Sync) -> Result<AnySchedule> {
    let level = timm::wsd(1.0, (10, 0.0), (90, 30), stable, Curve::Held, end)?;
    saved(move |t| match t.saturating_sub(70) {
        0 => level.at(t),
        past => end + (level.at(t) - end) * decay(past as f64 / 30.0),
    })
}

fn of_torch(name: &str) -> Result<AnySchedule> {
    let cycle = OneCycle::new(1.0, 100)?;
    let ramp = || Linear::between(0.1, 1.0, 10);
    let constant = Constant::new(1.0)?;
    Ok(match name {
        "ConstantLR" => torch::constant_lr(1.0, 1.0 / 3.0, 5)?,
        "LinearLR" => torch::linear_lr(1.0, 1.0 / 3.0, 1.0, 50)?,
        "PolynomialLR" => Polynomial::decay(1.0, 0.0, 100, 2.0)?.into(),
        "CosineAnnealingLR" => Cosine::new(1.0, 100)?.with_end(0.1)?.into(),
        "CosineAnnealingWarmRestarts" => WarmRestarts::new(1.0, 10)?.with_growth(2.0)?.into(),
        "ExponentialLR" => Exponential::new(1.0, 0.97, 1)?.into(),
        "StepLR" => Step::new(1.0, 0.1, 30)?.into(),
        "MultiStepLR" => MultiStep::new(1.0, 0.5, vec![30, 50, 50, 90])?.into(),
        "MultiplicativeLR" => {
            Table::multiplicative(1.0, 121, |t| 1.0 - 1.0 / (t as f64 + 1.0))?.into()
        }
        "OneCycleLR" => cycle.into(),
        "OneCycleLR linear three phases" => {
            cycle.with_curve(Curve::Linear)?.with_three_phases()?.into()
        }
        "OneCycleLR three phases rise of a half" => {
            cycle.with_rise(0.5)?.with_three_phases()?.into()
        }
        "OneCycleLR momentum" => cycle.momentum(0.85, 0.95)?.into(),
        "CyclicLR triangular" => Cyclic::new(0.1, 1.0, 10, 10)?.into(),
        "CyclicLR triangular2" => {
            let mode = CyclicMode::Triangular2;
            Cyclic::new(0.1, 1.0, 10, 20)?.with_mode(mode)?.into()
        }
        "CyclicLR exp_range" => {
            let mode = CyclicMode::ExpRange { gamma: 0.99 };
            Cyclic::new(0.1, 1.0, 10, 10)?.with_mode(mode)?.into()
        }
        "CyclicLR momentum" => Cyclic::new(0.1, 1.0, 10, 10)?.momentum(0.8, 0.9)?.into(),
        "CyclicLR scale_fn of the cycle" => {
            let triangle = Cyclic::new(0.0, 1.0, 10, 20)?;
            let scale = |cycle: usize| (cycle as f64).powi(-2);
            saved(move |t| 0.1 + 0.9 * triangle.at(t) * scale(1 + t / 30))?
        }
        "CyclicLR scale_fn of the step" => {
            let triangle = Cyclic::new(0.0, 1.0, 10, 10)?;
            let scale = |step: usize| 1.0 / (1.0 + step as f64 / 50.0);
            saved(move |t| 0.1 + 0.9 * triangle.at(t) * scale(t))?
        }
        "SWALR" => Swa::new(constant, 0, 0.05, 25)?.into(),
        "SWALR linear" => Swa::new(constant, 0, 0.05, 25)?
            .with_curve(Curve::Linear)?
            .into(),
        "SequentialLR" => ramp()?.then(10, Exponential::new(1.0, 0.97, 1)?)?.into(),
        "ChainedScheduler" => {
            let parts = vec![
                AnySchedule::from(ramp()?),
                Exponential::new(1.0, 0.97, 1)?.into(),
            ];
            Combined::new(parts, Reduction::Product)?.into()
        }
        _ => panic!("no case torch {name}"),
    })
}

fn of_transformers(name: &str) -> Result<AnySchedule> {
    use transformers::*;
    let wsd = |end, rise, curve| wsd(1.0, (10, 60, 30), end, rise, curve);
    match name {
        "constant_with_warmup" => constant_with_warmup(1.0, 10),
        "linear" => linear_with_warmup(1.0, 10, 100),
        "cosine" => cosine_with_warmup(1.0, 10, 100, 0.0),
        "cosine_with_restarts" => cosine_with_hard_restarts(1.0, 10, 100, 2),
        "polynomial" => polynomial_with_warmup(1.0, 10, 100, 1e-7, 2.0),
        "inverse_sqrt" => inverse_sqrt(1.0, 10, None),
        "inverse_sqrt timescale" => inverse_sqrt(1.0, 10, Some(40)),
        "cosine_with_min_lr" => cosine_with_warmup(1.0, 10, 100, 0.1),
        "cosine_warmup_with_min_lr" => cosine_warmup_with_min_lr(1.0, 10, 100, 0.1, None),
        "cosine_warmup_with_min_lr start" => {
            cosine_warmup_with_min_lr(1.0, 10, 100, 0.1, Some(0.3))
        }
        "cosine cycles" => cosine_with_cycles(1.0, 10, 100, 0.0, 1.5),
        "cosine_with_min_lr cycles" => cosine_with_cycles(1.0, 10, 100, 0.1, 1.3),
        "cosine_warmup_with_min_lr cycles" => {
            cosine_warmup_with_min_lr_and_cycles(1.0, 10, 100, 0.1, None, 1.3)
        }
        "cosine_warmup_with_min_lr start cycles" => {
            cosine_warmup_with_min_lr_and_cycles(1.0, 10, 100, 0.1, Some(0.3), 0.7)
        }
        "wsd" => wsd(0.1, Rise::Linear, Curve::Cosine),
        "wsd linear" => wsd(0.0, Rise::Cosine, Curve::Linear),
        "wsd 1-sqrt" => wsd(0.0, Rise::OneMinusSqrt, Curve::OneMinusSqrt),
        _ => panic!("no case transformers {name}"),
    }
}

fn of_timm(name: &str) -> Result<AnySchedule> {
    let once = |steps| WarmRestarts::new(1.0, steps).map(|cycles| cycles.with_limit(1));
    let bounds = (-7.0, 3.0);
    let wsd = |stable, curve, end| timm::wsd(1.0, (10, 0.0), (90, 30), stable, curve, end);
    Ok(match name {
        "cosine" => timm::warmed_up(once(100)?.with_end(0.1)?, 10, 0.01, false)?,
        "cosine prefix" => timm::warmed_up(Cosine::new(1.0, 90)?, 10, 0.01, true)?,
        "cosine k" => Cosine::new(1.0, 100)?.with_k_decay(2.0)?.into(),
        "cosine cycles" => {
            let cycles = WarmRestarts::new(1.0, 10)?
                .with_growth(1.5)?
                .with_decay(0.5)?;
            cycles.with_end(0.01)?.with_limit(4).into()
        }
        "tanh" => timm::tanh(once(100)?, bounds, 10, 0.0, false)?,
        "tanh cycles" => {
            let cycles = WarmRestarts::new(1.0, 20)?.with_decay(0.5)?.with_limit(3);
            timm::tanh(cycles, bounds, 0, 0.0, false)?
        }
        "poly" => timm::poly(once(100)?, 0.5)?.into(),
        "poly k" => Polynomial::decay(1.0, 0.1, 100, 1.5)?
            .with_k_decay(0.5)?
            .into(),
        "step" => timm::warmed_up(Step::new(1.0, 0.1, 30)?, 10, 0.0, true)?,
        "multistep" => timm::multi_step(1.0, 0.1, &[30, 50])?.into(),
        "wsd" => wsd(Stable::Constant, Curve::OneMinusSqrt, 0.0)?.into(),
        "wsd rsqrt linear" => wsd(Stable::inverse_sqrt(10.0), Curve::Linear, 0.0)?.into(),
        "wsd exp" => wsd(Stable::Constant, Curve::Exponential { ratio: 0.1 }, 0.0)?.into(),
        "wsd function" => wsd_by(Stable::Constant, 0.05, |p| (1.0 - p).powi(3))?,
        "wsd function of rsqrt" => {
            wsd_by(Stable::inverse_sqrt(10.0), 0.0, |p| (1.0 - p) / (1.0 + p))?
        }
        "wsd power power" => {
            let (power, timescale) = (0.3, 5.0);
            let stable = Stable::Power { power, timescale };
            wsd(stable, Curve::Power { power: 2.0 }, 0.05)?.into()
        }
        _ => panic!("no case timm {name}"),
    })
}

fn of_optax(name: &str) -> Result<AnySchedule> {
    let points = [(20, 2.0), (70, 0.1)];
    let through = |curve| PiecewiseInterpolate::from_factors(1.0, &points, curve);
    Ok(match name {
        "linear" => Linear::between(0.9, 0.5, 40)?.into(),
        "polynomial" => optax::polynomial(1.0, 0.01, 2.0, 100, 5)?,
        "cosine" => Cosine::new(1.0, 100)?
            .with_end(0.1)?
            .with_exponent(1.5)?
            .into(),
        "warmup_constant" => optax::warmup_constant(0.1, 1.0, 10)?,
        "warmup_cosine" => optax::warmup_cosine_decay(0.0, 1.0, 10, 100, 0.05)?,
        "warmup_cosine exponent" => {
            optax::warmup_cosine_decay_with_exponent(0.1, 1.0, 10, 100, 0.05, 1.5)?
        }
        "warmup_cosine exponent of a third" => {
            optax::warmup_cosine_decay_with_exponent(0.0, 1.0, 10, 100, 0.0, 1.0 / 3.0)?
        }
        "exponential" => Exponential::new(1.0, 0.5, 10)?.into(),
        "exponential stairs" => {
            let decay = Exponential::new(1.0, 0.5, 10)?
                .with_staircase()
                .with_bound(0.01)?;
            Constant::new(1.0)?.then(5, decay)?.into()
        }
        "warmup_exponential" => {
            optax::warmup_exponential_decay(0.0, 1.0, 10, Exponential::new(1.0, 0.5, 20)?)?
        }
        "piecewise_constant" => {
            PiecewiseConstant::from_factors(1.0, &[(50, 0.1), (75, 0.1)])?.into()
        }
        "piecewise_interpolate linear" => through(Curve::Linear)?.into(),
        "piecewise_interpolate cosine" => through(Curve::Cosine)?.into(),
        "cosine_onecycle" => optax::cosine_onecycle(100, 1.0, 0.3, 25.0, 1e4)?,
        "linear_onecycle" => optax::linear_onecycle(100, 1.0, (0.3, 0.85), 25.0, 1e4)?,
        "sgdr" => optax::sgdr(&[(0.0, 1.0, 5, 40, 0.1), (0.1, 0.5, 5, 60, 0.0)])?,
        _ => panic!("no case optax {name}"),
    })
}

fn of_keras(name: &str) -> Result<AnySchedule> {
    let exponential = Exponential::new(1.0, 0.9, 10)?;
    let inverse = InverseTime::new(1.0, 0.5, 10)?;
    Ok(match name {
        "ExponentialDecay" => exponential.into(),
        "ExponentialDecay stairs" => exponential.with_staircase().into(),
        "PiecewiseConstantDecay" => keras::piecewise_constant(vec![50, 75], vec![1.0, 0.5, 0.1])?,
        "PolynomialDecay" => Polynomial::decay(1.0, 0.01, 100, 2.0)?.into(),
        "PolynomialDecay cycle" => Polynomial::decay(1.0, 0.01, 30, 0.5)?.with_cycle()?.into(),
        "InverseTimeDecay" => inverse.into(),
        "InverseTimeDecay stairs" => inverse.with_staircase().into(),
        "CosineDecay" => Cosine::new(1.0, 100)?.with_end(0.1)?.into(),
        "CosineDecay warmup" => keras::cosine_decay(0.1, 1.0, 10, 90, 0.1)?,
        "CosineDecayRestarts" => keras::cosine_decay_restarts(1.0, 10, 2.0, 0.5, 0.0)?,
        "CosineDecayRestarts alpha" => keras::cosine_decay_restarts(1.0, 25, 1.0, 0.8, 0.1)?,
        _ => panic!("no case keras {name}"),
    })
}

#[test]
fn values_agree_with_the_peers() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (case, rows) in recorded() {
        if case.starts_with("trace ") {
            continue;
        }
        cases += 1;
        let schedule = ours(case).unwrap();
        for (step, value) in rows {
            let found = schedule.at(step);
            if (found - value).abs() > 1e-12 {
                wrong.push(format!(
                    "{case}, step {step}: {found}, the peer has {value}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases > 60);
}

/// What the script feeds to those that follow a metric.
const METRIC: [f64; 25] = [
    1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.75, 0.7,
    0.69, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6,
];

fn followed(case: &str) -> Box<dyn Feedback> {
    let greedy = GreedyConfig::new().with_factor(0.5).with_patience(1);
    let plateau = match case.trim_start_matches("trace ").split(' ').next() {
        Some("optax") => ReduceOnPlateauConfig::optax(),
        Some("keras") => ReduceOnPlateauConfig::keras(),
        _ => ReduceOnPlateauConfig::torch(),
    };
    let plateau = plateau.with_patience(2);
    match case {
        "trace greedy" => Box::new(greedy.init(0.25).unwrap()),
        "trace greedy pauses" => {
            Box::new(greedy.with_pauses(1, 2).with_window(3).init(0.25).unwrap())
        }
        "trace greedy reset" => {
            let bounded = greedy.with_bounds(0.2, 1.0).with_reset_after(2);
            Box::new(bounded.init(0.25).unwrap())
        }
        "trace torch cooldown" => Box::new(
            plateau
                .with_cooldown(2)
                .with_least(0.005)
                .init(1.0)
                .unwrap(),
        ),
        "trace optax cooldown" | "trace keras cooldown" => {
            Box::new(plateau.with_cooldown(2).init(1.0).unwrap())
        }
        "trace torch" | "trace optax" | "trace keras" => Box::new(plateau.init(1.0).unwrap()),
        _ => panic!("no case {case}"),
    }
}

#[test]
fn traces_agree_with_the_peers() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (case, rows) in recorded() {
        if !case.starts_with("trace ") {
            continue;
        }
        cases += 1;
        let mut rate = followed(case);
        let found: Vec<f64> = METRIC.map(|metric| rate.observe(metric)).into();
        let expected: Vec<f64> = rows.into_iter().map(|(_, value)| value).collect();
        let pairs = found.iter().zip(&expected);
        if found.len() != expected.len() || pairs.into_iter().any(|(a, b)| (a - b).abs() > 1e-12) {
            wrong.push(format!("{case}\n{found:?}\n{expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases, 9);
}
