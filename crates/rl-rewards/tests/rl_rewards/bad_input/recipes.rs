//! Absurd arguments of episodes of several answers and of learning from them.

use burn::tensor::Device;
use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, Sequences};
use regimen_rl_rewards::recipes::{
    Episode, Example, Flips, MultiTurn, Rise, Rlvr, Turn, majority, repeats, solved_within,
};
use regimen_rl_rewards::{RlRewardsError, TokenMask};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::policy::Sums;
use crate::recipes::Prior;

#[test]
fn several_turns() {
    let mut h = Hostile::new("rl-rewards turns");
    let turns = || MultiTurn::new(3, vec![1]);
    for n in COUNTS {
        h.input(format_args!("turns {n}"), || {
            // A policy that is right stops at once.
            let turns = MultiTurn::new(n, vec![1])?;
            turns.episodes(&Prior, &[vec![1]], 0, |_, _| 1.0).map(drop)
        });
        h.input(format_args!("tries {n}"), || {
            let turns = turns()?.with_tries(n)?;
            turns.episodes(&Prior, &[vec![1]], 0, |_, _| 0.0).map(drop)
        });
        h.input(format_args!("feedback {n}"), || {
            let token = u32::try_from(n).unwrap_or(u32::MAX);
            let turns = MultiTurn::new(2, vec![token])?.with_window(n);
            turns
                .episodes(&Prior, &[vec![1]], n as u64, |_, _| 0.0)
                .map(drop)
        });
        h.input(format_args!("within {n}"), || {
            let episode = Episode {
                prompt: n,
                turns: Vec::new(),
            };
            assert_eq!(repeats(std::slice::from_ref(&episode)), 0.0);
            let _ = Flips::of(std::slice::from_ref(&episode)).fixed_point();
            solved_within(&[episode], n).map(|share| assert_eq!(share, 0.0))
        });
    }
    for a in NUMBERS {
        h.input(format_args!("success and reward {a}"), || {
            let turns = turns()?.with_success(a)?;
            turns.episodes(&Prior, &[vec![1]], 0, |_, _| a).map(drop)
        });
        for b in NUMBERS {
            h.input(format_args!("flips {a} {b}"), || {
                let flips = Flips::new(a, b)?;
                let after = flips.right_after(0.5, usize::MAX);
                assert!((-0.001..=1.001).contains(&after), "{after}");
                Ok::<(), RlRewardsError>(())
            });
        }
    }
    h.input("no state", || {
        turns()?
            .episodes(&Prior, &[], 0, |_, _| 1.0)
            .map(|all| assert!(all.is_empty()))
    });
    assert_eq!(majority(&[f64::NAN.to_bits(), 1, 1]), Some(&1));
    h.finish();
}

#[test]
fn improved_answers() {
    let mut h = Hostile::new("rl-rewards improved answers");
    let answer = || {
        let mut answer = Completion::new(End::Truncated);
        answer.sampled(1, -0.5)?;
        Ok(answer)
    };
    let episode = |reward| {
        let turn = Turn {
            state: vec![2],
            answer: answer()?,
            reward,
            is_right: false,
            refused: usize::MAX,
        };
        Ok(Episode {
            prompt: usize::MAX,
            turns: vec![turn.clone(), turn],
        })
    };
    for n in COUNTS {
        h.input(format_args!("samples {n}"), || {
            let rise = Rise::new().with_samples(n)?;
            rise.improve(&Prior, &[episode(0.0)?], 0, |_, _| 0.0)
                .map(drop)
        });
        h.input(format_args!("fill {n}"), || {
            let example = Example {
                state: vec![u32::try_from(n).unwrap_or(u32::MAX)],
                answer: answer()?,
                reward: 1.0,
                before: Vec::new(),
                is_repeat: false,
            };
            let fill = u32::try_from(n).unwrap_or(u32::MAX);
            let rise = Rise::new();
            rise.loss(&Sums, &[], fill, &Device::flex())
                .map(drop)
                .unwrap_err();
            rise.loss(&Sums, &[example], fill % 5, &Device::flex())
                .map(drop)
        });
    }
    for a in NUMBERS {
        h.input(format_args!("reward {a}"), || {
            let rise = Rise::new().with_samples(2)?;
            rise.improve(&Prior, &[episode(a)?], 0, |_, _| a).map(drop)
        });
        for b in NUMBERS {
            h.input(format_args!("tau {a}, reward {b}"), || {
                let rise = Rise::new().with_tau(a)?;
                let finite = |rise: Rise| {
                    let weights = rise.weights(&[b, 1.0])?;
                    assert!(weights.values().iter().all(|weight| weight.is_finite()));
                    Ok::<(), RlRewardsError>(())
                };
                finite(rise.with_normalised_weights())?;
                finite(rise)
            });
        }
    }
    h.finish();
}

