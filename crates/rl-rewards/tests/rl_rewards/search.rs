//! Searches over policies: what they find, what they spend, and that nothing but the seed decides.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::Device;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{
    Beginning, Completion, Decoding, End, Rollout, Rollouts, SamplePolicy, Step, StepPolicy, Steps,
    generate,
};
use regimen_rl_rewards::search::{
    Answer, BeamSearch, BestOfN, Budget, EntropicAnnealing, EntropicRule, Found, ParticleFilter,
    ProcessReward, Progress, ResampleWhen, Resampling, SelfConsistency, Sequential, TreeSearch,
    Unwatched,
};
use regimen_rl_rewards::{Result, TokenSampler};
use regimen_schedules::Constant;

use crate::policy::Sums;

/// Adds a digit by its seed; an answer has so many.
pub(crate) struct Digits(pub(crate) usize);

impl StepPolicy for Digits {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
        let step = |one: &Beginning<'_>| {
            let mut rng = ChaCha8Rng::seed_from_u64(one.seed);
            let mut completion = one.so_far.clone();
            completion.sampled(rng.random_range(0..10), -2.3)?;
            let over = completion.len() >= self.0;
            Ok(Step { completion, over })
        };
        beginnings.iter().map(step).collect()
    }
}

impl SamplePolicy for Digits {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let mut rollouts = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            for sample in 0..samples {
                let key = prompt
                    .iter()
                    .fold(sample as u64, |key, token| key * 31 + u64::from(*token));
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ key);
                let mut completion = Completion::new(End::Truncated);
                for _ in 0..self.0 {
                    completion.sampled(rng.random_range(0..10), -2.3)?;
                }
                rollouts.push(Rollout {
                    prompt: place,
                    completion,
                });
            }
        }
        Rollouts::new(prompts.to_vec(), rollouts)
    }
}

/// The mean digit over 10: from 0 to 1.
pub(crate) fn mean_digit(_: &[u32], text: &Completion) -> f64 {
    let sum: u32 = text.tokens().iter().sum();
    f64::from(sum) / (10 * text.len().max(1)) as f64
}

fn prompts(count: u32) -> Vec<Vec<u32>> {
    (0..count).map(|one| vec![one, 7]).collect()
}

type Run<'a> = Box<dyn Fn(&[Vec<u32>], Budget, u64) -> Vec<Found> + 'a>;

/// Each search with about 64 calls a prompt, on answers of four digits.
fn all() -> Vec<(&'static str, Run<'static>)> {
    fn of(
        name: &'static str,
        run: impl Fn(&[Vec<u32>], Budget, u64) -> Result<Vec<Found>> + 'static,
    ) -> (&'static str, Run<'static>) {
        (
            name,
            Box::new(move |prompts, budget, seed| run(prompts, budget, seed).unwrap()),
        )
    }
    let filter = ParticleFilter::new(16, 4).unwrap();
    let with_filter = move |name, filter: ParticleFilter| {
        of(name, move |p: &[Vec<u32>], b, s| {
            filter.run(&Digits(4), &mean_digit, p, b, s)
        })
    };
    let first = |_: &[u32], one: &Completion| one.tokens().first().copied();
    vec![
        of("best of n", |p, b, s| {
            BestOfN::new(64)?.run(&Digits(4), &mean_digit, p, b, s)
        }),
        of("vote", move |p, b, s| {
            SelfConsistency::new(64)?.run(&Digits(4), &first, p, b, s)
        }),
        of("weighted vote", move |p, b, s| {
            SelfConsistency::new(64)?.run_weighted(&Digits(4), (&first, &mean_digit), p, b, s)
        }),
        of("sequential", |p, b, s| {
            let joined = |prompt: &[u32], before: &[Arc<Completion>]| {
                before
                    .last()
                    .map_or(prompt.to_vec(), |last| [prompt, last.tokens()].concat())
            };
            Sequential::new(64)?.run(&Digits(4), &mean_digit, &joined, p, b, s)
        }),
        of("beam", |p, b, s| {
            BeamSearch::new(4, 4, 4)?.run(&Digits(4), &mean_digit, p, b, s)
        }),
        of("tree", |p, b, s| {
            TreeSearch::new(32, 4, 4)?.run(&Digits(4), &mean_digit, p, b, s)
        }),
        with_filter("particles", filter),
        with_filter("annealed", filter.with_entropic_annealing()),
        with_filter(
            "multinomial, drawn",
            filter
                .with_resampling(Resampling::Multinomial)
                .with_drawn_choice(),
        ),
        with_filter(
            "late",
            filter.with_resample_when(ResampleWhen::From(0.5)).unwrap(),
        ),
        with_filter(
            "adaptive",
            filter
                .with_resample_when(ResampleWhen::BelowEffectiveSize(0.5))
                .unwrap(),
        ),
        with_filter(
            "look-ahead",
            ParticleFilter::new(8, 4).unwrap().with_look_ahead(),
        ),
        with_filter(
            "gibbs",
            ParticleFilter::new(6, 4)
                .unwrap()
                .with_sweeps(3, 2)
                .unwrap(),
        ),
    ]
}

