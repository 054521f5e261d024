//! # tofu
//!
//! What a language model still tells of people it was to forget: truth ratio, forget quality, model utility.
//!
//! Source: Maini, Feng, Schwarzschild, Lipton and Kolter, "TOFU: A Task of Fictitious Unlearning for LLMs", COLM 2024,
//! arXiv 2401.06121, section 2.2; the geometric mean is that of its released code and of the open-unlearning suite.

use serde::{Deserialize, Serialize};

pub use super::forget_quality::{ForgetQuality, forget_quality};

use crate::error::{Result, UnlearningError, check};

/// On retained answers higher is better, 1 is perfect and the retrained reference scores near the original; on forgotten ones
/// nearer to the reference's own value is better, which is perfect.
///
/// The probability of an answer, `p(a | q)^(1 / |a|)`, from the log-probabilities of its tokens, in nats.
///
/// # Errors
/// If there is no token, or a value is NaN or above 0.
pub fn probability(log_p: &[f64]) -> Result<f64> {
    Ok(log_probability(log_p)?.exp())
}

/// On retained answers higher is better, 0 is perfect and the retrained reference scores near the original; on forgotten ones
/// nearer to the reference's own value is better, which is perfect.
///
/// The mean log-probability of an answer's tokens, in nats: the logarithm of its [`probability`], where that would underflow.
///
/// # Errors
/// If there is no token, or a value is NaN or above 0.
pub fn log_probability(log_p: &[f64]) -> Result<f64> {
    if log_p.is_empty() {
        return Err(UnlearningError::Empty("token"));
    }
    for value in log_p {
        let good = *value <= 0.0;
        check("log_p", value.max(f64::MIN), good, "0 or less")?;
    }
    Ok(log_p.iter().sum::<f64>() / log_p.len() as f64)
}

/// How the probabilities of perturbed answers are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Averaging {
    /// The mean of probabilities: the paper's formula.
    Arithmetic,
    /// The mean of log-probabilities: the released code of the paper and open-unlearning's.
    #[default]
    Geometric,
}

/// On forgotten questions nearer to 1 is better, where the model can't tell right answers from wrong ones, the retrained
/// reference's own value is perfect, and it lies near 1; on retained ones lower is better and 0 is perfect.
///
/// `R = mean p(perturbed) / p(paraphrase)`, of length-normalised probabilities ([`probability`]), each above 0.
///
/// ```
/// use regimen_unlearning::metrics::tofu::{Averaging, truth_ratio};
///
/// let ratio = truth_ratio(0.4, &[0.2, 0.1, 0.3], Averaging::Arithmetic)?;
/// assert!((ratio - 0.5).abs() < 1e-12);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
///
/// # Errors
/// If there is no perturbed answer, or a probability is not in `0..=1` without 0.
pub fn truth_ratio(paraphrase: f64, perturbed: &[f64], averaging: Averaging) -> Result<f64> {
    for p in perturbed.iter().chain([&paraphrase]) {
        check(
            "probability",
            *p,
            *p > 0.0 && *p <= 1.0,
            "above 0, at most 1",
        )?;
    }
    let logs: Vec<f64> = perturbed.iter().map(|p| p.ln()).collect();
    Ok(log_truth_ratio(paraphrase.ln(), &logs, averaging)?.exp())
}

/// On forgotten questions nearer to 0 is better, the retrained reference's own value is perfect, and it lies near 0; on retained
/// ones lower is better.
///
/// The logarithm of the [`truth_ratio`], in nats, from log-probabilities per token ([`log_probability`]), however low they are. Give its `exp` to
/// [`forget_truth`] and [`retain_truth`], and itself to [`forget_quality`].
///
/// ```
/// use regimen_unlearning::metrics::tofu::{Averaging, log_truth_ratio};
///
/// let ratio = log_truth_ratio(-800.0, &[-801.0, -803.0], Averaging::Geometric)?;
/// assert_eq!(ratio, -2.0);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
///
/// # Errors
/// If there is no perturbed answer, or a log-probability is not finite or above 0.
pub fn log_truth_ratio(paraphrase: f64, perturbed: &[f64], averaging: Averaging) -> Result<f64> {
    if perturbed.is_empty() {
        return Err(UnlearningError::Empty("perturbed answer"));
    }
    for log_p in perturbed.iter().chain([&paraphrase]) {
        check("log_p", *log_p, *log_p <= 0.0, "0 or less")?;
    }
    let count = perturbed.len() as f64;
    let mean = match averaging {
        Averaging::Arithmetic => log_sum(perturbed) - count.ln(),
        Averaging::Geometric => perturbed.iter().sum::<f64>() / count,
    };
    Ok(mean - paraphrase)
}

