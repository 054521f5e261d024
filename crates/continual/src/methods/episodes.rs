//! Examples of the tasks that ended, for methods that compare gradients with theirs: the episodic memory of Lopez-Paz and Ranzato (arXiv
//! 1706.08840), section 3, as a uniform sample of each task.

use burn::data::dataloader::DataLoader;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{PartError, json};
use regimen_tensor::training::Gradients;
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::examples::{Examples, read};
use crate::memory::{Capacity, Kept, Memory, MemoryConfig, Policy};
use crate::strategy::{Shared, plain_loss, zero};
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
struct Plain<K> {
    step: usize,
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

    /// What batches are like.
    pub(super) fn like(&self) -> Result<B> {
        self.like.clone().ok_or(ContinualError::Empty(
            "the batches seen since the state was restored (`loss` or `penalty` shows them)",
        ))
    }

    fn end(&mut self, memory: Memory<B::Item>, like: B) {
        (self.memory, self.like) = (memory, Some(like));
        self.task = None;
        self.ended = self.ended.saturating_add(1);
    }

    fn restore(&mut self, plain: Plain<Memory<B::Item>>) -> Result<()> {
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

impl<B: Examples> Shared<Episodes<B>> {
    /// Shows what batches are like, if that is not known yet. Nothing is added to the loss.
    pub(super) fn show(&self, batch: &B) -> Tensor<1> {
        let blind = self.lock().like.is_none();
        if blind && batch.count() > 0 {
            let row = batch.rows(&[0]);
            self.lock().like.get_or_insert(row);
        }
        zero(&batch.device())
    }

    /// A task has ended: its examples are kept.
    pub(super) fn end(&self, data: &dyn DataLoader<B>) -> Result<()> {
        let (memory, task) = {
            let state = self.lock();
            (state.memory.clone(), state.present())
        };
        let (memory, like) = offered(memory, task, data)?;
        self.lock().end(memory, like);
        Ok(())
    }

    /// After a state was read, once: that the label of every kept example is a class of the model.
    pub(super) fn verify<M: Classifier<Batch = B>>(&self, copy: &M, like: &B) -> Result<()> {
        let all: Vec<B::Item> = {
            let state = self.lock();
            if !state.restored {
                return Ok(());
            }
            let all = state.memory.iter().map(|kept| kept.item.clone());
            all.collect()
        };
        verify(copy, &all, like)?;
        self.lock().restored = false;
        Ok(())
    }

    pub(super) fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.lock();
        json::save(&Plain {
            step: self.steps.taken(),
            task: state.task,
            ended: state.ended,
            memory: &state.memory,
        })
    }

    pub(super) fn load(&self, bytes: &[u8]) -> Result<(), PartError> {
        let plain: Plain<Memory<B::Item>> = json::load(bytes)?;
        let step = plain.step;
        self.lock().restore(plain)?;
        self.steps.restore(step);
        Ok(())
    }
}

/// What is kept, and the part of a checkpoint, of a handle with `shared: Shared<Episodes<B>>`.
macro_rules! episodic {
    ($name:ident, $kind:literal) => {
        impl<B: Examples> std::fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let kept = self.shared.lock().memory.len();
                write!(f, "{}({kept} examples)", stringify!($name))
            }
        }

        impl<B: Examples> $name<B> {
            /// A copy of what is kept.
            #[must_use]
            pub fn memory(&self) -> $crate::memory::Memory<B::Item> {
                self.shared.lock().memory.clone()
            }
        }

        impl<B: Examples> regimen_tensor::checkpoint::Part for $name<B> {
            fn kind(&self) -> String {
                $kind.into()
            }

            fn save(&self) -> Result<Vec<u8>, regimen_tensor::checkpoint::PartError> {
                self.shared.save()
            }

            fn load(&mut self, bytes: &[u8]) -> Result<(), regimen_tensor::checkpoint::PartError> {
                self.shared.load(bytes)
            }
        }
    };
}
pub(super) use episodic;

/// What is kept with the data of the task that ended: `memory` is as it was before.
fn offered<B: Examples>(
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

/// That every label is a class of the model.
fn verify<M: Classifier>(
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
