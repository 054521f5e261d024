//! # Overlong
//!
//! A soft punishment of responses that come near the limit of tokens.
//!
//! Source: DAPO (arXiv 2503.14476, equation 13)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::response::{Response, Scorer, of_length};
use crate::error::{Result, RlRewardsError, check};
use crate::verify::Verdict;

/// `min((free - tokens) / (limit - free), 0)`: 0 up to the free length, then falling to -1 at the limit, and on beyond it.
///
/// The paper's limit of 20,480 tokens with a buffer of 4,096 is `Overlong::new(16_384, 20_480)`. The formula as released has no floor; a
/// floor is [`with_floor`](Self::with_floor).
///
/// ```
/// use regimen_rl_rewards::reward::Overlong;
///
/// let overlong = Overlong::new(16_384, 20_480)?;
/// assert_eq!([1000, 18_432, 20_480].map(|tokens| overlong.penalty(tokens)), [0.0, -0.5, -1.0]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Overlong {
    free: usize,
    limit: usize,
    floor: Option<f64>,
}
checked_serde!(Overlong);

impl Overlong {
    /// Free up to `free` tokens, -1 at `limit`.
    ///
    /// # Errors
    /// If the limit is not above the free length.
    pub fn new(free: usize, limit: usize) -> Result<Self> {
        Self {
            free,
            limit,
            floor: None,
        }
        .checked()
    }

    /// The least penalty, below 0.
    ///
    /// # Errors
    /// If it is not finite or not below 0.
    pub fn with_floor(self, floor: f64) -> Result<Self> {
        Self {
            floor: Some(floor),
            ..self
        }
        .checked()
    }

    /// The penalty of a length, 0 or less.
    #[must_use]
    pub fn penalty(&self, tokens: usize) -> f64 {
        if tokens <= self.free {
            return 0.0;
        }
        let penalty = -((tokens - self.free) as f64) / (self.limit - self.free) as f64;
        self.floor.map_or(penalty, |floor| penalty.max(floor))
    }
}

impl Checked for Overlong {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let (limit, above) = (self.limit as f64, self.limit > self.free);
        check("limit", limit, above, "above the free length")?;
        let floor = self.floor.unwrap_or(-1.0);
        check("floor", floor, floor < 0.0, "below 0")
    }
}

impl Scorer for Overlong {
    fn score(&self, response: &Response<'_>, _: &str) -> Verdict {
        of_length(self.penalty(response.tokens))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    #[test]
    fn the_check_values_of_the_catalogue() {
        let overlong = Overlong::new(16_384, 20_480).unwrap();
        let penalty = |tokens| overlong.penalty(tokens);
        assert_eq!(
            [1000, 16_384, 18_432, 20_480].map(penalty),
            [0.0, 0.0, -0.5, -1.0]
        );
        assert_abs_diff_eq!(penalty(20_481), -1.000_244, epsilon = 1e-6);
        assert_eq!(overlong.with_floor(-1.0).unwrap().penalty(40_000), -1.0);
        assert!(Overlong::new(5, 5).is_err() && Overlong::new(5, 4).is_err());
        assert!(overlong.with_floor(0.0).is_err() && overlong.with_floor(f64::NAN).is_err());
        assert!(Overlong::new(0, 1).unwrap().penalty(usize::MAX).is_finite());
    }
}
