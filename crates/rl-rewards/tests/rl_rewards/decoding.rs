//! The sampler draws what it says, and the correction undoes it.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::{
    DecodingTemperature, RlRewardsError, TokenSampler, temper, token_log_probs, truncated_ratio,
};
use regimen_schedules::{Constant, Schedule, Table};

fn device() -> Device {
    Device::flex()
}

fn rows(values: Vec<f32>, batch: usize) -> Tensor<2> {
    let shape = [batch, values.len() / batch];
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values = tensor.try_into_vec_as::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn plain() -> TokenSampler {
    TokenSampler::new(Constant::ONE)
}

/// Temperature, then top-k, then top-p, one value at a time.
fn reference(logits: &[f32], tau: f64, top_k: usize, top_p: f64) -> Vec<f64> {
    let mut scaled: Vec<f64> = logits.iter().map(|l| f64::from(*l) / tau).collect();
    let mut order: Vec<usize> = (0..scaled.len()).collect();
    order.sort_by(|a, b| scaled[*b].total_cmp(&scaled[*a]));
    for lost in &order[top_k.min(order.len())..] {
        scaled[*lost] = f64::NEG_INFINITY;
    }
    let normalise = |scaled: &[f64]| -> Vec<f64> {
        let total: f64 = scaled.iter().map(|s| s.exp()).sum();
        scaled.iter().map(|s| s.exp() / total).collect()
    };
    let probs = normalise(&scaled);
    let mut before = 0.0;
    for index in order {
        if before >= top_p {
            scaled[index] = f64::NEG_INFINITY;
        }
        before += probs[index];
    }
    normalise(&scaled)
}

proptest! {
    #[test]
    fn the_distribution_is_that_of_one_value_at_a_time(
        logits in prop::collection::vec(-4.0_f32..4.0, 12),
        tau in 0.2_f64..2.0, top_k in 1_usize..14, top_p in 0.05_f64..1.0,
    ) {
        let sampler = TokenSampler::new(Constant::new(tau).unwrap());
        let sampler = sampler.with_top_k(top_k).unwrap().with_top_p(top_p).unwrap();
        let found = host(sampler.log_probs(rows(logits.clone(), 1), &[5]).unwrap().exp());
        let expected = reference(&logits, tau, top_k, top_p);
        // Which token is last may hang on a rounding when the sum is at `top_p`.
        let edge = (1..=12).any(|k| {
            let mut sorted = reference(&logits, tau, top_k, 1.0);
            sorted.sort_by(|a, b| b.total_cmp(a));
            (sorted[..k].iter().sum::<f64>() - top_p).abs() < 1e-5
        });
        let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5);
        prop_assert!(close || edge, "{found:?} {expected:?}");
    }

    #[test]
    fn weights_stay_between_0_and_the_cap(
        old in prop::collection::vec(-9.0_f32..0.0, 6), sampler in prop::collection::vec(-9.0_f32..0.0, 6),
        cap in 0.5_f64..5.0,
    ) {
        let (old, sampler) = (rows(old, 2), rows(sampler, 2));
        let whole = host(truncated_ratio(old.clone(), sampler.clone(), None).unwrap());
        let cut = host(truncated_ratio(old, sampler, Some(cap)).unwrap());
        for (whole, cut) in whole.into_iter().zip(cut) {
            prop_assert!((cut - whole.min(cap)).abs() <= 1e-6 * cap && cut > 0.0);
        }
    }
}

#[test]
fn tokens_come_as_often_as_their_probability() {
    let draws = 20_000;
    let logits: Vec<f32> = [1.0, 0.0, 2.0, f32::NEG_INFINITY, -1.0].repeat(draws);
    let tau = Table::new(vec![1.0, 0.5]).unwrap();
    let sampler = TokenSampler::new(tau).with_top_k(3).unwrap();
    let mut rng = StdRng::seed_from_u64(0);
    let sampled = sampler.sample(rows(logits, draws), &[1], &mut rng).unwrap();
    let tokens = sampled.tokens.try_into_vec_as::<i64>().unwrap();
    let expected = reference(&[1.0, 0.0, 2.0, f32::NEG_INFINITY, -1.0], 0.5, 3, 1.0);
    for (token, probability) in expected.iter().enumerate() {
        let count = tokens
            .iter()
            .filter(|found| **found == token as i64)
            .count();
        let share = count as f64 / draws as f64;
        let noise = 4.0 * (probability * (1.0 - probability) / draws as f64).sqrt();
        assert!((share - probability).abs() <= noise, "{token}: {share}");
    }
    let logs = host(sampled.log_probs);
    for (token, log) in tokens.iter().zip(logs).take(100) {
        assert!((log.exp() - expected[*token as usize]).abs() < 1e-5);
    }
}

