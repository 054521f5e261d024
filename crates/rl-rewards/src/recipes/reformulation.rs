//! # Reformulation
//!
//! Where all responses to a prompt fail, the policy writes some with an expert's solution in view, and learns from them without it.
//!
//! Source: EGSR in "Learning Like Humans: Advancing LLM Reasoning Capabilities via Adaptive Difficulty Curriculum Learning and Expert-Guided Self-Reformulation", arXiv 2505.08364.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Tensor, TensorData};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::advantage::Groups;
use crate::error::{Result, RlRewardsError, check};
use crate::policy::{Completion, Rollout, Rollouts, SamplePolicy, ScorePolicy, Sequences};

/// What of an expert's material a guided prompt shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guidance {
    /// The final answer alone.
    Answer,
    /// The solution and the answer: the better of the two in the paper.
    SolutionAndAnswer,
}

impl Guidance {
    /// A guided prompt as text: the question, the material, and the instruction to write a solution of one's own.
    ///
    /// The wording is this crate's, the paper's is not known; where a policy has a format of its own, write the prompt in that.
    ///
    /// ```
    /// use regimen_rl_rewards::Guidance;
    ///
    /// let prompt = Guidance::Answer.prompt("What is 2 + 3?", "Count on from 2.", "5");
    /// assert!(prompt.starts_with("What is 2 + 3?") && prompt.contains("Answer: 5"));
    /// assert!(!prompt.contains("Count on"));
    /// ```
    #[must_use]
    pub fn prompt(self, question: &str, solution: &str, answer: &str) -> String {
        let material = match self {
            Self::Answer => format!("Answer: {answer}"),
            Self::SolutionAndAnswer => format!("Solution: {solution}\nAnswer: {answer}"),
        };
        format!(
            "{question}\n\nFor reference only:\n{material}\n\nWrite a complete solution to the question in your own way, step by \
             step, as if you had found it yourself. Do not mention the reference."
        )
    }
}

/// Where guided responses stand in a prompt's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// In place of the group's first responses: its size stays. At least one unguided response stays, else a group of successes would have
    /// no signal again.
    Replace,
    /// Next to all of them: the group grows.
    Add,
}

/// The importance ratio of a guided response `o` to a prompt `q`; that of others is `pi(o|q) / pi_old(o|q)` in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuidedRatio {
    /// `pi(o|q) / pi_old(o|q)`, as if the response had been sampled without guidance: 1 in the first update after sampling.
    OnPolicy,
    /// `pi(o|q) / pi_old(o|q, guidance)`, which corrects for how it was sampled. Use it with an objective that clips.
    OffPolicy,
}

/// Guided responses for the prompts of which every response failed.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `share` | 0.5, a choice: the paper's is not known | above 0, up to 1: guided responses by the group's size, rounded, at least one |
/// | `placement` | replace | [`Placement`] |
/// | `ratio` | on policy | [`GuidedRatio`] |
/// | `failure` | 0 | any finite number: a response with a reward up to this has failed |
///
/// A group with a success is never touched: guidance would displace genuine samples. A group of one response has nothing to replace
/// and is left as it is; [`Placement::Add`] serves it.
///
/// ```
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, SamplePolicy};
/// use regimen_rl_rewards::{Reformulation, Result};
///
/// // A policy that answers 7, or with the last token of a prompt of two.
/// struct Reads;
/// impl SamplePolicy for Reads {
///     fn sample(&self, prompts: &[Vec<u32>], samples: usize, _: u64) -> Result<Rollouts> {
///         let mut rollouts = Vec::new();
///         for (prompt, tokens) in prompts.iter().enumerate() {
///             for _ in 0..samples {
///                 let mut completion = Completion::new(End::Truncated);
///                 completion.sampled(tokens.get(1).copied().unwrap_or(7), -0.5)?;
///                 rollouts.push(Rollout { prompt, completion });
///             }
///         }
///         Rollouts::new(prompts.to_vec(), rollouts)
///     }
/// }
///
/// let answers = [7, 9];
/// let reward = |prompt: usize, one: &Completion| f64::from(u8::from(one.tokens() == [answers[prompt]]));
/// let rollouts = Reads.sample(&[vec![1], vec![2]], 4, 0)?;
/// let rewards = rollouts.rollouts().iter().map(|one| reward(one.prompt, &one.completion)).collect();
/// let mixed = Reformulation::default().rescue(
///     rollouts,
///     rewards,
///     |prompt| Some(vec![2, answers[prompt]]),
///     &Reads,
///     0,
///     |prompt, one| Ok(reward(prompt, one)),
/// )?;
/// assert_eq!(mixed.rewards(), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
/// assert_eq!(mixed.rollouts().prompts(), [vec![1], vec![2]]); // as they were: without guidance
/// assert_eq!(mixed.rescued().rescued, 1);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("EGSR"))]
pub struct Reformulation {
    share: f64,
    placement: Placement,
    ratio: GuidedRatio,
    failure: f64,
}
checked_serde!(Reformulation);

