//! Absurd arguments of every constructor and reader: an error, or a value that serves.

use std::time::{Duration, Instant};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use regimen_schedules::forecast::early_signals::{
    EarlySignal, expected_squared_norm, select, split_squared_norm,
};
use regimen_schedules::forecast::law::{
    AnnealingFitConfig, AnnealingLaw, AreaPoint, Areas, ChinchillaFitConfig, ChinchillaLaw,
    LossCurve, RunningAreas, ScaledRun,
};
use regimen_schedules::forecast::learning_curve::{
    percentage_error, reliability, robustness, total_variation,
};
use regimen_schedules::peers::{keras, optax, timm, torch, transformers};
use regimen_schedules::refine::{
    bound, filter_recipe, median_filter, numerical_objective, numerical_step_sizes, resample,
    step_sizes, weights,
};
use regimen_schedules::values::{SHAPES, per_length};
use regimen_schedules::*;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::entries;
use crate::states::used;

/// Used, whatever it is.
fn schedule<S: Schedule>(schedule: S) {
    used(&schedule);
}

fn curves() -> Vec<Curve> {
    let mut curves = vec![
        Curve::Held,
        Curve::Linear,
        Curve::Cosine,
        Curve::OneMinusSqrt,
    ];
    curves.push(Curve::Geometric);
    for a in NUMBERS {
        curves.push(Curve::Waves { cycles: a });
        curves.push(Curve::Polynomial { power: a });
        curves.push(Curve::Power { power: a });
        curves.push(Curve::Exponential { ratio: a });
        curves.push(Curve::InverseSqrt { alpha: a });
        curves.extend(NUMBERS.map(|b| Curve::Tanh { from: a, to: b }));
    }
    curves
}

#[test]
fn values_over_time() {
    let mut h = Hostile::new("schedules values");
    for a in NUMBERS {
        h.input(format_args!("Constant {a}"), || {
            Constant::new(a).map(schedule)
        });
        for n in COUNTS {
            h.input(format_args!("Linear {a} {n}"), || {
                Linear::new(a, n).map(schedule)
            });
            h.input(format_args!("Cosine {a} {n}"), || {
                Cosine::new(a, n).map(schedule)
            });
            h.input(format_args!("Tanh {a} {n}"), || {
                Tanh::new(a, n).map(schedule)
            });
            h.input(format_args!("Wsd {a} {n}"), || {
                Wsd::new(a, n, n, n).map(schedule)
            });
            h.input(format_args!("OneCycle {a} {n}"), || {
                OneCycle::new(a, n).map(schedule)
            });
            h.input(format_args!("WarmRestarts {a} {n}"), || {
                WarmRestarts::new(a, n).map(schedule)
            });
            h.input(format_args!("Rewarmed {a} {n}"), || {
                let stage = Stage {
                    peak: a,
                    steps: n,
                    warmup: n / 3,
                };
                Rewarmed::new(a, vec![stage; 3]).map(schedule)
            });
            h.input(format_args!("Table {a} {n}"), || {
                Table::multiplicative(a, n.min(300), |_| a).map(schedule)
            });
            for m in COUNTS {
                h.input(format_args!("HardRestarts {a} {n} {m}"), || {
                    HardRestarts::new(a, n, m).map(schedule)
                });
                h.input(format_args!("Noam {a} {n} {m}"), || {
                    Noam::new(a, n, m).map(schedule)
                });
                h.input(format_args!("MultiStep {a} {n} {m}"), || {
                    MultiStep::new(1.0, a, vec![n, m]).map(schedule)
                });
            }
        }
    }
    h.finish();
}