#[test]
fn each_row_has_the_temperature_of_its_own_token() {
    let tau = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
    let logits = rows([2.0, 0.0].repeat(3), 3);
    let found = host(
        TokenSampler::new(tau)
            .log_probs(logits, &[0, 10, 400])
            .unwrap()
            .exp(),
    );
    for (row, token) in [0, 10, 400].into_iter().enumerate() {
        let expected = 1.0 / (1.0 + (-2.0 / tau.at(token)).exp());
        assert!((found[2 * row] - expected).abs() < 1e-5, "{token}");
    }
}

#[test]
fn the_same_generator_draws_the_same_tokens() {
    let logits = || rows((0..60).map(|i| (i % 7) as f32).collect(), 4);
    let sampler = plain().with_top_p(0.9).unwrap();
    let draw = |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let draws = (0..8).map(|t| sampler.sample(logits(), &[t], &mut rng).unwrap().tokens);
        Tensor::cat(draws.collect(), 0)
            .try_into_vec_as::<i64>()
            .unwrap()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let text = serde_json::to_string(&sampler).unwrap();
    assert_eq!(
        serde_json::from_str::<TokenSampler>(&text).unwrap(),
        sampler
    );
}

/// A response sampled token by token and evaluated at once: the sampler and the correction agree.
#[test]
fn evaluated_at_the_same_temperatures_the_ratio_is_one() {
    let (batch, length, vocabulary) = (3, 20, 7);
    let count = batch * length * vocabulary;
    let values: Vec<f32> = (0..count).map(|i| ((i * 37) % 23) as f32 / 5.0).collect();
    let logits = Tensor::<3>::from_data(
        TensorData::new(values, [batch, length, vocabulary]),
        &device(),
    );
    let tau = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
    let tau = tau.with_protected(3).with_decay(12.0).unwrap();
    let sampler = TokenSampler::new(tau).with_top_p(0.95).unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    let (mut tokens, mut drawn) = (Vec::new(), Vec::new());
    for t in 0..length {
        let step = logits.clone().narrow(1, t, 1).reshape([batch, vocabulary]);
        let sampled = sampler.sample(step, &[t], &mut rng).unwrap();
        tokens.push(sampled.tokens.reshape([batch, 1]));
        drawn.push(sampled.log_probs.reshape([batch, 1]));
    }
    let (tokens, drawn): (Tensor<2, Int>, _) = (Tensor::cat(tokens, 1), Tensor::cat(drawn, 1));
    let again = sampler
        .token_log_probs(logits.clone(), tokens.clone())
        .unwrap();
    let ratio = host(truncated_ratio(again, drawn, Some(2.0)).unwrap());
    assert!(
        ratio.iter().all(|ratio| (ratio - 1.0).abs() < 1e-4),
        "{ratio:?}"
    );
    // Without truncation of the vocabulary it is the tempered policy.
    let tempered = temper(logits.clone(), &tau).unwrap();
    let policy = host(token_log_probs(tempered, tokens.clone()).unwrap());
    let whole = TokenSampler::new(tau)
        .token_log_probs(logits, tokens)
        .unwrap();
    assert!(
        host(whole)
            .iter()
            .zip(policy)
            .all(|(a, b)| (a - b).abs() < 1e-5)
    );
}

#[test]
fn the_weight_makes_the_sampler_unbiased() {
    // E_sampler[ratio f] = E_policy[f], summed over the vocabulary.
    let logits = || rows(vec![1.0, 0.3, -0.5, 0.0], 1);
    let tau = Constant::new(0.6).unwrap();
    let sampler = TokenSampler::new(tau).log_probs(logits(), &[0]).unwrap();
    let policy = plain().log_probs(logits(), &[0]).unwrap();
    let ratio = truncated_ratio(policy.clone(), sampler.clone(), None).unwrap();
    let weighted = host(sampler.exp() * ratio);
    assert!(
        weighted
            .iter()
            .zip(host(policy.exp()))
            .all(|(a, b)| (a - b).abs() < 1e-6)
    );
}

