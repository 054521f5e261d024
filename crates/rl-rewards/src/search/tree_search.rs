//! # TreeSearch
//!
//! Monte Carlo tree search over the steps of an answer.
//!
//! Source: selection and backup as in "Monte Carlo Tree Search Boosts Reasoning via Iterative Preference Learning", arXiv 2405.00451; a
//! beginning's score in the place of a roll-out.

use std::time::Instant;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::budget::{Budget, Spent};
use super::found::{Found, Progress, Unwatched, Watch};
use super::process_reward::ProcessReward;
use super::rounds::{Text, Wanted, go_on, seed_of};
use super::selection::Selection;
use super::tree::{Backup, Tree};
use crate::error::{Result, check};
use crate::keyed::key;
use crate::policy::{Completion, StepPolicy};

/// Iterations, branches and steps at most.
const MOST: usize = 1 << 16;

/// Grows a tree of beginnings: each iteration descends to one that was not gone on with, goes on with it in several ways, and backs up their scores.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `iterations` | | 1 to 2^16: beginnings that are gone on with |
/// | `branches` | | 1 to 2^16: steps that each is gone on with |
/// | `steps` | | 1 to 2^16: steps of an answer at most |
/// | `selection` | PUCT, `c` = 1 | [`Selection`] |
/// | `backup` | mean | [`Backup`] |
///
/// The prior of a step is `exp` of its tokens' mean log-probability, over the sum of these for its siblings. Equal steps are one node. A descent that ends at an answer
/// that is over backs up its score again and costs no call, up to `iterations` times in all. The result is the whole answer with the
/// largest score; where there is none, the best beginning.
///
/// ```
/// use regimen_rl_rewards::policy::StepPolicy;
/// use regimen_rl_rewards::search::{Budget, Found, ProcessReward, TreeSearch};
/// use regimen_rl_rewards::Result;
///
/// fn search(policy: &impl StepPolicy, reward: &impl ProcessReward, prompts: &[Vec<u32>]) -> Result<Vec<Found>> {
///     TreeSearch::new(100, 4, 20)?.run(policy, reward, prompts, Budget::calls(256)?, 0)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("MCTS", "tree of thoughts"))]
pub struct TreeSearch {
    iterations: usize,
    branches: usize,
    steps: usize,
    selection: Selection,
    backup: Backup,
}
checked_serde!(TreeSearch);

/// The tree of a prompt.
struct Grown {
    key: u64,
    tree: Tree<Text>,
    done: bool,
}

impl Grown {
    fn text(&self, node: usize) -> Result<Text> {
        let action = self.tree.node(node)?.action();
        Ok(action.cloned().unwrap_or_else(Text::empty))
    }
}

impl TreeSearch {
    /// So many iterations, branches of each, and steps of an answer at most.
    ///
    /// # Errors
    /// If a number is not 1 to 2^16.
    pub fn new(iterations: usize, branches: usize, steps: usize) -> Result<Self> {
        Self {
            iterations,
            branches,
            steps,
            selection: Selection::puct(1.0)?,
            backup: Backup::Mean,
        }
        .checked()
    }

    /// Another score of children, and another backup.
    ///
    /// # Errors
    /// If the backup's `gamma` is out of its range.
    pub fn with_rules(self, selection: Selection, backup: Backup) -> Result<Self> {
        Self {
            selection,
            backup,
            ..self
        }
        .checked()
    }

