//! Damaged states: what is read is refused, or serves.

use burn::tensor::{Device, Tensor};
use regimen_schedules::forecast::early_signals::{EarlySignal, Selection, select};
use regimen_schedules::forecast::law::{
    AnnealingFit, AnnealingFitConfig, AnnealingLaw, AreaPoint, Areas, ChinchillaFit,
    ChinchillaFitConfig, ChinchillaLaw, Cooldown, LossCurve, Quality, RunningAreas, ScaledRun,
};
use regimen_schedules::*;
use regimen_tensor::Part;
use regimen_tensor::testing::Hostile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entries;

/// A type that is read from files: its name, a valid text, and what reads a text and uses what it accepts.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) sample: String,
    pub(crate) read: fn(&str) -> std::result::Result<(), String>,
}

fn state<T: Serialize>(
    name: &str,
    value: &T,
    read: fn(&str) -> std::result::Result<(), String>,
) -> State {
    State {
        name: name.into(),
        sample: serde_json::to_string(value).unwrap(),
        read,
    }
}

fn read<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn said<T>(result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error| error.to_string())
}

const STEPS: [usize; 8] = [
    0,
    1,
    17,
    121,
    1 << 31,
    (1 << 53) + 1,
    usize::MAX - 1,
    usize::MAX,
];

/// Values at all kinds of steps, which are finite.
pub(crate) fn used(schedule: &impl Schedule) {
    let mut values = [0.0; 40];
    for step in STEPS {
        let value = schedule.at(step);
        assert!(value.is_finite(), "{value} at {step}");
        schedule.fill(step, &mut values);
        assert!(values.iter().all(|value| value.is_finite()));
        assert_eq!(values[0].to_bits(), value.to_bits(), "{step}");
    }
}

fn schedule<S: Schedule + DeserializeOwned>(text: &str) -> std::result::Result<(), String> {
    used(&read::<S>(text)?);
    Ok(())
}

/// A rate that follows a metric: observed, saved, loaded.
fn feedback<F: Feedback + Part + Clone + DeserializeOwned>(
    text: &str,
) -> std::result::Result<(), String> {
    let mut rate = read::<F>(text)?;
    for metric in [1.0, f64::NAN, 0.5, 2.0, f64::INFINITY, 1e308, 2.0, 2.0, 2.0] {
        let now = rate.observe(metric);
        assert!(now.is_finite() && now >= 0.0, "{now}");
    }
    let bytes = rate.save().unwrap();
    let mut other = rate.clone();
    other.load(&bytes).unwrap();
    let scalars = rate.to_scalars();
    let found = |name: &str| scalars.iter().find(|(key, _)| key == name).map(|(_, v)| *v);
    let _ = said(other.load_scalars(&found));
    Ok(())
}

/// A rate by this configuration, where it is one.
fn observed(config: ReduceOnPlateauConfig) -> std::result::Result<(), String> {
    let mut rate = said(config.init(0.1))?;
    for metric in [1.0, f64::NAN, 2.0, f64::NEG_INFINITY, 1e308, 2.0, 2.0] {
        let now = rate.observe(metric);
        assert!(now.is_finite() && now >= 0.0, "{now}");
    }
    Ok(())
}

fn signals(text: &str) -> std::result::Result<(), String> {
    let mut signals = read::<EarlySignals>(text)?;
    let mut loss = 3.0;
    for samples in [1, 32, 100, u64::MAX] {
        loss *= 0.9;
        said(signals.observe(samples, 1.0, loss))?;
    }
    let signal = said(signals.signal())?;
    let text = serde_json::to_string(&signal).unwrap();
    assert_eq!(read::<EarlySignal>(&text)?, signal);
    Ok(())
}

fn trace(text: &str) -> std::result::Result<(), String> {
    let mut trace = read::<LearningTrace>(text)?;
    let _ = (trace.backbone(), trace.residual(), trace.grows());
    let _ = (trace.prediction_level(), trace.convergence_level());
    said(trace.observe(1e9, 90.0))?;
    said(trace.predict(1e10)).map(drop)
}

fn law(law: &AnnealingLaw) -> std::result::Result<(), String> {
    said(law.predict(&[1e-3; 9], 2))?;
    said(law.best_cooldown(1e-3, 200, 10)).map(drop)
}

