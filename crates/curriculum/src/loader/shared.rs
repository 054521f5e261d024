//! What the slices of a loader and its feedback share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;

use super::pending::Pending;
use super::position::{Group, Planned, Position, Slice};
use super::sample::{LoaderState, Rejected};
use crate::error::{CurriculumError, Result};
use crate::sampler::{EpochPlan, Sampler};

pub(super) struct Shared<S> {
    core: Mutex<Core<S>>,
    /// Held while losses are read and an epoch is planned, so that one thread does it and feedback never waits for a device.
    planning: Mutex<()>,
    whole: Arc<Position>,
}

struct Core<S> {
    sampler: S,
    /// The plan of a stopped run with what it had delivered, before it goes on.
    resumed: Option<(EpochPlan, usize)>,
    /// The epoch that is running, and the slices that deliver it, if it is not the whole.
    running: Option<(Planned, Option<Arc<Group>>)>,
    /// The slices that were made since the last epoch began.
    next_slices: Option<Arc<Group>>,
    pending: Pending,
    rejected: Rejected,
}

impl<S> Core<S> {
    /// Batches that were delivered over all epochs.
    fn batches(&self, whole: &Position) -> usize {
        let slices = self
            .running
            .as_ref()
            .and_then(|(_, slices)| slices.as_ref());
        let of_slices = slices.and_then(|slices| slices.batches());
        of_slices.unwrap_or_else(|| whole.batches())
    }
}

impl<S> Shared<S> {
    pub(super) fn new(state: LoaderState<S>) -> Self {
        let unfinished = state.plan.filter(|plan| state.delivered < plan.ids.len());
        let resumed = unfinished.map(|plan| (plan, state.delivered));
        Self {
            core: Mutex::new(Core {
                sampler: state.sampler,
                resumed,
                running: None,
                next_slices: None,
                pending: Pending::default(),
                rejected: state.rejected,
            }),
            planning: Mutex::default(),
            whole: Arc::new(Position::new(state.batches)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_planning(&self) -> MutexGuard<'_, ()> {
        self.planning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position of the loader that is no slice.
    pub(super) fn whole(&self) -> Arc<Position> {
        self.whole.clone()
    }

    /// A slice of the training that begins next.
    pub(super) fn slice(&self, part: (usize, usize)) -> Arc<Slice> {
        let mut core = self.lock();
        let batches = core.batches(&self.whole);
        let open = core.next_slices.take().filter(|group| !group.has_begun());
        let group = open.unwrap_or_default();
        core.next_slices = Some(group.clone());
        Slice::new(part, &group, batches)
    }

    pub(super) fn note(&self, ids: Vec<usize>, losses: Tensor<1>) {
        self.lock().pending.note(ids, losses);
    }

    pub(super) fn rejected(&self) -> Rejected {
        self.lock().rejected
    }
}

impl<S: Sampler + Clone> Shared<S> {
    /// A new epoch for the whole, and how much of it was delivered before.
    pub(super) fn plan(&self) -> Result<Planned> {
        let _one = self.lock_planning();
        let planned = self.next_plan()?;
        let mut core = self.lock();
        let batches = core.batches(&self.whole);
        self.whole.deliver(planned.1, batches);
        core.running = Some((planned.clone(), None));
        Ok(planned)
    }

    /// The next epoch of a slice, made by whichever of its group asks first.
    pub(super) fn plan_slice(&self, slice: &Slice) -> Result<Planned> {
        let _one = self.lock_planning();
        if let Some(planned) = slice.next_plan()? {
            return Ok(planned);
        }
        let planned = self.next_plan()?;
        let mut core = self.lock();
        slice.planned(&planned, core.batches(&self.whole));
        core.running = Some((planned.clone(), Some(slice.group().clone())));
        Ok(planned)
    }

    fn next_plan(&self) -> Result<Planned> {
        let resumed = self.lock().resumed.take();
        if let Some((plan, delivered)) = resumed {
            return Ok((Arc::new(plan), delivered));
        }
        self.teach()?;
        let mut core = self.lock();
        let plan = core.sampler.plan();
        tracing::debug!(examples = plan.ids.len(), "planned an epoch");
        check_plan(&plan, core.sampler.examples())?;
        Ok((Arc::new(plan), 0))
    }

    /// Reads all pending losses and gives them to the sampler.
    fn teach(&self) -> Result<()> {
        let (pending, examples) = {
            let mut core = self.lock();
            (std::mem::take(&mut core.pending), core.sampler.examples())
        };
        let losses = pending.read(examples);
        let Core {
            sampler, rejected, ..
        } = &mut *self.lock();
        losses.teach(sampler, rejected)
    }

    pub(super) fn flush(&self) -> Result<()> {
        let _one = self.lock_planning();
        let before = self.rejected().losses;
        self.teach()?;
        let Rejected { losses, last } = self.rejected();
        match last {
            Some(last) if losses > before => Err(CurriculumError::Rejected {
                losses: losses - before,
                last,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn state(&self) -> Result<LoaderState<S>> {
        let _one = self.lock_planning();
        self.teach()?;
        let core = self.lock();
        let (plan, delivered) = match (&core.resumed, &core.running) {
            (Some((plan, delivered)), _) => (Some(plan.clone()), *delivered),
            (None, Some(((plan, skipped), slices))) => {
                let delivered = match slices {
                    Some(slices) => slices.delivered(*skipped),
                    None => self.whole.delivered(),
                };
                (Some(plan.as_ref().clone()), delivered)
            }
            (None, None) => (None, 0),
        };
        Ok(LoaderState {
            sampler: core.sampler.clone(),
            plan,
            delivered,
            batches: core.batches(&self.whole),
            rejected: core.rejected,
        })
    }
}

/// Refuses a plan that can't be delivered.
pub(super) fn check_plan(plan: &EpochPlan, examples: usize) -> Result<()> {
    if let Some(id) = plan.ids.iter().copied().find(|id| *id >= examples) {
        return Err(CurriculumError::UnknownExample { id, examples });
    }
    let Some(weights) = &plan.weights else {
        return Ok(());
    };
    let ids = plan.ids.len();
    let bad = weights.iter().position(|weight| !weight.is_finite());
    let position = bad.or((weights.len() != ids).then_some(weights.len().min(ids)));
    match position {
        None => Ok(()),
        Some(position) => Err(CurriculumError::Weight {
            position,
            weight: weights
                .get(position)
                .map_or("missing".into(), f32::to_string),
            ids,
        }),
    }
}
