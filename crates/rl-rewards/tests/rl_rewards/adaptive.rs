//! Sampling that stops when a policy says that it would do no better, and beginnings that are given up.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::Result;
use regimen_rl_rewards::policy::{
    Beginning, Completion, End, NextToken, Rollout, Rollouts, SamplePolicy, SelfEvaluation, Step,
    StepPolicy,
};
use regimen_rl_rewards::search::{
    BestOfN, Budget, ProcessReward, Pruned, Question, SampleTemperature, win_or_tie,
};

use crate::policy::Sums;
use crate::search::{Digits, mean_digit};

/// Answers of one token, whose number is their quality: uniform.
struct Uniform;

const MOST: u32 = 1 << 24;

impl SamplePolicy for Uniform {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let mut rollouts = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            for sample in 0..samples {
                let key = u64::from(prompt[0]) << 32 | sample as u64;
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ key);
                let mut completion = Completion::new(End::Truncated);
                completion.sampled(rng.random_range(0..MOST), -1.0)?;
                let prompt = place;
                rollouts.push(Rollout { prompt, completion });
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }
}

fn quality(_: &[u32], text: &Completion) -> f64 {
    f64::from(text.tokens()[0]) / f64::from(MOST)
}

/// With a score that is the quality itself: the samples and the quality that the specification computes for each threshold.
#[test]
fn a_threshold_buys_what_it_should() {
    let prompts: Vec<Vec<u32>> = (1..=4000).map(|one| vec![one]).collect();
    for (threshold, samples, best) in [
        (0.0, 1.0, 0.5),
        (0.5, 1.999_969_48, 0.749_995_74),
        (0.8, 4.859_262_51, 0.895_860_66),
        (0.95, 11.197_466_63, 0.939_401_52),
        (1.0, 16.0, 0.941_176_47),
    ] {
        let search = BestOfN::new(16).unwrap().with_at_once(1).unwrap();
        let search = search.with_enough(threshold).unwrap();
        let found = search
            .run(&Uniform, &quality, &prompts, Budget::unbounded(), 3)
            .unwrap();
        let count: f64 = found.iter().map(|one| one.spent.calls as f64).sum::<f64>() / 4000.0;
        let score = found.iter().filter_map(|one| one.best.as_ref());
        let score: f64 = score.map(|best| best.score).sum::<f64>() / 4000.0;
        assert!(
            (count - samples).abs() < 0.05 * samples,
            "{threshold} {count}"
        );
        assert!((score - best).abs() < 0.02, "{threshold} {score}");
    }
}

/// The probability that an answer to a prompt is right, known to the prompt's number: .95 for 60 % of the prompts, .5 and .1 for 20 % each.
fn solved(prompt: u32) -> f64 {
    match prompt % 10 {
        0..6 => 0.95,
        6 | 7 => 0.5,
        _ => 0.1,
    }
}

/// Answers of three tokens: right or wrong, and noise of the normal distribution in units of a ten thousandth, by its sign.
struct Simulated;

impl SamplePolicy for Simulated {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let mut rollouts = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            for sample in 0..samples {
                let key = u64::from(prompt[0]) << 16 | sample as u64;
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ key);
                let right = rng.random_bool(solved(prompt[0]));
                let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
                let noise = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
                let mut completion = Completion::new(End::Truncated);
                for token in [
                    u32::from(right),
                    u32::from(noise < 0.0),
                    (noise.abs() * 1e4) as u32,
                ] {
                    completion.sampled(token, -1.0)?;
                }
                let prompt = place;
                rollouts.push(Rollout { prompt, completion });
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }
}

/// The ideal self-evaluation, 1 for a right answer and `1 - p` for a wrong one, with noise of this size on its log-odds.
fn noisy(size: f64) -> impl Fn(&[u32], &Completion) -> f64 {
    move |prompt, answer| {
        let [right, sign, noise] = answer.tokens()[..] else {
            return f64::NAN;
        };
        let ideal = if right == 1 {
            1.0
        } else {
            1.0 - solved(prompt[0])
        };
        let near = 0.02 + 0.96 * ideal;
        let noise = if sign == 1 { -1.0 } else { 1.0 } * f64::from(noise) / 1e4;
        let odds = (near / (1.0 - near)).ln() + size * noise;
        1.0 / (1.0 + (-odds).exp())
    }
}

