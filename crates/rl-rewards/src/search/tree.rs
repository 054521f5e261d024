//! # Tree
//!
//! A search tree: nodes with actions, visits and values, selection from the root, backup to the root.
//!
//! Source: Regimen's own; the value of a node from its children as in "Monte Carlo Tree Search Boosts Reasoning via Iterative Preference
//! Learning", arXiv 2405.00451.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::selection::{Candidate, Selection};
use crate::error::{Result, RlRewardsError, check};

/// Nodes of a tree at most.
const MOST: usize = 1 << 24;
/// The largest reward and initial value, up or down.
const LARGEST: f64 = 1e100;

/// What becomes of a reward on its way to the root.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backup {
    /// A node's value is its initial value plus the sum of the rewards below it: it favours what was visited often.
    Sum,
    /// That sum over `visits + 1`: the initial value counts as one visit.
    Mean,
    /// `Q = r + gamma V` with `V = sum_children max(1, N_c) Q_c / sum_children max(1, N_c)`, where `r` is the reward of the node's own
    /// step; `gamma` is 0 to 1. Until its first visit a node's value is its initial one.
    Discounted {
        /// The discount of a step.
        gamma: f64,
    },
}

/// A node of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node<A> {
    action: Option<A>,
    parent: Option<usize>,
    children: Vec<usize>,
    depth: usize,
    prior: f64,
    initial: f64,
    expansions: u64,
    visits: u64,
    sum: f64,
    reward: f64,
    value: f64,
}

impl<A> Node<A> {
    fn new(
        action: Option<A>,
        parent: Option<usize>,
        depth: usize,
        [prior, initial]: [f64; 2],
    ) -> Self {
        Self {
            action,
            parent,
            children: Vec::new(),
            depth,
            prior,
            initial,
            expansions: 0,
            visits: 0,
            sum: 0.0,
            reward: 0.0,
            value: initial,
        }
    }

    /// What leads here from the parent; none for the root.
    #[must_use]
    pub fn action(&self) -> Option<&A> {
        self.action.as_ref()
    }

    /// The parent's place; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<usize> {
        self.parent
    }

    /// The children's places, in the order in which they came.
    #[must_use]
    pub fn children(&self) -> &[usize] {
        &self.children
    }

    /// Steps from the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The probability that it was added with.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.prior
    }

    /// The value that it was added with.
    #[must_use]
    pub fn initial(&self) -> f64 {
        self.initial
    }

    /// How often the search expanded it.
    #[must_use]
    pub fn expansions(&self) -> u64 {
        self.expansions
    }

    /// How many rewards were backed up through it.
    #[must_use]
    pub fn visits(&self) -> u64 {
        self.visits
    }
}

/// Nodes from a root; a node is named by its place, the root by 0.
///
/// ```
/// use regimen_rl_rewards::search::{Backup, Selection, Tree};
///
/// let mut tree = Tree::new(Backup::Mean)?;
/// let left = tree.add(0, "left", 0.7, 0.0)?;
/// let right = tree.add(0, "right", 0.3, 0.0)?;
/// tree.back_up(left, -1.0)?;
/// assert_eq!((tree.node(0)?.visits(), tree.value(left)?), (1, -0.5));
/// assert_eq!(tree.select(0, Selection::puct(1.0)?)?, Some(right));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Tree<A> {
    backup: Backup,
    nodes: Vec<Node<A>>,
}
checked_serde!(Tree<A>);

impl<A> Tree<A> {
    /// The root alone.
    ///
    /// # Errors
    /// If `gamma` is not within 0 and 1.
    pub fn new(backup: Backup) -> Result<Self> {
        let nodes = vec![Node::new(None, None, 0, [1.0, 0.0])];
        Self { backup, nodes }.checked()
    }

