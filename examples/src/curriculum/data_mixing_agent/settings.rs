//! Sizes of the runs, and the settings that tuning chose.

use anyhow::{Context as _, Result, bail};
use regimen_curriculum::mixing::MixingAgentConfig;

use crate::experiment::Context;

/// Windows of a batch.
pub(super) const BATCH: usize = 64;

/// The factor of the simulator's penalty, which sums over 1,200 steps whose rewards are about 0.005.
pub(super) const ALPHA: f64 = 5e-5;

/// How long and how many the runs are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Runs that the agent learns from.
    pub(super) runs: u64,
    /// Steps of a run, an evaluation after each.
    pub(super) steps: usize,
    /// Updates of a step.
    pub(super) updates: usize,
    /// Updates on the source before a run.
    pub(super) base: usize,
    /// Hidden units of the proxy that runs are collected with, and of the model that the agent is then used on.
    pub(super) hidden: [usize; 2],
    /// Windows of feedback and of the final judgement, of each domain.
    pub(super) windows: [usize; 2],
}

impl Sizes {
    pub(super) fn of(context: &Context) -> Self {
        match context {
            Context { full: true, .. } => Self {
                runs: 64,
                steps: 20,
                updates: 100,
                base: 2_000,
                hidden: [64, 512],
                windows: [2048, 8192],
            },
            Context { small: true, .. } => Self {
                runs: 4,
                steps: 4,
                updates: 8,
                base: 40,
                hidden: [24, 48],
                windows: [256, 1024],
            },
            _ => Self {
                runs: 16,
                steps: 10,
                updates: 30,
                base: 300,
                hidden: [32, 128],
                windows: [1024, 4096],
            },
        }
    }
}

/// What was tuned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Adam's rate of all models of text.
    pub(super) rate: f64,
    /// The factor of the conservative penalty.
    pub(super) alpha: f64,
    /// How much later rewards count.
    pub(super) gamma: f64,
    /// The critic's rate.
    pub(super) critic_rate: f64,
    /// The actor's rate after the warm start.
    pub(super) actor_rate: f64,
    /// How fast the target network follows.
    pub(super) target_rate: f64,
    /// Updates of the critic and the actor.
    pub(super) updates: usize,
    /// The share of runs that the warm start imitates.
    pub(super) good: f64,
    /// How far logarithms of weights go in a step of a random walk.
    pub(super) spread: f64,
}

/// Those of the seeds that count.
pub(super) const CHOSEN: Settings = Settings {
    rate: 3e-3,
    alpha: 3.0,
    gamma: 1.0,
    critic_rate: 3e-3,
    actor_rate: 3e-4,
    target_rate: 0.05,
    updates: 800,
    good: 0.25,
    spread: 1.0,
};

impl Settings {
    /// With other values, `name=value` each.
    ///
    /// # Errors
    /// If a name is not known, or a value is no number.
    pub(super) fn with(mut self, set: &[String]) -> Result<Self> {
        for one in set {
            let (name, value) = one.split_once('=').context("`name=value` is needed")?;
            let value: f64 = value.parse().with_context(|| one.clone())?;
            match name {
                "rate" => self.rate = value,
                "alpha" => self.alpha = value,
                "gamma" => self.gamma = value,
                "critic-rate" => self.critic_rate = value,
                "actor-rate" => self.actor_rate = value,
                "target-rate" => self.target_rate = value,
                "updates" => self.updates = value as usize,
                "good" => self.good = value,
                "spread" => self.spread = value,
                _ => bail!("{name}: no such setting"),
            }
        }
        Ok(self)
    }

    /// The agent for runs over so many domains.
    pub(super) fn agent(&self, domains: usize, sizes: &Sizes, seed: u64) -> MixingAgentConfig {
        MixingAgentConfig::new(domains, domains, sizes.steps)
            .with_size(16, 2, 2, 32)
            .with_gamma(self.gamma)
            .with_alpha(self.alpha)
            .with_good(self.good)
            .with_updates(100, self.updates)
            .with_rates(3e-3, self.critic_rate, self.actor_rate)
            .with_target_rate(self.target_rate)
            .with_seed(seed)
    }
}
