//! The classes of one task after the other.

use rand::seq::{SliceRandom, index};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::combinations;
use super::corruption::Corruption;
use super::recurring_classes::{Recurrence, RecurringClasses};
use super::transform::Transform;
use crate::{ContinualError, Result};

/// The stream of random numbers of what holds for all tasks; task `t` has stream `t`.
const FOR_ALL: u64 = u64::MAX;
/// Added to the number of a task: the stream of what is done to its inputs.
const PERTURBED: u64 = 1 << 40;

/// The classes of one task after the other, each time in ascending order. What was saved goes on as it would have.
///
/// ```
/// use regimen_continual::scenario::{ClassDraws, ClassFrequencies, Recurrence, RecurringClasses};
///
/// let scenario = RecurringClasses::new(ClassFrequencies::uniform(10)?, 2, 1000)?;
/// let mut draws = scenario.with_recurrence(Recurrence::Reduced(1.5))?.draws();
/// let first: Vec<Vec<usize>> = draws.by_ref().take(300).collect();
/// let mut restored: ClassDraws = serde_json::from_str(&serde_json::to_string(&draws)?)?;
/// assert_eq!((first.len(), restored.drawn()), (300, 300));
/// assert!(restored.by_ref().eq(draws));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClassDraws {
    scenario: RecurringClasses,
    /// Tasks so far.
    drawn: u64,
    /// How often each class was in one.
    times: Vec<u64>,
    /// The numbers of the sets in use, made when they are needed.
    #[serde(skip)]
    sets: Vec<u64>,
}
checked_serde!(ClassDraws);

impl RecurringClasses {
    /// The classes of one task after the other, from the first.
    #[must_use]
    pub fn draws(&self) -> ClassDraws {
        ClassDraws {
            times: vec![0; self.classes()],
            scenario: self.clone(),
            drawn: 0,
            sets: Vec::new(),
        }
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng
    }

    /// What a task does to its inputs.
    pub(super) fn transform(&self, task: u64) -> Transform {
        if !self.perturbed {
            return Transform::None;
        }
        match Corruption::random(&mut self.rng(PERTURBED + task)) {
            Some(corruption) => Transform::Corrupted(corruption),
            None => Transform::None,
        }
    }

    /// The numbers of a random share of all sets.
    fn sets(&self, of_all: f64) -> Vec<u64> {
        let all = combinations::count(self.classes(), self.per_task) as usize;
        let used = ((of_all * all as f64) as usize).clamp(1, all);
        let used = index::sample(&mut self.rng(FOR_ALL), all, used);
        used.into_iter().map(|set| set as u64).collect()
    }
}

impl ClassDraws {
    /// Of which scenario.
    #[must_use]
    pub fn scenario(&self) -> &RecurringClasses {
        &self.scenario
    }

    /// Tasks so far.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// How often each class was in a task so far.
    #[must_use]
    pub fn times(&self) -> &[u64] {
        &self.times
    }

    fn classes(&mut self) -> Vec<usize> {
        let RecurringClasses {
            per_task,
            recurrence,
            tasks,
            ..
        } = self.scenario;
        let task = self.drawn;
        let (all, half) = (self.times.len(), self.times.len() / 2);
        let late = task.saturating_mul(2) >= tasks;
        let mut rng = self.scenario.rng(task);
        let weight = |class: usize| self.scenario.frequencies.probabilities()[class].ln();
        let mut draw = |among: std::ops::Range<usize>| {
            first(among.map(|c| (c, weight(c))), per_task, &mut rng)
        };
        match recurrence {
            Recurrence::Sampled => draw(0..all),
            Recurrence::Reduced(by) => {
                let reduced = |class| weight(class) - self.times[class] as f64 * by.ln();
                let weighted = (0..all).map(|class| (class, reduced(class)));
                first(weighted, per_task, &mut rng)
            }
            Recurrence::Iid => (0..all).collect(),
            Recurrence::Incremental if late => draw(half..all),
            Recurrence::Incremental => draw(0..half),
            Recurrence::Forgetting if late => draw(0..half),
            Recurrence::Forgetting => draw(0..all),
            Recurrence::Partition => {
                let mut order: Vec<usize> = (0..all).collect();
                order.shuffle(&mut self.scenario.rng(FOR_ALL));
                let start = task as usize * per_task;
                order[start..start + per_task].to_vec()
            }
            Recurrence::Cyclic(random) => {
                let set = combinations::of_number(all, per_task, task);
                replaced(set, all, random, &mut rng)
            }
            Recurrence::Sets(of_all) => {
                if self.sets.is_empty() {
                    self.sets = self.scenario.sets(of_all);
                }
                let set = self.sets[rng.random_range(0..self.sets.len())];
                combinations::of_number(all, per_task, set)
            }
        }
    }
}

/// Draws without replacement from classes with the logarithms of their weights: those whose weight times an exponential
/// time comes first (Gumbel-top-k). No weight is too small for it.
fn first(
    weighted: impl Iterator<Item = (usize, f64)>,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let keyed = weighted.map(|(class, weight)| {
        let uniform: f64 = rng.random();
        (weight - (-uniform.ln()).ln(), class)
    });
    let mut keyed: Vec<(f64, usize)> = keyed.collect();
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().take(count).map(|keyed| keyed.1).collect()
}

/// The set with each class replaced, with a probability, by a random one of all that it has not.
fn replaced(mut set: Vec<usize>, all: usize, random: f64, rng: &mut impl Rng) -> Vec<usize> {
    for place in 0..set.len() {
        if set.len() < all && rng.random::<f64>() < random {
            // Including the one that goes.
            let others: Vec<usize> = (0..all)
                .filter(|class| *class == set[place] || !set.contains(class))
                .collect();
            set[place] = others[rng.random_range(0..others.len())];
        }
    }
    set
}

impl Iterator for ClassDraws {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        if self.drawn >= self.scenario.tasks {
            return None;
        }
        let mut classes = self.classes();
        classes.sort_unstable();
        for class in &classes {
            self.times[*class] = self.times[*class].saturating_add(1);
        }
        self.drawn += 1;
        Some(classes)
    }
}

impl Checked for ClassDraws {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let (expected, found) = (self.scenario.classes(), self.times.len());
        if expected != found {
            let what = "counts of classes";
            return Err(ContinualError::mismatch(what, expected, found));
        }
        let tasks = self.scenario.tasks;
        if self.drawn > tasks {
            let allowed = format!("at most {tasks}, the tasks");
            return Err(ContinualError::range("drawn", self.drawn, &allowed));
        }
        match self.times.iter().find(|times| **times > self.drawn) {
            Some(times) => {
                let allowed = format!("at most {}, the tasks so far", self.drawn);
                Err(ContinualError::range("times", times, &allowed))
            }
            None => Ok(()),
        }
    }
}
