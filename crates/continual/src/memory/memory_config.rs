//! A memory before it is made.

use serde::{Deserialize, Serialize};

use super::capacity::Capacity;
use super::policy::Policy;

/// How a [`Memory`](super::Memory) is made.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `policy` | | which examples stay |
/// | `capacity` | | how many, and of what |
/// | `seed` | 0 | of all that is random in it |
///
/// ```
/// use regimen_continual::memory::{Capacity, Kept, MemoryConfig, Policy};
///
/// let mut memory = MemoryConfig::new(Policy::Reservoir, Capacity::Total(50)).with_seed(1).init()?;
/// for number in 0..200_u32 {
///     memory.add(Kept::new(number, number as usize % 2, 0))?;
/// }
/// assert_eq!((memory.len(), memory.seen()), (50, 200));
/// let batch: Vec<u32> = memory.draw(8).iter().map(|kept| kept.item).collect();
/// assert_eq!(batch.len(), 8);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryConfig {
    /// Which examples stay.
    pub policy: Policy,
    /// How many, and of what.
    pub capacity: Capacity,
    /// Of all that is random.
    pub seed: u64,
}

impl MemoryConfig {
    /// With seed 0.
    #[must_use]
    pub fn new(policy: Policy, capacity: Capacity) -> Self {
        let seed = 0;
        Self {
            policy,
            capacity,
            seed,
        }
    }

    /// A reservoir of so many examples in total.
    #[must_use]
    pub fn reservoir(examples: usize) -> Self {
        Self::new(Policy::Reservoir, Capacity::Total(examples))
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}
