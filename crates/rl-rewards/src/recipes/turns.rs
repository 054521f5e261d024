//! # MultiTurn
//!
//! Several answers to one prompt, each after feedback on those before it, in a window; with or without repeated answers.
//!
//! Source: the states, the window and the evaluation of RISE in "Recursive Introspection: Teaching Language Model Agents How to
//! Self-Improve", arXiv 2407.18219, as in its released code

use std::collections::BTreeMap;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::episode::{Episode, Turn};
use crate::error::{Result, RlRewardsError, check};
use crate::policy::{Completion, SamplePolicy};

/// Turns, tries and samples at most.
pub(super) const MOST: usize = 1 << 16;

/// Episodes of up to `turns` answers: after a wrong one come `feedback` and the next.
///
/// The state of a turn is the prompt, and of the last `window` answers each without its end token and followed by the feedback:
/// `s_t = (x, y_1, p, .., y_(t-1), p)`. An action is a whole answer.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `turns` | required; 5 in the paper | answers at most, 1 to 65,536 |
/// | `feedback` | required | tokens after each answer: "try again", and what separates turns |
/// | `window` | all | answers that a state keeps; 0 makes all answers independent |
/// | `success` | 1 | the reward from which an answer is right |
/// | `tries` | 1 | how often an answer is drawn anew that the episode had before; the last try stays, 1 to 65,536 |
/// | stop | at a success | [`without_stop`](Self::without_stop): all turns, whatever they give |
///
/// The released evaluation runs all turns and says after each that it was wrong, even where it was right.
///
/// ```
/// use regimen_rl_rewards::recipes::{MultiTurn, solved_within};
/// use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, SamplePolicy};
///
/// /// Counts up from the last token.
/// struct Counts;
/// impl SamplePolicy for Counts {
///     fn sample(&self, prompts: &[Vec<u32>], samples: usize, _: u64) -> regimen_rl_rewards::Result<Rollouts> {
///         let mut rollouts = Vec::new();
///         for (prompt, tokens) in prompts.iter().enumerate() {
///             for _ in 0..samples {
///                 let mut completion = Completion::new(End::Truncated);
///                 completion.sampled(tokens[tokens.len() - 1] + 1, -0.5)?;
///                 rollouts.push(Rollout { prompt, completion });
///             }
///         }
///         Rollouts::new(prompts.to_vec(), rollouts)
///     }
/// }
///
/// let turns = MultiTurn::new(5, vec![])?;
/// let right = |_: usize, answer: &Completion| f64::from(u8::from(answer.tokens() == [9]));
/// let episodes = turns.episodes(&Counts, &[vec![7], vec![3]], 0, right)?;
/// assert_eq!(episodes[0].solved_at(), Some(1));
/// assert_eq!(episodes[1].turns[4].state, [3, 4, 5, 6, 7]);
/// assert_eq!(solved_within(&episodes, 5)?, 0.5);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MultiTurn {
    turns: usize,
    feedback: Vec<u32>,
    #[serde(default)]
    window: Option<usize>,
    success: f64,
    tries: usize,
    stops: bool,
}
checked_serde!(MultiTurn);

impl MultiTurn {
    /// Of so many turns, with this feedback after each.
    ///
    /// # Errors
    /// If there are not 1 to 65,536 turns, or a token is above 2^31 - 1.
    pub fn new(turns: usize, feedback: Vec<u32>) -> Result<Self> {
        Self {
            turns,
            feedback,
            window: None,
            success: 1.0,
            tries: 1,
            stops: true,
        }
        .checked()
    }

    /// A state keeps so many of the last answers.
    #[must_use]
    pub fn with_window(self, window: usize) -> Self {
        let window = Some(window);
        Self { window, ..self }
    }

