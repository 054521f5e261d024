//! Absurd arguments of every constructor and function: an error, or a value that serves.

mod adaptive;
mod advantage;
mod learned;
mod objective;
mod preference;
mod recipes;
pub(crate) mod reformulation;
mod search;
mod tasks;
mod verify;

use burn::tensor::{Device, Int, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::policy::generate_with;
use regimen_rl_rewards::policy::{
    Beginning, Completion, Decoding, End, Rollout, Rollouts, Sequences, StepPolicy, Steps, generate,
};
use regimen_rl_rewards::{
    Annealing, DecodingTemperature, Result, TokenSampler, pass_at_k, temper, token_log_probs,
    truncated_ratio, worst_at_k,
};
use regimen_rl_rewards::{Groups, TokenBatch};
use regimen_schedules::{Constant, Schedule};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

fn used(temperature: DecodingTemperature) {
    for step in [0, 7, usize::MAX] {
        let temperature = temperature.at_step(step);
        assert!(temperature.horizon().is_finite());
        for token in [0, 10, (1 << 53) + 1, usize::MAX] {
            assert!(temperature.at(token).is_finite(), "{temperature:?} {token}");
        }
    }
}

#[test]
fn temperatures() {
    let mut h = Hostile::new("rl-rewards temperatures");
    let all = [
        Annealing::Exploratory,
        Annealing::Tokens,
        Annealing::Steps,
        Annealing::TokensAndSteps,
        Annealing::RisingSteps,
    ];
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        for annealing in all {
            h.input(format_args!("{annealing:?} {a} {b}"), || {
                DecodingTemperature::new(annealing, a, b).map(used)
            });
            h.input(format_args!("{annealing:?} growth {a} {b}"), || {
                let tau = DecodingTemperature::new(annealing, 1.2, 0.1)?.with_protected(0);
                tau.with_growth(a, b).map(used)?;
                tau.with_growth(0.0, 1e308)?
                    .with_decay(a)?
                    .with_step_decay(b)
                    .map(used)
            });
        }
    }
    for n in COUNTS {
        h.input(format_args!("protected {n}"), || {
            DecodingTemperature::exploratory(1.2, 0.1).map(|tau| used(tau.with_protected(n)))
        });
    }
    h.finish();
}

#[test]
fn chances_of_a_right_one() {
    let mut h = Hostile::new("rl-rewards pass_at_k");
    for n in COUNTS {
        // Sizes at which a loop over the smaller of two counts stays short.
        for (samples, right, k) in [(n, 1, 1), (8, n, 2), (8, 3, n), (n, 2, n / 2), (n, n, n)] {
            h.input(format_args!("{samples} {right} {k}"), || {
                let [any, all] = [pass_at_k(samples, right, k), worst_at_k(samples, right, k)];
                all.map(|chance| assert!((0.0..=1.0).contains(&chance)))?;
                any.map(|chance| assert!((0.0..=1.0).contains(&chance)))
            });
        }
    }
    h.finish();
}

fn logits(value: f64, shape: [usize; 2]) -> Tensor<2> {
    Tensor::full(shape, value, &Device::flex())
}

#[test]
fn samplers() {
    let mut h = Hostile::new("rl-rewards samplers");
    let drawn = |sampler: TokenSampler, logits: Tensor<2>, positions: &[usize]| -> Result<()> {
        let [_, vocabulary] = logits.dims();
        let mut rng = StdRng::seed_from_u64(0);
        let sampled = sampler.sample(logits, positions, &mut rng)?;
        let tokens = sampled.tokens.clone().try_into_vec_as::<i64>().unwrap();
        assert!(
            tokens
                .iter()
                .all(|token| (0..vocabulary as i64).contains(token))
        );
        sampled.check()
    };
    let plain = || TokenSampler::new(Constant::new(1.0).unwrap());
    for a in NUMBERS {
        h.input(format_args!("temperature {a}"), || {
            drawn(
                TokenSampler::new(Constant::new(a).unwrap_or(Constant::ONE)),
                logits(1.0, [2, 5]),
                &[0],
            )
        });
        h.input(format_args!("top_p {a}"), || {
            drawn(plain().with_top_p(a)?, logits(1.0, [2, 5]), &[0])
        });
        for shape in [[0, 5], [2, 0], [1, 1], [3, 7]] {
            h.input(format_args!("logits {a} {shape:?}"), || {
                drawn(
                    plain().with_top_k(2)?.with_top_p(0.5)?,
                    logits(a, shape),
                    &[0],
                )
            });
        }
        h.input(format_args!("ratio {a}"), || {
            let row = logits(a, [1, 4]);
            truncated_ratio(row.clone(), row.clone(), Some(a)).map(drop)?;
            truncated_ratio(row, logits(1.0, [1, 5]), None).map(drop)
        });
        h.input(format_args!("temper {a}"), || {
            let tau = Constant::new(a).unwrap_or(Constant::ONE);
            temper(logits(1.0, [6, 5]).reshape([2, 3, 5]), &tau).map(drop)
        });
    }
    for n in COUNTS {
        h.input(format_args!("top_k {n}"), || {
            drawn(plain().with_top_k(n)?, logits(1.0, [2, 5]), &[n])
        });
        h.input(format_args!("positions {n}"), || {
            drawn(plain(), logits(1.0, [2, 5]), &vec![n; n.min(4)])
        });
    }
    for token in [-100, -1, 0, 4, 5, i64::from(i32::MAX), i64::from(i32::MIN)] {
        h.input(format_args!("token {token}"), || {
            let logits = logits(1.0, [6, 5]).reshape([2, 3, 5]);
            let tokens = Tensor::<2, Int>::full([2, 3], token, &Device::flex());
            let found = token_log_probs(logits.clone(), tokens.clone())?;
            let found = found.try_into_vec_as::<f32>().unwrap();
            assert_eq!(found[0].is_nan(), !(0..5).contains(&token));
            plain()
                .token_log_probs(logits, tokens.slice([0..2, 0..2]))
                .map(drop)
        });
    }
    h.finish();
}

