//! # muse
//!
//! What a language model still recites of text it was to forget: verbatim memory, leakage of membership, extraction.
//!
//! Source: Shi et al., "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", ICLR 2025, arXiv 2407.06460,
//! section 3; Min-K% is Shi et al., arXiv 2310.16789; extraction strength is Carlini et al., 2021.

use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, check};

/// On forgotten text nearer to the retrained reference is better, its own score is perfect, and it is low; on retained text higher
/// is better and 1 is perfect.
///
/// ROUGE-L recall: the longest common subsequence of a continuation and the true text, over the length of the latter, `0..=1`.
/// Items are words or tokens.
///
/// # Errors
/// If the true text is empty.
///
/// ```
/// use regimen_unlearning::metrics::muse::rouge_recall;
///
/// let (found, truth) = (["a", "cat", "sat", "down"], ["the", "cat", "sat"]);
/// assert!((rouge_recall(&found, &truth)? - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn rouge_recall<T: PartialEq>(found: &[T], truth: &[T]) -> Result<f64> {
    rouge(found, truth, Rouge::Recall)
}

/// What the longest common subsequence is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rouge {
    /// The harmonic mean of precision and recall: MUSE's released code, for verbatim and knowledge memory.
    #[default]
    F1,
    /// The length of the true text: TOFU's released code.
    Recall,
    /// The length of the continuation.
    Precision,
}

/// On forgotten text nearer to the retrained reference is better, its own score is perfect, and it is low; on retained text higher
/// is better and 1 is perfect.
///
/// ROUGE-L of a continuation and the true text, `0..=1`: with the longest common subsequence `l`, the precision `l / |found|`, the recall
/// `l / |truth|`, or their harmonic mean; 0 for an empty continuation. Items are words or tokens; the released codes take
/// lower-case words, stemmed.
///
/// # Errors
/// If the true text is empty.
///
/// ```
/// use regimen_unlearning::metrics::muse::{Rouge, rouge};
///
/// let (found, truth) = (["a", "cat", "sat", "down"], ["the", "cat", "sat"]);
/// assert!((rouge(&found, &truth, Rouge::F1)? - 4.0 / 7.0).abs() < 1e-12);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn rouge<T: PartialEq>(found: &[T], truth: &[T], measure: Rouge) -> Result<f64> {
    if truth.is_empty() {
        return Err(UnlearningError::Empty("true text"));
    }
    let common = common_subsequence(found, truth) as f64;
    let (found, truth) = (found.len().max(1) as f64, truth.len() as f64);
    Ok(match measure {
        Rouge::F1 => 2.0 * common / (found + truth),
        Rouge::Recall => common / truth,
        Rouge::Precision => common / found,
    })
}

/// The length of the longest common subsequence.
fn common_subsequence<T: PartialEq>(found: &[T], truth: &[T]) -> usize {
    // longest[j]: of what was read of `found` and the first j items of `truth`.
    let mut longest = vec![0_usize; truth.len() + 1];
    for item in found {
        let mut before = 0;
        for (j, other) in truth.iter().enumerate() {
            let above = longest[j + 1];
            longest[j + 1] = if item == other {
                before + 1
            } else {
                above.max(longest[j])
            };
            before = above;
        }
    }
    longest[truth.len()]
}

/// A feature of attacks, no metric: neither direction is better, and the retrained reference's values are perfect.
///
/// Min-K%: the mean log-probability, in nats, of the `share` of least likely tokens (at least one). Larger means more likely a
/// member; give it to [`Attack`](super::Attack) for the area under its curve.
///
/// # Errors
/// If there is no token, one is NaN, or `share` is not above 0 and at most 1.
pub fn min_k(log_p: &[f64], share: f64) -> Result<f64> {
    check(
        "share",
        share,
        share > 0.0 && share <= 1.0,
        "above 0, at most 1",
    )?;
    if log_p.is_empty() {
        return Err(UnlearningError::Empty("token"));
    }
    if log_p.iter().any(|value| value.is_nan()) {
        return Err(UnlearningError::NotFinite("token"));
    }
    let mut sorted = log_p.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = ((share * sorted.len() as f64) as usize).max(1);
    Ok(sorted[..count].iter().sum::<f64>() / count as f64)
}