fn best(found: &Found) -> &Answer {
    found.best.as_ref().unwrap()
}

#[test]
fn a_search_is_better_than_one_answer_and_spends_what_it_says() {
    let prompts = prompts(40);
    for (name, run) in all() {
        let found = run(&prompts, Budget::unbounded(), 3);
        let mut sum = 0.0;
        for one in &found {
            assert!(best(one).whole && !one.cut_off, "{name}");
            assert_eq!(best(one).completion.len(), 4, "{name}");
            let spent = one.spent;
            assert!((40..=128).contains(&spent.calls), "{name} {spent:?}");
            let a_call = spent.tokens / spent.calls;
            assert_eq!(spent.tokens % spent.calls, 0, "{name}");
            let whole = matches!(name, "best of n" | "vote" | "weighted vote" | "sequential");
            assert_eq!(a_call, if whole { 4 } else { 1 }, "{name}");
            assert_eq!(
                spent.scorings,
                if name == "vote" { 0 } else { spent.calls },
                "{name}"
            );
            sum += mean_digit(&[], &best(one).completion);
        }
        // One answer has .45; a count of the first digits does not know of the score.
        let least = if name == "vote" {
            0.4
        } else if name.contains("drawn") || name.contains("weighted") {
            0.5
        } else {
            0.65
        };
        assert!(sum / 40.0 > least, "{name} {}", sum / 40.0);
    }
}

#[test]
fn a_prompt_is_searched_the_same_whatever_stands_beside_it() {
    let prompts = prompts(7);
    for (name, run) in all() {
        let together = run(&prompts, Budget::unbounded(), 5);
        assert_eq!(together, run(&prompts, Budget::unbounded(), 5), "{name}");
        for (prompt, found) in prompts.iter().zip(&together) {
            let alone = run(std::slice::from_ref(prompt), Budget::unbounded(), 5);
            assert_eq!(alone, std::slice::from_ref(found), "{name}");
        }
        assert_ne!(together, run(&prompts, Budget::unbounded(), 6), "{name}");
        assert!(run(&[], Budget::unbounded(), 5).is_empty(), "{name}");
    }
}

