//! Advantages: the check values of the catalogue, and properties.

use proptest::prelude::*;
use regimen_rl_rewards::{
    AdaptiveKl, Advantage, Advantages, Baseline, Deviation, Gae, Gdpo, Gpg, Groups, Grpo, NoSignal,
    Opo, OptimalTokenBaseline, PassAtK, Reinforce, ReinforcePlusPlus, Remax, Returns, Rloo,
    RunningMean, Scale, TokenMask, TrustGrpo, token_rewards, whiten,
};
use regimen_schedules::{Constant, Exponential};
use regimen_tensor::Part;

#[track_caller]
fn close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= within, "{found:?} is not {expected:?}");
    }
}

fn one(rewards: &[f64]) -> Groups {
    Groups::of_size(rewards.to_vec(), rewards.len()).unwrap()
}

fn of(method: &impl Advantage, rewards: &[f64]) -> Vec<f64> {
    method.advantages(&one(rewards)).unwrap().values().to_vec()
}

fn verl() -> Grpo {
    Grpo::default().with_epsilon(1e-6).unwrap()
}

fn population() -> Grpo {
    verl().with_deviation(Deviation::Population)
}

const TWO_OF_8: [f64; 8] = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];

#[test]
fn the_values_of_the_catalogue() {
    let check = |found: Vec<f64>, right: f64, wrong: f64| {
        let expected = TWO_OF_8.map(|reward| if reward > 0.0 { right } else { wrong });
        close(&found, &expected, 5e-9);
    };
    check(of(&Rloo, &TWO_OF_8), 0.85714286, -0.28571429);
    check(of(&Grpo::default(), &TWO_OF_8), 1.61983525, -0.53994508);
    check(of(&verl(), &TWO_OF_8), 1.62018167, -0.54006056);
    check(of(&population(), &TWO_OF_8), 1.73204681, -0.57734894);
    check(of(&Grpo::dr(), &TWO_OF_8), 0.75, -0.25);
    let mean = Reinforce::new(Baseline::GroupMean).unwrap();
    check(of(&mean, &TWO_OF_8), 0.75, -0.25);
    check(of(&Gpg, &TWO_OF_8), 3.0, -1.0);
    close(&of(&Rloo, &[1.0, 0.0]), &[1.0, -1.0], 1e-12);
    close(
        &of(&Grpo::default(), &[1.0, 0.0]),
        &[0.7070068, -0.7070068],
        5e-8,
    );
}

#[test]
fn three_right_of_8() {
    let rewards = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let check = |found: Vec<f64>, right: f64, wrong: f64| {
        close(
            &found,
            &rewards.map(|r| if r > 0.0 { right } else { wrong }),
            5e-9,
        );
    };
    check(of(&Rloo, &rewards), 0.71428571, -0.42857143);
    check(of(&verl(), &rewards), 1.20761240, -0.72456744);
    check(of(&Grpo::default(), &rewards), 1.20738144, -0.72442886);
    check(of(&population(), &rewards), 1.29099178, -0.77459507);
    check(of(&Grpo::dr(), &rewards), 0.625, -0.375);
}

#[test]
fn leave_one_out_of_one_success_in_four() {
    let third = -1.0 / 3.0;
    close(
        &of(&Rloo, &[1.0, 0.0, 0.0, 0.0]),
        &[1.0, third, third, third],
        1e-12,
    );
}

#[test]
fn a_group_of_one_and_equal_rewards_are_0_and_counted() {
    let groups =
        Groups::of_prompts(vec![5.0, 0.1, 0.1, 0.1, 1.0, 0.0], &[1, 2, 2, 2, 3, 3]).unwrap();
    let lengths = groups.clone().with_lengths(vec![1, 2, 3, 4, 5, 6]).unwrap();
    let methods: [&dyn Advantage; 9] = [
        &Rloo,
        &Grpo::default(),
        &Grpo::dr(),
        &Grpo::default().with_scale(Scale::Batch),
        &Reinforce::new(Baseline::GroupMean).unwrap(),
        &Gpg,
        &Opo,
        &PassAtK::new(),
        &PassAtK::new().with_scale(1e-6).unwrap(),
    ];
    for method in methods {
        let found = method.advantages(&lengths).unwrap();
        assert_eq!(found.values()[..4], [0.0; 4]);
        assert!(found.values()[4] > 0.0);
        let expected = NoSignal {
            groups: 3,
            single: 1,
            uniform: 1,
        };
        assert_eq!(found.no_signal(), expected);
        assert!((found.no_signal().share() - 2.0 / 3.0).abs() < 1e-12);
    }
    assert_eq!(groups.informative(), [false, false, true]);
}