#[test]
fn values_over_time_of_two_numbers() {
    let mut h = Hostile::new("schedules pairs");
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("InverseSqrt {a} {b}"), || {
            InverseSqrt::new(a, b).map(schedule)
        });
        h.input(format_args!("Cosine {a} {b}"), || {
            Cosine::new(1e308, 5)?
                .with_end(a)?
                .with_exponent(b)?
                .with_k_decay(b)
                .map(schedule)
        });
        h.input(format_args!("Tanh {a} {b}"), || {
            Tanh::new(1.0, 5)?.with_bounds(a, b).map(schedule)
        });
        h.input(format_args!("OneCycle {a} {b}"), || {
            OneCycle::new(1.0, 9)?.with_divisors(a, b).map(schedule)
        });
        h.input(format_args!("OneCycle rise {a}"), || {
            OneCycle::new(b, 9)?
                .with_rise(a)?
                .with_three_phases()
                .map(schedule)
        });
        h.input(format_args!("momenta {a} {b}"), || {
            OneCycle::new(1.0, 9)?.momentum(a, b).map(schedule)?;
            Cyclic::new(1.0, 2.0, 3, 4)?.momentum(a, b).map(schedule)
        });
        h.input(format_args!("CyclicMode {a} {b}"), || {
            let mode = CyclicMode::ExpRange { gamma: b };
            Cyclic::new(0.1, a, 3, 4)?.with_mode(mode).map(schedule)
        });
        h.input(format_args!("Stable {a} {b}"), || {
            let stable = Stable::Power {
                power: a,
                timescale: b,
            };
            Wsd::new(1e308, 3, 4, 5)?.with_stable(stable).map(schedule)
        });
        h.input(format_args!("points {a} {b}"), || {
            PiecewiseInterpolate::new(&[(0, a), (9, b)], Curve::Cosine).map(schedule)
        });
        h.input(format_args!("factors {a} {b}"), || {
            PiecewiseInterpolate::from_factors(a, &[(3, b), (9, b)], Curve::Linear).map(schedule)
        });
        for n in COUNTS {
            h.input(format_args!("Linear {a} {b} {n}"), || {
                Linear::between(a, b, n).map(schedule)
            });
            h.input(format_args!("Polynomial {a} {b} {n}"), || {
                Polynomial::decay(a, b, n, 2.0).map(schedule)?;
                Polynomial::new(a, n, b, 0.5).map(schedule)?;
                Polynomial::decay(1.0, -1e308, n, a)?
                    .with_k_decay(b)?
                    .with_cycle()
                    .map(schedule)
            });
            h.input(format_args!("Exponential {a} {b} {n}"), || {
                Exponential::new(a, b, n).map(schedule)?;
                Exponential::new(a, b, n)?
                    .with_staircase()
                    .with_bound(b)
                    .map(schedule)
            });
            h.input(format_args!("InverseTime {a} {b} {n}"), || {
                schedule(InverseTime::new(a, b, n)?.with_staircase());
                InverseTime::new(a, b, n).map(schedule)
            });
            h.input(format_args!("Step {a} {b} {n}"), || {
                Step::new(a, b, n).map(schedule)
            });
            h.input(format_args!("Cyclic {a} {b} {n}"), || {
                Cyclic::new(a, b, n, n / 2).map(schedule)
            });
            h.input(format_args!("restarts {a} {b} {n}"), || {
                WarmRestarts::new(1e308, n)?
                    .with_growth(a)?
                    .with_decay(b)
                    .map(schedule)?;
                WarmRestarts::new(1.0, n)?
                    .with_growth(a)?
                    .with_k_decay(b)
                    .map(schedule)
            });
            h.input(format_args!("Infinite {a} {b} {n}"), || {
                Infinite::new(a, b, n, n).map(schedule)?;
                Infinite::new(a, b, 2, 3)?.anneal(n, n, 0.1).map(schedule)
            });
        }
    }
    h.finish();
}

#[test]
fn curves_between_any_levels() {
    let mut h = Hostile::new("schedules curves");
    for curve in curves() {
        for (a, b) in NUMBERS
            .iter()
            .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
        {
            h.input(format_args!("{curve:?} {a} {b}"), || {
                Between::new(a, b, 3, 9, curve).map(schedule)
            });
        }
        for n in COUNTS {
            h.input(format_args!("{curve:?} {n}"), || {
                Between::new(1.0, 0.5, n / 2, n, curve).map(schedule)?;
                Swa::new(Constant::ONE, n, 0.5, n)?
                    .with_curve(curve)
                    .map(schedule)
            });
        }
    }
    h.finish();
}

#[test]
fn compositions() {
    let mut h = Hostile::new("schedules compositions");
    let huge = || Constant::new(-1e308);
    for n in COUNTS {
        h.input(format_args!("Warmup {n}"), || {
            let rise = Cosine::new(1e308, n)?.warmed_up(n)?;
            for clock in [WarmupClock::Runs, WarmupClock::RunsContinuously] {
                schedule(
                    rise.starting_at(-1e308)?
                        .with_rise(Rise::Cosine)
                        .with_clock(clock),
                );
            }
            schedule(rise);
            Ok::<_, Error>(())
        });
        h.input(format_args!("clocks {n}"), || {
            schedule(huge()?.then(n, Linear::new(1.0, 5)?)?);
            schedule(Linear::new(1.0, 5)?.skipped(n)?);
            schedule(Linear::new(1.0, 5)?.restarted(vec![n / 2, n])?);
            schedule(
                Linear::new(1.0, 5)?
                    .repeated(n)?
                    .with_times(n)?
                    .with_decay(0.5)?,
            );
            schedule(
                Sequence::new(vec![huge()?; 3], vec![n / 2, n])?.with_boundary(Boundary::Previous),
            );
            Linear::new(1.0, 5)?.held(n).map(schedule)
        });
        h.input(format_args!("table {n}"), || {
            Constant::ONE
                .table(n.min(1 << 40))
                .map(drop)
                .or(if n > 1 << 27 {
                    Ok(())
                } else {
                    Err(Error::Picture("refused".into()))
                })
        });
        h.input(format_args!("Noisy {n}"), || {
            let noisy = Noisy::new(huge()?, n as u64)?.with_range(n / 2, Some(n));
            schedule(noisy);
            Ok::<_, Error>(())
        });
    }
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("Clamped {a} {b}"), || {
            huge()?.clamped(a, b).map(schedule)
        });
        h.input(format_args!("Noisy {a} {b}"), || {
            let noise = Noise::Normal { std: a };
            Noisy::new(huge()?, 1)?.with_noise(noise, b).map(schedule)
        });
        h.input(format_args!("Combined {a} {b}"), || {
            for by in [Reduction::Product, Reduction::Sum, Reduction::Average] {
                let parts = vec![Constant::new(a)?, Constant::new(b)?, Constant::new(a)?];
                Combined::new(parts, by).map(schedule)?;
            }
            Ok::<_, Error>(())
        });
        h.input(format_args!("Warmup {a} {b}"), || {
            Constant::new(a)?.warmed_up(5)?.starting_at(b).map(schedule)
        });
        h.input(format_args!("Swa {a} {b}"), || {
            Swa::new(Constant::new(a)?, 3, b, 7).map(schedule)
        });
        if a.is_finite() && b.is_finite() {
            h.input(format_args!("Scaled {a} {b}"), || {
                schedule(Constant::new(a)?.scaled(b)?);
                Ok::<_, Error>(())
            });
        }
    }
    h.finish();
}

