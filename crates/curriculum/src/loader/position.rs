//! How far loaders came, and which slices belong together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cuts::Place;
use crate::error::{CurriculumError, Result};
use crate::sampler::EpochPlan;

/// Plans kept for slices that start an epoch later than others.
const KEPT: usize = 8;

/// How far a loader came: examples of the running epoch, and batches of all epochs.
#[derive(Debug, Default)]
pub(super) struct Position {
    delivered: AtomicUsize,
    batches: AtomicUsize,
}

impl Position {
    pub(super) fn new(batches: usize) -> Self {
        let position = Self::default();
        position.deliver(0, batches);
        position
    }

    pub(super) fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    pub(super) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn deliver(&self, delivered: usize, batches: usize) {
        self.delivered.store(delivered, Ordering::Relaxed);
        self.batches.store(batches, Ordering::Relaxed);
    }
}

/// A plan and how much of it was delivered before.
pub(super) type Planned = (Arc<EpochPlan>, usize);

/// A slice of a loader, and its clones on other devices.
pub(super) struct Slice {
    /// Its share in examples of the data set.
    pub(super) part: (usize, usize),
    pub(super) position: Arc<Position>,
    group: Arc<Group>,
    /// Epochs that it began.
    begun: AtomicUsize,
}

/// The slices that were made before any of them began: those of one training.
#[derive(Default)]
pub(super) struct Group(Mutex<Members>);

#[derive(Default)]
struct Members {
    made: Vec<Weak<Slice>>,
    /// From the first epoch on, the slices in the order of their parts.
    fixed: Option<Fixed>,
    /// Epochs that were planned for it, and the plans of the last of them.
    planned: usize,
    plans: VecDeque<Planned>,
}

struct Fixed {
    parts: Vec<(usize, usize)>,
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

    /// The examples that all slices delivered of the running epoch, which began with `skipped` delivered; those of slices that do
    /// not make up the whole have no common position.
    pub(super) fn delivered(&self, skipped: usize) -> usize {
        let members = self.lock();
        let fixed = members.fixed.as_ref().filter(|fixed| fixed.whole);
        let all = fixed.and_then(|fixed| fixed.positions.iter().map(|p| p.delivered()).min());
        all.map_or(skipped, |all| all.max(skipped))
    }

    /// The batches that every slice delivered, over all epochs.
    pub(super) fn batches(&self) -> Option<usize> {
        let members = self.lock();
        let positions = &members.fixed.as_ref()?.positions;
        positions.iter().map(|position| position.batches()).min()
    }
}

impl Slice {
    pub(super) fn new(part: (usize, usize), group: &Arc<Group>, batches: usize) -> Arc<Self> {
        let slice = Arc::new(Self {
            part,
            position: Arc::new(Position::new(batches)),
            group: group.clone(),
            begun: AtomicUsize::new(0),
        });
        group.lock().made.push(Arc::downgrade(&slice));
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
        let index = fixed.parts.iter().position(|part| *part == self.part);
        match index.filter(|_| fixed.whole) {
            None => Share::Part,
            Some(index) => Share::InStep(Place {
                index,
                of: fixed.parts.len(),
            }),
        }
    }

    /// The plan of its next epoch, if another slice asked for it before.
    ///
    /// # Errors
    /// If it is so far behind the others that the plan is gone.
    pub(super) fn next_plan(&self) -> Result<Option<Planned>> {
        let members = self.group.lock();
        let begun = self.begun.load(Ordering::Relaxed);
        let behind = members.planned.saturating_sub(begun);
        if behind > members.plans.len() {
            return Err(CurriculumError::Behind { epochs: behind });
        }
        let planned = members.plans.get(members.plans.len() - behind).cloned();
        if planned.is_some() {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        Ok(planned)
    }

    /// Keeps a new plan for the other slices too, after so many batches of the run.
    pub(super) fn planned(&self, planned: &Planned, batches: usize) {
        let mut members = self.group.lock();
        members.plans.push_back(planned.clone());
        members.planned += 1;
        if members.plans.len() > KEPT {
            members.plans.pop_front();
        }
        for position in members.fixed.iter().flat_map(|fixed| &fixed.positions) {
            position.deliver(planned.1, position.batches().max(batches));
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fixed {
    fn new(made: &[Weak<Slice>], examples: usize) -> Self {
        let mut alive: Vec<Arc<Slice>> = made.iter().filter_map(Weak::upgrade).collect();
        alive.sort_by_key(|slice| slice.part);
        let positions = alive.iter().map(|slice| slice.position.clone()).collect();
        let parts: Vec<(usize, usize)> = alive.iter().map(|slice| slice.part).collect();
        let ends = parts.iter().map(|part| part.1);
        let starts = parts.iter().map(|part| part.0).chain([examples]);
        let whole = std::iter::once(0).chain(ends).eq(starts);
        Self {
            whole: whole && !parts.is_empty(),
            parts,
            positions,
        }
    }
}