#[test]
fn scaled_by_the_batch() {
    let groups = Groups::of_size(vec![1.0, 0.0, 1.0, 1.0], 2).unwrap();
    let found = Grpo::default()
        .with_scale(Scale::Batch)
        .advantages(&groups)
        .unwrap();
    close(
        found.values(),
        &[0.5 / 0.5001, -0.5 / 0.5001, 0.0, 0.0],
        1e-12,
    );
}

#[test]
fn baselines_of_reinforce() {
    let groups = Groups::of_size(vec![1.0, 0.0, 1.0, 1.0], 2)
        .unwrap()
        .with_values(vec![0.5, 0.25, 0.0, 1.0])
        .unwrap();
    let of = |baseline| {
        Reinforce::new(baseline)
            .unwrap()
            .advantages(&groups)
            .unwrap()
            .values()
            .to_vec()
    };
    close(
        &of(Baseline::Constant(0.25)),
        &[0.75, -0.25, 0.75, 0.75],
        1e-12,
    );
    close(&of(Baseline::BatchMean), &[0.25, -0.75, 0.25, 0.25], 1e-12);
    close(&of(Baseline::Value), &[0.5, -0.25, 1.0, 0.0], 1e-12);
    assert!(
        Reinforce::new(Baseline::Value)
            .unwrap()
            .advantages(&one(&[1.0]))
            .is_err()
    );
}

#[test]
fn a_running_mean_goes_on_where_it_was_saved() {
    let mut mean = RunningMean::new(0.5).unwrap();
    close(
        &[mean.next(&[2.0]).unwrap(), mean.next(&[4.0]).unwrap()],
        &[0.0, 2.0],
        1e-12,
    );
    let mut other = RunningMean::new(0.5).unwrap();
    other.load(&mean.save().unwrap()).unwrap();
    // (0.25 * 2 + 0.5 * 4) / 0.75
    close(&[other.next(&[0.0]).unwrap()], &[10.0 / 3.0], 1e-12);
    assert!(
        RunningMean::new(0.6)
            .unwrap()
            .load(&mean.save().unwrap())
            .is_err()
    );
    assert!(mean.next(&[]).is_err() && mean.next(&[f64::NAN]).is_err());
}

#[test]
fn against_the_greedy_response() {
    let groups = Groups::of_prompts(vec![1.0, 0.0, 1.0], &[4, 5, 4]).unwrap();
    assert!(Remax.advantages(&groups).is_err(), "no greedy rewards");
    let found = Remax
        .advantages(&groups.with_greedy(vec![0.5, 1.0]).unwrap())
        .unwrap();
    close(found.values(), &[0.5, -1.0, 0.5], 1e-12);
}

#[test]
fn the_optimal_baseline_weighs_by_length() {
    let groups = one(&[1.0, 0.0, 0.0, 1.0])
        .with_lengths(vec![1, 2, 3, 2])
        .unwrap();
    close(
        Opo.advantages(&groups).unwrap().values(),
        &[0.625, -0.375, -0.375, 0.625],
        1e-12,
    );
}

#[test]
fn the_best_of_a_group_gets_its_lead() {
    let rewards = [0.2, 0.9, 0.5, 0.1];
    close(&of(&PassAtK::new(), &rewards), &[0.0, 0.4, 0.0, 0.0], 1e-12);
    let scaled = PassAtK::new().with_scale(1e-6).unwrap();
    close(&of(&scaled, &rewards), &[0.0, 1.1129703, 0.0, 0.0], 5e-7);
    close(&of(&PassAtK::new(), &[1.0, 0.0, 1.0]), &[0.0; 3], 0.0);
}

fn gae(gamma: f64, lambda: f64) -> Returns {
    let mask = TokenMask::of_lengths(&[3], 3).unwrap();
    Gae::new(gamma, lambda)
        .unwrap()
        .advantages(&[0.0, 0.0, 1.0], &[0.5, 0.6, 0.4], &mask)
        .unwrap()
}

