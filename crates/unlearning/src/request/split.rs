//! # Split
//!
//! A data set in two: what is retained and what is forgotten. Training anew on `retain` is the exact
//! way to forget, and a few epochs on it are the fine-tuning baseline.
//!
//! Source: the baselines of arXiv 2308.07707: retrain; fine-tune 5 epochs, SGD 0.02, momentum 0.9,
//! weight decay 5e-4.

use std::sync::Arc;

use burn::data::dataset::Dataset;
use burn::data::dataset::transform::SelectionDataset;

use crate::error::{Result, UnlearningError};

/// Two Burn data sets over one, without a copy.
///
/// ```
/// use std::sync::Arc;
/// use burn::data::dataset::{Dataset, InMemDataset};
/// use regimen_unlearning::Split;
///
/// let data = Arc::new(InMemDataset::new(vec![0, 1, 2, 0, 1]));
/// let split = Split::new(data, |_, class| *class == 1)?;
/// assert_eq!((split.retain.len(), split.forget.len()), (3, 2));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Split<D, I>
where
    D: Dataset<I>,
    I: Clone + Send + Sync,
{
    /// What stays, in the order of the data.
    pub retain: SelectionDataset<Arc<D>, I>,
    /// What is to be forgotten, in the order of the data.
    pub forget: SelectionDataset<Arc<D>, I>,
}

impl<D, I> Split<D, I>
where
    D: Dataset<I>,
    I: Clone + Send + Sync,
{
    /// Splits by what `forget` says of each position and item.
    ///
    /// # Errors
    /// If the data can't be read, or nothing is to be forgotten, or nothing stays.
    pub fn new(
        data: Arc<D>,
        mut forget: impl FnMut(usize, &I) -> bool,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut positions = (Vec::new(), Vec::new());
        for position in 0..data.len() {
            let item = data.get(position)?;
            let part = if forget(position, &item) {
                &mut positions.1
            } else {
                &mut positions.0
            };
            part.push(position);
        }
        Ok(Self::from_positions(data, positions.0, positions.1)?)
    }

    /// The two sets by position; a position in neither takes no part.
    ///
    /// # Errors
    /// If a set is empty.
    pub(crate) fn from_positions(
        data: Arc<D>,
        retain: Vec<usize>,
        forget: Vec<usize>,
    ) -> Result<Self> {
        not_empty("retain", &retain)?;
        not_empty("forget", &forget)?;
        Ok(Self {
            retain: SelectionDataset::from_indices_checked(data.clone(), retain),
            forget: SelectionDataset::from_indices_checked(data, forget),
        })
    }
}

fn not_empty(set: &'static str, positions: &[usize]) -> Result<()> {
    if positions.is_empty() {
        return Err(UnlearningError::Empty(set));
    }
    Ok(())
}
