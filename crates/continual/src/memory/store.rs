//! # Memory
//!
//! Kept examples on the host, of a bounded size.
//!
//! Source: Regimen's own; the policies name theirs.

use std::collections::{BTreeMap, HashMap};

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::capacity::Limit;
use super::cell::{Cell, Counts};
use super::kept::Kept;
use super::memory_config::MemoryConfig;
use super::policy::Policy;
use super::sorted;
use super::{class_balanced, reservoir, ring};
use crate::{ContinualError, Result};

/// Examples that were kept of a stream, under a [`Policy`] and within a [`Capacity`](super::Capacity).
///
/// Adding an example takes the same time however many are kept: constant under a reservoir, at most in proportion to the number of
/// classes (or tasks) under the others. So does drawing one. What is random follows from the seed and two counts, which
/// are part of the saved state: a memory that is restored goes on as it would have.
///
/// Bounded in bytes, a reservoir is uniform where examples have one size. Once one did not fit, it keeps as many as it has, or fewer, and an
/// example that is accepted takes the place of as many random ones as it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Memory<I> {
    pub(super) config: MemoryConfig,
    /// Examples that were offered.
    pub(super) seen: u64,
    /// Draws that were made.
    draws: u64,
    pub(super) cells: BTreeMap<usize, Cell<I>>,
    /// Of each example that is kept with regard to its loss.
    #[serde(with = "sorted")]
    pub(super) losses: HashMap<u64, Option<f32>>,
}
checked_serde!(Memory<I>);

impl MemoryConfig {
    /// An empty memory.
    ///
    /// # Errors
    /// If the capacity is 0.
    pub fn init<I>(&self) -> Result<Memory<I>> {
        self.capacity.check()?;
        Ok(Memory {
            config: *self,
            seen: 0,
            draws: 0,
            cells: BTreeMap::new(),
            losses: HashMap::new(),
        })
    }
}

impl<I> Memory<I> {
    /// How it was made.
    #[must_use]
    pub fn config(&self) -> &MemoryConfig {
        &self.config
    }

    /// Examples that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.values().map(|cell| cell.len).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Examples that were offered so far.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Bytes of what is kept: see [`Kept::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = self.cells.values().map(|cell| cell.bytes);
        bytes.fold(0, usize::saturating_add)
    }

    /// All that is kept. The order changes with what is added.
    pub fn iter(&self) -> impl Iterator<Item = &Kept<I>> {
        let groups = self.cells.values().flat_map(|cell| cell.groups.values());
        groups.flatten()
    }

    /// How many are kept of each class; one pass over the memory.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        self.iter()
            .for_each(|kept| *counts.entry(kept.label).or_insert(0) += 1);
        counts
    }

    /// `count` examples at random, each at most once; all of them, in random order, if fewer are kept.
    pub fn draw(&mut self, count: usize) -> Vec<&Kept<I>> {
        let mut rng = self.next_draw();
        let len = self.len();
        let mut ends = Vec::new();
        let mut end = 0;
        for group in self.cells.values().flat_map(|cell| cell.groups.values()) {
            end += group.len();
            ends.push((end, group));
        }
        let places = index::sample(&mut rng, len, count.min(len));
        let at = |place: usize| {
            let (end, group) = ends.get(ends.partition_point(|(end, _)| *end <= place))?;
            group.get(place + group.len() - end)
        };
        places.into_iter().filter_map(at).collect()
    }

    /// As [`draw`](Self::draw), of those that `wanted` says: one pass over the memory.
    pub fn draw_where(&mut self, count: usize, wanted: impl Fn(&Kept<I>) -> bool) -> Vec<&Kept<I>> {
        let mut rng = self.next_draw();
        let all: Vec<&Kept<I>> = self.iter().filter(|kept| wanted(kept)).collect();
        let places = index::sample(&mut rng, all.len(), count.min(all.len()));
        places.into_iter().map(|place| all[place]).collect()
    }

    /// Which of these examples, by class and task, would be kept if they were offered next, in this order. Whoever reads
    /// only those from a device says [`pass`](Self::pass) for the others.
    ///
    /// Bounded in bytes, it is all of them under a ring, and else a guess: the size decides.
    #[must_use]
    pub fn wanted(&self, offered: &[(usize, usize)]) -> Vec<bool> {
        let policy = self.config.policy;
        let mut counts: HashMap<usize, (Counts, usize, u64)> = HashMap::new();
        let Limit::Items(most) = self.config.capacity.limit() else {
            return vec![policy != Policy::Herded; offered.len()];
        };
        let wants = |(place, (label, task)): (usize, &(usize, usize))| {
            let key = self.config.capacity.cell(*label, *task);
            let group = policy.group(*label, *task);
            let now = || match self.cells.get(&key) {
                Some(cell) => (cell.counts(), cell.len, cell.seen),
                None => (Counts::default(), 0, 0),
            };
            let (counts, len, seen) = counts.entry(key).or_insert_with(now);
            *seen = seen.saturating_add(1);
            let before = *seen - 1;
            let victim = if *len < most {
                *len += 1;
                None
            } else {
                let mut rng = self.rng(self.seen.saturating_add(place as u64).wrapping_mul(2));
                match policy {
                    Policy::Herded => return false,
                    Policy::Reservoir | Policy::LossAware => {
                        return reservoir::place(*len, before, &mut rng).is_some();
                    }
                    Policy::ClassBalanced if !class_balanced::takes(counts, group) => return false,
                    Policy::ClassBalanced => Some(counts.largest().0),
                    Policy::Ring(_) => Some(ring::victim(counts, group).0),
                }
            };
            if let Some(size) = victim.and_then(|group| counts.0.get_mut(&group)) {
                *size = size.saturating_sub(1);
            }
            *counts.0.entry(group).or_insert(0) += 1;
            policy != Policy::Herded
        };
        offered.iter().enumerate().map(wants).collect()
    }

    /// Counts an example as offered that was not kept, since [`wanted`](Self::wanted) said so.
    pub fn pass(&mut self, label: usize, task: usize) {
        self.seen = self.seen.saturating_add(1);
        let key = self.config.capacity.cell(label, task);
        if let Some(cell) = self.cells.get_mut(&key) {
            cell.seen = cell.seen.saturating_add(1);
        }
    }

    /// Tells a loss-aware memory the losses of examples by their [numbers](Kept::number); of those that are gone, they are left out. Other
    /// memories don't need them. An example whose loss is not known is taken for one with a high loss.
    ///
    /// # Errors
    /// If there are not as many losses as numbers, or one is not finite: nothing is kept of them.
    pub fn observe(&mut self, numbers: &[u64], losses: &[f32]) -> Result<()> {
        if numbers.len() != losses.len() {
            return Err(ContinualError::mismatch(
                "losses",
                numbers.len(),
                losses.len(),
            ));
        }
        if losses.iter().any(|loss| !loss.is_finite()) {
            return Err(ContinualError::NotFinite(
                "the losses of kept examples".into(),
            ));
        }
        for (number, loss) in numbers.iter().zip(losses) {
            if let Some(known) = self.losses.get_mut(number) {
                *known = Some(*loss);
            }
        }
        Ok(())
    }

    pub(super) fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(stream);
        rng
    }

    fn next_draw(&mut self) -> ChaCha8Rng {
        let rng = self.rng(self.draws.wrapping_mul(2).wrapping_add(1));
        self.draws = self.draws.wrapping_add(1);
        rng
    }
}
