//! An exchange of weights: some are dropped by one rule, and as many grown by another.

use rand::Rng;

use super::{DropRule, GrowthRule, Layer, Rounding};
use crate::Result;

impl Layer {
    /// Drops a `share` in 0..=1 of the active weights by one rule and grows as many by another. A layer without
    /// an inactive weight, or a frozen one, has nothing to swap. Returns how many were grown; weights, gradient and momentum are
    /// overwritten as scratch.
    ///
    /// # Errors
    /// If a score is not finite, or the layer lacks what a rule needs.
    pub fn swap(
        &mut self,
        drop: DropRule,
        share: f64,
        rounding: Rounding,
        growth: GrowthRule,
        rng: &mut impl Rng,
    ) -> Result<usize> {
        let before = self.count();
        if self.frozen || before == self.active.len() || share == 0.0 {
            return Ok(0);
        }
        let dropped = drop.choose(self, share, rounding)?;
        self.drop(&dropped);
        let count = before - self.count();
        let grown = growth.choose(self, count, rng)?;
        self.grow(&grown);
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn one_regeneration() {
        let active = [1, 1, 1, 1, 1, 1, 0, 0].map(|f| f == 1).to_vec();
        let weights = vec![0.9, -0.8, 0.1, 0.05, -0.4, 0.3, 0.0, 0.0];
        let gradient = vec![0.1, 0.1, 0.7, 0.0, 0.1, 0.1, 0.5, -0.9];
        let mut layer = Layer::new(weights, gradient, active);
        let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
        let (drop, grow) = (DropRule::Magnitude, GrowthRule::Gradient);
        let grown = layer.swap(drop, 1.0 / 3.0, Rounding::Up, grow, &mut rng);
        assert_eq!(grown.unwrap(), 2);
        assert_eq!(layer.active, [1, 1, 1, 0, 1, 1, 0, 1].map(|f| f == 1));
        assert_eq!(layer.kept, [1, 1, 0, 0, 1, 1, 0, 0].map(|f| f == 1));
    }
}
