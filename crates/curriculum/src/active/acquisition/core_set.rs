//! # CoreSet
//!
//! Asks for what is far from all that is labelled and asked for: every candidate gets a labelled example near it.
//!
//! Source: Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", arXiv 1708.00489, its greedy 2-approximation of
//! the k-centre problem; Gonzalez 1985

use burn::tensor::{Int, Tensor};

use super::embeddings::{Embeddings, squared, squared_to_nearest, squares};
use super::score::{Acquisition, check_wanted};
use crate::error::{CurriculumError, Result};

/// One candidate after another, each the one of the largest Euclidean distance to the nearest of what is labelled or was taken. With nothing labelled the
/// first is the candidate nearest to the pool's mean.
///
/// Nothing is read from the device until all are chosen. A candidate more costs one pass over the embeddings.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, CoreSet, Embeddings};
///
/// let device = Device::default();
/// let pool = Embeddings::new(Tensor::<2>::from_data([[0.0], [1.0], [5.0], [9.0]], &device))?;
/// let pool = pool.with_labelled(Tensor::<2>::from_data([[0.5]], &device))?;
/// assert_eq!(CoreSet.select(&pool, 2)?, [3, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreSet;

impl CoreSet {
    /// The distance of each candidate to the nearest labelled example, `[candidates]`; the largest is how far what is labelled leaves a candidate alone.
    ///
    /// # Errors
    /// If nothing is labelled.
    pub fn distances(&self, pool: &Embeddings) -> Result<Tensor<1>> {
        let Some(labelled) = &pool.labelled else {
            return Err(CurriculumError::TooFew {
                field: "labelled",
                found: 0,
                needed: 1,
            });
        };
        let distances = squared_to_nearest(&pool.pool, labelled).sqrt();
        Ok(distances.reshape([pool.candidates()]))
    }
}

impl Acquisition for CoreSet {
    type Pool = Embeddings;

    fn select(&self, pool: &Embeddings, wanted: usize) -> Result<Vec<usize>> {
        let candidates = pool.candidates();
        check_wanted(wanted, candidates)?;
        let rows = pool.pool.clone();
        let norms = squares(rows.clone());
        // Of no label, the negative distance to the mean: the first is the nearest to it.
        let start = match &pool.labelled {
            Some(labelled) => squared_to_nearest(&rows, labelled),
            None => norms.clone().neg(),
        };
        let mut distances = start;
        let mut chosen: Vec<Tensor<1, Int>> = Vec::with_capacity(wanted);
        let mut numbers: Option<Tensor<2, Int>> = None;
        for _ in 0..wanted {
            let place = distances.clone().argmax(0);
            let numbers = numbers.get_or_insert_with(|| {
                let options = (&rows.device(), place.dtype());
                Tensor::<1, Int>::arange(0..candidates as i64, options).reshape([candidates, 1])
            });
            let is_taken = numbers.clone().equal(place.clone());
            let place = place.reshape([1]);
            let point = rows.clone().select(0, place.clone());
            let new = squared(rows.clone(), norms.clone(), point);
            distances = if chosen.is_empty() && pool.labelled.is_none() {
                new
            } else {
                distances.min_pair(new)
            };
            // Below any distance.
            distances = distances.mask_fill(is_taken, -1.0);
            chosen.push(place);
        }
        let chosen = Tensor::cat(chosen, 0).try_into_vec_as::<i64>();
        let chosen = chosen.map_err(|error| CurriculumError::Read(format!("{error:?}")))?;
        Ok(chosen.into_iter().map(|place| place as usize).collect())
    }
}
