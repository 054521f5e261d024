//! What an episode of several answers shows.

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::{Result, RlRewardsError, check};
use crate::policy::Completion;

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The tokens that it was sampled after.
    pub state: Vec<u32>,
    /// The answer.
    pub answer: Completion,
    /// Its reward.
    pub reward: f64,
    /// Whether the reward was that of a success.
    pub is_right: bool,
    /// Tokens of answers that were drawn before it and refused, since the episode had them already.
    pub refused: usize,
}

/// The answers to one prompt, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Place of the prompt among the prompts.
    pub prompt: usize,
    /// Its answers.
    pub turns: Vec<Turn>,
}

impl Episode {
    /// The first turn with a right answer, from 0.
    #[must_use]
    pub fn solved_at(&self) -> Option<usize> {
        self.turns.iter().position(|turn| turn.is_right)
    }

    /// Tokens that were sampled, refused answers' included.
    #[must_use]
    pub fn count_sampled(&self) -> usize {
        let turns = self.turns.iter();
        turns
            .map(|turn| turn.answer.count_sampled().saturating_add(turn.refused))
            .fold(0, usize::saturating_add)
    }

    /// Whether one of the first `turns` answers has these tokens, an end token aside.
    pub(super) fn has(&self, answer: &Completion, turns: usize) -> bool {
        let mut before = self.turns.iter().take(turns);
        before.any(|turn| turn.answer.content() == answer.content())
    }
}

/// The share of episodes with a right answer within so many turns, 0 to 1.
///
/// # Errors
/// If there is no episode.
pub fn solved_within(episodes: &[Episode], turns: usize) -> Result<f64> {
    check_count(episodes)?;
    let solved = |one: &&Episode| one.solved_at().is_some_and(|turn| turn < turns);
    Ok(episodes.iter().filter(solved).count() as f64 / episodes.len() as f64)
}

/// Of the answers after an episode's first, the share that the episode had before; 0 where there are none.
#[must_use]
pub fn repeats(episodes: &[Episode]) -> f64 {
    let (mut later, mut repeated) = (0, 0);
    for episode in episodes {
        for (place, turn) in episode.turns.iter().enumerate().skip(1) {
            later += 1;
            repeated += usize::from(episode.has(&turn.answer, place));
        }
    }
    repeated as f64 / f64::from(later.max(1))
}

/// How answers change from one turn to the next. Run episodes to their last turn to see both
/// ([`MultiTurn::without_stop`](super::MultiTurn::without_stop)).
///
/// ```
/// use regimen_rl_rewards::recipes::Flips;
///
/// let flips = Flips::new(0.2, 0.05)?;
/// assert!((flips.right_after(0.4, 2) - 0.575).abs() < 1e-12);
/// assert!((flips.fixed_point().unwrap_or(0.0) - 0.8).abs() < 1e-12);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flips {
    to_right: f64,
    to_wrong: f64,
}

impl Flips {
    /// From the shares of wrong answers that become right, and of right ones that become wrong.
    ///
    /// # Errors
    /// If one is not within 0 to 1.
    pub fn new(to_right: f64, to_wrong: f64) -> Result<Self> {
        for (field, share) in [("to_right", to_right), ("to_wrong", to_wrong)] {
            check(field, share, (0.0..=1.0).contains(&share), "0 to 1")?;
        }
        Ok(Self { to_right, to_wrong })
    }

    /// As counted in episodes: shares of the answers of a kind that have one after them, 0 where there are none.
    #[must_use]
    pub fn of(episodes: &[Episode]) -> Self {
        // [from wrong, from right], and how many of them changed.
        let (mut from, mut flipped) = ([0_usize; 2], [0_usize; 2]);
        for episode in episodes {
            for pair in episode.turns.windows(2) {
                let kind = usize::from(pair[0].is_right);
                from[kind] += 1;
                flipped[kind] += usize::from(pair[0].is_right != pair[1].is_right);
            }
        }
        let share = |kind: usize| flipped[kind] as f64 / from[kind].max(1) as f64;
        Self {
            to_right: share(0),
            to_wrong: share(1),
        }
    }

    /// The share of wrong answers after which the next is right.
    #[must_use]
    pub fn to_right(&self) -> f64 {
        self.to_right
    }

