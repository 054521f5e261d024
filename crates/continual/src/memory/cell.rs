//! The examples that share one bound.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::capacity::Limit;
use super::kept::Kept;

/// Where an example is: its group and its place there.
pub(super) type Place = (usize, usize);

/// Examples under one bound, in the groups of the policy; no group is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell<I> {
    pub(super) groups: BTreeMap<usize, VecDeque<Kept<I>>>,
    /// Examples that were offered.
    pub(super) seen: u64,
    /// Whether one did not fit so far, of a bound in bytes.
    pub(super) full: bool,
    #[serde(skip)]
    pub(super) len: usize,
    #[serde(skip)]
    pub(super) bytes: usize,
}

impl<I> Cell<I> {
    pub(super) fn new() -> Self {
        Self {
            groups: BTreeMap::new(),
            seen: 0,
            full: false,
            len: 0,
            bytes: 0,
        }
    }

    /// Counts anew what is not saved.
    pub(super) fn count(&mut self) {
        let kept = || self.groups.values().flatten();
        let bytes = kept().fold(0_usize, |sum, kept| sum.saturating_add(kept.bytes));
        (self.len, self.bytes) = (kept().count(), bytes);
    }

    pub(super) fn fits(&self, limit: Limit, bytes: usize) -> bool {
        match limit {
            Limit::Items(most) => self.len < most,
            Limit::Bytes(most) => self.bytes.saturating_add(bytes) <= most,
        }
    }

    pub(super) fn push(&mut self, group: usize, kept: Kept<I>) {
        self.len += 1;
        self.bytes = self.bytes.saturating_add(kept.bytes);
        self.groups.entry(group).or_default().push_back(kept);
    }

    /// Takes an example out. The oldest of a group leaves the order of the others as it is.
    pub(super) fn remove(&mut self, (group, place): Place) -> Option<Kept<I>> {
        let examples = self.groups.get_mut(&group)?;
        let kept = match place {
            0 => examples.pop_front(),
            place => examples.swap_remove_back(place),
        }?;
        if examples.is_empty() {
            self.groups.remove(&group);
        }
        self.len -= 1;
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        Some(kept)
    }

    /// The sizes of the groups.
    pub(super) fn counts(&self) -> Counts {
        let groups = self.groups.iter();
        Counts(groups.map(|(key, group)| (*key, group.len())).collect())
    }

    /// The place of a number in `0..len`.
    pub(super) fn place(&self, mut number: usize) -> Place {
        for (key, group) in &self.groups {
            if number < group.len() {
                return (*key, number);
            }
            number -= group.len();
        }
        (0, number)
    }

    pub(super) fn get(&self, (group, place): Place) -> Option<&Kept<I>> {
        self.groups.get(&group)?.get(place)
    }
}

/// The sizes of groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(pub(super) BTreeMap<usize, usize>);

impl Counts {
    pub(super) fn of(&self, group: usize) -> usize {
        self.0.get(&group).copied().unwrap_or(0)
    }

    /// The largest group, of equal ones the first, with its size.
    pub(super) fn largest(&self) -> (usize, usize) {
        let least = (0, 0);
        let larger = |best: (usize, usize), (key, size): (&usize, &usize)| match *size > best.1 {
            true => (*key, *size),
            false => best,
        };
        self.0.iter().fold(least, larger)
    }
}
