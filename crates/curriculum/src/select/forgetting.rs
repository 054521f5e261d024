//! # Forgetting
//!
//! How often each example was right and then wrong again while a model trained.
//!
//! Source: Toneva et al. 2019, "An Empirical Study of Example Forgetting during Deep Neural Network Learning", arXiv 1812.05159

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::part::part;
use crate::error::{CurriculumError, Result, check_examples, same};

/// Counts forgetting events. The scores choose the data of a later training: examples that are never forgotten can be left out first.
///
/// ```
/// use regimen_curriculum::Forgetting;
///
/// let mut events = Forgetting::new(3)?;
/// for right in [[true, false, false], [false, true, false], [true, true, false]] {
///     events.observe(&[0, 1, 2], &right)?;
/// }
/// assert_eq!(events.events(), [1, 0, 0]);
/// assert_eq!(events.scores(), [1.0, 0.0, 4.0]); // never learned: above all others
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Forgetting {
    /// Of each example whether it was right at its last turn.
    right: Vec<bool>,
    learned: Vec<bool>,
    events: Vec<u32>,
    /// Of each example how often it was seen.
    turns: Vec<u32>,
}

checked_serde!(Forgetting);

impl Checked for Forgetting {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let examples = self.right.len();
        check_examples(examples)?;
        for found in [self.learned.len(), self.events.len(), self.turns.len()] {
            if found != examples {
                return Err(CurriculumError::Lengths {
                    ids: examples,
                    losses: found,
                });
            }
        }
        Ok(())
    }
}

part!(Forgetting, "forgetting 1");

impl Forgetting {
    /// For a data set of `examples`, 1 to 2^28.
    ///
    /// # Errors
    /// If there is no example or over 2^28.
    pub fn new(examples: usize) -> Result<Self> {
        check_examples(examples)?;
        Ok(Self {
            right: vec![false; examples],
            learned: vec![false; examples],
            events: vec![0; examples],
            turns: vec![0; examples],
        })
    }

    /// Notes the answers to the examples of a batch, as the model gave them ahead of its update.
    ///
    /// # Errors
    /// If an example is unknown, or there are not as many answers as examples: nothing is noted then.
    pub fn observe(&mut self, ids: &[usize], right: &[bool]) -> Result<()> {
        if ids.len() != right.len() {
            let (ids, losses) = (ids.len(), right.len());
            return Err(CurriculumError::Lengths { ids, losses });
        }
        let examples = self.right.len();
        if let Some(id) = ids.iter().find(|id| **id >= examples) {
            return Err(CurriculumError::UnknownExample { id: *id, examples });
        }
        for (id, right) in ids.iter().zip(right) {
            self.turns[*id] = self.turns[*id].saturating_add(1);
            if self.right[*id] && !right {
                self.events[*id] = self.events[*id].saturating_add(1);
            }
            self.learned[*id] |= right;
            self.right[*id] = *right;
        }
        Ok(())
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        same("examples", &self.right.len(), &saved.right.len())
    }

    /// Of each example how often it was forgotten.
    #[must_use]
    pub fn events(&self) -> &[u32] {
        &self.events
    }

    /// Of each example whether it was never right; one that was never seen is among them.
    #[must_use]
    pub fn is_unlearned(&self, id: usize) -> Option<bool> {
        self.learned.get(id).map(|learned| !learned)
    }

    /// A difficulty for each example: its events; one that was never right is above all others, by one more than the most turns.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        let most = self.turns.iter().copied().max().unwrap_or(0);
        let both = self.events.iter().zip(&self.learned);
        both.map(|(events, learned)| {
            if *learned {
                f64::from(*events)
            } else {
                f64::from(most) + 1.0
            }
        })
        .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fall_from_right_to_wrong_counts() {
        let mut events = Forgetting::new(2).unwrap();
        for right in [false, true, true, false, false, true, false] {
            events.observe(&[1], &[right]).unwrap();
        }
        assert_eq!(events.events(), [0, 2]);
        assert_eq!(
            (events.is_unlearned(0), events.is_unlearned(1)),
            (Some(true), Some(false))
        );
        assert_eq!(events.is_unlearned(2), None);
        assert_eq!(events.scores(), [8.0, 2.0]);
        let before = events.clone();
        assert!(events.observe(&[0, 2], &[true, true]).is_err());
        assert!(events.observe(&[0], &[]).is_err());
        assert_eq!(events, before);
    }
}
