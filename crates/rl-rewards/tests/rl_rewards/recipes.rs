//! Episodes of several answers, and learning from them.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regimen_rl_rewards::policy::{
    Completion, Decoding, End, NextToken, Rollout, Rollouts, SamplePolicy, ScorePolicy, Sequences,
    generate,
};
use regimen_rl_rewards::recipes::{Criterion, Example, MultiTurn, Rise, repeats, solved_within};
use regimen_rl_rewards::{Result, TokenSampler};
use regimen_schedules::Constant;

/// The chance of each distance of the secret from the clue.
const OFFSETS: [f64; 10] = [0.30, 0.20, 0.15, 0.10, 0.08, 0.05, 0.04, 0.03, 0.03, 0.02];

/// An answer of one token.
fn answer(token: u32) -> Completion {
    let mut completion = Completion::new(End::Truncated);
    completion.sampled(token, 0.0).unwrap();
    completion
}

/// Draws a digit by the clue, whatever was answered before.
pub(crate) struct Prior;

impl SamplePolicy for Prior {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let mut rollouts = Vec::new();
        let mut rng = StdRng::seed_from_u64(seed);
        for (prompt, tokens) in prompts.iter().enumerate() {
            for _ in 0..samples {
                let digit = (tokens[0] + offset(&mut rng)) % 10;
                let completion = answer(digit);
                rollouts.push(Rollout { prompt, completion });
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }
}

fn offset(rng: &mut StdRng) -> u32 {
    let mut rest = rng.random::<f64>();
    for (offset, chance) in OFFSETS.iter().enumerate() {
        rest -= chance;
        if rest < 0.0 {
            return offset as u32;
        }
    }
    9
}

/// Clues as prompts, and secrets.
fn drawn(count: usize, seed: u64) -> (Vec<Vec<u32>>, Vec<u32>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let pairs = (0..count).map(|_| {
        let clue = rng.random_range(0..10_u32);
        (vec![clue], (clue + offset(&mut rng)) % 10)
    });
    pairs.unzip()
}

fn near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() < within, "{found} {expected}");
}

/// The specification's figures of the base's knowledge, with and without repeats.
#[test]
fn drawing_without_repeats_alone_solves_more() {
    let (prompts, secrets) = drawn(20_000, 1);
    let right =
        |place: usize, one: &Completion| f64::from(u8::from(one.tokens() == [secrets[place]]));
    let turns = MultiTurn::new(5, vec![]).unwrap();
    let free = turns.episodes(&Prior, &prompts, 7, right).unwrap();
    let distinct = turns.clone().with_tries(200).unwrap();
    let distinct = distinct.episodes(&Prior, &prompts, 8, right).unwrap();
    for (turn, expected) in [0.175, 0.336, 0.481, 0.607, 0.715].into_iter().enumerate() {
        near(solved_within(&distinct, turn + 1).unwrap(), expected, 0.012);
    }
    assert!(solved_within(&free, 5).unwrap() < 0.6);
    assert_eq!(repeats(&distinct), 0.0);
    assert!(repeats(&free) > 0.2);
    let refused: usize = distinct
        .iter()
        .flat_map(|one| &one.turns)
        .map(|turn| turn.refused)
        .sum();
    assert!(refused > 10_000);
}