/// Nearer to 0 is better, 0 is perfect, and the retrained reference scores 0 against itself: below 0 too little was forgotten if
/// areas are those of strangers told from members, above 0 too much.
///
/// PrivLeak: `100 (auc_unlearned - auc_retrained) / auc_retrained`, percent, of areas under the curve of a membership attack on
/// forgotten against unseen text. The toolkit's areas are 1 minus those of members told from strangers.
///
/// # Errors
/// If an area is not in `0..=1`, or the reference's is 0.
pub fn priv_leak(unlearned: f64, retrained: f64) -> Result<f64> {
    check(
        "unlearned",
        unlearned,
        (0.0..=1.0).contains(&unlearned),
        "0 to 1",
    )?;
    let good = retrained > 0.0 && retrained <= 1.0;
    check("retrained", retrained, good, "above 0, at most 1")?;
    Ok(100.0 * (unlearned - retrained) / retrained)
}

/// Nearer to the retrained reference is better, its own score is perfect, and it is near 0 for text that can't be guessed.
///
/// Extraction strength `1 - k / len`, `0..=1`: `k` is the length of the shortest prefix after which greedy prediction is right to
/// the end. `right[i]`: whether the likeliest token after the true first `i` tokens is the true one.
///
/// # Errors
/// If there is no token.
pub fn extraction_strength(right: &[bool]) -> Result<f64> {
    if right.is_empty() {
        return Err(UnlearningError::Empty("token"));
    }
    let recited = right.iter().rev().take_while(|right| **right).count();
    Ok(recited as f64 / right.len() as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_a_subsequence() {
        let recall = |found: &str, truth: &str| {
            let items = |text: &str| text.chars().collect::<Vec<char>>();
            rouge_recall(&items(found), &items(truth)).unwrap()
        };
        assert_eq!(recall("abcde", "ace"), 1.0);
        assert_eq!(recall("aec", "ace"), 2.0 / 3.0);
        assert_eq!(recall("", "ace"), 0.0);
        assert_eq!(recall("ccc", "ace"), 1.0 / 3.0);
    }

    /// `2 l / (|found| + |truth|)` is the harmonic mean of `l / |found|` and `l / |truth|`.
    #[test]
    fn muse_takes_the_harmonic_mean_of_precision_and_recall() {
        let of = |measure| rouge(&['a', 'b', 'c', 'd', 'e'], &['a', 'c', 'x'], measure).unwrap();
        let (precision, recall) = (of(Rouge::Precision), of(Rouge::Recall));
        assert!((precision - 0.4).abs() < 1e-12 && (recall - 2.0 / 3.0).abs() < 1e-12);
        let mean = 2.0 * precision * recall / (precision + recall);
        assert!((of(Rouge::default()) - mean).abs() < 1e-12);
        assert_eq!(rouge(&[], &['a'], Rouge::F1).unwrap(), 0.0);
    }

    #[test]
    fn leakage_of_an_area_of_03() {
        assert!((priv_leak(0.3, 0.5).unwrap() + 40.0).abs() < 1e-12);
        assert_eq!(priv_leak(0.5, 0.5).unwrap(), 0.0);
    }

    #[test]
    fn the_least_likely_tokens_count() {
        let log_p = [-1.0, -4.0, -2.0, -3.0, -0.5];
        assert_eq!(min_k(&log_p, 0.4).unwrap(), -3.5);
        assert_eq!(min_k(&log_p, 0.01).unwrap(), -4.0);
        assert!((min_k(&log_p, 1.0).unwrap() + 2.1).abs() < 1e-12);
    }

    #[test]
    fn what_is_recited_to_the_end_is_extracted() {
        assert_eq!(
            extraction_strength(&[true, false, true, true]).unwrap(),
            0.5
        );
        assert_eq!(extraction_strength(&[true; 4]).unwrap(), 1.0);
        assert_eq!(extraction_strength(&[true, true, false]).unwrap(), 0.0);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(rouge_recall::<char>(&['a'], &[]).is_err());
        assert!(min_k(&[], 0.2).is_err() && min_k(&[-1.0], 0.0).is_err());
        assert!(min_k(&[f64::NAN], 0.2).is_err());
        assert!(priv_leak(0.3, 0.0).is_err() && priv_leak(1.2, 0.5).is_err());
        assert!(extraction_strength(&[]).is_err());
    }
}
