//! What an advantage estimator answers, and the trait of those that give one number a response.

use std::ops::Range;

use super::groups::{Groups, check_finite, uniform};
use crate::error::{Result, RlRewardsError};

/// Gives each response one number from the rewards of its group and of the batch.
///
/// Groups of one and groups of equal rewards say nothing about which response is better: all their advantages are 0, and
/// [`Advantages::no_signal`] counts them. What does not look at groups ([`Reinforce`](super::Reinforce) with another baseline than the
/// group's mean, [`Remax`](super::Remax)) gives them advantages all the same.
pub trait Advantage {
    /// One advantage a response, in the order of the rewards.
    ///
    /// # Errors
    /// If the groups lack a column that the method needs, or an advantage is not finite because rewards are too large.
    fn advantages(&self, groups: &Groups) -> Result<Advantages>;
}

/// How many groups had nothing to learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSignal {
    /// All groups.
    pub groups: usize,
    /// Those of one response.
    pub single: usize,
    /// Those of several responses with equal rewards.
    pub uniform: usize,
}

impl NoSignal {
    /// What is known of some groups.
    pub(crate) fn of(groups: &Groups) -> Self {
        let mut found = Self {
            groups: groups.len(),
            ..Self::default()
        };
        for rewards in groups.iter() {
            if rewards.len() == 1 {
                found.single += 1;
            } else if uniform(&rewards) {
                found.uniform += 1;
            }
        }
        found
    }

    /// The share of groups without a signal, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        (self.single + self.uniform) as f64 / self.groups.max(1) as f64
    }
}

/// Advantages of some responses, one a response or one a token; constants, through which no gradient flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Advantages {
    values: Vec<f64>,
    tokens: Option<usize>,
    no_signal: NoSignal,
}

impl Advantages {
    /// One a response, of your own.
    ///
    /// # Errors
    /// If one is not finite.
    pub fn of_responses(values: Vec<f64>) -> Result<Self> {
        Self::new(values, None, NoSignal::default())
    }

    /// One a token, of your own: `[responses, tokens]` row by row, with any finite number at masked tokens.
    ///
    /// # Errors
    /// If one is not finite, or `tokens` does not divide their number.
    pub fn of_tokens(values: Vec<f64>, tokens: usize) -> Result<Self> {
        if tokens == 0 || !values.len().is_multiple_of(tokens) {
            return Err(RlRewardsError::OutOfRange {
                field: "tokens",
                value: tokens.to_string(),
                allowed: "a divisor of the number of values",
            });
        }
        Self::new(values, Some(tokens), NoSignal::default())
    }

    pub(super) fn new(
        values: Vec<f64>,
        tokens: Option<usize>,
        no_signal: NoSignal,
    ) -> Result<Self> {
        check_finite("advantages", &values)?;
        Ok(Self {
            values,
            tokens,
            no_signal,
        })
    }

    /// One a response, with what is known of the groups.
    pub(super) fn of_groups(values: Vec<f64>, groups: &Groups) -> Result<Self> {
        Self::new(values, None, NoSignal::of(groups))
    }

    /// The numbers, row by row.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The tokens of a row, if there is one number a token.
    #[must_use]
    pub fn tokens(&self) -> Option<usize> {
        self.tokens
    }

    /// The number of responses.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.values.len() / self.tokens.unwrap_or(1)
    }

    /// The groups that had nothing to learn from; all 0 for advantages that came from no groups.
    #[must_use]
    pub fn no_signal(&self) -> NoSignal {
        self.no_signal
    }

    /// The responses of a micro-batch. The counts of groups stay those of the whole step.
    ///
    /// # Errors
    /// If there are not so many responses.
    pub fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let width = self.tokens.unwrap_or(1);
        let wrong = || RlRewardsError::OutOfRange {
            field: "rows",
            value: format!("{rows:?} of {}", self.responses()),
            allowed: "rows that are there",
        };
        if rows.start > rows.end || rows.end > self.responses() {
            return Err(wrong());
        }
        let values = self.values[rows.start * width..rows.end * width].to_vec();
        Ok(Self { values, ..*self })
    }
}
