//! The particles of one prompt, and the texts that they share.

use std::sync::Arc;

use super::found::Found;
use super::rounds::Text;

/// A text, and the one a step before it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) text: Text,
    pub(super) log_odds: f64,
    pub(super) before: Option<Arc<Node>>,
}

impl Drop for Node {
    /// One node after another: a way of many steps would take as many frames of the stack.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut node) = before.and_then(Arc::into_inner) {
            before = node.before.take();
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Particle {
    pub(super) node: Arc<Node>,
    pub(super) log_weight: f64,
    /// The logarithm of the weight on trial by which it was drawn.
    pub(super) owed: f64,
}

impl Particle {
    pub(super) fn at(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            log_weight: 0.0,
            owed: 0.0,
        }
    }
}

/// The particles of a prompt.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) key: u64,
    pub(super) particles: Vec<Particle>,
    /// The ways that the first particles go again, from their first step.
    pub(super) references: Vec<Vec<Arc<Node>>>,
    pub(super) done: bool,
}

impl Cloud {
    /// All particles at the beginning.
    pub(super) fn start(&mut self, particles: usize) {
        let start = Arc::new(Node {
            text: Text::empty(),
            log_odds: 0.0,
            before: None,
        });
        self.particles = vec![Particle::at(&start); particles];
    }

    /// The particles that go a way of an earlier sweep come to a step of it.
    pub(super) fn follow(&mut self, step: usize) {
        for (particle, way) in self.particles.iter_mut().zip(&self.references) {
            if let Some(node) = way.get(step - 1).or(way.last()) {
                particle.node = Arc::clone(node);
            }
        }
    }

    /// Weighs all particles by their newest scores, with `accumulates` times the weight before.
    pub(super) fn weigh(&mut self, accumulates: bool) {
        for particle in &mut self.particles {
            let before = if accumulates {
                particle.log_weight
            } else {
                0.0
            };
            particle.log_weight = before + particle.node.log_odds - particle.owed;
            particle.owed = 0.0;
        }
    }

    /// Offers the beginnings where there is no whole answer yet, in the place of older ones.
    pub(super) fn offer(&self, found: &mut Found) {
        if found.best.as_ref().is_none_or(|best| !best.whole) {
            found.best = None;
            for particle in &self.particles {
                found.offer(particle.node.text.answer());
            }
        }
    }

    /// The logarithms of the odds of the newest scores.
    pub(super) fn odds(&self) -> Vec<f64> {
        self.particles.iter().map(|one| one.node.log_odds).collect()
    }

    /// The particles that are gone on with: those that are not over, and go no way of an earlier sweep.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let from = self.references.len();
        (from..self.particles.len()).filter(|one| !self.particles[*one].node.text.over)
    }
}

/// The nodes that lead to one, without the start.
pub(super) fn way(last: &Arc<Node>) -> Vec<Arc<Node>> {
    let mut nodes = Vec::new();
    let mut node = Some(last);
    while let Some(one) = node {
        if one.before.is_some() {
            nodes.push(Arc::clone(one));
        }
        node = one.before.as_ref();
    }
    nodes.reverse();
    nodes
}
