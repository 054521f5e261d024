//! Absurd rewards and settings of advantages.

use regimen_rl_rewards::{
    AdaptiveKl, Advantage, Advantages, Baseline, Deviation, Gae, Gdpo, Gpg, Groups, Grpo, Opo,
    OptimalTokenBaseline, PassAtK, PolicyFilter, Reinforce, ReinforcePlusPlus, Remax, Result, Rloo,
    RunningMean, Scale, TokenMask, TrustGrpo, token_rewards, whiten,
};
use regimen_schedules::Exponential;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

fn finite(values: &[f64]) {
    assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
}

fn every(groups: &Groups) -> Result<()> {
    let plain = Reinforce::new(Baseline::BatchMean)?;
    let methods: [&dyn Advantage; 11] = [
        &Rloo,
        &Grpo::default(),
        &Grpo::default().with_epsilon(0.0)?,
        &Grpo::default()
            .with_scale(Scale::Batch)
            .with_deviation(Deviation::Population),
        &Grpo::dr(),
        &Gpg,
        &Opo,
        &PassAtK::new(),
        &PassAtK::new().with_scale(0.0)?,
        &plain,
        &Remax,
    ];
    for method in methods {
        if let Ok(found) = method.advantages(groups) {
            finite(found.values());
            assert!(found.no_signal().share() <= 1.0);
            found.rows(0..1)?;
        }
    }
    Ok(())
}

#[test]
fn groups() {
    let mut h = Hostile::new("rl-rewards advantages");
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("Groups::of_size {a} {b}"), || {
            every(
                &Groups::of_size(vec![a, b, a, a], 2)?
                    .with_lengths(vec![1, usize::MAX, 1, 2])?
                    .with_greedy(vec![b, a])?,
            )
        });
        h.input(format_args!("Groups::of_prompts {a} {b}"), || {
            every(
                &Groups::of_prompts(vec![a, b, b], &[u64::MAX, 0, u64::MAX])?
                    .with_values(vec![a, a, b])?,
            )
        });
        h.input(format_args!("Gdpo::new {a} {b}"), || {
            let groups = Groups::of_size(vec![0.0; 4], 2)?.with_lengths(vec![1, 2, 3, 4])?;
            let gdpo = Gdpo::new(vec![a, b])?.with_epsilon(b.abs())?;
            let found = gdpo.advantages(&groups, &[vec![a, b, 0.0, 1.0], vec![1.0, 0.0, b, a]])?;
            finite(found.values());
            gdpo.over_tokens()
                .advantages(&groups, &[vec![a, b, 0.0, 1.0], vec![0.0; 4]])
                .map(drop)
        });
        h.input(format_args!("TrustGrpo {a} {b}"), || {
            let trust = TrustGrpo::new()
                .with_alpha(a)?
                .with_threshold(0.5)?
                .with_gate(0.1)?
                .with_steps(1)?;
            let found =
                trust.advantages(&Groups::of_size(vec![1.0, 0.0], 2)?, &[b, 0.5], usize::MAX)?;
            finite(found.values());
            Ok::<_, regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("TrustGrpo, a schedule, {a} {b}"), || {
            let trust = TrustGrpo::released()
                .with_gate_beyond(a, b)?
                .with_scored_from(b)?
                .with_fading(Exponential::new(a, b, 3)?);
            let found = trust.advantages(&Groups::of_size(vec![1.0, b], 2)?, &[0.5, a], 9)?;
            finite(found.values());
            Ok::<_, Box<dyn std::error::Error>>(())
        });
        h.input(format_args!("RunningMean::new {a} {b}"), || {
            let mut mean = RunningMean::new(a)?;
            for _ in 0..3 {
                finite(&[mean.next(&[b, b])?]);
            }
            finite(&[mean.value()]);
            Ok::<_, regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("AdaptiveKl::new {a} {b}"), || {
            let mut beta = AdaptiveKl::new(a.abs(), b.abs(), 10)?;
            for _ in 0..9 {
                finite(&[beta.update(b, 10)?]);
            }
            Ok::<_, regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("Reinforce::new {a}"), || {
            Reinforce::new(Baseline::Constant(a))?.advantages(&Groups::of_size(vec![b], 1)?)
        });
        h.input(format_args!("PolicyFilter {a}"), || {
            let filter = PolicyFilter::Power(a);
            filter.weights(&[a, 0.0])?;
            PolicyFilter::Extremes.weights(&[a, 0.0])
        });
        h.input(format_args!("Grpo and PassAtK epsilon {a}"), || {
            let grpo = Grpo::default().with_epsilon(a)?;
            PassAtK::new().with_scale(a)?;
            grpo.advantages(&Groups::of_size(vec![b, 1.0], 2)?)
        });
        h.input(format_args!("Advantages {a}"), || {
            finite(Advantages::of_responses(vec![a, b])?.values());
            Advantages::of_tokens(vec![a, b], 2)
        });
    }
    for n in COUNTS {
        h.input(format_args!("Groups::of_size of {n}"), || {
            every(&Groups::of_size(vec![1.0, 0.0], n)?)
        });
        h.input(format_args!("of_tokens {n}"), || {
            Advantages::of_tokens(vec![1.0; 6], n)
        });
        h.input(format_args!("with_steps {n}"), || {
            TrustGrpo::new().with_steps(n)
        });
        h.input(format_args!("horizon {n}"), || {
            AdaptiveKl::new(0.1, 1.0, n)?.update(1.0, n)
        });
        h.input(format_args!("TokenMask::of_lengths {n}"), || {
            TokenMask::of_lengths(&[1, 2], n.min(1 << 40))
        });
        h.input(format_args!("TokenMask::new {n}"), || {
            TokenMask::new(vec![true; 6], n)
        });
        h.input(format_args!("rows to {n}"), || {
            Advantages::of_responses(vec![1.0])?.rows(n..n)
        });
    }
    h.input("no rewards", || Groups::of_size(Vec::new(), 1));
    h.finish();
}

#[test]
fn tokens() {
    let mut h = Hostile::new("rl-rewards advantages of tokens");
    let masks = [
        vec![true; 4],
        vec![false; 4],
        vec![true, false, false, false],
    ];
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        for mask in &masks {
            let mask = TokenMask::new(mask.clone(), 2).unwrap();
            let values = [a, b, 1.0, a];
            h.input(format_args!("Gae {a} {b}"), || {
                let gae = Gae::new(if a.abs() <= 1.0 { a.abs() } else { 1.0 }, 0.95)?;
                finite(
                    gae.advantages(&values, &[b, a, b, a], &mask)?
                        .whitened(&mask)?
                        .advantages
                        .values(),
                );
                Gae::new(a, b)
            });
            h.input(format_args!("ReinforcePlusPlus {a} {b}"), || {
                finite(
                    ReinforcePlusPlus::default()
                        .advantages(&values, &mask)?
                        .advantages
                        .values(),
                );
                finite(
                    ReinforcePlusPlus::with_baseline(&Groups::of_size(vec![a, b], 2)?, &mask)?
                        .values(),
                );
                ReinforcePlusPlus::new(a)
            });
            h.input(format_args!("OptimalTokenBaseline {a} {b}"), || {
                let groups = Groups::of_size(vec![0.0; 2], 2)?;
                OptimalTokenBaseline.advantages(&groups, &values, &[b; 4], &[a; 4], &mask)
            });
            h.input(format_args!("whiten, token_rewards {a} {b}"), || {
                token_rewards(&[a, b], Some(&values), &mask)?;
                whiten(&values, &mask)
            });
            h.input("short", || whiten(&values[..3], &mask));
        }
    }
    h.finish();
}