fn laws() -> Vec<State> {
    let law_of = AnnealingLaw {
        floor: 3.0,
        scale: 0.5,
        exponent: 0.5,
        gain: 0.3,
        memory: 0.99,
    };
    let rates = Cosine::new(1e-3, 200).unwrap().table(200).unwrap();
    let losses = law_of.predict(&rates, 0).unwrap();
    let points = (10..=200).step_by(10).map(|done| (done, losses[done - 1]));
    let curve = LossCurve::of_rates(rates, points.collect()).unwrap();
    let config = AnnealingFitConfig::new().with_memory(0.99);
    let fit = config.fit(std::slice::from_ref(&curve)).unwrap();
    let cooldown = fit.best_cooldown(1e-3, 200, 10).unwrap();
    let mut running = RunningAreas::new(0.9).unwrap();
    running.observe(0.5).unwrap();
    let chinchilla = ChinchillaLaw {
        floor: 1.69,
        by_parameters: 406.4,
        alpha: 0.34,
        by_tokens: 410.7,
        beta: 0.28,
    };
    let run = ScaledRun {
        parameters: 1e7,
        tokens: 1e9,
        loss: 3.0,
    };
    let wide = Quality {
        standard_errors: vec![f64::INFINITY; 5],
        ..fit.quality.clone()
    };
    let scaled = ChinchillaFit {
        law: chinchilla,
        quality: wide.clone(),
    };
    vec![
        state("AnnealingLaw", &law_of, |text| law(&read(text)?)),
        state("AnnealingFitConfig", &config, |text| {
            let config = read::<AnnealingFitConfig>(text)?;
            let point = |step: u32| AreaPoint {
                forward: f64::from(step + 1),
                annealing: 0.1 * f64::from(step),
                loss: 3.0 / f64::from(step + 1),
            };
            let points: Vec<AreaPoint> = (0..8).map(point).collect();
            said(config.fit_points(&points)).map(drop)
        }),
        state("AnnealingFit", &fit, |text| {
            let fit = read::<AnnealingFit>(text)?;
            law(&fit.law)?;
            let found = said(fit.best_cooldown(1e-3, 200, 10))?;
            let _ = found.exceeds_error();
            Ok(())
        }),
        state("Quality", &wide, |text| read::<Quality>(text).map(drop)),
        state("Cooldown", &cooldown, |text| {
            used(&read::<Cooldown>(text)?.rate);
            Ok(())
        }),
        state("LossCurve", &curve, |text| {
            let curve = read::<LossCurve>(text)?;
            said(curve.areas(0.9))?;
            said(curve.with_warmup(3)).map(drop)
        }),
        state(
            "Areas",
            &Areas::of(&[1.0, 0.5, 0.2], 0, 0.9).unwrap(),
            |text| read::<Areas>(text).map(drop),
        ),
        state("RunningAreas", &running, |text| {
            let mut areas = read::<RunningAreas>(text)?;
            said(areas.observe(0.3))?;
            let mut other = areas;
            other.load(&areas.save().unwrap()).unwrap();
            Ok(())
        }),
        state("ChinchillaLaw", &chinchilla, |text| {
            said(read::<ChinchillaLaw>(text)?.optimal(1e21)).map(drop)
        }),
        state("ChinchillaFit", &scaled, |text| {
            said(read::<ChinchillaFit>(text)?.law.optimal(1e21)).map(drop)
        }),
        state(
            "ScaledRun and config",
            &(run, ChinchillaFitConfig::new()),
            |text| {
                let (run, config) = read::<(ScaledRun, ChinchillaFitConfig)>(text)?;
                let runs = |i: i32| ScaledRun {
                    parameters: run.parameters * f64::from(1 + i % 3),
                    tokens: run.tokens * f64::from(1 + i / 3),
                    loss: run.loss / f64::from(1 + i),
                };
                said(config.fit(&(0..9).map(runs).collect::<Vec<_>>())).map(drop)
            },
        ),
    ]
}

