//! # Node2Vec
//!
//! Random walks on a graph of students, problems and skills: the sentences from which vectors of entities are learned.
//!
//! Source: Grover and Leskovec 2016, "node2vec: Scalable Feature Learning for Networks", arXiv 1607.00653, as "Scalable and Equitable Math Problem
//! Solving Strategy Prediction in Big Educational Data", arXiv 2308.03892, names it

use rand::{Rng, RngExt};

use crate::error::{CurriculumError, Result, check, check_examples};

/// Walks on an undirected graph that remember their last step.
///
/// From `v`, having come from `t`, the step to the neighbour `x` has a weight of its edge's times `1 / p` if `x` is `t`, 1 if `x` is a neighbour of `t`,
/// else `1 / q`.
///
/// ```
/// use regimen_curriculum::ability::mastery::Node2Vec;
///
/// let edges = [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0), (1, 3, 1.0)];
/// let walks = Node2Vec::new(4, &edges, 0.25, 4.0)?;
/// let steps = walks.steps(Some(0), 1);
/// let wanted = [(0, 0.761_904_8), (2, 0.190_476_2), (3, 0.047_619_0)];
/// for ((to, chance), (node, value)) in steps.into_iter().zip(wanted) {
///     assert!(to == node && (chance - value).abs() < 1e-7);
/// }
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Node2Vec {
    /// Of each node, its neighbours in rising order with the weights of the edges.
    neighbours: Vec<Vec<(usize, f64)>>,
    back: f64,
    out: f64,
}

impl Node2Vec {
    /// A graph of so many nodes with edges of these weights; `p` is the reluctance to step back, `q` that to step away, both above 0.
    ///
    /// # Errors
    /// If there is no node or over 2^28, an edge names another one or joins a node with itself, comes twice, or has a weight that is not above 0 and at most
    /// 1e100, or `p` or `q` lies outside of 1e-6 to 1e6.
    pub fn new(nodes: usize, edges: &[(usize, usize, f64)], p: f64, q: f64) -> Result<Self> {
        check_examples(nodes)?;
        for (field, value) in [("p", p), ("q", q)] {
            let good = (1e-6..=1e6).contains(&value);
            check(field, value, good, "0.000001 to 1000000")?;
        }
        let mut neighbours = vec![Vec::new(); nodes];
        for (a, b, weight) in edges {
            for (id, other) in [(*a, *b), (*b, *a)] {
                if id >= nodes {
                    return Err(CurriculumError::UnknownExample {
                        id,
                        examples: nodes,
                    });
                }
                neighbours[id].push((other, *weight));
            }
            if a == b {
                return Err(CurriculumError::Repeated { id: *a });
            }
            let good = *weight > 0.0 && *weight <= 1e100;
            check("weight", *weight, good, "above 0, up to 1e100")?;
        }
        for of in &mut neighbours {
            of.sort_by_key(|(node, _)| *node);
            if let Some(pair) = of.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(CurriculumError::Repeated { id: pair[0].0 });
            }
        }
        Ok(Self {
            neighbours,
            back: 1.0 / p,
            out: 1.0 / q,
        })
    }

    /// The neighbours of a node with their chances, having come from `before`; none of a node that is not there.
    #[must_use]
    pub fn steps(&self, before: Option<usize>, at: usize) -> Vec<(usize, f64)> {
        let Some(neighbours) = self.neighbours.get(at) else {
            return Vec::new();
        };
        let last = before.and_then(|before| Some((before, self.neighbours.get(before)?)));
        let weight = |(node, weight): &(usize, f64)| match last {
            None => *weight,
            Some((before, _)) if before == *node => weight * self.back,
            Some((_, near)) if near.binary_search_by_key(node, |(one, _)| *one).is_ok() => *weight,
            Some(_) => weight * self.out,
        };
        let weights: Vec<f64> = neighbours.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let chances = weights.iter().map(|weight| weight / total);
        neighbours
            .iter()
            .map(|(node, _)| *node)
            .zip(chances)
            .collect()
    }

    /// A walk of up to so many nodes from this one on; it ends early at a node without neighbours. Empty where there is no such node.
    #[must_use]
    pub fn walk(&self, from: usize, length: usize, rng: &mut impl Rng) -> Vec<usize> {
        let mut walk = Vec::new();
        if from >= self.neighbours.len() {
            return walk;
        }
        let (mut before, mut at) = (None, from);
        while walk.len() < length {
            walk.push(at);
            let steps = self.steps(before, at);
            let Some((mut next, _)) = steps.last().copied() else {
                break;
            };
            let mut mark = rng.random::<f64>();
            for (node, chance) in steps {
                mark -= chance;
                if mark < 0.0 {
                    next = node;
                    break;
                }
            }
            (before, at) = (Some(at), next);
        }
        walk
    }
}

/// `share * original + (1 - share) * pruned`: vectors of what an entity did blended with those of what it has mastered. The released code takes as
/// share the mean attention similarity of the entity's clusters.
///
/// ```
/// use regimen_curriculum::ability::mastery::blend;
///
/// assert_eq!(blend(&[1.0, 0.0], &[0.0, 4.0], 0.75)?, [0.75, 1.0]);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If the share lies outside of 0 to 1, or the lengths differ.
pub fn blend(original: &[f64], pruned: &[f64], share: f64) -> Result<Vec<f64>> {
    let good = (0.0..=1.0).contains(&share);
    check("share", share, good, "0 to 1")?;
    if original.len() != pruned.len() {
        return Err(CurriculumError::Lengths {
            ids: original.len(),
            losses: pruned.len(),
        });
    }
    let both = original.iter().zip(pruned);
    Ok(both.map(|(a, b)| share * a + (1.0 - share) * b).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn walks_step_as_their_chances_say() {
        let edges = [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0), (1, 3, 1.0)];
        let graph = Node2Vec::new(5, &edges, 0.25, 4.0).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let walk = graph.walk(0, 60_000, &mut rng);
        let (mut through, mut back) = (0.0, 0.0);
        for step in walk.windows(3).filter(|step| step[..2] == [0, 1]) {
            through += 1.0;
            back += f64::from(u8::from(step[2] == 0));
        }
        let share: f64 = back / through;
        assert!(through > 1000.0 && (share - 0.7619).abs() < 0.02, "{share}");
        assert_eq!(graph.walk(4, 9, &mut rng), [4]);
        assert!(graph.walk(5, 9, &mut rng).is_empty() && graph.steps(None, 9).is_empty());
    }

    #[test]
    fn graphs_that_are_none() {
        for edges in [
            &[(0, 0, 1.0)][..],
            &[(0, 2, 1.0)],
            &[(0, 1, 0.0)],
            &[(0, 1, 1.0), (1, 0, 1.0)],
            &[(0, 1, f64::NAN)],
        ] {
            assert!(Node2Vec::new(2, edges, 1.0, 1.0).is_err(), "{edges:?}");
        }
        assert!(Node2Vec::new(2, &[], 0.0, 1.0).is_err());
        assert!(blend(&[1.0], &[], 0.5).is_err() && blend(&[], &[], 1.5).is_err());
    }
}