#[test]
fn a_budget_is_kept_and_what_was_found_is_the_result() {
    let prompts = prompts(3);
    for (name, run) in all() {
        let whole = run(&prompts, Budget::unbounded(), 5);
        for calls in [1, 2, 5, 16, 31, 40, 1000] {
            let budget = Budget::calls(calls).unwrap();
            for (found, whole) in run(&prompts, budget, 5).iter().zip(&whole) {
                assert!(found.spent.calls <= calls, "{name} {calls} {found:?}");
                assert_eq!(found.cut_off, whole.spent.calls > calls, "{name} {calls}");
                assert!(found.cut_off || found == whole, "{name} {calls}");
                let some = found.spent.calls > 0;
                assert_eq!(found.best.is_some(), some, "{name} {calls}");
            }
        }
        let budget = Budget::unbounded().with_scorings(9).unwrap();
        for found in run(&prompts, budget, 5) {
            assert!(found.spent.scorings <= 9, "{name}");
        }
        for tokens in [1, 20, 50] {
            for found in run(&prompts, Budget::tokens(tokens).unwrap(), 5) {
                // The round that reaches the bound is the last: 32 tokens at most.
                assert!(found.spent.tokens < tokens + 32, "{name} {tokens}");
                assert!(found.best.is_some(), "{name} {tokens}");
            }
        }
        let over = std::time::Duration::from_nanos(1);
        for found in run(&prompts, Budget::time(over).unwrap(), 5) {
            assert!(found.cut_off && found.best.is_none(), "{name}");
        }
    }
}

#[test]
fn a_watched_search_ends_when_it_is_told_to() {
    let prompts = prompts(3);
    let filter = ParticleFilter::new(16, 4).unwrap();
    let mut seen = Vec::new();
    let mut watch = |progress: &Progress<'_>| {
        seen.push((
            progress.round,
            progress.open,
            progress.found[0].best.clone(),
        ));
        if progress.round < 2 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let budget = Budget::unbounded();
    let found = filter.run_watched(&Digits(4), &mean_digit, &prompts, budget, 1, &mut watch);
    let found = found.unwrap();
    assert_eq!(
        seen.iter()
            .map(|(round, open, _)| (*round, *open))
            .collect::<Vec<_>>(),
        [(1, 3), (2, 3)]
    );
    // The best beginning of two digits: the last thing that was seen.
    assert!(
        found
            .iter()
            .all(|one| one.cut_off && !best(one).whole && best(one).completion.len() == 2)
    );
    assert_eq!(seen[1].2.as_ref(), found[0].best.as_ref());
    let again = filter.run_watched(&Digits(4), &mean_digit, &prompts, budget, 1, &mut Unwatched);
    assert_eq!(
        again.unwrap(),
        filter
            .run(&Digits(4), &mean_digit, &prompts, budget, 1)
            .unwrap()
    );
}

#[test]
fn a_vote_that_is_sure_ends_early() {
    let last = |_: &[u32], one: &Completion| Some(*one.tokens().first()? < 9);
    let sure = SelfConsistency::new(64).unwrap().with_at_once(1).unwrap();
    let sure = sure.with_confidence(0.95).unwrap();
    let found = sure
        .run(&Digits(1), &last, &prompts(50), Budget::unbounded(), 2)
        .unwrap();
    let mean: f64 = found.iter().map(|one| one.spent.calls as f64 / 50.0).sum();
    assert!((4.0..12.0).contains(&mean), "{mean}");
    assert!(
        found
            .iter()
            .all(|one| best(one).score > 0.5 && !one.cut_off)
    );
    let nothing = |_: &[u32], _: &Completion| None::<u32>;
    let found = sure
        .run(&Digits(1), &nothing, &prompts(2), Budget::unbounded(), 2)
        .unwrap();
    assert!(
        found
            .iter()
            .all(|one| one.best.is_none() && one.spent.calls == 64)
    );
    let enough = BestOfN::new(200)
        .unwrap()
        .with_at_once(1)
        .unwrap()
        .with_enough(0.9)
        .unwrap();
    let found = enough
        .run(
            &Digits(1),
            &mean_digit,
            &prompts(50),
            Budget::unbounded(),
            2,
        )
        .unwrap();
    assert!(
        found
            .iter()
            .all(|one| best(one).score >= 0.9 && one.spent.calls < 200)
    );
}