#[test]
fn generalised_advantages() {
    let found = gae(1.0, 0.95);
    close(found.advantages.values(), &[0.4515, 0.37, 0.6], 1e-12);
    close(&found.returns, &[0.9515, 0.97, 1.0], 1e-12);
    close(gae(1.0, 1.0).advantages.values(), &[0.5, 0.4, 0.6], 1e-12);
    close(gae(1.0, 0.0).advantages.values(), &[0.1, -0.2, 0.6], 1e-12);
    close(
        gae(0.9, 0.8).advantages.values(),
        &[0.17824, 0.192, 0.6],
        1e-12,
    );
    let mask = TokenMask::of_lengths(&[3], 3).unwrap();
    let whitened = found.whitened(&mask).unwrap();
    close(
        whitened.advantages.values(),
        &[-0.19151314, -0.89039317, 1.08190631],
        5e-9,
    );
    close(&whitened.returns, &[0.9515, 0.97, 1.0], 1e-12);
}

#[test]
fn masked_tokens_are_as_if_they_were_not_there() {
    let gae = Gae::new(1.0, 0.95).unwrap();
    let padded = TokenMask::new(vec![true, true, false], 3).unwrap();
    let found = gae
        .advantages(&[0.0, 1.0, 0.0], &[0.0, 0.0, 100.0], &padded)
        .unwrap();
    close(found.advantages.values(), &[0.95, 1.0, 0.0], 1e-12);
    let tool = TokenMask::new(vec![true, false, true], 3).unwrap();
    for value in [50.0, f64::NAN] {
        let found = gae
            .advantages(&[0.0, value, 1.0], &[0.2, value, 0.4], &tool)
            .unwrap();
        close(found.advantages.values(), &[0.77, 0.0, 0.6], 1e-12);
        close(&found.returns, &[0.97, 0.0, 1.0], 1e-12);
    }
}

#[test]
fn the_wiring_of_ppo() {
    let mask = TokenMask::of_lengths(&[3], 3).unwrap();
    let penalties = [0.1, -0.1, 0.3].map(|d| 0.05 * d);
    let rewards = token_rewards(&[10.0], Some(&penalties), &mask).unwrap();
    close(&rewards, &[-0.005, 0.005, 9.985], 1e-12);
    let found = Gae::new(1.0, 0.95)
        .unwrap()
        .advantages(&rewards, &[4.0, 5.0, 6.0], &mask)
        .unwrap();
    close(
        found.advantages.values(),
        &[5.5462125, 4.79075, 3.985],
        1e-12,
    );
    close(&found.returns, &[9.5462125, 9.79075, 9.985], 1e-12);
    let whitened = found.whitened(&mask).unwrap();
    close(
        whitened.advantages.values(),
        &[0.98909213, 0.02146998, -1.01056211],
        5e-9,
    );
    let short = TokenMask::of_lengths(&[2, 0], 3).unwrap();
    close(
        &token_rewards(&[1.0, 7.0], None, &short).unwrap(),
        &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        0.0,
    );
}

#[test]
fn reinforce_plus_plus_whitens_returns() {
    let mask = TokenMask::of_lengths(&[2, 3], 3).unwrap();
    let rewards = token_rewards(&[1.0, 0.0], None, &mask).unwrap();
    let found = ReinforcePlusPlus::default()
        .advantages(&rewards, &mask)
        .unwrap();
    close(&found.returns, &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], 0.0);
    let low = -0.7302967;
    close(
        found.advantages.values(),
        &[1.0954451, 1.0954451, 0.0, low, low, low],
        5e-8,
    );
    let discounted = ReinforcePlusPlus::new(0.5)
        .unwrap()
        .advantages(&rewards, &mask)
        .unwrap();
    close(&discounted.returns, &[0.5, 1.0, 0.0, 0.0, 0.0, 0.0], 0.0);
}

#[test]
fn reinforce_plus_plus_with_a_baseline() {
    let mask = TokenMask::of_lengths(&[1, 2, 3, 2], 3).unwrap();
    let found = ReinforcePlusPlus::with_baseline(&one(&[1.0, 0.0, 0.0, 1.0]), &mask).unwrap();
    close(
        found.values(),
        &[1.2076147, -0.7245688, -0.7245688, 1.2076147],
        5e-8,
    );
}