#[test]
fn names_elsewhere() {
    let mut h = Hostile::new("schedules peers");
    for a in NUMBERS {
        for n in COUNTS {
            h.input(format_args!("transformers {a} {n}"), || {
                let all = [
                    transformers::constant_with_warmup(a, n),
                    transformers::linear_with_warmup(a, n / 2, n),
                    transformers::cosine_with_warmup(a, n / 2, n, a),
                    transformers::cosine_with_cycles(1.0, n / 2, n, 0.1, a),
                    transformers::cosine_with_hard_restarts(a, n / 2, n, n),
                    transformers::polynomial_with_warmup(1.0, n / 2, n, a, 2.0),
                    transformers::inverse_sqrt(a, n, Some(n)),
                    transformers::cosine_warmup_with_min_lr(1.0, n / 2, n, a, Some(a)),
                    transformers::cosine_warmup_with_min_lr_and_cycles(a, n, n, 0.1, None, a),
                    transformers::wsd(a, (n, n, n), a, Rise::Cosine, Curve::Cosine),
                ];
                all.into_iter().flatten().for_each(schedule);
                Ok::<_, Error>(())
            });
            h.input(format_args!("optax {a} {n}"), || {
                let all = [
                    optax::warmup_constant(a, 1.0, n),
                    optax::warmup_cosine_decay(0.0, a, n / 2, n, a),
                    optax::polynomial(a, 0.1, 2.0, n, n),
                    optax::sgdr(&[(0.0, a, n / 2, n, 0.1); 3]),
                    optax::cosine_onecycle(n, 1.0, a, 25.0, 1e4),
                    optax::cosine_onecycle(n, a, 0.3, a, a),
                    optax::linear_onecycle(n, 1.0, (a, 0.85), 25.0, 1e4),
                ];
                all.into_iter().flatten().for_each(schedule);
                Ok::<_, Error>(())
            });
            h.input(format_args!("keras, torch, timm {a} {n}"), || {
                let cycles = || WarmRestarts::new(1.0, 9);
                let all = [
                    keras::cosine_decay(a, 1.0, n, n, 0.1),
                    keras::cosine_decay_restarts(1.0, n, a, 0.5, 0.1),
                    keras::cosine_decay_restarts(a, 9, 2.0, 0.5, a),
                    torch::constant_lr(a, 0.3, n),
                    torch::linear_lr(1.0, a, a, n),
                    timm::warmed_up(Cosine::new(1.0, 9)?, n, a, true),
                    timm::tanh(cycles()?, (a, 3.0), n, 0.1, false),
                ];
                all.into_iter().flatten().for_each(schedule);
                let _ = timm::poly(cycles()?, a).map(schedule);
                let _ = timm::multi_step(a, 0.5, &[n / 2, n]).map(schedule);
                timm::wsd(
                    a,
                    (n, 0.1),
                    (n, n / 2),
                    Stable::Constant,
                    Curve::Linear,
                    0.1,
                )
                .map(schedule)
            });
            h.input(format_args!("SftRecipe {a} {n}"), || {
                let recipe = SftRecipe::tulu().with_rate(a).with_batch_size(n);
                recipe.schedule(n).map(schedule)?;
                SftRecipe::tulu().with_warmup(a).schedule(n).map(schedule)
            });
        }
    }
    h.finish();
}

