//! # LeastConfident, Margin, Entropy
//!
//! Asks for what the model is unsure about: its best class unlikely, its two best classes close, or its probabilities spread.
//!
//! Source: Lewis and Gale 1994 (least confident); Scheffer, Decomain and Wrobel 2001 (margin); Shannon's entropy, as Settles 2009 lists it in
//! "Active Learning Literature Survey"

use burn::tensor::{IndexingUpdateOp, Tensor};

use super::probabilities::consensus;
use super::score::Score;

/// `1 - max_c p_c`, with the mean over samples.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, LeastConfident};
///
/// let pool = Tensor::<2>::from_data([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0]], &Device::default());
/// assert_eq!(LeastConfident.select(&ClassProbabilities::new(pool)?, 2)?, [1, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeastConfident;

impl Score for LeastConfident {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        let best = consensus(piece).max_dim(1).reshape([candidates]);
        best.neg() + 1.0
    }
}

/// `1 - (p_first - p_second)`, of the two most likely classes, with the mean over samples. modAL's margin is 1 minus this, and the smallest first.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, Margin};
///
/// let pool = Tensor::<2>::from_data([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0]], &Device::default());
/// assert_eq!(Margin.select(&ClassProbabilities::new(pool)?, 2)?, [2, 1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin;

impl Score for Margin {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        let values = consensus(piece);
        let (first, place) = values.clone().max_dim_with_indices(1);
        // The best class falls below 0, another one of the same probability does not.
        let below = first.full_like(-2.0);
        let others = values.scatter(1, place, below, IndexingUpdateOp::Add);
        (others.max_dim(1) - first + 1.0).reshape([candidates])
    }
}

/// `-Σ_c p_c ln p_c` in nats, with the mean over samples: of a committee, it is the entropy of its consensus.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, Entropy};
///
/// let pool = Tensor::<2>::from_data([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0]], &Device::default());
/// assert_eq!(Entropy.select(&ClassProbabilities::new(pool)?, 2)?, [1, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entropy;

impl Score for Entropy {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        entropy(consensus(piece)).reshape([candidates])
    }
}

/// Entropies over the last dimension, which becomes 1; a probability of 0 adds nothing.
pub(super) fn entropy<const D: usize>(probabilities: Tensor<D>) -> Tensor<D> {
    plogp(probabilities).sum_dim(D - 1).neg()
}

/// `p ln p`, 0 for a probability of 0.
pub(super) fn plogp<const D: usize>(probabilities: Tensor<D>) -> Tensor<D> {
    probabilities.clone().clamp_min(1e-30).log() * probabilities
}
