//! Rewards of responses, by the prompt that they answer.

use std::collections::HashMap;

use crate::error::{Result, RlRewardsError, check};
use crate::policy::Rollouts;

/// The rewards of some responses and which of them answer the same prompt.
///
/// | column | of | needed by |
/// |---|---|---|
/// | rewards | each response, finite | all |
/// | `lengths` | each response, tokens | [`Opo`](super::Opo) |
/// | `greedy` | each group, the reward of its greedy response | [`Remax`](super::Remax) |
/// | `values` | each response, the value function at its prompt | [`Baseline::Value`](super::Baseline) |
///
/// ```
/// use regimen_rl_rewards::Groups;
///
/// let groups = Groups::of_prompts(vec![1.0, 0.0, 0.0, 1.0], &[7, 9, 7, 9])?;
/// assert_eq!(groups.len(), 2);
/// assert_eq!(groups.members(0), [0, 2]);
/// assert_eq!(groups.means(), [0.5, 0.5]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    rewards: Vec<f64>,
    members: Vec<Vec<usize>>,
    lengths: Option<Vec<usize>>,
    greedy: Option<Vec<f64>>,
    values: Option<Vec<f64>>,
}

impl Groups {
    /// Groups of one size, one after the other: the first `size` responses answer the first prompt.
    ///
    /// # Errors
    /// If there is no response, a reward is not finite, `size` is 0, or the number of responses is no multiple of it.
    pub fn of_size(rewards: Vec<f64>, size: usize) -> Result<Self> {
        let count = rewards.len();
        let good = size > 0 && count.is_multiple_of(size);
        check(
            "size",
            size as f64,
            good,
            "a divisor of the number of responses",
        )?;
        let starts = (0..count).step_by(size);
        Self::checked(
            rewards,
            starts.map(|at| (at..at + size).collect()).collect(),
        )
    }

    /// The completions of prompts, with the reward of each.
    ///
    /// # Errors
    /// As for [`of_prompts`](Self::of_prompts).
    pub fn of_rollouts(rollouts: &Rollouts, rewards: Vec<f64>) -> Result<Self> {
        let prompts = rollouts.rollouts().iter();
        let prompts: Vec<u64> = prompts.map(|rollout| rollout.prompt as u64).collect();
        Self::of_prompts(rewards, &prompts)
    }

    /// Responses in any order, with the number of the prompt that each answers. Groups are in the order of their first response.
    ///
    /// # Errors
    /// If there is no response, a reward is not finite, or the lengths differ.
    pub fn of_prompts(rewards: Vec<f64>, prompts: &[u64]) -> Result<Self> {
        check_length("prompts", prompts.len(), rewards.len())?;
        let mut places = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (response, prompt) in prompts.iter().enumerate() {
            let next = members.len();
            let place = *places.entry(*prompt).or_insert(next);
            if place == next {
                members.push(Vec::new());
            }
            members[place].push(response);
        }
        Self::checked(rewards, members)
    }

    fn checked(rewards: Vec<f64>, members: Vec<Vec<usize>>) -> Result<Self> {
        check_finite("rewards", &rewards)?;
        let count = rewards.len();
        check("rewards", count as f64, count > 0, "one response or more")?;
        Ok(Self {
            rewards,
            members,
            lengths: None,
            greedy: None,
            values: None,
        })
    }

    /// The number of tokens of each response, 1 or more.
    ///
    /// # Errors
    /// If a length is 0, or there is not one for each response.
    pub fn with_lengths(self, lengths: Vec<usize>) -> Result<Self> {
        check_length("lengths", lengths.len(), self.rewards.len())?;
        check("lengths", 0.0, !lengths.contains(&0), "1 or more each")?;
        let lengths = Some(lengths);
        Ok(Self { lengths, ..self })
    }

    /// The reward of the greedy response to each group's prompt, in the order of the groups.
    ///
    /// # Errors
    /// If one is not finite, or there is not one for each group.
    pub fn with_greedy(self, greedy: Vec<f64>) -> Result<Self> {
        check_length("greedy", greedy.len(), self.members.len())?;
        check_finite("greedy", &greedy)?;
        let greedy = Some(greedy);
        Ok(Self { greedy, ..self })
    }

