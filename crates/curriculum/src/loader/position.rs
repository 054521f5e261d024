//! How far loaders came, and which slices belong together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cuts::Place;
use crate::error::{CurriculumError, Result};
use crate::sampler::EpochPlan;

/// Plans kept for slices that start an epoch later than others.
const KEPT: usize = 8;

/// How far a loader came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// The number of the epoch that it delivers.
    pub(super) epoch: usize,
    /// Examples of it that were delivered.
    pub(super) delivered: usize,
    /// Batches of all epochs that were delivered.
    pub(super) batches: usize,
}

/// Where a loader is; its iterators tell it.
#[derive(Debug, Default)]
pub(super) struct Position(Mutex<At>);

impl Position {
    pub(super) fn at(&self) -> At {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An iterator of an earlier epoch, which was given up, has no say.
    pub(super) fn deliver(&self, at: At) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if at.epoch >= now.epoch {
            *now = at;
        }
    }
}

/// A plan that is delivered.
#[derive(Clone)]
pub(super) struct Planned {
    pub(super) plan: Arc<EpochPlan>,
    /// Where it starts: its number, what of it was delivered before, and the batches before it.
    pub(super) start: At,
}

/// A slice of a loader, and its clones on other devices.
pub(super) struct Slice {
    /// Its share in examples of the data set.
    pub(super) part: (usize, usize),
    pub(super) position: Arc<Position>,
    /// Its number among the slices that were made with it.
    number: usize,
    group: Arc<Group>,
}

/// The slices that were made before any of them began: those of one training.
#[derive(Default)]
pub(super) struct Group(Mutex<Members>);

#[derive(Default)]
struct Members {
    made: Vec<Weak<Slice>>,
    /// Epochs that each of them began.
    begun: Vec<usize>,
    /// From the first epoch on, the slices in the order of their parts.
    fixed: Option<Fixed>,
    /// Epochs that were planned for it, and what came of the last of them: every slice is told the same.
    planned: usize,
    plans: VecDeque<Result<Planned>>,
}

struct Fixed {
    numbers: Vec<usize>,
    positions: Vec<Arc<Position>>,
    /// Whether the parts make up the whole.
    whole: bool,
}

/// What a slice delivers of a plan.
pub(super) enum Share {
    /// Its batches, in step with those of the other slices.
    InStep(Place),
    /// The range of its part, since the others are not known.
    Part,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.lock().fixed.is_some()
    }

    /// The batches that the first of the slices delivered, over all epochs.
    pub(super) fn batches(&self) -> usize {
        let members = self.lock();
        let positions = members.fixed.iter().flat_map(|fixed| &fixed.positions);
        positions.map(|own| own.at().batches).max().unwrap_or(0)
    }

    /// What all slices delivered: the plan that the last of them is at, how far it came, and the plans after it. Slices that do not
    /// make up the whole have no common position: the latest plan starts again.
    ///
    /// # Errors
    /// If the last of them is so far behind that its plan is gone.
    pub(super) fn standing(&self) -> Result<Option<(Planned, At, Vec<Planned>)>> {
        let members = self.lock();
        let plans = || members.plans.iter().filter_map(|plan| plan.as_ref().ok());
        let fixed = members.fixed.as_ref().filter(|fixed| fixed.whole);
        let Some(fixed) = fixed else {
            let latest = plans().next_back().cloned();
            return Ok(latest.map(|plan| (plan.clone(), plan.start, Vec::new())));
        };
        let begun = fixed.numbers.iter().map(|number| members.begun[*number]);
        // The plan of the epoch that a slice is in is kept too.
        let epochs = members.planned - begun.min().unwrap_or(0);
        if epochs > members.plans.len() || (epochs == members.plans.len() && epochs >= KEPT) {
            return Err(CurriculumError::Behind { epochs });
        }
        let last = fixed.positions.iter().map(|own| own.at()).min();
        let last = last.unwrap_or_default();
        let left = |plan: &&Planned| {
            let done = plan.start.epoch == last.epoch && last.delivered >= plan.plan.ids.len();
            plan.start.epoch >= last.epoch && !done
        };
        let mut left = plans().filter(left).cloned();
        let Some(first) = left.next() else {
            // All are done with the latest.
            let latest = plans().next_back().cloned();
            return Ok(latest.map(|plan| (plan, last, Vec::new())));
        };
        let at = if first.start.epoch == last.epoch {
            last
        } else {
            first.start
        };
        Ok(Some((first, at, left.collect())))
    }

    /// Begins anew, at a position that no iterator of before changes.
    pub(super) fn restart(&self, at: At) {
        let mut members = self.lock();
        members.plans.clear();
        members.planned = 0;
        members.begun.fill(0);
        for slice in members.made.iter().filter_map(Weak::upgrade) {
            slice.position.deliver(at);
        }
    }
}