/// A way of an earlier sweep goes on beside the others: what was found is never lost, and costs nothing again.
#[test]
fn sweeps_of_particle_gibbs_keep_a_way() {
    let prompts = prompts(30);
    let one = ParticleFilter::new(4, 4).unwrap();
    let many = one.with_sweeps(6, 1).unwrap();
    let run = |filter: ParticleFilter| {
        let found = filter.run(&Digits(4), &mean_digit, &prompts, Budget::unbounded(), 3);
        found.unwrap()
    };
    for (one, many) in run(one).iter().zip(&run(many)) {
        assert!(best(many).score >= best(one).score);
        assert_eq!((one.spent.calls, many.spent.calls), (16, 16 + 5 * 12));
    }
}

/// A beginning of high score that leads nowhere, and a step on trial that sees it.
#[test]
fn look_ahead_sees_what_comes_next() {
    struct Forks;
    impl StepPolicy for Forks {
        fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
            let step = |one: &Beginning<'_>| {
                let mut rng = ChaCha8Rng::seed_from_u64(one.seed);
                let mut completion = one.so_far.clone();
                // Three in ten begin well; after that a step is the first one again.
                let first = completion.tokens().first().copied();
                let token = first.unwrap_or_else(|| u32::from(rng.random_range(0..10) < 3));
                completion.sampled(token, -1.0)?;
                let over = completion.len() == 3;
                Ok(Step { completion, over })
            };
            beginnings.iter().map(step).collect()
        }
    }
    let reward = |_: &[u32], text: &Completion| match (text.len(), text.tokens()[0]) {
        (1, 1) => 0.5,
        (1, _) => 0.95,
        (_, 1) => 0.99,
        _ => 0.05,
    };
    let prompts = prompts(200);
    let good = |filter: ParticleFilter| {
        let found = filter.run(&Forks, &reward, &prompts, Budget::unbounded(), 1);
        let found = found.unwrap();
        let good = found
            .iter()
            .filter(|one| best(one).completion.tokens()[0] == 1);
        (good.count(), found[0].spent.calls)
    };
    let (plain, calls) = good(ParticleFilter::new(8, 3).unwrap());
    let (ahead, more) = good(ParticleFilter::new(8, 3).unwrap().with_look_ahead());
    assert_eq!((calls, more), (24, 40));
    // 1 - .7^8 = .94 of the prompts have a good beginning at all.
    assert!(plain < 60 && ahead > 170, "{plain} {ahead}");
}

proptest! {
    /// Weights of any size: the search goes on, and its answer is one of the policy's.
    #[test]
    fn scores_at_the_ends_of_their_range(ends in proptest::collection::vec(prop_oneof![Just(0.0), Just(1.0), Just(f64::MIN_POSITIVE), 0.0..=1.0_f64], 10), seed: u64) {
        let reward = |_: &[u32], text: &Completion| text.tokens().last().map_or(0.5, |last| ends[*last as usize]);
        for when in [ResampleWhen::EveryStep, ResampleWhen::BelowEffectiveSize(0.3)] {
            let filter = ParticleFilter::new(6, 30).unwrap().with_resample_when(when).unwrap();
            let filter = filter.with_entropic_annealing().with_look_ahead();
            let found = filter.run(&Digits(30), &reward, &prompts(1), Budget::unbounded(), seed).unwrap();
            prop_assert!(best(&found[0]).whole && best(&found[0]).completion.len() == 30);
        }
    }
}

