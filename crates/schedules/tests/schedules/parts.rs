//! Parts of a checkpoint, errors that one can see, and work that is stopped.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use regimen_schedules::forecast::law::{
    AnnealingFitConfig, AnnealingLaw, ChinchillaFitConfig, ChinchillaLaw, LossCurve, RunningAreas,
    ScaledRun,
};
use regimen_schedules::refine::{
    filter_recipe_watched, median_filter, median_filter_watched, numerical_step_sizes,
    numerical_step_sizes_watched, weights,
};
use regimen_schedules::*;
use regimen_tensor::{Part, Watch};

const LAW: AnnealingLaw = AnnealingLaw {
    floor: 3.0,
    scale: 0.5,
    exponent: 0.5,
    gain: 0.3,
    memory: 0.99,
};

/// A run that is stopped after each of its steps goes on from its parts as if it had not been.
fn goes_on<P: Part + Clone, V: PartialEq + std::fmt::Debug>(
    new: &P,
    steps: usize,
    step: impl Fn(&mut P, usize) -> V,
) {
    let mut straight = new.clone();
    let expected: Vec<V> = (0..steps).map(|at| step(&mut straight, at)).collect();
    for stop in 0..steps {
        let mut first = new.clone();
        let mut found: Vec<V> = (0..stop).map(|at| step(&mut first, at)).collect();
        let bytes = first.save().unwrap();
        let mut second = new.clone();
        assert_eq!(first.kind(), second.kind());
        second.load(&bytes).unwrap();
        found.extend((stop..steps).map(|at| step(&mut second, at)));
        assert_eq!(found, expected, "{} at {stop}", new.kind());
        for damaged in [&bytes[..bytes.len() / 2], b"{}", b""] {
            let before = second.save().unwrap();
            assert!(second.load(damaged).is_err());
            assert_eq!(second.save().unwrap(), before);
        }
    }
}

#[test]
fn every_part_goes_on_where_it_was_saved() {
    let metric = |at: usize| [3.0, 2.0, f64::NAN, 2.5, 2.5, 1.0, 1.5, 1.5][at % 8];
    let cosine = LrSchedule::new(Cosine::new(1.0, 9).unwrap()).with_calls_per_update(3);
    goes_on(&cosine, 20, |lr, _| lr.step());
    let plateau = ReduceOnPlateauConfig::torch()
        .with_patience(1)
        .with_accumulation(2);
    let plateau = plateau.init(1.0).unwrap();
    goes_on(&plateau, 20, |rate, at| rate.observe(metric(at)));
    let greedy = GreedyConfig::new().with_patience(1).with_window(3);
    let greedy = greedy.init(0.5).unwrap();
    goes_on(&greedy, 20, |rate, at| rate.observe(metric(at)));
    let norm = AdaGradNorm::new(0.5).unwrap();
    goes_on(&norm, 20, |rate, at| rate.observe(metric(at)));
    let areas = RunningAreas::new(0.9).unwrap();
    goes_on(&areas, 9, |areas, at| {
        areas.observe(1.0 / (at + 1) as f64).unwrap();
        (areas.forward(), areas.annealing())
    });
    let signals = EarlySignalsConfig::new(40, 90).init().unwrap();
    goes_on(&signals, 9, |signals, at| {
        signals.observe(16, 1.0, 3.0 - 0.1 * at as f64).unwrap();
        signals.clone()
    });
    let trace = LearningTraceConfig::new().init().unwrap();
    goes_on(&trace, 9, |trace, at| {
        let size = 5000.0 * (at + 1) as f64;
        trace.observe(size, 97.0 - 40.0 * size.powf(-0.35)).unwrap();
        trace.clone()
    });
}

/// Handles share a state: a load through one is seen through all, and another run's state is refused as a whole.
#[test]
fn a_part_of_clones_is_what_they_share() {
    let config = ReduceOnPlateauConfig::torch().with_patience(0);
    let new = || LrFeedback::scaling(Linear::new(1.0, 9).unwrap(), config.init(1.0).unwrap());
    let mut saved = new();
    saved.step();
    saved.observe(2.0);
    saved.observe(2.0);
    let bytes = saved.save().unwrap();
    let mut loaded = new();
    let other = loaded.clone();
    loaded.load(&bytes).unwrap();
    assert_eq!((other.rate(), loaded.step()), (saved.rate(), saved.step()));

    let longer = Linear::new(1.0, 90).unwrap();
    let mut longer = LrFeedback::scaling(longer, config.init(1.0).unwrap());
    saved.step();
    let error = longer.load(&saved.save().unwrap()).unwrap_err().to_string();
    assert!(error.contains("had the rate"), "{error}");
    assert_eq!((longer.rate(), longer.step()), (1.0, 1.0));
    let mut plateau = config.with_cooldown(3).init(1.0).unwrap();
    let error = plateau.load(&config.init(1.0).unwrap().save().unwrap());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("another `config`"), "{error}");
    let mut schedule = LrSchedule::new(Linear::new(1.0, 4).unwrap());
    schedule.step();
    schedule.step();
    let mut other = LrSchedule::new(Linear::new(1.0, 8).unwrap());
    assert!(other.load(&schedule.save().unwrap()).is_err());
    assert_eq!((other.position(), other.step()), (0, 1.0));
}

