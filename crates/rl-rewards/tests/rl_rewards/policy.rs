//! Sampling whole completions, and scoring them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_rl_rewards::policy::{
    Completion, Decoding, End, NextToken, Rollout, Rollouts, ScorePolicy, Sequences, generate,
    generate_with,
};
use regimen_rl_rewards::{DecodingTemperature, Result, RlRewardsError, TokenSampler};
use regimen_schedules::Constant;

const WORDS: usize = 5;
const END: u32 = 0;

/// Logits by the sum of all tokens read, so that a lost or repeated token shows.
pub(crate) struct Sums;

fn logits_of(sums: Tensor<1, Int>) -> Tensor<2> {
    let [rows] = sums.dims();
    let table: Vec<f32> = (0..WORDS * WORDS)
        .map(|i| ((i * 7 + i / WORDS * 3) % 11) as f32 * 0.3 - 1.0)
        .collect();
    let table = Tensor::<2>::from_data(TensorData::new(table, [WORDS, WORDS]), &sums.device());
    let _ = rows;
    table.select(0, sums.remainder_scalar(WORDS as i64))
}

impl NextToken for Sums {
    type Cache = Tensor<1, Int>;

    fn read(&self, prompts: Tensor<2, Int>, _more: usize) -> Result<(Tensor<2>, Self::Cache)> {
        let sums: Tensor<1, Int> = prompts.sum_dim(1).squeeze_dim(1);
        Ok((logits_of(sums.clone()), sums))
    }

    fn read_next(&self, tokens: Tensor<1, Int>, cache: &mut Self::Cache) -> Result<Tensor<2>> {
        *cache = cache.clone() + tokens;
        Ok(logits_of(cache.clone()))
    }

    fn keep(&self, cache: Self::Cache, rows: Tensor<1, Int>) -> Self::Cache {
        cache.select(0, rows)
    }
}

impl ScorePolicy for Sums {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        sequences.log_probs(whole(sequences))
    }
}

/// Logits of every place.
fn whole(sequences: &Sequences) -> Tensor<3> {
    let tokens = sequences.tokens();
    let [rows, length] = tokens.dims();
    let sums = tokens.cumsum(1).reshape([rows * length]);
    logits_of(sums).reshape([rows, length, WORDS])
}

pub(crate) fn decoding(max_tokens: usize) -> Decoding {
    Decoding::new(TokenSampler::new(Constant::ONE), END, max_tokens).unwrap()
}

fn sample(prompts: &[Vec<u32>], samples: usize, decoding: &Decoding, seed: u64) -> Rollouts {
    generate(&Sums, prompts, samples, decoding, seed, &Device::flex()).unwrap()
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![1, 2], vec![3], vec![4, 4], vec![2, 2, 1], vec![3, 1]]
}

#[test]
fn what_is_sampled_has_the_probability_that_a_full_pass_gives() {
    let rollouts = sample(&prompts(), 6, &decoding(7), 3);
    assert_eq!((rollouts.len(), rollouts.groups().len()), (30, 5));
    let sequences = Sequences::new(&rollouts, 0, &Device::flex()).unwrap();
    let scored = Sums.log_probs(&sequences).unwrap();
    let difference = (scored - sequences.sampler_log_probs()).abs().max();
    assert!(difference.into_scalar::<f32>() < 1e-5);
    let mask: f32 = sequences.mask().sum().into_scalar();
    assert_eq!(mask as usize, rollouts.count_sampled());
    let ends = [End::EndToken, End::Truncated];
    for end in ends {
        let of = |one: &Rollout| one.completion.end() == end;
        assert!(rollouts.rollouts().iter().any(of), "{end:?}");
    }
    for (_, completion) in rollouts.iter() {
        let ended = completion.tokens().last() == Some(&END);
        assert_eq!(ended, completion.end() == End::EndToken);
        assert!(!completion.content().contains(&END) && completion.len() <= 7);
        assert!(ended || completion.len() == 7);
    }
}

#[test]
fn a_completion_does_not_depend_on_its_batch() {
    let all = sample(&prompts(), 8, &decoding(9), 5);
    let small = sample(&prompts(), 8, &decoding(9).with_batch(1).unwrap(), 5);
    assert_eq!(all.rollouts(), small.rollouts());
    let alone = sample(&prompts()[3..4], 2, &decoding(9), 5);
    let group = &all.groups()[3];
    for (one, place) in alone.rollouts().iter().zip(group) {
        assert_eq!(one.completion, all.rollouts()[*place].completion);
    }
    let other = sample(&prompts(), 8, &decoding(9), 6);
    assert_ne!(all, other);
}

/// 4,000 first tokens of one prompt against their probabilities.
#[test]
fn tokens_are_drawn_as_often_as_their_probability_says() {
    let rollouts = sample(&[vec![2]], 4000, &decoding(1), 0);
    let logits = logits_of(Tensor::from_data([2], &Device::flex()));
    let expected: Vec<f32> = burn::tensor::activation::softmax(logits, 1)
        .try_into_vec_as()
        .unwrap();
    for (token, share) in expected.iter().enumerate() {
        let of = |one: &&Rollout| one.completion.tokens()[0] == token as u32;
        let found = rollouts.rollouts().iter().filter(of).count() as f32 / 4000.0;
        let se = (share * (1.0 - share) / 4000.0).sqrt();
        assert!((found - share).abs() < 4.0 * se, "{token}: {found} {share}");
    }
}

