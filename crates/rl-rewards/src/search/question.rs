//! # Question
//!
//! A policy asked whether it would do better if it started over: what it is taught, and how its answer is read.
//!
//! Source: "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even Mid-Generation", arXiv 2410.02725. The paper's data and
//! settings are not public; what is not said there is said here.

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check};
use crate::policy::{Completion, End, Rollout, Rollouts};

/// Whether each response wins or ties against another response to the same prompt: those of a prompt are taken two by two in their order, and one that is left
/// over is compared with the one before it.
///
/// A tie counts as a win, within `tolerance` of the rewards: with wins alone, a policy that always answers right would be told to start over for ever.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts};
/// use regimen_rl_rewards::search::win_or_tie;
///
/// let rollout = |prompt| Rollout { prompt, completion: Completion::new(End::Truncated) };
/// let rollouts = Rollouts::new(vec![vec![1], vec![2]], vec![rollout(0), rollout(0), rollout(1), rollout(1)])?;
/// assert_eq!(win_or_tie(&rollouts, &[1.0, 0.0, 1.0, 1.0], 0.0)?, [true, false, true, true]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If there is not one finite reward a response, the tolerance is not finite or below 0, or a prompt has a single response.
pub fn win_or_tie(rollouts: &Rollouts, rewards: &[f64], tolerance: f64) -> Result<Vec<bool>> {
    check(
        "tolerance",
        tolerance,
        tolerance >= 0.0,
        "finite, 0 or more",
    )?;
    if rewards.len() != rollouts.len() {
        return Err(RlRewardsError::OutOfRange {
            field: "rewards",
            value: format!("{} of them", rewards.len()),
            allowed: "one a response",
        });
    }
    let finite = |reward: &f64| check("reward", *reward, true, "finite");
    rewards.iter().try_for_each(finite)?;
    let mut labels = vec![false; rewards.len()];
    for group in rollouts.groups() {
        let count = group.len();
        check(
            "responses",
            count as f64,
            count > 1,
            "2 or more of a prompt",
        )?;
        for (at, place) in group.iter().enumerate() {
            let other = if at % 2 == 1 || at + 1 == count {
                at - 1
            } else {
                at + 1
            };
            labels[*place] = rewards[*place] >= rewards[group[other]] - tolerance;
        }
    }
    Ok(labels)
}

/// The question after an answer or the beginning of one, and the two words that answer it.
///
/// The score of a text is `P(stay) / (P(stay) + P(again))`: "no, I would not do better" is the good outcome. For a policy whose other responses are
/// draws of its own, the best score is the chance that this one is at least as good as another: capability, not quality.
///
/// ```
/// use regimen_rl_rewards::search::Question;
///
/// // "Would you do better if you started over?", "No.", "Yes."
/// let question = Question::new(vec![40, 41], 7, 8)?;
/// assert!((question.score(-0.1, -2.4) - 0.9088770390).abs() < 1e-9);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("self-evaluation", "capability-aware"))]
pub struct Question {
    tokens: Vec<u32>,
    stay: u32,
    again: u32,
}
checked_serde!(Question);

impl Question {
    /// The tokens of the question, the word for "no, this one stays" and the word for "yes, start over".
    ///
    /// # Errors
    /// If there is no token, the words are one, or a token is above 2^31 - 1.
    pub fn new(tokens: Vec<u32>, stay: u32, again: u32) -> Result<Self> {
        Self {
            tokens,
            stay,
            again,
        }
        .checked()
    }

    /// The word for "no, this one stays".
    #[must_use]
    pub fn stay(&self) -> u32 {
        self.stay
    }

    /// The word for "yes, start over".
    #[must_use]
    pub fn again(&self) -> u32 {
        self.again
    }

    /// What a policy reads: the prompt, the answer without its end, and the question.
    #[must_use]
    pub fn text(&self, prompt: &[u32], answer: &Completion) -> Vec<u32> {
        [prompt, answer.content(), &self.tokens].concat()
    }

    /// The score by the log-probabilities, or the logits, of the two words.
    #[must_use]
    pub fn score(&self, stay: f64, again: f64) -> f64 {
        1.0 / (1.0 + (again - stay).exp())
    }

    /// What teaches a policy the question: each response whole, and `beginnings` times cut after a number of tokens that is drawn, with the
    /// outcome of the whole one. The text is observed and the answer's one word counts as sampled, so that a loss over sampled tokens is of it alone.
    ///
    /// Mix it with ordinary demonstrations, so that the policy writes as before.
    ///
    /// # Errors
    /// If there is not one label a response, or there are more than 2^16 beginnings.
    pub fn lessons(
        &self,
        rollouts: &Rollouts,
        labels: &[bool],
        beginnings: usize,
        rng: &mut impl Rng,
    ) -> Result<Rollouts> {
        check(
            "beginnings",
            beginnings as f64,
            beginnings <= 1 << 16,
            "up to 2^16",
        )?;
        if labels.len() != rollouts.len() {
            return Err(RlRewardsError::OutOfRange {
                field: "labels",
                value: format!("{} of them", labels.len()),
                allowed: "one a response",
            });
        }
        let mut lessons = Vec::new();
        for (one, label) in rollouts.rollouts().iter().zip(labels) {
            let content = one.completion.content();
            let cuts = (0..beginnings).map(|_| rng.random_range(0..=content.len()));
            for upto in std::iter::once(content.len()).chain(cuts.collect::<Vec<_>>()) {
                let mut completion = Completion::new(End::Truncated);
                for token in content[..upto].iter().chain(&self.tokens) {
                    completion.observed(*token);
                }
                completion.sampled(if *label { self.stay } else { self.again }, 0.0)?;
                lessons.push(Rollout {
                    prompt: one.prompt,
                    completion,
                });
            }
        }
        Rollouts::new(rollouts.prompts().to_vec(), lessons)
    }
}

impl Checked for Question {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.tokens.len();
        check("tokens", count as f64, count > 0, "1 or more of them")?;
        let same = self.stay == self.again;
        check(
            "again",
            f64::from(self.again),
            !same,
            "another word than `stay`",
        )?;
        let mut all = self.tokens.iter().chain([&self.stay, &self.again]);
        all.try_for_each(|token| {
            let good = i32::try_from(*token).is_ok();
            check("token", f64::from(*token), good, "up to 2^31 - 1")
        })
    }
}
