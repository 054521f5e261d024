//! # DropRule
//!
//! Which active weights of a layer make room at an event.
//!
//! Source: magnitude: Evci et al. (arXiv 1911.11134); next to zero: Mocanu et al. (arXiv 1707.04780), algorithm 2;
//! halves and first-order Taylor: Yildirim et al. (arXiv 2308.14831), after Molchanov et al. (arXiv 1906.10771).

use rayon::prelude::*;
use regimen_tensor::threshold;
use serde::{Deserialize, Serialize};

use super::Layer;
use crate::mask::density::{ceil, floor};
use crate::{PruningError, Result};

/// How a share of a layer becomes a number of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    /// `floor`, as RigL.
    Down,
    /// `ceil`, as SET, GraNet and per-task topologies.
    Up,
}

impl Rounding {
    /// `share` of `count`, rounded; never more than `count`.
    #[must_use]
    pub fn of(self, share: f64, count: usize) -> usize {
        let exact = share * count as f64;
        match self {
            Self::Down => floor(exact).min(count),
            Self::Up => ceil(exact).min(count),
        }
    }
}

/// Which active weights of a layer are dropped: all by smallest score, ties by low index.
///
/// | rule | score | how many |
/// |---|---|---|
/// | `Magnitude` | `abs(w)` | the share of the layer |
/// | `NextToZero` | `w` of the positive (or zero) ones, `-w` of the negative ones | the share of each sign |
/// | `Halves` | as `NextToZero` | half of the layer's share from each sign, the odd one positive; what a sign lacks comes from the other |
/// | `Taylor` | `(w dL/dw)^2` | the share of the layer |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DropRule {
    /// The smallest magnitudes.
    Magnitude,
    /// The share of the smallest positive and of the largest negative weights, as SET.
    NextToZero,
    /// As many positive as negative weights, those next to zero.
    Halves,
    /// The smallest first-order effect on the loss.
    Taylor,
}

impl DropRule {
    /// Whether the rule looks at dense gradients.
    #[must_use]
    pub fn needs_gradients(self) -> bool {
        self == Self::Taylor
    }

    /// Marks a `share` in 0..=1 of the active weights; the layer's weights are overwritten as scratch.
    ///
    /// # Errors
    /// If a score is not finite, or the rule needs gradients and the layer has none.
    pub fn choose(self, layer: &mut Layer, share: f64, rounding: Rounding) -> Result<Vec<bool>> {
        let count = rounding.of(share, layer.count());
        match self {
            Self::Magnitude => {
                layer.weights.par_iter_mut().for_each(|w| *w = w.abs());
                Ok(threshold::bottom_k_of(
                    &layer.weights,
                    &layer.active,
                    count,
                )?)
            }
            Self::NextToZero | Self::Halves => {
                let below = layer.weights.par_iter().map(|w| *w < 0.0).collect();
                let signs = Signs::of(&layer.active, below);
                let (positive, negative) = signs.shares(self, share, rounding);
                signs.take(layer, positive, negative)
            }
            Self::Taylor => {
                if layer.gradient.len() != layer.weights.len() {
                    let found = layer.gradient.len();
                    let allowed = format!("{}, one a weight", layer.weights.len());
                    return Err(PruningError::range("gradient.len()", found, &allowed));
                }
                let pairs = layer.weights.par_iter_mut().zip(&layer.gradient);
                pairs.for_each(|(w, g)| *w = (*w * g).powi(2));
                Ok(threshold::bottom_k_of(
                    &layer.weights,
                    &layer.active,
                    count,
                )?)
            }
        }
    }
}

/// The active weights of each sign; zero counts as positive.
pub(super) struct Signs {
    pub(super) positive: Vec<bool>,
    pub(super) negative: Vec<bool>,
}

impl Signs {
    /// Of the active weights and of the weights below zero.
    pub(super) fn of(active: &[bool], below: Vec<bool>) -> Self {
        let pairs = active.par_iter().zip(&below);
        let positive = pairs.map(|(active, below)| *active && !below).collect();
        let mut negative = below;
        let pairs = negative.par_iter_mut().zip(active);
        pairs.for_each(|(below, active)| *below &= active);
        Self { positive, negative }
    }

    /// How many of each sign go by a rule that looks at signs.
    pub(super) fn shares(&self, rule: DropRule, share: f64, rounding: Rounding) -> (usize, usize) {
        let (most, least) = (count_of(&self.positive), count_of(&self.negative));
        if rule == DropRule::NextToZero {
            return (rounding.of(share, most), rounding.of(share, least));
        }
        let count = rounding.of(share, most + least);
        let negative = (count / 2).min(least).max(count.saturating_sub(most));
        (count - negative, negative)
    }

    /// The smallest positive and the largest negative ones.
    fn take(&self, layer: &Layer, positive: usize, negative: usize) -> Result<Vec<bool>> {
        let mut low = threshold::bottom_k_of(&layer.weights, &self.positive, positive)?;
        let high = threshold::top_k_of(&layer.weights, &self.negative, negative)?;
        low.par_iter_mut().zip(high).for_each(|(a, b)| *a |= b);
        Ok(low)
    }
}

fn count_of(flags: &[bool]) -> usize {
    flags.par_iter().filter(|flag| **flag).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn dropped(rule: DropRule, share: f64) -> Vec<usize> {
        let weights = vec![0.5, -0.1, 0.2, -0.9, 0.05, -0.3, 0.7, 0.8];
        let gradient = vec![0.01, 1.0, 1.0, 0.01, 9.0, 1.0, 1.0, 1.0];
        let mut active = vec![true; 8];
        active[4] = false;
        let mut layer = Layer::new(weights, gradient, active);
        let flags = rule.choose(&mut layer, share, Rounding::Up).unwrap();
        (0..8).filter(|i| flags[*i]).collect()
    }

    #[test]
    fn each_rule_drops_its_own() {
        assert_eq!(dropped(DropRule::Magnitude, 2.0 / 7.0), [1, 2]);
        assert_eq!(dropped(DropRule::NextToZero, 0.3), [0, 1, 2]);
        assert_eq!(dropped(DropRule::Halves, 3.0 / 7.0), [0, 1, 2]);
        assert_eq!(dropped(DropRule::Taylor, 2.0 / 7.0), [0, 3]);
    }

    #[test]
    fn halves_fill_up_from_the_other_sign() {
        assert_eq!(dropped(DropRule::Halves, 1.0), [0, 1, 2, 3, 5, 6, 7]);
        let mut layer = Layer::new(vec![-1.0, -2.0, -3.0, 4.0], vec![], vec![true; 4]);
        let flags = DropRule::Halves.choose(&mut layer, 0.75, Rounding::Up);
        assert_eq!(flags.unwrap(), [true, true, false, true]);
    }

    #[test]
    fn ties_go_by_low_index_and_rounding_is_settled() {
        let mut layer = Layer::new(vec![0.5; 5], vec![], vec![true; 5]);
        let down = DropRule::Magnitude.choose(&mut layer, 0.5, Rounding::Down);
        assert_eq!(down.unwrap(), [true, true, false, false, false]);
        assert_eq!(Rounding::Up.of(0.5, 5), 3);
        assert_eq!(Rounding::Up.of(0.3, 10), 3);
    }

    #[test]
    fn taylor_without_gradients_is_an_error() {
        let mut layer = Layer::new(vec![0.5; 5], vec![], vec![true; 5]);
        let error = DropRule::Taylor.choose(&mut layer, 0.5, Rounding::Up);
        assert!(error.unwrap_err().to_string().contains("gradient.len()"));
    }
}