#[test]
fn completions() {
    let mut h = Hostile::new("rl-rewards completions");
    let sampler = || TokenSampler::new(Constant::ONE);
    for value in NUMBERS {
        h.input(format_args!("log-probability {value}"), || {
            Completion::new(End::Truncated).sampled(1, value as f32)
        });
    }
    for n in COUNTS {
        h.input(format_args!("Decoding {n}"), || {
            Decoding::new(sampler(), u32::MAX, n).map(|_| ())
        });
        h.input(format_args!("batch {n}"), || {
            let decoding = Decoding::new(sampler(), 0, 3)?.with_batch(n)?;
            let device = Device::flex();
            let model = &crate::policy::Sums;
            let stops = |_: &[u32]| false;
            let steps = Steps::new(model, decoding.clone(), &stops, &device);
            for end in [End::EndToken, End::Truncated] {
                let so_far = &Completion::new(end);
                let seed = n as u64;
                let beginning = |prompt| Beginning {
                    prompt,
                    so_far,
                    seed,
                };
                let found = steps.steps(&[beginning(&[1]), beginning(&[1, 2])])?;
                assert!(found.iter().all(|step| step.over));
                assert!(steps.steps(&[])?.is_empty());
            }
            generate(model, &[vec![1]], 2, &decoding, 0, &device).map(drop)
        });
        h.input(format_args!("Rollouts {n}"), || {
            let completion = Completion::new(End::EndToken);
            let rollout = Rollout {
                prompt: n,
                completion,
            };
            let rollouts = Rollouts::new(vec![vec![1], vec![2]], vec![rollout])?;
            rollouts.select(&[n]).map(drop)?;
            Sequences::new(&rollouts, u32::MAX, &Device::flex()).map(drop)
        });
        h.input(format_args!("an observer that writes {n}"), || {
            let decoding = Decoding::new(sampler(), 0, 3)?;
            let writes = |_: &[u32], _: &[u32]| vec![u32::MAX; n.min(1000)];
            let (model, device) = (&crate::policy::Sums, Device::flex());
            let drawn = generate_with(model, &[vec![1]], 2, &decoding, &writes, 0, &device)?;
            let few = drawn.select(&[0])?;
            Groups::of_rollouts(&few, vec![n as f64]).map(drop)?;
            assert!(Groups::of_rollouts(&few, vec![1.0; n.min(1000) + 2]).is_err());
            let sequences = Sequences::new(&few, 0, &device)?;
            let other = Tensor::<3>::zeros([1, n.min(1000), 5], &device);
            let scored = sequences.log_probs_of(other, &sampler());
            assert!(scored.is_err() || sequences.tokens().dims() == [1, n]);
            TokenBatch::of_sequences(&sequences).map(drop)
        });
    }
    for value in NUMBERS {
        h.input(format_args!("reward {value}"), || {
            let completion = Completion::new(End::EndToken);
            let rollout = Rollout {
                prompt: 0,
                completion,
            };
            let rollouts = Rollouts::new(vec![vec![1]], vec![rollout])?;
            Groups::of_rollouts(&rollouts, vec![value]).map(drop)
        });
    }
    h.finish();
}
