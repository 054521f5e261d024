//! How much of a shot's input is shown: the mean bits per character over both languages and the seeds 1000 to 1005, by arm and characters.
//!
//! | arm | 25 | 50 | **100** | 200 | 400 | all |
//! |---|---|---|---|---|---|---|
//! | fixed | 2.585 | 2.598 | 2.612 | 2.629 | 2.645 | 2.663 |
//! | random | 2.618 | 2.629 | 2.643 | 2.661 | 2.681 | 2.693 |
//! | random, as long | 2.613 | 2.625 | 2.644 | 2.663 | 2.685 | 2.707 |
//! | bm25 | 2.370 | 2.380 | 2.393 | 2.411 | 2.428 | 2.441 |
//! | oracle | 2.260 | 2.268 | 2.278 | 2.291 | 2.301 | 2.314 |
//!
//! Without shots: 2.609. Less is better in every arm, down to the name alone: to a model of counts, code is noise before a sentence. 100 characters are
//! kept, so that what is shown is still a function with its sentence; fewer would only widen the lead over no shots.

use anyhow::Result;

use super::Job;
use super::arms::{AS_LONG, BM25, Broken, FIXED, NONE, ORACLE, Pool, RANDOM};
use super::corpus::Corpus;
use super::model::Ngrams;
use super::prompt::Task;
use crate::experiment::Context;

/// Characters that were tried, the last of them all.
const TRIED: [usize; 6] = [25, 50, 100, 200, 400, usize::MAX];

/// Prints the bits per character of every arm at every length on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    for corpus in Corpus::of(&Context::new(seed), seed)? {
        let job = Job::new(Task::Describe, &corpus.describe, corpus.language, |text| {
            Ok(Ngrams::fit(text))
        })?;
        for arm in [NONE, FIXED, RANDOM, AS_LONG, BM25, ORACLE] {
            let bits = TRIED.map(|most| {
                let pool = Pool::new(Task::Describe, &corpus.describe.pool, seed, Broken::No)?;
                let pool = pool.with_longest(most);
                let prompt =
                    |number: usize| pool.prompt(arm, number, &job.queries[number], super::SHOTS);
                Ok(format!("{:.3}", job.bits(prompt)?))
            });
            let bits = bits.into_iter().collect::<Result<Vec<_>>>()?;
            line(format!(
                "{seed}; {}; {arm}; {}",
                corpus.language,
                bits.join("; ")
            ));
        }
    }
    Ok(())
}
