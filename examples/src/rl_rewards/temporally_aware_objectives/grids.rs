//! A tabular softmax policy on a grid world: 16 environments of 20 steps an update.

use std::sync::Arc;

use burn_rl::Environment;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::bed::grid::{ACTIONS, Grid, GridWorld, STEPS};
use super::family::{Agent, Family, softmax, step};
use super::rule::Now;

/// Environments side by side.
const ENVIRONMENTS: usize = 16;

/// The discount of the returns that make the advantages; a cut return goes on with the values.
const DISCOUNT: f64 = 0.95;

/// How far values move to the mean return of an update.
const VALUES: f64 = 0.3;

/// Grid worlds of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grids {
    pub(super) side: usize,
}

/// The policy of a state, as long as it does not move.
#[derive(Clone, Copy, Debug, Default)]
struct Cached {
    /// The update that it is of, from 1.
    update: u32,
    logs: [f64; ACTIONS],
    chances: [f64; ACTIONS],
    entropy: f64,
    /// Sums over the samples of the state in the update: `w` of each action, `c`, and returns less the value, with their number.
    weights: [f64; ACTIONS],
    c: f64,
    surprise: f64,
    visits: f64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    state: usize,
    action: usize,
    target: f64,
}

/// The agent in one of them.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    grid: Arc<Grid>,
    logits: Vec<[f64; ACTIONS]>,
    values: Vec<f64>,
    cached: Vec<Cached>,
    update: u32,
    visited: Vec<usize>,
    world: GridWorld,
    rng: ChaCha8Rng,
}

impl Family for Grids {
    type Agent = Walker;
    const NAME: &'static str = "grid";
    const TESTED: [usize; 4] = [8, 16, 32, 64];
    const SCALE: f64 = 10.0;

    fn horizons(&self) -> (usize, usize) {
        (8, 64)
    }

    fn agent(&self, task: u64) -> Walker {
        let mut rng = ChaCha8Rng::seed_from_u64(task);
        let grid = Arc::new(Grid::draw(self.side, &mut rng));
        let states = grid.states();
        Walker {
            world: GridWorld::new(grid.clone(), 0),
            grid,
            logits: vec![[0.0; ACTIONS]; states],
            values: vec![0.0; states],
            cached: vec![Cached::default(); states],
            update: 0,
            visited: Vec::new(),
            rng,
        }
    }
}

impl Walker {
    /// Steps of all environments with their discounted returns.
    fn walk(&mut self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::with_capacity(ENVIRONMENTS * STEPS);
        let mut ends = [false; STEPS];
        for _ in 0..ENVIRONMENTS {
            self.world.reset();
            let first = samples.len();
            let mut last = 0;
            for end in &mut ends {
                let state = self.world.state();
                let action = self.act(state);
                let result = self.world.step(action);
                samples.push(Sample {
                    state,
                    action,
                    target: result.reward,
                });
                *end = result.done;
                last = result.next_state;
                if result.done || result.truncated {
                    self.world.reset();
                }
            }
            let mut after = if ends[STEPS - 1] {
                0.0
            } else {
                self.values[last]
            };
            for (sample, end) in samples[first..].iter_mut().zip(ends).rev() {
                after = sample.target + if end { 0.0 } else { DISCOUNT * after };
                sample.target = after;
            }
        }
        samples
    }

    fn act(&mut self, state: usize) -> usize {
        let cached = &mut self.cached[state];
        if cached.update != self.update {
            let (logs, chances, entropy) = softmax(&self.logits[state]);
            *cached = Cached {
                update: self.update,
                logs,
                chances,
                entropy,
                ..Cached::default()
            };
            self.visited.push(state);
        }
        let mut left = self.rng.random::<f64>();
        for (action, chance) in cached.chances.iter().enumerate() {
            left -= chance;
            if left < 0.0 {
                return action;
            }
        }
        ACTIONS - 1
    }
}

impl Agent for Walker {
    fn start(&mut self, stream: u64) {
        self.rng = ChaCha8Rng::seed_from_u64(stream);
        self.world = GridWorld::new(self.grid.clone(), !stream);
    }

    /// The advantage is the return less the state's value, centred and divided by the deviation over the samples of the update.
    fn update(&mut self, now: &Now) -> f64 {
        self.update += 1;
        self.visited.clear();
        let mut samples = self.walk();
        let count = samples.len() as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for sample in &mut samples {
            sample.target -= self.values[sample.state];
            sum += sample.target;
            squares += sample.target * sample.target;
        }
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).max(0.0).sqrt() + 1e-8;
        let most = (ACTIONS as f64).ln();
        let mut entropies = 0.0;
        for sample in &samples {
            let cached = &mut self.cached[sample.state];
            let advantage = (sample.target - mean) / deviation;
            let entropy = cached.entropy / most;
            entropies += entropy;
            let [w, c] = now.of(advantage, cached.logs[sample.action], entropy);
            cached.weights[sample.action] += w;
            cached.c += c;
            cached.surprise += sample.target;
            cached.visits += 1.0;
        }
        let rate = Grids::SCALE / count;
        for state in &self.visited {
            let cached = &self.cached[*state];
            if cached.visits > 0.0 {
                let policy = (&cached.logs, &cached.chances, cached.entropy);
                step(
                    &mut self.logits[*state],
                    policy,
                    &cached.weights,
                    cached.c,
                    rate,
                );
                self.values[*state] += VALUES * cached.surprise / cached.visits;
            }
        }
        entropies / count
    }

    fn worth(&self) -> f64 {
        let policies: Vec<[f64; ACTIONS]> =
            self.logits.iter().map(|logits| softmax(logits).1).collect();
        self.grid.worth(|state| policies[state])
    }

    fn best(&self) -> f64 {
        self.grid.best()
    }
}
