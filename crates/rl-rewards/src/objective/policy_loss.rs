//! What each token loses, from its advantage and its ratio.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::batch::TokenBatch;
use super::clip::Clip;
use super::soft_weights::{Divergence, gamma};
use super::tensors::number;
use crate::error::{Result, RlRewardsError, check};

/// The loss of a token: `A` its advantage, `rho` its ratio at the objective's [`Level`](super::Level), `lp` its log-probability.
///
/// | loss | formula |
/// |---|---|
/// | `Reinforce` | `-A lp` |
/// | `Ratio` | `-A rho` |
/// | `Clip` | `max(-A min(rho, most), -A clip(rho))`, and where `A < 0` at most `-A dual` |
/// | `Cispo` | `-sg(clip(rho)) A lp` |
/// | `CispoCap` | `-sg(min(rho, cap)) A lp` |
/// | `Sapo` | `-A (4 / tau) sigmoid(tau (rho - 1))`, `tau` by the sign of `A` |
/// | `Gmpo` | `-mean(A) exp(mean_t l_t)`, `l_t = sgn(A) min(sgn(A) d_t, sgn(A) clip(d_t, -low, high))`, the same at each token |
/// | `ClipCov` | as `Clip`, 0 at selected tokens |
/// | `KlCov` | `-A rho`, plus `coefficient abs(d_t)` at selected tokens |
/// | `Dro` | `-A lp + beta / 2 d_t^2` |
/// | `Dppo` | `-sg(min(rho, cap)) A lp`, 0 where the token's probability has moved too far to the side that `A` pushes to |
/// | `Vespo` | `-sg(exp(lambda) w^k exp(-lambda w)) A lp`, `w = exp(sum_t d_t)`, `k` and `lambda` by the sign of `A` |
///
/// `Clip`'s gradient is 0 only where the clipped branch is the larger one; at `rho = 1` it is that of `-A rho`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum PolicyLoss {
    /// The score function.
    Reinforce,
    /// The ratio without a clip.
    Ratio,
    /// PPO's, with DAPO's two ranges.
    Clip {
        /// The range of the ratio.
        clip: Clip,
        /// Dual clip: the most that a ratio counts where the advantage is below 0, above 1 (verl: 3).
        #[serde(default)]
        dual: Option<f64>,
        /// TRL's `delta`: the most that an unclipped ratio counts whatever the sign, above 1.
        #[serde(default)]
        most: Option<f64>,
    },
    /// CISPO as in verl: the ratio is a constant weight, kept in a range.
    Cispo {
        /// The range of the weight.
        clip: Clip,
    },
    /// CISPO as in TRL and its paper: the ratio is a constant weight with an absolute cap.
    CispoCap {
        /// The most that a ratio counts, above 0; about 5, not `1 + epsilon`.
        cap: f64,
    },
    /// SAPO: a soft gate in place of the clip.
    Sapo {
        /// Where the advantage is above 0 (1.0).
        positive: f64,
        /// Elsewhere (1.05).
        negative: f64,
    },
    /// GMPO: the geometric mean of clipped ratios. Whatever the level, its ratios are of tokens.
    Gmpo {
        /// How far below 0 a logarithm counts (0.4).
        low: f64,
        /// How far above 0 a logarithm counts (0.4).
        high: f64,
    },
    /// Clip-Cov: no gradient for some tokens of high covariance.
    ClipCov {
        /// The range of the ratio.
        clip: Clip,
    },
    /// KL-Cov: a penalty for the tokens of the highest covariance.
    KlCov {
        /// The weight of the penalty (1.0).
        coefficient: f64,
    },
    /// Direct reward optimisation: the score function with a quadratic pull to the old policy.
    Dro {
        /// The weight of the pull.
        beta: f64,
    },
    /// DPPO: a divergence of the sampled token in place of a range of its ratio. Its bounds are none of PPO's.
    Dppo {
        /// Of the sampled token against all others.
        divergence: Divergence,
        /// The most downwards, where the advantage is not above 0.
        low: f64,
        /// The most upwards, where the advantage is above 0.
        high: f64,
        /// The most that a ratio counts, above 0 (20).
        cap: f64,
    },
    /// VESPO: a gamma-shaped weight of the sequence's ratio, 1 at 1. Whatever the level, its ratio is that of the sequence's probability.
    Vespo {
        /// `k` where the advantage is 0 or more, and elsewhere (2, 3).
        k: [f64; 2],
        /// `lambda` of the same (3, 2).
        lambda: [f64; 2],
    },
}
checked_serde!(PolicyLoss);

