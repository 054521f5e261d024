//! What a search gives, and how it tells of itself on the way.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::budget::Spent;
use crate::policy::Completion;

/// An answer that a search came upon.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text.
    pub completion: Arc<Completion>,
    /// Its score, by the rule of the search.
    pub score: f64,
    /// Whether it is whole: it ended, or was cut off at the policy's length. A search that was cut off may have nothing but beginnings.
    pub whole: bool,
}

/// The result for a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The best answer; none if the budget did not allow a single one.
    pub best: Option<Answer>,
    /// What it cost.
    pub spent: Spent,
    /// Whether the search was cut off, by its budget or by whoever watched it.
    pub cut_off: bool,
}

/// A search between two rounds.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Rounds that are over.
    pub round: usize,
    /// Prompts that are not done.
    pub open: usize,
    /// What was found for each prompt so far, in order.
    pub found: &'a [Found],
}

/// Is told of each round of a search, and may end it: what was found so far is the result.
///
/// ```
/// use std::ops::ControlFlow;
/// use regimen_rl_rewards::search::{Progress, Watch};
///
/// let mut bars = |progress: &Progress<'_>| {
///     println!("round {}: {} prompts are open", progress.round, progress.open);
///     if progress.round < 10 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// };
/// let watch: &mut dyn Watch = &mut bars;
/// ```
pub trait Watch {
    /// After a round.
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&Progress<'_>) -> ControlFlow<()>> Watch for F {
    fn round(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self(progress)
    }
}

/// Lets a search run to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn round(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Found {
    /// Nothing yet.
    pub(super) fn nothing() -> Self {
        Self {
            best: None,
            spent: Spent::default(),
            cut_off: false,
        }
    }

    /// Takes an answer in where it is better: a whole one goes ahead of a beginning, then the larger score, then the earlier one. A score that is no
    /// number is the lowest.
    pub(super) fn offer(&mut self, answer: Answer) {
        let rank = |one: &Answer| (one.whole, order(one.score));
        if self
            .best
            .as_ref()
            .is_none_or(|best| rank(&answer) > rank(best))
        {
            self.best = Some(answer);
        }
    }
}

/// A score as something with a total order, NaN below all.
fn order(score: f64) -> Ordered {
    Ordered(if score.is_nan() {
        f64::NEG_INFINITY
    } else {
        score
    })
}

#[derive(PartialEq)]
struct Ordered(f64);

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.0.total_cmp(&other.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::policy::End;

    #[test]
    fn a_whole_answer_goes_ahead_of_a_beginning() {
        let mut found = Found::nothing();
        let answer = |score, whole| Answer {
            completion: Arc::new(Completion::new(End::Truncated)),
            score,
            whole,
        };
        for (score, whole, best) in [
            (f64::NAN, false, f64::NEG_INFINITY),
            (0.9, false, 0.9),
            (0.1, true, 0.1),
            (0.8, false, 0.1),
            (0.1, true, 0.1),
            (0.2, true, 0.2),
        ] {
            found.offer(answer(score, whole));
            let score = found.best.as_ref().unwrap().score;
            assert!(score == best || score.is_nan() && best == f64::NEG_INFINITY);
        }
    }
}
