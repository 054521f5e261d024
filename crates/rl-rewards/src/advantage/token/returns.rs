//! What token-level estimators answer.

use super::mask::TokenMask;
use super::whiten::whiten;
use crate::advantage::Advantages;
use crate::error::Result;

/// Advantages of tokens, and the returns that a value function is fitted to.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns {
    /// One a token, 0 where the mask is.
    pub advantages: Advantages,
    /// One a token, 0 where the mask is: `[responses, tokens]` row by row.
    pub returns: Vec<f64>,
}

impl Returns {
    /// Its advantages, [`whiten`]ed over all tokens of the step. Returns stay as they are.
    ///
    /// # Errors
    /// As [`whiten`].
    pub fn whitened(self, mask: &TokenMask) -> Result<Self> {
        let values = whiten(self.advantages.values(), mask)?;
        Ok(Self {
            advantages: Advantages::of_tokens(values, mask.tokens())?,
            ..self
        })
    }
}
