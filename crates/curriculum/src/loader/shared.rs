//! What the slices of a loader and its feedback share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use burn::tensor::Tensor;

use super::alarm::Alarm;
use super::pending::Pending;
use super::position::{At, Group, Planned, Position, Slice};
use super::sample::{LoaderState, Rejected};
use crate::error::{CurriculumError, Result};
use crate::sampler::{EpochPlan, Sampler};

pub(super) struct Shared<S> {
    core: Mutex<Core<S>>,
    /// Held while losses are read and an epoch is planned, so that one thread does it and feedback never waits for a device.
    planning: Mutex<()>,
    /// The position of the loader that is no slice.
    whole: Arc<Position>,
    alarm: Alarm,
}

struct Core<S> {
    sampler: S,
    /// Plans of a stopped run with what each had delivered, before it goes on.
    resumed: VecDeque<(EpochPlan, usize)>,
    /// The plan that it was done with, if no other followed.
    done: Option<EpochPlan>,
    /// What delivers the epoch that is running.
    running: Option<Running>,
    /// Epochs that were begun, and batches before the one that is running.
    epochs: usize,
    batches: usize,
    /// The slices that were made since the last epoch began, and all groups of slices.
    next_slices: Option<Arc<Group>>,
    groups: Vec<Weak<Group>>,
    pending: Pending,
    rejected: Rejected,
}

enum Running {
    Whole(Planned),
    Slices(Arc<Group>),
}

impl<S> Core<S> {
    /// Batches that were delivered over all epochs.
    fn batches(&self, whole: &Position) -> usize {
        match &self.running {
            None => self.batches,
            Some(Running::Whole(_)) => whole.at().batches,
            Some(Running::Slices(group)) => group.batches().max(self.batches),
        }
    }

    /// Goes on from a state; returns the position then.
    fn set(&mut self, state: LoaderState<S>) -> At {
        let started = state.plan.map(|plan| (plan, state.delivered));
        let later = state.later.into_iter().map(|plan| (plan, 0));
        self.resumed = started.into_iter().chain(later).collect();
        self.done = None;
        let is_done = |first: &(EpochPlan, usize)| first.1 >= first.0.ids.len();
        if self.resumed.front().is_some_and(is_done) {
            let first = self.resumed.pop_front().map(|(plan, _)| plan);
            self.done = first.filter(|_| self.resumed.is_empty());
        }
        self.sampler = state.sampler;
        self.running = None;
        // No iterator of before has this number.
        self.epochs += 1;
        self.batches = state.batches;
        self.next_slices = None;
        self.pending = state.noted.into();
        self.rejected = state.rejected;
        At {
            epoch: self.epochs,
            delivered: 0,
            batches: state.batches,
        }
    }
}

impl<S: Clone> Shared<S> {
    pub(super) fn new(state: LoaderState<S>) -> Self {
        let mut core = Core {
            sampler: state.sampler.clone(),
            resumed: VecDeque::new(),
            done: None,
            running: None,
            epochs: 0,
            batches: 0,
            next_slices: None,
            groups: Vec::new(),
            pending: Pending::default(),
            rejected: Rejected::default(),
        };
        core.set(state);
        Self {
            core: Mutex::new(core),
            planning: Mutex::default(),
            whole: Arc::default(),
            alarm: Alarm::default(),
        }
    }
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Core<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_planning(&self) -> MutexGuard<'_, ()> {
        self.planning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn whole(&self) -> Arc<Position> {
        self.whole.clone()
    }

    pub(super) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Whether slices were made that did not begin yet.
    pub(super) fn has_open_slices(&self) -> bool {
        let core = self.lock();
        core.next_slices
            .as_ref()
            .is_some_and(|group| !group.has_begun())
    }

    /// A slice of the training that begins next.
    pub(super) fn slice(&self, part: (usize, usize)) -> Arc<Slice> {
        let mut core = self.lock();
        let batches = core.batches(&self.whole);
        let open = core.next_slices.take().filter(|group| !group.has_begun());
        let group = open.unwrap_or_else(|| {
            let group = Arc::<Group>::default();
            core.groups.retain(|group| group.strong_count() > 0);
            core.groups.push(Arc::downgrade(&group));
            group
        });
        core.next_slices = Some(group.clone());
        Slice::new(part, &group, batches)
    }