impl Checked for PolicyLoss {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let above = |field, value: Option<f64>, least: f64, allowed| match value {
            Some(value) => check(field, value, value > least, allowed),
            None => Ok(()),
        };
        match *self {
            Self::Reinforce | Self::Ratio => Ok(()),
            Self::Cispo { clip } | Self::ClipCov { clip } => clip.check(),
            Self::Clip { clip, dual, most } => {
                clip.check()?;
                above("dual", dual, 1.0, "above 1")?;
                above("most", most, 1.0, "above 1")
            }
            Self::CispoCap { cap } => above("cap", Some(cap), 0.0, "above 0"),
            Self::Sapo { positive, negative } => {
                above("positive", Some(positive), 0.0, "above 0")?;
                above("negative", Some(negative), 0.0, "above 0")
            }
            Self::Gmpo { low, high } => {
                check("low", low, low >= 0.0, "0 or more")?;
                check("high", high, high >= 0.0, "0 or more")
            }
            Self::KlCov { coefficient } => {
                check("coefficient", coefficient, coefficient >= 0.0, "0 or more")
            }
            Self::Dro { beta } => check("beta", beta, beta >= 0.0, "0 or more"),
            Self::Dppo { low, high, cap, .. } => {
                check("low", low, low >= 0.0, "0 or more")?;
                check("high", high, high >= 0.0, "0 or more")?;
                above("cap", Some(cap), 0.0, "above 0")
            }
            Self::Vespo { k, lambda } => {
                let fit = |values: [f64; 2]| values.into_iter().fold(0.0_f64, f64::max);
                let good = |values: [f64; 2]| values.iter().all(|v| (0.0..=100.0).contains(v));
                check("k", fit(k), good(k), "0 to 100")?;
                check("lambda", fit(lambda), good(lambda), "0 to 100")
            }
        }
    }
}

/// What the losses are made of, clean at masked places: `[rows, tokens]`, advantages also `[rows, 1]`.
pub(super) struct Parts<'a> {
    pub(super) log_probs: &'a Tensor<2>,
    pub(super) differences: &'a Tensor<2>,
    pub(super) ratio: &'a Tensor<2>,
    pub(super) advantages: &'a Tensor<2>,
    pub(super) mask: &'a Tensor<2>,
    pub(super) batch: &'a TokenBatch,
}

/// Losses of tokens, and where a limit held above and below.
pub(super) struct Losses {
    pub(super) losses: Tensor<2>,
    pub(super) above: Option<Tensor<2, Bool>>,
    pub(super) below: Option<Tensor<2, Bool>>,
}

