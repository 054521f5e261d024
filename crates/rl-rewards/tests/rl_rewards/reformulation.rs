//! Guided responses in groups that failed.

use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use regimen_rl_rewards::policy::{
    Completion, End, Rollout, Rollouts, SamplePolicy, ScorePolicy, Sequences, generate,
};
use regimen_rl_rewards::{
    Advantage, Deviation, Groups, Grpo, Guidance, GuidedRatio, Placement, Reformulated,
    Reformulation, Result, RlRewardsError,
};

use super::policy::{Sums, decoding};

/// Writes the token that its prompt ends with, twice.
struct Copies;

fn two(token: u32) -> Completion {
    let mut completion = Completion::new(End::Truncated);
    completion.sampled(token, -0.25).unwrap();
    completion.sampled(token, -0.5).unwrap();
    completion
}

impl SamplePolicy for Copies {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, _seed: u64) -> Result<Rollouts> {
        let of = |(prompt, tokens): (usize, &Vec<u32>)| {
            let completion = two(*tokens.last().unwrap());
            vec![Rollout { prompt, completion }; samples]
        };
        Rollouts::new(
            prompts.to_vec(),
            prompts.iter().enumerate().flat_map(of).collect(),
        )
    }
}

/// Groups of these sizes with these numbers of successes, at the front of a group; a prompt is its number.
fn groups(sizes: &[(usize, usize)]) -> (Rollouts, Vec<f64>) {
    let prompts = (0..sizes.len()).map(|prompt| vec![prompt as u32 + 50]);
    let (mut rollouts, mut rewards) = (Vec::new(), Vec::new());
    for (prompt, (size, right)) in sizes.iter().enumerate() {
        for member in 0..*size {
            let completion = two(90 + member as u32);
            rollouts.push(Rollout { prompt, completion });
            rewards.push(f64::from(u8::from(member < *right)));
        }
    }
    (Rollouts::new(prompts.collect(), rollouts).unwrap(), rewards)
}

/// Guidance for every prompt ends with its number, which is right but for prompt 2.
fn rescued(recipe: Reformulation, sizes: &[(usize, usize)]) -> Reformulated {
    let (rollouts, rewards) = groups(sizes);
    let guide = |prompt: usize| Some(vec![prompt as u32 + 50, 7, prompt as u32]);
    let verify = |prompt: usize, one: &Completion| {
        Ok(f64::from(u8::from(
            prompt != 2 && one.tokens()[0] == prompt as u32,
        )))
    };
    recipe
        .rescue(rollouts, rewards, guide, &Copies, 3, verify)
        .unwrap()
}

#[test]
fn only_groups_without_a_success_are_touched_and_half_of_them_is_replaced() {
    let sizes = [(4, 1), (4, 0), (4, 0), (3, 0)];
    let mixed = rescued(Reformulation::default(), &sizes);
    let (before, rewards) = groups(&sizes);
    assert_eq!(mixed.rollouts().prompts(), before.prompts(), "unguided");
    let guided: Vec<usize> = (0..15).filter(|place| mixed.guided()[*place]).collect();
    // Half of three, rounded, is two.
    assert_eq!(guided, [4, 5, 8, 9, 12, 13]);
    for (place, rollout) in mixed.rollouts().rollouts().iter().enumerate() {
        let old = &before.rollouts()[place];
        assert_eq!(rollout.prompt, old.prompt);
        let is_guided = mixed.guided()[place];
        assert_eq!(rollout.completion == old.completion, !is_guided);
        let right = is_guided && rollout.prompt != 2;
        let expected = if right { 1.0 } else { rewards[place] };
        assert_eq!(mixed.rewards()[place], expected);
    }
    let counts = mixed.rescued();
    assert_eq!((counts.groups, counts.failed, counts.guided), (4, 3, 3));
    assert_eq!((counts.rescued, counts.responses, counts.right), (2, 6, 4));
    assert_eq!(counts.tokens, 12);
    let advantages = Grpo::default()
        .advantages(&mixed.groups().unwrap())
        .unwrap();
    assert_eq!(advantages.no_signal().uniform, 1, "that of prompt 2");
}

#[test]
fn guided_responses_may_stand_next_to_the_others() {
    let recipe = Reformulation::default().with_placement(Placement::Add);
    let mixed = rescued(recipe.with_share(0.25).unwrap(), &[(4, 0), (1, 0), (2, 2)]);
    let prompts = mixed.rollouts().rollouts().iter().map(|one| one.prompt);
    assert_eq!(prompts.collect::<Vec<_>>(), [0, 0, 0, 0, 1, 2, 2, 0, 1]);
    assert_eq!(mixed.rewards()[7..], [1.0, 1.0]);
    assert_eq!(mixed.guided().iter().filter(|is| **is).count(), 2);
}

