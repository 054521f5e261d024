//! Adam on the host, ascending.

use serde::{Deserialize, Serialize};

/// The moments of a search: `beta_1` .9, `beta_2` .999, `epsilon` 1e-8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adam {
    pub(super) first: Vec<f64>,
    pub(super) second: Vec<f64>,
}

impl Adam {
    pub(super) fn new(len: usize) -> Self {
        Self {
            first: vec![0.0; len],
            second: vec![0.0; len],
        }
    }

    /// Step number `step`, from 1, up the gradient.
    pub(super) fn ascend(&mut self, values: &mut [f64], gradient: &[f64], rate: f64, step: usize) {
        let (b1, b2) = (0.9_f64, 0.999_f64);
        let [c1, c2] = [b1, b2].map(|beta| 1.0 - beta.powf(step as f64));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, g), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            *first = b1 * *first + (1.0 - b1) * g;
            *second = b2 * *second + (1.0 - b2) * g * g;
            *value += rate * (*first / c1) / ((*second / c2).sqrt() + 1e-8);
        }
    }

    pub(super) fn is_sound(&self, len: usize) -> bool {
        let finite = |values: &[f64]| values.len() == len && values.iter().all(|v| v.is_finite());
        finite(&self.first) && finite(&self.second) && self.second.iter().all(|v| *v >= 0.0)
    }
}