    /// The reward from which an answer is right.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_success(self, success: f64) -> Result<Self> {
        Self { success, ..self }.checked()
    }

    /// Draws an answer that the episode had before anew, so often in all; the tokens of the refused ones count.
    ///
    /// # Errors
    /// If it is not 1 to 65,536.
    pub fn with_tries(self, tries: usize) -> Result<Self> {
        Self { tries, ..self }.checked()
    }

    /// Goes on to the last turn, after a success too.
    #[must_use]
    pub fn without_stop(self) -> Self {
        Self {
            stops: false,
            ..self
        }
    }

    /// Turns at most.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.turns
    }

    /// The tokens that the next answer to a prompt comes after.
    pub fn state<'a>(
        &self,
        prompt: &[u32],
        answers: impl IntoIterator<Item = &'a Completion>,
    ) -> Vec<u32> {
        let answers: Vec<&Completion> = answers.into_iter().collect();
        let window = self.window.unwrap_or(answers.len());
        let mut state = prompt.to_vec();
        for answer in &answers[answers.len().saturating_sub(window)..] {
            state.extend(answer.content());
            state.extend(&self.feedback);
        }
        state
    }

    /// An episode of each prompt, by the same seed the same ones. `reward` is given the place of the prompt and the answer.
    ///
    /// A prompt that is there several times has several different episodes.
    ///
    /// # Errors
    /// If a reward is not finite, and the errors of the policy.
    pub fn episodes<P: SamplePolicy + ?Sized>(
        &self,
        policy: &P,
        prompts: &[Vec<u32>],
        seed: u64,
        mut reward: impl FnMut(usize, &Completion) -> f64,
    ) -> Result<Vec<Episode>> {
        let turns = Vec::new;
        let episodes = (0..prompts.len()).map(|prompt| Episode {
            prompt,
            turns: turns(),
        });
        let mut episodes: Vec<Episode> = episodes.collect();
        for turn in 0..self.turns {
            let mut open: Vec<usize> = (0..episodes.len())
                .filter(|place| !self.stops || episodes[*place].solved_at().is_none())
                .collect();
            let mut refused = vec![0; episodes.len()];
            for attempt in 1..=self.tries {
                if open.is_empty() {
                    break;
                }
                let states = open.iter().map(|place| {
                    let before = episodes[*place].turns.iter().take(turn);
                    self.state(&prompts[*place], before.map(|turn| &turn.answer))
                });
                let states: Vec<Vec<u32>> = states.collect();
                let seed = mixed(seed, turn, attempt);
                let answers = of_each(policy, &states, 1, seed)?.into_iter().flatten();
                let mut again = Vec::new();
                for ((place, state), answer) in open.into_iter().zip(states).zip(answers) {
                    let episode = &mut episodes[place];
                    if attempt < self.tries && episode.has(&answer, turn) {
                        refused[place] += answer.count_sampled();
                        again.push(place);
                        continue;
                    }
                    let reward = reward(place, &answer);
                    check("reward", reward, true, "finite")?;
                    episode.turns.push(Turn {
                        state,
                        answer,
                        reward,
                        is_right: reward >= self.success,
                        refused: refused[place],
                    });
                }
                open = again;
            }
        }
        Ok(episodes)
    }
}

impl Checked for MultiTurn {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, count) in [("turns", self.turns), ("tries", self.tries)] {
            let good = (1..=MOST).contains(&count);
            check(field, count as f64, good, "1 to 65,536")?;
        }
        check("success", self.success, true, "finite")?;
        let mut tokens = self.feedback.iter();
        tokens.try_for_each(|token| {
            let good = i32::try_from(*token).is_ok();
            check("feedback", f64::from(*token), good, "up to 2^31 - 1")
        })
    }
}

/// A seed for a try of a turn.
fn mixed(seed: u64, turn: usize, attempt: usize) -> u64 {
    let place = ((turn as u64) << 20) + attempt as u64;
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(place)
}

/// A state, and where it is.
type Alike<'a> = (&'a [u32], Vec<usize>);

/// So many completions of each state; states that are the same get different ones.
pub(super) fn of_each<P: SamplePolicy + ?Sized>(
    policy: &P,
    states: &[Vec<u32>],
    samples: usize,
    seed: u64,
) -> Result<Vec<Vec<Completion>>> {
    let mut places: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
    for (place, state) in states.iter().enumerate() {
        places.entry(state).or_default().push(place);
    }
    let mut by_count: BTreeMap<usize, Vec<Alike<'_>>> = BTreeMap::new();
    for (state, places) in places {
        let of = by_count.entry(places.len()).or_default();
        of.push((state, places));
    }
    let mut found = vec![Vec::new(); states.len()];
    for (count, all) in by_count {
        let prompts: Vec<Vec<u32>> = all.iter().map(|(state, _)| state.to_vec()).collect();
        let groups = groups(policy, &prompts, count * samples, seed)?;
        for ((_, places), mut group) in all.into_iter().zip(groups) {
            for place in places {
                let rest = group.split_off(samples);
                found[place] = std::mem::replace(&mut group, rest);
            }
        }
    }
    Ok(found)
}

/// The completions of each prompt.
fn groups<P: SamplePolicy + ?Sized>(
    policy: &P,
    prompts: &[Vec<u32>],
    count: usize,
    seed: u64,
) -> Result<Vec<Vec<Completion>>> {
    let rollouts = policy.sample(prompts, count, seed)?;
    let mut groups = vec![Vec::new(); prompts.len()];
    for rollout in rollouts.rollouts() {
        if let Some(group) = groups.get_mut(rollout.prompt) {
            group.push(rollout.completion.clone());
        }
    }
    let wrong = |group: &&Vec<Completion>| group.len() != count;
    match groups.iter().find(wrong) {
        Some(group) => Err(RlRewardsError::OutOfRange {
            field: "completions of a prompt",
            value: group.len().to_string(),
            allowed: "as many as the policy was asked for",
        }),
        None => Ok(groups),
    }
}