    /// The share of right answers after which the next is wrong.
    #[must_use]
    pub fn to_wrong(&self) -> f64 {
        self.to_wrong
    }

    /// The share of right answers after so many more turns, if every turn flips alike: `p' = p (1 - to_wrong) + (1 - p) to_right`.
    #[must_use]
    pub fn right_after(&self, start: f64, turns: usize) -> f64 {
        let factor = 1.0 - self.to_right - self.to_wrong;
        let turns = i32::try_from(turns).unwrap_or(i32::MAX);
        match self.fixed_point() {
            Some(fixed) => fixed + (start - fixed) * factor.powi(turns),
            None => start,
        }
    }

    /// Where that share goes: `to_right / (to_right + to_wrong)`; none where nothing flips.
    #[must_use]
    pub fn fixed_point(&self) -> Option<f64> {
        let sum = self.to_right + self.to_wrong;
        (sum > 0.0).then(|| self.to_right / sum)
    }
}

/// What most votes are for; of the most frequent ones, that with the first vote. None without a vote.
///
/// Answers of one episode are no independent samples: compare with a vote over as many of those.
///
/// ```
/// use regimen_rl_rewards::recipes::majority;
///
/// assert_eq!(majority(&[3, 1, 1, 3, 2]), Some(&3));
/// assert_eq!(majority::<u32>(&[]), None);
/// ```
#[must_use]
pub fn majority<T: Eq + Hash>(votes: &[T]) -> Option<&T> {
    let mut counts: HashMap<&T, usize> = HashMap::new();
    for vote in votes {
        *counts.entry(vote).or_default() += 1;
    }
    let most = counts.values().max()?;
    votes.iter().find(|vote| counts[vote] == *most)
}

fn check_count(episodes: &[Episode]) -> Result<()> {
    if episodes.is_empty() {
        return Err(RlRewardsError::OutOfRange {
            field: "episodes",
            value: "none".into(),
            allowed: "one or more",
        });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::policy::End;

    fn episode(answers: &[(u32, bool)]) -> Episode {
        let turn = |(token, is_right): &(u32, bool)| {
            let mut answer = Completion::new(End::Truncated);
            answer.sampled(*token, 0.0).unwrap();
            Turn {
                state: vec![0],
                answer,
                reward: f64::from(u8::from(*is_right)),
                is_right: *is_right,
                refused: 2,
            }
        };
        Episode {
            prompt: 0,
            turns: answers.iter().map(turn).collect(),
        }
    }

    /// The check values of the specification: wrong to right .2, right to wrong .05, start .4.
    #[test]
    fn two_states() {
        let flips = Flips::new(0.2, 0.05).unwrap();
        let expected = [0.4, 0.5, 0.575, 0.631_25, 0.673_437_5, 0.705_078_125];
        for (turn, value) in expected.into_iter().enumerate() {
            assert!((flips.right_after(0.4, turn) - value).abs() < 1e-12);
        }
        assert!((flips.right_after(0.4, usize::MAX) - 0.8).abs() < 1e-12);
        let none = Flips::new(0.0, 0.0).unwrap();
        assert_eq!((none.right_after(0.3, 9), none.fixed_point()), (0.3, None));
        assert!(Flips::new(1.1, 0.0).is_err() && Flips::new(0.0, f64::NAN).is_err());
    }

    #[test]
    fn flips_and_repeats_are_counted() {
        let episodes = [
            episode(&[(1, false), (2, true), (1, false), (2, true)]),
            episode(&[(5, false), (5, false), (5, false)]),
        ];
        let flips = Flips::of(&episodes);
        assert_eq!((flips.to_right(), flips.to_wrong()), (0.5, 1.0));
        assert_eq!(repeats(&episodes), 0.8);
        assert_eq!(solved_within(&episodes, 1).unwrap(), 0.0);
        assert_eq!(solved_within(&episodes, 2).unwrap(), 0.5);
        assert_eq!(episodes[1].count_sampled(), 9);
        assert!(solved_within(&[], 2).is_err());
        assert_eq!((repeats(&[]), Flips::of(&[]).to_wrong()), (0.0, 0.0));
    }
}