fn others() -> Vec<State> {
    let mut signals_of = EarlySignalsConfig::new(40, 90).init().unwrap();
    signals_of.observe(32, 1.0, 3.0).unwrap();
    signals_of.observe(32, 0.9, 2.9).unwrap();
    let runs = [1.0, 0.5, 2.0].map(|norm| EarlySignal {
        gradient_norm: norm,
        loss: 2.0 + norm,
        healthy: true,
    });
    let mut trace_of = LearningTraceConfig::new().init().unwrap();
    for size in 1..=9 {
        let size = 5000.0 * f64::from(size);
        trace_of
            .observe(size, 97.0 - 40.0 * size.powf(-0.35))
            .unwrap();
    }
    let mut plateau = ReduceOnPlateauConfig::torch()
        .with_accumulation(3)
        .init(0.1)
        .unwrap();
    plateau.observe(f64::NAN);
    let mut greedy = GreedyConfig::new().with_window(3).init(0.1).unwrap();
    greedy.observe(f64::NAN);
    greedy.observe(1.0);
    let refined = RefinedConfig::new(Norm::L2);
    vec![
        state("ReduceOnPlateau", &plateau, feedback::<ReduceOnPlateau>),
        state("PlateauState", plateau.state(), |text| {
            read::<feedback::PlateauState>(text).map(drop)
        }),
        state(
            "ReduceOnPlateauConfig",
            &ReduceOnPlateauConfig::keras(),
            |text| {
                let mut rate = said(read::<ReduceOnPlateauConfig>(text)?.init(0.1))?;
                rate.observe(1.0);
                Ok(())
            },
        ),
        state("Mode", &Mode::Max, |text| {
            let config = ReduceOnPlateauConfig::torch().with_mode(read::<Mode>(text)?);
            observed(config)
        }),
        state("PlateauRule", &PlateauRule::Keras, |text| {
            let mut config = ReduceOnPlateauConfig::torch();
            config.rule = read::<PlateauRule>(text)?;
            observed(config)
        }),
        state(
            "Reaction",
            &ReduceOnPlateauConfig::keras().reaction,
            |text| {
                let mut config = ReduceOnPlateauConfig::torch();
                config.reaction = read::<Reaction>(text)?;
                observed(config)
            },
        ),
        state(
            "Followed",
            &feedback::Followed {
                rate: 0.1,
                best: Some(-2.0),
                bad: 3,
                cooldown: 1,
            },
            |text| {
                let followed = read::<feedback::Followed>(text)?;
                assert!(followed.rate.is_finite() && followed.rate >= 0.0);
                assert!(followed.best.is_none_or(f64::is_finite));
                let text = serde_json::to_string(&followed).unwrap();
                assert_eq!(read::<feedback::Followed>(&text)?, followed);
                Ok(())
            },
        ),
        state("Bridge", &Bridge::Open, |text| {
            let part = || Tensor::<3>::ones([1, 2, 3], &Device::flex());
            let joined = said(read::<Bridge>(text)?.join(part(), part()))?;
            assert_eq!(joined.dims(), [1, 4, 3]);
            Ok(())
        }),
        state("Greedy", &greedy, feedback::<Greedy>),
        state("GreedyState", greedy.state(), |text| {
            read::<feedback::GreedyState>(text).map(drop)
        }),
        state("GreedyConfig", &GreedyConfig::new(), |text| {
            let mut rate = said(read::<GreedyConfig>(text)?.init(0.1))?;
            rate.observe(1.0);
            Ok(())
        }),
        state(
            "AdaGradNorm",
            &AdaGradNorm::new(0.5).unwrap(),
            feedback::<AdaGradNorm>,
        ),
        state("EarlySignals", &signals_of, signals),
        state("EarlySignal", &runs[0], |text| {
            let run = read::<EarlySignal>(text)?;
            said(select(&[run, run], 0.5)).map(drop)
        }),
        state("Selection", &select(&runs, 0.5).unwrap(), |text| {
            let share = read::<Selection>(text)?.saved(5, 10);
            assert!((0.0..=1.0).contains(&share));
            Ok(())
        }),
        state("LearningTrace", &trace_of, trace),
        state(
            "PowerLaw",
            &PowerLaw::new(40.0, 0.35, 97.0).unwrap(),
            |text| {
                let law = read::<PowerLaw>(text)?;
                for size in [1e-9, 1.0, 1e9] {
                    let _ = (law.at(size), law.layer(size), law.size_for(size));
                }
                Ok(())
            },
        ),
        state("RefinedConfig", &refined, |text| {
            used(&said(
                read::<RefinedConfig>(text)?.init(&[3.0, 2.0, 1.0, 2.0]),
            )?);
            Ok(())
        }),
        state("SftRecipe", &SftRecipe::tulu(), |text| {
            used(&said(read::<SftRecipe>(text)?.schedule(10_000))?);
            Ok(())
        }),
        state("Importance", &Importance::linear(9).unwrap(), |text| {
            let importance = read::<Importance<AnySchedule>>(text).map(drop);
            let weights = read::<Importance<Between>>(text)?;
            for step in STEPS {
                said(weights.weights(step))?;
            }
            importance.or(Ok(()))
        }),
        state(
            "Rewarmed",
            &Stage {
                peak: 1.0,
                steps: 5,
                warmup: 2,
            },
            |text| {
                used(&said(Rewarmed::new(0.1, vec![read::<Stage>(text)?; 3]))?);
                Ok(())
            },
        ),
    ]
}