    /// What a value function expects of each response.
    ///
    /// # Errors
    /// If one is not finite, or there is not one for each response.
    pub fn with_values(self, values: Vec<f64>) -> Result<Self> {
        check_length("values", values.len(), self.rewards.len())?;
        check_finite("values", &values)?;
        let values = Some(values);
        Ok(Self { values, ..self })
    }

    /// The same groups with other rewards, one a response.
    ///
    /// # Errors
    /// If a reward is not finite, or there is not one for each response.
    pub fn with_rewards(self, rewards: Vec<f64>) -> Result<Self> {
        check_length("rewards", rewards.len(), self.rewards.len())?;
        check_finite("rewards", &rewards)?;
        Ok(Self { rewards, ..self })
    }

    /// The number of groups.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always a group")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The number of responses.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.rewards.len()
    }

    /// The reward of each response.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// The responses of a group, ascending; none for a number that is no group's.
    #[must_use]
    pub fn members(&self, group: usize) -> &[usize] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }

    /// The rewards of each group.
    pub fn iter(&self) -> impl Iterator<Item = Vec<f64>> + '_ {
        let of = |members: &Vec<usize>| members.iter().map(|i| self.rewards[*i]).collect();
        self.members.iter().map(of)
    }

    /// The mean reward of each group.
    #[must_use]
    pub fn means(&self) -> Vec<f64> {
        self.iter().map(|rewards| mean(&rewards)).collect()
    }

    /// Which groups have rewards that are not all equal: those that say which response is better.
    ///
    /// Dynamic sampling (DAPO) keeps these and draws further prompts in place of the others.
    #[must_use]
    pub fn informative(&self) -> Vec<bool> {
        self.iter().map(|rewards| !uniform(&rewards)).collect()
    }

    pub(super) fn lengths(&self) -> Result<&[usize]> {
        self.lengths.as_deref().ok_or_else(|| missing("lengths"))
    }

    pub(super) fn greedy(&self) -> Result<&[f64]> {
        self.greedy.as_deref().ok_or_else(|| missing("greedy"))
    }

    pub(super) fn values(&self) -> Result<&[f64]> {
        self.values.as_deref().ok_or_else(|| missing("values"))
    }

    /// One value a response, from what `of` makes of the rewards of each group and its members; 0 in uniform groups.
    pub(super) fn scatter(&self, of: impl Fn(&[f64], &[usize]) -> Vec<f64>) -> Vec<f64> {
        let mut values = vec![0.0; self.rewards.len()];
        for (rewards, members) in self.iter().zip(&self.members) {
            if uniform(&rewards) {
                continue;
            }
            for (member, value) in members.iter().zip(of(&rewards, members)) {
                values[*member] = value;
            }
        }
        values
    }
}

fn missing(column: &'static str) -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field: column,
        value: "missing".into(),
        allowed: "given with the groups: see the table of `Groups`",
    }
}

/// Whether all are equal: a group of one too.
pub(super) fn uniform(rewards: &[f64]) -> bool {
    rewards.windows(2).all(|pair| pair[0] == pair[1])
}

pub(super) fn mean(values: &[f64]) -> f64 {
    // Divided first: the sum of large values may not be finite where their mean is.
    let count = values.len().max(1) as f64;
    let sum: f64 = values.iter().sum();
    if sum.is_finite() {
        sum / count
    } else {
        values.iter().map(|value| value / count).sum()
    }
}

pub(super) fn check_length(field: &'static str, given: usize, wanted: usize) -> Result<()> {
    let same = given == wanted;
    same.then_some(()).ok_or(RlRewardsError::OutOfRange {
        field,
        value: format!("{given} values where there are {wanted}"),
        allowed: "as many as there are",
    })
}

pub(super) fn check_finite(field: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => check(field, *value, false, "finite"),
        None => Ok(()),
    }
}
