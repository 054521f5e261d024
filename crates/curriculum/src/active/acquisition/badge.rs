//! # Badge
//!
//! Asks for unsure candidates that differ from each other: k-means++ seeding on gradients of the last layer, as if each candidate had its likeliest label.
//!
//! Source: Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", arXiv 1906.03671

use burn::tensor::{Int, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::embeddings::squares;
use super::probabilities::{ClassProbabilities, check_finite, read, wide};
use super::score::{Acquisition, check_wanted};
use crate::error::{Result, count};

/// Gradients of the loss with respect to the last layer, if each candidate had its likeliest label: `(p - one_hot) ⊗ embedding`, kept as its two factors.
///
/// `[candidates, classes]` and `[candidates, features]` are in memory, `[candidates, classes * features]` never.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, Badge, ClassProbabilities, GradientEmbeddings};
///
/// let device = Device::default();
/// let answers = ClassProbabilities::new(Tensor::<2>::from_data([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]], &device))?;
/// let embeddings = Tensor::<2>::from_data([[2.0, 0.0], [0.0, 1.0], [9.0, 9.0]], &device);
/// let pool = GradientEmbeddings::new(&answers, embeddings)?;
/// // The model is sure of the last one, which has no gradient; of the others the first has the longer one.
/// assert_eq!(Badge::new(0).select(&pool, 1)?, [0]);
/// assert_eq!(Badge::new(0).select(&pool, 3)?.len(), 3);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradientEmbeddings {
    errors: Tensor<2>,
    features: Tensor<2>,
    /// Squared lengths, `[candidates, 1]`.
    norms: Tensor<2>,
}

impl GradientEmbeddings {
    /// From what the model answers, with the mean over samples, and the input of its last layer, `[candidates, features]`.
    ///
    /// # Errors
    /// If the embeddings have another number of rows or no feature, or a value is not finite or so large that squares can't be summed.
    pub fn new(answers: &ClassProbabilities, embeddings: Tensor<2>) -> Result<Self> {
        let [candidates, features] = embeddings.dims();
        let same = candidates == answers.candidates();
        count("candidates", candidates, same, "those of the probabilities")?;
        count("features", features, features > 0, "1 or more")?;
        let probabilities = answers.consensus();
        let features = wide(embeddings).cast(probabilities.dtype());
        let classes = answers.classes();
        let likeliest = probabilities.clone().argmax(1);
        let options = (&probabilities.device(), likeliest.dtype());
        let numbers = Tensor::<1, Int>::arange(0..classes as i64, options).reshape([1, classes]);
        let label = likeliest.equal(numbers).float();
        let errors = probabilities.clone() - label.cast(probabilities.dtype());
        let norms = squares(errors.clone()) * squares(features.clone());
        check_finite("embeddings", features.clone())?;
        check_finite("embeddings", norms.clone().sqrt())?;
        Ok(Self {
            errors,
            features,
            norms,
        })
    }

    /// How many candidates.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.errors.dims()[0]
    }

    /// The squared length of each gradient, `[candidates]`.
    #[must_use]
    pub fn squared_norms(&self) -> Tensor<1> {
        self.norms.clone().reshape([self.candidates()])
    }

    /// The squared distance of each gradient to that of one candidate, `[candidates]`.
    ///
    /// # Errors
    /// If the candidate is not there.
    pub fn squared_distances(&self, place: usize) -> Result<Tensor<1>> {
        let all = self.candidates();
        count("place", place, place < all, "below the candidates")?;
        let one = |of: &Tensor<2>| of.clone().narrow(0, place, 1);
        let product = |of: &Tensor<2>| of.clone().matmul(one(of).swap_dims(0, 1));
        let products = product(&self.errors) * product(&self.features);
        let squared = products * -2.0 + self.norms.clone() + one(&self.norms);
        Ok(squared.clamp_min(0.0).reshape([all]))
    }
}

/// The candidate of the longest gradient, then one after another at random, by the squared distance to the nearest that was taken.
///
/// A candidate more costs `candidates * (classes + features)` multiplications, where gradients written out would cost `classes * features` for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Badge {
    seed: u64,
}

impl Badge {
    /// With this seed of the draws.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Acquisition for Badge {
    type Pool = GradientEmbeddings;

    fn select(&self, pool: &GradientEmbeddings, wanted: usize) -> Result<Vec<usize>> {
        check_wanted(wanted, pool.candidates())?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let norms = read(pool.squared_norms())?;
        let longest = |a: &usize, b: &usize| norms[*a].total_cmp(&norms[*b]).then(b.cmp(a));
        let first = (0..norms.len()).max_by(longest).unwrap_or(0);
        let mut chosen = vec![first];
        let mut nearest = pool.squared_distances(first)?;
        while chosen.len() < wanted {
            let mut shares = read(nearest.clone())?;
            chosen.iter().for_each(|place| shares[*place] = TAKEN);
            let next = drawn(&shares, &mut rng);
            chosen.push(next);
            if chosen.len() < wanted {
                nearest = nearest.min_pair(pool.squared_distances(next)?);
            }
        }
        Ok(chosen)
    }
}

/// Marks a place that is not drawn again.
pub(super) const TAKEN: f64 = -1.0;

/// A place by its share of the sum; where all shares are 0, any that is not [`TAKEN`]. There is one at least.
pub(super) fn drawn(shares: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let total: f64 = shares.iter().map(|share| share.max(0.0)).sum();
    let all_alike = total <= 0.0;
    let weight = |share: f64| match share {
        TAKEN => 0.0,
        _ if all_alike => 1.0,
        _ => share,
    };
    let total = if all_alike {
        shares.iter().map(|share| weight(*share)).sum()
    } else {
        total
    };
    let mut mark = rng.random::<f64>() * total;
    let mut last = 0;
    for (place, share) in shares.iter().enumerate() {
        let weight = weight(*share);
        if weight > 0.0 {
            last = place;
            mark -= weight;
            if mark < 0.0 {
                break;
            }
        }
    }
    last
}