    /// A node by its place.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&self, place: usize) -> Result<&Node<A>> {
        self.nodes.get(place).ok_or_else(|| no_node(place))
    }

    /// All nodes, a parent ahead of its children.
    #[must_use]
    pub fn nodes(&self) -> &[Node<A>] {
        &self.nodes
    }

    /// The actions from the root to a node.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn path(&self, place: usize) -> Result<Vec<&A>> {
        let mut node = self.node(place)?;
        let mut actions = Vec::with_capacity(node.depth);
        while let Some(action) = &node.action {
            actions.push(action);
            let Some(parent) = node.parent else { break };
            node = self.node(parent)?;
        }
        actions.reverse();
        Ok(actions)
    }

    /// Adds a child with its probability and initial value: the new node's place.
    ///
    /// # Errors
    /// If there is no such node, the probability is not within 0 and 1, the value is not finite or beyond 1e100, or the tree has 2^24 nodes.
    pub fn add(&mut self, parent: usize, action: A, prior: f64, initial: f64) -> Result<usize> {
        let depth = self.node(parent)?.depth + 1;
        check_prior(prior)?;
        check_number("initial", initial)?;
        let place = self.nodes.len();
        check("nodes", place as f64, place < MOST, "up to 2^24")?;
        let node = Node::new(Some(action), Some(parent), depth, [prior, initial]);
        self.nodes.push(node);
        self.nodes[parent].children.push(place);
        Ok(place)
    }

    /// As [`add`](Self::add), unless there is a child of the same action: that one's place then.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_once(&mut self, parent: usize, action: A, prior: f64, initial: f64) -> Result<usize>
    where
        A: PartialEq,
    {
        let mut children = self.node(parent)?.children.iter();
        let same = children.find(|child| self.nodes[**child].action.as_ref() == Some(&action));
        match same {
            Some(child) => Ok(*child),
            None => self.add(parent, action, prior, initial),
        }
    }

    /// Counts an expansion of a node.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn expanded(&mut self, place: usize) -> Result<()> {
        self.node(place)?;
        let count = &mut self.nodes[place].expansions;
        *count = count.saturating_add(1);
        Ok(())
    }

    /// A node's value, by the tree's backup.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn value(&self, place: usize) -> Result<f64> {
        let node = self.node(place)?;
        let sum = node.initial + node.sum;
        Ok(match self.backup {
            Backup::Sum => sum,
            Backup::Mean => sum / (node.visits as f64 + 1.0),
            Backup::Discounted { .. } => node.value,
        })
    }

    /// The child with the largest value, the first of several; none for a node without children.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn best(&self, place: usize) -> Result<Option<usize>> {
        self.first_largest(place, |child| self.value(child))
    }

    /// The child with the smallest value, the first of several; none for a node without children.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn worst(&self, place: usize) -> Result<Option<usize>> {
        self.first_largest(place, |child| Ok(-self.value(child)?))
    }

    /// The child with the largest score, the first of several; none for a node without children.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn select(&self, place: usize, selection: Selection) -> Result<Option<usize>> {
        let parent_visits = self.node(place)?.visits;
        self.first_largest(place, |child| {
            let node = self.node(child)?;
            let value = match self.backup {
                Backup::Sum | Backup::Mean if selection.takes_sums() => node.initial + node.sum,
                Backup::Sum => (node.initial + node.sum) / (node.visits as f64 + 1.0),
                Backup::Discounted { .. } if selection.takes_sums() => {
                    node.value * (node.visits as f64 + 1.0)
                }
                _ => self.value(child)?,
            };
            Ok(selection.score(Candidate {
                value,
                visits: node.visits,
                prior: node.prior,
                parent_visits,
            }))
        })
    }

    /// From the root down the selected children, as long as `goes_on` says so of the node and it has children.
    ///
    /// # Errors
    /// None: all places are the tree's own.
    pub fn descend(
        &self,
        selection: Selection,
        goes_on: impl Fn(&Node<A>) -> bool,
    ) -> Result<usize> {
        let mut place = 0;
        while goes_on(self.node(place)?) {
            let Some(child) = self.select(place, selection)? else {
                break;
            };
            place = child;
        }
        Ok(place)
    }

    /// Gives a node a reward, and to all on the way to the root what follows.
    ///
    /// # Errors
    /// If there is no such node, or the reward is not finite or beyond 1e100.
    pub fn back_up(&mut self, place: usize, reward: f64) -> Result<()> {
        self.node(place)?;
        check_number("reward", reward)?;
        self.nodes[place].reward = reward;
        let mut next = Some(place);
        while let Some(place) = next {
            let below = match self.backup {
                Backup::Discounted { gamma } => gamma * self.below(place),
                _ => 0.0,
            };
            let node = &mut self.nodes[place];
            node.visits = node.visits.saturating_add(1);
            node.sum += reward;
            node.value = node.reward + below;
            next = node.parent;
        }
        Ok(())
    }

    /// `V`: the children's values, weighted by their visits.
    fn below(&self, place: usize) -> f64 {
        let children = self.nodes[place].children.iter();
        let (sum, weight) = children.fold((0.0, 0.0), |(sum, weight), child| {
            let node = &self.nodes[*child];
            let times = node.visits.max(1) as f64;
            (sum + times * node.value, weight + times)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    fn first_largest(
        &self,
        place: usize,
        score: impl Fn(usize) -> Result<f64>,
    ) -> Result<Option<usize>> {
        let mut best: Option<(usize, f64)> = None;
        for child in &self.node(place)?.children {
            let score = score(*child)?;
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((*child, score));
            }
        }
        Ok(best.map(|(child, _)| child))
    }
}

impl<A> Checked for Tree<A> {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        if let Backup::Discounted { gamma } = self.backup {
            check("gamma", gamma, (0.0..=1.0).contains(&gamma), "0 to 1")?;
        }
        let count = self.nodes.len();
        check(
            "nodes",
            count as f64,
            (1..=MOST).contains(&count),
            "1 to 2^24",
        )?;
        let mut children = 0;
        for (place, node) in self.nodes.iter().enumerate() {
            let parent = node.parent.and_then(|parent| self.nodes.get(parent));
            let fits = match (place, parent) {
                (0, None) => node.parent.is_none() && node.action.is_none() && node.depth == 0,
                (1.., Some(parent)) => {
                    node.parent < Some(place)
                        && node.action.is_some()
                        && node.depth == parent.depth + 1
                        && parent.children.binary_search(&place).is_ok()
                }
                _ => false,
            };
            let rising = node.children.is_sorted_by(|a, b| a < b);
            children += node.children.len();
            if !fits || !rising {
                return Err(RlRewardsError::OutOfRange {
                    field: "nodes",
                    value: format!("node {place} that does not fit"),
                    allowed: "each the child of an earlier node, which names it",
                });
            }
            check_prior(node.prior)?;
            for (field, number) in [
                ("initial", node.initial),
                ("reward", node.reward),
                ("sum", node.sum / (node.visits.max(1) as f64)),
                ("value", node.value),
            ] {
                check_number(field, number)?;
            }
        }
        let field = "children";
        check(
            field,
            children as f64,
            children == count - 1,
            "every node but the root once",
        )
    }
}

