//! A memory as it is saved, and what is checked when it is read.

use std::collections::HashSet;

use regimen_tensor::checked::Checked;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::capacity::Limit;
use super::cell::Cell;
use super::policy::Policy;
use super::store::Memory;
use crate::{ContinualError, Result};

/// Examples that can be counted: beyond, numbers are not exact in every format.
const MOST: u64 = 1 << 53;

fn odd<T>(reason: String) -> Result<T> {
    Err(ContinualError::State(reason))
}

impl<I> Checked for Memory<I> {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let capacity = self.config.capacity;
        capacity.check()?;
        if self.seen > MOST {
            return Err(ContinualError::range("seen", self.seen, "at most 2^53"));
        }
        let mut numbers = HashSet::new();
        for (key, cell) in &self.cells {
            self.check_cell(*key, cell, &mut numbers)?;
        }
        let aware = self.config.policy == Policy::LossAware;
        let known = self.losses.keys().all(|number| numbers.contains(number));
        if !known || self.losses.len() != if aware { numbers.len() } else { 0 } {
            return odd("`losses` are not of the examples that are kept".into());
        }
        match self
            .losses
            .values()
            .flatten()
            .find(|loss| !loss.is_finite())
        {
            Some(loss) => Err(ContinualError::range("losses", loss, "finite")),
            None => Ok(()),
        }
    }

    fn checked(mut self) -> Result<Self> {
        self.cells.values_mut().for_each(Cell::count);
        self.check()?;
        Ok(self)
    }
}

impl<I> Memory<I> {
    fn check_cell(&self, key: usize, cell: &Cell<I>, numbers: &mut HashSet<u64>) -> Result<()> {
        let (policy, capacity) = (self.config.policy, self.config.capacity);
        for (group, kept) in &cell.groups {
            if kept.is_empty() {
                return odd(format!("group {group} is empty"));
            }
            for kept in kept {
                let place = (
                    capacity.cell(kept.label, kept.task),
                    policy.group(kept.label, kept.task),
                );
                if place != (key, *group) {
                    return odd(format!("example {} is in another group", kept.number));
                }
                if kept.number >= self.seen || !numbers.insert(kept.number) {
                    let allowed = "below `seen`, each once";
                    return Err(ContinualError::range("number", kept.number, allowed));
                }
                if kept.logits.iter().flatten().any(|logit| !logit.is_finite()) {
                    return Err(ContinualError::range("logits", "not finite", "finite"));
                }
            }
        }
        let (used, most) = match capacity.limit() {
            Limit::Items(most) => (cell.len, most),
            Limit::Bytes(most) => (cell.bytes, most),
        };
        if used > most {
            let allowed = format!("at most {most}, the capacity");
            return Err(ContinualError::range("cells", used, &allowed));
        }
        if cell.seen > self.seen || cell.seen < cell.len as u64 {
            let allowed = "from the examples that are kept to all that were offered";
            return Err(ContinualError::range("seen", cell.seen, allowed));
        }
        Ok(())
    }
}

/// All that is kept, and the state of what is random. A state of a memory that was made otherwise is refused.
impl<I: Serialize + DeserializeOwned> Part for Memory<I> {
    fn kind(&self) -> String {
        "memory 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        if read.config != self.config {
            let (expected, found) = (format!("{:?}", self.config), format!("{:?}", read.config));
            return Err(ContinualError::mismatch("memory", expected, found).into());
        }
        *self = read;
        Ok(())
    }
}
