//! What the lock of a loader's shared state guards.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::pending::Pending;
use super::position::{At, Group, Planned, Position};
use super::sample::{LoaderState, Rejected};
use crate::error::{CurriculumError, Result};
use crate::sampler::{EpochPlan, Sampler};

/// What a lock guards.
pub(super) struct Core<S> {
    pub(super) sampler: S,
    /// Plans of a stopped run with what each had delivered, before it goes on.
    pub(super) resumed: VecDeque<(EpochPlan, usize)>,
    /// The plan that it was done with, if no other followed.
    pub(super) done: Option<EpochPlan>,
    /// What delivers the epoch that is running.
    pub(super) running: Option<Running>,
    /// Epochs that were begun, and batches before the one that is running.
    pub(super) epochs: usize,
    pub(super) batches: usize,
    /// The slices that were made since the last epoch began, and all groups of slices.
    pub(super) next_slices: Option<Arc<Group>>,
    pub(super) groups: Vec<Weak<Group>>,
    pub(super) pending: Pending,
    pub(super) rejected: Rejected,
}

/// What delivers an epoch.
pub(super) enum Running {
    Whole(Planned),
    Slices(Arc<Group>),
}

impl<S> Core<S> {
    /// Before anything began.
    pub(super) fn new(sampler: S) -> Self {
        Self {
            sampler,
            resumed: VecDeque::new(),
            done: None,
            running: None,
            epochs: 0,
            batches: 0,
            next_slices: None,
            groups: Vec::new(),
            pending: Pending::default(),
            rejected: Rejected::default(),
        }
    }

    /// Batches that were delivered over all epochs.
    pub(super) fn batches(&self, whole: &Position) -> usize {
        match &self.running {
            None => self.batches,
            Some(Running::Whole(_)) => whole.at().batches,
            Some(Running::Slices(group)) => group.batches().max(self.batches),
        }
    }

    /// The plan that is running, how far it came, and those that follow.
    pub(super) fn standing(
        &self,
        whole: &Position,
    ) -> Result<(Option<EpochPlan>, At, Vec<EpochPlan>)> {
        let running = match &self.running {
            None => None,
            Some(Running::Whole(planned)) => Some((planned.clone(), whole.at(), Vec::new())),
            Some(Running::Slices(group)) => group.standing()?,
        };
        let resumed = self.resumed.iter();
        match running {
            Some((running, at, later)) => {
                let later = later.iter().map(|planned| planned.plan.as_ref().clone());
                let later = later.chain(resumed.map(|(plan, _)| plan.clone())).collect();
                Ok((Some(running.plan.as_ref().clone()), at, later))
            }
            None => {
                let done = self.done.iter().map(|plan| (plan.clone(), plan.ids.len()));
                let mut resumed = done.chain(resumed.cloned());
                let first = resumed.next();
                let at = At {
                    delivered: first.as_ref().map_or(0, |(_, delivered)| *delivered),
                    batches: self.batches,
                    ..At::default()
                };
                let later = resumed.map(|(plan, _)| plan).collect();
                Ok((first.map(|(plan, _)| plan), at, later))
            }
        }
    }

    /// Goes on from a state; returns the position then.
    pub(super) fn set(&mut self, state: LoaderState<S>) -> At {
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

impl<S: Sampler> Core<S> {
    /// The sampler's next plan, which can be delivered.
    pub(super) fn plan(&mut self) -> Result<EpochPlan> {
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
