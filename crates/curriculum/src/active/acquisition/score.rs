//! What every acquisition function has in common.

use burn::tensor::Tensor;

use super::probabilities::{ClassProbabilities, read};
use crate::error::{CurriculumError, Result, count};

/// Chooses candidates of a pool to have labelled.
pub trait Acquisition {
    /// What it looks at.
    type Pool;

    /// So many places of the pool, the one to ask for first before the others; none is there twice.
    ///
    /// # Errors
    /// If none are wanted or more than there are, the pool lacks what the method needs, or the device can't return what it chose.
    fn select(&self, pool: &Self::Pool, wanted: usize) -> Result<Vec<usize>>;
}

/// Gives each candidate a number by its own probabilities; the highest are asked for. Every score is an [`Acquisition`].
///
/// A score of your own:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, Score};
///
/// /// Asks for what looks most like class 1.
/// struct Likely;
///
/// impl Score for Likely {
///     fn of(&self, piece: Tensor<3>) -> Tensor<1> {
///         let candidates = piece.dims()[1];
///         piece.mean_dim(0).narrow(2, 1, 1).reshape([candidates])
///     }
/// }
///
/// let pool = Tensor::<2>::from_data([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], &Device::default());
/// assert_eq!(Likely.select(&ClassProbabilities::new(pool)?, 2)?, [1, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub trait Score {
    /// Scores `[candidates]` of probabilities `[samples, candidates, classes]`: of a piece of the pool, each candidate by itself.
    fn of(&self, piece: Tensor<3>) -> Tensor<1>;

    /// How many samples of the model it needs.
    fn least_samples(&self) -> usize {
        1
    }

    /// Scores of all candidates, `[candidates]`, on their device.
    ///
    /// # Errors
    /// If the pool has too few samples.
    fn scores(&self, pool: &ClassProbabilities) -> Result<Tensor<1>> {
        check_samples(pool, self.least_samples())?;
        Ok(pool.by_piece(|piece| self.of(piece)))
    }
}

impl<S: Score> Acquisition for S {
    type Pool = ClassProbabilities;

    fn select(&self, pool: &ClassProbabilities, wanted: usize) -> Result<Vec<usize>> {
        check_wanted(wanted, pool.candidates())?;
        highest(self.scores(pool)?, wanted)
    }
}

/// The places of so many highest scores, the highest first, of equal ones the first.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::highest;
///
/// let scores = Tensor::<1>::from_data([0.1, 0.7, 0.3, 0.7], &Device::default());
/// assert_eq!(highest(scores, 3)?, [1, 3, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If none are wanted or more than there are, a score is NaN, or the device can't return them.
pub fn highest(scores: Tensor<1>, wanted: usize) -> Result<Vec<usize>> {
    check_wanted(wanted, scores.dims()[0])?;
    let scores = read(scores)?;
    if let Some(place) = scores.iter().position(|score| score.is_nan()) {
        return Err(CurriculumError::NotFinite {
            id: place,
            loss: f32::NAN,
        });
    }
    let mut places: Vec<usize> = (0..scores.len()).collect();
    let order = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if wanted < places.len() {
        places.select_nth_unstable_by(wanted, order);
        places.truncate(wanted);
    }
    places.sort_unstable_by(order);
    Ok(places)
}

/// Refuses to choose none, or more than there are.
pub(super) fn check_wanted(wanted: usize, candidates: usize) -> Result<()> {
    let good = (1..=candidates).contains(&wanted);
    count("wanted", wanted, good, "1 to the number of candidates")
}

/// Refuses a pool with too few samples of the model.
pub(super) fn check_samples(pool: &ClassProbabilities, needed: usize) -> Result<()> {
    if pool.samples() >= needed {
        return Ok(());
    }
    Err(CurriculumError::TooFew {
        field: "samples",
        found: pool.samples(),
        needed,
    })
}
