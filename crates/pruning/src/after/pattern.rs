//! How many weights go, and where.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::threshold::share_of;
use serde::{Deserialize, Serialize};

use super::n_m;
use crate::error::fraction;
use crate::{PruningError, Result};

/// How many weights go, and where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Pattern {
    /// A share, in [0, 1], of each row (Wanda, magnitude by layer) or block of columns (SparseGPT).
    Share(f64),
    /// `n` of every `m` consecutive inputs stay: 2 of 4 is what sparse tensor cores run.
    NOfM {
        /// How many stay.
        n: usize,
        /// Of how many, at least 1; the layer's inputs must be a multiple.
        m: usize,
    },
}

impl Checked for Pattern {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        match *self {
            Self::Share(share) => fraction("share", share, true),
            Self::NOfM { n, m } => n_m::check(n, m),
        }
    }
}
checked_serde!(Pattern);

impl Pattern {
    /// Weights that go from `rows` times `columns` of them.
    pub(crate) fn goes(self, rows: usize, columns: usize) -> usize {
        match self {
            Self::Share(sparsity) => share_of(sparsity, rows * columns),
            Self::NOfM { n, m } => rows * (columns / m.max(1)) * m.saturating_sub(n),
        }
    }
}
