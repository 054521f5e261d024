//! Constant weights of the score function that depend on how far the policy has moved: DPPO's and VESPO's.

use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

use super::tensors::number;

/// Added to the probabilities of all other tokens, as in verl.
const EPSILON: f64 = 1e-8;
/// VESPO's least ratio of a sequence, and the largest logarithm of one.
const LEAST: f64 = 1e-8;
const LIMIT: f64 = 20.0;

/// How far the probability of the sampled token has moved, `p` from `q`: a divergence of two outcomes, this token or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// `abs(p - q)`.
    TotalVariation,
    /// `q log(q / p) + (1 - q) log((1 - q) / (1 - p))`.
    Kl,
}

impl Divergence {
    /// Where it is above `high`, upwards, and above `low`, downwards, of `log p` and `log q`.
    pub(super) fn beyond(
        self,
        new: Tensor<2>,
        old: Tensor<2>,
        low: f64,
        high: f64,
    ) -> [Tensor<2, Bool>; 2] {
        let (p, q) = (new.clone().exp(), old.clone().exp());
        let rise = p.clone() - q.clone();
        match self {
            Self::TotalVariation => [rise.clone().greater_elem(high), rise.lower_elem(-low)],
            Self::Kl => {
                let other = |p: Tensor<2>| (-p + (1.0 + EPSILON)).log();
                let kl = q.clone() * (old - new) + (-q.clone() + 1.0) * (other(q) - other(p));
                let [up, down] = [rise.clone().greater_elem(0.0), rise.lower_elem(0.0)];
                // A probability above 1 has no divergence, and is beyond any.
                let above = |most: f64| kl.clone().lower_equal_elem(most).bool_not();
                [above(high).bool_and(up), above(low).bool_and(down)]
            }
        }
    }
}

/// `exp(lambda) w^k exp(-lambda w)` of each sequence, `[rows, 1]`: `w` its ratio, `k` and `lambda` by the sign of the advantage, the
/// first of each where it is 0 or more.
pub(super) fn gamma(
    differences: &Tensor<2>,
    mask: &Tensor<2>,
    advantages: &Tensor<2>,
    k: [f64; 2],
    lambda: [f64; 2],
) -> Tensor<2> {
    let cut = differences.clone().inner().clamp(-LIMIT, LIMIT);
    let log = (cut * mask.clone()).sum_dim(1).clamp(LEAST.ln(), LIMIT);
    let good = number(advantages.clone().greater_equal_elem(0.0), log.dtype());
    let of = |[good_one, bad_one]: [f64; 2]| good.clone() * (good_one - bad_one) + bad_one;
    let lambda = of(lambda);
    (lambda.clone() + of(k) * log.clone() - lambda * log.exp()).exp()
}
