//! Taking up the classes of a task that ended, by herding.

use std::collections::{BTreeMap, BTreeSet};

use burn::data::dataloader::DataLoader;
use burn::tensor::{FloatDType, Tensor};

use super::Replay;
use crate::classifier::Encoder;
use crate::examples::{Examples, read};
use crate::memory::{Kept, Memory};
use crate::teacher::labels;
use crate::{ContinualError, Result};

/// A herded memory after a task.
pub(crate) struct Herd<B: Examples> {
    pub(crate) memory: Memory<B::Item>,
    /// The classes of the task.
    pub(crate) classes: BTreeSet<usize>,
    /// One example on the plain device: what batches are made like.
    pub(crate) like: B,
}

/// The memory with every class of a task's data taken up, by features of `plain`, a model in validation mode; all of the data
/// lies on the host meanwhile. The memory of the method stays as it is.
pub(crate) fn herd<M: Encoder, X>(
    replay: &Replay<M::Batch, X>,
    plain: &M,
    data: &dyn DataLoader<M::Batch>,
) -> Result<Herd<M::Batch>> {
    let task = replay.task();
    let mut classes: BTreeMap<usize, (Vec<Kept<_>>, Vec<Vec<f32>>)> = BTreeMap::new();
    let mut like = None;
    for batch in data.iter() {
        let batch = batch?.inner();
        let rows = rows(plain.features(&batch))?;
        let items = batch.items()?.into_iter().zip(labels(&batch)?);
        for ((item, label), row) in items.zip(rows) {
            let (examples, features) = classes.entry(label).or_default();
            examples.push(Kept::new(item, label, task));
            features.push(row);
        }
        if like.is_none() && batch.count() > 0 {
            like = Some(batch.rows(&[0]));
        }
    }
    let like = like.ok_or(ContinualError::Empty("the data of a task"))?;
    let mut memory = replay.with(|memory, _| memory.clone());
    let known = classes.keys().copied().collect();
    for (examples, features) in classes.into_values() {
        memory.add_class(examples, &features)?;
    }
    Ok(Herd {
        memory,
        classes: known,
        like,
    })
}

/// Rows of features on the host.
fn rows(features: Tensor<2>) -> Result<Vec<Vec<f32>>> {
    let width = features.dims()[1].max(1);
    let values: Vec<f32> = read("features", features.cast(FloatDType::F32).try_into_vec_as())?;
    Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
}
