//! # SampleTemperature
//!
//! A temperature for each sample of a prompt: low for the first, higher for those after it.
//!
//! Source: "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation", arXiv 2410.02725, annealed
//! temperature. Its schedule is not public: this one is Regimen's own.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check};
use crate::policy::Rollouts;

/// Samples of prompts at a temperature, 0 for the most probable completion: prompts, samples of each, seed.
pub type TemperedPolicy<'a> = dyn Fn(f64, &[Vec<u32>], usize, u64) -> Result<Rollouts> + 'a;

/// `T_k = most (1 - rest^(k - 1))` for sample `k` from 1: 0, then towards `most`.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `most` | 1 | above 0 |
/// | `rest` | 0.5 | 0 to below 1: what is left of the way after each sample; 0 is `most` from the second sample on |
///
/// ```
/// use regimen_rl_rewards::search::SampleTemperature;
///
/// let temperature = SampleTemperature::default();
/// assert_eq!([1, 2, 3, 4, 5].map(|k| temperature.at(k)), [0.0, 0.5, 0.75, 0.875, 0.9375]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SampleTemperature {
    most: f64,
    rest: f64,
}
checked_serde!(SampleTemperature);

impl Default for SampleTemperature {
    fn default() -> Self {
        Self {
            most: 1.0,
            rest: 0.5,
        }
    }
}

impl SampleTemperature {
    /// Towards `most`, with so much of the way left after each sample.
    ///
    /// # Errors
    /// If `most` is not above 0 and up to 1e6, or `rest` not 0 to below 1.
    pub fn new(most: f64, rest: f64) -> Result<Self> {
        Self { most, rest }.checked()
    }

    /// The temperature of a sample, the first of which is 1; 0 is taken for the first.
    #[must_use]
    pub fn at(&self, sample: usize) -> f64 {
        let before = i32::try_from(sample.saturating_sub(1)).unwrap_or(i32::MAX);
        self.most * (1.0 - self.rest.powi(before))
    }
}

impl Checked for SampleTemperature {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        let good = self.most > 0.0 && self.most <= 1e6;
        check("most", self.most, good, "above 0, up to 1e6")?;
        check(
            "rest",
            self.rest,
            (0.0..1.0).contains(&self.rest),
            "0 to below 1",
        )
    }
}