#[test]
fn rates_that_follow_a_metric() {
    let mut h = Hostile::new("schedules feedback");
    let followed = |mut rate: Box<dyn Feedback>| {
        for metric in NUMBERS.iter().cycle().take(60) {
            let rate = rate.observe(*metric);
            assert!(rate.is_finite() && rate >= 0.0, "{rate}");
        }
    };
    for a in NUMBERS {
        for n in COUNTS {
            h.input(format_args!("plateau {a} {n}"), || {
                let config = ReduceOnPlateauConfig::optax()
                    .with_patience(n)
                    .with_factor(a);
                followed(Box::new(config.init(1.0)?));
                let config = ReduceOnPlateauConfig::keras()
                    .with_least(a)
                    .with_accumulation(n);
                let config = config
                    .with_cooldown(n)
                    .with_threshold(Threshold::Relative(a));
                followed(Box::new(config.init(a)?));
                Ok::<_, Error>(())
            });
            h.input(format_args!("greedy {a} {n}"), || {
                let config = GreedyConfig::new().with_factor(a).with_window(n);
                followed(Box::new(config.with_patience(0).init(1.0)?));
                let config = GreedyConfig::new()
                    .with_bounds(a, 1e308)
                    .with_reset_after(n);
                followed(Box::new(config.with_pauses(n, n).init(a)?));
                Ok::<_, Error>(())
            });
        }
        h.input(format_args!("AdaGradNorm {a}"), || {
            followed(Box::new(AdaGradNorm::new(a)?));
            followed(Box::new(AdaGradNorm::new(1e308)?.with_initial(a)?));
            Ok::<_, Error>(())
        });
    }
    h.finish();
}

/// Sequences that no one expects.
fn logs() -> Vec<Vec<f64>> {
    let mut logs: Vec<Vec<f64>> = vec![vec![], (1..60).map(f64::from).collect()];
    logs.push((1..60).map(|t| 1.0 / f64::from(t)).collect());
    for a in NUMBERS {
        logs.extend([
            vec![a],
            vec![a; 2],
            vec![a; 30],
            vec![1.0, a, 1.0, a, 1.0, 2.0, 3.0],
        ]);
    }
    logs.push(vec![1e308, 1e-308, 1e308, 1e-308, 1.0, 1.0]);
    logs.push((0..40).map(|t| 10_f64.powi(t * 15 - 300)).collect());
    logs
}

#[test]
fn refinement() {
    let mut h = Hostile::new("schedules refinement");
    let finite = |values: Result<Vec<f64>>| {
        values.map(|values| assert!(values.iter().all(|value| value.is_finite()), "{values:?}"))
    };
    for log in logs() {
        for norm in [Norm::L1, Norm::L2] {
            h.input(format_args!("weights {log:?}"), || {
                finite(weights(&log, norm))
            });
            for a in NUMBERS {
                h.input(format_args!("RefinedConfig {a} {log:?}"), || {
                    let rate = RefinedConfig::new(norm).with_smoothing(a).init(&log)?;
                    rate.with_peak(1e308).map(schedule)
                });
            }
        }
        for n in COUNTS {
            let n = n.min((1 << 24) + 1);
            h.input(format_args!("median {n} {log:?}"), || {
                finite(median_filter(&log, n))
            });
            h.input(format_args!("resample {n}"), || {
                resample(&log, n.min(1 << 20)).map(drop)
            });
            h.input(format_args!("Refined {n} {log:?}"), || {
                Refined::from_weights(&log)?.with_steps(n).map(schedule)
            });
        }
        h.input(format_args!("steps {log:?}"), || finite(step_sizes(&log)));
        h.input(format_args!("sizes {log:?}"), || {
            Refined::from_step_sizes(&log).map(schedule)
        });
        h.input(format_args!("recipe {log:?}"), || {
            finite(filter_recipe(&log))
        });
        for a in NUMBERS {
            h.input(format_args!("bound {a} {log:?}"), || {
                bound(&log, &log, a).map(|bound| assert!(bound.is_finite()))
            });
            h.input(format_args!("objective {a} {log:?}"), || {
                numerical_objective(&log, &log, a).map(|bound| assert!(bound.is_finite()))
            });
            h.input(format_args!("numerical {a} {log:?}"), || {
                finite(numerical_step_sizes(&log, a))
            });
        }
    }
    h.finish();
}

