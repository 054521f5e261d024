//! # Bald
//!
//! Asks for what samples of the model disagree about, each sure of itself: the information that a label gives about the model.
//!
//! Source: Houlsby, Huszár, Ghahramani and Lengyel 2011, "Bayesian Active Learning for Classification and Preference Learning", arXiv 1112.5745; with
//! dropout Gal, Islam and Ghahramani 2017, arXiv 1703.02910; the same number as the mean divergence from the consensus of McCallum and Nigam 1998

use burn::tensor::Tensor;

use super::probabilities::consensus;
use super::score::Score;
use super::uncertainty::{entropy, plogp};

/// `H(mean of p) - mean of H(p)` over the samples, in nats: the mutual information of label and model. It is the mean Kullback-Leibler divergence of
/// the samples from their consensus, as which query by committee knows it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, Bald, ClassProbabilities};
///
/// // Two samples: unsure alike of the first candidate, at odds about the second.
/// let samples = Tensor::<3>::from_data([[[0.5, 0.5], [0.9, 0.1]], [[0.5, 0.5], [0.1, 0.9]]], &Device::default());
/// assert_eq!(Bald.select(&ClassProbabilities::of_samples(samples)?, 1)?, [1]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bald;

impl Score for Bald {
    fn of(&self, piece: Tensor<3>) -> Tensor<1> {
        let candidates = piece.dims()[1];
        let alone = conditional_entropy(piece.clone());
        let whole = entropy(consensus(piece)).reshape([candidates]);
        // What is below 0 is rounding.
        (whole - alone).clamp_min(0.0)
    }

    fn least_samples(&self) -> usize {
        2
    }
}

/// The mean over samples of the entropies, `[candidates]`.
pub(super) fn conditional_entropy(piece: Tensor<3>) -> Tensor<1> {
    let [samples, candidates, classes] = piece.dims();
    // Samples first: rows that are added, and one short sum after it.
    let mean = plogp(piece).reshape([samples, candidates * classes]);
    let mean = mean.mean_dim(0).reshape([candidates, classes]);
    mean.sum_dim(1).neg().reshape([candidates])
}
