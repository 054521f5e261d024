//! Examples of the tasks that ended, for methods that compare gradients with theirs: the episodic memory of Lopez-Paz and Ranzato (arXiv
//! 1706.08840), section 3, as a uniform sample of each task.

use burn::data::dataloader::DataLoader;
use burn::optim::GradientsParams;
use regimen_tensor::ParamVector;
use regimen_tensor::training::Gradients;
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::examples::{Examples, read};
use crate::memory::{Capacity, Kept, Memory, MemoryConfig, Policy};
use crate::strategy::plain_loss;
use crate::{ContinualError, Result};

/// A memory of so many examples of each task, and what is needed to make batches of them.
pub(super) struct Episodes<B: Examples> {
    pub(super) memory: Memory<B::Item>,
    /// A row of a batch: what batches of kept examples are like.
    like: Option<B>,
    task: Option<usize>,
    ended: usize,
    /// Whether what is kept was restored, and its labels were not looked at yet.
    restored: bool,
}

/// What is saved.
#[derive(Serialize, Deserialize)]
pub(super) struct Plain<K> {
    pub(super) step: usize,
    task: Option<usize>,
    ended: usize,
    memory: K,
}

impl<B: Examples> Episodes<B> {
    pub(super) fn new(per_task: usize, seed: u64) -> Result<Self> {
        let config = MemoryConfig::new(Policy::Reservoir, Capacity::PerTask(per_task));
        Ok(Self {
            memory: config.with_seed(seed).init()?,
            like: None,
            task: None,
            ended: 0,
            restored: false,
        })
    }

    /// The task that trains: by its number where no one said its id.
    pub(super) fn present(&self) -> usize {
        self.task.unwrap_or(self.ended)
    }

    pub(super) fn begin(&mut self, task: usize) {
        self.task = Some(task);
    }

    /// Whether no batch was seen yet.
    pub(super) fn blind(&self) -> bool {
        self.like.is_none()
    }

    /// Keeps what a batch is like: a row of it.
    pub(super) fn see(&mut self, row: B) {
        self.like.get_or_insert(row);
    }

    /// What batches are like.
    pub(super) fn like(&self) -> Result<B> {
        self.like.clone().ok_or(ContinualError::Empty(
            "the batches seen since the state was restored (`loss` or `penalty` shows them)",
        ))
    }

    /// What is kept with the data of the task that ended: `memory` is as it was before.
    pub(super) fn offered(
        mut memory: Memory<B::Item>,
        task: usize,
        data: &dyn DataLoader<B>,
    ) -> Result<(Memory<B::Item>, B)> {
        let mut like = None;
        for batch in data.iter() {
            let batch = batch?;
            if batch.count() == 0 {
                continue;
            }
            like.get_or_insert_with(|| batch.rows(&[0]));
            let labels: Vec<i64> = read("labels", batch.labels().try_into_vec_as())?;
            let label = |label: i64| {
                let allowed = "a class, 0 or more";
                let label = usize::try_from(label);
                label.map_err(|_| ContinualError::range("label", "negative", allowed))
            };
            let offered = labels.into_iter().map(|value| Ok((label(value)?, task)));
            let offered: Vec<(usize, usize)> = offered.collect::<Result<_>>()?;
            memory.add_batch(&offered, |places| {
                let items = batch.rows(places).items()?;
                let kept = items.into_iter().zip(places);
                let kept = kept.map(|(item, place)| Kept::new(item, offered[*place].0, task));
                Ok(kept.collect())
            })?;
        }
        let like = like.ok_or(ContinualError::Empty("the data of a task"))?;
        Ok((memory, like))
    }

    /// All that is kept, if it was restored and its labels were not looked at yet.
    pub(super) fn unverified(&self) -> Option<Vec<B::Item>> {
        let all = self.memory.iter().map(|kept| kept.item.clone());
        self.restored.then(|| all.collect())
    }

    /// Its labels were looked at.
    pub(super) fn verified(&mut self) {
        self.restored = false;
    }

    pub(super) fn end(&mut self, memory: Memory<B::Item>, like: B) {
        (self.memory, self.like) = (memory, Some(like));
        self.task = None;
        self.ended = self.ended.saturating_add(1);
    }

    pub(super) fn plain(&self, step: usize) -> Plain<&Memory<B::Item>> {
        Plain {
            step,
            task: self.task,
            ended: self.ended,
            memory: &self.memory,
        }
    }

    pub(super) fn restore(&mut self, plain: Plain<Memory<B::Item>>) -> Result<()> {
        if plain.memory.config() != self.memory.config() {
            let expected = format!("{:?}", self.memory.config());
            let found = format!("{:?}", plain.memory.config());
            return Err(ContinualError::mismatch("memory", expected, found));
        }
        if plain.ended == 0 && !plain.memory.is_empty() {
            let reason = "examples of earlier tasks where none has ended";
            return Err(ContinualError::State(reason.into()));
        }
        self.memory = plain.memory;
        self.restored = true;
        (self.task, self.ended) = (plain.task, plain.ended);
        Ok(())
    }
}

/// That every label is a class of the model.
pub(super) fn verify<M: Classifier>(
    copy: &M,
    items: &[<M::Batch as Examples>::Item],
    like: &M::Batch,
) -> Result<()> {
    let device = copy.devices().into_iter().next().unwrap_or_default();
    let [_, classes] = copy.logits(&like.to_device(&device)).dims();
    for chunk in items.chunks(256) {
        let labels = M::Batch::of(chunk, like)?.labels();
        let labels: Vec<i64> = read("labels", labels.try_into_vec_as())?;
        if let Some(label) = labels.iter().find(|l| !(0..classes as i64).contains(*l)) {
            let allowed = format!("below {classes}: the classes");
            return Err(ContinualError::range(
                "label of a kept example",
                label,
                &allowed,
            ));
        }
    }
    Ok(())
}

/// The gradient of the mean cross-entropy of these examples, `batch` at a time, at the weights of `copy`: for those parameters that
/// have a gradient in `grads`.
pub(super) fn reference<M: Classifier>(
    copy: &M,
    items: &[<M::Batch as Examples>::Item],
    like: &M::Batch,
    batch: usize,
    grads: &Gradients,
) -> Result<ParamVector> {
    let device = copy.devices().into_iter().next().unwrap_or_default();
    let mut sum: Option<ParamVector> = None;
    for chunk in items.chunks(batch) {
        let examples = M::Batch::of(chunk, like)?.to_device(&device);
        let loss = plain_loss(copy, &examples) * (chunk.len() as f64 / items.len() as f64);
        let own = GradientsParams::from_grads(loss.backward(), copy);
        let own = ParamVector::gradients(copy, &own).widened();
        sum = Some(match sum {
            Some(sum) => sum.add(&own)?,
            None => own,
        });
    }
    let sum = sum.ok_or(ContinualError::Empty("the examples of a task"))?;
    Ok(grads.replaced(copy, &sum).vector(copy)?)
}