#[test]
fn forecasts() {
    let mut h = Hostile::new("schedules forecasts");
    let law = AnnealingLaw {
        floor: 1.0,
        scale: 1.0,
        exponent: 0.5,
        gain: 0.1,
        memory: 0.9,
    };
    for log in logs() {
        let (_, _) = (robustness(&log), total_variation(&log));
        let reversed: Vec<f64> = log.iter().rev().copied().collect();
        h.input("percentage_error", || percentage_error(&log, &reversed));
        h.input("reliability", || reliability(&log, &reversed));
        let sizes: Vec<f64> = (1..=log.len()).map(|size| size as f64).collect();
        h.input(format_args!("PowerLaw {log:?}"), || {
            PowerLaw::fit(&log, &sizes, None).map(drop)?;
            PowerLaw::fit(&sizes, &log, Some(1.0)).map(|law| assert!(law.at(9.0).is_finite()))
        });
        h.input(format_args!("trace {log:?}"), || {
            let mut trace = LearningTraceConfig::new().with_ceiling(1e308).init()?;
            for (size, accuracy) in sizes.iter().zip(&log) {
                trace.observe(*size, *accuracy)?;
            }
            trace.predict(1e9)
        });
        let points = log.iter().enumerate().map(|(step, loss)| (step + 1, *loss));
        let points: Vec<(usize, f64)> = points.collect();
        for rates in [vec![1.0; log.len()], log.clone(), reversed] {
            h.input(format_args!("fit {log:?}"), || {
                let curve = LossCurve::of_rates(rates.clone(), points.clone())?;
                let annealing = rates.windows(2).any(|pair| pair[0] != pair[1]);
                let config = AnnealingFitConfig::new().with_memory(0.9);
                let fit = config.with_annealing(annealing).fit(&[curve])?;
                fit.best_cooldown(1e-3, 200, 0)
            });
            h.input(format_args!("areas {log:?}"), || {
                Areas::of(&rates, 2, 0.9).map(drop)
            });
        }
        let at = |place: usize| log[place % log.len()];
        h.input(format_args!("chinchilla {log:?}"), || {
            let run = |i: usize| ScaledRun {
                parameters: at(i),
                tokens: at(i / 3),
                loss: at(i / 2),
            };
            let count = log.len().min(12);
            ChinchillaFitConfig::new().fit(&(0..count).map(run).collect::<Vec<_>>())
        });
        h.input(format_args!("chinchilla losses {log:?}"), || {
            let run = |i: usize| ScaledRun {
                parameters: 1e6 * (1 + i % 4) as f64,
                tokens: 1e8 * (1 + i / 4) as f64,
                loss: at(i),
            };
            let count = if log.is_empty() { 0 } else { 16 };
            ChinchillaFitConfig::new().fit(&(0..count).map(run).collect::<Vec<_>>())
        });
        h.input(format_args!("signals {log:?}"), || {
            let mut signals = EarlySignalsConfig::new(3, 9).init()?;
            for value in &log {
                signals.observe(1, value.abs(), *value)?;
            }
            let text = serde_json::to_string(&signals).unwrap();
            assert_eq!(
                serde_json::from_str::<EarlySignals>(&text).unwrap(),
                signals
            );
            let signal = signals.signal()?;
            assert!(signal.loss.is_finite() && signal.gradient_norm.is_finite());
            select(&[signal; 5], 0.5)
        });
    }
    for a in NUMBERS {
        let point = AreaPoint {
            forward: a,
            annealing: a,
            loss: a,
        };
        h.input(format_args!("points {a}"), || {
            AnnealingFitConfig::new().fit_points(&[point; 9])
        });
        h.input(format_args!("RunningAreas {a}"), || {
            RunningAreas::new(a)?.observe(a)
        });
        h.input(format_args!("config {a}"), || {
            let config = AnnealingFitConfig::new()
                .with_delta(a)
                .with_annealing(false);
            let rates = vec![1e-3; 40];
            let losses = law.predict(&rates, 0)?;
            let points = losses
                .iter()
                .enumerate()
                .map(|(at, loss)| (at + 1, *loss))
                .collect();
            config.fit(&[LossCurve::of_rates(rates, points)?])
        });
        h.input(format_args!("PowerLaw {a}"), || {
            PowerLaw::new(a, a.abs().max(0.1), a)?;
            PowerLaw::through(a, 2.0, [a, 2.0, 3.0])
        });
        h.input(format_args!("select {a}"), || {
            let run = EarlySignal {
                gradient_norm: a,
                loss: a,
                healthy: true,
            };
            select(&[run; 3], a)
        });
        for n in COUNTS {
            h.input(format_args!("norms {a} {n}"), || {
                expected_squared_norm(a, a, n).map(|norm| assert!(norm.is_finite()))?;
                split_squared_norm((n, a), (3, 1.0)).map(|(m, t)| assert!((m + t).is_finite()))
            });
            h.input(format_args!("cooldown {a} {n}"), || {
                law.best_cooldown(a, n.min(1 << 40), n / 2)
            });
            h.input(format_args!("config {a} {n}"), || {
                EarlySignalsConfig::new(n as u64 / 2, n as u64)
                    .with_fall(a)
                    .init()
                    .map(drop)?;
                let trace = LearningTraceConfig::new()
                    .with_look_ahead(n)
                    .with_convergence(a);
                trace.with_verticality(a, 1.0).init().map(drop)
            });
        }
        h.input(format_args!("ChinchillaLaw {a}"), || {
            let law = ChinchillaLaw {
                floor: 1.0,
                by_parameters: a,
                alpha: a,
                by_tokens: 1.0,
                beta: 0.3,
            };
            let (parameters, tokens) = law.optimal(1e20)?;
            assert!(parameters.is_finite() && tokens.is_finite());
            law.optimal(a)
        });
    }
    h.input("updates beyond memory", || {
        LossCurve::new(&Constant::ONE, usize::MAX, vec![]).map(drop)
    });
    h.finish();
}

