//! # Weighted
//!
//! A random share of the examples, by a fixed weight of each.
//!
//! Source: weighted sampling without replacement by the keys of Efraimidis and Spirakis 2006

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{by_log_rates, count, generator, shuffled};
use super::part::part;
use super::scores;
use crate::error::{CurriculumError, Result, check, check_examples, counted, finite, same};
use crate::sampler::{EpochPlan, Sampler};

/// A share of the examples without repeats: the next one is each of those left with a chance in proportion to its weight.
///
/// What has the weight 0 is never drawn: where fewer than the share have another one, the epoch is as much shorter. With a small share an example of
/// twice the weight comes twice as often; the larger the share, the less the weights decide. For classes or domains of fixed shares see
/// [`Mixture`](super::Mixture).
///
/// ```
/// use regimen_curriculum::{Sampler, Weighted};
///
/// let quality = [0.9, 0.0, 0.1, 0.5, 0.5, 0.7];
/// let mut sampler = Weighted::new(&quality, 0.5, 7)?;
/// let ids = sampler.plan().ids;
/// assert!(ids.len() == 3 && !ids.contains(&1));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Weighted {
    weights: Vec<f64>,
    share: f64,
    seed: u64,
    epoch: usize,
}

checked_serde!(Weighted);

impl Checked for Weighted {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.weights.len())?;
        finite("weights", &self.weights)?;
        for weight in &self.weights {
            check("weights", *weight, *weight >= 0.0, "0 or more")?;
        }
        let largest = self.weights.iter().copied().fold(0.0, f64::max);
        check("weights", largest, largest > 0.0, "one above 0 or more")?;
        let share = self.share > 0.0 && self.share <= 1.0;
        check("share", self.share, share, "above 0, up to 1")?;
        counted("epoch", self.epoch)
    }
}

part!(Weighted, "weighted 1");

impl Weighted {
    /// A `share` of the examples each epoch, at least one, by the weight of each.
    ///
    /// # Errors
    /// If there is no example or over 2^28, a weight is negative or not finite, all are 0, or the share is not above 0 and up to 1.
    pub fn new(weights: &[f64], share: f64, seed: u64) -> Result<Self> {
        let sampler = Self {
            weights: weights.to_vec(),
            share,
            seed,
            epoch: 0,
        };
        sampler.checked()
    }
}

impl Sampler for Weighted {
    fn examples(&self) -> usize {
        self.weights.len()
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        let able = self.weights.iter().filter(|weight| **weight > 0.0).count();
        let wanted = count(self.share, self.examples()).max(1).min(able);
        let rates = self.weights.iter().map(|weight| weight.ln());
        let ids = by_log_rates(rates, wanted, &mut rng);
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.weights.len(), ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("weights", &self.weights, &saved.weights)?;
        same("share", &self.share, &saved.share)?;
        same("seed", &self.seed, &saved.seed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Of three, two: the chance of the pair (a, b) is `a/s b/(s - a) + b/s a/(s - b)`.
    #[test]
    fn chances_of_pairs_by_hand() {
        let weights = [1.0, 3.0, 6.0];
        let mut sampler = Weighted::new(&weights, 0.67, 5).unwrap();
        let pair = |a: f64, b: f64| a / 10.0 * b / (10.0 - a) + b / 10.0 * a / (10.0 - b);
        let wanted = [pair(3.0, 6.0), pair(1.0, 6.0), pair(1.0, 3.0)];
        let mut found = [0.0; 3];
        for _ in 0..6000 {
            let ids = sampler.plan().ids;
            let missing = (0..3).find(|id| !ids.contains(id)).unwrap();
            found[missing] += 1.0 / 6000.0;
        }
        for (found, wanted) in found.iter().zip(wanted) {
            let error = 4.0 * (wanted * (1.0 - wanted) / 6000.0_f64).sqrt();
            assert!((found - wanted).abs() < error, "{found} {wanted}");
        }
    }

    #[test]
    fn what_weighs_nothing_is_never_drawn() {
        let mut sampler = Weighted::new(&[0.0, 1e-300, 1e300, 0.0], 1.0, 5).unwrap();
        for _ in 0..20 {
            let mut ids = sampler.plan().ids;
            ids.sort_unstable();
            assert_eq!(ids, [1, 2]);
        }
    }
}
