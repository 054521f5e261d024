//! Absurd questions, labels and temperatures of adaptive sampling.

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, SelfEvaluation};
use regimen_rl_rewards::search::{
    BestOfN, Budget, ProcessReward, Pruned, Question, SampleTemperature, win_or_tie,
};
use regimen_rl_rewards::{Result, RlRewardsError};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::policy::Sums;
use crate::search::{Digits, mean_digit};

/// Two responses of one prompt, of so many tokens.
fn rollouts(tokens: usize) -> Result<Rollouts> {
    let mut completion = Completion::new(End::EndToken);
    for token in [1, 2, 0].into_iter().take(tokens) {
        completion.sampled(token, -0.5)?;
    }
    let rollout = |_| Rollout {
        prompt: 0,
        completion: completion.clone(),
    };
    Rollouts::new(vec![vec![1]], (0..2).map(rollout).collect())
}

#[test]
fn adaptive_sampling() {
    let mut h = Hostile::new("rl-rewards adaptive sampling");
    let device = Device::flex();
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("SampleTemperature {a} {b}"), || {
            let temperature = SampleTemperature::new(a, b)?;
            for sample in COUNTS {
                let found = temperature.at(sample);
                assert!((0.0..=a).contains(&found), "{found}");
            }
            Ok::<(), RlRewardsError>(())
        });
        h.input(format_args!("win_or_tie {a} {b}"), || {
            win_or_tie(&rollouts(2)?, &[a, b], 0.0)?;
            win_or_tie(&rollouts(2)?, &[0.0, b], a)
        });
        h.input(format_args!("score {a} {b}"), || {
            let score = Question::new(vec![1], 2, 3)?.score(a, b);
            assert_eq!(score.is_nan(), (a - b).is_nan());
            assert!(score.is_nan() || (0.0..=1.0).contains(&score));
            Ok::<(), RlRewardsError>(())
        });
        h.input(format_args!("annealed {a} {b}"), || {
            let policy = |temperature: f64, prompts: &[Vec<u32>], samples: usize, seed| {
                assert!(temperature.is_finite() && temperature >= 0.0);
                regimen_rl_rewards::policy::SamplePolicy::sample(&Digits(2), prompts, samples, seed)
            };
            let by = (&policy as &_, SampleTemperature::new(a, b)?);
            let search = BestOfN::new(3)?.with_at_once(1)?;
            search.run_annealed(by, &mean_digit, &[vec![1]], Budget::unbounded(), 0)
        });
    }
    for n in COUNTS {
        let word = u32::try_from(n).unwrap_or(u32::MAX);
        h.input(format_args!("Question {n}"), || {
            let question = Question::new(vec![word; n.min(3)], word, word.wrapping_add(1))?;
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            for tokens in [0, 1, 3] {
                let rollouts = rollouts(tokens)?;
                let labels = vec![true; n.min(3)];
                let _ = question.lessons(&rollouts, &labels, 2, &mut rng);
                question.lessons(&rollouts, &[true, false], n.min(1 << 12), &mut rng)?;
            }
            question.lessons(&rollouts(1)?, &[true, false], n, &mut rng)
        });
        h.input(format_args!("SelfEvaluation {n}"), || {
            let question = Question::new(vec![1], word, 2)?;
            let evaluation = SelfEvaluation::new(&Sums, question, &device).with_batch(n)?;
            let text = Completion::new(End::Truncated);
            evaluation.scores(&[(&[][..], &text), (&[1, 2][..], &text)])
        });
        h.input(format_args!("Pruned {n}"), || {
            let prompts = [vec![1], vec![2]];
            let budget = Budget::calls(20)?;
            for (samples, kept, steps) in [(n, n, n), (n, 1, 3), (4, n, 3), (4, 2, n)] {
                let search = Pruned::new(samples, kept, steps)?;
                let found = search.run(&Digits(3), &mean_digit, &prompts, budget, 0)?;
                assert!(found.iter().all(|one| one.spent.calls <= 20));
            }
            Ok::<(), RlRewardsError>(())
        });
    }
    h.finish();
}