#[test]
fn compositions_by_their_constructors() {
    let mut h = Hostile::new("schedules constructors");
    let line = || Linear::new(1.0, 5);
    for a in NUMBERS {
        for n in COUNTS {
            h.input(format_args!("Warmup::new, Then::new {a} {n}"), || {
                schedule(Then::new(Constant::new(a)?, n, line()?)?);
                schedule(Then::new(
                    line()?,
                    n,
                    Then::new(line()?, n, Constant::new(a)?)?,
                )?);
                Warmup::new(n, Constant::new(a)?).map(schedule)
            });
            h.input(format_args!("Skipped::new, Held::new {a} {n}"), || {
                schedule(Skipped::new(Skipped::new(Constant::new(a)?, n)?, n)?);
                Held::new(Skipped::new(line()?, n)?, n).map(schedule)
            });
            h.input(format_args!("Restarted::new {a} {n}"), || {
                let inner = || Constant::new(a);
                schedule(Restarted::new(inner()?, vec![])?);
                assert!(Restarted::new(inner()?, vec![n, n]).is_err());
                Restarted::new(Cosine::new(1.0, 5)?, vec![n / 2, n]).map(schedule)
            });
            h.input(format_args!("Repeated::new {a} {n}"), || {
                schedule(Repeated::new(Constant::new(a)?, n)?.with_times(n)?);
                Repeated::new(line()?, n)?.with_decay(a).map(schedule)
            });
            h.input(format_args!("AnySchedule::boxed {a} {n}"), || {
                let inner = AnySchedule::boxed(Constant::new(a)?.then(n, line()?)?);
                let outer = AnySchedule::boxed(Held::new(inner, n)?);
                used(&*outer);
                Ok::<_, Error>(())
            });
            h.input(format_args!("PiecewiseConstant::new {a} {n}"), || {
                assert!(PiecewiseConstant::new(vec![n], vec![]).is_err());
                assert!(PiecewiseConstant::new(vec![n, n], vec![1.0; 3]).is_err());
                schedule(PiecewiseConstant::new(vec![], vec![a])?);
                PiecewiseConstant::new(vec![n / 2, n], vec![a, 1.0, a])?;
                let made = PiecewiseConstant::new(vec![n / 2, n], vec![1.0, a, 2.0])?;
                schedule(made.with_boundary(Boundary::Previous));
                Ok::<_, Error>(())
            });
            h.input(
                format_args!("PiecewiseConstant::from_factors {a} {n}"),
                || {
                    assert!(PiecewiseConstant::from_factors(1.0, &[(n, 0.5); 2]).is_err());
                    PiecewiseConstant::from_factors(a, &[]).map(schedule)?;
                    let factors = [(n, a), (n / 2, 1e308)];
                    PiecewiseConstant::from_factors(2.0, &factors).map(schedule)
                },
            );
            h.input(format_args!("Table::new {a} {n}"), || {
                Table::new(vec![a; n.min(300)]).map(schedule)
            });
            let tasks = SHAPES.map(|(task, ..)| task);
            for task in tasks.into_iter().chain(["", "gpt"]) {
                h.input(format_args!("Polynomial::imitating {task} {a} {n}"), || {
                    let made = Polynomial::imitating(task, a, n);
                    assert_eq!(made.is_some(), tasks.contains(&task));
                    made.map_or(Ok(()), |made| made.map(schedule))
                });
            }
            h.input(format_args!("Stable::inverse_sqrt {a} {n}"), || {
                let stable = Stable::inverse_sqrt(a);
                Wsd::new(1.0, n, n, n)?.with_stable(stable).map(schedule)
            });
            h.input(format_args!("Importance::new {a} {n}"), || {
                let importance = Importance::new(Then::new(Constant::new(a)?, n, line()?)?);
                for step in [0, n, usize::MAX] {
                    let [first, second] = importance.weights(step)?;
                    assert_eq!(first + second, 1.0);
                    let _ = importance.total(step, a, f64::NAN)?;
                }
                importance.weights(n / 2)
            });
        }
        for b in NUMBERS {
            h.input(format_args!("Clamped::new {a} {b}"), || {
                Clamped::new(Constant::new(a)?, a, b).map(schedule)?;
                Clamped::new(line()?, b, a).map(schedule)
            });
            h.input(format_args!("Scaled::new {a} {b}"), || {
                let scaled = Scaled::new(Constant::new(a)?, b)?;
                if b.is_finite() {
                    schedule(scaled);
                    return Ok(());
                }
                // As documented: NaN, or the largest numbers; and no file holds it.
                let value = scaled.at(usize::MAX);
                assert!(value.is_nan() || value.abs() == f64::MAX, "{value}");
                assert_eq!(value.is_nan(), b.is_nan() || a == 0.0);
                let text = serde_json::to_string(&scaled).unwrap();
                assert!(serde_json::from_str::<Scaled<Constant>>(&text).is_err());
                Ok::<_, Error>(())
            });
            h.input(format_args!("LrFeedback::scaling {a} {b}"), || {
                let config = ReduceOnPlateauConfig::torch().with_patience(0);
                let mut rate = LrFeedback::scaling(Constant::new(a)?, config.init(b)?);
                for metric in NUMBERS {
                    rate.observe(metric);
                    let value = rate.step();
                    assert!(value.is_finite(), "{value}");
                }
                Ok::<_, Error>(())
            });
        }
    }
    h.finish();
}

