//! # ContextRule
//!
//! What a model that learns from its context must beat: plain learners on the same examples of each sequence.
//!
//! Source: the online gradient descent that arXiv 2212.04458 compares with; nearest neighbour, nearest mean and ridge regression as in any textbook

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, DType, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::sequences::SequenceBatch;
use crate::error::{Result, check};

/// A learner that predicts the label at each place from the examples and labels before it alone. At the first place all answer class 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContextRule {
    /// The label of the nearest example.
    NearestNeighbour,
    /// The class whose examples have the nearest mean.
    NearestMean,
    /// The largest of the least-squares fits to the one-hot labels, with a constant feature.
    Ridge {
        /// The weight of the squared coefficients, above 0.
        penalty: f64,
    },
    /// A linear classifier with softmax from zeros, one step of gradient descent on the cross-entropy of each example as it comes.
    OnlineSgd {
        /// The learning rate, 0 or more.
        rate: f64,
    },
}

impl ContextRule {
    /// Predictions `[batch, length]`. On the device, in f32.
    ///
    /// # Errors
    /// If the penalty or the rate is out of its range.
    pub fn predict(&self, batch: &SequenceBatch) -> Result<Tensor<2, Int>> {
        match *self {
            Self::NearestNeighbour => Ok(nearest_neighbour(batch)),
            Self::NearestMean => Ok(nearest_mean(batch)),
            Self::Ridge { penalty } => {
                check("penalty", penalty, penalty > 0.0, "above 0")?;
                Ok(ridge(batch, penalty))
            }
            Self::OnlineSgd { rate } => {
                check("rate", rate, rate >= 0.0, "0 or more")?;
                Ok(online_sgd(batch, rate))
            }
        }
    }
}

/// Examples `[batch, length, projected]` and one-hot labels `[batch, length, classes]`.
fn parts(batch: &SequenceBatch) -> (Tensor<3>, Tensor<3>) {
    let labels = batch.labels.clone().one_hot::<3>(batch.classes()).float();
    (batch.examples().cast(DType::F32), labels.cast(DType::F32))
}

fn nearest_neighbour(batch: &SequenceBatch) -> Tensor<2, Int> {
    let (x, _) = parts(batch);
    let [rows, length, _] = x.dims();
    let squares = x.clone().powi_scalar(2).sum_dim(2);
    let products = x.clone().matmul(x.swap_dims(1, 2)) * 2.0;
    let distances = squares.clone() + squares.swap_dims(1, 2) - products;
    let later: Tensor<3, Bool> =
        Tensor::<2, Bool>::tril_mask([length, length], -1, &distances.device()).unsqueeze();
    let nearest = distances.mask_fill(later, f32::INFINITY).argmin(2);
    let labels = batch.labels.clone();
    let first = Tensor::zeros([rows, 1], &labels.device());
    let found = labels.gather(1, nearest.reshape([rows, length]));
    Tensor::cat(vec![first, found.narrow(1, 1, length - 1)], 1)
}

fn nearest_mean(batch: &SequenceBatch) -> Tensor<2, Int> {
    let (x, labels) = parts(batch);
    let [rows, length, width] = x.dims();
    let classes = batch.classes();
    let each = labels.clone().unsqueeze_dim::<4>(3) * x.clone().unsqueeze_dim::<4>(2);
    let sums = each.clone().cumsum(1) - each;
    let counts = labels.clone().cumsum(1) - labels;
    let means = sums / counts.clone().clamp_min(1.0).unsqueeze_dim::<4>(3);
    let x = x.reshape([rows, length, 1, width]);
    let distances = (x - means).powi_scalar(2).sum_dim(3);
    let distances = distances.reshape([rows, length, classes]);
    let none = counts.lower_elem(0.5);
    let found = distances.mask_fill(none, f32::INFINITY).argmin(2);
    found.reshape([rows, length])
}

