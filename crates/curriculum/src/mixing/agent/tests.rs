//! What agents learn where the best mixture is known.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;

use super::super::agent_mixture::MixturePolicy;
use super::super::trajectory::Trajectory;
use super::super::walks::MixtureWalk;
use super::{FeedbackInput, MixingAgentConfig, MixingAgentState};

fn small(measures: usize, steps: usize) -> MixingAgentConfig {
    MixingAgentConfig::new(2, measures, steps).with_size(16, 2, 2, 32)
}

/// Runs of random mixtures; `gain` says what a step adds to each measure, by the run's number and the share of the first domain.
fn runs(count: u64, steps: usize, gain: impl Fn(u64, f64) -> Vec<f64>) -> Vec<Trajectory> {
    let walk = MixtureWalk::RandomWalk { spread: 2.0 };
    let run = |seed| {
        let none = vec![0.0; gain(seed, 0.5).len()];
        let mut run = Trajectory::new(2, none).unwrap();
        for weights in walk.plan(2, steps, seed).unwrap() {
            let gains = gain(seed, weights[0]);
            let now = run.feedback().iter().zip(&gains);
            let next = now.map(|(now, gain)| now + gain).collect();
            run.push(weights, next).unwrap();
        }
        run
    };
    (0..count).map(run).collect()
}

#[test]
fn the_warm_start_imitates_the_good_runs() {
    let mut all = Vec::new();
    for (share, gain) in [(0.8, 1.0), (0.1, -1.0)] {
        for _ in 0..3 {
            let mut run = Trajectory::new(2, vec![0.0]).unwrap();
            run.push(vec![share, 1.0 - share], vec![gain]).unwrap();
            run.push(vec![share / 2.0, 1.0 - share / 2.0], vec![2.0 * gain])
                .unwrap();
            all.push(run);
        }
    }
    let config = small(1, 2).with_updates(150, 0);
    let agent = config.fit(&all, &Device::flex()).unwrap();
    let mut run = Trajectory::new(2, vec![0.0]).unwrap();
    let first = agent.next(&run).unwrap();
    assert!((first[0] - 0.8).abs() < 0.05, "{first:?}");
    run.push(vec![0.8, 0.2], vec![1.0]).unwrap();
    let second = agent.next(&run).unwrap();
    assert!((second[0] - 0.4).abs() < 0.05, "{second:?}");
    assert!(agent.next(&Trajectory::new(3, vec![0.0]).unwrap()).is_err());
    run.push(vec![0.8, 0.2], vec![1.0]).unwrap();
    assert!(agent.next(&run).is_err(), "a third step");
}

#[test]
fn it_finds_a_mixture_that_is_better_than_those_it_saw_most() {
    let runs = runs(24, 4, |_, share| vec![-(share - 0.7_f64).powi(2)]);
    let config = small(1, 4).with_gamma(0.5).with_alpha(0.05);
    let config = config.with_updates(50, 500).with_rates(3e-3, 3e-3, 1e-3);
    let agent = config.fit(&runs, &Device::flex()).unwrap();
    let mut run = Trajectory::new(2, vec![0.0]).unwrap();
    for _ in 0..4 {
        let weights = agent.next(&run).unwrap();
        let value = |share: f64| agent.value(&run, &[share, 1.0 - share]).unwrap();
        assert!(value(0.7) > value(0.1) && value(0.7) > value(1.0));
        let next = run.feedback()[0] - (weights[0] - 0.7).powi(2);
        run.push(weights, vec![next]).unwrap();
    }
    // It loses less than half of what the runs lost that it learned from.
    let lost = runs.iter().map(|run| run.feedback()[0]).sum::<f64>() / runs.len() as f64;
    assert!(
        run.feedback()[0] > 0.5 * lost,
        "{:?}, {lost}",
        run.feedback()
    );
}

/// Of two kinds of runs one gains by the first domain, the other by the second; the first step's feedback tells which.
#[test]
fn it_follows_the_feedback() {
    let runs = runs(32, 3, |kind, share| match kind % 2 {
        0 => vec![share, 0.0],
        _ => vec![0.0, 1.0 - share],
    });
    for input in [FeedbackInput::SinceStart, FeedbackInput::Absolute] {
        let config = small(2, 3).with_input(input).with_updates(50, 400);
        let config = config.with_gamma(0.5).with_rates(3e-3, 3e-3, 1e-3);
        let agent = config.fit(&runs, &Device::flex()).unwrap();
        let after = |feedback: [f64; 2]| {
            let mut run = Trajectory::new(2, vec![0.0; 2]).unwrap();
            run.push(vec![0.5, 0.5], feedback.to_vec()).unwrap();
            agent.next(&run).unwrap()[0]
        };
        let [first, second] = [after([0.5, 0.0]), after([0.0, 0.5])];
        assert!(first > 0.75 && second < 0.25, "{first} {second}");
    }
}

#[test]
fn the_same_seed_gives_the_same_agent_and_later_steps_change_no_decision() {
    let runs = runs(6, 3, |_, share| vec![share, 1.0 - share]);
    let config = small(2, 3).with_updates(5, 5).with_batch(4);
    let states: Vec<MixingAgentState> = [3, 3, 4]
        .map(|seed| config.clone().with_seed(seed).fit(&runs, &Device::flex()))
        .map(|agent| agent.unwrap().state().unwrap())
        .into();
    assert_eq!(states[0], states[1]);
    assert_ne!(states[0], states[2]);
    let text = serde_json::to_string(&states[0]).unwrap();
    let read: MixingAgentState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, states[0]);
    let agent = read.init(&Device::flex().autodiff()).unwrap();
    assert_eq!(agent.state().unwrap(), states[0]);
    // The decision after a part of a run is that of the whole run at this place.
    let actor_of = |run: &Trajectory| agent.next(run).unwrap();
    let whole = &runs[0];
    let mut part = Trajectory::new(2, whole.start().to_vec()).unwrap();
    let mut decisions = vec![actor_of(&part)];
    for step in &whole.steps()[..2] {
        part.push(step.weights.clone(), step.feedback.clone())
            .unwrap();
        decisions.push(actor_of(&part));
    }
    let all = agent.decisions(whole).unwrap();
    for (found, wanted) in all.iter().zip(&decisions) {
        assert!((found[0] - wanted[0]).abs() < 1e-6, "{found:?} {wanted:?}");
    }
}

#[test]
fn runs_of_which_nothing_is_learned_are_refused() {
    let config = small(2, 3);
    let device = Device::flex();
    let good = runs(2, 3, |_, share| vec![share, share]);
    assert!(config.fit(&[], &device).is_err());
    assert!(
        config
            .fit(&[Trajectory::new(2, vec![0.0; 2]).unwrap()], &device)
            .is_err()
    );
    assert!(small(1, 3).fit(&good, &device).is_err());
    assert!(small(2, 2).fit(&good, &device).is_err());
    for bad in [
        config.clone().with_alpha(f64::NAN),
        config.clone().with_gamma(1.5),
        config.clone().with_size(16, 3, 2, 32),
        config.clone().with_rates(0.0, 1e-3, 1e-3),
        config.clone().with_measure_weights(vec![1.0]),
        config.clone().with_good(0.0),
        config.with_actions(0, 1),
    ] {
        assert!(bad.fit(&good, &device).is_err());
    }
}
