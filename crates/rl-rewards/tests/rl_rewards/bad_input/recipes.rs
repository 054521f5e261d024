//! Absurd arguments of episodes of several answers and of learning from them.

use burn::tensor::Device;
use regimen_rl_rewards::RlRewardsError;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::recipes::{
    Episode, Example, Flips, MultiTurn, Rise, Turn, majority, repeats, solved_within,
};
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
