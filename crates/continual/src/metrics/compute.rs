//! # Compute
//!
//! What a method costs: gradient evaluations, and bytes that it keeps from task to task.
//!
//! Source: Regimen's own; comparisons at equal compute are at equal [`Compute::gradients`].

use std::collections::BTreeMap;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::{ContinualError, Result};

/// Gradient evaluations and bytes kept.
///
/// ```
/// use regimen_continual::Compute;
///
/// let mut compute = Compute::default();
/// compute.count(32); // a step on the stream's batch
/// compute.count(32); // and on one of the memory
/// compute.keep("memory", 51_200);
/// compute.keep("anchor", 16_000);
/// assert_eq!((compute.gradients(), compute.bytes()), (64, 67_200));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Compute {
    gradients: u64,
    kept: BTreeMap<String, u64>,
}
checked_serde!(Compute);

impl Compute {
    /// Counts a backward pass over so many examples: their gradients, one each.
    pub fn count(&mut self, examples: usize) {
        self.gradients = self.gradients.saturating_add(examples as u64);
    }

    /// Notes what something takes, in bytes, in place of what it took before.
    pub fn keep(&mut self, what: &str, bytes: usize) {
        self.kept.insert(what.to_owned(), bytes as u64);
    }

    /// Gradients of single examples.
    #[must_use]
    pub fn gradients(&self) -> u64 {
        self.gradients
    }

    /// Bytes of all that is kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kept
            .values()
            .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Bytes by what keeps them.
    #[must_use]
    pub fn kept(&self) -> &BTreeMap<String, u64> {
        &self.kept
    }
}

impl Checked for Compute {
    type Error = ContinualError;

    /// Counts are exact in every format up to 2^53.
    fn check(&self) -> Result<()> {
        let counts = self.kept.values().chain([&self.gradients]);
        match counts.copied().find(|count| *count > 1 << 53) {
            Some(count) => Err(ContinualError::range("count", count, "at most 2^53")),
            None => Ok(()),
        }
    }
}

/// The bytes of a vector's values.
#[cfg(feature = "burn")]
#[must_use]
pub fn vector_bytes(vector: &regimen_tensor::ParamVector) -> usize {
    let entries = vector.entries().iter();
    entries
        .map(|entry| entry.len() * entry.values.dtype().size())
        .sum()
}