impl PolicyLoss {
    pub(super) fn of(self, parts: &Parts) -> Losses {
        let gain = || parts.advantages.clone().neg();
        let ratio = || parts.ratio.clone();
        let free = |losses| Losses {
            losses,
            above: None,
            below: None,
        };
        let score = |weight: Tensor<2>| weight.detach() * gain() * parts.log_probs.clone();
        match self {
            Self::Reinforce => free(gain() * parts.log_probs.clone()),
            Self::Ratio => free(gain() * ratio()),
            Self::Clip { clip, dual, most } => clipped(parts, clip, dual, most),
            Self::ClipCov { clip } => {
                let found = clipped(parts, clip, None, None);
                match &parts.batch.selected {
                    Some(selected) => Losses {
                        losses: found.losses.mask_fill(selected.clone(), 0.0),
                        ..found
                    },
                    None => found,
                }
            }
            Self::Cispo { clip } => Losses {
                losses: score(clip.of(ratio())),
                above: Some(ratio().inner().greater_elem(1.0 + clip.high())),
                below: Some(ratio().inner().lower_elem(1.0 - clip.low())),
            },
            Self::CispoCap { cap } => Losses {
                losses: score(ratio().clamp_max(cap)),
                above: Some(ratio().inner().greater_elem(cap)),
                below: None,
            },
            Self::Sapo { positive, negative } => {
                let good = number(parts.advantages.clone().greater_elem(0.0), ratio().dtype());
                let tau = good * (positive - negative) + negative;
                let gate = sigmoid((ratio() - 1.0) * tau.clone()) * (tau.recip() * 4.0);
                free(gain() * gate)
            }
            Self::Gmpo { low, high } => geometric(parts, low, high),
            Self::KlCov { coefficient } => {
                let losses = gain() * ratio();
                let penalty = parts.differences.clone().abs() * coefficient;
                free(match &parts.batch.selected {
                    Some(selected) => losses + penalty * number(selected.clone(), ratio().dtype()),
                    None => losses,
                })
            }
            Self::Dro { beta } => {
                let pull = parts.differences.clone().square() * (beta / 2.0);
                free(gain() * parts.log_probs.clone() + pull)
            }
            Self::Dppo {
                divergence,
                low,
                high,
                cap,
            } => {
                let new = parts.log_probs.clone().inner();
                let old = new.clone() - parts.differences.clone().inner();
                let [above, below] = divergence.beyond(new, old, low, high);
                let good = parts
                    .advantages
                    .clone()
                    .greater_elem(0.0)
                    .expand(above.dims());
                let above = above.bool_and(good.clone());
                let below = below.bool_and(good.bool_not());
                let out = above.clone().bool_or(below.clone());
                Losses {
                    losses: score(ratio().clamp_max(cap)).mask_fill(out, 0.0),
                    above: Some(above),
                    below: Some(below),
                }
            }
            Self::Vespo { k, lambda } => {
                let mask = parts.mask;
                free(score(gamma(
                    parts.differences,
                    mask,
                    parts.advantages,
                    k,
                    lambda,
                )))
            }
        }
    }
}

fn clipped(parts: &Parts, clip: Clip, dual: Option<f64>, most: Option<f64>) -> Losses {
    let [rows, tokens] = parts.mask.dims();
    let advantages = parts.advantages.clone().expand([rows, tokens]);
    let gain = advantages.clone().neg();
    let ratio = parts.ratio.clone();
    let capped = match most {
        Some(most) => ratio.clone().clamp_max(most),
        None => ratio.clone(),
    };
    let plain = gain.clone() * capped;
    let kept = gain.clone() * clip.of(ratio.clone()).inner();
    let over = kept.clone().greater(plain.clone().inner());
    let mut losses = plain.mask_where(over, kept);
    let bad = advantages.clone().lower_elem(0.0);
    if let Some(dual) = dual {
        let ceiling = gain * dual;
        let over = losses.clone().inner().greater(ceiling.clone());
        losses = losses.mask_where(over.bool_and(bad.clone()), ceiling);
    }
    let ratio = ratio.inner();
    let above = ratio.clone().greater_elem(1.0 + clip.high());
    let below = ratio.lower_elem(1.0 - clip.low());
    Losses {
        losses,
        above: Some(above.bool_and(advantages.greater_elem(0.0))),
        below: Some(below.bool_and(bad)),
    }
}

fn geometric(parts: &Parts, low: f64, high: f64) -> Losses {
    let [rows, tokens] = parts.mask.dims();
    let (mask, advantages) = (parts.mask, parts.advantages.clone().expand([rows, tokens]));
    let good = advantages.clone().greater_elem(0.0);
    let bad = advantages.clone().lower_elem(0.0);
    let above = parts
        .differences
        .clone()
        .inner()
        .greater_elem(high)
        .bool_and(good);
    let below = parts
        .differences
        .clone()
        .inner()
        .lower_elem(-low)
        .bool_and(bad);
    // Cut on the side that the advantage favours; nowhere else.
    let cut = parts.differences.clone().mask_fill(above.clone(), high);
    let cut = cut.mask_fill(below.clone(), -low);
    let length = mask.clone().sum_dim(1).clamp_min(1.0);
    let mean = |values: Tensor<2>| (values * mask.clone()).sum_dim(1) / length.clone();
    let losses = mean(cut).exp() * mean(advantages).neg();
    Losses {
        losses: losses.expand([rows, tokens]),
        above: Some(above),
        below: Some(below),
    }
}
