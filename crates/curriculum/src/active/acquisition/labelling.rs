//! The state of active learning: what is labelled, in which rounds.

use std::collections::HashSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check_examples, count};

/// Which examples of a data set have labels, in the order in which they were asked for, by round.
///
/// It is plain data: saved by `serde` and read again, a run goes on as it would have. Random choices follow from the seed and the round.
///
/// ```
/// use regimen_curriculum::active::acquisition::Labelling;
///
/// let mut labelling = Labelling::new(6, 0)?;
/// labelling.label(&[4, 1])?;
/// assert_eq!(labelling.unlabelled(), [0, 2, 3, 5]);
/// labelling.label(&[5])?;
/// assert_eq!((labelling.rounds(), labelling.latest()), (2, &[5][..]));
/// assert!(labelling.label(&[1]).is_err());
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Labelling {
    examples: usize,
    seed: u64,
    labelled: Vec<usize>,
    /// How many each round labelled.
    rounds: Vec<usize>,
}

checked_serde!(Labelling);

impl Checked for Labelling {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_examples(self.examples)?;
        self.check_new(&self.labelled, &mut HashSet::new())?;
        let sizes = self.rounds.iter().try_fold(0_usize, |sum, size| {
            (*size > 0).then_some(sum.checked_add(*size)?)
        });
        let good = sizes == Some(self.labelled.len());
        let allowed = "rounds of one label and more, as many as are labelled";
        count("labelled", self.labelled.len(), good, allowed)
    }
}

impl Labelling {
    /// Of so many examples, none labelled.
    ///
    /// # Errors
    /// If there is no example, or more than 2^28.
    pub fn new(examples: usize, seed: u64) -> Result<Self> {
        check_examples(examples)?;
        Ok(Self {
            examples,
            seed,
            labelled: Vec::new(),
            rounds: Vec::new(),
        })
    }

    /// How many examples there are.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// Those with labels, in the order in which they were asked for.
    #[must_use]
    pub fn labelled(&self) -> &[usize] {
        &self.labelled
    }

    /// Those of the last round; none before the first.
    #[must_use]
    pub fn latest(&self) -> &[usize] {
        let size = self.rounds.last().copied().unwrap_or(0);
        &self.labelled[self.labelled.len() - size..]
    }

    /// How many rounds there were.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Those without labels, in rising order: the candidates.
    #[must_use]
    pub fn unlabelled(&self) -> Vec<usize> {
        let mut is_labelled = vec![false; self.examples];
        self.labelled.iter().for_each(|id| is_labelled[*id] = true);
        let all = is_labelled.iter().enumerate();
        all.filter(|(_, labelled)| !**labelled)
            .map(|(id, _)| id)
            .collect()
    }

    /// Notes that these examples have labels now: one round.
    ///
    /// # Errors
    /// If it is none, one is not there, there twice, or labelled already; then nothing is noted.
    pub fn label(&mut self, ids: &[usize]) -> Result<()> {
        count("ids", ids.len(), !ids.is_empty(), "1 or more")?;
        let mut labelled = self.labelled.iter().copied().collect();
        self.check_new(ids, &mut labelled)?;
        self.labelled.extend(ids);
        self.rounds.push(ids.len());
        Ok(())
    }

    /// So many examples without labels at random: the first to ask for, and what acquisitions are compared with. The same in the same round.
    ///
    /// # Errors
    /// If none are wanted, or more than have no label.
    pub fn random(&self, wanted: usize) -> Result<Vec<usize>> {
        let free = self.unlabelled();
        let good = (1..=free.len()).contains(&wanted);
        count("wanted", wanted, good, "1 to the examples without labels")?;
        let places = rand::seq::index::sample(&mut self.rng(), free.len(), wanted);
        Ok(places.iter().map(|place| free[place]).collect())
    }

    /// A seed for what is random in this round.
    #[must_use]
    pub fn round_seed(&self) -> u64 {
        self.rng().random()
    }

    fn rng(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.rounds.len() as u64);
        rng
    }

    fn check_new(&self, ids: &[usize], labelled: &mut HashSet<usize>) -> Result<()> {
        for id in ids {
            if *id >= self.examples {
                return Err(CurriculumError::UnknownExample {
                    id: *id,
                    examples: self.examples,
                });
            }
            if !labelled.insert(*id) {
                return Err(CurriculumError::Repeated { id: *id });
            }
        }
        Ok(())
    }
}
