//! What the slices of a loader and its feedback share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;

use super::sample::LoaderState;
use crate::error::{CurriculumError, Result};
use crate::sampler::{EpochPlan, Sampler};

/// Plans kept for slices that start an epoch later than others.
const KEPT: usize = 8;

/// How far a run came: examples of the running epoch, and batches of all epochs.
pub(super) struct Position {
    delivered: AtomicUsize,
    batches: AtomicUsize,
    /// Of the whole, what its slices have delivered of the running epoch together.
    sliced: AtomicUsize,
    /// Of a slice, the whole's.
    whole: Option<Arc<Position>>,
}

impl Position {
    pub(super) fn new(batches: usize) -> Self {
        Self {
            delivered: AtomicUsize::new(0),
            batches: AtomicUsize::new(batches),
            sliced: AtomicUsize::new(0),
            whole: None,
        }
    }

    /// A slice's own, from as many batches as the loader that is sliced.
    pub(super) fn slice(self: &Arc<Self>) -> Arc<Self> {
        let whole = self.whole.as_ref().unwrap_or(self).clone();
        Arc::new(Self {
            whole: Some(whole),
            ..Self::new(self.batches())
        })
    }

    pub(super) fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// After a batch of some examples.
    pub(super) fn advance(&self, examples: usize, delivered: usize, batches: usize) {
        self.delivered.store(delivered, Ordering::Relaxed);
        self.batches.store(batches, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.sliced.fetch_add(examples, Ordering::Relaxed);
            whole.batches.fetch_max(batches, Ordering::Relaxed);
        }
    }

    /// At an epoch of which some examples were delivered before.
    fn start(&self, delivered: usize) {
        self.delivered.store(delivered, Ordering::Relaxed);
        self.sliced.store(delivered, Ordering::Relaxed);
    }

    /// Examples delivered of an epoch of so many: those of slices count once they are all of them.
    fn delivered(&self, of: usize) -> usize {
        if self.sliced.load(Ordering::Relaxed) >= of {
            return of;
        }
        self.delivered.load(Ordering::Relaxed)
    }
}

pub(super) struct Shared<S> {
    core: Mutex<Core<S>>,
    position: Arc<Position>,
}

struct Core<S> {
    sampler: S,
    /// Plans by the number of their epoch since this loader was made.
    plans: VecDeque<(usize, Arc<EpochPlan>)>,
    /// The plan of a stopped run with what it had delivered: epoch 0 of this loader.
    resumed: Option<(EpochPlan, usize)>,
    skip: usize,
    pending: Vec<(Vec<usize>, Tensor<1>)>,
}

impl<S> Shared<S> {
    pub(super) fn new(state: LoaderState<S>) -> Self {
        let unfinished = state.plan.filter(|plan| state.delivered < plan.ids.len());
        let resumed = unfinished.map(|plan| (plan, state.delivered));
        Self {
            core: Mutex::new(Core {
                sampler: state.sampler,
                plans: VecDeque::new(),
                resumed,
                skip: 0,
                pending: Vec::new(),
            }),
            position: Arc::new(Position::new(state.batches)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn position(&self) -> Arc<Position> {
        self.position.clone()
    }

    pub(super) fn note(&self, ids: Vec<usize>, losses: Tensor<1>) {
        self.lock().pending.push((ids, losses));
    }
}

impl<S: Sampler + Clone> Shared<S> {
    /// The plan of an epoch, made by whoever asks first, and how much of it was delivered before.
    pub(super) fn plan(&self, epoch: usize) -> Result<(Arc<EpochPlan>, usize)> {
        let mut core = self.lock();
        if let Some((_, plan)) = core.plans.iter().find(|(number, _)| *number == epoch) {
            return Ok((plan.clone(), if epoch == 0 { core.skip } else { 0 }));
        }
        let (plan, skip) = match core.resumed.take() {
            Some(resumed) => resumed,
            None => {
                core.flush()?;
                (core.sampler.plan(), 0)
            }
        };
        tracing::debug!(epoch, examples = plan.ids.len(), "planned an epoch");
        let plan = Arc::new(plan);
        core.skip = skip;
        core.plans.push_back((epoch, plan.clone()));
        if core.plans.len() > KEPT {
            core.plans.pop_front();
        }
        self.position.start(skip);
        Ok((plan, skip))
    }

    pub(super) fn flush(&self) -> Result<()> {
        self.lock().flush()
    }

    pub(super) fn state(&self) -> Result<LoaderState<S>> {
        let mut core = self.lock();
        core.flush()?;
        if let Some((plan, delivered)) = &core.resumed {
            return Ok(LoaderState {
                sampler: core.sampler.clone(),
                plan: Some(plan.clone()),
                delivered: *delivered,
                batches: self.position.batches(),
            });
        }
        let plan = core.plans.back().map(|(_, plan)| plan.as_ref().clone());
        let examples = plan.as_ref().map_or(0, |plan| plan.ids.len());
        Ok(LoaderState {
            sampler: core.sampler.clone(),
            plan,
            delivered: self.position.delivered(examples),
            batches: self.position.batches(),
        })
    }
}

impl<S: Sampler> Core<S> {
    /// Reads all pending losses in one transfer and gives them to the sampler.
    fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (mut ids, mut losses) = (Vec::new(), Vec::new());
        for (batch, values) in std::mem::take(&mut self.pending) {
            let (count, found) = (batch.len(), values.dims()[0]);
            if count != found {
                return Err(CurriculumError::Lengths {
                    ids: count,
                    losses: found,
                });
            }
            ids.extend(batch);
            losses.push(values);
        }
        let host = Tensor::cat(losses, 0).try_into_vec_as::<f32>();
        let host = host.map_err(|error| CurriculumError::Read(error.to_string()))?;
        self.sampler.observe(&ids, &host)
    }
}
