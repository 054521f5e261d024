//! What an agent is made of and how it learns.

use serde::{Deserialize, Serialize};

use super::super::simplex::{check_many, check_values};
use crate::error::{Result, check, count};

/// How measures enter the agent's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedbackInput {
    /// As gains over the run's start, in units of what the collected runs gained: so an agent can be used on other domains and models, whose
    /// losses have another level.
    SinceStart,
    /// As they are, less the mean over the collected runs and over their standard deviation.
    Absolute,
}

/// Configuration of a [`MixingAgent`](super::MixingAgent).
///
/// | parameter | default | range |
/// |---|---|---|
/// | `domains`, `measures` | of [`new`](Self::new) | 1 to 4096 each |
/// | `steps` | of [`new`](Self::new) | 1 to 1024: the longest run that the agent serves |
/// | `width`, `heads`, `layers`, `hidden` | 32, 4, 2, 64 | 1 or more, heads a divisor of the width, up to 2^24 weights |
/// | `input` | since the start | see [`FeedbackInput`] |
/// | `measure_weights` | equal ones that sum to 1 | finite, one for each measure: what the reward is the gain of |
/// | `gamma` | 0.9 | 0 to 1: how much later rewards count |
/// | `alpha` | 0.1 | 0 to 1e6: the factor of the conservative penalty, where rewards have a standard deviation of 1 after their mean at each step |
/// | `actions` | 16 | 1 to 4096 draws that estimate the penalty's integral |
/// | `concentration` | 1 | 1 to 1000, of the Dirichlet distribution that they are drawn from |
/// | `good` | 0.5 | above 0, up to 1: the share of runs that the warm start imitates, those with the highest gain of score |
/// | `warm_updates`, `updates` | 200, 400 | 0 to 1,000,000: of the warm start, and of the critic and the actor |
/// | `warm_rate`, `critic_rate`, `actor_rate` | 3e-3, 3e-3, 3e-4 | above 0, up to 1, of Adam |
/// | `target_rate` | 0.05 | above 0, up to 1: how fast the target network follows |
/// | `batch` | 64 | 1 to 65536 runs an update, all where there are no more |
/// | `seed` | 0 | any: of the weights at the start and all draws |
///
/// The critic sees rewards less their mean over the collected runs at the same step, which no decision changes and which is mostly how far training has
/// come, over the standard deviation of what is left.
///
/// The paper says that rewards are gains of a combined score, that the network is a decoder with two layers, and that a supervised warm start and
/// conservative Q-learning follow each other. Its alpha, gamma, rates and numbers of draws are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the table says what each is")]
pub struct MixingAgentConfig {
    pub domains: usize,
    pub measures: usize,
    pub steps: usize,
    pub width: usize,
    pub heads: usize,
    pub layers: usize,
    pub hidden: usize,
    pub input: FeedbackInput,
    pub measure_weights: Option<Vec<f64>>,
    pub gamma: f64,
    pub alpha: f64,
    pub actions: usize,
    pub concentration: usize,
    pub good: f64,
    pub warm_updates: usize,
    pub updates: usize,
    pub warm_rate: f64,
    pub critic_rate: f64,
    pub actor_rate: f64,
    pub target_rate: f64,
    pub batch: usize,
    pub seed: u64,
}

impl MixingAgentConfig {
    /// For runs of at most `steps` steps over these domains, with these measures after each.
    #[must_use]
    pub fn new(domains: usize, measures: usize, steps: usize) -> Self {
        Self {
            domains,
            measures,
            steps,
            width: 32,
            heads: 4,
            layers: 2,
            hidden: 64,
            input: FeedbackInput::SinceStart,
            measure_weights: None,
            gamma: 0.9,
            alpha: 0.1,
            actions: 16,
            concentration: 1,
            good: 0.5,
            warm_updates: 200,
            updates: 400,
            warm_rate: 3e-3,
            critic_rate: 3e-3,
            actor_rate: 3e-4,
            target_rate: 0.05,
            batch: 64,
            seed: 0,
        }
    }

    /// The size of the decoder.
    #[must_use]
    pub fn with_size(mut self, width: usize, heads: usize, layers: usize, hidden: usize) -> Self {
        (self.width, self.heads) = (width, heads);
        (self.layers, self.hidden) = (layers, hidden);
        self
    }

    /// How measures enter the tokens.
    #[must_use]
    pub fn with_input(mut self, input: FeedbackInput) -> Self {
        self.input = input;
        self
    }

    /// What the reward is the gain of: so much of each measure.
    #[must_use]
    pub fn with_measure_weights(mut self, weights: Vec<f64>) -> Self {
        self.measure_weights = Some(weights);
        self
    }

