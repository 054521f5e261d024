//! # optimizer
//!
//! The update rules of which the effect of an order is estimated.
//!
//! SGD: `Gamma = g`. Adam: `m' = b1 m + (1 - b1) g`, `v' = b2 v + (1 - b2) g^2`,
//! `Gamma = (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + e)`. A step is `theta - rate * Gamma`.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// The rule of the reference run and of every other order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum OrderOptimizer {
    /// Plain gradient descent.
    Sgd {
        /// Learning rate, above 0.
        rate: f64,
    },
    /// Adam.
    Adam {
        /// Learning rate, above 0.
        rate: f64,
        /// Decay of the mean gradient, from 0 to below 1.
        beta_1: f64,
        /// Decay of the mean square, from 0 to below 1.
        beta_2: f64,
        /// Added to the root of the mean square, above 0.
        epsilon: f64,
    },
}

impl OrderOptimizer {
    /// Adam with decays 0.9 and 0.999, epsilon 1e-8.
    #[must_use]
    pub fn adam(rate: f64) -> Self {
        Self::Adam {
            rate,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
        }
    }

    /// Refuses values out of their range.
    pub(super) fn check(&self) -> Result<()> {
        let above = "above 0";
        match *self {
            Self::Sgd { rate } => check("rate", rate, rate > 0.0, above),
            Self::Adam {
                rate,
                beta_1,
                beta_2,
                epsilon,
            } => {
                check("rate", rate, rate > 0.0, above)?;
                let (unit, below) = (0.0..1.0, "0 to below 1");
                check("beta_1", beta_1, unit.contains(&beta_1), below)?;
                check("beta_2", beta_2, unit.contains(&beta_2), below)?;
                check("epsilon", epsilon, epsilon > 0.0, above)
            }
        }
    }

    pub(super) fn rate(&self) -> f64 {
        match *self {
            Self::Sgd { rate } | Self::Adam { rate, .. } => rate,
        }
    }
}

/// The mean gradient and mean square of Adam before a step; unused by SGD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderMoments {
    /// Mean gradient.
    pub mean: Vec<f64>,
    /// Mean square.
    pub square: Vec<f64>,
    /// Steps taken.
    pub steps: u32,
}

impl OrderMoments {
    /// Before the first step.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self {
            mean: vec![0.0; parameters],
            square: vec![0.0; parameters],
            steps: 0,
        }
    }

    /// Takes in a gradient and returns the update `Gamma`.
    pub fn update(&mut self, rule: &OrderOptimizer, gradient: &[f64]) -> Vec<f64> {
        let OrderOptimizer::Adam { beta_1, beta_2, .. } = *rule else {
            return gradient.to_vec();
        };
        let update = self.peek(rule, gradient);
        for ((m, v), g) in self.mean.iter_mut().zip(&mut self.square).zip(gradient) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
        }
        self.steps = self.steps.saturating_add(1);
        update
    }

    /// The update `Gamma` of a gradient, with the moments left as they are.
    #[must_use]
    pub fn peek(&self, rule: &OrderOptimizer, gradient: &[f64]) -> Vec<f64> {
        let with = |(m, v, g)| self.element(rule, m, v, g).0;
        self.rows(gradient).map(with).collect()
    }

    /// The derivative of `Gamma` along a change of the gradient, with the moments left as they are.
    ///
    /// `h [ (1 - b1) / (c1 D) - mhat (1 - b2) g / (c2 sqrt(vhat) D^2) ]`, where `c1 = 1 - b1^t`,
    /// `c2 = 1 - b2^t` and `D = sqrt(vhat) + e`.
    #[must_use]
    pub fn derivative(&self, rule: &OrderOptimizer, gradient: &[f64], change: &[f64]) -> Vec<f64> {
        let slopes = self
            .rows(gradient)
            .map(|(m, v, g)| self.element(rule, m, v, g).1);
        slopes.zip(change).map(|(slope, h)| slope * h).collect()
    }

    fn rows<'a>(&'a self, gradient: &'a [f64]) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        let moments = self.mean.iter().zip(&self.square);
        moments.zip(gradient).map(|((m, v), g)| (*m, *v, *g))
    }

    /// The update of one parameter, and its derivative in the gradient.
    fn element(&self, rule: &OrderOptimizer, m: f64, v: f64, g: f64) -> (f64, f64) {
        let OrderOptimizer::Adam {
            beta_1,
            beta_2,
            epsilon,
            ..
        } = *rule
        else {
            return (g, 1.0);
        };
        let t = f64::from(self.steps.saturating_add(1));
        let (c1, c2) = (1.0 - beta_1.powf(t), 1.0 - beta_2.powf(t));
        let mean = (beta_1 * m + (1.0 - beta_1) * g) / c1;
        let root = ((beta_2 * v + (1.0 - beta_2) * g * g) / c2).sqrt();
        let d = root + epsilon;
        let second = if root > 0.0 {
            mean * (1.0 - beta_2) * g / (c2 * root * d * d)
        } else {
            0.0
        };
        (mean / d, (1.0 - beta_1) / (c1 * d) - second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_update_of_adam_and_its_derivative() {
        // m' = .02 and v' = .0004 are the moments before the third step.
        let rule = OrderOptimizer::adam(0.01);
        let moments = OrderMoments {
            mean: vec![0.02],
            square: vec![0.0004],
            steps: 2,
        };
        let update = moments.peek(&rule, &[0.1]);
        assert!((update[0] - 0.279_480_942_18).abs() < 1e-9, "{update:?}");
        let slope = moments.derivative(&rule, &[0.1], &[2.0]);
        assert!((slope[0] - 1.859_827_144_02).abs() < 1e-6, "{slope:?}");
    }
}