    /// Reads what is pending on devices. The planning lock is held.
    fn read(&self) -> Option<CurriculumError> {
        let unread = self.lock().pending.take_unread();
        if unread.is_empty() {
            return None;
        }
        let (read, failed) = tracing::info_span!("read losses").in_scope(|| unread.read());
        let rejected = read.rejected();
        if let Some(example) = rejected.last {
            let losses = rejected.losses;
            tracing::warn!(losses, example, "losses that are not finite are left out");
        }
        let heard = failed.clone().or(rejected.error());
        self.lock().pending.put(read, failed);
        heard
    }

    /// Reads what is pending on devices, so that what is wrong is known; what is sound is learned with the next epoch.
    pub(super) fn settle(&self) {
        let heard = {
            let _one = self.lock_planning();
            self.read()
        };
        heard.iter().for_each(|error| self.alarm.ring(error));
    }

    pub(super) fn rejected(&self) -> Rejected {
        self.settle();
        let core = self.lock();
        core.rejected.and(core.pending.read().rejected())
    }
}

impl<S: Sampler + Clone> Shared<S> {
    pub(super) fn note(&self, ids: Vec<usize>, losses: Tensor<1>) {
        let noted = {
            let mut core = self.lock();
            let examples = core.sampler.examples();
            core.pending.note(examples, ids, losses)
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "a batch of losses is left out");
            self.alarm.ring(&error);
        }
    }

    /// A new epoch for the whole.
    pub(super) fn plan(&self) -> Result<Planned> {
        let (planned, heard) = {
            let _one = self.lock_planning();
            let (planned, heard) = self.next_plan();
            if let Ok(planned) = &planned {
                self.whole.deliver(planned.start);
                self.lock().running = Some(Running::Whole(planned.clone()));
            }
            (planned, heard)
        };
        self.ring(&planned, heard);
        planned
    }

    /// The next epoch of a slice, made by whichever of its group asks first.
    pub(super) fn plan_slice(&self, slice: &Slice) -> Result<Planned> {
        let (planned, heard) = {
            let _one = self.lock_planning();
            match slice.next_plan() {
                Some(planned) => (planned, None),
                None => {
                    let (planned, heard) = self.next_plan();
                    if planned.is_ok() {
                        let mut core = self.lock();
                        core.batches = core.batches(&self.whole);
                        core.running = Some(Running::Slices(slice.group().clone()));
                    }
                    (slice.planned(planned), heard)
                }
            }
        };
        self.ring(&planned, heard);
        planned
    }

    fn ring(&self, planned: &Result<Planned>, heard: Option<CurriculumError>) {
        let failed = planned.as_ref().err().cloned();
        if let Some(error) = heard.or(failed) {
            self.alarm.ring(&error);
        }
    }

    /// The plan that is next, and what was wrong with losses. The planning lock is held.
    fn next_plan(&self) -> (Result<Planned>, Option<CurriculumError>) {
        let mut heard = None;
        let resumed = self.lock().resumed.pop_front();
        let next = match resumed {
            Some(resumed) => Ok(resumed),
            None => {
                heard = self.read();
                self.teach()
                    .and_then(|()| self.lock().plan())
                    .map(|plan| (plan, 0))
            }
        };
        let planned = next.map(|(plan, delivered)| {
            let mut core = self.lock();
            core.epochs += 1;
            Planned {
                start: At {
                    epoch: core.epochs,
                    delivered,
                    batches: core.batches(&self.whole),
                },
                plan: Arc::new(plan),
            }
        });
        (planned, heard)
    }

    /// Gives the sampler what was read. The planning lock is held.
    fn teach(&self) -> Result<()> {
        let mut core = self.lock();
        let read = core.pending.take_read();
        let failed = core.pending.failure();
        core.rejected = core.rejected.and(read.rejected());
        let losses = read.ids.len();
        let span = tracing::info_span!("learn losses", losses);
        let taught = span.in_scope(|| read.teach(&mut core.sampler));
        taught.and(failed.map_or(Ok(()), Err))
    }

    pub(super) fn flush(&self) -> Result<()> {
        let (flushed, heard) = {
            let _one = self.lock_planning();
            let heard = self.read();
            let rejected = self.lock().pending.read().rejected();
            let taught = self.teach();
            (taught.and(rejected.error().map_or(Ok(()), Err)), heard)
        };
        let failed = flushed.as_ref().err().cloned();
        if let Some(error) = heard.or(failed) {
            self.alarm.ring(&error);
        }
        flushed
    }

    pub(super) fn state(&self) -> Result<LoaderState<S>> {
        let (state, heard) = {
            let _one = self.lock_planning();
            let heard = self.read();
            (self.read_state(), heard)
        };
        heard.iter().for_each(|error| self.alarm.ring(error));
        state
    }

    /// The state once nothing is pending on devices. The planning lock is held.
    fn read_state(&self) -> Result<LoaderState<S>> {
        if let Some(error) = self.lock().pending.failure() {
            return Err(error);
        }
        let standing = self.standing()?;
        let (plan, at, later) = standing;
        if later.is_empty()
            && plan
                .as_ref()
                .is_none_or(|plan| at.delivered >= plan.ids.len())
        {
            // The epoch is done with: so are its losses.
            self.teach()?;
        }
        let core = self.lock();
        Ok(LoaderState {
            sampler: core.sampler.clone(),
            plan,
            delivered: at.delivered,
            batches: at.batches,
            rejected: core.rejected,
            later,
            noted: core.pending.read().clone(),
        })
    }

    /// The plan that is running, how far it came, and those that follow.
    fn standing(&self) -> Result<(Option<EpochPlan>, At, Vec<EpochPlan>)> {
        let core = self.lock();
        let running = match &core.running {
            None => None,
            Some(Running::Whole(planned)) => Some((planned.clone(), self.whole.at(), Vec::new())),
            Some(Running::Slices(group)) => group.standing()?,
        };
        let resumed = core.resumed.iter();
        match running {
            Some((running, at, later)) => {
                let later = later.iter().map(|planned| planned.plan.as_ref().clone());
                let later = later.chain(resumed.map(|(plan, _)| plan.clone())).collect();
                Ok((Some(running.plan.as_ref().clone()), at, later))
            }
            None => {
                let done = core.done.iter().map(|plan| (plan.clone(), plan.ids.len()));
                let mut resumed = done.chain(resumed.cloned());
                let first = resumed.next();
                let at = At {
                    delivered: first.as_ref().map_or(0, |(_, delivered)| *delivered),
                    batches: core.batches,
                    ..At::default()
                };
                let later = resumed.map(|(plan, _)| plan).collect();
                Ok((first.map(|(plan, _)| plan), at, later))
            }
        }
    }

    /// Refuses a state that is not one of this loader's sampler.
    pub(super) fn accepts(&self, state: &LoaderState<S>) -> Result<()> {
        self.lock().sampler.accepts(&state.sampler)
    }

    /// Goes on from a state; what is running has no say any more.
    pub(super) fn restore(&self, state: LoaderState<S>) {
        let _one = self.lock_planning();
        let mut core = self.lock();
        let at = core.set(state);
        self.whole.deliver(at);
        for group in core.groups.iter().filter_map(Weak::upgrade) {
            group.restart(at);
        }
    }
}

impl<S: Sampler> Core<S> {
    /// The sampler's next plan, which can be delivered.
    fn plan(&mut self) -> Result<EpochPlan> {
        let examples = self.sampler.examples();
        let span = tracing::info_span!("plan epoch", examples, planned = tracing::field::Empty);
        let _span = span.enter();
        let plan = self.sampler.plan();
        span.record("planned", plan.ids.len());
        if plan.ids.is_empty() {
            let (examples, needed) = (0, 1);
            return Err(CurriculumError::EmptyEpoch { examples, needed });
        }
        plan.check_for(examples)?;
        Ok(plan)
    }
}