#[test]
fn verifiable_rewards() {
    let mut h = Hostile::new("rl-rewards verifiable rewards");
    let rollouts = || {
        let one = |end| {
            let mut completion = Completion::new(end);
            completion.sampled(1, -0.5)?;
            Ok::<_, RlRewardsError>(Rollout {
                prompt: 0,
                completion,
            })
        };
        Rollouts::new(
            vec![vec![1]],
            vec![one(End::EndToken)?, one(End::Truncated)?],
        )
    };
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("alpha {a}, unfinished {b}"), || {
                let rlvr = Rlvr::grpo().with_alpha(a)?.with_unfinished(Some(b))?;
                let rewards = rlvr.rewards(&rollouts()?, |_, _| 1.0)?;
                let found = rlvr.advantages(&rollouts()?, rewards)?;
                assert!(found.values().iter().all(|value| value.is_finite()));
                Ok::<(), RlRewardsError>(())
            });
            h.input(format_args!("beta {a}, lambda {b}"), || {
                let rlvr = Rlvr::ppo().with_beta(a)?.with_lambda(b)?;
                let mask = Rlvr::token_mask(&rollouts()?)?;
                let found = rlvr.returns(&[1.0, 0.0], &[-0.5; 2], &[-0.7; 2], &[0.0; 2], &mask)?;
                assert!(found.returns.iter().all(|value| value.is_finite()));
                Ok::<(), RlRewardsError>(())
            });
            h.input(format_args!("log-probability {a}, value {b}"), || {
                let mask = TokenMask::of_lengths(&[1], 1)?;
                let rlvr = Rlvr::ppo();
                rlvr.returns(&[1.0], &[a], &[-0.5], &[b], &mask).map(drop)
            });
        }
        h.input(format_args!("verifier {a}"), || {
            let rewards = Rlvr::grpo().rewards(&rollouts()?, |_, _| a)?;
            assert_eq!(rewards[1], 0.0);
            Rlvr::grpo().advantages(&rollouts()?, rewards).map(drop)
        });
    }
    h.input("no response", || {
        let none = Rollouts::new(vec![vec![1]], Vec::new())?;
        assert!(Rlvr::ppo().rewards(&none, |_, _| 1.0)?.is_empty());
        Rlvr::token_mask(&none).map(drop).unwrap_err();
        Rlvr::grpo().advantages(&none, Vec::new()).map(drop)
    });
    h.input("rows of other sizes", || {
        let sequences = Sequences::new(&rollouts()?, 0, &Device::flex())?;
        let mask = Rlvr::token_mask(&rollouts()?)?;
        let rlvr = Rlvr::ppo();
        for (old, values) in [(0, 2), (1, 2), (2, 1), (2, 0)] {
            let (old, values) = (vec![0.0; old], vec![0.0; values]);
            let found = rlvr.returns(&[1.0, 0.0], &old, &old, &values, &mask);
            found.map(drop).unwrap_err();
        }
        let wrong = sequences.mask().narrow(0, 0, 1);
        let advantages = rlvr.advantages(&rollouts()?, vec![1.0, 0.0])?;
        let old = (Some(wrong), None);
        rlvr.loss(&Sums, &sequences, old, &advantages).map(drop)
    });
    h.finish();
}
