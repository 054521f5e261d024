//! The last known loss of every example.

use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check_examples};

/// What a score is before its example was trained on.
const INITIAL: f32 = 3.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores(Vec<f32>);

impl Scores {
    pub(crate) fn new(examples: usize) -> Self {
        Self(vec![INITIAL; examples])
    }

    /// Refuses no scores, and scores that are not finite: from a file they may be anything.
    pub(crate) fn check(&self) -> Result<()> {
        check_examples(self.0.len())?;
        match self.0.iter().position(|score| !score.is_finite()) {
            None => Ok(()),
            Some(id) => Err(CurriculumError::NotFinite {
                id,
                loss: self.0[id],
            }),
        }
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.0
    }

    /// Stores losses after all of them were checked.
    pub(crate) fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        check(self.0.len(), ids, losses)?;
        for (id, loss) in ids.iter().zip(losses) {
            self.0[*id] = *loss;
        }
        Ok(())
    }
}

/// Refuses losses that a sampler must not learn.
pub(crate) fn check(examples: usize, ids: &[usize], losses: &[f32]) -> Result<()> {
    if ids.len() != losses.len() {
        let (ids, losses) = (ids.len(), losses.len());
        return Err(CurriculumError::Lengths { ids, losses });
    }
    for (id, loss) in ids.iter().zip(losses) {
        if *id >= examples {
            return Err(CurriculumError::UnknownExample { id: *id, examples });
        }
        if !loss.is_finite() {
            let (id, loss) = (*id, *loss);
            return Err(CurriculumError::NotFinite { id, loss });
        }
    }
    Ok(())
}
