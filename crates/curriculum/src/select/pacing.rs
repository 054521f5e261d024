//! # EasyFirst, SelfPaced
//!
//! A share of the easiest examples that grows over the run: by a fixed score, or by the model's own losses.
//!
//! Source: Bengio et al. 2009, "Curriculum Learning"; the competence of Platanios et al. 2019 (linear, root); the steps of Hacohen and Weinshall
//! 2019; "Self-Paced Learning for Latent Variable Models", Kumar, Packer and Koller 2010

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{count, generator, shuffled};
use super::part::part;
use super::scores::{self, Scores};
use crate::error::{CurriculumError, Result, check, check_examples, counted, finite, same};
use crate::sampler::{EpochPlan, Sampler};

/// The share of the data that an epoch has.
///
/// | pacing | share at epoch `t`, from 0 |
/// |---|---|
/// | `Linear` | `start + t (1 - start) / epochs` |
/// | `Root` | `sqrt(start^2 + t (1 - start^2) / epochs)` |
/// | `Step` | `start factor^floor(t / every)` |
///
/// Never above 1.
///
/// ```
/// use regimen_curriculum::Pacing;
///
/// let root = Pacing::Root { start: 0.01, epochs: 50 };
/// assert!((root.share(10) - 0.447_303_0).abs() < 1e-7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pacing {
    /// Grows by as much each epoch.
    Linear {
        /// The first epoch's share, above 0, up to 1.
        start: f64,
        /// Epochs until the share is 1, 1 or more.
        epochs: usize,
    },
    /// Grows fast first: each new example has as much time as the old ones.
    Root {
        /// The first epoch's share, above 0, up to 1.
        start: f64,
        /// Epochs until the share is 1, 1 or more.
        epochs: usize,
    },
    /// Grows by a factor now and then.
    Step {
        /// The first epoch's share, above 0, up to 1.
        start: f64,
        /// What the share is multiplied by, 1 or more.
        factor: f64,
        /// Epochs of one share, 1 or more.
        every: usize,
    },
}

checked_serde!(Pacing);

impl Checked for Pacing {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let (Self::Linear { start, epochs }
        | Self::Root { start, epochs }
        | Self::Step {
            start,
            every: epochs,
            ..
        }) = *self;
        check(
            "start",
            start,
            start > 0.0 && start <= 1.0,
            "above 0, up to 1",
        )?;
        crate::error::count("epochs", epochs, epochs > 0, "1 or more")?;
        match *self {
            Self::Step { factor, .. } => check("factor", factor, factor >= 1.0, "1 or more"),
            _ => Ok(()),
        }
    }
}

impl Pacing {
    /// The share at an epoch, counted from 0, above 0 and up to 1.
    #[must_use]
    pub fn share(&self, epoch: usize) -> f64 {
        let time = epoch as f64;
        let share = match *self {
            Self::Linear { start, epochs } => start + time * (1.0 - start) / epochs as f64,
            Self::Root { start, epochs } => {
                (start * start + time * (1.0 - start * start) / epochs as f64).sqrt()
            }
            Self::Step {
                start,
                factor,
                every,
            } => start * factor.powf((epoch / every.max(1)) as f64),
        };
        share.min(1.0)
    }

    /// Examples of an epoch, at least one.
    fn examples(&self, epoch: usize, all: usize) -> usize {
        count(self.share(epoch), all).max(1)
    }
}

/// The `wanted` examples of the lowest scores, those of one score by their number.
fn lowest<T: Copy>(
    scores: &[T],
    wanted: usize,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..scores.len()).collect();
    let by = |a: &usize, b: &usize| order(&scores[*a], &scores[*b]).then(a.cmp(b));
    if wanted < ids.len() {
        ids.select_nth_unstable_by(wanted, by);
        ids.truncate(wanted);
    }
    ids.sort_unstable();
    ids
}

/// The easiest share of the examples by a score that is known before, in random order.
///
/// ```
/// use regimen_curriculum::{EasyFirst, Pacing, Sampler};
///
/// let lengths: Vec<f64> = (0..100).map(f64::from).collect();
/// let mut sampler = EasyFirst::new(&lengths, Pacing::Linear { start: 0.2, epochs: 4 }, 7)?;
/// assert!(sampler.plan().ids.iter().all(|id| *id < 20));
/// assert_eq!(sampler.plan().ids.len(), 40);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct EasyFirst {
    difficulties: Vec<f64>,
    pacing: Pacing,
    seed: u64,
    epoch: usize,
}

checked_serde!(EasyFirst, SelfPaced);

impl Checked for EasyFirst {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.difficulties.len())?;
        finite("difficulties", &self.difficulties)?;
        self.pacing.check()?;
        counted("epoch", self.epoch)
    }
}

part!(EasyFirst, "easy first 1");
part!(SelfPaced, "self-paced 1");

