//! # Dispatch
//!
//! How tokens reach their experts: dropless, sorted by expert, or in a fixed number of places an expert.
//!
//! Source: Gale et al., "MegaBlocks" (arXiv 2211.15841), section 4 (dropless); Fedus et al. (arXiv 2101.03961), equation 3, and
//! Lepikhin et al., "GShard" (arXiv 2006.16668), algorithm 1 (capacity).

use burn::config::Config;

use crate::Result;
use crate::error::above_zero;

/// How tokens reach their experts.
#[derive(Config, Debug, PartialEq)]
pub enum Dispatch {
    /// Every assignment is computed. On `flex`, whose memory is the host's, the choices are sorted there, so that each expert gets
    /// one contiguous product of exactly its rows. On other devices nothing is read: an expert fills as many blocks of places as
    /// it needs, of as many as any split of the assignments can fill; fewer than twice the experts where the assignments of an expert
    /// are on average no more than the width. Each block has a copy of its expert's weights.
    Dropless,
    /// Each expert has a fixed number of places, for one batched product without copies of weights; nothing is read from the device. Assignments
    /// beyond are dropped; with a factor from `experts / top_k` none is.
    Capacity(Capacity),
}

/// A fixed number of places an expert: `ceil(tokens * top_k * factor / experts)`, in the whole batch or in each sequence.
#[derive(Config, Debug, PartialEq)]
pub struct Capacity {
    /// Places over the average load; 1 to 1.25 is usual in training, 2 in evaluation.
    pub factor: f64,
    /// Who keeps a place where there are too few.
    #[config(default = "DropOrder::Position")]
    pub order: DropOrder,
    /// Which tokens compete for the same places.
    #[config(default = "DropGroup::Batch")]
    pub group: DropGroup,
}

/// Which tokens compete for the same places.
///
/// Over the whole batch, earlier tokens are those of its first sequences: by position or by choice the last sequences lose first,
/// whatever their tokens are. Released codes count within groups: Mesh TensorFlow, the code of Switch, cuts the flat batch into groups of
/// equal size (1,024 tokens unless told otherwise) and rounds a group's capacity down; GShard's algorithm 1 has a group for each device's
/// part of the batch, with `2 S / E` places for `S` tokens. Groups of one sequence each are fair to all sequences, and what is dropped of
/// one does not depend on the others.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum DropGroup {
    /// All of the batch: `ceil(tokens * top_k * factor / experts)` places an expert.
    Batch,
    /// Each sequence by itself: `ceil(seq * top_k * factor / experts)` places an expert and sequence, of padded sequences
    /// according to their own tokens.
    Sequence,
}

/// Who keeps a place where there are too few.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum DropOrder {
    /// Earlier tokens (Switch).
    Position,
    /// First choices of all tokens before second choices, earlier tokens first (GShard).
    Choice,
    /// Higher gates, of equal gates earlier tokens.
    Probability,
}

impl Dispatch {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Dropless => Ok(()),
            Self::Capacity(capacity) => above_zero("factor", capacity.factor),
        }
    }
}

/// The places of an expert: `ceil(tokens * top_k * factor / experts)`; 0 where there are no experts, or where the factor is not a number
/// above 0.
///
/// ```
/// assert_eq!(regimen_moe::capacity(64, 8, 1, 1.25), 10);
/// assert_eq!(regimen_moe::capacity(7, 4, 1, 1.0), 2);
/// ```
#[must_use]
pub fn capacity(tokens: usize, experts: usize, top_k: usize, factor: f64) -> usize {
    if experts == 0 {
        return 0;
    }
    let places = tokens as f64 * top_k as f64 * factor / experts as f64;
    // A product that is whole but for rounding is not rounded up.
    (places * (1.0 - 1e-12)).ceil() as usize
}