#[test]
fn several_rewards_keep_their_own_spread() {
    let groups = Groups::of_size(vec![0.0; 4], 2)
        .unwrap()
        .with_lengths(vec![1, 2, 3, 4])
        .unwrap();
    let rewards = [vec![1.0, 0.0, 1.0, 1.0], vec![0.0, 100.0, 0.0, 50.0]];
    let gdpo = Gdpo::new(vec![1.0, 1.0]).unwrap();
    // Normalised: +-0.7071 each; the first group's cancel, which sums of rewards would not.
    let found = gdpo.advantages(&groups, &rewards).unwrap();
    assert!(found.values()[0].abs() < 1e-3 && found.values()[3] > 1.0);
    close(&[found.values().iter().sum()], &[0.0], 1e-12);
    let over = gdpo
        .clone()
        .over_tokens()
        .advantages(&groups, &rewards)
        .unwrap();
    let tokens: f64 = over
        .values()
        .iter()
        .zip([1.0, 2.0, 3.0, 4.0])
        .map(|(a, n)| a * n)
        .sum();
    close(&[tokens], &[0.0], 1e-9);
    assert_eq!(
        found.no_signal(),
        NoSignal {
            groups: 2,
            single: 0,
            uniform: 0
        }
    );
    assert!(gdpo.advantages(&groups, &rewards[..1]).is_err());
}