impl Default for Reformulation {
    fn default() -> Self {
        Self {
            share: 0.5,
            placement: Placement::Replace,
            ratio: GuidedRatio::OnPolicy,
            failure: 0.0,
        }
    }
}

/// What guidance did, in counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rescued {
    /// Prompts with responses.
    pub groups: usize,
    /// Those of which every response failed.
    pub failed: usize,
    /// Those of the failed ones that got guided responses.
    pub guided: usize,
    /// Those of the guided ones of which a guided response succeeded.
    pub rescued: usize,
    /// Guided responses that were sampled.
    pub responses: usize,
    /// Guided responses that succeeded.
    pub right: usize,
    /// Tokens of guided responses that were sampled: part of the cost.
    pub tokens: usize,
}

/// Responses with their rewards, of which some were written with guidance. All are of the prompts without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reformulated {
    rollouts: Rollouts,
    rewards: Vec<f64>,
    guided: Vec<bool>,
    rescued: Rescued,
    ratio: GuidedRatio,
}

/// The places of a group, and its guided prompt.
type Asked = (Vec<usize>, Vec<u32>);

impl Reformulation {
    /// Another share of guided responses.
    ///
    /// # Errors
    /// If it is not above 0, up to 1.
    pub fn with_share(self, share: f64) -> Result<Self> {
        Self { share, ..self }.checked()
    }

    /// Where guided responses stand.
    #[must_use]
    pub fn with_placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// The importance ratio of guided responses.
    #[must_use]
    pub fn with_ratio(self, ratio: GuidedRatio) -> Self {
        Self { ratio, ..self }
    }

    /// A response with a reward up to this has failed: above 0 for rewards with partial credit.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_failure(self, failure: f64) -> Result<Self> {
        Self { failure, ..self }.checked()
    }

    /// Guided responses for a group of so many.
    #[must_use]
    pub fn guided(&self, responses: usize) -> usize {
        let wanted = ((self.share * responses as f64).round() as usize).max(1);
        match self.placement {
            Placement::Replace => wanted.min(responses.saturating_sub(1)),
            Placement::Add if responses == 0 => 0,
            Placement::Add => wanted,
        }
    }

    /// The groups of which every response failed, in their order.
    #[must_use]
    pub fn failed(&self, groups: &Groups) -> Vec<usize> {
        let all = groups.iter().enumerate();
        let failed = all.filter(|(_, rewards)| self.all_failed(rewards));
        failed.map(|(group, _)| group).collect()
    }

    fn all_failed(&self, rewards: &[f64]) -> bool {
        rewards.iter().all(|reward| *reward <= self.failure)
    }

    /// Samples guided responses for the prompts of which every response failed, grades them, and puts them into the groups.
    ///
    /// `guide` gives the prompt with guidance for the place of a prompt, or none where there is no expert's solution: such a group is left as it
    /// is. `policy` must be the one that is trained, as it is now, without autodiff. `verify` grades a response to the prompt at a place;
    /// it must be the verifier of the rewards. Advantages are then taken over the mixed groups:
    /// [`Groups::of_rollouts`] of the answer.
    ///
    /// # Errors
    /// If there is not one finite reward for each response, a guided prompt is no prompt, or the policy or the verifier fails.
    pub fn rescue(
        &self,
        rollouts: Rollouts,
        rewards: Vec<f64>,
        mut guide: impl FnMut(usize) -> Option<Vec<u32>>,
        policy: &impl SamplePolicy,
        seed: u64,
        mut verify: impl FnMut(usize, &Completion) -> Result<f64>,
    ) -> Result<Reformulated> {
        check_rewards(&rewards, rollouts.len())?;
        let mut rescued = Rescued::default();
        // Prompts that get as many guided responses are sampled together.
        let mut asked: BTreeMap<usize, Vec<Asked>> = BTreeMap::new();
        for members in rollouts.groups() {
            rescued.groups += 1;
            let group: Vec<f64> = members.iter().map(|member| rewards[*member]).collect();
            if !self.all_failed(&group) {
                continue;
            }
            rescued.failed += 1;
            let wanted = self.guided(members.len());
            let prompt = rollouts.rollouts()[members[0]].prompt;
            if let Some(guided) = guide(prompt).filter(|_| wanted > 0) {
                asked.entry(wanted).or_default().push((members, guided));
            }
        }
        let mut mixed = Mixed {
            rollouts: rollouts.rollouts().to_vec(),
            guided: vec![false; rewards.len()],
            rewards,
        };
        for (wanted, groups) in asked {
            let prompts: Vec<Vec<u32>> = groups.iter().map(|(_, guided)| guided.clone()).collect();
            let sampled = policy.sample(&prompts, wanted, seed)?;
            check_sampled(&sampled, prompts.len(), wanted)?;
            rescued.responses += sampled.len();
            rescued.tokens += sampled.count_sampled();
            for (answers, (members, _)) in sampled.groups().iter().zip(&groups) {
                let prompt = mixed.rollouts[members[0]].prompt;
                let mut right = 0;
                for (answer, member) in answers.iter().zip(0..) {
                    let completion = sampled.rollouts()[*answer].completion.clone();
                    let reward = verify(prompt, &completion)?;
                    check("reward", reward, true, "finite")?;
                    right += usize::from(reward > self.failure);
                    let place = match self.placement {
                        Placement::Replace => members.get(member).copied(),
                        Placement::Add => None,
                    };
                    mixed.put(place, Rollout { prompt, completion }, reward);
                }
                rescued.guided += 1;
                rescued.right += right;
                rescued.rescued += usize::from(right > 0);
            }
        }
        Ok(Reformulated {
            rollouts: Rollouts::new(rollouts.prompts().to_vec(), mixed.rollouts)?,
            rewards: mixed.rewards,
            guided: mixed.guided,
            rescued,
            ratio: self.ratio,
        })
    }
}

