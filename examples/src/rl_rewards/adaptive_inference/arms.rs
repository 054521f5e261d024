//! The arms: their names, and the rules at equal samples.

use anyhow::Result;

use super::bench::{Bench, MOST, Score};
use super::rules::{Outcome, threshold};
use crate::experiment::Context;

pub(super) const ADAPTIVE: &str = "adaptive, own word";
pub(super) const FIXED: &str = "two samples, own word";
pub(super) const LOG_PROB: &str = "adaptive, log-probability";
pub(super) const SAFE_VOTE: &str = "adaptive vote";
pub(super) const VOTE: &str = "vote of two";
pub(super) const PERMUTED: &str = "adaptive, word of another sample";
pub(super) const OPERATIONS: &str = "as many as operations";
pub(super) const ONE: &str = "one sample";
pub(super) const ALL: &str = "sixteen samples, own word";
pub(super) const ANNEALED: &str = "adaptive, own word, rising temperature";
pub(super) const PRUNED: &str = "half given up, own word";
pub(super) const PRUNED_BY_CHANCE: &str = "half given up, by chance";
pub(super) const BASE: &str = "base, most probable answer";
pub(super) const TAUGHT: &str = "after the lessons, most probable answer";
pub(super) const SPENT: &str = "trained on right samples, most probable answer";

/// Samples of a prompt in the mean.
pub(super) const MEAN: f64 = 2.0;

/// The range of a score's threshold, and of a vote's.
pub(super) const SHARES: [f64; 2] = [0.0, 1.0];
const CONFIDENCES: [f64; 2] = [0.5, 1.0 - 1e-9];

/// The strongest, on the tuning seeds, of two samples by the policy's own word, stopping by its log-probability, and stopping by votes.
pub(super) const BASELINE: &str = LOG_PROB;

/// The method: its threshold, and what it comes to.
pub(super) fn own_word(context: &Context, bench: &Bench) -> Result<(f64, Outcome)> {
    if context.is_broken_by("mean-for-most") {
        return threshold(MEAN, SHARES, |enough| Ok(bench.by_mean(enough)));
    }
    threshold(MEAN, SHARES, |enough| bench.adaptive(enough, Score::Own))
}

/// The other rules at equal samples.
pub(super) fn controls(bench: &Bench) -> Result<Vec<(&'static str, Outcome)>> {
    let by = |score: Score| threshold(MEAN, SHARES, move |enough| bench.adaptive(enough, score));
    let vote = |sure| bench.vote(MOST, Some(sure));
    Ok(vec![
        (FIXED, bench.best_of(2, Score::Own)?),
        (LOG_PROB, by(Score::LogProb)?.1),
        (SAFE_VOTE, threshold(MEAN, CONFIDENCES, vote)?.1),
        (VOTE, bench.vote(2, None)?),
        (PERMUTED, by(Score::Permuted)?.1),
        (OPERATIONS, bench.by_operations()?),
    ])
}
