//! The mask of one parameter, and how it is saved.

use burn::module::ParamId;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bits::{pack, unpack};
use crate::{PruningError, Result};

/// The mask of one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Packed", into = "Packed")]
pub struct Mask {
    /// The parameter.
    pub id: ParamId,
    /// Its path in the module.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// One flag a weight, row-major: true is active.
    pub active: Vec<bool>,
}

impl Mask {
    /// Number of active weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.active.par_iter().filter(|active| **active).count()
    }

    /// Share of active weights.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.count() as f64 / self.active.len() as f64
    }

    /// That there is a flag for each weight, and a weight.
    pub(super) fn check(&self) -> Result<()> {
        let size = size(&self.path, &self.shape)?;
        if self.active.len() == size {
            return Ok(());
        }
        Err(PruningError::Mismatch {
            path: self.path.clone(),
            expected: format!("{size} flags for {:?}", self.shape),
            found: self.active.len().to_string(),
        })
    }
}

/// The number of weights of a shape.
fn size(path: &str, shape: &[usize]) -> Result<usize> {
    let size = shape
        .iter()
        .try_fold(1_usize, |n, side| n.checked_mul(*side));
    size.filter(|size| *size > 0 && !shape.is_empty())
        .ok_or_else(|| PruningError::Mismatch {
            path: path.to_owned(),
            expected: "a shape of at least 1 weight that fits in memory".into(),
            found: format!("{shape:?}"),
        })
}

/// A mask as it is saved: 64 flags a word.
#[derive(Serialize, Deserialize)]
struct Packed {
    id: u64,
    path: String,
    shape: Vec<usize>,
    words: Vec<u64>,
}

impl From<Mask> for Packed {
    fn from(mask: Mask) -> Self {
        Self {
            id: mask.id.val(),
            words: pack(&mask.active),
            path: mask.path,
            shape: mask.shape,
        }
    }
}

impl TryFrom<Packed> for Mask {
    type Error = PruningError;

    fn try_from(packed: Packed) -> Result<Self> {
        let count = size(&packed.path, &packed.shape)?;
        if packed.words.len() != count.div_ceil(64) {
            return Err(PruningError::Mismatch {
                path: packed.path,
                expected: format!("{} words for {:?}", count.div_ceil(64), packed.shape),
                found: packed.words.len().to_string(),
            });
        }
        Ok(Self {
            active: unpack(&packed.words, count),
            id: ParamId::from(packed.id),
            path: packed.path,
            shape: packed.shape,
        })
    }
}
