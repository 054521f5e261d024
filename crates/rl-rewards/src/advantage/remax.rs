//! # Remax
//!
//! Each response against the greedy response to the same prompt.
//!
//! Source: "ReMax: A Simple, Effective, and Efficient Reinforcement Learning Method for Aligning Large Language Models", arXiv 2310.10505.

use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::Groups;
use crate::error::Result;

/// `A_i = r_i - r_greedy`, with the greedy rewards of [`Groups::with_greedy`].
///
/// A group of one has a signal here, and so has a group of equal rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remax;

impl Advantage for Remax {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let mut values = groups.rewards().to_vec();
        for (group, greedy) in groups.greedy()?.iter().enumerate() {
            for member in groups.members(group) {
                values[*member] -= greedy;
            }
        }
        Advantages::of_groups(values, groups)
    }
}
