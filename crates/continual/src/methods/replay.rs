//! What the methods with a memory have in common: drawing from it, and offering it what the training pass sees.

mod drawn;
mod fill;
mod handle;
mod herd;
mod rehearse;
mod saving;
mod state;

use burn::tensor::Tensor;
use regimen_tensor::per_example::cross_entropy;

use self::drawn::rows;
pub(crate) use self::drawn::{Drawn, drawn, pass};
pub use self::fill::Fill;
pub(crate) use self::handle::{between_tasks, replayed};
pub(crate) use self::herd::{Herd, herd};
use self::state::Core;
use crate::classifier::Classifier;
use crate::error::positive;
use crate::examples::{Examples, read};
use crate::memory::{Capacity, Groups, Kept, Memory, MemoryConfig, Policy};
use crate::scenario::Task;
use crate::strategy::{Shared, Steps};
use crate::teacher::labels;
use crate::{ContinualError, Result};

/// Examples that are looked at together.
pub(crate) const AT_ONCE: usize = 256;

/// A memory behind a handle, with the state `X` of a method.
pub(crate) struct Replay<B: Examples, X = ()> {
    shared: Shared<Core<B::Item, X>>,
}

impl<B: Examples, X> Clone for Replay<B, X> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

/// Refuses a count of drawn examples of 0, and memories that single examples can't be added to.
pub(crate) fn check(memory: &MemoryConfig, replay: Option<usize>) -> Result<()> {
    positive("replay", replay.unwrap_or(1))?;
    match memory.policy {
        Policy::Herded => Err(ContinualError::Unsupported {
            method: "a herded memory",
            reason: "it takes whole classes at the end of a task, not a stream".into(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a memory in which an example has no logits.
pub(crate) fn with_logits<I>(memory: &Memory<I>) -> Result<()> {
    match memory.iter().all(|kept| kept.logits.is_some()) {
        true => Ok(()),
        false => {
            let reason = "an example is kept without logits".into();
            Err(ContinualError::State(reason))
        }
    }
}

impl<B: Examples, X> Replay<B, X> {
    pub(crate) fn new(memory: &MemoryConfig, fill: Fill, extra: X) -> Result<Self> {
        if let Fill::First(count) = fill {
            positive("fill", count)?;
        }
        Ok(Self {
            shared: Shared::new(Core::new(memory.init()?, fill, extra)),
        })
    }

    pub(crate) fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    /// Looks at memory and state, or changes them. No user's code may run within.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Memory<B::Item>, &mut X) -> T) -> T {
        let core = &mut *self.shared.lock();
        call(&mut core.memory, &mut core.extra)
    }

    /// The number of the running task.
    pub(crate) fn task(&self) -> usize {
        self.shared.lock().task
    }

    pub(crate) fn before_task(&self, task: &Task) {
        self.shared.lock().begin(task);
    }

    pub(crate) fn after_task(&self) {
        self.shared.lock().end();
    }

    /// Examples of the running task that may still be offered.
    pub(crate) fn room(&self) -> usize {
        self.shared.lock().room()
    }

    /// Counts examples of the running task as offered, by a method that adds them itself.
    pub(crate) fn offered(&self, count: usize) {
        self.shared.lock().count(count);
    }

    /// `count` random examples, all if there are fewer.
    pub(crate) fn sample<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        count: usize,
        like: &B,
    ) -> Result<Vec<Kept<B::Item>>> {
        self.verify(model, like)?;
        let memory = &mut self.shared.lock().memory;
        Ok(memory.draw(count).into_iter().cloned().collect())
    }

    /// After a state was read, once: that its examples fit the model's batches and classes.
    fn verify<M: Classifier<Batch = B>>(&self, model: &M, like: &B) -> Result<()> {
        let kept: Vec<(B::Item, usize)> = {
            let core = self.shared.lock();
            if !core.restored {
                return Ok(());
            }
            let kept = core.memory.iter();
            kept.map(|kept| (kept.item.clone(), kept.label)).collect()
        };
        let like = like.rows(&[0]).inner();
        let classes = model.valid().logits(&like).dims()[1];
        for kept in kept.chunks(AT_ONCE) {
            let items: Vec<B::Item> = kept.iter().map(|(item, _)| item.clone()).collect();
            let found = labels(&B::of(&items, &like)?)?;
            let odd = found
                .iter()
                .zip(kept)
                .find(|(found, (_, label))| *found != label || *label >= classes);
            if let Some((found, _)) = odd {
                let allowed = format!("that of its entry, below {classes}");
                return Err(ContinualError::range(
                    "label of a kept example",
                    found,
                    &allowed,
                ));
            }
        }
        self.shared.lock().restored = false;
        Ok(())
    }

    /// `count` random examples as a batch like `like`, all if there are fewer; none if nothing is kept.
    pub(crate) fn draw<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        count: usize,
        like: &B,
    ) -> Result<Option<Drawn<B>>> {
        drawn(self.sample(model, count, like)?, like)
    }

    /// Offers the examples of a training batch; only those that are accepted are read from the device. `logits` is asked for the batch's
    /// logits if there are such. If one of theirs is not finite, none of the batch is kept.
    ///
    /// What is not on a device with autodiff does not train, and is not offered.
    pub(crate) fn offer(
        &self,
        batch: &B,
        keep_logits: bool,
        logits: impl Fn() -> Tensor<2>,
    ) -> Result<()> {
        match batch.device().is_autodiff() {
            true => self.offer_any(batch, keep_logits, Some(&logits)),
            false => Ok(()),
        }
    }

    /// As [`offer`](Self::offer), of any device and with or without logits.
    pub(crate) fn offer_any(
        &self,
        batch: &B,
        keep_logits: bool,
        logits: Option<&dyn Fn() -> Tensor<2>>,
    ) -> Result<()> {
        let config = *self.shared.lock().memory.config();
        let known = match needs_labels(&config) {
            true => labels(batch)?,
            false => vec![0; batch.count()],
        };
        let (offered, wanted) = {
            let core = self.shared.lock();
            let count = core.room().min(known.len());
            let offered = known[..count].iter().map(|label| (*label, core.task));
            let offered: Vec<(usize, usize)> = offered.collect();
            let wanted = core.memory.wanted(&offered);
            (offered, wanted)
        };
        let places: Vec<usize> = (0..wanted.len()).filter(|place| wanted[*place]).collect();
        let kept = match places.is_empty() {
            true => Vec::new(),
            false => {
                let task = offered[0].1;
                let logits = match logits {
                    Some(logits) => rows(logits(), &places)?,
                    None => vec![Vec::new(); places.len()],
                };
                if logits.iter().flatten().any(|logit| !logit.is_finite()) {
                    let what = "the logits of an example for the memory".to_owned();
                    self.steps().note(ContinualError::NotFinite(what));
                    return Ok(());
                }
                let chosen = batch.rows(&places).inner();
                let kept = chosen
                    .items()?
                    .into_iter()
                    .zip(labels(&chosen)?)
                    .zip(logits);
                let kept = kept.map(|((item, label), logits)| {
                    let kept = Kept::new(item, label, task);
                    match keep_logits {
                        true => kept.with_logits(logits),
                        false => kept,
                    }
                });
                kept.collect()
            }
        };
        let mut core = self.shared.lock();
        let mut kept = kept.into_iter();
        for ((label, task), wanted) in offered.iter().zip(wanted) {
            match wanted.then(|| kept.next()).flatten() {
                Some(kept) => {
                    core.memory.add(kept)?;
                }
                None => core.memory.pass(*label, *task),
            }
        }
        core.count(offered.len());
        Ok(())
    }

    /// Tells a loss-aware memory the losses of drawn examples: one read.
    pub(crate) fn tell(&self, drawn: &Drawn<B>, logits: &Tensor<2>) -> Result<()> {
        let aware = self.shared.lock().memory.config().policy == Policy::LossAware;
        if !aware {
            return Ok(());
        }
        let losses = cross_entropy(logits.clone().detach(), drawn.batch.labels());
        let losses: Vec<f32> = read("losses", losses.try_into_vec_as())?;
        let told = self.shared.lock().memory.observe(&drawn.numbers, &losses);
        if let Err(error) = told {
            self.steps().note(error);
        }
        Ok(())
    }
}

/// Whether it matters to a memory of which class an example is before it is accepted.
fn needs_labels(config: &MemoryConfig) -> bool {
    let by_task = matches!(
        config.policy,
        Policy::Reservoir | Policy::Ring(Groups::Tasks)
    );
    !by_task || matches!(config.capacity, Capacity::PerClass(_))
}