    /// Searches answers to each prompt, an iteration of each at a time. Draws follow from the seed, the prompt, the iteration and the branch.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a score is not finite or beyond 1e100.
    pub fn run<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        self.run_watched(policy, reward, prompts, budget, seed, &mut Unwatched)
    }

    /// As [`run`](Self::run), told of each iteration.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_watched<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let since = Instant::now();
        let mut found: Vec<Found> = prompts.iter().map(|_| Found::nothing()).collect();
        let grown = |prompt: &Vec<u32>| -> Result<Grown> {
            Ok(Grown {
                key: key(prompt),
                tree: Tree::new(self.backup)?,
                done: false,
            })
        };
        let mut all = prompts.iter().map(grown).collect::<Result<Vec<_>>>()?;
        for iteration in 0..self.iterations {
            let calls = self.branches as u64;
            for (one, found) in all.iter_mut().zip(&mut found).filter(|(one, _)| !one.done) {
                if !budget.allows(&found.spent, [calls; 2], since) {
                    (one.done, found.cut_off) = (true, true);
                }
            }
            if all.iter().all(|one| one.done) {
                break;
            }
            let round = (iteration as u64, seed);
            self.iterate(policy, reward, prompts, (&mut all, &mut found), round)?;
            let progress = Progress {
                round: iteration + 1,
                open: all.iter().filter(|one| !one.done).count(),
                found: &found,
            };
            if watch.round(&progress).is_break() {
                for (one, found) in all.iter().zip(&mut found) {
                    found.cut_off |= !one.done;
                }
                break;
            }
        }
        Ok(found)
    }

    fn iterate<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        (all, found): (&mut [Grown], &mut [Found]),
        (iteration, seed): (u64, u64),
    ) -> Result<()>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let mut leaves = Vec::new();
        for (at, one) in all.iter_mut().enumerate().filter(|(_, one)| !one.done) {
            let leaf = one
                .tree
                .descend(self.selection, |node| node.expansions() > 0)?;
            let text = one.text(leaf)?;
            if text.over || one.tree.node(leaf)?.depth() >= self.steps {
                one.tree.back_up(leaf, text.score)?;
            } else {
                leaves.push((at, leaf, text));
            }
        }
        let mut wanted = Vec::with_capacity(leaves.len() * self.branches);
        for (at, _, text) in &leaves {
            wanted.extend((0..self.branches as u64).map(|branch| Wanted {
                prompt: &prompts[*at],
                so_far: &text.completion,
                seed: seed_of(seed, all[*at].key, iteration, branch),
            }));
        }
        let mut texts = go_on(policy, reward, &wanted)?.into_iter();
        for (at, leaf, text) in &leaves {
            let new: Vec<(Text, u64)> = texts.by_ref().take(self.branches).collect();
            found[*at].spent += Spent {
                tokens: new.iter().map(|(_, tokens)| tokens).sum(),
                calls: self.branches as u64,
                scorings: self.branches as u64,
            };
            let new = distinct(new);
            let priors = priors(&new, text.completion.len());
            let tree = &mut all[*at].tree;
            tree.expanded(*leaf)?;
            for (text, prior) in new.into_iter().zip(priors) {
                found[*at].offer(text.answer());
                let score = text.score;
                let child = tree.add(*leaf, text, prior, score)?;
                tree.back_up(child, score)?;
            }
        }
        Ok(())
    }
}

/// Each text once, the first of equal ones.
fn distinct(texts: Vec<(Text, u64)>) -> Vec<Text> {
    let mut found: Vec<Text> = Vec::with_capacity(texts.len());
    for (text, _) in texts {
        let same = |one: &Text| one.completion.tokens() == text.completion.tokens();
        if !found.iter().any(same) {
            found.push(text);
        }
    }
    found
}

/// The priors of texts that are new from a token on: their sum is 1.
fn priors(texts: &[Text], from: usize) -> Vec<f64> {
    let likely = texts.iter().map(|text| likelihood(&text.completion, from));
    let likely: Vec<f64> = likely.collect();
    let sum: f64 = likely.iter().sum();
    likely.iter().map(|one| (one / sum).min(1.0)).collect()
}

/// `exp` of the mean log-probability of the sampled tokens from one on, 1 without such a token; above 0.
fn likelihood(completion: &Completion, from: usize) -> f64 {
    let log_probs = completion.log_probs().get(from..).unwrap_or_default();
    let sampled: Vec<f64> = log_probs
        .iter()
        .flatten()
        .map(|one| f64::from(*one))
        .collect();
    let mean = sampled.iter().sum::<f64>() / sampled.len().max(1) as f64;
    mean.clamp(-600.0, 0.0).exp()
}

impl Checked for TreeSearch {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("iterations", self.iterations),
            ("branches", self.branches),
            ("steps", self.steps),
        ] {
            check(
                field,
                value as f64,
                (1..=MOST).contains(&value),
                "1 to 2^16",
            )?;
        }
        Tree::<()>::new(self.backup).map(drop)
    }
}