#[test]
fn no_gradient_flows_through_the_weight() {
    let device = device().autodiff();
    let old = Tensor::<1>::from_data([-1.0, -2.0], &device).require_grad();
    let sampler = Tensor::<1>::from_data([-2.0, -1.0], &device);
    let ratio = truncated_ratio(old.clone(), sampler, Some(2.0)).unwrap();
    let loss = (ratio * old.clone()).sum();
    let grad = host(old.grad(&loss.backward()).unwrap());
    assert!((grad[0] - 2.0).abs() < 1e-6 && (grad[1] - 0.367_879_44).abs() < 1e-6);
}

#[test]
fn the_ends_of_a_truncated_vocabulary() {
    let logits = || rows(vec![0.0, 3.0, 3.0, 1.0], 1);
    let probs = |sampler: &TokenSampler| host(sampler.log_probs(logits(), &[0]).unwrap().exp());
    // Of equal logits the first are kept.
    let greedy = plain().with_top_p(1e-9).unwrap();
    assert_eq!(probs(&greedy), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(probs(&plain().with_top_k(1).unwrap()), [0.0, 1.0, 0.0, 0.0]);
    let three = plain().with_top_k(3).unwrap().with_top_p(0.6).unwrap();
    assert_eq!(probs(&three), [0.0, 0.5, 0.5, 0.0]);
    let all = plain().with_top_k(9).unwrap().with_top_p(1.0).unwrap();
    assert_eq!(probs(&all), probs(&plain()));
}

#[test]
fn bad_input_is_named() {
    let logits = || rows(vec![0.0; 6], 2);
    let message = |sampler: &TokenSampler, positions: &[usize]| {
        sampler
            .log_probs(logits(), positions)
            .unwrap_err()
            .to_string()
    };
    assert!(message(&plain(), &[1, 2, 3]).contains("`positions` is 3"));
    assert!(message(&plain(), &[]).contains("`positions` is 0"));
    let cold = TokenSampler::new(Table::new(vec![1.0, 0.0]).unwrap());
    assert!(message(&cold, &[1]).contains("`temperature` is 0"));
    let negative = TokenSampler::new(Constant::new(-1.0).unwrap());
    assert!(message(&negative, &[1]).contains("`temperature` is -1"));
    assert!(plain().with_top_k(0).is_err());
    for top_p in [0.0, -0.5, 1.5, f64::NAN] {
        assert!(plain().with_top_p(top_p).is_err());
    }
    let none = Tensor::<2>::zeros([0, 3], &device());
    assert!(plain().log_probs(none, &[0]).is_err());
    for [batch, length, vocabulary] in [[0, 2, 3], [2, 0, 3], [2, 2, 0]] {
        let empty = || Tensor::<3>::zeros([batch, length, vocabulary], &device());
        let tokens = Tensor::<2, Int>::zeros([batch, length], &device());
        assert!(temper(empty(), &Constant::ONE).is_err());
        assert!(token_log_probs(empty(), tokens.clone()).is_err());
        assert!(plain().token_log_probs(empty(), tokens).is_err());
    }
    let tokens = Tensor::<2, Int>::zeros([2, 4], &device());
    let wide = Tensor::<3>::zeros([2, 3, 5], &device());
    assert!(token_log_probs(wide.clone(), tokens.clone()).is_err());
    assert!(plain().token_log_probs(wide, tokens).is_err());
    let one = || Tensor::<1>::zeros([1], &device());
    for cap in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(truncated_ratio(one(), one(), Some(cap)).is_err());
    }
    assert!(truncated_ratio(one(), Tensor::<1>::zeros([2], &device()), None).is_err());
    let wrong = r#"{"temperature":{"schedule":{"schedule":"constant","value":1.0}},"top_k":0}"#;
    assert!(serde_json::from_str::<TokenSampler>(wrong).is_err());
}