/// .3 a turn: 0.3, 0.51, 0.657, 0.7599, 0.83193; the best of 4 and of 16: .7599 and .9966767.
#[test]
fn chances_without_learning() {
    struct Coin;
    impl SamplePolicy for Coin {
        fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
            let mut rng = StdRng::seed_from_u64(seed);
            let places = (0..prompts.len() * samples).map(|place| place / samples);
            let rollouts = places.map(|prompt| Rollout {
                prompt,
                completion: answer(u32::from(rng.random::<f64>() < 0.3)),
            });
            Rollouts::new(prompts.to_vec(), rollouts.collect())
        }
    }
    // Each prompt is another: the states of turn 2 are too.
    let prompts: Vec<Vec<u32>> = (0..10_000).map(|prompt| vec![prompt]).collect();
    let right = |_: usize, one: &Completion| f64::from(one.tokens()[0]);
    let turns = MultiTurn::new(5, vec![]).unwrap();
    let episodes = turns.episodes(&Coin, &prompts, 0, right).unwrap();
    for (turn, expected) in [0.3, 0.51, 0.657, 0.7599, 0.83193].into_iter().enumerate() {
        near(solved_within(&episodes, turn + 1).unwrap(), expected, 0.02);
    }
    for (samples, expected) in [(1, 0.3), (4, 0.7599), (16, 0.996_676_7)] {
        let rise = Rise::new().with_duplicates().with_samples(samples).unwrap();
        let improved = rise.improve(&Coin, &episodes, 1, right).unwrap();
        let later: Vec<&Example> = improved
            .examples
            .iter()
            .filter(|one| !one.before.is_empty())
            .collect();
        let share = later.iter().map(|one| one.reward).sum::<f64>() / later.len() as f64;
        near(share, expected, 0.015);
        assert_eq!(improved.answers, later.len() * samples);
        assert_eq!(improved.sampled, improved.answers);
    }
}

/// Says of every token what its target is worth, whatever the model.
struct Given(Vec<f32>);

impl ScorePolicy for Given {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        let mask = sequences.mask();
        let [rows, tokens] = mask.dims();
        let data = TensorData::new(self.0.clone(), [rows, tokens]);
        Ok(Tensor::from_data(data, &mask.device()) * mask)
    }
}

fn example(state: &[u32], tokens: &[u32], reward: f64, before: &[f64]) -> Example {
    let mut answer = Completion::new(End::Truncated);
    for token in tokens {
        answer.sampled(*token, 0.0).unwrap();
    }
    Example {
        state: state.to_vec(),
        answer,
        reward,
        before: before.to_vec(),
        is_repeat: false,
    }
}

/// Token means [1.2, 0.8, 2.0] with rewards [0, 1, 1]: 11.7703276967, normalised 1.3921151155.
#[test]
fn the_weighted_loss_has_the_check_values() {
    let examples = [
        example(&[1], &[2, 3], 0.0, &[]),
        example(&[1], &[2], 1.0, &[]),
        example(&[4, 5], &[2, 3], 1.0, &[0.0]),
    ];
    let policy = Given(vec![-1.0, -1.4, -0.8, -9.0, -3.0, -1.0]);
    let device = Device::flex();
    let loss = |rise: Rise| {
        let (loss, _) = rise.loss(&policy, &examples, 0, &device).unwrap();
        f64::from(loss.into_scalar::<f32>())
    };
    near(loss(Rise::new()), 11.770_327_696_7, 1e-5);
    near(
        loss(Rise::new().with_normalised_weights()),
        1.392_115_115_5,
        1e-6,
    );
    near(loss(Rise::new().with_tau(1e300).unwrap()), 4.0 / 3.0, 1e-6);
    let cold = Rise::new().with_tau(1e-300).unwrap();
    near(loss(cold.with_normalised_weights()), 1.4, 1e-6);
    assert!(cold.loss(&policy, &examples, 0, &device).is_err());
    let weights = |tau, rewards: &[f64]| {
        let rise = Rise::new().with_tau(tau).unwrap();
        rise.weights(rewards).unwrap().values().to_vec()
    };
    for (tau, expected) in [
        (0.4, [0.082_084_998_6, 1.0, 12.182_493_960_7]),
        (1.0, [0.367_879_441_2, 1.0, std::f64::consts::E]),
    ] {
        for (found, expected) in weights(tau, &[-1.0, 0.0, 1.0]).into_iter().zip(expected) {
            near(found, expected, 1e-9);
        }
    }
}

