//! Which tokens of padded responses count.

use crate::error::{Result, RlRewardsError, check};

/// The tokens of each response that the policy chose: `[responses, tokens]`, row by row.
///
/// The end token counts: it is in the length and gets a gradient. Padding, the prompt and what a tool wrote do not. A truncated
/// response has no end token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    mask: Vec<bool>,
    tokens: usize,
}

impl TokenMask {
    /// From `[responses, tokens]`, row by row.
    ///
    /// # Errors
    /// If there is no token, or `tokens` does not divide their number.
    pub fn new(mask: Vec<bool>, tokens: usize) -> Result<Self> {
        let good = tokens > 0 && !mask.is_empty() && mask.len().is_multiple_of(tokens);
        check(
            "tokens",
            tokens as f64,
            good,
            "a divisor of the mask's length",
        )?;
        Ok(Self { mask, tokens })
    }

    /// Responses of so many tokens, padded on the right to `tokens`.
    ///
    /// # Errors
    /// If a response is longer, there is none, or the mask would have more than 2^31 places.
    pub fn of_lengths(lengths: &[usize], tokens: usize) -> Result<Self> {
        let longest = lengths.iter().max().copied().unwrap_or(0);
        check(
            "lengths",
            longest as f64,
            longest <= tokens,
            "up to `tokens`",
        )?;
        let places = lengths.len().checked_mul(tokens).filter(|n| *n <= 1 << 31);
        if places.is_none() {
            return Err(RlRewardsError::OutOfRange {
                field: "tokens",
                value: tokens.to_string(),
                allowed: "up to 2^31 places in all",
            });
        }
        let row = |length: &usize| {
            let length = *length;
            (0..tokens).map(move |t| t < length)
        };
        Self::new(lengths.iter().flat_map(row).collect(), tokens)
    }

    /// The tokens of a padded row.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The number of responses.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.mask.len() / self.tokens
    }

    /// Row by row.
    #[must_use]
    pub fn values(&self) -> &[bool] {
        &self.mask
    }

    /// How many tokens of each response count.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        let count = |row: &[bool]| row.iter().filter(|valid| **valid).count();
        self.mask.chunks(self.tokens).map(count).collect()
    }

    /// Refuses a matrix of another size, or one whose unmasked values are not all finite.
    pub(super) fn check(&self, field: &'static str, values: &[f64]) -> Result<()> {
        if values.len() != self.mask.len() {
            return Err(RlRewardsError::OutOfRange {
                field,
                value: format!("{} values for {} places", values.len(), self.mask.len()),
                allowed: "one for each place of the mask",
            });
        }
        let mut valid = values.iter().zip(&self.mask).filter(|(_, valid)| **valid);
        match valid.find(|(value, _)| !value.is_finite()) {
            Some((value, _)) => check(field, *value, false, "finite"),
            None => Ok(()),
        }
    }

    /// What a recursion from the last token to the first leaves at each place; 0 where the mask is, which keeps the state as it is.
    pub(super) fn backwards<S: Clone>(
        &self,
        start: S,
        mut step: impl FnMut(&mut S, usize) -> f64,
    ) -> Vec<f64> {
        let mut values = vec![0.0; self.mask.len()];
        for row in 0..self.responses() {
            let mut state = start.clone();
            for at in (row * self.tokens..(row + 1) * self.tokens).rev() {
                if self.mask[at] {
                    values[at] = step(&mut state, at);
                }
            }
        }
        values
    }
}