/// With the whole group as its share one unguided failure stays: there is a signal. A group of one is left as it is.
#[test]
fn an_unguided_failure_stays() {
    let recipe = Reformulation::default().with_share(1.0).unwrap();
    let mixed = rescued(recipe, &[(4, 0), (1, 0)]);
    assert_eq!(mixed.rewards(), [1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(mixed.rescued().guided, 1);
    assert_eq!([0, 1, 2, 9].map(|size| recipe.guided(size)), [0, 0, 1, 8]);
    let half = Reformulation::default();
    assert_eq!([1, 2, 3, 8].map(|size| half.guided(size)), [0, 1, 2, 4]);
    let added = half.with_placement(Placement::Add);
    assert_eq!([0, 1, 2, 8].map(|size| added.guided(size)), [0, 1, 1, 4]);
}

#[test]
fn a_prompt_without_an_expert_is_left_as_it_is() {
    let (rollouts, rewards) = groups(&[(2, 0), (2, 0)]);
    let guide = |prompt: usize| (prompt == 1).then(|| vec![1]);
    let recipe = Reformulation::default();
    let verify = |_: usize, _: &Completion| Ok(1.0);
    let mixed = recipe.rescue(rollouts, rewards, guide, &Copies, 0, verify);
    assert_eq!(mixed.unwrap().rewards(), [0.0, 0.0, 1.0, 0.0]);
}

/// Rewards with partial credit: what is below the mark has failed.
#[test]
fn failure_may_be_above_zero() {
    let recipe = Reformulation::default().with_failure(0.2).unwrap();
    let rewards = Groups::of_size(vec![0.1, 0.2, 0.1, 0.3, -1.0, 0.0], 2).unwrap();
    assert_eq!(recipe.failed(&rewards), [0, 2]);
    assert_eq!(Reformulation::default().failed(&rewards), [2]);
}

#[test]
fn what_cannot_be_mixed_is_refused() {
    let recipe = Reformulation::default();
    let verify = |_: usize, _: &Completion| Ok(1.0);
    let of = |rewards: Vec<f64>, guided: Vec<u32>, reward: f64| {
        let (rollouts, _) = groups(&[(2, 0)]);
        let verify = |_: usize, _: &Completion| Ok(reward);
        recipe.rescue(
            rollouts,
            rewards,
            |_| Some(guided.clone()),
            &Copies,
            0,
            verify,
        )
    };
    assert!(of(vec![0.0], vec![1], 1.0).is_err());
    assert!(of(vec![0.0, f64::NAN], vec![1], 1.0).is_err());
    assert!(of(vec![0.0, 0.0], vec![1], f64::INFINITY).is_err());
    assert!(of(vec![0.0, 0.0], vec![1], 1.0).is_ok());
    // A policy that samples fewer than it is asked for.
    struct Lazy;
    impl SamplePolicy for Lazy {
        fn sample(&self, prompts: &[Vec<u32>], _: usize, seed: u64) -> Result<Rollouts> {
            Copies.sample(prompts, 1, seed)
        }
    }
    let (rollouts, rewards) = groups(&[(4, 0)]);
    let mixed = recipe.rescue(rollouts, rewards, |_| Some(vec![1]), &Lazy, 0, verify);
    assert!(mixed.unwrap_err().to_string().contains("guided responses"));
    for share in [0.0, -1.0, 1.1, f64::NAN] {
        assert!(recipe.with_share(share).is_err());
    }
    assert!(recipe.with_failure(f64::INFINITY).is_err());
    // The verifier's own error.
    let (rollouts, rewards) = groups(&[(2, 0)]);
    let broken = |_: usize, _: &Completion| Err(RlRewardsError::NotFinite { what: "test" });
    let mixed = recipe.rescue(rollouts, rewards, |_| Some(vec![1]), &Copies, 0, broken);
    assert!(mixed.is_err());
}

/// A policy that is a model of the next token.
struct Model;

impl SamplePolicy for Model {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        generate(&Sums, prompts, samples, &decoding(4), seed, &Device::flex())
    }
}

/// On policy the ratio of every response is 1 before the first update; off policy that of a guided one is by what it was sampled with.
#[test]
fn the_two_ratios() {
    let rollouts = Model.sample(&[vec![1, 2], vec![3]], 4, 5).unwrap();
    for ratio in [GuidedRatio::OnPolicy, GuidedRatio::OffPolicy] {
        let recipe = Reformulation::default().with_ratio(ratio);
        let rewards = vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let guide = |_: usize| Some(vec![3, 4, 4]);
        let verify = |_: usize, _: &Completion| Ok(1.0);
        let mixed = recipe.rescue(rollouts.clone(), rewards, guide, &Model, 0, verify);
        let mixed = mixed.unwrap();
        let sequences = Sequences::new(mixed.rollouts(), 0, &Device::flex()).unwrap();
        let (now, old) = (
            Sums.log_probs(&sequences).unwrap(),
            mixed.old_log_probs(&Sums, &sequences).unwrap(),
        );
        let far = |rows: std::ops::Range<usize>, a: &Tensor<2>, b: &Tensor<2>| -> f32 {
            let part = |x: &Tensor<2>| x.clone().narrow(0, rows.start, rows.len());
            (part(a) - part(b)).abs().max().into_scalar()
        };
        // Places 4 and 5 are guided.
        assert!(far(0..4, &now, &old) < 1e-5 && far(6..8, &now, &old) < 1e-5);
        let sampled = sequences.sampler_log_probs();
        if ratio == GuidedRatio::OnPolicy {
            assert!(far(4..6, &now, &old) < 1e-6);
        } else {
            assert!(far(4..6, &sampled, &old) < 1e-6 && far(4..6, &now, &old) > 0.05);
        }
        let few = Sequences::new(&rollouts.select(&[0]).unwrap(), 0, &Device::flex());
        assert!(mixed.old_log_probs(&Sums, &few.unwrap()).is_err());
    }
}

#[test]
fn a_guided_prompt_shows_what_it_says() {
    let prompt = |guidance: Guidance| guidance.prompt("Q", "because", "5");
    let (short, long) = (
        prompt(Guidance::Answer),
        prompt(Guidance::SolutionAndAnswer),
    );
    assert!(short.starts_with("Q\n") && short.contains('5') && !short.contains("because"));
    assert!(long.contains("because") && long.contains("Answer: 5") && long.contains("own way"));
}

/// The check values of group advantages that the method rests on, with the population deviation.
#[test]
fn advantages_of_binary_rewards() {
    let grpo = Grpo::default().with_deviation(Deviation::Population);
    let grpo = grpo.with_epsilon(0.0).unwrap();
    let of = |rewards: Vec<f64>| {
        let size = rewards.len();
        let groups = Groups::of_size(rewards, size).unwrap();
        grpo.advantages(&groups).unwrap().values().to_vec()
    };
    let found = of(vec![1.0, 0.0, 0.0, 0.0]);
    for (value, expected) in found
        .iter()
        .zip([1.7320508, -0.5773503, -0.5773503, -0.5773503])
    {
        assert!((value - expected).abs() < 5e-8);
    }
    assert!(found.iter().sum::<f64>().abs() < 1e-12);
    assert_eq!(of(vec![1.0; 4]), [0.0; 4]);
    for right in 1..8_usize {
        let found = of((0..8).map(|i| f64::from(u8::from(i < right))).collect());
        let odds = (8 - right) as f64 / right as f64;
        assert!((found[0] - odds.sqrt()).abs() < 1e-12);
        assert!((found[7] + (1.0 / odds).sqrt()).abs() < 1e-12);
    }
    // The chance that a group carries no signal.
    for (size, p, expected) in [
        (8, 0.01, 0.9227446944),
        (8, 0.1, 0.4304672200),
        (16, 0.01, 0.8514577711),
    ] {
        let chance = f64::powi(p, size) + f64::powi(1.0 - p, size);
        assert!((chance - expected).abs() < 1e-10);
    }
}

proptest! {
    /// Whatever the groups: those with a success stay, sizes stay, and no group of more than one that was guided is all guided.
    #[test]
    fn groups_keep_their_sizes(
        sizes in prop::collection::vec((1_usize..9, 0_usize..3), 1..8),
        share in 0.01_f64..1.0,
    ) {
        let sizes: Vec<_> = sizes.into_iter().map(|(size, right)| (size, right.min(size))).collect();
        let mixed = rescued(Reformulation::default().with_share(share).unwrap(), &sizes);
        let groups = mixed.rollouts().groups();
        for (group, (size, right)) in groups.iter().zip(&sizes) {
            prop_assert_eq!(group.len(), *size);
            let guided = group.iter().filter(|place| mixed.guided()[**place]).count();
            prop_assert_eq!(guided == 0, *right > 0 || *size == 1);
            prop_assert!(guided < *size);
        }
    }
}
