//! Absurd arguments of what decides mixtures.

use burn::nn::LinearConfig;
use burn::tensor::Device;
use regimen_curriculum::mixing::{
    AgentMixture, DoReMiConfig, DogeConfig, FeedbackInput, GradientProducts, MixingAgentConfig,
    MixtureFitConfig, MixturePolicy, MixtureStep, MixtureWalk, RegMix, Trajectory,
    conservative_penalty, discounted_returns, gradient_products, ln_dirichlet_density,
};
use regimen_curriculum::{CurriculumError, MixtureConfig, Sampler};
use regimen_tensor::ParamVector;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

type Answer = Result<(), CurriculumError>;

fn distribution(weights: &[f64]) {
    let sum: f64 = weights.iter().sum();
    assert!((sum - 1.0).abs() < 1e-6, "{weights:?}");
    assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
}

pub(super) fn two_steps() -> Trajectory {
    let mut run = Trajectory::new(2, vec![0.0, -1.0]).unwrap();
    for share in [0.25, 0.5] {
        run.push(vec![share, 1.0 - share], vec![share, 1.0])
            .unwrap();
    }
    run
}

#[test]
fn mixtures() {
    let mut hostile = Hostile::new("curriculum mixtures");
    for a in NUMBERS {
        for b in NUMBERS {
            hostile.input(format!("DoReMi of {a} and {b}"), || -> Answer {
                let config = DoReMiConfig::new(vec![0.5, 0.5]).with_sampling(vec![a, 1.0 - a]);
                let mut doremi = config.with_rate(b).with_smoothing(a).init()?;
                doremi.step(&[0, 1], &[a as f32, 1.0], &[b as f32, 0.5])?;
                doremi.step_scores(&[a, b])?;
                distribution(doremi.weights());
                distribution(doremi.average());
                doremi.loss_weights(&[0, 1, 1]).map(drop)
            });
            hostile.input(format!("DoReMi from {a} and {b}"), || {
                DoReMiConfig::new(vec![a, b]).init()
            });
            hostile.input(format!("DoGE of {a} and {b}"), || -> Answer {
                let config = DogeConfig::new(vec![0.5, 0.5]).with_mu(a).with_clip(b);
                let mut doge = config.with_smoothing(0.5).init()?;
                let (norms, sums) = (vec![a, 1.0], vec![b, 1.0]);
                distribution(doge.step(&GradientProducts { norms, sums }, b)?);
                distribution(doge.average());
                Ok(())
            });
            hostile.input(format!("DoGE from {a} and {b}"), || {
                DogeConfig::new(vec![a, b]).with_smoothing(a).init()
            });
            hostile.input(format!("a fit of {a} and {b}"), || -> Answer {
                let mixtures = [vec![0.5, 0.5], vec![1.0, 0.0]];
                let fit = MixtureFitConfig::new().with_ridge(b);
                let fit = fit.fit(&mixtures, &[a, 1.0])?;
                assert!(fit.predict(&[0.5, 0.5])?.is_finite());
                distribution(&fit.lowest(9, 3, 1)?);
                MixtureFitConfig::new().fit(&[vec![a, b], vec![1.0, 0.0]], &[1.0; 2])?;
                Ok(())
            });
            hostile.input(format!("RegMix of {a} and {b}"), || -> Answer {
                RegMix::new(vec![a, b])?.draws(3, 1)?;
                Ok(())
            });
            hostile.input(format!("RegMix with {a} and {b}"), || -> Answer {
                let regmix = RegMix::new(vec![0.9, 0.1])?.with_strengths(a, b)?;
                let regmix = regmix.with_temperature(a)?.with_most(b)?;
                regmix
                    .draws(3, 1)?
                    .iter()
                    .for_each(|draw| distribution(draw));
                Ok(())
            });
            hostile.input(format!("a penalty of {a} and {b}"), || -> Answer {
                assert!(conservative_penalty(&[a, b], &[b, 0.0], a)?.is_finite());
                Ok(())
            });
            hostile.input(format!("returns of {a} by {b}"), || -> Answer {
                assert!(discounted_returns(&[a, 1.0], b)?[0].is_finite());
                Ok(())
            });
            hostile.input(format!("a step of {a} and {b}"), || -> Answer {
                let mut run = Trajectory::new(2, vec![a, b])?;
                run.push(vec![a, b], vec![b, a])?;
                let MixtureStep { weights, .. } = &run.steps()[0];
                distribution(weights);
                run.scores(&[a, b]).map(drop)
            });
        }
        hostile.input(format!("a density at {a}"), || -> Answer {
            assert!(ln_dirichlet_density(&[a, 1.0 - a], 3)?.is_finite());
            Ok(())
        });
        hostile.input(format!("a walk by {a}"), || -> Answer {
            let plan = MixtureWalk::RandomWalk { spread: a }.plan(3, 20, u64::MAX)?;
            plan.iter().for_each(|weights| distribution(weights));
            Ok(())
        });
        hostile.input(format!("gradients cut to {a}"), || -> Answer {
            let layer = LinearConfig::new(2, 1).init(&Device::flex());
            let gradients = vec![ParamVector::of(&layer); 2];
            gradient_products(&gradients, Some(&gradients[..1]), a)?;
            gradient_products(&gradients, None, a).map(drop)
        });
    }
    for n in COUNTS {
        for m in COUNTS {
            hostile.input(format!("a plan of {n} steps over {m}"), || {
                MixtureWalk::Static.plan(m, n, 1)
            });
            hostile.input(format!("{m} of {n} draws"), || -> Answer {
                let regmix = RegMix::new(vec![0.5, 0.5])?;
                let fit = MixtureFitConfig::new().with_quadratic(false);
                let fit = fit.fit(&[vec![0.5, 0.5], vec![1.0, 0.0]], &[1.0, 2.0])?;
                distribution(&regmix.lowest(&fit, n, m, 1)?);
                regmix.draws(n, 1).map(drop)
            });
        }
        hostile.input(format!("a run over {n}"), || Trajectory::new(n, vec![0.0]));
        hostile.input(format!("a concentration of {n}"), || {
            ln_dirichlet_density(&[0.5, 0.5], n)
        });
    }
    hostile.input("no gradients", || gradient_products(&[], None, 1.0));
    hostile.input("a policy without a plan", || {
        let mixture = MixtureConfig::new(vec![1.0, 1.0]).init(&[0, 1])?;
        AgentMixture::new(mixture, vec![f64::NAN], &Vec::new())
    });
    hostile.finish();
}

