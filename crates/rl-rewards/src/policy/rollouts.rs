//! Completions of many prompts.

use std::collections::BTreeMap;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::completion::{Completion, check_token};
use crate::error::{Result, RlRewardsError};

/// A completion, and the prompt that it is of by its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Place of the prompt among the prompts.
    pub prompt: usize,
    /// What came after it.
    pub completion: Completion,
}

/// Completions of prompts: those of one prompt are a group.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts};
///
/// let completion = Completion::new(End::Truncated);
/// let rollout = |prompt| Rollout { prompt, completion: completion.clone() };
/// let rollouts = Rollouts::new(vec![vec![5, 6], vec![7, 8]], vec![rollout(1), rollout(0), rollout(1)])?;
/// assert_eq!(rollouts.groups(), [vec![1], vec![0, 2]]);
/// assert!(Rollouts::new(vec![vec![5]], vec![rollout(1)]).is_err());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Rollouts {
    prompts: Vec<Vec<u32>>,
    rollouts: Vec<Rollout>,
}
checked_serde!(Rollouts);

impl Rollouts {
    /// Of these prompts.
    ///
    /// # Errors
    /// If a prompt has no token, a token is above 2^31 - 1, or a completion is of no prompt.
    pub fn new(prompts: Vec<Vec<u32>>, rollouts: Vec<Rollout>) -> Result<Self> {
        Self { prompts, rollouts }.checked()
    }

    /// The tokens of each prompt.
    #[must_use]
    pub fn prompts(&self) -> &[Vec<u32>] {
        &self.prompts
    }

    /// The completions with the places of their prompts.
    #[must_use]
    pub fn rollouts(&self) -> &[Rollout] {
        &self.rollouts
    }

    /// Completions, over all prompts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rollouts.len()
    }

    /// Whether there is no completion.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty()
    }

    /// The prompt of a completion and the completion, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u32], &Completion)> {
        let rollouts = self.rollouts.iter();
        rollouts.map(|rollout| (self.prompts[rollout.prompt].as_slice(), &rollout.completion))
    }

    /// For each prompt that has completions, their places, in the order of the prompts.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, rollout) in self.rollouts.iter().enumerate() {
            groups.entry(rollout.prompt).or_default().push(place);
        }
        groups.into_values().collect()
    }

    /// The completions at these places, with the same prompts; a place may come again.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn select(&self, places: &[usize]) -> Result<Self> {
        let rollout = |place: &usize| {
            let found = self.rollouts.get(*place).cloned();
            found.ok_or_else(|| RlRewardsError::OutOfRange {
                field: "place",
                value: place.to_string(),
                allowed: "below the number of completions",
            })
        };
        Ok(Self {
            prompts: self.prompts.clone(),
            rollouts: places.iter().map(rollout).collect::<Result<_>>()?,
        })
    }

    /// These and others after them; the others' prompts are added, even where they are the same.
    #[must_use]
    pub fn join(mut self, others: Self) -> Self {
        let first = self.prompts.len();
        self.prompts.extend(others.prompts);
        let others = others.rollouts.into_iter();
        self.rollouts.extend(others.map(|rollout| Rollout {
            prompt: rollout.prompt + first,
            ..rollout
        }));
        self
    }

    /// Tokens that were sampled over all completions: what comparisons at equal cost count.
    #[must_use]
    pub fn count_sampled(&self) -> usize {
        let rollouts = self.rollouts.iter();
        rollouts
            .map(|rollout| rollout.completion.count_sampled())
            .sum()
    }
}

impl Checked for Rollouts {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        if self.prompts.iter().any(Vec::is_empty) {
            return Err(RlRewardsError::OutOfRange {
                field: "prompts",
                value: "one without a token".into(),
                allowed: "at least one token each",
            });
        }
        let prompts = self.prompts.iter().flatten();
        let completions = self.rollouts.iter();
        let completions = completions.flat_map(|one| one.completion.tokens());
        let mut tokens = prompts.chain(completions);
        tokens.try_for_each(|token| check_token("token", *token))?;
        let count = self.prompts.len();
        match self.rollouts.iter().find(|one| one.prompt >= count) {
            Some(one) => Err(RlRewardsError::OutOfRange {
                field: "prompt",
                value: one.prompt.to_string(),
                allowed: "below the number of prompts",
            }),
            None => Ok(()),
        }
    }
}