/// In a sum from the first token on, in f32, 0.997 and any of these is 0.997 again.
#[test]
fn the_tail_is_drawn_as_often_as_its_probability() {
    let (rows, tokens, draws) = (50, 100_000, 40);
    let mut row = vec![(0.003_f32 / tokens as f32).ln(); tokens];
    row[0] = 0.997_f32.ln();
    let logits = Tensor::<2>::from_data(TensorData::new(row, [1, tokens]), &device());
    let mut rng = StdRng::seed_from_u64(7);
    let mut tail = Vec::new();
    for _ in 0..draws {
        let logits = logits.clone().expand([rows, tokens]);
        let sampled = plain().sample(logits, &[0], &mut rng).unwrap();
        let found = sampled.tokens.try_into_vec_as::<i64>().unwrap();
        tail.extend(found.into_iter().filter(|token| *token > 0));
    }
    // 6 are expected.
    assert!((1..=16).contains(&tail.len()), "{tail:?}");
    let total = host(
        plain()
            .log_probs(logits.clone(), &[0])
            .unwrap()
            .exp()
            .mean(),
    );
    assert!((total[0] * tokens as f64 - 1.0).abs() < 1e-4, "{total:?}");
    // The same with top-p: of the tail all but 0.001 are kept.
    let nucleus = plain().with_top_p(0.999).unwrap();
    let probs = nucleus.log_probs(logits, &[0]).unwrap().exp();
    let kept = host(probs.greater_elem(0.0).int().float().sum())[0];
    assert!((kept - 66_667.0).abs() < 100.0, "{kept}");
}

#[test]
fn every_token_is_drawn_in_every_float_type() {
    let draws = |tokens: usize, count: usize, dtype: DType| {
        let mut rng = StdRng::seed_from_u64(3);
        let mut seen = vec![0_usize; tokens];
        for _ in 0..count / 500 {
            let logits = Tensor::<2>::zeros([500, tokens], (&device(), dtype));
            let sampled = plain().sample(logits, &[0], &mut rng).unwrap();
            for token in sampled.tokens.try_into_vec_as::<i64>().unwrap() {
                seen[token as usize] += 1;
            }
        }
        seen
    };
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let seen = draws(1000, 20_000, dtype);
        assert!(seen.iter().all(|count| *count > 0), "{dtype:?}");
        // 999 degrees of freedom: 999, give or take 45.
        let excess = |count: &usize| (*count as f64 - 20.0).powi(2) / 20.0;
        let chi: f64 = seen.iter().map(excess).sum();
        assert!((850.0..1150.0).contains(&chi), "{dtype:?}: {chi}");
        // Of 5000 tokens 3160, give or take 22, in as many draws.
        let seen = draws(5000, 5000, dtype);
        let distinct = seen.iter().filter(|count| **count > 0).count();
        assert!((3050..3270).contains(&distinct), "{dtype:?}: {distinct}");
    }
}

proptest! {
    #[test]
    fn top_k_keeps_exactly_k_tokens(
        logits in prop::collection::vec(-2_i8..2, 40), top_k in 1_usize..40,
    ) {
        let logits = rows(logits.into_iter().map(f32::from).collect(), 2);
        let found = plain().with_top_k(top_k).unwrap().log_probs(logits, &[0]).unwrap();
        let kept: Vec<bool> = host(found).iter().map(|log| log.is_finite()).collect();
        for row in kept.chunks(20) {
            prop_assert_eq!(row.iter().filter(|kept| **kept).count(), top_k.min(20));
        }
    }
}

