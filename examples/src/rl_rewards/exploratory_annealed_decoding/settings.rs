//! The names of the arms, and what the tuning seeds chose for them: `tune.rs` says how.

/// At which temperature the update takes log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// At 1, without a correction.
    Plain,
    /// At 1, each token weighted by the truncated ratio to the sampler.
    Truncated,
    /// At the sampler's own.
    Own,
}

pub(super) const PLAIN: &str = "annealed";
pub(super) const METHOD: &str = "annealed, truncated ratio";
pub(super) const BACK: &str = "reversed";
pub(super) const REVERSED: &str = "reversed, truncated ratio";
pub(super) const MEAN: &str = "constant mean, truncated ratio";
pub(super) const BEST_ARM: &str = "best fixed for each k";

/// The fixed temperatures at which the base policy is sampled.
pub(super) const FIXED: [f64; 6] = [0.4, 0.6, 0.8, 1.0, 1.2, 1.5];

/// The best of these for each k of the test, on the tuning seeds.
pub(super) const BEST: [f64; 5] = [0.4, 0.4, 0.6, 0.8, 1.0];

/// The temperature of the last token when the base policy is sampled, and in training.
pub(super) const INFERENCE: f64 = 0.1;
pub(super) const TRAINING: f64 = 0.3;

/// The best fixed temperature in training, with how it is learned from.
pub(super) const BASELINE: &str = "fixed 0.6";
pub(super) const BASELINE_AT: (f64, Update) = (0.6, Update::Own);
/// The usual temperature.
pub(super) const ONE: &str = "fixed 1.0";

/// The rate of each arm.
const RATES: [(&str, f64); 6] = [
    (BASELINE, 2.5e-4),
    (ONE, 5e-4),
    (PLAIN, 5e-4),
    (METHOD, 2.5e-4),
    (REVERSED, 2.5e-4),
    // As of fixed 0.8 with the ratio, which is next to it.
    (MEAN, 2.5e-4),
];

/// The rate of an arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(2.5e-4, |(_, rate)| *rate)
}

/// The name of an arm at a fixed temperature.
pub(super) fn fixed_arm(tau: f64) -> String {
    format!("fixed {tau:?}")
}
