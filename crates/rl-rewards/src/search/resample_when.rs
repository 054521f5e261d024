//! When particles are resampled, and at which temperature.

use serde::{Deserialize, Serialize};

use super::log_weights::effective_sample_size;
use super::resampling::Resampling;
use crate::error::{Result, check};

/// The temperature of resampling by the shares of the particles and the share of the steps that is done.
pub type TemperatureRule<'a> = dyn Fn(&[f64], f64) -> f64 + 'a;

/// When particles are resampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResampleWhen {
    /// After every step.
    #[default]
    EveryStep,
    /// From this share of the steps on, 0 to 1.
    From(f64),
    /// Where the effective sample size is below this share of the particles, 0 to 1. Until then the weights of the steps are multiplied.
    BelowEffectiveSize(f64),
}

impl ResampleWhen {
    /// Whether it is time by the shares of the particles and the share of the steps that is done.
    pub(super) fn is_time(self, shares: &[f64], progress: f64) -> bool {
        match self {
            Self::EveryStep => true,
            Self::From(share) => progress >= share,
            Self::BelowEffectiveSize(share) => {
                effective_sample_size(shares) < share * shares.len() as f64
            }
        }
    }

    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::EveryStep => Ok(()),
            Self::From(share) | Self::BelowEffectiveSize(share) => {
                check("when", share, (0.0..=1.0).contains(&share), "0 to 1")
            }
        }
    }
}

/// What a sweep goes by.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) particles: usize,
    pub(super) steps: usize,
    pub(super) resampling: Resampling,
    pub(super) when: ResampleWhen,
    pub(super) temperature: &'a TemperatureRule<'a>,
    pub(super) look_ahead: bool,
    pub(super) references: usize,
}
