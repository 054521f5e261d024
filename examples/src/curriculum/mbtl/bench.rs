//! Families of cart-poles, linear policies, and how each policy does on every task.

use anyhow::Result;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use regimen_curriculum::transfer::environments::{CartPole, CartPoleContext};

/// Steps of an episode.
const STEPS: usize = 200;

/// A policy pushes to the right where its product with the state is above 0.
type Policy = [f64; 4];

/// What differs between the tasks of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The length of the pole, .1 to 5 m.
    Length,
    /// The mass of the cart, .2 to 10 kg.
    Mass,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Length => "pole length",
            Self::Mass => "cart mass",
        }
    }

    /// So many tasks at even distances.
    fn tasks(self, tasks: usize) -> Vec<CartPoleContext> {
        let of = |task: usize| {
            let share = (task + 1) as f64 / tasks as f64;
            let usual = CartPoleContext::default();
            match self {
                Self::Length => CartPoleContext {
                    pole_length: 5.0 * share,
                    ..usual
                },
                Self::Mass => CartPoleContext {
                    cart_mass: 10.0 * share,
                    ..usual
                },
            }
        };
        (0..tasks).map(of).collect()
    }
}

/// Steps of an episode of a policy.
fn episode(context: CartPoleContext, policy: &Policy, seed: u64) -> Result<usize> {
    let mut pole = CartPole::new(context, seed)?;
    for step in 1..=STEPS {
        let state = pole.state();
        let score: f64 = policy.iter().zip(state).map(|(a, x)| a * x).sum();
        if !pole.push(score > 0.0) {
            return Ok(step);
        }
    }
    Ok(STEPS)
}

/// How a policy is searched: the cross-entropy method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Rounds at most.
    pub(super) rounds: usize,
    /// Candidates of a round.
    pub(super) candidates: usize,
    /// Episodes of a candidate.
    pub(super) episodes: usize,
    /// Share of a round's candidates whose mean and spread the next ones have.
    pub(super) elite: f64,
    /// Steps of the environment at most, after which no candidate begins.
    pub(super) steps: usize,
}

impl Search {
    /// Of one training.
    pub(super) const USUAL: Self = Self {
        rounds: 4,
        candidates: 10,
        episodes: 1,
        elite: 0.3,
        steps: usize::MAX,
    };

    /// A policy for tasks that are drawn for every episode, and the steps that it took.
    fn run(&self, contexts: &[CartPoleContext], rng: &mut ChaCha8Rng) -> Result<(Policy, usize)> {
        let (mut mean, mut spread, mut steps) = ([0.0; 4], [1.0; 4], 0);
        for _ in 0..self.rounds {
            let mut found: Vec<(usize, Policy)> = Vec::new();
            while found.len() < self.candidates && steps < self.steps {
                let at = |d: usize, rng: &mut ChaCha8Rng| {
                    mean[d] + spread[d] * rng.sample::<f64, _>(StandardNormal)
                };
                let candidate = [0, 1, 2, 3].map(|d| at(d, rng));
                let mut reward = 0;
                for _ in 0..self.episodes {
                    let context = contexts.choose(rng).copied().unwrap_or_default();
                    reward += episode(context, &candidate, rng.random())?;
                }
                steps += reward;
                found.push((reward, candidate));
            }
            if found.is_empty() {
                break;
            }
            found.sort_by_key(|(reward, _)| std::cmp::Reverse(*reward));
            found.truncate((self.elite * found.len() as f64).ceil() as usize);
            let count = found.len() as f64;
            let over = |of: &dyn Fn(&Policy) -> f64| {
                found.iter().map(|(_, policy)| of(policy)).sum::<f64>() / count
            };
            mean = [0, 1, 2, 3].map(|d| over(&|policy| policy[d]));
            spread = [0, 1, 2, 3].map(|d| over(&|policy| (policy[d] - mean[d]).powi(2)).sqrt());
        }
        Ok((mean, steps))
    }
}