#[test]
fn half_precision_is_taken_in_f32() {
    let (batch, length, vocabulary) = (2, 3, 5);
    let count = batch * length * vocabulary;
    // Halves and quarters: the same numbers in every type.
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 7) % 11) as f32 / 4.0 - 1.0)
        .collect();
    let logits = |dtype| {
        let data = TensorData::new(values.clone(), [batch, length, vocabulary]);
        Tensor::<3>::from_data(data, (&device(), dtype))
    };
    let tau = Table::new(vec![1.0, 0.7, 1.3]).unwrap();
    let sampler = TokenSampler::new(tau.clone()).with_top_k(4).unwrap();
    let sampler = sampler.with_top_p(0.9).unwrap();
    let tokens = Tensor::<2, Int>::zeros([batch, length], &device());
    let expected = host(token_log_probs(logits(DType::F32), tokens.clone()).unwrap());
    let drawn = |dtype| {
        let step = logits(dtype).narrow(1, 1, 1).reshape([batch, vocabulary]);
        let sampled = sampler
            .sample(step, &[1], &mut StdRng::seed_from_u64(5))
            .unwrap();
        let log_probs = sampled.log_probs;
        assert_eq!(log_probs.dtype(), DType::F32);
        (
            sampled.tokens.try_into_vec_as::<i64>().unwrap(),
            host(log_probs),
        )
    };
    for dtype in [DType::BF16, DType::F16] {
        let policy = token_log_probs(logits(dtype), tokens.clone()).unwrap();
        assert_eq!(policy.dtype(), DType::F32);
        assert_eq!(host(policy), expected);
        let own = sampler
            .token_log_probs(logits(dtype), tokens.clone())
            .unwrap();
        let wide = sampler
            .token_log_probs(logits(DType::F32), tokens.clone())
            .unwrap();
        assert_eq!((own.dtype(), host(own)), (DType::F32, host(wide)));
        assert_eq!(drawn(dtype), drawn(DType::F32));
        assert_eq!(temper(logits(dtype), &tau).unwrap().dtype(), dtype);
        // Types may differ: the result has the policy's.
        let row = |values: [f32; 2], dtype| Tensor::<1>::from_data(values, (&device(), dtype));
        let half = row([-1.0, -2.0], dtype);
        let full = row([-2.0, -2.0], DType::F32);
        let weight = truncated_ratio(half.clone(), full.clone(), Some(2.0)).unwrap();
        assert_eq!((weight.dtype(), host(weight)), (dtype, vec![2.0, 1.0]));
        let weight = truncated_ratio(full, half, None).unwrap();
        assert_eq!(weight.dtype(), DType::F32);
        assert!((host(weight)[0] - (-1.0_f64).exp()).abs() < 1e-6);
    }
}

#[test]
fn a_token_outside_the_vocabulary_has_nan() {
    let logits = || Tensor::<3>::zeros([1, 4, 3], &device());
    let tokens = || Tensor::<2, Int>::from_data([[2, 3, -1, -100]], &device());
    let policy = host(token_log_probs(logits(), tokens()).unwrap());
    let own = host(plain().token_log_probs(logits(), tokens()).unwrap());
    for logs in [policy, own] {
        assert!((logs[0] + 3.0_f64.ln()).abs() < 1e-6);
        assert!(logs[1..].iter().all(|log| log.is_nan()));
    }
}

#[test]
fn rows_without_a_distribution_are_told() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let all = [
        [nan, 0.0, 3.0],
        [-inf, -inf, -inf],
        [inf, 0.0, 0.0],
        [0.0, 9.0, 9.0],
    ];
    for sampler in [
        plain(),
        plain().with_top_k(2).unwrap(),
        plain().with_top_p(0.9).unwrap(),
        plain().with_top_k(2).unwrap().with_top_p(0.3).unwrap(),
    ] {
        let sampled = |values: &[[f32; 3]]| {
            let logits = rows(values.concat(), values.len());
            sampler
                .sample(logits, &[0], &mut StdRng::seed_from_u64(0))
                .unwrap()
        };
        for bad in &all[..3] {
            let sampled = sampled(&[all[3], *bad]);
            let error = sampled.check().unwrap_err();
            assert_eq!(error, RlRewardsError::NoDistribution { row: 1 }, "{bad:?}");
            let tokens = sampled.tokens.try_into_vec_as::<i64>().unwrap();
            assert!(tokens[0] > 0 && tokens[1] == 0, "{tokens:?}");
        }
        sampled(&all[3..]).check().unwrap();
        // One token is a distribution.
        let one = sampled(&[[-inf, 2.0, -inf]]);
        one.check().unwrap();
        assert_eq!(
            (
                host(one.log_probs),
                one.tokens.try_into_vec_as::<i64>().unwrap()
            ),
            (vec![0.0], vec![1])
        );
    }
}

#[test]
fn a_row_with_a_nan_is_no_panic() {
    let logits = rows(vec![f32::NAN, 0.0, 0.0, 0.0, 50.0, 0.0], 2);
    let mut rng = StdRng::seed_from_u64(0);
    let sampled = plain().sample(logits, &[0], &mut rng).unwrap();
    assert_eq!(sampled.tokens.try_into_vec_as::<i64>().unwrap(), [0, 1]);
    assert!(host(sampled.log_probs)[0].is_nan());
}