#[test]
fn criteria_and_duplicates() {
    let examples = vec![
        example(&[1], &[2], 0.0, &[]),
        example(&[1], &[2], 0.0, &[]),
        example(&[1, 2], &[3], 0.0, &[0.0]),
        example(&[1, 2], &[4], 0.5, &[0.7, 0.0]),
        example(&[1, 2], &[5], 1.0, &[0.0, 0.5]),
        Example {
            is_repeat: true,
            ..example(&[1, 2], &[6], 1.0, &[0.0])
        },
    ];
    let kept = |rise: Rise| {
        let kept = rise.keep(examples.clone()).into_iter();
        let places = kept.map(|one| one.answer.tokens()[0]);
        places.collect::<Vec<_>>()
    };
    let of = |criterion| Rise::new().with_criterion(criterion);
    assert_eq!(kept(of(Criterion::All)), [2, 2, 3, 4, 5]);
    assert_eq!(kept(of(Criterion::Better)), [2, 2, 4, 5]);
    assert_eq!(kept(of(Criterion::Best)), [2, 2, 3, 5]);
    assert_eq!(kept(of(Criterion::Success)), [5]);
    let all = kept(of(Criterion::All).with_duplicates());
    assert_eq!(all, [2, 2, 3, 4, 5, 6]);
}

#[test]
fn a_state_keeps_the_last_answers_of_its_window() {
    let answers = [answer(5), answer(6), answer(7)];
    let turns = MultiTurn::new(4, vec![8, 9]).unwrap();
    let state = |turns: &MultiTurn| turns.state(&[1, 2], &answers);
    assert_eq!(state(&turns), [1, 2, 5, 8, 9, 6, 8, 9, 7, 8, 9]);
    assert_eq!(state(&turns.clone().with_window(1)), [1, 2, 7, 8, 9]);
    assert_eq!(state(&turns.clone().with_window(0)), [1, 2]);
    let mut ended = Completion::new(End::EndToken);
    ended.sampled(3, 0.0).unwrap();
    ended.sampled(0, 0.0).unwrap();
    assert_eq!(turns.state(&[1], [&ended]), [1, 3, 8, 9]);
    // Without a stop there are as many turns as asked for, and equal prompts have different episodes.
    let turns = MultiTurn::new(4, vec![]).unwrap().without_stop();
    let episodes = turns.episodes(&Prior, &vec![vec![3]; 50], 0, |_, _| 1.0);
    let episodes = episodes.unwrap();
    assert!(episodes.iter().all(|one| one.turns.len() == 4));
    assert!(
        episodes
            .iter()
            .any(|one| one.turns[0].answer != episodes[0].turns[0].answer)
    );
    // A policy that leaves answers out is refused.
    struct Few;
    impl SamplePolicy for Few {
        fn sample(&self, prompts: &[Vec<u32>], _: usize, _: u64) -> Result<Rollouts> {
            Rollouts::new(prompts.to_vec(), Vec::new())
        }
    }
    assert!(turns.episodes(&Few, &[vec![1]], 0, |_, _| 1.0).is_err());
    assert!(
        turns
            .episodes(&Prior, &[vec![1]], 0, |_, _| f64::NAN)
            .is_err()
    );
}

/// A perceptron of the clue (the first token) and of the digits after it.
#[derive(Module, Debug)]
struct Guesser {
    hidden: Linear,
    out: Linear,
}

impl Guesser {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(20, 64).init(device),
            out: LinearConfig::new(64, 10).init(device),
        }
    }

    /// Logits after each place of sequences `[rows, length]`.
    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [rows, length] = tokens.dims();
        let hot: Tensor<3> = tokens.one_hot::<3>(10).float();
        let clue = hot.clone().narrow(1, 0, 1).repeat_dim(1, length);
        let none = Tensor::zeros([rows, 1, 10], &hot.device());
        let later = if length > 1 {
            Tensor::cat(vec![none, hot.narrow(1, 1, length - 1)], 1)
        } else {
            none
        };
        let features = Tensor::cat(vec![clue, later.cumsum(1).clamp(0.0, 1.0)], 2);
        self.out.forward(relu(self.hidden.forward(features)))
    }

    fn last(&self, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [_, length] = tokens.dims();
        self.forward(tokens).narrow(1, length - 1, 1).squeeze_dim(1)
    }
}

impl NextToken for Guesser {
    type Cache = Tensor<2, Int>;

    fn read(&self, prompts: Tensor<2, Int>, _: usize) -> Result<(Tensor<2>, Self::Cache)> {
        Ok((self.last(prompts.clone()), prompts))
    }

    fn read_next(&self, tokens: Tensor<1, Int>, cache: &mut Self::Cache) -> Result<Tensor<2>> {
        *cache = Tensor::cat(vec![cache.clone(), tokens.unsqueeze_dim(1)], 1);
        Ok(self.last(cache.clone()))
    }

