//! Examples of a memory as a batch, and their forward pass.

use burn::tensor::{FloatDType, Tensor, TensorData};

use crate::classifier::Classifier;
use crate::examples::{Examples, read};
use crate::memory::Kept;
use crate::teacher::plain;
use crate::{ContinualError, Result};

/// Examples that were drawn, as a batch.
pub(crate) struct Drawn<B> {
    pub(crate) batch: B,
    /// Logits at the time at which they were added; none if one has none.
    logits: Option<Tensor<2>>,
    pub(super) numbers: Vec<u64>,
}

impl<B> Drawn<B> {
    /// The kept logits.
    pub(crate) fn logits(&self) -> Result<Tensor<2>> {
        let none = || ContinualError::State("an example is kept without logits".into());
        self.logits.clone().ok_or_else(none)
    }
}

/// Kept examples as a batch.
pub(crate) fn drawn<B: Examples>(kept: Vec<Kept<B::Item>>, like: &B) -> Result<Option<Drawn<B>>> {
    if kept.is_empty() {
        return Ok(None);
    }
    let logits: Option<Vec<&Vec<f32>>> = kept.iter().map(|kept| kept.logits.as_ref()).collect();
    let logits = match logits {
        Some(rows) => {
            let width = rows[0].len();
            if let Some(odd) = rows.iter().find(|row| row.len() != width) {
                return Err(ContinualError::mismatch("kept logits", width, odd.len()));
            }
            let values: Vec<f32> = rows.into_iter().flatten().copied().collect();
            let data = TensorData::new(values, [kept.len(), width]);
            let device = plain(&like.device());
            Some(Tensor::from_data(data, (&device, FloatDType::F32.into())))
        }
        None => None,
    };
    let numbers = kept.iter().map(Kept::number).collect();
    let items: Vec<B::Item> = kept.into_iter().map(|kept| kept.item).collect();
    let batch = B::of(&items, like)?;
    Ok(Some(Drawn {
        batch,
        logits,
        numbers,
    }))
}

/// The logits of a batch and of what was drawn, of one forward pass over all, in f32: statistics of batch norm are those of all.
pub(crate) fn pass<M: Classifier>(
    model: &M,
    batch: &M::Batch,
    drawn: &[&Drawn<M::Batch>],
) -> (Tensor<2>, Vec<Tensor<2>>) {
    let all = drawn
        .iter()
        .fold(batch.clone(), |all, drawn| all.join(drawn.batch.clone()));
    let logits = model.logits(&all).cast(FloatDType::F32);
    if drawn.is_empty() {
        return (logits, Vec::new());
    }
    let mut start = 0;
    let mut next = |count: usize| {
        let part = logits.clone().narrow(0, start, count);
        start += count;
        part
    };
    let own = next(batch.count());
    (
        own,
        drawn
            .iter()
            .map(|drawn| next(drawn.batch.count()))
            .collect(),
    )
}

/// Rows of logits on the host: one read.
pub(super) fn rows(logits: Tensor<2>, places: &[usize]) -> Result<Vec<Vec<f32>>> {
    let logits = match logits.is_autodiff() {
        true => logits.inner(),
        false => logits,
    };
    let width = logits.dims()[1];
    let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
    let data = TensorData::new(places.clone(), [places.len()]);
    let chosen = logits
        .clone()
        .select(0, Tensor::from_data(data, &logits.device()));
    let values: Vec<f32> = read("logits", chosen.cast(FloatDType::F32).try_into_vec_as())?;
    Ok(values.chunks(width.max(1)).map(<[f32]>::to_vec).collect())
}