#[test]
fn names_of_optax_with_absurd_numbers() {
    let mut h = Hostile::new("schedules optax");
    for a in NUMBERS {
        for n in COUNTS {
            for m in COUNTS {
                h.input(format_args!("exponential_decay {a} {n} {m}"), || {
                    let all = [
                        optax::exponential_decay(a, n, 0.5, m, true, None),
                        optax::exponential_decay(1.0, n, a, m, false, None),
                        optax::exponential_decay(1.0, n, 2.0, m, true, Some(a)),
                    ];
                    all.into_iter().flatten().for_each(schedule);
                    optax::exponential_decay(a, n, a, m, false, Some(a)).map(schedule)
                });
                h.input(format_args!("warmup_exponential_decay {a} {n} {m}"), || {
                    let decay = || Exponential::new(1.0, 0.5, m);
                    optax::warmup_exponential_decay(0.0, a, n, decay()?).map(schedule)?;
                    optax::warmup_exponential_decay(a, 1.0, n, decay()?).map(schedule)
                });
                h.input(
                    format_args!("warmup_cosine_decay_with_exponent {a} {n} {m}"),
                    || {
                        let with = optax::warmup_cosine_decay_with_exponent;
                        let all = [
                            with(a, 1.0, n, m, 0.0, 2.0),
                            with(0.0, a, n, m, 0.0, 2.0),
                            with(0.0, 1.0, n, m, a, 2.0),
                            with(0.0, 1.0, n, m, 0.0, a),
                        ];
                        all.into_iter().flatten().for_each(schedule);
                        with(a, a, n, m, a, a).map(schedule)
                    },
                );
            }
        }
    }
    h.finish();
}

#[test]
fn losses_and_features_of_any_shape() {
    let mut h = Hostile::new("schedules tensors");
    let device = Device::flex();
    for size in [0, 1, 3] {
        for count in [0, 1, 3] {
            for length in [i64::MIN, -1, 0, 1, i64::MAX] {
                for a in NUMBERS {
                    let name = format!("per_length {size} {count} {length} {a}");
                    h.input(name, || {
                        let losses = Tensor::<1>::full([size], a as f32, &device);
                        let data = TensorData::new(vec![length; count], [count]);
                        let lengths = Tensor::<1, Int>::from_data(data, (&device, DType::I64));
                        let mean = per_length(losses, lengths);
                        assert_eq!(mean.is_ok(), size == count && size > 0);
                        let mean = f64::from(mean?.into_scalar::<f32>());
                        let most = f64::from(f32::MAX) / 3.0;
                        assert!(mean.is_finite() || a.is_nan() || a.abs() >= most);
                        Ok::<_, Error>(())
                    });
                }
            }
        }
    }
    let shapes = [[2, 3, 4], [2, 0, 4], [1, 3, 4], [2, 3, 0], [0, 3, 4]];
    for bridge in [Bridge::Blocked, Bridge::Open] {
        for one in shapes {
            for other in shapes {
                h.input(format_args!("Bridge {bridge:?} {one:?} {other:?}"), || {
                    let joined = bridge.join(
                        Tensor::<3>::zeros(one, &device),
                        Tensor::<3>::zeros(other, &device),
                    );
                    let fits = one[0] == other[0] && one[2] == other[2];
                    assert_eq!(joined.is_ok(), fits);
                    let joined = joined?;
                    assert_eq!(joined.dims(), [one[0], one[1] + other[1], one[2]]);
                    Ok::<_, Error>(())
                });
            }
        }
    }
    h.finish();
}

#[test]
fn memories_that_no_curve_has() {
    let mut h = Hostile::new("schedules memories");
    let law = AnnealingLaw {
        floor: 1.0,
        scale: 1.0,
        exponent: 0.5,
        gain: 0.1,
        memory: 0.9,
    };
    let rates = Cosine::new(1e-3, 40).unwrap().table(40).unwrap();
    let losses = law.predict(&rates, 0).unwrap();
    let points: Vec<(usize, f64)> = losses
        .iter()
        .enumerate()
        .map(|(at, loss)| (at + 1, *loss))
        .collect();
    let curve = LossCurve::of_rates(rates.clone(), points).unwrap();
    let empty = LossCurve::of_rates(rates, vec![]).ok();
    let config = AnnealingFitConfig::new();
    let some = std::slice::from_ref(&curve);
    for memory in NUMBERS {
        h.input(format_args!("fit_memory {memory}"), || {
            config.fit_memory(some, some, &[memory])
        });
        h.input(format_args!("fit_memory, 0.9 and {memory}"), || {
            config.fit_memory(some, some, &[0.9, memory])
        });
    }
    for (name, curves, held_out, memories) in [
        ("no memory", some, some, &[][..]),
        ("no curve", &[], some, &[0.9]),
        ("no held-out curve", some, &[], &[0.9]),
        ("nothing", &[], &[], &[]),
    ] {
        h.input(format_args!("fit_memory, {name}"), || {
            let fit = config.fit_memory(curves, held_out, memories);
            assert!(fit.is_err(), "{name}");
            fit
        });
    }
    h.input("fit_memory, a held-out curve without losses", || {
        config.fit_memory(some, empty.as_slice(), &[0.9])
    });
    h.finish();
}

