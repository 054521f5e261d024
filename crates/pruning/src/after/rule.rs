//! How a layer's weights are chosen.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{fraction, positive};
use crate::{PruningError, Result};

/// How a layer's weights are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[non_exhaustive]
pub enum Rule {
    /// The smallest `|w|`, output by output.
    Magnitude,
    /// The smallest `|w| ||x||`, output by output.
    Wanda,
    /// The smallest error of the output, made up for by the weights that stay.
    SparseGpt {
        /// Share of the Hessian's mean diagonal that is added to it, in [0, 1]; .01 in the paper.
        damping: f64,
        /// Columns that choose together, at least 1 and a multiple of `m`; 128 in the paper.
        block: usize,
    },
}

impl Checked for Rule {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        match *self {
            Self::SparseGpt { damping, block } => {
                fraction("damping", damping, true)?;
                positive("block", block)
            }
            Self::Magnitude | Self::Wanda => Ok(()),
        }
    }
}
checked_serde!(Rule);

impl Rule {
    /// SparseGPT with the paper's damping and block.
    pub const SPARSE_GPT: Self = Self::SparseGpt {
        damping: 0.01,
        block: 128,
    };
}