/// The logarithm of a sum of exponentials.
fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest
        + logs
            .iter()
            .map(|log| (log - largest).exp())
            .sum::<f64>()
            .ln()
}

/// On retained questions higher is better, 1 is perfect and the retrained reference scores near the original.
///
/// The probability of the right answer among the options, `p(right) / (p(right) + sum p(wrong))`, from log-probabilities per token
/// ([`log_probability`]): the probability score of real authors and world facts in [`model_utility`].
///
/// ```
/// use regimen_unlearning::metrics::tofu::choice_probability;
///
/// let p = choice_probability(-800.0, &[-800.0, -801.0, -801.0])?;
/// assert!((p - 1.0 / (2.0 + 2.0 / std::f64::consts::E)).abs() < 1e-12);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
///
/// # Errors
/// If there is no wrong answer, or a log-probability is not finite or above 0.
pub fn choice_probability(right: f64, wrong: &[f64]) -> Result<f64> {
    if wrong.is_empty() {
        return Err(UnlearningError::Empty("wrong answer"));
    }
    for log_p in wrong.iter().chain([&right]) {
        check("log_p", *log_p, *log_p <= 0.0, "0 or less")?;
    }
    Ok((right - log_sum(&[wrong, &[right]].concat())).exp())
}

/// Higher is better, 1 is perfect, and the retrained reference scores near 1: the mean of `min(R, 1 / R)` over truth ratios of
/// forgotten questions.
///
/// # Errors
/// If there is no ratio, or one is NaN or below 0; infinite ones are allowed.
pub fn forget_truth(ratios: &[f64]) -> Result<f64> {
    mean_of(ratios, |ratio| ratio.min(1.0 / ratio))
}

/// Higher is better, 1 is perfect, and the retrained reference scores near the original: the mean of `max(0, 1 - R)` over truth
/// ratios of retained questions.
///
/// # Errors
/// If there is no ratio, or one is NaN or below 0; infinite ones are allowed.
pub fn retain_truth(ratios: &[f64]) -> Result<f64> {
    mean_of(ratios, |ratio| (1.0 - ratio).max(0.0))
}

fn mean_of(ratios: &[f64], score: impl Fn(f64) -> f64) -> Result<f64> {
    if ratios.is_empty() {
        return Err(UnlearningError::Empty("truth ratio"));
    }
    for ratio in ratios {
        // A ratio of tiny probabilities may be 0 or infinite; either has its score.
        let shown = ratio.min(f64::MAX);
        check("truth ratio", shown, *ratio >= 0.0, "0 or more")?;
    }
    Ok(ratios.iter().map(|ratio| score(*ratio)).sum::<f64>() / ratios.len() as f64)
}

