//! # GrowthRule
//!
//! Which inactive weights of a layer take the place of those that were dropped.
//!
//! Source: random: Mocanu et al. (arXiv 1707.04780); gradient: Evci et al. (arXiv 1911.11134); momentum: Dettmers and
//! Zettlemoyer (arXiv 1907.04840); unfired: Yildirim et al. (arXiv 2308.14831), after Liu et al. (arXiv 2102.02887).

use rand::Rng;
use rand::seq::index::sample;
use rayon::prelude::*;
use regimen_tensor::threshold;
use serde::{Deserialize, Serialize};

use super::Layer;
use crate::{PruningError, Result};

/// Which inactive weights of a layer are grown; ties by low index. A weight that the event has just dropped may
/// be grown again, and then starts at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GrowthRule {
    /// Uniformly random ones, exactly as many as are wanted.
    Random,
    /// Random ones that were never active so far, then random ones.
    Unfired,
    /// Those with the largest dense gradient, `abs(dL/dw)`, of the last batch.
    Gradient,
    /// Those with the largest momentum in the optimizer's state: `abs(m)`, and where there is a second moment,
    /// `abs(m) / (sqrt(v) + 1e-8)`. It accumulates dense gradients from one event to the next.
    Momentum,
}

impl GrowthRule {
    /// Whether the rule looks at dense gradients.
    #[must_use]
    pub fn needs_gradients(self) -> bool {
        self == Self::Gradient
    }

    /// Whether the rule looks at the optimizer's momentum.
    #[must_use]
    pub fn needs_momentum(self) -> bool {
        self == Self::Momentum
    }

    /// Whether the rule looks at what was active before.
    #[must_use]
    pub fn needs_history(self) -> bool {
        self == Self::Unfired
    }

    /// Marks exactly `count` of the inactive weights; gradient and momentum are overwritten as scratch. Random
    /// rules draw from `rng`, once a layer.
    ///
    /// # Errors
    /// If `count` exceeds the inactive weights, a score is not finite, or the layer lacks what the rule needs.
    pub fn choose(self, layer: &mut Layer, count: usize, rng: &mut impl Rng) -> Result<Vec<bool>> {
        match self {
            Self::Random => draw(&[layer.inactive()], count, rng),
            Self::Unfired => {
                has("explored.len()", layer.explored.len(), layer)?;
                let inactive = layer.inactive();
                let split = |fired: bool| -> Vec<bool> {
                    let pairs = inactive.par_iter().zip(&layer.explored);
                    pairs.map(|(off, seen)| *off && *seen == fired).collect()
                };
                draw(&[split(false), split(true)], count, rng)
            }
            Self::Gradient => {
                has("gradient.len()", layer.gradient.len(), layer)?;
                largest(&mut layer.gradient, &layer.active, count)
            }
            Self::Momentum => {
                has("momentum.len()", layer.momentum.len(), layer)?;
                largest(&mut layer.momentum, &layer.active, count)
            }
        }
    }
}

fn has(field: &'static str, found: usize, layer: &Layer) -> Result<()> {
    if found == layer.active.len() {
        return Ok(());
    }
    let allowed = format!("{}, one a weight", layer.active.len());
    Err(PruningError::range(field, found, &allowed))
}

/// The largest magnitudes of what is not active; what is active need not be finite.
fn largest(scores: &mut [f32], active: &[bool], count: usize) -> Result<Vec<bool>> {
    let pairs = scores.par_iter_mut().zip(active);
    pairs.for_each(|(score, active)| *score = if *active { 0.0 } else { score.abs() });
    let inactive: Vec<bool> = active.par_iter().map(|active| !active).collect();
    Ok(threshold::top_k_of(scores, &inactive, count)?)
}

/// Exactly `count` of the candidates, at random; a later list is drawn from when the earlier ones are used up.
fn draw(candidates: &[Vec<bool>], count: usize, rng: &mut impl Rng) -> Result<Vec<bool>> {
    let mut chosen = vec![false; candidates.first().map_or(0, Vec::len)];
    let mut left = count;
    for flags in candidates {
        let free: Vec<usize> = (0..flags.len()).filter(|i| flags[*i]).collect();
        let take = left.min(free.len());
        for index in sample(rng, free.len(), take) {
            chosen[free[index]] = true;
        }
        left -= take;
    }
    if left > 0 {
        let allowed = format!("at most {} inactive weights", count - left);
        return Err(PruningError::range("count", count, &allowed));
    }
    Ok(chosen)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn layer() -> Layer {
        let active = [1, 1, 0, 0, 0, 0, 0, 0].map(|f| f == 1).to_vec();
        let explored = [1, 1, 1, 1, 0, 1, 0, 1].map(|f| f == 1).to_vec();
        let gradient = vec![9.0, 9.0, 0.1, -0.5, 0.2, 0.0, 0.5, 0.3];
        let momentum = vec![9.0, 9.0, -4.0, 0.5, 0.2, 3.0, 0.5, 0.3];
        Layer {
            explored,
            momentum,
            ..Layer::new(vec![0.0; 8], gradient, active)
        }
    }

    fn grown(rule: GrowthRule, count: usize, seed: u64) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let flags = rule.choose(&mut layer(), count, &mut rng).unwrap();
        (0..8).filter(|i| flags[*i]).collect()
    }

    #[test]
    fn gradient_and_momentum_take_the_largest() {
        assert_eq!(grown(GrowthRule::Gradient, 3, 0), [3, 6, 7]);
        assert_eq!(grown(GrowthRule::Gradient, 1, 0), [3], "ties by low index");
        assert_eq!(grown(GrowthRule::Momentum, 2, 0), [2, 5]);
    }

    #[test]
    fn unfired_come_first_and_random_ones_fill_up() {
        for seed in 0..20 {
            assert!([vec![4], vec![6]].contains(&grown(GrowthRule::Unfired, 1, seed)));
            let four = grown(GrowthRule::Unfired, 4, seed);
            assert!(four.len() == 4 && four.contains(&4) && four.contains(&6));
            assert!(four.iter().all(|i| *i >= 2));
        }
    }

    #[test]
    fn random_is_exact_and_seeded() {
        for seed in 0..20 {
            let three = grown(GrowthRule::Random, 3, seed);
            assert!(three.len() == 3 && three.iter().all(|i| *i >= 2));
            assert_eq!(three, grown(GrowthRule::Random, 3, seed));
        }
        let all: std::collections::BTreeSet<usize> = (0..50)
            .flat_map(|s| grown(GrowthRule::Random, 1, s))
            .collect();
        assert_eq!(all.len(), 6, "every inactive weight can be drawn");
    }

    #[test]
    fn too_many_or_missing_inputs_are_errors() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for rule in [
            GrowthRule::Random,
            GrowthRule::Unfired,
            GrowthRule::Gradient,
        ] {
            assert!(rule.choose(&mut layer(), 7, &mut rng).is_err());
        }
        let mut bare = Layer::new(vec![0.0; 2], vec![], vec![true, false]);
        for rule in [
            GrowthRule::Unfired,
            GrowthRule::Gradient,
            GrowthRule::Momentum,
        ] {
            assert!(rule.choose(&mut bare, 1, &mut rng).is_err());
        }
    }
}
