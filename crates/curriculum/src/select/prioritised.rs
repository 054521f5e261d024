//! # Prioritised
//!
//! A random share of the examples, those of a high loss more often.
//!
//! Source: Loshchilov and Hutter 2015, "Online Batch Selection for Faster Training of Neural Networks"; proportional priorities after Schaul et al.
//! 2015; drawn without replacement by the keys of Efraimidis and Spirakis 2006

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{by_log_rates, count, generator, shuffled};
use super::part::part;
use super::scores::Scores;
use crate::error::{CurriculumError, Result, check, check_examples, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// A share of the examples without repeats: the next one is each of those left with a chance in proportion to `max(loss, 0)^alpha`.
///
/// The examples are those that gradients are large on, so the loss that is minimised is another one: its weights are all 1. With `alpha` 0 it is a
/// random share.
///
/// ```
/// use regimen_curriculum::{Prioritised, Sampler};
///
/// let mut sampler = Prioritised::new(100, 0.2, 1.0, 7)?;
/// let ids = sampler.plan().ids;
/// assert_eq!(ids.len(), 20);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Prioritised {
    scores: Scores,
    share: f64,
    alpha: f64,
    seed: u64,
    epoch: usize,
}

checked_serde!(Prioritised);

impl Checked for Prioritised {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.scores.check()?;
        let share = self.share > 0.0 && self.share <= 1.0;
        check("share", self.share, share, "above 0, up to 1")?;
        let alpha = (0.0..=100.0).contains(&self.alpha);
        check("alpha", self.alpha, alpha, "0 to 100")?;
        counted("epoch", self.epoch)
    }
}

part!(Prioritised, "prioritised 1");

impl Prioritised {
    /// A `share` of so many examples each epoch, at least one; `alpha` says how much the loss decides, 0 to 100.
    ///
    /// # Errors
    /// If there is no example or over 2^28, or a number lies outside its range.
    pub fn new(examples: usize, share: f64, alpha: f64, seed: u64) -> Result<Self> {
        check_examples(examples)?;
        let sampler = Self {
            scores: Scores::new(examples),
            share,
            alpha,
            seed,
            epoch: 0,
        };
        sampler.checked()
    }
}

impl Sampler for Prioritised {
    fn examples(&self) -> usize {
        self.scores.values().len()
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        let wanted = count(self.share, self.examples()).max(1);
        let rates = self.scores.values().iter().map(|score| {
            if self.alpha == 0.0 {
                0.0
            } else {
                self.alpha * f64::from(score.max(0.0)).ln()
            }
        });
        let ids = by_log_rates(rates, wanted, &mut rng);
        EpochPlan::new(shuffled(ids, &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.scores.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        same("share", &self.share, &saved.share)?;
        same("alpha", &self.alpha, &saved.alpha)?;
        same("seed", &self.seed, &saved.seed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// One example of three, by hand: the chance is its share of the sum.
    #[test]
    fn chances_are_in_proportion_to_the_losses() {
        for (alpha, wanted) in [
            (0.0, [1.0 / 3.0; 3]),
            (1.0, [0.1, 0.3, 0.6]),
            (2.0, [1.0, 9.0, 36.0].map(|w| w / 46.0)),
        ] {
            let mut sampler = Prioritised::new(3, 0.34, alpha, 5).unwrap();
            sampler.observe(&[0, 1, 2], &[0.5, 1.5, 3.0]).unwrap();
            let mut counts = [0.0; 3];
            for _ in 0..6000 {
                let ids = sampler.plan().ids;
                assert_eq!(ids.len(), 1);
                counts[ids[0]] += 1.0 / 6000.0;
            }
            for (found, wanted) in counts.iter().zip(wanted) {
                // Four standard errors.
                let error = 4.0 * (wanted * (1.0 - wanted) / 6000.0_f64).sqrt();
                assert!((found - wanted).abs() < error, "{alpha}: {counts:?}");
            }
        }
    }

    #[test]
    fn an_example_without_a_loss_comes_last() {
        let mut sampler = Prioritised::new(4, 0.75, 1.0, 5).unwrap();
        sampler
            .observe(&[0, 1, 2, 3], &[0.0, 1e-30, 1e30, 1.0])
            .unwrap();
        for _ in 0..50 {
            let mut ids = sampler.plan().ids;
            ids.sort_unstable();
            assert_eq!(ids, [1, 2, 3]);
        }
        let mut all = Prioritised::new(4, 1.0, 1.0, 5).unwrap();
        assert_eq!(all.plan().ids.len(), 4);
    }
}
