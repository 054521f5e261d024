//! What the slices of a loader and its feedback share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use burn::tensor::Tensor;

use super::alarm::Alarm;
use super::core::{Core, Running};
use super::position::{At, Group, Planned, Position, Slice};
use super::sample::{LoaderState, Rejected};
use crate::error::{CurriculumError, Result};
use crate::sampler::Sampler;

pub(super) struct Shared<S> {
    core: Mutex<Core<S>>,
    /// Held while losses are read and an epoch is planned, so that one thread does it and feedback never waits for a device.
    planning: Mutex<()>,
    /// The position of the loader that is no slice.
    whole: Arc<Position>,
    alarm: Alarm,
}

impl<S: Clone> Shared<S> {
    pub(super) fn new(state: LoaderState<S>) -> Self {
        let mut core = Core::new(state.sampler.clone());
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

    /// Changes a copy of the sampler, and takes it if it is still for the same data.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> Result<R> {
        let _one = self.lock_planning();
        let mut sampler = self.lock().sampler.clone();
        let found = change(&mut sampler);
        let mut core = self.lock();
        let (sampler_examples, dataset) = (sampler.examples(), core.sampler.examples());
        if sampler_examples != dataset {
            return Err(CurriculumError::OtherData {
                sampler: sampler_examples,
                dataset,
            });
        }
        core.sampler = sampler;
        Ok(found)
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
        let (plan, at, later) = self.lock().standing(&self.whole)?;
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
