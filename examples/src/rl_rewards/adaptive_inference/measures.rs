//! How well scores tell right samples from wrong ones.

use anyhow::Result;
use regimen_rl_rewards::policy::Completion;

use super::bench::{Bench, Sampled, Score, beginning};
use super::lessons::ordered;
use crate::rl_rewards::bed::chain::Class;

/// The chance that a right sample is scored above a wrong one of any prompt, by whole samples.
pub(super) fn order(bench: &Bench, by: Score) -> Result<f64> {
    of_order(bench, |prompt, text| Ok(bench.score(by, prompt, text)))
}

/// As [`order`], by the halves of the samples.
pub(super) fn order_of_beginnings(bench: &Bench) -> Result<f64> {
    of_order(bench, |prompt, text| {
        Ok(bench.of_beginning(prompt, &beginning(text)?))
    })
}

fn of_order(bench: &Bench, score: impl Fn(&[u32], &Completion) -> Result<f64>) -> Result<f64> {
    let (mut scores, mut right) = (Vec::new(), Vec::new());
    for (prompt, samples) in bench.prompts.iter().zip(&bench.samples) {
        for one in samples {
            scores.push(score(prompt, &one.text)?);
            right.push(one.right);
        }
    }
    Ok(ordered(&scores, &right))
}

/// The chance that a right sample is scored above a wrong one of the same prompt; equal scores count half.
pub(super) fn order_within(bench: &Bench, by: Score) -> f64 {
    let (mut above, mut all) = (0.0, 0.0);
    for (prompt, samples) in bench.prompts.iter().zip(&bench.samples) {
        let score = |one: &Sampled| bench.score(by, prompt, &one.text);
        let of = |right| samples.iter().filter(move |one| one.right == right);
        for right in of(true).map(score) {
            for wrong in of(false).map(score) {
                above += f64::from(u8::from(right > wrong)) / 2.0
                    + f64::from(u8::from(right >= wrong)) / 2.0;
                all += 1.0;
            }
        }
    }
    above / f64::max(all, 1.0)
}

/// The mean of what the policy says of the right, or of the wrong, samples of a class; none where there is none.
pub(super) fn mean_of(bench: &Bench, class: Class, right: bool) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    let prompts = bench.prompts.iter().zip(&bench.samples);
    for ((prompt, samples), _) in prompts
        .zip(&bench.classes)
        .filter(|(_, own)| **own == class)
    {
        for one in samples.iter().filter(|one| one.right == right) {
            sum += bench.score(Score::Own, prompt, &one.text);
            count += 1.0;
        }
    }
    (count > 0.0).then(|| sum / count)
}

/// The Brier score of the policy's own word: of the outcome that it is asked for, a win or a tie against the next sample.
pub(super) fn brier(bench: &Bench) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (prompt, samples) in bench.prompts.iter().zip(&bench.samples) {
        for pair in samples.chunks_exact(2) {
            let holds = pair[0].right || !pair[1].right;
            let outcome = f64::from(u8::from(holds));
            sum += (bench.score(Score::Own, prompt, &pair[0].text) - outcome).powi(2);
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}
