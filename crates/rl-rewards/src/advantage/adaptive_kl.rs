//! # AdaptiveKl
//!
//! A KL coefficient that follows a target.
//!
//! Source: Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences", arXiv 1909.08593, section 2.2.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check, check_same};

/// `beta *= 1 + clip(KL / target - 1, -0.2, 0.2) n / horizon` after each step of `n` responses.
///
/// ```
/// use regimen_rl_rewards::AdaptiveKl;
///
/// let mut beta = AdaptiveKl::new(0.1, 6.0, 10_000)?;
/// assert!((beta.update(9.0, 256)? - 0.100512).abs() < 1e-12);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AdaptiveKl {
    beta: f64,
    target: f64,
    horizon: usize,
}
checked_serde!(AdaptiveKl);

impl AdaptiveKl {
    /// Starts at `beta`, 0 or more; `target` is above 0, `horizon` in responses and 1 or more.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn new(beta: f64, target: f64, horizon: usize) -> Result<Self> {
        Self {
            beta,
            target,
            horizon,
        }
        .checked()
    }

    /// The coefficient.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Takes up the KL of a step of so many responses and gives the next coefficient.
    ///
    /// # Errors
    /// If `kl` is NaN, or `responses` is above the horizon, from where on a step could turn the sign; nothing is taken up then.
    pub fn update(&mut self, kl: f64, responses: usize) -> Result<f64> {
        let good = responses <= self.horizon;
        check("responses", responses as f64, good, "up to the horizon")?;
        check("kl", if kl.is_nan() { kl } else { 0.0 }, true, "a number")?;
        let error = (kl / self.target - 1.0).clamp(-0.2, 0.2);
        let factor = 1.0 + error * responses as f64 / self.horizon as f64;
        self.beta = (self.beta * factor).min(f64::MAX);
        Ok(self.beta)
    }
}

impl Checked for AdaptiveKl {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("beta", self.beta, self.beta >= 0.0, "0 or more")?;
        check("target", self.target, self.target > 0.0, "above 0")?;
        check(
            "horizon",
            self.horizon as f64,
            self.horizon > 0,
            "1 or more",
        )
    }
}

impl Part for AdaptiveKl {
    fn kind(&self) -> String {
        "adaptive-kl 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("target", read.target == self.target)?;
        check_same("horizon", read.horizon == self.horizon)?;
        *self = read;
        Ok(())
    }
}
