//! What the tuning seeds chose, and how: the mean loss of the bigram model over the seeds 1000 and 1001, for each arm with a classifier, by the
//! stretches of words that it sees, the least number of documents of a stretch and its rate.
//!
//! | stretches, least, rate | betr | mean log2 rank | centroid | target versus pool |
//! |---|---|---|---|---|
//! | 1, 1, .01 | 4.685 | 4.677 | 4.622 | 4.481 |
//! | 1, 1, .03 | 4.674 | 4.668 | **4.612** | 4.490 |
//! | 1, 1, .1 | 4.714 | 4.653 | 4.624 | 4.504 |
//! | 1, 1, .3 | 4.800 | 4.698 | 4.674 | 4.518 |
//! | 1, 3, .01 | 4.670 | 4.650 | 4.640 | 4.501 |
//! | 1, 3, .03 | 4.673 | 4.652 | 4.624 | 4.500 |
//! | 1, 3, .1 | 4.716 | 4.668 | 4.619 | 4.539 |
//! | 1, 3, .3 | 4.798 | 4.676 | 4.706 | 4.542 |
//! | 2, 1, .01 | 4.727 | 4.682 | 4.652 | 4.444 |
//! | 2, 1, .03 | 4.714 | 4.708 | 4.715 | **4.435** |
//! | 2, 1, .1 | 4.722 | 4.736 | 4.763 | 4.450 |
//! | 2, 1, .3 | 4.748 | 4.749 | 4.784 | 4.499 |
//! | 2, 3, .01 | **4.660** | 4.649 | 4.649 | 4.465 |
//! | 2, 3, .03 | 4.669 | 4.657 | 4.624 | 4.478 |
//! | 2, 3, .1 | 4.715 | **4.629** | 4.637 | 4.503 |
//! | 2, 3, .3 | 4.803 | 4.656 | 4.701 | 4.533 |

use anyhow::Result;
use regimen_curriculum::text::TextClassifierConfig;

use super::arms::{BETR, Broken, CENTROID, DIRECT, Fitted, KEPT, MEAN, Select};
use super::bigram;
use super::corpus::Corpus;
use crate::experiment::Context;

/// Stretches of words, least number of documents and rate of each arm with a classifier.
const CHOSEN: [(&str, Setting); 4] = [
    (BETR, (2, 3, 0.01)),
    (MEAN, (2, 3, 0.1)),
    (CENTROID, (1, 1, 0.03)),
    (DIRECT, (2, 1, 0.03)),
];

type Setting = (usize, u32, f64);

fn config((n, least, rate): Setting) -> TextClassifierConfig {
    let config = TextClassifierConfig::new().with_n(n);
    config.with_least(least).with_rate(rate)
}

/// The classifier of an arm.
pub(super) fn chosen(arm: &str) -> TextClassifierConfig {
    let mut all = CHOSEN.iter();
    let found = all.find(|(name, _)| *name == arm);
    found.map_or_else(TextClassifierConfig::new, |(_, setting)| config(*setting))
}

/// Prints the loss of every arm at every setting on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let corpus = Corpus::of(&Context::new(seed), seed)?;
    let select = Select::new(&corpus, seed, Broken::No);
    let vocabulary = bigram::vocabulary(corpus.chunks.iter().chain([&corpus.evaluation]));
    for n in [1, 2] {
        for least in [1, 3] {
            for rate in [0.01, 0.03, 0.1, 0.3] {
                let losses = CHOSEN.map(|(arm, _)| {
                    let Fitted { mut order, .. } = select.fitted(arm, &config((n, least, rate)))?;
                    order.truncate(corpus.budget(KEPT));
                    let texts = order.iter().map(|place| &corpus.chunks[*place]);
                    let loss = bigram::loss(texts, &corpus.evaluation, vocabulary);
                    anyhow::Ok(format!("{arm} {loss:.3}"))
                });
                let losses = losses.into_iter().collect::<Result<Vec<_>>>()?;
                line(format!(
                    "{seed}; {n}, {least}, {rate}; {}",
                    losses.join("; ")
                ));
            }
        }
    }
    Ok(())
}