/// Burn's record can't be refused: whoever is asked for hears of it, once a load, through any clone.
#[test]
fn a_record_that_does_not_fit_is_heard_of() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let note = move |error: &Error| notes.lock().unwrap().push(error.to_string());
    let rate = LrFeedback::new(ReduceOnPlateauConfig::torch().init(0.1).unwrap());
    let mut clone = rate.clone();
    let rate = rate.on_failure(note.clone());
    clone.load_record(LrSchedulerRecord::new());
    let told = heard.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`rate`"), "{told:?}");
    assert!(clone.mismatch().is_some() && rate.mismatch().is_none());
    assert_eq!(clone.rate(), 0.1);
    let bad = LrSchedulerRecord::new().with_scalar("rate", -1.0_f64);
    let bad = rate.to_record().with_record("feedback", bad);
    clone.load_record(bad);
    assert_eq!(heard.lock().unwrap().drain(..).count(), 1);
    clone.load_record(rate.to_record());
    assert!(clone.mismatch().is_none() && heard.lock().unwrap().is_empty());

    let mut other = LrSchedule::new(Linear::new(1.0, 4).unwrap());
    other.step();
    other.step();
    let mut lr = LrSchedule::new(Linear::new(1.0, 8).unwrap()).on_failure(note);
    lr.load_record(other.to_record());
    lr.load_record(LrSchedulerRecord::new());
    let told = heard.lock().unwrap().clone();
    assert!(told.len() == 2 && told[1].contains("`record`"), "{told:?}");
    assert_eq!(lr.position(), 0);
}

fn measured(rate: &(impl Schedule + Sync)) -> LossCurve {
    let rates = rate.table(400).unwrap();
    let losses = LAW.predict(&rates, 0).unwrap();
    let points = (10..=400).step_by(10).map(|done| (done, losses[done - 1]));
    LossCurve::of_rates(rates, points.collect()).unwrap()
}

/// A watch that stops the work after so many steps, and counts them.
fn stopping(after: usize) -> (Watch, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let (count, asked) = (steps.clone(), steps.clone());
    let watch = Watch::new().with_progress(move |_| {
        count.fetch_add(1, Relaxed);
    });
    (watch.until(move || asked.load(Relaxed) >= after), steps)
}

#[test]
fn work_that_is_stopped_gives_the_best_so_far() {
    let curves = [measured(&Cosine::new(1e-2, 400).unwrap())];
    let config = AnnealingFitConfig::new().with_memory(0.99);
    let whole = config.fit(&curves).unwrap();
    let (watch, steps) = stopping(usize::MAX);
    assert_eq!(config.fit_watched(&curves, &watch).unwrap(), whole);
    assert_eq!(steps.load(Relaxed), 55);
    let (watch, steps) = stopping(5);
    let part = config.fit_watched(&curves, &watch).unwrap();
    assert!(part.quality.objective >= whole.quality.objective);
    assert!(steps.load(Relaxed) < 20);

    let memories = [0.9, 0.99, 0.999];
    let (watch, _) = stopping(usize::MAX);
    let found = config
        .fit_memory_watched(&curves, &curves, &memories, &watch)
        .unwrap();
    assert_eq!(found.law.memory, 0.99);
    let (watch, _) = stopping(1);
    let found = config
        .fit_memory_watched(&curves, &curves, &memories, &watch)
        .unwrap();
    assert_eq!(found.law.memory, 0.9);

    let (watch, steps) = stopping(7);
    let found = whole.best_cooldown_watched(1e-2, 400, 0, &watch).unwrap();
    assert!(found.percent <= 7 && steps.load(Relaxed) == 7);

    let norms: Vec<f64> = (1..60).map(f64::from).collect();
    let (watch, _) = stopping(2);
    let sizes = numerical_step_sizes_watched(&norms, 1.0, &watch).unwrap();
    let best = numerical_step_sizes(&norms, 1.0).unwrap();
    assert!(sizes.len() == best.len() && sizes != best);
}

