//! # Chosen
//!
//! The examples that something else has chosen, for ever
//!
//! Source: static selection of data, as by BETR (arXiv 2507.12466)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::draw::{generator, shuffled};
use super::part::part;
use super::scores;
use crate::error::{CurriculumError, Result, check_examples, counted, same};
use crate::sampler::{EpochPlan, Sampler};

/// Some of the examples, the same for ever, in a new random order each epoch.
///
/// ```
/// use regimen_curriculum::{Chosen, Sampler};
///
/// let mut sampler = Chosen::new(10, vec![7, 2, 5], 0)?;
/// assert_eq!(sampler.plan().ids.len(), 3);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Chosen {
    examples: usize,
    ids: Vec<usize>,
    seed: u64,
    epoch: usize,
}

checked_serde!(Chosen);

impl Checked for Chosen {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.examples)?;
        counted("epoch", self.epoch)?;
        if self.ids.is_empty() {
            return Err(CurriculumError::TooFew {
                field: "ids",
                found: 0,
                needed: 1,
            });
        }
        let mut is_chosen = vec![false; self.examples];
        for id in &self.ids {
            match is_chosen.get_mut(*id) {
                Some(false) => is_chosen[*id] = true,
                Some(true) => return Err(CurriculumError::Repeated { id: *id }),
                None => {
                    return Err(CurriculumError::UnknownExample {
                        id: *id,
                        examples: self.examples,
                    });
                }
            }
        }
        Ok(())
    }
}

part!(Chosen, "chosen 1");

impl Chosen {
    /// Of a data set of `examples`, 1 to 2^28, those with these ids.
    ///
    /// # Errors
    /// If there is no example or more than 2^28, no id, or an id that is unknown or comes again.
    pub fn new(examples: usize, ids: Vec<usize>, seed: u64) -> Result<Self> {
        let epoch = 0;
        let chosen = Self {
            examples,
            ids,
            seed,
            epoch,
        };
        chosen.checked()
    }

    /// The examples that were chosen, in the order in which they were given.
    #[must_use]
    pub fn ids(&self) -> &[usize] {
        &self.ids
    }
}

impl Sampler for Chosen {
    fn examples(&self) -> usize {
        self.examples
    }

    fn plan(&mut self) -> EpochPlan {
        self.epoch += 1;
        let mut rng = generator(self.seed, self.epoch);
        EpochPlan::new(shuffled(self.ids.clone(), &mut rng))
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        scores::check(self.examples, ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.examples, &saved.examples)?;
        same("seed", &self.seed, &saved.seed)?;
        same("ids", &self.ids.len(), &saved.ids.len())?;
        let differs = self.ids.iter().zip(&saved.ids).find(|(a, b)| a != b);
        differs.map_or(Ok(()), |(own, saved)| same("ids", own, saved))
    }
}
