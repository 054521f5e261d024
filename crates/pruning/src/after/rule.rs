//! How a layer's weights are chosen.

use serde::{Deserialize, Serialize};

/// How a layer's weights are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

impl Rule {
    /// SparseGPT with the paper's damping and block.
    pub const SPARSE_GPT: Self = Self::SparseGpt {
        damping: 0.01,
        block: 128,
    };
}