/// The simulator of the rules: samples in the mean and right answers by the threshold, for an evaluator of some noise.
#[test]
fn a_noisy_evaluator_still_buys_most_of_sixteen_samples() {
    const PROMPTS: u32 = 8000;
    let prompts: Vec<Vec<u32>> = (0..PROMPTS).map(|one| vec![one]).collect();
    let run = |samples, enough: Option<f64>, noise| {
        let mut search = BestOfN::new(samples).unwrap().with_at_once(1).unwrap();
        if let Some(enough) = enough {
            search = search.with_enough(enough).unwrap();
        }
        let found = search.run(&Simulated, &noisy(noise), &prompts, Budget::unbounded(), 5);
        let found = found.unwrap();
        let calls: u64 = found.iter().map(|one| one.spent.calls).sum();
        let best = found.iter().filter_map(|one| one.best.as_ref());
        let right = best.filter(|best| best.completion.tokens()[0] == 1).count();
        [calls as f64, right as f64].map(|sum| sum / f64::from(PROMPTS))
    };
    for (samples, enough, noise, expected) in [
        (1, None, 1.0, [1.0, 0.687]),
        (2, None, 1.0, [2.0, 0.785]),
        (4, None, 1.0, [4.0, 0.846]),
        (16, None, 1.0, [16.0, 0.918]),
        (16, Some(0.80), 1.0, [1.27, 0.812]),
        (16, Some(0.90), 1.0, [1.48, 0.837]),
        (16, Some(0.95), 1.0, [2.04, 0.869]),
        (16, Some(0.98), 1.0, [3.89, 0.908]),
        (16, None, 2.0, [16.0, 0.861]),
        (16, Some(0.95), 2.0, [2.02, 0.822]),
        (16, Some(0.95), 3.0, [2.02, 0.788]),
    ] {
        let found = run(samples, enough, noise);
        // Five standard errors of a share, and as much of the mean number of samples.
        assert!(
            (found[1] - expected[1]).abs() < 0.025,
            "{samples} {enough:?} {noise} {found:?}"
        );
        assert!(
            (found[0] / expected[0] - 1.0).abs() < 0.1,
            "{samples} {enough:?} {noise} {found:?}"
        );
    }
}

#[test]
fn each_sample_has_its_temperature() {
    let seen = std::cell::RefCell::new(Vec::new());
    let policy = |temperature: f64, prompts: &[Vec<u32>], samples, seed| {
        seen.borrow_mut().push((temperature, prompts.len()));
        Uniform.sample(prompts, samples, seed)
    };
    let search = BestOfN::new(5).unwrap().with_at_once(1).unwrap();
    let by = (&policy as &_, SampleTemperature::default());
    let prompts = [vec![1], vec![2]];
    let found = search
        .run_annealed(by, &quality, &prompts, Budget::unbounded(), 3)
        .unwrap();
    assert!(found.iter().all(|one| one.spent.calls == 5));
    let expected = [0.0, 0.5, 0.75, 0.875, 0.9375].map(|temperature| (temperature, 2));
    assert_eq!(*seen.borrow(), expected);
}

/// A step of two tokens at first, then to the end: of eight.
struct TwoThenAll;

impl StepPolicy for TwoThenAll {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
        let step = |one: &Beginning<'_>| {
            let mut rng = ChaCha8Rng::seed_from_u64(one.seed);
            let mut completion = one.so_far.clone();
            let upto = if completion.is_empty() { 2 } else { 8 };
            while completion.len() < upto {
                completion.sampled(rng.random_range(0..10), -2.3)?;
            }
            let over = upto == 8;
            Ok(Step { completion, over })
        };
        beginnings.iter().map(step).collect()
    }
}

#[test]
fn pruning_costs_what_it_should_and_keeps_the_better_beginnings() {
    let prompts: Vec<Vec<u32>> = (1..=200).map(|one| vec![one]).collect();
    let run = |kept| {
        let search = Pruned::new(16, kept, 10).unwrap();
        let found = search.run(&TwoThenAll, &mean_digit, &prompts, Budget::unbounded(), 1);
        let found = found.unwrap();
        let tokens = found[0].spent.tokens as f64 / (16.0 * 8.0);
        let scores = found.iter().filter_map(|one| one.best.as_ref());
        assert!(
            found
                .iter()
                .all(|one| one.best.as_ref().is_some_and(|best| best.whole))
        );
        (tokens, scores.map(|best| best.score).sum::<f64>() / 200.0)
    };
    let all = run(16);
    for (kept, cost) in [
        (16, 1.0),
        (8, 0.625),
        (4, 0.4375),
        (2, 0.34375),
        (1, 0.296_875),
    ] {
        let (tokens, score) = run(kept);
        assert!((tokens - cost).abs() < 1e-12, "{kept} {tokens}");
        // One that is drawn has .45 in the mean, and the largest of 16 about .63.
        assert!(score > 0.5 && score <= all.1, "{kept} {score}");
    }
}

