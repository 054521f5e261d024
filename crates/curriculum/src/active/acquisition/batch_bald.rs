//! # BatchBald
//!
//! Asks for a batch whose labels together tell most about the model: candidates that say the same count once.
//!
//! Source: Kirsch, van Amersfoort and Gal 2019, "BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning", arXiv 1906.08158

use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::bald::conditional_entropy;
use super::joint::Joint;
use super::probabilities::{ClassProbabilities, read};
use super::score::{Acquisition, check_samples, check_wanted, highest};
use super::uncertainty::plogp;
use crate::error::{CurriculumError, Result, count};

/// Numbers of a piece of the work.
const WORK: usize = 1 << 20;

/// Greedily the batch of the largest `H(y_1, .., y_b) - Σ_i mean_k H(y_i | k)`, in nats.
///
/// The joint entropy is exact as long as the candidates chosen before have at most `outcomes` joint labels (`classes^(b-1)`), and estimated on
/// `outcomes` drawn ones from then on. A step costs `outcomes * samples * candidates * classes` multiplications, and `outcomes * candidates * classes`
/// logarithms: score a random part of a large pool. The first of the batch is that of [`Bald`](super::Bald).
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `outcomes` | 10,000 | joint labels at most, 1 to 2^24; drawn ones are a multiple of the samples, one of each at least |
/// | `seed` | 0 | of the drawn ones |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::{Acquisition, Bald, BatchBald, ClassProbabilities};
///
/// // The first two candidates are the same question; the third asks something else.
/// let rows = |a: f32, b: f32| [[a, 1.0 - a], [a, 1.0 - a], [b, 1.0 - b]];
/// let samples = [rows(0.95, 0.9), rows(0.05, 0.9), rows(0.95, 0.1), rows(0.05, 0.1)];
/// let pool = ClassProbabilities::of_samples(Tensor::<3>::from_data(samples, &Device::default()))?;
/// assert_eq!(Bald.select(&pool, 2)?, [0, 1]);
/// assert_eq!(BatchBald::new().select(&pool, 2)?, [0, 2]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BatchBald {
    outcomes: usize,
    seed: u64,
}

checked_serde!(BatchBald);

impl Checked for BatchBald {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let good = (1..=1 << 24).contains(&self.outcomes);
        count("outcomes", self.outcomes, good, "1 to 16777216 (2^24)")
    }
}

impl Default for BatchBald {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBald {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            outcomes: 10_000,
            seed: 0,
        }
    }

    /// So many joint labels at most.
    #[must_use]
    pub fn with_outcomes(mut self, outcomes: usize) -> Self {
        self.outcomes = outcomes;
        self
    }

    /// Another seed of the drawn ones.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The candidates in the order in which they were chosen, each with the score of the batch that ends with it: the information in nats that their labels
    /// give about the model.
    ///
    /// # Errors
    /// As [`select`](Acquisition::select).
    pub fn batch(&self, pool: &ClassProbabilities, wanted: usize) -> Result<Vec<(usize, f64)>> {
        self.check()?;
        check_samples(pool, 2)?;
        check_wanted(wanted, pool.candidates())?;
        let (samples, classes) = (pool.samples(), pool.classes());
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let alone = pool.by_piece(conditional_entropy);
        let conditional = read(alone.clone())?;
        let mut joint = Joint::new(samples);
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        let mut of_chosen: Vec<Vec<f64>> = Vec::new();
        let mut taken = 0.0;
        while chosen.len() < wanted {
            let scores = given(pool, &joint) - alone.clone();
            // As many more as were chosen: one of them is new.
            let best = highest(scores.clone(), chosen.len() + 1)?;
            let is_new = |place: &usize| chosen.iter().all(|(old, _)| old != place);
            let Some(place) = best.into_iter().find(is_new) else {
                break;
            };
            let score = read(scores.narrow(0, place, 1))?[0];
            let score = score + joint.entropy() - taken;
            chosen.push((place, score));
            taken += conditional[place];
            if chosen.len() == wanted {
                break;
            }
            let of_place = pool.values().narrow(1, place, 1);
            of_chosen.push(read(of_place.reshape([samples * classes]))?);
            let Some(last) = of_chosen.last() else { break };
            if !joint.is_exact() {
                joint.draw(last, &mut rng);
            } else if joint.outcomes() * classes <= self.outcomes {
                joint = joint.with_every(last);
            } else {
                let each = (self.outcomes / samples).max(1);
                joint = Joint::drawn(&of_chosen, samples, each, &mut rng);
            }
        }
        Ok(chosen)
    }
}

impl Acquisition for BatchBald {
    type Pool = ClassProbabilities;

    fn select(&self, pool: &ClassProbabilities, wanted: usize) -> Result<Vec<usize>> {
        let batch = self.batch(pool, wanted)?;
        Ok(batch.into_iter().map(|(place, _)| place).collect())
    }
}

/// Entropies of the candidates given the outcomes of those chosen before, `[candidates]`: `-Σ_m w_m Σ_c Q ln Q` with
/// `Q[m, c] = mean_k J[m, k] p[k, c]`.
fn given(pool: &ClassProbabilities, joint: &Joint) -> Tensor<1> {
    let (samples, outcomes) = (pool.samples(), joint.outcomes());
    let values = pool.values();
    let options = (&values.device(), values.dtype());
    let relative = joint.relative().iter().map(|j| j / samples as f64);
    let relative = TensorData::new(relative.collect::<Vec<f64>>(), [outcomes, samples]);
    let relative = Tensor::<2>::from_data(relative, options);
    let weights = TensorData::new(joint.weights().to_vec(), [1, outcomes]);
    let weights = Tensor::<2>::from_data(weights, options);
    let (candidates, classes) = (pool.candidates(), pool.classes());
    let piece = (WORK / (outcomes * classes)).clamp(1, pool.piece());
    let pieces = (0..candidates).step_by(piece).map(|start| {
        let length = piece.min(candidates - start);
        let part = values.clone().narrow(1, start, length);
        let part = part.reshape([samples, length * classes]);
        let joint = relative.clone().matmul(part);
        let terms = weights.clone().matmul(plogp(joint));
        terms
            .reshape([length, classes])
            .sum_dim(1)
            .neg()
            .reshape([length])
    });
    Tensor::cat(pieces.collect(), 0)
}
