//! # ToolSearch
//!
//! A tree search over the fragments of a policy's own answers, graded beside the truth.
//!
//! Source: "iTool: Reinforced Fine-Tuning with Dynamic Deficiency Calibration for Advanced Tool Use", arXiv 2501.09766, as in its released
//! code, with the descent and the text of the fragments put right.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::fragments::{Fragment, fragments};
use super::values::initial_value;
use crate::error::{Result, RlRewardsError, check};
use crate::policy::{Completion, End, SamplePolicy};
use crate::search::{Backup, Node, Selection, Tree};

/// A prompt with its right answer, the end token last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolPrompt {
    /// The request.
    pub prompt: Vec<u32>,
    /// The right answer.
    pub truth: Vec<u32>,
}

/// What a simulated text is worth after the answer so far: -.5 to .25 by [`Grade`](super::Grade).
pub type Grader<'a> = dyn Fn(&ToolPrompt, &[u32], &[u32]) -> Result<f64> + 'a;

/// The tree search of iTool.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `actions` | 3 | completions that a node is expanded with |
/// | `group` | 2 | pieces of a fragment, `step_limit` |
/// | `depth` | 3 | fragments of a path at most: the last one has all that is left |
/// | `iterations` | 5 | expansions a prompt at most |
/// | `steps` | 2 | fragments of a simulation at most |
/// | `max_tokens` | 50 | tokens of an answer, from which on it is not gone on with |
/// | selection | logarithmic, 1 | the child that the descent takes |
/// | backup | mean | sums favour what was visited often |
///
/// An iteration descends from the root through nodes that were expanded, to one that was not; samples completions of the text so far, cuts each
/// into fragments, and adds them as a path; follows the children of largest value for `steps` fragments from there; and backs up the grade of their
/// text from the last of them. A node that ends the answer or is at the full depth is graded again without a sample. Children of the same text
/// are one node.
///
/// The prior of a fragment is `exp` of the mean log-probability with which its tokens were sampled, .1 where there is none.
///
/// Differs from the released code, which descends only through nodes with more than `actions` children (so that the root is expanded
/// twice and the rest hardly ever), joins fragments with blanks, keeps equal children apart, and spends an iteration on a node that can't be
/// expanded without an effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("MCTS", "iTool"))]
pub struct ToolSearch {
    actions: usize,
    group: usize,
    depth: usize,
    iterations: usize,
    steps: usize,
    max_tokens: usize,
    selection: Selection,
    backup: Backup,
}
checked_serde!(ToolSearch);

/// What a search found.
#[derive(Clone, Debug)]
pub struct Searched {
    /// A tree a prompt.
    pub trees: Vec<Tree<Fragment>>,
    /// Tokens that were sampled, of all nodes.
    pub sampled: usize,
    /// Texts that were graded.
    pub graded: usize,
}

impl Default for ToolSearch {
    fn default() -> Self {
        Self {
            actions: 3,
            group: 2,
            depth: 3,
            iterations: 5,
            steps: 2,
            max_tokens: 50,
            selection: Selection::LOGARITHMIC,
            backup: Backup::Mean,
        }
    }
}

impl ToolSearch {
    /// Completions of an expansion.
    ///
    /// # Errors
    /// If it is not 1 to 4,096.
    pub fn with_actions(self, actions: usize) -> Result<Self> {
        Self { actions, ..self }.checked()
    }

