//! Adding examples to a memory.

use rand::RngExt;

use super::bytes::Bytes;
use super::capacity::{Capacity, Limit};
use super::cell::Cell;
use super::kept::Kept;
use super::memory_config::MemoryConfig;
use super::policy::Policy;
use super::store::Memory;
use super::{class_balanced, loss_aware, reservoir, ring};
use crate::{ContinualError, Result};

impl<I: Bytes> Memory<I> {
    /// Offers an example; its number if it is kept.
    ///
    /// # Errors
    /// If its logits are not finite, it alone is larger than a memory that is bounded in bytes, or the memory is herded, which takes
    /// whole classes: [`add_class`](Self::add_class). Nothing is changed.
    pub fn add(&mut self, kept: Kept<I>) -> Result<Option<u64>> {
        let MemoryConfig {
            policy, capacity, ..
        } = self.config;
        if policy == Policy::Herded {
            return Err(ContinualError::Unsupported {
                method: "a herded memory",
                reason: "it takes whole classes, by `add_class`".into(),
            });
        }
        let kept = self.measured(kept, self.seen)?;
        let (limit, group) = (capacity.limit(), policy.group(kept.label, kept.task));
        let mut rng = self.rng(self.seen.wrapping_mul(2));
        let key = capacity.cell(kept.label, kept.task);
        let cell = self.cells.entry(key).or_insert_with(Cell::new);
        self.seen = self.seen.saturating_add(1);
        cell.seen = cell.seen.saturating_add(1);
        let fits = cell.fits(limit, kept.bytes);
        // How many examples fit is known; how many bytes come is not.
        cell.full |= !fits && matches!(limit, Limit::Bytes(_));
        let samples = matches!(policy, Policy::Reservoir | Policy::LossAware);
        let mut first = None;
        if samples && (cell.full || !fits) {
            first = reservoir::place(cell.len, cell.seen - 1, &mut rng);
            if first.is_none() {
                return Ok(None);
            }
        } else if !fits
            && policy == Policy::ClassBalanced
            && !class_balanced::takes(&cell.counts(), group)
        {
            return Ok(None);
        }
        // A reservoir gives up the place that was drawn even where there is room.
        while first.is_some() || !cell.fits(limit, kept.bytes) {
            let victim = match (policy, first.take()) {
                (Policy::Reservoir, Some(place)) => (0, place),
                (Policy::LossAware, _) => loss_aware::victim(cell, &self.losses, &mut rng),
                (Policy::ClassBalanced, _) => class_balanced::victim(&cell.counts(), &mut rng),
                (Policy::Ring(_), _) => ring::victim(&cell.counts(), group),
                _ => cell.place(rng.random_range(0..cell.len.max(1))),
            };
            let Some(gone) = cell.remove(victim) else {
                break;
            };
            self.losses.remove(&gone.number);
        }
        let number = kept.number;
        if policy == Policy::LossAware {
            self.losses.insert(number, None);
        }
        cell.push(group, kept);
        Ok(Some(number))
    }

    /// Offers examples of which only those are read that would be kept: `read` is given their places in `offered`, and
    /// returns them. Returns how many were kept.
    ///
    /// ```
    /// use regimen_continual::memory::{Kept, MemoryConfig};
    ///
    /// let mut memory = MemoryConfig::reservoir(10).init()?;
    /// for step in 0..100_u32 {
    ///     let labels = [(0, 0), (1, 0), (0, 0), (1, 0)]; // class and task of a batch
    ///     memory.add_batch(&labels, |places| {
    ///         // one read from the device for these rows alone
    ///         Ok(places.iter().map(|place| Kept::new(step, labels[*place].0, 0)).collect())
    ///     })?;
    /// }
    /// assert_eq!((memory.len(), memory.seen()), (10, 400));
    /// # Ok::<(), regimen_continual::ContinualError>(())
    /// ```
    ///
    /// # Errors
    /// What `read` says, or if it returns another number of examples, or others than it was asked for: nothing is changed. Else as
    /// for [`add`](Self::add).
    pub fn add_batch(
        &mut self,
        offered: &[(usize, usize)],
        read: impl FnOnce(&[usize]) -> Result<Vec<Kept<I>>>,
    ) -> Result<usize> {
        let wanted = self.wanted(offered);
        let places: Vec<usize> = (0..offered.len()).filter(|place| wanted[*place]).collect();
        let read = match places.is_empty() {
            true => Vec::new(),
            false => read(&places)?,
        };
        if read.len() != places.len() {
            return Err(ContinualError::mismatch(
                "examples that were read",
                places.len(),
                read.len(),
            ));
        }
        for (kept, place) in read.iter().zip(&places) {
            let found = (kept.label, kept.task);
            if found != offered[*place] {
                let (expected, found) = (format!("{:?}", offered[*place]), format!("{found:?}"));
                return Err(ContinualError::mismatch(
                    "class and task of an example",
                    expected,
                    found,
                ));
            }
        }
        let read: Vec<Kept<I>> = read
            .into_iter()
            .map(|kept| self.measured(kept, 0))
            .collect::<Result<_>>()?;
        let mut read = read.into_iter();
        let mut added = 0;
        for ((label, task), wanted) in offered.iter().zip(wanted) {
            match wanted.then(|| read.next()).flatten() {
                Some(kept) => added += usize::from(self.add(kept)?.is_some()),
                None => self.pass(*label, *task),
            }
        }
        Ok(added)
    }

    /// Puts an example at a place of [`iter`](Self::iter), and returns what was there; it counts as offered. For methods that choose
    /// themselves what goes.
    ///
    /// # Errors
    /// If the memory is not a reservoir of a total number of examples, where places stay as they are; there is no such
    /// place; or the logits are not finite.
    pub fn replace(&mut self, place: usize, kept: Kept<I>) -> Result<Kept<I>> {
        let MemoryConfig {
            policy, capacity, ..
        } = self.config;
        if !matches!((policy, capacity), (Policy::Reservoir, Capacity::Total(_))) {
            return Err(ContinualError::Unsupported {
                method: "replacing at a place",
                reason: "only a reservoir of a total number of examples has places".into(),
            });
        }
        let kept = self.measured(kept, self.seen)?;
        let len = self.len();
        let slot = self.cells.get_mut(&0).and_then(|cell| {
            let slot = cell.groups.get_mut(&0)?.get_mut(place)?;
            Some((slot, &mut cell.bytes, &mut cell.seen))
        });
        let Some((slot, bytes, seen)) = slot else {
            let allowed = format!("below {len}, the examples kept");
            return Err(ContinualError::range("place", place, &allowed));
        };
        *bytes = bytes.saturating_sub(slot.bytes).saturating_add(kept.bytes);
        *seen = seen.saturating_add(1);
        self.seen = self.seen.saturating_add(1);
        Ok(std::mem::replace(slot, kept))
    }

    /// The example with its number and bytes.
    pub(super) fn measured(&self, mut kept: Kept<I>, number: u64) -> Result<Kept<I>> {
        if kept.logits.iter().flatten().any(|logit| !logit.is_finite()) {
            return Err(ContinualError::NotFinite("the logits of an example".into()));
        }
        kept.bytes = kept.bytes();
        kept.number = number;
        if let Limit::Bytes(most) = self.config.capacity.limit()
            && kept.bytes > most
        {
            let allowed = format!("at most {most}, the capacity of the memory");
            return Err(ContinualError::range(
                "bytes of an example",
                kept.bytes,
                &allowed,
            ));
        }
        Ok(kept)
    }
}