#[test]
fn a_search_of_one_step_prunes_whole_answers() {
    let prompts = [vec![1], vec![2]];
    let found = Pruned::new(4, 2, 1).unwrap();
    let found = found
        .run(&Digits(1), &mean_digit, &prompts, Budget::unbounded(), 0)
        .unwrap();
    assert!(
        found
            .iter()
            .all(|one| one.spent.calls == 4 && one.best.is_some() && !one.cut_off)
    );
    let cut = Pruned::new(4, 2, 9).unwrap();
    let cut = cut
        .run(
            &TwoThenAll,
            &mean_digit,
            &prompts,
            Budget::calls(5).unwrap(),
            0,
        )
        .unwrap();
    assert!(
        cut.iter()
            .all(|one| one.cut_off && one.best.as_ref().is_some_and(|best| !best.whole))
    );
}

/// Known prompts tie and are told to stay; of a hopeless one too, since the other is no better.
#[test]
fn lessons_are_of_one_word_after_text_that_was_seen() {
    let mut right = Completion::new(End::EndToken);
    for token in [5, 6, 0] {
        right.sampled(token, -0.1).unwrap();
    }
    let rollout = |prompt| Rollout {
        prompt,
        completion: right.clone(),
    };
    let all = vec![rollout(0), rollout(0), rollout(0), rollout(1), rollout(1)];
    let rollouts = Rollouts::new(vec![vec![1], vec![2]], all).unwrap();
    let labels = win_or_tie(&rollouts, &[1.0, 0.5, 0.6, 0.0, 0.0], 0.0).unwrap();
    assert_eq!(labels, [true, false, true, true, true]);
    assert!(win_or_tie(&rollouts, &[1.0, 0.5, 0.4, 0.0, 0.0], 0.2).unwrap()[2]);
    let question = Question::new(vec![40, 41], 7, 8).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let lessons = question.lessons(&rollouts, &labels, 3, &mut rng).unwrap();
    assert_eq!(lessons.len(), 20);
    for (place, (_, one)) in lessons.iter().enumerate() {
        let tokens = one.tokens();
        let (asked, word) = (
            &tokens[tokens.len() - 3..tokens.len() - 1],
            tokens[tokens.len() - 1],
        );
        assert_eq!(asked, [40, 41]);
        assert_eq!(word, if labels[place / 4] { 7 } else { 8 });
        assert_eq!(one.count_sampled(), 1);
        let content = &tokens[..tokens.len() - 3];
        assert_eq!(content, &[5, 6][..content.len()]);
        assert!(!place.is_multiple_of(4) || content.len() == 2);
    }
    assert!(win_or_tie(&rollouts, &[1.0], 0.0).is_err());
    let one = Rollouts::new(vec![vec![1]], vec![rollout(0)]).unwrap();
    assert!(win_or_tie(&one, &[1.0], 0.0).is_err());
}

#[test]
fn a_score_is_the_share_of_two_words() {
    let device = Device::flex();
    let question = Question::new(vec![3, 4], 1, 2).unwrap();
    let evaluation = SelfEvaluation::new(&Sums, question.clone(), &device);
    let mut texts = Vec::new();
    for token in 0..5 {
        let mut text = Completion::new(End::Truncated);
        for _ in 0..=token % 3 {
            text.sampled(token, -0.1).unwrap();
        }
        texts.push(text);
    }
    let pairs: Vec<(&[u32], &Completion)> =
        texts.iter().map(|text| (&[1_u32, 2][..], text)).collect();
    let scores = evaluation.scores(&pairs).unwrap();
    for ((prompt, text), score) in pairs.iter().zip(&scores) {
        let tokens: Vec<i64> = question
            .text(prompt, text)
            .into_iter()
            .map(i64::from)
            .collect();
        let count = tokens.len();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [1, count]), &device);
        let (logits, _) = Sums.read(tokens, 0).unwrap();
        let logits: Vec<f64> = logits.try_into_vec_as().unwrap();
        let expected = logits[1].exp() / (logits[1].exp() + logits[2].exp());
        assert!((score - expected).abs() < 1e-6);
    }
    let small = SelfEvaluation::new(&Sums, question, &device)
        .with_batch(1)
        .unwrap();
    assert_eq!(small.scores(&pairs).unwrap(), scores);
    let unknown = Question::new(vec![3], 1, 99).unwrap();
    assert!(
        SelfEvaluation::new(&Sums, unknown, &device)
            .scores(&pairs)
            .is_err()
    );
    assert!(evaluation.scores(&[]).unwrap().is_empty());
}