impl Checked for Reformulation {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let share = self.share;
        check(
            "share",
            share,
            share > 0.0 && share <= 1.0,
            "above 0, up to 1",
        )?;
        check("failure", self.failure, true, "finite")
    }
}

/// Groups on the way to being mixed.
struct Mixed {
    rollouts: Vec<Rollout>,
    rewards: Vec<f64>,
    guided: Vec<bool>,
}

impl Mixed {
    /// Puts a guided response at a place, or at the end.
    fn put(&mut self, place: Option<usize>, rollout: Rollout, reward: f64) {
        let Some(place) = place else {
            self.rollouts.push(rollout);
            self.rewards.push(reward);
            self.guided.push(true);
            return;
        };
        self.rollouts[place] = rollout;
        self.rewards[place] = reward;
        self.guided[place] = true;
    }
}

impl Reformulated {
    /// The responses of all groups, guided ones at the prompts without guidance.
    #[must_use]
    pub fn rollouts(&self) -> &Rollouts {
        &self.rollouts
    }

    /// The reward of each response.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// Of each response, whether it was written with guidance.
    #[must_use]
    pub fn guided(&self) -> &[bool] {
        &self.guided
    }

    /// What guidance did.
    #[must_use]
    pub fn rescued(&self) -> Rescued {
        self.rescued
    }

    /// The groups, for an advantage.
    ///
    /// # Errors
    /// If there is no response.
    pub fn groups(&self) -> Result<Groups> {
        Groups::of_rollouts(&self.rollouts, self.rewards.clone())
    }

    /// The log-probabilities of the ratio's denominator, `[responses, T]`, for [`TokenBatch::with_old`](crate::TokenBatch::with_old), by the
    /// [`GuidedRatio`]: those of the policy as it is at the prompts without guidance; off policy, those with which guided responses were
    /// sampled. Take it before the first update on these responses. `sequences` are those of [`rollouts`](Self::rollouts), all of
    /// them.
    ///
    /// # Errors
    /// If the sequences are of another number of responses, or the policy fails.
    pub fn old_log_probs(
        &self,
        policy: &impl ScorePolicy,
        sequences: &Sequences,
    ) -> Result<Tensor<2>> {
        let rows = sequences.mask().dims()[0];
        let count = self.guided.len();
        check(
            "sequences",
            rows as f64,
            rows == count,
            "a row for each response",
        )?;
        let scored = policy.log_probs(sequences)?.inner();
        if self.ratio == GuidedRatio::OnPolicy || !self.guided.contains(&true) {
            return Ok(scored);
        }
        let guided = TensorData::new(self.guided.clone(), [rows, 1]);
        let guided = Tensor::<2, Bool>::from_data(guided, &scored.device());
        let sampled = sequences.sampler_log_probs().cast(scored.dtype());
        let guided = guided.expand(scored.dims());
        Ok(scored.mask_where(guided, sampled.inner()))
    }
}

fn check_rewards(rewards: &[f64], responses: usize) -> Result<()> {
    let count = rewards.len();
    check(
        "rewards",
        count as f64,
        count == responses,
        "one a response",
    )?;
    let bad = rewards.iter().find(|reward| !reward.is_finite());
    check("rewards", bad.copied().unwrap_or(0.0), true, "finite")
}

/// Refuses what is not so many responses to each prompt.
fn check_sampled(sampled: &Rollouts, prompts: usize, responses: usize) -> Result<()> {
    let groups = sampled.groups();
    let good = groups.len() == prompts && groups.iter().all(|group| group.len() == responses);
    check(
        "guided responses",
        sampled.len() as f64,
        good,
        "as many as asked for, of each prompt",
    )
}
