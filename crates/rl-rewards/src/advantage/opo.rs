//! # Opo
//!
//! Each response against the mean reward of its group, weighted by length.
//!
//! Source: "On-Policy RL with Optimal Reward Baseline" (OPO), arXiv 2505.23585.

use serde::{Deserialize, Serialize};

use super::advantages::{Advantage, Advantages};
use super::groups::Groups;
use crate::error::Result;

/// `A_i = r_i - sum_j T_j r_j / sum_j T_j` with the lengths of [`Groups::with_lengths`]: the baseline of least variance if the
/// squared norm of a response's gradient grows as its length.
///
/// Advantages of a group do not sum to 0; those weighted by length do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opo;

impl Advantage for Opo {
    fn advantages(&self, groups: &Groups) -> Result<Advantages> {
        let lengths = groups.lengths()?;
        let values = groups.scatter(|rewards, members| {
            let length = |i: usize| lengths[members[i]] as f64;
            let all: f64 = (0..rewards.len()).map(length).sum();
            let shares = rewards.iter().enumerate();
            let baseline: f64 = shares.map(|(i, r)| r * (length(i) / all)).sum();
            rewards.iter().map(|r| r - baseline).collect()
        });
        Advantages::of_groups(values, groups)
    }
}