/// A model's steps are its whole answers, cut where a step ends, whatever the batch.
#[test]
fn steps_of_a_model_follow_from_their_seeds_alone() {
    let sampler = TokenSampler::new(Constant::ONE);
    let decoding = Decoding::new(sampler, 0, 12).unwrap();
    let device = Device::flex();
    let stops = |tokens: &[u32]| tokens.last() == Some(&3);
    // A tool writes two tokens after a 2: they belong to the step, and end it where the last is a 3.
    let tool = |_: &[u32], so_far: &[u32]| match so_far.last() {
        Some(2) => vec![4, 3],
        _ => Vec::new(),
    };
    let reward =
        |_: &[u32], text: &Completion| f64::from(text.tokens().iter().sum::<u32>() % 7) / 7.0;
    let prompts = [vec![1, 2], vec![3], vec![4, 4], vec![2, 2, 1], vec![1, 2]];
    let run = |batch: usize, prompts: &[Vec<u32>]| {
        let decoding = decoding.clone().with_batch(batch).unwrap();
        let policy = Steps::new(&Sums, decoding, &stops, &device).with_observer(&tool);
        let filter = ParticleFilter::new(5, 12).unwrap();
        filter
            .run(&policy, &reward, prompts, Budget::unbounded(), 9)
            .unwrap()
    };
    let found = run(512, &prompts);
    assert_eq!(found, run(1, &prompts));
    assert_eq!(found[1..3], run(3, &prompts[1..3])[..]);
    assert_eq!(found[0], found[4]);
    for one in &found {
        let text = best(one).completion.tokens();
        for (place, token) in text.iter().enumerate() {
            let tool = *token == 2 && place + 2 < text.len();
            assert!(!tool || text[place + 1..place + 3] == [4, 3], "{text:?}");
        }
        let ended = text.last() == Some(&0);
        assert!(ended || text.len() == 12, "{text:?}");
    }
    let policy = Steps::new(&Sums, decoding.clone(), &stops, &device);
    let nothing = Completion::new(End::Truncated);
    fn beginning(so_far: &Completion, seed: u64) -> Beginning<'_> {
        Beginning {
            prompt: &[1, 2],
            so_far,
            seed,
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut so_far = nothing.clone();
        loop {
            let step = policy.steps(&[beginning(&so_far, seed)]).unwrap().remove(0);
            let new = &step.completion.tokens()[so_far.len()..];
            let inner = &new[..new.len() - 1];
            assert!(
                inner.iter().all(|token| *token != 3 && *token != 0),
                "{new:?}"
            );
            so_far = step.completion;
            if step.over {
                break;
            }
            assert_eq!(so_far.tokens().last(), Some(&3));
        }
        // What is over is given back.
        let again = policy.steps(&[beginning(&so_far, seed)]).unwrap().remove(0);
        assert_eq!((&again.completion, again.over), (&so_far, true));
        seen.insert(so_far.tokens().to_vec());
    }
    assert!(seen.len() > 20);
    // The shares of first tokens are those of whole answers.
    let seeds: Vec<u64> = (0..4000).collect();
    let all: Vec<_> = seeds
        .iter()
        .map(|seed| beginning(&nothing, *seed))
        .collect();
    let whole = generate(&Sums, &[vec![1, 2]], 4000, &decoding, 1, &device).unwrap();
    let steps = policy.steps(&all).unwrap();
    for token in 0..5 {
        let of_steps = steps
            .iter()
            .filter(|one| one.completion.tokens()[0] == token)
            .count();
        let of_whole = whole
            .iter()
            .filter(|(_, one)| one.tokens()[0] == token)
            .count();
        let far = (of_steps as f64 - of_whole as f64).abs();
        assert!(far < 5.0 * 45.0, "{token} {of_steps} {of_whole}");
    }
}

/// The reasoning tree of the specification: a first step is good, a trap or neither; good ones die by .25 a step, and a trap's score is high for
/// as long as less than .4 of the steps are done.
struct Reasoning {
    trap: f64,
    score: f64,
}

const GOOD: u32 = 1;
const TRAP: u32 = 2;
const DEAD: u32 = 3;
const LENGTH: usize = 10;

