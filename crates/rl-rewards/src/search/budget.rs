//! # Budget
//!
//! What a search may spend, in one type for all of them, so that they are compared at equal cost.
//!
//! Source: Regimen's own.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// What a search may spend on one prompt: any of the four may be without a bound.
///
/// | bound | counts |
/// |---|---|
/// | `tokens` | tokens that the policy sampled |
/// | `calls` | requests to the policy: an answer, or one step of one |
/// | `scorings` | answers and beginnings that the reward looked at |
/// | `time` | since the search began, for all prompts together |
///
/// A round that would make more calls or scorings than are left is not begun. Tokens and time are known only afterwards: the round that reaches the
/// bound is the last one.
///
/// ```
/// use regimen_rl_rewards::search::Budget;
///
/// let budget = Budget::tokens(4096)?.with_calls(64)?;
/// assert!(Budget::calls(0).is_err());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Budget {
    #[serde(default)]
    tokens: Option<u64>,
    #[serde(default)]
    calls: Option<u64>,
    #[serde(default)]
    scorings: Option<u64>,
    #[serde(default)]
    time: Option<Duration>,
}
checked_serde!(Budget);

impl Budget {
    /// Without a bound: a search ends by its own settings.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// So many sampled tokens.
    ///
    /// # Errors
    /// If it is 0.
    pub fn tokens(tokens: u64) -> Result<Self> {
        Self::default().with_tokens(tokens)
    }

    /// So many requests to the policy.
    ///
    /// # Errors
    /// If it is 0.
    pub fn calls(calls: u64) -> Result<Self> {
        Self::default().with_calls(calls)
    }

    /// So long.
    ///
    /// # Errors
    /// If it is 0.
    pub fn time(time: Duration) -> Result<Self> {
        Self::default().with_time(time)
    }

    /// And so many sampled tokens.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_tokens(self, tokens: u64) -> Result<Self> {
        let tokens = Some(tokens);
        Self { tokens, ..self }.checked()
    }

    /// And so many requests to the policy.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_calls(self, calls: u64) -> Result<Self> {
        let calls = Some(calls);
        Self { calls, ..self }.checked()
    }

    /// And so many looks of the reward.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_scorings(self, scorings: u64) -> Result<Self> {
        let scorings = Some(scorings);
        Self { scorings, ..self }.checked()
    }

    /// And so long.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_time(self, time: Duration) -> Result<Self> {
        let time = Some(time);
        Self { time, ..self }.checked()
    }

    /// Whether another round of so many calls and scorings may begin after what was spent since `start`.
    pub(super) fn allows(
        &self,
        spent: &Spent,
        [calls, scorings]: [u64; 2],
        start: Instant,
    ) -> bool {
        let within = |bound: Option<u64>, sum: u64| bound.is_none_or(|bound| sum <= bound);
        self.tokens.is_none_or(|tokens| spent.tokens < tokens)
            && within(self.calls, spent.calls.saturating_add(calls))
            && within(self.scorings, spent.scorings.saturating_add(scorings))
            && self.time.is_none_or(|time| start.elapsed() < time)
    }

    /// Answers that are left, each a call and, where it is `scored`, a scoring.
    pub(super) fn answers_left(&self, spent: &Spent, scored: bool) -> usize {
        let left = |bound: Option<u64>, sum: u64| {
            bound.map_or(usize::MAX, |bound| bound.saturating_sub(sum) as usize)
        };
        let calls = left(self.calls, spent.calls);
        if scored {
            calls.min(left(self.scorings, spent.scorings))
        } else {
            calls
        }
    }
}

impl Checked for Budget {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, bound) in [
            ("tokens", self.tokens),
            ("calls", self.calls),
            ("scorings", self.scorings),
        ] {
            check(
                field,
                bound.unwrap_or(1) as f64,
                bound != Some(0),
                "1 or more",
            )?;
        }
        let zero = self.time.is_some_and(|time| time.is_zero());
        check("time", 0.0, !zero, "above 0")
    }
}

/// What a search spent on a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Tokens that the policy sampled, discarded ones included.
    pub tokens: u64,
    /// Requests to the policy: an answer, or one step of one.
    pub calls: u64,
    /// Answers and beginnings that the reward looked at.
    pub scorings: u64,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.calls = self.calls.saturating_add(more.calls);
        self.scorings = self.scorings.saturating_add(more.scorings);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_round_begins_only_where_all_of_it_is_allowed() {
        let spent = Spent {
            tokens: 10,
            calls: 4,
            scorings: 2,
        };
        let start = Instant::now();
        let allows = |budget: Budget, round| budget.allows(&spent, round, start);
        assert!(allows(Budget::unbounded(), [1 << 60, 1 << 60]));
        assert!(allows(Budget::calls(6).unwrap(), [2, 9]));
        assert!(!allows(Budget::calls(5).unwrap(), [2, 0]));
        assert!(allows(Budget::tokens(11).unwrap(), [2, 0]));
        assert!(!allows(Budget::tokens(10).unwrap(), [0, 0]));
        let scorings = Budget::unbounded().with_scorings(3).unwrap();
        assert!(allows(scorings, [5, 1]) && !allows(scorings, [0, 2]));
        let long_ago = start.checked_sub(Duration::from_secs(5)).unwrap();
        let short = Budget::time(Duration::from_secs(1)).unwrap();
        assert!(!short.allows(&spent, [0, 0], long_ago));
        assert!(
            short
                .with_time(Duration::from_secs(60))
                .unwrap()
                .allows(&spent, [0, 0], long_ago)
        );
    }
}
