//! # VoteEntropy, VariationRatio, MaxDivergence
//!
//! Query by committee: asks for what members of a committee answer differently.
//!
//! Source: Seung, Opper and Sompolinsky 1992; the vote entropy of Engelson and Dagan 1996, arXiv cmp-lg/9606030; variation ratios as Beluch et al. 2018 use
//! them; divergences after McCallum and Nigam 1998, the largest instead of the mean as in the library modAL

use burn::tensor::{Int, Tensor};

use super::probabilities::consensus;
use super::score::Score;
use super::uncertainty::{entropy, plogp};

/// The entropy of the members' votes in nats: each votes for its most likely class, the first of several.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, VoteEntropy};
///
/// let members = Tensor::<3>::from_data([[[0.6, 0.4], [0.9, 0.1]], [[0.7, 0.3], [0.4, 0.6]]], &Device::default());
/// assert_eq!(VoteEntropy.select(&ClassProbabilities::of_samples(members)?, 1)?, [1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoteEntropy;

impl Score for VoteEntropy {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        entropy(vote_shares(piece)).reshape([candidates])
    }

    fn least_samples(&self) -> usize {
        2
    }
}

/// The share of the members that do not vote for the class with most votes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, VariationRatio};
///
/// let members = Tensor::<3>::from_data([[[0.6, 0.4], [0.9, 0.1]], [[0.7, 0.3], [0.4, 0.6]]], &Device::default());
/// assert_eq!(VariationRatio.select(&ClassProbabilities::of_samples(members)?, 1)?, [1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VariationRatio;

impl Score for VariationRatio {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        let most = vote_shares(piece).max_dim(1).reshape([candidates]);
        most.neg() + 1.0
    }

    fn least_samples(&self) -> usize {
        2
    }
}

/// The largest Kullback-Leibler divergence of a member from the consensus, `max_k Σ_c p_kc ln(p_kc / mean_c)` in nats. The mean over the members is
/// [`MeanDivergence`](super::MeanDivergence).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, ClassProbabilities, MaxDivergence};
///
/// let members = Tensor::<3>::from_data([[[0.6, 0.4], [0.9, 0.1]], [[0.7, 0.3], [0.4, 0.6]]], &Device::default());
/// assert_eq!(MaxDivergence.select(&ClassProbabilities::of_samples(members)?, 1)?, [1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxDivergence;

impl Score for MaxDivergence {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let [_, candidates, classes] = piece.dims();
        let mean = consensus(piece.clone()).clamp_min(1e-30).log();
        let cross = piece.clone() * mean.reshape([1, candidates, classes]);
        let divergences = (plogp(piece) - cross).sum_dim(2);
        let most = divergences.max_dim(0).reshape([candidates]);
        // What is below 0 is rounding.
        most.clamp_min(0.0)
    }

    fn least_samples(&self) -> usize {
        2
    }
}

/// Which share of the samples has each class for its most likely one, `[candidates, classes]`.
fn vote_shares(piece: Tensor<3>) -> Tensor<2> {
    let [_, candidates, classes] = piece.dims();
    let (device, dtype) = (piece.device(), piece.dtype());
    let votes = piece.argmax(2);
    let numbers = Tensor::<1, Int>::arange(0..classes as i64, (&device, votes.dtype()));
    let is_voted = votes.equal(numbers.reshape([1, 1, classes]));
    let shares = is_voted.float().cast(dtype).mean_dim(0);
    shares.reshape([candidates, classes])
}