    /// Pieces of a fragment.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_group(self, group: usize) -> Result<Self> {
        Self { group, ..self }.checked()
    }

    /// Fragments of a path at most.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_depth(self, depth: usize) -> Result<Self> {
        Self { depth, ..self }.checked()
    }

    /// Iterations a prompt.
    ///
    /// # Errors
    /// If it is not 1 to 1,000,000.
    pub fn with_iterations(self, iterations: usize) -> Result<Self> {
        Self { iterations, ..self }.checked()
    }

    /// Fragments of a simulation at most.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self> {
        Self { steps, ..self }.checked()
    }

    /// Tokens of an answer, from which on it is not gone on with.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_max_tokens(self, max_tokens: usize) -> Result<Self> {
        Self { max_tokens, ..self }.checked()
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

    /// Searches the answers to all prompts, an expansion of each at a time, so that all of an iteration are sampled together.
    ///
    /// `policy` samples at the search's temperature, 1.5 in the paper; `closing` are the tokens that close an answer and `ends` cuts it, as
    /// [`fragments`] says. Each iteration samples with a seed of its own. The truth is seen by initial values and by the grades: both are for training
    /// alone.
    ///
    /// # Errors
    /// Those of the policy and of the grader, and if a grade is not finite.
    pub fn run<P: SamplePolicy>(
        &self,
        policy: &P,
        prompts: &[ToolPrompt],
        closing: &[u32],
        ends: &dyn Fn(&[u32]) -> bool,
        grader: &Grader<'_>,
        seed: u64,
    ) -> Result<Searched> {
        let new = || Tree::new(self.backup);
        let mut found = Searched {
            trees: prompts.iter().map(|_| new()).collect::<Result<_>>()?,
            sampled: 0,
            graded: 0,
        };
        for iteration in 0..self.iterations {
            let (mut chosen, mut open, mut texts) = (Vec::new(), Vec::new(), Vec::new());
            for (place, tree) in found.trees.iter().enumerate() {
                let node = tree.descend(self.selection, |node| node.expansions() > 0)?;
                let so_far = text(tree, node)?;
                if !self.is_over(tree.node(node)?, &so_far) {
                    texts.push([&prompts[place].prompt, so_far.as_slice()].concat());
                    open.push((place, node, so_far.len()));
                }
                chosen.push((node, so_far));
            }
            let seed = seed.wrapping_mul(1 << 20).wrapping_add(iteration as u64);
            if !texts.is_empty() {
                let rollouts = policy.sample(&texts, self.actions, seed)?;
                found.sampled += rollouts.count_sampled();
                for one in rollouts.rollouts() {
                    let (place, node, length) = open[one.prompt];
                    let (tree, truth) = (&mut found.trees[place], &prompts[place].truth);
                    self.attach(tree, node, &one.completion, length, (truth, closing), ends)?;
                }
            }
            for (place, node, _) in open {
                found.trees[place].expanded(node)?;
            }
            for (place, (node, so_far)) in chosen.into_iter().enumerate() {
                let tree = &mut found.trees[place];
                let (last, from, simulated) = self.simulate(tree, node, so_far)?;
                let reward = grader(&prompts[place], &from, &simulated)?;
                found.graded += 1;
                tree.back_up(last, reward)?;
            }
        }
        Ok(found)
    }

    /// Whether nothing comes after a node.
    fn is_over(&self, node: &Node<Fragment>, so_far: &[u32]) -> bool {
        let ends = node.action().is_some_and(|action| action.ends);
        ends || node.depth() >= self.depth || so_far.len() >= self.max_tokens
    }

    /// Adds a completion's fragments below a node, those beyond the full depth as one.
    fn attach(
        &self,
        tree: &mut Tree<Fragment>,
        node: usize,
        completion: &Completion,
        so_far: usize,
        (truth, closing): (&[u32], &[u32]),
        ends: &dyn Fn(&[u32]) -> bool,
    ) -> Result<()> {
        let tokens = completion.tokens();
        let over = completion.end() == End::EndToken || so_far + tokens.len() >= self.max_tokens;
        let pieces = fragments(tokens, self.group, ends)?;
        let (mut parent, mut from) = (node, 0);
        for piece in pieces {
            if from >= tokens.len() {
                break;
            }
            let last = tree.node(parent)?.depth() + 1 >= self.depth;
            let to = if last {
                tokens.len()
            } else {
                from + piece.len()
            };
            let piece = &tokens[from..to];
            let fragment = Fragment {
                tokens: piece.to_vec(),
                ends: over && to == tokens.len(),
            };
            let log_probs = completion.log_probs()[from..to].iter().flatten();
            let count = log_probs.clone().count();
            let prior = if count == 0 {
                0.1
            } else {
                let sum: f64 = log_probs.map(|value| f64::from(*value)).sum();
                (sum / count as f64).exp().min(1.0)
            };
            let initial = initial_value(piece, truth, closing);
            parent = tree.add_once(parent, fragment, prior, initial)?;
            from = to;
        }
        Ok(())
    }

    /// From a node along the children of largest value: the last of them, the answer ahead of the simulated text, and that text. A node without
    /// children is its own simulation.
    fn simulate(
        &self,
        tree: &Tree<Fragment>,
        node: usize,
        so_far: Vec<u32>,
    ) -> Result<(usize, Vec<u32>, Vec<u32>)> {
        let (mut last, mut simulated) = (node, Vec::new());
        for _ in 0..self.steps {
            let Some(child) = tree.best(last)? else { break };
            last = child;
            if let Some(action) = tree.node(child)?.action() {
                simulated.extend(&action.tokens);
            }
        }
        if last != node {
            return Ok((last, so_far, simulated));
        }
        let own = tree.node(node)?.action().map_or(&[][..], |one| &one.tokens);
        let from = so_far.len() - own.len();
        Ok((node, so_far[..from].to_vec(), own.to_vec()))
    }
}

/// The tokens from the root to a node.
fn text(tree: &Tree<Fragment>, node: usize) -> Result<Vec<u32>> {
    let path = tree.path(node)?;
    Ok(path.iter().flat_map(|one| &one.tokens).copied().collect())
}

impl Checked for ToolSearch {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let at_least_1 = |field, value: usize| check(field, value as f64, value > 0, "1 or more");
        let actions = self.actions;
        check(
            "actions",
            actions as f64,
            (1..=4096).contains(&actions),
            "1 to 4,096",
        )?;
        let iterations = self.iterations;
        let good = (1..=1_000_000).contains(&iterations);
        check("iterations", iterations as f64, good, "1 to 1,000,000")?;
        at_least_1("group", self.group)?;
        at_least_1("depth", self.depth)?;
        at_least_1("steps", self.steps)?;
        at_least_1("max_tokens", self.max_tokens)?;
        Tree::<()>::new(self.backup).map(drop)
    }
}