/// Calls `step` with the example `[batch, 1, projected + 1]`, the last number 1, and the one-hot label `[batch, 1, classes]` of each place in turn,
/// and gives the places of the largest of the scores `[batch, 1, classes]` that it returns.
fn in_turn(
    batch: &SequenceBatch,
    mut step: impl FnMut(Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> Tensor<2, Int> {
    let (x, labels) = parts(batch);
    let [rows, length, _] = x.dims();
    let one = Tensor::ones([rows, length, 1], (&x.device(), DType::F32));
    let x = Tensor::cat(vec![x, one], 2);
    let place = |all: &Tensor<3>, place| all.clone().narrow(1, place, 1);
    let scores = (0..length).map(|at| step(place(&x, at), place(&labels, at)));
    let scores = Tensor::cat(scores.collect(), 1);
    scores.argmax(2).reshape([rows, length])
}

/// By recursive least squares: the inverse of the regularised moments is kept, so that a place costs no solve.
fn ridge(batch: &SequenceBatch, penalty: f64) -> Tensor<2, Int> {
    let examples = batch.examples();
    let [rows, _, width] = examples.dims();
    let device = examples.device();
    let mut inverse: Tensor<3> = Tensor::<2>::eye(width + 1, &device)
        .cast(DType::F32)
        .div_scalar(penalty)
        .unsqueeze::<3>()
        .repeat_dim(0, rows);
    let mut weights = Tensor::<3>::zeros([rows, width + 1, batch.classes()], (&device, DType::F32));
    in_turn(batch, |x, label| {
        let scores = x.clone().matmul(weights.clone());
        let seen = inverse.clone().matmul(x.clone().swap_dims(1, 2));
        let gain = seen.clone() / (x.matmul(seen.clone()) + 1.0);
        weights = weights.clone() + gain.clone().matmul(label - scores.clone());
        inverse = inverse.clone() - gain.matmul(seen.swap_dims(1, 2));
        scores
    })
}

fn online_sgd(batch: &SequenceBatch, rate: f64) -> Tensor<2, Int> {
    let examples = batch.examples();
    let [rows, _, width] = examples.dims();
    let like = (&examples.device(), DType::F32);
    let mut weights = Tensor::<3>::zeros([rows, width + 1, batch.classes()], like);
    in_turn(batch, |x, label| {
        let scores = x.clone().matmul(weights.clone());
        let error = softmax(scores.clone(), 2) - label;
        weights = weights.clone() - x.swap_dims(1, 2).matmul(error) * rate;
        scores
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const RULES: [ContextRule; 4] = [
        ContextRule::NearestNeighbour,
        ContextRule::NearestMean,
        ContextRule::Ridge { penalty: 0.5 },
        ContextRule::OnlineSgd { rate: 0.3 },
    ];

    fn batch(examples: &[f32], labels: &[usize], width: usize) -> SequenceBatch {
        let data = burn::tensor::TensorData::new(examples.to_vec(), [1, labels.len(), width]);
        SequenceBatch::new(Tensor::from_data(data, &Device::flex()), labels, 3).unwrap()
    }

    fn predicted(rule: ContextRule, batch: &SequenceBatch) -> Vec<i64> {
        rule.predict(batch).unwrap().try_into_vec_as().unwrap()
    }

    #[test]
    fn by_hand() {
        // On a line: class 1 at 0 and 10, class 2 at 4.
        let batch = batch(&[0.0, 4.0, 10.0, 6.5, 1.0], &[1, 2, 1, 0, 1], 1);
        assert_eq!(
            predicted(ContextRule::NearestNeighbour, &batch),
            [0, 1, 2, 2, 1]
        );
        // Means 5 and 4 at 6.5; 5, 4 and 6.5 at 1.
        assert_eq!(predicted(ContextRule::NearestMean, &batch), [0, 1, 2, 1, 2]);
    }

    /// Recursive least squares is the solve of the normal equations.
    #[test]
    fn ridge_is_the_regularised_fit() {
        let x: [f64; 6] = [0.3, -0.7, 1.2, 0.4, -1.1, 0.9];
        let labels = [0, 1, 2, 1, 0, 2];
        let values: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let found = predicted(
            ContextRule::Ridge { penalty: 0.5 },
            &batch(&values, &labels, 1),
        );
        for place in 1..6 {
            let (mut a, mut b, mut d) = (0.5, 0.0, 0.5);
            let mut moments = [[0.0; 2]; 3];
            for (x, label) in x.iter().zip(labels).take(place) {
                (a, b, d) = (a + x * x, b + x, d + 1.0);
                moments[label][0] += x;
                moments[label][1] += 1.0;
            }
            let scores = moments.map(|[first, second]| {
                let slope = d * first - b * second;
                let constant = a * second - b * first;
                (slope * x[place] + constant) / (a * d - b * b)
            });
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(Some(found[place] as usize), best, "{scores:?}");
        }
    }

    /// What comes later does not change a prediction, and another name of a class only renames it.
    #[test]
    fn rules_look_back_alone() {
        let examples: Vec<f32> = (0..16)
            .map(|i| ((i * 29) % 17) as f32 / 8.0 - 1.0)
            .collect();
        let labels = [0, 1, 2, 1, 0, 2, 2, 1];
        for rule in RULES {
            let found = predicted(rule, &batch(&examples, &labels, 2));
            let mut others = labels;
            others[7] = 0;
            assert_eq!(predicted(rule, &batch(&examples, &others, 2)), found);
            let renamed = labels.map(|label| (label + 1) % 3);
            let renamed = predicted(rule, &batch(&examples, &renamed, 2));
            let expected = found.iter().map(|label| (label + 1) % 3);
            // The first places may be ties of what was not seen yet.
            assert_eq!(renamed[4..], expected.collect::<Vec<_>>()[4..], "{rule:?}");
        }
        assert!(
            ContextRule::Ridge { penalty: 0.0 }
                .predict(&batch(&examples, &labels, 2))
                .is_err()
        );
        assert!(
            ContextRule::OnlineSgd { rate: f64::NAN }
                .predict(&batch(&examples, &labels, 2))
                .is_err()
        );
    }
}