impl EasyFirst {
    /// Over the examples of these difficulties; larger is harder.
    ///
    /// # Errors
    /// If there is no example or over 2^28, a difficulty is not finite, or the pacing lies outside its range.
    pub fn new(difficulties: &[f64], pacing: Pacing, seed: u64) -> Result<Self> {
        let sampler = Self {
            difficulties: difficulties.to_vec(),
            pacing,
            seed,
            epoch: 0,
        };
        sampler.checked()
    }
}

impl Sampler for EasyFirst {
    fn examples(&self) -> usize {
        self.difficulties.len()
    }

    fn plan(&mut self) -> EpochPlan {
        let wanted = self.pacing.examples(self.epoch, self.difficulties.len());
        self.epoch += 1;
        let ids = lowest(&self.difficulties, wanted, f64::total_cmp);
        EpochPlan::new(shuffled(ids, &mut generator(self.seed, self.epoch)))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.difficulties.len(), ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("difficulties", &self.difficulties, &saved.difficulties)?;
        same("pacing", &self.pacing, &saved.pacing)?;
        same("seed", &self.seed, &saved.seed)
    }
}

/// The share of the examples of the lowest losses, in random order. The threshold of self-paced learning is the loss below which that share is.
///
/// The first epoch has all examples, so that each has a loss; `pacing` counts from the one after. The loss of an example that is left out stays
/// the one of its last turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct SelfPaced {
    scores: Scores,
    pacing: Pacing,
    seed: u64,
    epoch: usize,
}

impl Checked for SelfPaced {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.scores.check()?;
        self.pacing.check()?;
        counted("epoch", self.epoch)
    }
}

impl SelfPaced {
    /// Over so many examples, 1 to 2^28.
    ///
    /// # Errors
    /// If there is no example or over 2^28, or the pacing lies outside its range.
    pub fn new(examples: usize, pacing: Pacing, seed: u64) -> Result<Self> {
        check_examples(examples)?;
        pacing.check()?;
        Ok(Self {
            scores: Scores::new(examples),
            pacing,
            seed,
            epoch: 0,
        })
    }
}

impl Sampler for SelfPaced {
    fn examples(&self) -> usize {
        self.scores.values().len()
    }

    fn plan(&mut self) -> EpochPlan {
        let examples = self.examples();
        let wanted = match self.epoch {
            0 => examples,
            epoch => self.pacing.examples(epoch - 1, examples),
        };
        self.epoch += 1;
        let ids = lowest(self.scores.values(), wanted, f32::total_cmp);
        EpochPlan::new(shuffled(ids, &mut generator(self.seed, self.epoch)))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.scores.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples(), &saved.examples())?;
        same("pacing", &self.pacing, &saved.pacing)?;
        same("seed", &self.seed, &saved.seed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let (start, epochs) = (0.01, 50);
        let linear = Pacing::Linear { start, epochs };
        let root = Pacing::Root { start, epochs };
        for (epoch, a, b) in [
            (0, 0.01, 0.01),
            (10, 0.208, 0.447_303_0),
            (25, 0.505, 0.707_142_1),
            (50, 1.0, 1.0),
            (80, 1.0, 1.0),
        ] {
            assert!((linear.share(epoch) - a).abs() < 1e-9);
            assert!((root.share(epoch) - b).abs() < 1e-7);
        }
        let step = Pacing::Step {
            start: 0.1,
            factor: 2.0,
            every: 3,
        };
        let shares = [0, 2, 3, 5, 6, 9, 12].map(|epoch| step.share(epoch));
        assert_eq!(shares, [0.1, 0.1, 0.2, 0.2, 0.4, 0.8, 1.0]);
        assert_eq!(step.share(usize::MAX), 1.0);
    }

    #[test]
    fn the_easiest_come_first() {
        let difficulties: Vec<f64> = (0..50).map(|id| f64::from(id * 7 % 50)).collect();
        let pacing = Pacing::Linear {
            start: 0.1,
            epochs: 9,
        };
        let mut sampler = EasyFirst::new(&difficulties, pacing, 1).unwrap();
        for epoch in 1..=12 {
            let ids = sampler.plan().ids;
            assert_eq!(ids.len(), (5 * epoch).min(50));
            let hardest = ids.iter().map(|id| difficulties[*id]).fold(0.0, f64::max);
            assert_eq!(hardest, (ids.len() - 1) as f64);
        }
    }

    #[test]
    fn the_lowest_losses_come_first() {
        let pacing = Pacing::Step {
            start: 0.25,
            factor: 2.0,
            every: 1,
        };
        let mut sampler = SelfPaced::new(8, pacing, 1).unwrap();
        let first = sampler.plan().ids;
        assert_eq!(first.len(), 8);
        let losses: Vec<f32> = first.iter().map(|id| *id as f32).collect();
        sampler.observe(&first, &losses).unwrap();
        let mut second = sampler.plan().ids;
        second.sort_unstable();
        assert_eq!(second, [0, 1]);
        // What became harder makes room.
        sampler.observe(&[0, 1], &[9.0, 0.5]).unwrap();
        let mut third = sampler.plan().ids;
        third.sort_unstable();
        assert_eq!(third, [1, 2, 3, 4]);
        assert_eq!(sampler.plan().ids.len(), 8);
    }
}