fn check_prior(prior: f64) -> Result<()> {
    check("prior", prior, (0.0..=1.0).contains(&prior), "0 to 1")
}

fn check_number(field: &'static str, value: f64) -> Result<()> {
    check(field, value, value.abs() <= LARGEST, "finite, up to 1e100")
}

fn no_node(place: usize) -> RlRewardsError {
    RlRewardsError::OutOfRange {
        field: "place",
        value: place.to_string(),
        allowed: "below the number of nodes",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_its_childrens_by_their_visits() {
        let mut tree = Tree::new(Backup::Discounted { gamma: 1.0 }).unwrap();
        let first = tree.add(0, 'a', 0.5, 0.0).unwrap();
        tree.add(0, 'b', 0.3, 0.2).unwrap();
        let third = tree.add(0, 'c', 0.2, 0.0).unwrap();
        tree.back_up(first, 0.5).unwrap();
        tree.back_up(first, 0.5).unwrap();
        tree.back_up(third, -0.1).unwrap();
        approx::assert_abs_diff_eq!(tree.value(0).unwrap(), 0.275, epsilon = 1e-12);
        assert_eq!(tree.node(0).unwrap().visits(), 3);
    }

    #[test]
    fn a_mean_does_not_favour_what_was_visited_often() {
        let of = |backup| {
            let mut tree = Tree::new(backup).unwrap();
            let often = tree.add(0, 'a', 0.5, 0.1).unwrap();
            let once = tree.add(0, 'b', 0.5, 0.1).unwrap();
            for _ in 0..9 {
                tree.back_up(often, 0.1).unwrap();
            }
            tree.back_up(once, 0.25).unwrap();
            (tree.best(0).unwrap(), tree.worst(0).unwrap())
        };
        assert_eq!(of(Backup::Sum), (Some(1), Some(2)));
        assert_eq!(of(Backup::Mean), (Some(2), Some(1)));
    }

    #[test]
    fn the_same_action_is_one_child() {
        let mut tree = Tree::new(Backup::Sum).unwrap();
        let child = tree.add_once(0, 'a', 0.5, 0.0).unwrap();
        assert_eq!(tree.add_once(0, 'a', 0.4, 0.1).unwrap(), child);
        assert_ne!(tree.add(0, 'a', 0.4, 0.1).unwrap(), child);
        assert_eq!(tree.path(child).unwrap(), [&'a']);
    }

    proptest! {
        /// Visits of a node are its own rewards and those of its children; a sum is what was given below.
        #[test]
        fn what_was_given_arrives(steps in proptest::collection::vec((0..30_usize, -1.0..1.0), 1..40)) {
            let mut tree = Tree::new(Backup::Sum).unwrap();
            let mut given = 0.0;
            for (place, reward) in &steps {
                let parent = place % tree.nodes().len();
                let child = tree.add(parent, 'x', 0.5, 0.0).unwrap();
                tree.back_up(child, *reward).unwrap();
                given += reward;
            }
            prop_assert!((tree.value(0).unwrap() - given).abs() < 1e-9);
            prop_assert_eq!(tree.node(0).unwrap().visits(), steps.len() as u64);
            let text = serde_json::to_string(&tree).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tree<char>>(&text).unwrap(), tree.clone());
            let found = tree.descend(Selection::puct(1.0).unwrap(), |_| true).unwrap();
            prop_assert!(tree.node(found).unwrap().children().is_empty());
        }
    }
}
