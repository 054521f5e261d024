//! # Dpo
//!
//! Direct preference optimisation, with its smoothed, robust, hinge and length-normalised forms.
//!
//! Source: DPO arXiv 2305.18290, smoothing (cDPO) its authors' note, robust arXiv 2403.00409, hinge SLiC arXiv 2305.10425, length-normalised
//! Tülu 3 arXiv 2411.15124.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, relu};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::pairs::{Pairs, Preference};
use crate::error::{Result, RlRewardsError, check};

/// What becomes of the margin `z = beta Delta`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpoLoss {
    /// `-(1 - e) log sig(z) - e log sig(-z)`; `e` = 0 is DPO.
    Smoothed(f64),
    /// `(-(1 - e) log sig(z) + e log sig(-z)) / (1 - 2 e)`: unbiased where a share `e` of the labels is flipped.
    Robust(f64),
    /// `max(0, 1 - z)`.
    Hinge,
}

/// `-log sig(beta (c - w))` and its forms.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `beta` | required; 0.1, length-normalised 5 | above 0 |
/// | `loss` | smoothed by 0 | smoothing 0 to below 0.5 |
/// | length-normalised | off | averages over tokens in place of sums |
///
/// A `beta` for sums is no `beta` for averages: multiply it by a typical length.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_rl_rewards::{Dpo, Pairs, Preference, Scored};
///
/// let scored = |sum: f32, length: f32| {
///     let tensor = |value| Tensor::<1>::from_data([value], &Device::flex());
///     Scored::new(tensor(sum), tensor(length))
/// };
/// let pairs = Pairs::new(scored(-10.0, 5.0)?, scored(-12.0, 4.0)?)?;
/// let pairs = pairs.with_reference(scored(-11.0, 5.0)?, scored(-11.5, 4.0)?)?;
/// let loss = Dpo::new(0.1)?.loss(&pairs)?.into_scalar::<f32>();
/// assert!((loss - 0.6209570478).abs() < 1e-6);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("dpo_norm", "sigmoid_norm", "SLiC"))]
pub struct Dpo {
    beta: f64,
    loss: DpoLoss,
    #[serde(default)]
    length_normalised: bool,
}
checked_serde!(Dpo);

impl Dpo {
    /// Plain DPO.
    ///
    /// # Errors
    /// If `beta` is not finite or not above 0.
    pub fn new(beta: f64) -> Result<Self> {
        Self {
            beta,
            loss: DpoLoss::Smoothed(0.0),
            length_normalised: false,
        }
        .checked()
    }

    /// Another loss of the margin.
    ///
    /// # Errors
    /// If a smoothing is not within 0 and below 0.5.
    pub fn with_loss(self, loss: DpoLoss) -> Result<Self> {
        Self { loss, ..self }.checked()
    }

    /// Averages over tokens, each response's over its own length, in place of sums.
    #[must_use]
    pub fn with_length_normalisation(self) -> Self {
        let length_normalised = true;
        Self {
            length_normalised,
            ..self
        }
    }
}

impl Checked for Dpo {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        match self.loss {
            DpoLoss::Smoothed(e) | DpoLoss::Robust(e) => check_smoothing(e),
            DpoLoss::Hinge => Ok(()),
        }
    }
}

impl Preference for Dpo {
    fn losses(&self, pairs: &Pairs) -> Result<Tensor<1>> {
        let (c, w) = pairs.scores()?;
        let margin = if self.length_normalised {
            c.means() - w.means()
        } else {
            c.sums() - w.sums()
        };
        let z = margin * self.beta;
        Ok(match self.loss {
            DpoLoss::Smoothed(e) => smoothed(z, e),
            DpoLoss::Robust(e) => {
                let (right, wrong) = (log_sigmoid(z.clone()), log_sigmoid(-z));
                (wrong * e - right * (1.0 - e)) * (1.0 / (1.0 - 2.0 * e))
            }
            DpoLoss::Hinge => hinge(z),
        })
    }
}

/// `-(1 - e) log sig(z) - e log sig(-z)`.
pub(super) fn smoothed(z: Tensor<1>, e: f64) -> Tensor<1> {
    if e == 0.0 {
        return -log_sigmoid(z);
    }
    log_sigmoid(z.clone()) * (e - 1.0) - log_sigmoid(-z) * e
}

pub(super) fn hinge(z: Tensor<1>) -> Tensor<1> {
    relu(-z + 1.0)
}

pub(super) fn check_beta(beta: f64) -> Result<()> {
    check("beta", beta, beta > 0.0, "above 0")
}

pub(super) fn check_smoothing(e: f64) -> Result<()> {
    check("smoothing", e, (0.0..0.5).contains(&e), "0 to below 0.5")
}