/// The positions of the adaptors, as parts of a checkpoint.
fn positions() -> Vec<State> {
    let mut lr = LrSchedule::new(Linear::new(1.0, 9).unwrap());
    burn::lr_scheduler::LrScheduler::step(&mut lr);
    let rate = LrFeedback::new(ReduceOnPlateauConfig::torch().init(0.1).unwrap());
    let text = |part: &dyn Part| String::from_utf8(part.save().unwrap()).unwrap();
    vec![
        State {
            name: "LrSchedule".into(),
            sample: text(&lr),
            read: |text| {
                let mut lr = LrSchedule::new(Linear::new(1.0, 9).unwrap());
                lr.load(text.as_bytes())
                    .map_err(|error| error.to_string())?;
                for _ in 0..3 {
                    let rate = burn::lr_scheduler::LrScheduler::step(&mut lr);
                    assert!((0.0..=1.0).contains(&rate));
                }
                Ok(())
            },
        },
        State {
            name: "LrFeedback".into(),
            sample: text(&rate),
            read: |text| {
                let config = ReduceOnPlateauConfig::torch();
                let mut rate = LrFeedback::new(config.init(0.1).unwrap());
                rate.load(text.as_bytes())
                    .map_err(|error| error.to_string())?;
                assert!(rate.observe(1.0).is_finite());
                Ok(())
            },
        },
    ]
}

pub(crate) fn all() -> Vec<State> {
    let schedules = entries::all().into_iter().map(|entry| State {
        name: entry.name.into(),
        sample: serde_json::to_string(&entry.schedule).unwrap(),
        read: schedule::<AnySchedule>,
    });
    let rest = [laws(), others(), positions()];
    schedules.chain(rest.into_iter().flatten()).collect()
}

#[test]
fn damaged_states_are_refused_or_serve() {
    let mut hostile = Hostile::new("schedules states");
    for State { name, sample, read } in all() {
        hostile.state(&name, &sample, read);
    }
    hostile.finish();
}

/// JSON has no word for numbers that are not finite: the states have.
#[test]
fn states_with_values_that_are_not_finite_go_through_a_file() {
    let mut plateau = ReduceOnPlateauConfig::torch()
        .with_accumulation(3)
        .init(0.1)
        .unwrap();
    plateau.observe(f64::INFINITY);
    let text = serde_json::to_string(&plateau).unwrap();
    assert_eq!(read::<ReduceOnPlateau>(&text).unwrap(), plateau);
    let mut greedy = GreedyConfig::new().with_window(3).init(0.1).unwrap();
    greedy.observe(f64::NEG_INFINITY);
    let text = serde_json::to_string(&greedy).unwrap();
    assert_eq!(read::<Greedy>(&text).unwrap(), greedy);
    let run = EarlySignal {
        gradient_norm: f64::INFINITY,
        loss: f64::NAN,
        healthy: false,
    };
    let text = serde_json::to_string(&run).unwrap();
    let back = read::<EarlySignal>(&text).unwrap();
    assert!(back.loss.is_nan() && back.gradient_norm == f64::INFINITY);
}