/// Higher is better, 1 is perfect, and the retrained reference scores near the original.
///
/// Model utility: the harmonic mean of scores in `0..=1`; 0 if one of them is. The paper's are nine, the means over questions of
///
/// | score | retained questions | real authors, world facts |
/// |---|---|---|
/// | probability of the right answer | [`probability`] | [`choice_probability`] |
/// | ROUGE-L recall of the answer | [`rouge`](super::muse::rouge) | the same |
/// | truth ratio | [`retain_truth`] of [`truth_ratio`] | the same |
///
/// # Errors
/// If there is no score, or one is not in `0..=1`.
pub fn model_utility(scores: &[f64]) -> Result<f64> {
    if scores.is_empty() {
        return Err(UnlearningError::Empty("score"));
    }
    for score in scores {
        check("score", *score, (0.0..=1.0).contains(score), "0 to 1")?;
    }
    let inverse: f64 = scores.iter().map(|score| 1.0 / score).sum();
    Ok(scores.len() as f64 / inverse)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn truth_ratios_of_three_perturbed_answers() {
        let perturbed = [0.2, 0.1, 0.3];
        let arithmetic = truth_ratio(0.4, &perturbed, Averaging::Arithmetic).unwrap();
        let geometric = truth_ratio(0.4, &perturbed, Averaging::Geometric).unwrap();
        assert!((arithmetic - 0.5).abs() < 1e-12);
        assert!((geometric - 0.454_280_15).abs() < 1e-8);
        assert!((forget_truth(&[0.5, 2.0, 1.0]).unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!((retain_truth(&[0.5, 2.0]).unwrap() - 0.25).abs() < 1e-12);
        assert!((probability(&[0.5_f64.ln(), 0.125_f64.ln()]).unwrap() - 0.25).abs() < 1e-12);
    }

    #[test]
    fn log_probabilities_of_minus_800_have_a_ratio() {
        for averaging in [Averaging::Arithmetic, Averaging::Geometric] {
            let ratio = log_truth_ratio(-800.0, &[-801.0, -801.0], averaging).unwrap();
            assert!((ratio + 1.0).abs() < 1e-12);
            // Where both have a value it is the same.
            let logs = [0.2_f64.ln(), 0.1_f64.ln(), 0.3_f64.ln()];
            let ratio = log_truth_ratio(0.4_f64.ln(), &logs, averaging)
                .unwrap()
                .exp();
            let direct = truth_ratio(0.4, &[0.2, 0.1, 0.3], averaging).unwrap();
            assert!((ratio - direct).abs() < 1e-12);
        }
        assert_eq!(log_probability(&[-700.0, -900.0]).unwrap(), -800.0);
        // A ratio beyond the largest number still has a score.
        let far = log_truth_ratio(-900.0, &[-1.0], Averaging::Geometric).unwrap();
        assert_eq!(forget_truth(&[far.exp(), (-far).exp()]).unwrap(), 0.0);
        assert_eq!(retain_truth(&[far.exp(), (-far).exp()]).unwrap(), 0.5);
        assert!(log_truth_ratio(-1.0, &[0.1], Averaging::Geometric).is_err());
        assert!(log_truth_ratio(f64::NAN, &[-0.1], Averaging::Geometric).is_err());
    }

    #[test]
    fn released_codes_average_log_probabilities() {
        assert_eq!(Averaging::default(), Averaging::Geometric);
    }

    #[test]
    fn the_nine_scores_of_utility_can_be_made() {
        let probability = probability(&[-0.1, -0.3]).unwrap();
        let choice = choice_probability(-0.2, &[-2.0, -3.0, -4.0]).unwrap();
        let parts = [-0.2_f64, -2.0, -3.0, -4.0].map(f64::exp);
        assert!((choice - parts[0] / parts.iter().sum::<f64>()).abs() < 1e-12);
        let rouge = super::super::muse::rouge_recall(&["a", "b"], &["a", "c"]).unwrap();
        let truth = retain_truth(&[truth_ratio(0.4, &[0.1, 0.2], Averaging::default()).unwrap()]);
        let truth = truth.unwrap();
        let nine = [
            probability,
            rouge,
            truth,
            choice,
            rouge,
            truth,
            choice,
            rouge,
            truth,
        ];
        let inverse: f64 = nine.iter().map(|score| 1.0 / score).sum();
        assert!((model_utility(&nine).unwrap() - 9.0 / inverse).abs() < 1e-12);
        assert!(
            choice_probability(-1.0, &[]).is_err() && choice_probability(1.0, &[-1.0]).is_err()
        );
    }

    #[test]
    fn utility_is_a_harmonic_mean() {
        let utility = model_utility(&[0.9, 0.8, 0.5]).unwrap();
        assert!((utility - 0.687_898_09).abs() < 1e-8);
        assert_eq!(model_utility(&[0.9, 0.0]).unwrap(), 0.0);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(probability(&[]).is_err() && probability(&[f64::NAN]).is_err());
        assert!(probability(&[0.1]).is_err());
        assert!(truth_ratio(0.0, &[0.1], Averaging::Geometric).is_err());
        assert!(truth_ratio(0.5, &[], Averaging::Geometric).is_err());
        assert!(forget_truth(&[]).is_err() && retain_truth(&[-1.0]).is_err());
        assert!(model_utility(&[]).is_err() && model_utility(&[1.1]).is_err());
    }
}