    /// How much later rewards count.
    #[must_use]
    pub fn with_gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }

    /// The factor of the conservative penalty: too small, and the critic prefers mixtures that no run shows; too large, and the agent imitates
    /// the collected runs.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// So many draws for the penalty, from a symmetric Dirichlet distribution of this concentration.
    #[must_use]
    pub fn with_actions(mut self, actions: usize, concentration: usize) -> Self {
        (self.actions, self.concentration) = (actions, concentration);
        self
    }

    /// The share of runs that the warm start imitates.
    #[must_use]
    pub fn with_good(mut self, good: f64) -> Self {
        self.good = good;
        self
    }

    /// Updates of the warm start, and of the critic and the actor after it; with 0 of the latter the agent only imitates.
    #[must_use]
    pub fn with_updates(mut self, warm: usize, updates: usize) -> Self {
        (self.warm_updates, self.updates) = (warm, updates);
        self
    }

    /// Learning rates of the warm start, the critic and the actor.
    #[must_use]
    pub fn with_rates(mut self, warm: f64, critic: f64, actor: f64) -> Self {
        (self.warm_rate, self.critic_rate, self.actor_rate) = (warm, critic, actor);
        self
    }

    /// How fast the target network follows the critic.
    #[must_use]
    pub fn with_target_rate(mut self, rate: f64) -> Self {
        self.target_rate = rate;
        self
    }

    /// So many runs an update.
    #[must_use]
    pub fn with_batch(mut self, runs: usize) -> Self {
        self.batch = runs;
        self
    }

    /// The seed of the weights at the start and of all draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How much of each measure the score has.
    pub(super) fn score_weights(&self) -> Vec<f64> {
        let equal = || vec![1.0 / self.measures as f64; self.measures];
        self.measure_weights.clone().unwrap_or_else(equal)
    }

    /// Weights of the actor and of the critic.
    pub(super) fn weights(&self) -> [usize; 2] {
        let (width, hidden) = (self.width, self.hidden);
        let tokens = (self.domains + self.measures + 1).saturating_mul(width);
        let attention = 4_usize.saturating_mul((width + 1).saturating_mul(width));
        let perceptron = (2 * hidden).saturating_mul(width) + hidden + width;
        let layer = attention.saturating_add(perceptron) + 4 * width;
        let history = tokens
            .saturating_add(self.steps.saturating_mul(width))
            .saturating_add(self.layers.saturating_mul(layer))
            .saturating_add(2 * width);
        let actor = (width + 1).saturating_mul(self.domains);
        let critic = (width + 1 + self.domains + 1).saturating_mul(hidden) + 1;
        [
            history.saturating_add(actor),
            history.saturating_add(critic),
        ]
    }

    /// Refuses what lies outside its range.
    pub(super) fn check(&self) -> Result<()> {
        check_many("domains", self.domains)?;
        check_many("measures", self.measures)?;
        for (field, value, most, allowed) in [
            ("steps", self.steps, 1024, "1 to 1024"),
            ("width", self.width, 1 << 12, "1 to 4096"),
            ("heads", self.heads, self.width, "1 to the width"),
            ("layers", self.layers, 64, "1 to 64"),
            ("hidden", self.hidden, 1 << 14, "1 to 16384"),
            ("actions", self.actions, 1 << 12, "1 to 4096"),
            ("concentration", self.concentration, 1000, "1 to 1000"),
            ("batch", self.batch, 1 << 16, "1 to 65536"),
        ] {
            count(field, value, (1..=most).contains(&value), allowed)?;
        }
        let good = self.width.is_multiple_of(self.heads);
        count("heads", self.heads, good, "a divisor of the width")?;
        let most = self.weights().into_iter().max().unwrap_or_default();
        count("width", self.width, most <= 1 << 24, "up to 2^24 weights")?;
        for (field, value) in [
            ("warm_updates", self.warm_updates),
            ("updates", self.updates),
        ] {
            count(field, value, value <= 1_000_000, "0 to 1000000")?;
        }
        if let Some(weights) = &self.measure_weights {
            check_values("measure_weights", weights, self.measures)?;
        }
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        check("gamma", self.gamma, unit(self.gamma), "0 to 1")?;
        let good = (0.0..=1e6).contains(&self.alpha);
        check("alpha", self.alpha, good, "0 to 1e6")?;
        for (field, value) in [
            ("good", self.good),
            ("warm_rate", self.warm_rate),
            ("critic_rate", self.critic_rate),
            ("actor_rate", self.actor_rate),
            ("target_rate", self.target_rate),
        ] {
            let good = value > 0.0 && value <= 1.0;
            check(field, value, good, "above 0, up to 1")?;
        }
        Ok(())
    }
}