impl Slice {
    pub(super) fn new(part: (usize, usize), group: &Arc<Group>, batches: usize) -> Arc<Self> {
        let mut members = group.lock();
        let position = Position::default();
        position.deliver(At {
            batches,
            ..At::default()
        });
        let slice = Arc::new(Self {
            part,
            position: Arc::new(position),
            number: members.made.len(),
            group: group.clone(),
        });
        members.made.push(Arc::downgrade(&slice));
        members.begun.push(0);
        slice
    }

    pub(super) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Settles which slices there are, of a data set of so many examples.
    pub(super) fn begin(&self, examples: usize) -> Share {
        let mut members = self.group.lock();
        let Members { made, fixed, .. } = &mut *members;
        let fixed = fixed.get_or_insert_with(|| Fixed::new(made, examples));
        let index = fixed.numbers.iter().position(|own| *own == self.number);
        match index.filter(|_| fixed.whole) {
            None => Share::Part,
            Some(index) => Share::InStep(Place {
                index,
                of: fixed.numbers.len(),
            }),
        }
    }

    /// The plan of its next epoch, or why there is none, if another slice asked for it before.
    pub(super) fn next_plan(&self) -> Option<Result<Planned>> {
        let mut members = self.group.lock();
        let behind = members.planned - members.begun[self.number];
        if behind == 0 {
            return None;
        }
        let kept = members.plans.len().checked_sub(behind);
        let Some(planned) = kept.and_then(|place| members.plans.get(place).cloned()) else {
            // What was dropped is never made anew: other examples would be delivered twice.
            return Some(Err(CurriculumError::Behind { epochs: behind }));
        };
        members.begun[self.number] += 1;
        drop(members);
        Some(self.started(planned))
    }

    /// Keeps what came of a new epoch for the other slices too.
    pub(super) fn planned(&self, planned: Result<Planned>) -> Result<Planned> {
        let mut members = self.group.lock();
        members.plans.push_back(planned.clone());
        members.planned += 1;
        if members.plans.len() > KEPT {
            members.plans.pop_front();
        }
        members.begun[self.number] += 1;
        drop(members);
        self.started(planned)
    }

    fn started(&self, planned: Result<Planned>) -> Result<Planned> {
        if let Ok(planned) = &planned {
            self.position.deliver(planned.start);
        }
        planned
    }
}

impl Fixed {
    fn new(made: &[Weak<Slice>], examples: usize) -> Self {
        let mut alive: Vec<Arc<Slice>> = made.iter().filter_map(Weak::upgrade).collect();
        // Of slices without an example of their own, which share those of the others, each has a place as well.
        alive.sort_by_key(|slice| (slice.part, slice.number));
        let ends = alive.iter().map(|slice| slice.part.1);
        let starts = alive.iter().map(|slice| slice.part.0).chain([examples]);
        let whole = std::iter::once(0).chain(ends).eq(starts);
        Self {
            whole: whole && !alive.is_empty(),
            numbers: alive.iter().map(|slice| slice.number).collect(),
            positions: alive.iter().map(|slice| slice.position.clone()).collect(),
        }
    }
}
