//! # PerToken
//!
//! A penalty for each token beyond a free length.
//!
//! Source: the linear length penalty that is common in reinforcement learning from human feedback (Singhal et al. 2023, arXiv 2310.03716)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::response::{Response, Scorer, of_length};
use crate::error::{Result, RlRewardsError, check};
use crate::verify::Verdict;

/// `-min(rate * max(tokens - free, 0), most)`.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `rate` | | the penalty of a token, above 0 |
/// | `free` | 0 | tokens without a penalty |
/// | `most` | 1 | the largest penalty, above 0 |
///
/// ```
/// use regimen_rl_rewards::reward::PerToken;
///
/// let length = PerToken::new(0.01)?.with_free(100);
/// assert_eq!([100, 150, 1000].map(|tokens| length.penalty(tokens)), [0.0, -0.5, -1.0]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PerToken {
    rate: f64,
    free: usize,
    most: f64,
}
checked_serde!(PerToken);

impl PerToken {
    /// A penalty of each token.
    ///
    /// # Errors
    /// If it is not finite or not above 0.
    pub fn new(rate: f64) -> Result<Self> {
        Self {
            rate,
            free: 0,
            most: 1.0,
        }
        .checked()
    }

    /// Tokens without a penalty.
    #[must_use]
    pub fn with_free(self, free: usize) -> Self {
        Self { free, ..self }
    }

    /// The largest penalty.
    ///
    /// # Errors
    /// If it is not finite or not above 0.
    pub fn with_most(self, most: f64) -> Result<Self> {
        Self { most, ..self }.checked()
    }

    /// The penalty of a length, 0 or less.
    #[must_use]
    pub fn penalty(&self, tokens: usize) -> f64 {
        match tokens.saturating_sub(self.free) {
            0 => 0.0,
            beyond => -(self.rate * beyond as f64).min(self.most),
        }
    }
}

impl Checked for PerToken {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("rate", self.rate, self.rate > 0.0, "above 0")?;
        check("most", self.most, self.most > 0.0, "above 0")
    }
}

impl Scorer for PerToken {
    fn score(&self, response: &Response<'_>, _: &str) -> Verdict {
        of_length(self.penalty(response.tokens))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let length = PerToken::new(0.5).unwrap().with_most(2.0).unwrap();
        let penalty = |tokens| length.penalty(tokens);
        assert_eq!(
            [0, 1, 4, 5, usize::MAX].map(penalty),
            [0.0, -0.5, -2.0, -2.0, -2.0]
        );
        assert!(PerToken::new(0.0).is_err() && PerToken::new(f64::INFINITY).is_err());
        assert!(length.with_most(-1.0).is_err());
        assert_eq!(PerToken::new(f64::MAX).unwrap().penalty(usize::MAX), -1.0);
    }
}