/// A filter of three blocks, stopped after its first.
#[test]
fn a_refinement_that_is_stopped_takes_the_other_norms_as_they_are() {
    const BLOCK: usize = 1 << 16;
    let norms: Vec<f64> = (0..BLOCK * 5 / 2)
        .map(|i| 1.5 + (i as f64 * 0.7).sin())
        .collect();
    let whole = median_filter(&norms, 5).unwrap();
    let (watch, steps) = stopping(usize::MAX);
    assert_eq!(median_filter_watched(&norms, 5, &watch).unwrap(), whole);
    assert_eq!(steps.load(Relaxed), 3);
    let (watch, steps) = stopping(1);
    let part = median_filter_watched(&norms, 5, &watch).unwrap();
    assert_eq!(steps.load(Relaxed), 1);
    assert_eq!(part[..BLOCK], whole[..BLOCK]);
    assert_eq!(part[BLOCK..], norms[BLOCK..]);

    let config = RefinedConfig::new(Norm::L2).with_smoothing(4.0 / norms.len() as f64);
    let (watch, _) = stopping(usize::MAX);
    let refined = config.init(&norms).unwrap();
    assert_eq!(config.init_watched(&norms, &watch).unwrap(), refined);
    let (watch, _) = stopping(1);
    let stopped = config.init_watched(&norms, &watch).unwrap();
    let weights = weights(&part, Norm::L2).unwrap();
    assert_eq!(stopped, Refined::from_weights(&weights).unwrap());
    assert!(stopped != refined);
    let (watch, steps) = stopping(1);
    let recipe = filter_recipe_watched(&norms, &watch).unwrap();
    assert!(recipe.len() == norms.len() - 4 && steps.load(Relaxed) == 1);
}

#[test]
fn losses_that_rise_or_stay_are_no_curve_of_the_law() {
    let rates = vec![1e-3; 200];
    let of = |loss: fn(usize) -> f64| {
        let points = (1..=200).map(|done| (done, loss(done))).collect();
        LossCurve::of_rates(rates.clone(), points).unwrap()
    };
    let config = AnnealingFitConfig::new().with_annealing(false);
    for curve in [of(|_| 3.0), of(|done| 3.0 + 0.01 * done as f64)] {
        let error = config.fit(&[curve]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NotRepresented {
                    field: "curves",
                    ..
                }
            ),
            "{error}"
        );
    }
    let falls = of(|done| 3.0 + 1.0 / done as f64);
    assert!(config.fit(&[falls]).unwrap().quality.explained > 0.9);

    let truth = ChinchillaLaw {
        floor: 1.69,
        by_parameters: 406.4,
        alpha: 0.34,
        by_tokens: 410.7,
        beta: 0.28,
    };
    let runs = |loss: fn(f64, f64, f64) -> f64, sizes: i32| -> Vec<ScaledRun> {
        let all = (0..sizes)
            .flat_map(|i| (0..4).map(move |j| (1e7 * 4_f64.powi(i), 1e9 * 4_f64.powi(j))));
        let run = |(parameters, tokens): (f64, f64)| ScaledRun {
            parameters,
            tokens,
            loss: loss(truth.loss(parameters, tokens), parameters, tokens),
        };
        all.map(run).collect()
    };
    let fit = |runs: Vec<ScaledRun>| ChinchillaFitConfig::new().fit(&runs);
    assert!(fit(runs(|law, _, _| law, 4)).unwrap().quality.explained > 0.9);
    let few = fit(runs(|law, _, _| law, 2)).unwrap_err();
    assert!(matches!(
        few,
        Error::TooFew {
            field: "parameters",
            found: 2,
            needed: 3
        }
    ));
    for bad in [
        fit(runs(|_, _, _| 2.0, 4)),
        fit(runs(|_, n, d| (n * d).ln(), 4)),
    ] {
        assert!(matches!(
            bad.unwrap_err(),
            Error::NotRepresented { field: "runs", .. }
        ));
    }
}

/// A gain that the fit's own error could be is not promised.
#[test]
fn the_best_cooldown_stands_beside_the_error_of_the_fit() {
    let law = LAW.best_cooldown(1e-2, 400, 0).unwrap();
    assert!(law.error.is_none() && !law.exceeds_error());
    assert!(law.gain > 0.0 && law.as_good == (law.percent, law.percent));
    let config = AnnealingFitConfig::new().with_memory(0.99);
    let exact = measured(&Cosine::new(1e-2, 400).unwrap());
    let fit = config.fit(std::slice::from_ref(&exact)).unwrap();
    let sure = fit.best_cooldown(1e-2, 400, 0).unwrap();
    assert!(sure.exceeds_error(), "{sure:?}");
    let points = exact.points().into_iter().enumerate();
    let rough = points.map(|(at, (done, loss))| (done, loss * if at % 2 == 0 { 1.1 } else { 0.9 }));
    let rough = LossCurve::of_rates(exact.rates().to_vec(), rough.collect()).unwrap();
    let rough = config.with_delta(1.0).fit(&[rough]).unwrap();
    let unsure = rough.best_cooldown(1e-2, 400, 0).unwrap();
    assert!(!unsure.exceeds_error(), "{unsure:?}");
    let (first, last) = unsure.as_good;
    assert!(
        first < unsure.percent && unsure.percent < last || last - first > 20,
        "{unsure:?}"
    );
    let text = serde_json::to_string(&unsure).unwrap();
    let back = serde_json::from_str::<forecast::law::Cooldown>(&text).unwrap();
    assert_eq!(back, unsure);
}