/// After each 3 a tool writes two tokens: context, not sampled, without gradient.
#[test]
fn observed_tokens_are_context() {
    let tool = |_: &[u32], completion: &[u32]| match completion.last() {
        Some(3) => vec![1, 4],
        _ => Vec::new(),
    };
    let rollouts = generate_with(
        &Sums,
        &prompts(),
        20,
        &decoding(12),
        &tool,
        1,
        &Device::flex(),
    );
    let rollouts = rollouts.unwrap();
    let mut seen = 0;
    for (_, completion) in rollouts.iter() {
        let mask: Vec<bool> = completion.mask().collect();
        for (place, token) in completion.tokens().iter().enumerate() {
            if mask[place] && *token == 3 && place + 2 < completion.len() {
                assert_eq!(completion.tokens()[place + 1..place + 3], [1, 4]);
                assert_eq!(mask[place + 1..place + 3], [false, false]);
                seen += 1;
            }
        }
    }
    assert!(seen > 10);
    let sequences = Sequences::new(&rollouts, 0, &Device::flex()).unwrap();
    let scored = Sums.log_probs(&sequences).unwrap();
    let difference = (scored - sequences.sampler_log_probs()).abs().max();
    assert!(difference.into_scalar::<f32>() < 1e-5);
}

/// A temperature for each sampled token, rows that end at different places, and a tool that writes between: the policy's log-probabilities as
/// the sampler draws are those of the draws; at temperature 1, or with tokens counted otherwise, they are not.
#[test]
fn log_probabilities_of_a_sampler_are_those_of_its_draws() {
    let tool = |_: &[u32], completion: &[u32]| match completion.last() {
        Some(3) => vec![1, 4],
        _ => Vec::new(),
    };
    let device = Device::flex();
    let tau = |decay| {
        let tau = DecodingTemperature::exploratory(1.2, 0.3).unwrap();
        TokenSampler::new(tau.with_protected(0).with_decay(decay).unwrap())
    };
    let sampler = tau(8.0).with_top_k(4).unwrap();
    let cooled = decoding(12).with_sampler(sampler.clone());
    let drawn = generate_with(&Sums, &prompts(), 20, &cooled, &tool, 1, &device).unwrap();
    let sequences = Sequences::new(&drawn, 0, &device).unwrap();
    let logits = || whole(&sequences);
    let far = |scored: Tensor<2>| {
        let far = (scored - sequences.sampler_log_probs()).abs().max();
        far.into_scalar::<f32>()
    };
    assert!(far(sequences.log_probs_of(logits(), &sampler).unwrap()) < 1e-5);
    assert!(far(sequences.log_probs(logits()).unwrap()) > 0.1);
    let fast = tau(8.0 / 20.0).with_top_k(4).unwrap();
    assert!(far(sequences.log_probs_of(logits(), &fast).unwrap()) > 0.1);
    let few = logits().narrow(0, 0, 3);
    assert!(sequences.log_probs_of(few, &sampler).is_err());
}

#[test]
fn rollouts_are_selected_and_joined_with_their_prompts() {
    let rollouts = sample(&prompts(), 2, &decoding(4), 0);
    let few = rollouts.select(&[9, 0, 9]).unwrap();
    assert_eq!(few.rollouts()[0], rollouts.rollouts()[9]);
    assert!(rollouts.select(&[10]).is_err());
    let both = few.clone().join(rollouts.clone());
    assert_eq!((both.len(), both.prompts().len()), (13, 10));
    let whole: Vec<_> = both.iter().skip(3).collect();
    assert_eq!(whole, rollouts.iter().collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_sampled_is_an_error() {
    let device = Device::flex();
    let none = generate(&Sums, &[vec![]], 1, &decoding(3), 0, &device);
    assert!(matches!(
        none,
        Err(RlRewardsError::OutOfRange {
            field: "prompts",
            ..
        })
    ));
    assert!(sample(&[], 4, &decoding(3), 0).is_empty());
    assert!(sample(&prompts(), 0, &decoding(3), 0).is_empty());
    assert!(Sequences::new(&sample(&prompts(), 0, &decoding(3), 0), 0, &device).is_err());
    let mut completion = Completion::new(End::Truncated);
    assert!(completion.sampled(1, f32::NAN).is_err());
    assert!(completion.sampled(1, 0.5).is_err());
    struct Broken;
    impl NextToken for Broken {
        type Cache = ();
        fn read(&self, prompts: Tensor<2, Int>, _: usize) -> Result<(Tensor<2>, ())> {
            let [rows, _] = prompts.dims();
            Ok((Tensor::full([rows, 3], f64::NAN, &prompts.device()), ()))
        }
        fn read_next(&self, _: Tensor<1, Int>, (): &mut ()) -> Result<Tensor<2>> {
            unreachable!("the first draw fails")
        }
        fn keep(&self, (): (), _: Tensor<1, Int>) {}
    }
    let broken = generate(&Broken, &[vec![1]], 2, &decoding(3), 0, &device);
    assert!(matches!(
        broken,
        Err(RlRewardsError::NoDistribution { row: 0 })
    ));
}
