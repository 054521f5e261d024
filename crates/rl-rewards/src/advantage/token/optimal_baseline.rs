//! # OptimalTokenBaseline
//!
//! Returns of tokens against a baseline of each place, weighted by how much the gradient up to there varies.
//!
//! Source: the optimal token baseline of verl 0.9.1 (`optimal_token_baseline`).

use serde::{Deserialize, Serialize};

use super::mask::TokenMask;
use super::returns::Returns;
use crate::advantage::Advantages;
use crate::advantage::groups::{Groups, check_length};
use crate::error::Result;

/// Added to the sum of weights.
const EPSILON: f64 = 1e-8;

/// `A_t = G_t - B_t`, `B_t = sum_i G_it W_it / (sum_i W_it + 1e-8)` over a group, `W_t = sum_{s <= t} (1 - 2 p_s + sum_v p_v^2)`.
///
/// `p_s` is the probability of the sampled token and `sum_v p_v^2` that of drawing any token twice: the squared norm of the gradient with
/// respect to the logits. What reaches beyond the second longest response of a group has a baseline of 0, and so has a group of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimalTokenBaseline;

impl OptimalTokenBaseline {
    /// From rewards, log-probabilities of sampled tokens and `sum_v p_v^2` of `[responses, tokens]`, row by row. `groups` says which
    /// responses belong together; its rewards are not used.
    ///
    /// # Errors
    /// If a size differs from the mask's, or a value that counts is not finite.
    pub fn advantages(
        &self,
        groups: &Groups,
        rewards: &[f64],
        log_probs: &[f64],
        squares: &[f64],
        mask: &TokenMask,
    ) -> Result<Returns> {
        check_length("mask", mask.responses(), groups.responses())?;
        mask.check("rewards", rewards)?;
        mask.check("log_probs", log_probs)?;
        mask.check("squares", squares)?;
        let (tokens, valid) = (mask.tokens(), mask.values());
        let returns = mask.backwards(0.0, |later, at| {
            *later += rewards[at];
            *later
        });
        let mut weights = vec![0.0; valid.len()];
        for row in 0..mask.responses() {
            let mut sum = 0.0;
            for at in row * tokens..(row + 1) * tokens {
                if valid[at] {
                    sum += 1.0 - 2.0 * log_probs[at].exp() + squares[at];
                    weights[at] = sum;
                }
            }
        }
        let mut advantages = returns.clone();
        let lengths = mask.lengths();
        for group in 0..groups.len() {
            let members = groups.members(group);
            let mut of_group: Vec<usize> = members.iter().map(|i| lengths[*i]).collect();
            of_group.sort_unstable();
            let [.., second, longest] = of_group[..] else {
                continue;
            };
            for token in 0..tokens {
                let places = || members.iter().map(|i| i * tokens + token);
                let top: f64 = places().map(|at| returns[at] * weights[at]).sum();
                let all: f64 = places().map(|at| weights[at]).sum();
                let baseline = top / (all + EPSILON);
                for (member, at) in members.iter().zip(places()) {
                    let tail = lengths[*member] == longest && longest > second && token >= second;
                    if valid[at] && !tail {
                        advantages[at] -= baseline;
                    }
                }
            }
        }
        let advantages = Advantages::of_tokens(advantages, tokens)?;
        Ok(Returns {
            advantages,
            returns,
        })
    }
}