/// Values of 1e308, of 5e-324, and of both signs: the picture ends and shows them.
#[test]
fn pictures_of_any_size_end() {
    let mut h = Hostile::new("schedules pictures");
    for a in NUMBERS {
        for n in [1, 10, (1 << 53) + 1, usize::MAX] {
            for size in [0, 1, 300, 1 << 15, u32::MAX] {
                h.input(format_args!("{a} {n} {size}"), || {
                    let (flat, fall) = (Constant::new(a)?, Linear::between(a, -a, n)?);
                    let picture = Picture::new(n).with_size(size, 200).with_title("t");
                    picture.svg(&[&flat, &fall])
                });
            }
        }
    }
    h.finish();
    let tall = Constant::new(1e308).unwrap();
    let svg = Picture::new(10).svg(&[&tall]).unwrap();
    assert!(svg.contains("1.0e308"), "{svg}");
    let low = Constant::new(-3e-308).unwrap();
    assert!(Picture::new(10).svg(&[&low]).unwrap().contains("e-308"));
    assert!(Picture::new(10).svg(&[]).is_err());
}

/// Past 2^53 steps are no longer all numbers, past the last one there is no other.
#[test]
fn far_steps_have_the_same_value_alone_and_in_a_row() {
    let places = [
        (1 << 49) - 9,
        1 << 52,
        (1 << 53) - 3,
        (1 << 53) + 1,
        1 << 60,
        usize::MAX - 3,
    ];
    for entry in entries::all() {
        for from in places {
            let mut values = [0.0; 20];
            entry.schedule.fill(from, &mut values);
            for (offset, value) in values.iter().enumerate() {
                let step = from.saturating_add(offset);
                let alone = entry.schedule.at(step);
                assert_eq!(value.to_bits(), alone.to_bits(), "{} {step}", entry.name);
            }
        }
    }
}

#[test]
fn a_position_at_its_end_stays_there() {
    let mut lr = LrSchedule::new(Linear::new(1.0, 4).unwrap()).with_position(usize::MAX - 1);
    for _ in 0..3 {
        assert_eq!(lr.step(), 0.0);
    }
    assert_eq!(lr.position(), usize::MAX);
    let record = lr.to_record();
    let resumed = LrSchedule::resume(Linear::new(1.0, 4).unwrap(), &record).unwrap();
    assert_eq!(resumed.clone().step(), 0.0);
    let rates = ["rate_first", "rate_middle", "rate_last"];
    let record = rates.iter().zip([1.0, f64::NAN, 0.0]).fold(
        LrSchedulerRecord::new().with_scalar("step", u64::MAX),
        |record, (key, rate)| record.with_scalar(key, rate),
    );
    assert!(LrSchedule::resume(Linear::new(1.0, 4).unwrap(), &record).is_err());
}

/// Files of a million entries are read and answer at once; an error names two of them, not all.
#[test]
fn long_files_answer_at_once() {
    let start = Instant::now();
    let stage = r#"{"peak":1.0,"steps":1,"warmup":0}"#;
    let stages = vec![stage; 200_000].join(",");
    let text = format!(r#"{{"schedule":"rewarmed","end":0.1,"stages":[{stages}]}}"#);
    let rewarmed: AnySchedule = serde_json::from_str(&text).unwrap();
    assert_eq!(rewarmed.table(200_000).unwrap()[199_999], 1.0);
    let milestones = vec!["7"; 1_000_000].join(",");
    let text =
        format!(r#"{{"schedule":"piecewise_constant","boundaries":[{milestones}],"values":[]}}"#);
    let error = serde_json::from_str::<AnySchedule>(&text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("7 after 7") && error.len() < 200, "{error}");
    let norms: Vec<f64> = (0..200_000).map(|t| 1.0 + f64::from(t % 1013)).collect();
    assert!(RefinedConfig::new(Norm::L2).init(&norms).is_ok());
    assert_eq!(reliability(&norms, &norms).unwrap(), 1.0);
    let run = |norm: &f64| EarlySignal {
        gradient_norm: *norm,
        loss: -norm,
        healthy: true,
    };
    let runs: Vec<EarlySignal> = norms.iter().map(run).collect();
    assert_eq!(select(&runs, 0.5).unwrap().keep.len(), 100_000);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn nesting_without_end_is_an_error() {
    for depth in [60, 100, 200, 100_000] {
        let open = r#"{"schedule":"scaled","factor":1.0,"inner":"#.repeat(depth);
        let inner = r#"{"schedule":"constant","value":1.0}"#;
        let text = format!("{open}{inner}{}", "}".repeat(depth));
        let read = serde_json::from_str::<AnySchedule>(&text);
        assert_eq!(read.is_ok(), depth <= 100, "{depth}");
        read.iter().for_each(used);
        let open = r#"{"schedule":"sequence","boundaries":[],"parts":["#.repeat(depth);
        let text = format!("{open}{inner}{}", "]}".repeat(depth));
        read_only(&text);
    }
}

fn read_only(text: &str) {
    if let Ok(schedule) = serde_json::from_str::<AnySchedule>(text) {
        used(&schedule);
    }
}