    fn keep(&self, cache: Self::Cache, rows: Tensor<1, Int>) -> Self::Cache {
        cache.select(0, rows)
    }
}

impl ScorePolicy for Guesser {
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        sequences.log_probs(self.forward(sequences.tokens()))
    }
}

impl SamplePolicy for Guesser {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let sampler = TokenSampler::new(Constant::ONE);
        let decoding = Decoding::new(sampler, 10, 1)?.with_batch(4096)?;
        generate(self, prompts, samples, &decoding, seed, &Device::flex())
    }
}

fn trained(
    mut policy: Guesser,
    updates: usize,
    rate: f64,
    mut loss: impl FnMut(&Guesser) -> Tensor<1>,
) -> Guesser {
    let mut optim = AdamConfig::new().init();
    for _ in 0..updates {
        let grads = GradientsParams::from_grads(loss(&policy).backward(), &policy);
        policy = optim.step(rate, policy, grads);
    }
    policy
}

/// Guess the digit: a policy that knows the clue alone learns from its wrong guesses not to repeat them, and solves more within five
/// turns than one that learned as many best answers to the clue alone.
#[test]
fn improved_answers_teach_not_to_repeat() {
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut rng = StdRng::seed_from_u64(0);
    let base = trained(Guesser::new(&device), 300, 1e-2, |policy| {
        let (clues, secrets) = drawn(256, rng.random());
        let count = clues.len();
        let int = |values: Vec<i64>, shape: [usize; 2]| {
            Tensor::<2, Int>::from_data(TensorData::new(values, shape), &device)
        };
        let clues = int(
            clues.iter().map(|one| i64::from(one[0])).collect(),
            [count, 1],
        );
        let secrets = int(
            secrets.iter().map(|one| i64::from(*one)).collect(),
            [count, 1],
        );
        -log_softmax(policy.last(clues), 1).gather(1, secrets).mean()
    });
    let (prompts, secrets) = drawn(1500, 5);
    let right =
        |place: usize, one: &Completion| f64::from(u8::from(one.tokens() == [secrets[place]]));
    let turns = MultiTurn::new(5, vec![]).unwrap();
    let rise = Rise::new();
    let learned = |examples: &[Example]| {
        let mut rng = StdRng::seed_from_u64(1);
        trained(base.clone(), 300, 3e-3, |policy| {
            let few = (0..128).map(|_| examples[rng.random_range(0..examples.len())].clone());
            let few: Vec<Example> = few.collect();
            rise.loss(policy, &few, 0, &device).unwrap().0
        })
    };
    let plain = base.valid();
    let episodes = turns.episodes(&plain, &prompts, 2, right).unwrap();
    let improved = rise.improve(&plain, &episodes, 3, right).unwrap();
    let later = improved
        .examples
        .iter()
        .filter(|one| !one.before.is_empty());
    let count = later.count();
    assert!(count > 1000 && improved.answers >= 16 * count);
    let alone = plain.sample(&prompts, 16, 4).unwrap();
    let alone: Vec<Example> = alone
        .rollouts()
        .iter()
        .filter(|one| right(one.prompt, &one.completion) > 0.0)
        .map(|one| example(&prompts[one.prompt], one.completion.tokens(), 1.0, &[]))
        .collect();
    let (prompts, secrets) = drawn(3000, 6);
    let right =
        |place: usize, one: &Completion| f64::from(u8::from(one.tokens() == [secrets[place]]));
    let solved = |policy: &Guesser| {
        let episodes = turns.episodes(&policy.valid(), &prompts, 7, right).unwrap();
        (solved_within(&episodes, 5).unwrap(), repeats(&episodes))
    };
    let (before, single, after) = (
        solved(&base),
        solved(&learned(&alone)),
        solved(&learned(&improved.examples)),
    );
    let told = format!("{before:?} {single:?} {after:?}");
    assert!(
        after.0 > single.0 + 0.05 && after.0 > before.0 + 0.05,
        "{told}"
    );
    assert!(after.1 < 0.6 * before.1, "{told}");
}
