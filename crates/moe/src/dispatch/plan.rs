//! Which token goes to which expert, sorted by expert: the host's side of a dropless dispatch.

use burn::tensor::{Int, Tensor};

use crate::routers::{Choices, Gating};

/// Assignments of tokens to experts, sorted by expert; within an expert by token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The number of tokens, those without an assignment included.
    pub(crate) tokens: usize,
    /// The token of each assignment.
    pub(crate) token_of: Vec<usize>,
    /// The place of each assignment's gate in the flat tensor of gates.
    pub(crate) gate_of: Vec<usize>,
    /// Expert `e` has the assignments `offsets[e]..offsets[e + 1]`.
    pub(crate) offsets: Vec<usize>,
}

impl Plan {
    /// Sorts assignments `(token, expert, place of the gate)`, which come in the order of tokens, by expert.
    pub(crate) fn new(
        tokens: usize,
        experts: usize,
        assignments: impl Iterator<Item = (usize, usize, usize)> + Clone,
    ) -> Self {
        let mut offsets = vec![0; experts + 1];
        for (_, expert, _) in assignments.clone() {
            offsets[expert + 1] += 1;
        }
        for expert in 0..experts {
            offsets[expert + 1] += offsets[expert];
        }
        let total = offsets[experts];
        let (mut token_of, mut gate_of) = (vec![0; total], vec![0; total]);
        let mut next = offsets.clone();
        for (token, expert, gate) in assignments {
            let place = next[expert];
            next[expert] += 1;
            token_of[place] = token;
            gate_of[place] = gate;
        }
        Self {
            tokens,
            token_of,
            gate_of,
            offsets,
        }
    }

    /// The assignments of all tokens that are no padding.
    pub(crate) fn of(
        gating: &Gating,
        valid: Option<&Tensor<1>>,
        tokens: usize,
        experts: usize,
    ) -> Self {
        let valid: Option<Vec<f32>> = valid.map(|valid| read(valid.clone()));
        let is_valid = |token: usize| valid.as_ref().is_none_or(|valid| valid[token] > 0.0);
        let integers = |choices: &Tensor<2, Int>| -> Vec<i64> {
            choices
                .clone()
                .into_data()
                .convert::<i64>()
                .try_into_vec()
                .unwrap_or_default()
        };
        match &gating.choices {
            Choices::ByToken(choices) => {
                let [_, k] = choices.dims();
                let choices = integers(choices);
                let flat = choices.iter().enumerate();
                let all = flat.map(|(place, &expert)| (place / k, expert as usize, place));
                Self::new(tokens, experts, all.filter(|(token, ..)| is_valid(*token)))
            }
            Choices::ByExpert(choices) => {
                let [_, taken] = choices.dims();
                let choices = integers(choices);
                let flat = choices.iter().enumerate();
                let all = flat.map(|(place, &token)| (token as usize, place / taken.max(1), place));
                Self::new(tokens, experts, all.filter(|(token, ..)| is_valid(*token)))
            }
        }
    }

    /// The number of experts.
    pub(crate) fn experts(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of assignments.
    pub(crate) fn len(&self) -> usize {
        self.token_of.len()
    }

    /// The number of assignments of an expert.
    pub(crate) fn count(&self, expert: usize) -> usize {
        self.offsets[expert + 1] - self.offsets[expert]
    }

    /// For each token the assignments it has: starts (one more than tokens) and places.
    #[cfg(feature = "flex")]
    pub(crate) fn by_token(&self) -> (Vec<usize>, Vec<usize>) {
        let mut starts = vec![0; self.tokens + 1];
        for &token in &self.token_of {
            starts[token + 1] += 1;
        }
        for token in 0..self.tokens {
            starts[token + 1] += starts[token];
        }
        let (mut next, mut places) = (starts.clone(), vec![0; self.len()]);
        for (place, &token) in self.token_of.iter().enumerate() {
            places[next[token]] = place;
            next[token] += 1;
        }
        (starts, places)
    }
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_expert_and_keeps_the_order_of_tokens() {
        let ids = [[2, 0], [1, 2], [2, 1], [0, 2]];
        let flat = ids.as_flattened().iter().enumerate();
        let plan = Plan::new(4, 4, flat.map(|(i, &expert)| (i / 2, expert, i)));
        assert_eq!(plan.gate_of, [1, 6, 2, 5, 0, 3, 4, 7]);
        assert_eq!(plan.token_of, [0, 3, 1, 2, 0, 1, 2, 3]);
        assert_eq!(plan.offsets, [0, 2, 4, 8, 8]);
        assert_eq!(plan.count(3), 0);
    }

    #[cfg(feature = "flex")]
    #[test]
    fn finds_a_tokens_assignments_again() {
        let plan = Plan::new(3, 2, [(0, 1, 0), (0, 0, 1), (2, 1, 2)].into_iter());
        assert_eq!(plan.by_token(), (vec![0, 2, 2, 3], vec![0, 1, 2]));
    }
}