const GROUP_A: ([f64; 8], [f64; 8]) = (
    [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
    [0.9, 0.6, 0.8, 0.3, 0.5, 0.2, 0.9, 0.7],
);
const THINKING: [f64; 4] = [0.3, 0.9, 0.8, 0.7];

#[test]
fn trust_where_right_answers_are_liked_better() {
    let trust = TrustGrpo::new().with_steps(1500).unwrap().with_grpo(verl());
    let (outcomes, thinking) = (one(&GROUP_A.0), GROUP_A.1);
    let found = trust.combine(&outcomes, &thinking, 0).unwrap();
    assert_eq!(found.gamma, [1.0]);
    close(
        &found.rewards,
        &[1.27, 1.18, 0.24, 0.09, 1.15, 0.06, 0.27, 1.21],
        1e-12,
    );
    let unbiased = [
        1.047162, 0.886404, -0.792628, -1.060559, 0.832818, -1.114145, -0.739042, 0.939990,
    ];
    close(
        trust.advantages(&outcomes, &thinking, 0).unwrap().values(),
        &unbiased,
        5e-7,
    );
    let biased = [
        1.119464, 0.947606, -0.847355, -1.133785, 0.890320, -1.191071, -0.790069, 1.004892,
    ];
    let trust = trust.with_grpo(population());
    close(
        trust.advantages(&outcomes, &thinking, 0).unwrap().values(),
        &biased,
        5e-7,
    );
}

#[test]
fn less_trust_where_wrong_answers_are_liked_better() {
    let trust = TrustGrpo::new().with_steps(1500).unwrap().with_grpo(verl());
    let outcomes = one(&[1.0, 0.0, 0.0, 0.0]);
    let at = |step| trust.combine(&outcomes, &THINKING, step).unwrap();
    close(&at(0).gamma, &[0.6065306597], 5e-11);
    close(
        &at(0).rewards,
        &[1.0545877594, 0.1637632781, 0.1455673583, 0.1273714385],
        5e-11,
    );
    let found = trust.advantages(&outcomes, &THINKING, 0).unwrap();
    close(
        found.values(),
        &[1.499196, -0.459719, -0.499732, -0.539745],
        5e-7,
    );
    close(
        &[at(750).alpha, at(1500).alpha, at(500).alpha],
        &[0.1819591979, 0.1103638324, 0.2149593932],
        5e-11,
    );
    close(
        &at(750).rewards,
        &[1.033109, 0.099327, 0.088291, 0.077255],
        5e-7,
    );
    close(
        &at(1500).rewards,
        &[1.020082, 0.060245, 0.053551, 0.046857],
        5e-7,
    );
    let short = TrustGrpo::new().with_steps(500).unwrap();
    let alpha = |step| short.combine(&outcomes, &THINKING, step).unwrap().alpha;
    close(
        &[alpha(500), alpha(1500)],
        &[0.1103638324, 0.0149361205],
        5e-11,
    );
    let plain = trust
        .clone()
        .without_trust()
        .combine(&outcomes, &THINKING, 0)
        .unwrap();
    close(&plain.rewards, &[1.09, 0.27, 0.24, 0.21], 1e-12);
    // Split by outcome, not by thinking reward; fractional outcomes too.
    let found = trust
        .combine(&one(&[0.9, 0.3, 0.3, 0.3]), &THINKING, 0)
        .unwrap();
    close(
        &found.rewards,
        &[0.954588, 0.463763, 0.445567, 0.427371],
        5e-7,
    );
}

#[test]
fn uniform_outcomes_leave_nothing_but_the_thinking_reward_unless_gated() {
    let expected = [-1.646464, 0.987878, 0.548821, 0.109764];
    for (outcome, step) in [(0.0, 0), (1.0, 0), (1.0, 2000)] {
        let grpo = population().with_epsilon(0.0).unwrap();
        let trust = TrustGrpo::new().with_steps(1500).unwrap().with_grpo(grpo);
        let outcomes = one(&[outcome; 4]);
        close(
            trust
                .advantages(&outcomes, &THINKING, step)
                .unwrap()
                .values(),
            &expected,
            5e-6,
        );
        let gated = trust.clone().with_gate(0.1).unwrap();
        let found = gated.advantages(&outcomes, &THINKING, step).unwrap();
        assert_eq!(found.values(), [0.0; 4]);
        assert_eq!(found.no_signal().uniform, 1);
        assert_eq!(
            gated.combine(&outcomes, &THINKING, step).unwrap().gated,
            [true]
        );
    }
}

/// The differences that the published reward function of SophiaVL-R1 has to the paper's.
#[test]
fn the_released_reward_function_of_trust_grpo() {
    let released = TrustGrpo::released();
    let paper = TrustGrpo::new().with_steps(500).unwrap();
    // Without partial credit no wrong response is scored: all is trusted.
    let outcomes = one(&[1.0, 0.0, 0.0, 0.0]);
    let found = released.combine(&outcomes, &THINKING, 500).unwrap();
    assert_eq!((found.gamma, found.gated), (vec![1.0], vec![false]));
    close(&[found.alpha], &[0.1103638324], 5e-11);
    close(
        &found.rewards,
        &[1.0 + 0.3 * found.alpha, 0.0, 0.0, 0.0],
        1e-12,
    );
    assert!(paper.combine(&outcomes, &THINKING, 500).unwrap().gamma[0] < 1.0);
    // With partial credit as the paper's.
    let partial = one(&[0.9, 0.3, 0.3, 0.3]);
    let found = released.combine(&partial, &THINKING, 0).unwrap();
    close(
        &found.rewards,
        &[0.954588, 0.463763, 0.445567, 0.427371],
        5e-7,
    );
    // No right response: no distrust, though nothing is liked.
    let wrong = released.combine(&one(&[0.3, 0.2, 0.15]), &[0.0, 1.0, 1.0], 0);
    close(&wrong.as_ref().unwrap().rewards, &[0.3, 0.5, 0.15], 1e-12);
    assert_eq!(wrong.unwrap().gamma, [1.0]);
    // The gate, at its two bounds.
    for (outcomes, gated) in [
        ([0.9, 1.0], true),
        ([0.0, 0.1], true),
        ([0.0, 0.11], false),
        ([0.89, 1.0], false),
        ([0.0, 1.0], false),
    ] {
        let found = released.combine(&one(&outcomes), &[0.5, 1.0], 0).unwrap();
        assert_eq!(found.gated, [gated], "{outcomes:?}");
        if gated {
            assert_eq!(found.rewards, outcomes);
        }
    }
    for (wrong, right) in [(0.9, 0.1), (0.5, 0.5), (-0.1, 0.9), (0.1, 1.1)] {
        assert!(TrustGrpo::new().with_gate_beyond(wrong, right).is_err());
    }
}

#[test]
fn a_thinking_reward_fades_by_any_schedule() {
    let outcomes = one(&[1.0, 0.0, 0.0, 0.0]);
    let exponential = Exponential::new(1.0, (-1.0_f64).exp(), 1500).unwrap();
    let scheduled = TrustGrpo::new().with_fading(exponential);
    let plain = TrustGrpo::new().with_steps(1500).unwrap();
    for step in [0, 1, 750, 1500, 9000] {
        let [a, b] = [&scheduled, &plain].map(|one| {
            let found = one.combine(&outcomes, &THINKING, step).unwrap();
            found.rewards
        });
        close(&a, &b, 1e-12);
    }
    let huge = TrustGrpo::new().with_alpha(1e308).unwrap();
    let huge = huge.with_fading(Constant::new(1e308).unwrap());
    assert!(huge.combine(&outcomes, &THINKING, 0).is_err());
    let below = TrustGrpo::new().with_fading(Constant::new(-1.0).unwrap());
    assert!(below.combine(&outcomes, &THINKING, 0).is_err());
}

proptest! {
    /// `gamma` is within 1/e and 1, and continuous where both kinds are liked alike.
    #[test]
    fn trust_stays_within_its_bounds(
        rewards in prop::collection::vec((0.0_f64..=1.0, 0.0_f64..=1.0), 2..9),
        nudge in 1e-9_f64..1e-6,
    ) {
        let (outcomes, thinking): (Vec<f64>, Vec<f64>) = rewards.into_iter().unzip();
        let found = TrustGrpo::new().combine(&one(&outcomes), &thinking, 0).unwrap();
        prop_assert!((1.0 / 1.0_f64.exp()..=1.0).contains(&found.gamma[0]));
        let found = TrustGrpo::new().combine(&one(&[1.0, 0.0]), &[0.5, 0.5 + nudge], 0).unwrap();
        prop_assert!((found.gamma[0] - 1.0).abs() <= nudge + 1e-12);
    }

    /// Without weight it is `Grpo` of the outcomes.
    #[test]
    fn no_weight_leaves_the_outcomes(outcomes in prop::collection::vec(0.0_f64..=1.0, 2..9), step in 0_usize..9) {
        let trust = TrustGrpo::new().with_alpha(0.0).unwrap();
        let thinking = vec![0.7; outcomes.len()];
        let found = trust.advantages(&one(&outcomes), &thinking, step).unwrap();
        let plain = Grpo::default().advantages(&one(&outcomes)).unwrap();
        prop_assert_eq!(found.values(), plain.values());
    }
}

#[test]
fn the_coefficient_of_kl_follows_its_target() {
    let mut beta = AdaptiveKl::new(0.1, 6.0, 10_000).unwrap();
    close(&[beta.update(9.0, 256).unwrap()], &[0.100512], 1e-12);
    let mut beta = AdaptiveKl::new(0.1, 6.0, 10_000).unwrap();
    close(&[beta.update(6.3, 256).unwrap()], &[0.100128], 1e-12);
    let mut other = AdaptiveKl::new(7.0, 6.0, 10_000).unwrap();
    other.load(&beta.save().unwrap()).unwrap();
    assert_eq!(other, beta);
    assert!(beta.update(f64::NAN, 1).is_err() && beta.update(1.0, 10_001).is_err());
    assert_eq!(other, beta);
}

#[test]
fn a_baseline_of_each_token() {
    let mask = TokenMask::of_lengths(&[1, 2], 2).unwrap();
    let groups = Groups::of_size(vec![0.0; 2], 2).unwrap();
    let half = 0.5_f64.ln();
    let found = OptimalTokenBaseline
        .advantages(&groups, &[1.0, 0.0, 0.0, 0.0], &[half; 4], &[0.5; 4], &mask)
        .unwrap();
    // Weights of the first token are 1/2 each: the baseline is 1/2. The longest response's tail has none.
    close(found.advantages.values(), &[0.5, 0.0, -0.5, 0.0], 1e-7);
}

#[test]
fn rows_of_a_micro_batch() {
    let all = Advantages::of_tokens(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).unwrap();
    assert_eq!(all.rows(1..3).unwrap().values(), [3.0, 4.0, 5.0, 6.0]);
    assert_eq!(all.responses(), 3);
    assert!(all.rows(2..4).is_err());
    assert!(Advantages::of_tokens(vec![1.0; 5], 2).is_err());
}

proptest! {
    #[test]
    fn advantages_of_a_group_sum_to_0(rewards in prop::collection::vec(-9.0_f64..9.0, 2..9)) {
        let scale: f64 = rewards.iter().map(|r| r.abs()).sum();
        for found in [of(&Rloo, &rewards), of(&Grpo::dr(), &rewards), of(&Grpo::default(), &rewards), of(&Gpg, &rewards)] {
            let sum: f64 = found.iter().sum();
            prop_assert!(sum.abs() < 1e-9 * (1.0 + scale + found.iter().map(|a| a.abs()).sum::<f64>()));
        }
    }

    /// RLOO, Dr. GRPO and REINFORCE with the mean are parallel, with the ratio `n / (n - 1)`.
    #[test]
    fn leave_one_out_is_parallel_to_the_centred_rewards(rewards in prop::collection::vec(-9.0_f64..9.0, 2..9)) {
        let n = rewards.len() as f64;
        let scaled: Vec<f64> = of(&Grpo::dr(), &rewards).iter().map(|a| a * n / (n - 1.0)).collect();
        close(&of(&Rloo, &rewards), &scaled, 1e-9);
    }

    #[test]
    fn a_shift_changes_nothing_and_a_scale_little(
        rewards in prop::collection::vec(0.0_f64..1.0, 4), shift in -5.0_f64..5.0, scale in 0.1_f64..10.0,
    ) {
        let exact = Grpo::default().with_epsilon(0.0).unwrap();
        let moved: Vec<f64> = rewards.iter().map(|r| scale * r + shift).collect();
        let spread = Deviation::Unbiased.of(&rewards);
        prop_assume!(spread > 1e-3);
        close(&of(&exact, &moved), &of(&exact, &rewards), 1e-9);
    }

    /// With a share of successes `p`, a success has `sqrt((1 - p) / p)`.
    #[test]
    fn division_by_the_deviation_favours_nearly_solved_and_nearly_unsolved(right in 1_usize..8) {
        let rewards: Vec<f64> = (0..8).map(|i| f64::from(u8::from(i < right))).collect();
        let p = right as f64 / 8.0;
        let found = of(&population().with_epsilon(0.0).unwrap(), &rewards);
        prop_assert!((found[0] - ((1.0 - p) / p).sqrt()).abs() < 1e-9);
        prop_assert!((of(&Grpo::dr(), &rewards)[0] - (1.0 - p)).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_responses_changes_nothing(
        rewards in prop::collection::vec(-1.0_f64..1.0, 9), prompts in prop::collection::vec(0_u64..3, 9),
        order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let turned = |values: &[f64]| -> Vec<f64> { order.iter().map(|i| values[*i]).collect() };
        let lengths: Vec<usize> = (1..10).collect();
        let groups = Groups::of_prompts(rewards.clone(), &prompts).unwrap().with_lengths(lengths.clone()).unwrap();
        let other = Groups::of_prompts(turned(&rewards), &order.iter().map(|i| prompts[*i]).collect::<Vec<_>>()).unwrap();
        let other = other.with_lengths(order.iter().map(|i| lengths[*i]).collect()).unwrap();
        let methods: [&dyn Advantage; 6] =
            [&Rloo, &Grpo::default(), &Grpo::default().with_scale(Scale::Batch), &Gpg, &Opo, &PassAtK::new()];
        for method in methods {
            let (one, two) = (method.advantages(&groups).unwrap(), method.advantages(&other).unwrap());
            close(&turned(one.values()), two.values(), 1e-9);
            prop_assert_eq!(one.no_signal(), two.no_signal());
        }
    }

    #[test]
    fn padding_changes_no_advantage_of_tokens(
        lengths in prop::collection::vec(1_usize..5, 3), values in prop::collection::vec(-1.0_f64..1.0, 24), more in 0_usize..4,
    ) {
        let wide = 4 + more;
        let mask = TokenMask::of_lengths(&lengths, 4).unwrap();
        let padded = TokenMask::of_lengths(&lengths, wide).unwrap();
        let pad = |values: &[f64], with: f64| -> Vec<f64> {
            values.chunks(4).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(with, more))).collect()
        };
        let (rewards, values) = values.split_at(12);
        let gae = Gae::new(0.9, 0.8).unwrap();
        let one = gae.advantages(rewards, values, &mask).unwrap().whitened(&mask).unwrap();
        let two = gae.advantages(&pad(rewards, 3.0), &pad(values, f64::NAN), &padded).unwrap().whitened(&padded).unwrap();
        close(&pad(one.advantages.values(), 0.0), two.advantages.values(), 1e-9);
        close(&pad(&one.returns, 0.0), &two.returns, 1e-9);
        let plus = ReinforcePlusPlus::default();
        let one = plus.advantages(rewards, &mask).unwrap();
        let two = plus.advantages(&pad(rewards, 3.0), &padded).unwrap();
        close(&pad(one.advantages.values(), 0.0), two.advantages.values(), 1e-9);
        let whitened = whiten(rewards, &mask).unwrap();
        let count: usize = lengths.iter().sum();
        let squares: f64 = whitened.iter().map(|a| a * a).sum();
        prop_assert!((squares - (count as f64 - 1.0)).abs() < 1e-4, "{squares}");
    }
}
