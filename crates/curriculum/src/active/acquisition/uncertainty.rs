//! # LeastConfident, Margin, Entropy
//!
//! Asks for what the model is unsure about: its best class unlikely, its two best classes close, or its probabilities spread.
//!
//! Source: Lewis and Gale 1994 (least confident); Scheffer, Decomain and Wrobel 2001 (margin); Shannon's entropy, as Settles 2009 lists it in
//! "Active Learning Literature Survey"

use burn::tensor::Tensor;

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
        let (first, second) = two_best(consensus(piece));
        (second - first + 1.0).reshape([candidates])
    }
}

/// The two largest numbers of rows that were compared.
type Best = (Tensor<2>, Tensor<2>);

fn merged((first, second): Best, (other, next): Best) -> Best {
    let low = first.clone().min_pair(other.clone());
    (first.max_pair(other), low.max_pair(second.max_pair(next)))
}

/// The two largest of each row, `[1, rows]` each, equal or not: winners and runners-up of ever fewer pairs of columns.
fn two_best(values: Tensor<2>) -> Best {
    // Columns become rows: what is compared lies together.
    let columns = values.swap_dims(0, 1);
    let mut width = columns.dims()[0];
    let column = |start, length| columns.clone().narrow(0, start, length);
    let mut rest = (width % 2 == 1).then(|| {
        let last = column(width - 1, 1);
        (last.clone(), last.full_like(-1.0))
    });
    width /= 2;
    let (left, right) = (column(0, width), column(width, width));
    let mut best = (left.clone().max_pair(right.clone()), left.min_pair(right));
    while width > 1 {
        let half = width / 2;
        let part = |start, length| {
            let of = |all: &Tensor<2>| all.clone().narrow(0, start, length);
            (of(&best.0), of(&best.1))
        };
        if width % 2 == 1 {
            let last = part(width - 1, 1);
            rest = Some(match rest {
                None => last,
                Some(rest) => merged(rest, last),
            });
        }
        best = merged(part(0, half), part(half, half));
        width = half;
    }
    match rest {
        None => best,
        Some(rest) => merged(best, rest),
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