/// A family with a trained policy for every task.
pub(super) struct Bench {
    contexts: Vec<CartPoleContext>,
    seed: u64,
    /// Steps that the policy of each task took.
    pub(super) steps: Vec<usize>,
    /// Mean share of an episode's steps of each task's policy on every task, as seen when tasks are chosen.
    pub(super) seen: Vec<Vec<f64>>,
    /// The same in other episodes, by which choices are scored.
    pub(super) fresh: Vec<Vec<f64>>,
}

impl Bench {
    /// Trains a policy for every task; each cell is the mean of so many episodes.
    pub(super) fn new(kind: Kind, tasks: usize, episodes: usize, seed: u64) -> Result<Self> {
        let contexts = kind.tasks(tasks);
        let trained = (0..tasks).into_par_iter().map(|task| {
            let mut rng = generator(seed, [1, task as u64]);
            Search::USUAL.run(&contexts[task..=task], &mut rng)
        });
        let trained: Vec<(Policy, usize)> = trained.collect::<Result<_>>()?;
        let mut bench = Self {
            contexts,
            seed,
            steps: trained.iter().map(|(_, steps)| *steps).collect(),
            seen: Vec::new(),
            fresh: Vec::new(),
        };
        let rows = |part: u64| {
            let rows = trained.par_iter().enumerate();
            let rows =
                rows.map(|(task, (policy, _))| bench.row(policy, episodes, [part, task as u64]));
            rows.collect::<Result<Vec<_>>>()
        };
        let (seen, fresh) = (rows(2)?, rows(3)?);
        (bench.seen, bench.fresh) = (seen, fresh);
        Ok(bench)
    }

    fn row(&self, policy: &Policy, episodes: usize, key: [u64; 2]) -> Result<Vec<f64>> {
        let mut rng = generator(self.seed, key);
        let each = self.contexts.iter().map(|context| {
            let mut steps = 0;
            for _ in 0..episodes {
                steps += episode(*context, policy, rng.random())?;
            }
            Ok(steps as f64 / (STEPS * episodes) as f64)
        });
        each.collect()
    }

    pub(super) fn tasks(&self) -> usize {
        self.contexts.len()
    }

    /// Each target with the chosen policy that was seen to be the best on it, in fresh episodes: the mean over all targets.
    pub(super) fn score(&self, chosen: &[usize]) -> f64 {
        let of = |target: usize| {
            let seen = |task: usize| self.seen[task][target];
            let best = chosen.iter().copied();
            let best = best.reduce(|best, next| if seen(next) > seen(best) { next } else { best });
            best.map_or(0.0, |task| self.fresh[task][target])
        };
        (0..self.tasks()).map(of).sum::<f64>() / self.tasks() as f64
    }

    /// A policy of its own for every task, all together with so many steps: the mean on their own tasks.
    pub(super) fn independent(&self, steps: usize, episodes: usize) -> Result<f64> {
        let each = (0..self.tasks()).into_par_iter().map(|task| {
            let mut rng = generator(self.seed, [4, task as u64]);
            let search = Search {
                rounds: usize::MAX,
                steps: steps / self.tasks(),
                ..Search::USUAL
            };
            let (policy, _) = search.run(&self.contexts[task..=task], &mut rng)?;
            let mut total = 0;
            for _ in 0..episodes {
                total += episode(self.contexts[task], &policy, rng.random())?;
            }
            Ok(total as f64 / (STEPS * episodes) as f64)
        });
        let each: Vec<f64> = each.collect::<Result<_>>()?;
        Ok(each.iter().sum::<f64>() / each.len() as f64)
    }

    /// One policy for all tasks, searched with so many steps on tasks drawn at random.
    pub(super) fn together(&self, search: Search, steps: usize, episodes: usize) -> Result<f64> {
        let mut rng = generator(self.seed, [5, steps as u64]);
        let search = Search { steps, ..search };
        let (policy, _) = search.run(&self.contexts, &mut rng)?;
        let row = self.row(&policy, episodes, [6, steps as u64])?;
        Ok(row.iter().sum::<f64>() / row.len() as f64)
    }
}

fn generator(seed: u64, [part, task]: [u64; 2]) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((part << 32) | task);
    rng
}
