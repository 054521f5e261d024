//! What to run.

use std::path::PathBuf;

use super::{Drill, Job};
use crate::experiment::{Context, System};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The experiments.
    pub systems: Vec<&'static System>,
    /// How many seeds of each, instead of their own number.
    pub seeds: Option<u64>,
    /// The large size.
    pub full: bool,
    /// The small size, for tests of the experiments themselves.
    pub small: bool,
    /// A folder with the user's data.
    pub folder: Option<PathBuf>,
    /// A seed that is made to fail: its system, its place among the seeds, and how.
    pub drill: Option<(String, u64, Drill)>,
    /// Measures everything anew.
    pub fresh: bool,
}

impl Plan {
    /// The context that all seeds of the plan share, but for the seed.
    #[must_use]
    pub fn context(&self, seed: u64) -> Context {
        Context {
            full: self.full,
            small: self.small,
            folder: self.folder.clone(),
            ..Context::new(seed)
        }
    }

    /// The seeds of all its systems, in their order.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let of = |system: &'static System| {
            let count = self.seeds.unwrap_or(u64::MAX);
            let end = match self.seeds {
                Some(_) => system.seeds.start.saturating_add(count),
                None => system.seeds.end,
            };
            (system.seeds.start..end).map(move |seed| Job {
                drill: self.drill_of(system, seed),
                ..Job::new(system, seed, self.small)
            })
        };
        self.systems.iter().copied().flat_map(of).collect()
    }

    fn drill_of(&self, system: &System, seed: u64) -> Option<Drill> {
        let (name, place, drill) = self.drill.as_ref()?;
        (name == system.name && system.seeds.start + place == seed).then_some(*drill)
    }
}
