//! # search
//!
//! Good orders by a genetic algorithm: tournaments of two, order crossover, a swap or a move, the best kept.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, count};

/// A search over permutations.
///
/// | field | default | range |
/// |---|---|---|
/// | `population` | 40 | 2 to 65536 orders, of 2^24 batches together |
/// | `generations` | 40 | 0 to 65536 |
/// | `seed` | 0 | |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderSearch {
    /// Orders of a generation.
    pub population: usize,
    /// Generations after the first.
    pub generations: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundOrder {
    /// The best order.
    pub order: Vec<usize>,
    /// Its fitness.
    pub fitness: f64,
    /// Calls of the fitness function.
    pub calls: usize,
}

impl OrderSearch {
    /// A search with the default sizes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            population: 40,
            generations: 40,
            seed,
        }
    }

    /// Sets the orders of a generation.
    #[must_use]
    pub fn with_population(mut self, orders: usize) -> Self {
        self.population = orders;
        self
    }

    /// Sets the generations after the first.
    #[must_use]
    pub fn with_generations(mut self, generations: usize) -> Self {
        self.generations = generations;
        self
    }

    /// The order of `batches` batches with the lowest fitness that was met.
    ///
    /// A fitness that is not finite is as bad as can be: such an order is kept only if there is no other.
    ///
    /// # Errors
    /// `OutOfRange` for a population or a number of batches that is not allowed; the first error of `fitness`, and
    /// `OutOfRange` if it was finite for no order.
    pub fn run(
        &self,
        batches: usize,
        mut fitness: impl FnMut(&[usize]) -> Result<f64>,
    ) -> Result<FoundOrder> {
        let good = (2..=65536).contains(&self.population);
        count("population", self.population, good, "2 to 65536")?;
        let good = self.generations <= 65536;
        count("generations", self.generations, good, "0 to 65536")?;
        let all = batches.saturating_mul(self.population);
        count(
            "population",
            all,
            all <= 1 << 24,
            "2^24 batches in all orders",
        )?;
        count(
            "batches",
            batches,
            (1..=65536).contains(&batches),
            "1 to 65536",
        )?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut calls = 0;
        let mut rate = |order: Vec<usize>| -> Result<(f64, Vec<usize>)> {
            calls += 1;
            let value = fitness(&order)?;
            Ok((
                if value.is_finite() {
                    value
                } else {
                    f64::INFINITY
                },
                order,
            ))
        };
        let mut orders = Vec::with_capacity(self.population);
        let mut order: Vec<usize> = (0..batches).collect();
        for _ in 0..self.population {
            orders.push(rate(order.clone())?);
            order.shuffle(&mut random);
        }
        for _ in 0..self.generations {
            orders.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut next = vec![orders[0].clone()];
            while next.len() < self.population {
                let (a, b) = (pick(&orders, &mut random), pick(&orders, &mut random));
                let mut child = crossover(&orders[a].1, &orders[b].1, &mut random);
                mutate(&mut child, &mut random);
                next.push(rate(child)?);
            }
            orders = next;
        }
        let best = orders.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((fitness, order)) if fitness.is_finite() => Ok(FoundOrder {
                order,
                fitness,
                calls,
            }),
            _ => Err(CurriculumError::OutOfRange {
                field: "fitness",
                value: "not finite for any order".into(),
                allowed: "finite for one order or more",
            }),
        }
    }
}

/// The better of two.
fn pick(orders: &[(f64, Vec<usize>)], random: &mut impl Rng) -> usize {
    let (a, b) = (
        random.random_range(0..orders.len()),
        random.random_range(0..orders.len()),
    );
    if orders[a].0 <= orders[b].0 { a } else { b }
}

/// A slice of the first parent where it stands, the rest in the order of the second.
fn crossover(first: &[usize], second: &[usize], random: &mut impl Rng) -> Vec<usize> {
    let (a, b) = two(first.len(), random);
    let slice = a.min(b)..=a.max(b);
    let mut kept = vec![false; first.len()];
    for batch in &first[slice.clone()] {
        kept[*batch] = true;
    }
    let mut rest = second.iter().filter(|batch| !kept[**batch]);
    let place = |i: usize| {
        if slice.contains(&i) {
            Some(first[i])
        } else {
            rest.next().copied()
        }
    };
    (0..first.len()).filter_map(place).collect()
}

/// A swap of two batches, or one batch moved elsewhere, half of the time each.
fn mutate(order: &mut Vec<usize>, random: &mut impl Rng) {
    let (a, b) = two(order.len(), random);
    if random.random_bool(0.5) {
        order.swap(a, b);
    } else {
        let batch = order.remove(a);
        order.insert(b, batch);
    }
}

fn two(length: usize, random: &mut impl Rng) -> (usize, usize) {
    (
        random.random_range(0..length),
        random.random_range(0..length),
    )
}