impl StepPolicy for Reasoning {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
        let step = |one: &Beginning<'_>| {
            let mut rng = ChaCha8Rng::seed_from_u64(one.seed);
            let u: f64 = rng.random();
            let token = match one.so_far.tokens().last() {
                None if u < 0.3 => GOOD,
                None if u < 0.3 + self.trap => TRAP,
                Some(&GOOD) if u >= 0.25 => GOOD,
                Some(&TRAP) => TRAP,
                _ => DEAD,
            };
            let mut completion = one.so_far.clone();
            completion.sampled(token, -1.0)?;
            let over = completion.len() == LENGTH;
            Ok(Step { completion, over })
        };
        beginnings.iter().map(step).collect()
    }
}

/// The score of a state with noise of .5 on its log-odds, by the text and a counter: drawn anew for each text.
struct Noisy<'a>(&'a Reasoning, std::cell::RefCell<ChaCha8Rng>);

impl ProcessReward for Noisy<'_> {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Result<Vec<f64>> {
        let mut rng = self.1.borrow_mut();
        let score = |(_, text): &(&[u32], &Completion)| {
            let progress = text.len() as f64 / LENGTH as f64;
            let score: f64 = match text.tokens().last() {
                Some(&GOOD) => 0.60 + 0.35 * progress,
                Some(&TRAP) if progress < 0.4 => self.0.score,
                Some(&TRAP) => 0.2,
                _ => 0.3,
            };
            let noise: f64 = rng.sample(rand_distr::StandardNormal);
            let logit = (score / (1.0 - score)).ln() + 0.5 * noise;
            1.0 / (1.0 + (-logit).exp())
        };
        Ok(texts.iter().map(score).collect())
    }
}

/// The share of 600 searches whose result is good.
fn good(reasoning: &Reasoning, filter: ParticleFilter) -> f64 {
    let prompts: Vec<Vec<u32>> = (0..600).map(|one| vec![one + 1]).collect();
    let reward = Noisy(
        reasoning,
        std::cell::RefCell::new(ChaCha8Rng::seed_from_u64(7)),
    );
    let found = filter
        .run(reasoning, &reward, &prompts, Budget::unbounded(), 11)
        .unwrap();
    let good = found
        .iter()
        .filter(|one| best(one).completion.tokens().last() == Some(&GOOD));
    good.count() as f64 / 600.0
}

/// The figures of the specification within what 600 searches can tell: the rule costs nothing without a trap and helps with one; a rule by
/// progress lies between.
#[test]
fn entropic_annealing_keeps_the_good_particles() {
    let filter = |particles| ParticleFilter::new(particles, LENGTH).unwrap();
    let rule = |rule| EntropicAnnealing::default().with_rule(rule).unwrap();
    let fair = Reasoning {
        trap: 0.0,
        score: 0.9,
    };
    let trap = Reasoning {
        trap: 0.1,
        score: 0.9,
    };
    for (particles, plain, annealed) in [(4, 0.665, 0.677), (8, 0.930, 0.915), (16, 0.997, 0.995)] {
        let found = good(&fair, filter(particles));
        assert!((found - plain).abs() < 0.06, "{particles} {found}");
        let found = good(&fair, filter(particles).with_entropic_annealing());
        assert!((found - annealed).abs() < 0.06, "{particles} {found}");
    }
    let plain = good(&trap, filter(16));
    let annealed = good(&trap, filter(16).with_entropic_annealing());
    let entropy = good(
        &trap,
        filter(16).with_annealing(rule(EntropicRule::Entropy)),
    );
    let progress = good(
        &trap,
        filter(16).with_annealing(rule(EntropicRule::Progress)),
    );
    for (found, expected) in [
        (plain, 0.395),
        (annealed, 0.799),
        (entropy, 0.485),
        (progress, 0.658),
    ] {
        assert!((found - expected).abs() < 0.09, "{found} {expected}");
    }
    // Without a gate the constant is ahead under the trap, and behind where there is none.
    let constant = rule(EntropicRule::Constant(4.0))
        .with_threshold(1.0)
        .unwrap();
    let constant = filter(16).with_annealing(constant);
    assert!(good(&trap, constant) > annealed && good(&fair, constant) < 0.985);
}
