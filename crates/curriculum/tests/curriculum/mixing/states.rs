//! States of what decides mixtures.

use burn::tensor::Device;
use regimen_curriculum::mixing::{
    AgentMixture, DoReMi, DoReMiConfig, Doge, DogeConfig, FeedbackInput, GradientProducts,
    MixingAgentConfig, MixingAgentState, MixtureFit, MixtureFitConfig, MixturePolicy, MixtureStep,
    MixtureWalk, RegMix, Trajectory,
};
use regimen_curriculum::{MixtureConfig, Sampler};

use super::super::damage::{State, sampled, state, text_of};
use super::bad_input::two_steps;

pub(in super::super) fn states() -> Vec<State> {
    let doremi_config = DoReMiConfig::new(vec![0.5, 0.5]);
    let mut doremi = doremi_config.init().unwrap();
    doremi.step_scores(&[0.5, 0.25]).unwrap();
    let doge_config = DogeConfig::new(vec![0.25, 0.75]);
    let mut doge = doge_config.init().unwrap();
    let products = || GradientProducts {
        norms: vec![1.0, 2.0],
        sums: vec![0.5, 0.25],
    };
    doge.step(&products(), 0.01).unwrap();
    let mixtures = || [vec![0.5, 0.5], vec![1.0, 0.0]];
    let fit = MixtureFitConfig::new()
        .fit(&mixtures(), &[1.0, 2.0])
        .unwrap();
    let regmix = RegMix::new(vec![0.5, 0.5]).unwrap();
    let plan = vec![vec![0.25, 0.75]];
    let mixture = MixtureConfig::new(vec![1.0, 1.0]).with_length(4);
    let mixture = mixture.init(&[0, 0, 1, 0, 1, 0, 1, 0, 1]).unwrap();
    let mut sampler = AgentMixture::new(mixture, vec![0.0, 1.0], &plan).unwrap();
    sampler.plan();
    sampler.report(vec![0.5, 1.0], &plan).unwrap();
    sampler.plan();
    let config = MixingAgentConfig::new(2, 2, 3).with_size(4, 2, 1, 4);
    let config = config.with_updates(1, 1).with_actions(2, 1);
    let agent = config.fit(&[two_steps()], &Device::flex()).unwrap();
    let used = |state: MixingAgentState| {
        let agent = state.init(&Device::flex()).map_err(text_of)?;
        let next = agent.next(&Trajectory::new(2, vec![0.0, 0.0]).map_err(text_of)?);
        let sum: f64 = next.map_err(text_of)?.iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
        Ok(())
    };
    vec![
        state("DoReMiConfig", &doremi_config, |config: DoReMiConfig| {
            config.init().map(drop).map_err(text_of)
        }),
        state("DoReMi", &doremi, |mut doremi: DoReMi| {
            doremi.step(&[0], &[1.0], &[0.5]).map_err(text_of)?;
            assert!(doremi.weights().iter().all(|weight| weight.is_finite()));
            Ok(())
        }),
        state("DogeConfig", &doge_config, |config: DogeConfig| {
            config.init().map(drop).map_err(text_of)
        }),
        state("Doge", &doge, move |mut doge: Doge| {
            let weights = doge.step(&products(), 0.01).map_err(text_of)?;
            assert!(weights.iter().all(|weight| weight.is_finite()));
            Ok(())
        }),
        state(
            "MixtureFitConfig",
            &MixtureFitConfig::new(),
            move |config: MixtureFitConfig| {
                let fit = config.fit(&mixtures(), &[1.0, 2.0]);
                fit.map(drop).map_err(text_of)
            },
        ),
        state("MixtureFit", &fit, |fit: MixtureFit| {
            fit.lowest(5, 2, 1).map(drop).map_err(text_of)
        }),
        state("RegMix", &regmix, |regmix: RegMix| {
            regmix.draws(3, 1).map(drop).map_err(text_of)
        }),
        state(
            "MixtureWalk",
            &MixtureWalk::RandomWalk { spread: 0.5 },
            |walk: MixtureWalk| walk.plan(2, 3, 1).map(drop).map_err(text_of),
        ),
        state(
            "MixtureStep",
            &two_steps().steps()[0].clone(),
            |step: MixtureStep| {
                two_steps()
                    .push(step.weights, step.feedback)
                    .map_err(text_of)
            },
        ),
        state("Trajectory", &two_steps(), |run: Trajectory| {
            run.rewards(&vec![1.0; run.measures()])
                .map(drop)
                .map_err(text_of)
        }),
        state("AgentMixture", &sampler, sampled::<AgentMixture>),
        state(
            "FeedbackInput",
            &FeedbackInput::Absolute,
            |input: FeedbackInput| {
                let config = MixingAgentConfig::new(2, 2, 3).with_size(4, 2, 1, 4);
                let config = config.with_updates(0, 0).with_input(input);
                config
                    .fit(&[two_steps()], &Device::flex())
                    .map(drop)
                    .map_err(text_of)
            },
        ),
        state(
            "MixingAgentConfig",
            &config,
            |mut config: MixingAgentConfig| {
                // Damage may ask for a million updates, which are allowed.
                config.updates = config.updates.min(2);
                config.warm_updates = config.warm_updates.min(2);
                config
                    .fit(&[two_steps()], &Device::flex())
                    .map(drop)
                    .map_err(text_of)
            },
        ),
        state("MixingAgentState", &agent.state().unwrap(), used),
    ]
}