#[test]
fn agents() {
    let mut hostile = Hostile::new("curriculum mixing agents");
    let runs = [two_steps(), two_steps()];
    let device = Device::flex();
    let small = || {
        let config = MixingAgentConfig::new(2, 2, 2).with_size(4, 1, 1, 4);
        config.with_updates(1, 1).with_actions(2, 1)
    };
    let used = |config: MixingAgentConfig| -> Answer {
        let agent = config.fit(&runs, &device)?;
        let run = Trajectory::new(2, vec![1e100, -1e100])?;
        distribution(&agent.next(&run)?);
        assert!(agent.value(&run, &[0.5, 0.5])?.is_finite());
        agent
            .decisions(&runs[0])?
            .iter()
            .for_each(|one| distribution(one));
        let mixture = MixtureConfig::new(vec![1.0, 1.0]).init(&[0, 1])?;
        let mut sampler = AgentMixture::new(mixture, vec![0.0, 0.0], &agent)?;
        sampler.plan();
        sampler.report(vec![0.0, 0.0], &agent)
    };
    hostile.input("an agent", || used(small()));
    for a in NUMBERS {
        hostile.input(format!("gamma {a}"), || used(small().with_gamma(a)));
        hostile.input(format!("alpha {a}"), || used(small().with_alpha(a)));
        hostile.input(format!("rates of {a}"), || {
            used(small().with_rates(a, a, a))
        });
        hostile.input(format!("a target rate of {a}"), || {
            used(small().with_target_rate(a).with_good(a))
        });
        hostile.input(format!("measures by {a}"), || {
            let config = small().with_measure_weights(vec![a, 1.0]);
            used(config.with_input(FeedbackInput::Absolute))
        });
    }
    for n in COUNTS {
        hostile.input(format!("an agent over {n}"), || {
            used(MixingAgentConfig::new(n, n, n))
        });
        hostile.input(format!("a size of {n}"), || {
            used(small().with_size(n, 1, n, n))
        });
        hostile.input(format!("{n} heads"), || used(small().with_size(4, n, 1, 4)));
        hostile.input(format!("{n} actions"), || used(small().with_actions(n, n)));
        hostile.input(format!("batches of {n}"), || used(small().with_batch(n)));
        if n > 3 {
            hostile.input(format!("{n} updates"), || used(small().with_updates(n, n)));
        }
    }
    hostile.finish();
}
