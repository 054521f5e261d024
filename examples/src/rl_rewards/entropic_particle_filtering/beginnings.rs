//! Which beginnings a filter goes on with.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use regimen_rl_rewards::Result;
use regimen_rl_rewards::policy::Completion;
use regimen_rl_rewards::search::ProcessReward;

/// The beginnings of a round, by prompt, without the round's own step.
type Round = HashMap<Vec<u32>, HashSet<Vec<u32>>>;

/// A process reward that notes the texts it is asked for: a filter asks once a round, for a text of each particle that goes on.
pub(super) struct Beginnings<'a> {
    reward: &'a dyn ProcessReward,
    rounds: RefCell<Vec<Round>>,
}

impl<'a> Beginnings<'a> {
    pub(super) fn new(reward: &'a dyn ProcessReward) -> Self {
        Self {
            reward,
            rounds: RefCell::default(),
        }
    }

    /// How many different beginnings of so many steps went on: the mean over the prompts that had any.
    pub(super) fn distinct(&self, steps: usize) -> f64 {
        let rounds = self.rounds.borrow();
        rounds.get(steps).map_or(0.0, |round| {
            let count: usize = round.values().map(HashSet::len).sum();
            count as f64 / round.len().max(1) as f64
        })
    }

    /// The share, in percent, of prompts of which the right beginning went on.
    pub(super) fn kept(&self, right: &[(&[u32], &[u32])]) -> f64 {
        let rounds = self.rounds.borrow();
        let kept = right.iter().filter(|(prompt, beginning)| {
            let round = rounds.get(beginning.len());
            let own = round.and_then(|round| round.get(*prompt));
            own.is_some_and(|own| own.contains(*beginning))
        });
        100.0 * kept.count() as f64 / right.len().max(1) as f64
    }
}

impl ProcessReward for Beginnings<'_> {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Result<Vec<f64>> {
        let mut rounds = self.rounds.borrow_mut();
        let before = rounds.len();
        let mut round = Round::new();
        for (prompt, text) in texts {
            let beginning = text.tokens().iter().take(before).copied().collect();
            round.entry(prompt.to_vec()).or_default().insert(beginning);
        }
        rounds.push(round);
        self.reward.scores(texts)
    }
}

#[cfg(test)]
mod tests {
    use regimen_rl_rewards::policy::End;

    use super::*;

    #[test]
    fn beginnings_are_counted_by_round_and_prompt() -> anyhow::Result<()> {
        let text = |tokens: &[u32]| -> anyhow::Result<Completion> {
            let mut text = Completion::new(End::Truncated);
            for token in tokens {
                text.sampled(*token, 0.0)?;
            }
            Ok(text)
        };
        let one = |_: &[u32], _: &Completion| 0.5;
        let watched = Beginnings::new(&one);
        let (first, second) = ([7], [8]);
        let [a, b, c] = [text(&[1])?, text(&[2])?, text(&[2])?];
        watched.scores(&[(&first, &a), (&first, &b), (&second, &c)])?;
        let [a, b, c] = [text(&[1, 3])?, text(&[2, 3])?, text(&[2, 4])?];
        watched.scores(&[(&first, &a), (&first, &b), (&second, &c)])?;
        assert_eq!(
            [0, 1, 2].map(|steps| watched.distinct(steps)),
            [1.0, 1.5, 0.0]
        );
        let right: [(&[u32], &[u32]); 2] = [(&first, &[2]), (&second, &[1])];
        assert_eq!(watched.kept(&right), 50.0);
        Ok(())
    }
}
