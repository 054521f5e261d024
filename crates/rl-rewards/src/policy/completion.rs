//! The tokens after a prompt.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError};

/// How a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With the end token, which is its last token.
    EndToken,
    /// It was cut off at the allowed length, and has no end token.
    Truncated,
}

/// The tokens after a prompt, in order: those that the policy sampled, and those that were observed, such as the output of a tool.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, End};
///
/// let mut completion = Completion::new(End::EndToken);
/// completion.sampled(7, -0.5)?;
/// completion.observed(3);
/// completion.sampled(1, -0.25)?;
/// assert_eq!(completion.tokens(), [7, 3, 1]);
/// assert_eq!(completion.mask().collect::<Vec<_>>(), [true, false, true]);
/// assert_eq!((completion.len(), completion.count_sampled()), (3, 2));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Completion {
    tokens: Vec<u32>,
    /// Of each token, in nats; none for an observed one.
    log_probs: Vec<Option<f32>>,
    end: End,
}
checked_serde!(Completion);

impl Completion {
    /// Without a token yet.
    #[must_use]
    pub fn new(end: End) -> Self {
        Self {
            tokens: Vec::new(),
            log_probs: Vec::new(),
            end,
        }
    }

    /// Adds a token that was sampled with this log-probability, in nats: after temperature and truncation, at most 0.
    ///
    /// # Errors
    /// If the log-probability is NaN, infinite, or above 0 by more than rounding.
    pub fn sampled(&mut self, token: u32, log_prob: f32) -> Result<()> {
        check_log_prob(log_prob)?;
        self.tokens.push(token);
        self.log_probs.push(Some(log_prob));
        Ok(())
    }

    /// Adds a token that was not sampled: context for those after it.
    pub fn observed(&mut self, token: u32) {
        self.tokens.push(token);
        self.log_probs.push(None);
    }

    /// The same tokens with another end.
    #[must_use]
    pub fn with_end(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// All tokens, the end token last where there is one.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The tokens without the end token: what a verifier reads.
    #[must_use]
    pub fn content(&self) -> &[u32] {
        match (self.end, self.tokens.split_last()) {
            (End::EndToken, Some((_, content))) => content,
            _ => &self.tokens,
        }
    }

    /// Of each token, whether it was sampled.
    pub fn mask(&self) -> impl Iterator<Item = bool> + '_ {
        self.log_probs.iter().map(Option::is_some)
    }

    /// Of each token, the log-probability with which it was sampled, in nats; none where it was observed.
    #[must_use]
    pub fn log_probs(&self) -> &[Option<f32>] {
        &self.log_probs
    }

    /// How it ended.
    #[must_use]
    pub fn end(&self) -> End {
        self.end
    }

    /// Tokens, observed ones and the end token included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens that were sampled, the end token included: its length in objectives, and its cost.
    #[must_use]
    pub fn count_sampled(&self) -> usize {
        self.log_probs.iter().flatten().count()
    }
}

impl Checked for Completion {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        if self.tokens.len() != self.log_probs.len() {
            return Err(RlRewardsError::OutOfRange {
                field: "log_probs",
                value: format!("{} of them", self.log_probs.len()),
                allowed: "one a token",
            });
        }
        let mut sampled = self.log_probs.iter().flatten();
        sampled.try_for_each(|log_prob| check_log_prob(*log_prob))
    }
}

/// Refuses a token that not every device's integers hold.
pub(super) fn check_token(field: &'static str, token: u32) -> Result<()> {
    let good = i32::try_from(token).is_ok();
    crate::error::check(field, f64::from(token), good, "up to 2^31 - 1")
}

/// A log-probability may be above 0 by what rounding of a normalised row in f32 gives.
fn check_log_prob(log_prob: f32) -> Result<()> {
    crate::error::check(
        "log_prob",
        f64::from(log_prob),
        log_prob <= 1e-3,
        "finite, at most 0",
    )
}
