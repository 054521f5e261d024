//! What the topologies of tasks are told.

use burn::config::Config;

use crate::mask::Layout;
use crate::rules::{DropRule, GrowthRule};

/// Configuration of per-task topologies.
///
/// A task starts from a random mask of `density` and trains the weights under it. Every `update_every`-th step,
/// until the share `until` of the task, each layer drops the share
/// `p(k) = swap_end + (swap_start - swap_end) (1 + cos(pi k / K)) / 2` of its active weights, rounded up, and
/// grows as many. What a task ends with belongs to it: its weights get no gradient and no change in later tasks,
/// which may use them as they are.
///
/// All parameters without a mask, biases and norms, are kept per task: each task starts from their initial
/// values and is evaluated with its own.
#[derive(Config, Debug)]
pub struct PerTaskConfig {
    /// Density of each task's mask, in (0, 1].
    pub density: f64,
    /// Steps between updates of the topology.
    #[config(default = 400)]
    pub update_every: usize,
    /// Share of a task, in [0, 1], from whose end on the topology stays.
    #[config(default = 1.0)]
    pub until: f64,
    /// Share of a layer that the first update would swap, in [0, 1); 0 at both ends is a static topology.
    #[config(default = 0.5)]
    pub swap_start: f64,
    /// Share that is swapped at the end of a task, in [0, 1).
    #[config(default = 0.005)]
    pub swap_end: f64,
    /// How a task's first mask is shared out over the layers.
    #[config(default = "Layout::Erk")]
    pub layout: Layout,
    /// Which active weights are dropped.
    #[config(default = "DropRule::Magnitude")]
    pub drop: DropRule,
    /// Which inactive weights are grown; `Unfired` looks at the present task alone.
    #[config(default = "GrowthRule::Random")]
    pub growth: GrowthRule,
    /// Freezes what earlier tasks use. Without it each task trains all weights of its mask, every grown weight
    /// starts at 0, and earlier tasks forget.
    #[config(default = true)]
    pub freeze: bool,
    /// Seed of the masks and of random growth.
    #[config(default = 0)]
    pub seed: u64,
}
