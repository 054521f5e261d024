//! # table
//!
//! What is stored once so that any order costs no gradient: for each checkpoint `t` of the reference run and each batch `l`,
//! the gradient `g(theta_t, B_l)` and its products `H q` with a few directions `q`.
//!
//! The directions at `t` span the differences `gamma_t - theta_t` of a few pilot retrainings in random orders: other orders
//! leave the reference run within nearly the same span, so a few products stand for the whole second derivative.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, count};

use super::gradients::{BatchGradients, check_row, checked};
use super::optimizer::OrderOptimizer;
use super::reference::OrderRun;

/// What an [`OrderTable`] stores.
///
/// | field | default | range |
/// |---|---|---|
/// | `directions` | 16 | 0 to 4096; as many pilot retrainings |
/// | `memory_limit` | 1 GiB | bytes; a larger table is refused before anything is computed |
/// | `seed` | 0 | of the pilots' orders |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderTableConfig {
    /// Directions, and pilot retrainings.
    pub directions: usize,
    /// The most bytes that the table may take.
    pub memory_limit: usize,
    /// Seed of the pilots' orders.
    pub seed: u64,
}

impl OrderTableConfig {
    /// A table with this many directions; 0 stores gradients only.
    #[must_use]
    pub fn new(directions: usize) -> Self {
        Self {
            directions,
            memory_limit: 1 << 30,
            seed: 0,
        }
    }

    /// Sets the most bytes that the table may take.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Sets the seed of the pilots' orders.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Bytes that a table takes: `8 T^2 p (1 + k)` for `T` batches, `p` parameters and `k` directions.
    #[must_use]
    pub fn bytes(&self, batches: usize, parameters: usize) -> usize {
        [
            batches,
            batches,
            parameters,
            self.directions.saturating_add(1),
        ]
        .into_iter()
        .fold(8, usize::saturating_mul)
    }

    /// Computes the table: `T^2` gradients, and with `k` directions `k T` for the pilots and up to `2 k T^2` for the products.
    ///
    /// # Errors
    /// `OutOfRange` for more directions than allowed, a table above `memory_limit`, a run that is not of this source, and
    /// for gradients that are not finite.
    pub fn init<G: BatchGradients + ?Sized>(
        &self,
        source: &mut G,
        rule: &OrderOptimizer,
        run: OrderRun,
    ) -> Result<OrderTable> {
        rule.check()?;
        let (batches, parameters) = (source.batches(), source.parameters());
        count(
            "directions",
            self.directions,
            self.directions <= 4096,
            "0 to 4096",
        )?;
        let bytes = self.bytes(batches, parameters);
        count(
            "bytes",
            bytes,
            bytes <= self.memory_limit,
            "up to `memory_limit`",
        )?;
        run.check(batches, parameters)?;
        let mut spent = batches * batches;
        let mut gradients = Vec::with_capacity(batches);
        for point in &run.points[..batches] {
            let asks: Vec<_> = (0..batches).map(|batch| (point.clone(), batch)).collect();
            gradients.push(checked(source, &asks)?);
        }
        let pilots = self.pilots(source, rule, &run)?;
        spent += pilots.len() * batches;
        let mut directions = Vec::with_capacity(batches);
        let mut products = Vec::with_capacity(batches);
        for (t, point) in run.points[..batches].iter().enumerate() {
            let away = pilots
                .iter()
                .map(|pilot| difference(&pilot.points[t], point));
            let basis = orthonormal(away.collect());
            spent += 2 * basis.len() * batches;
            products.push(along(source, point, &basis)?);
            directions.push(basis);
        }
        Ok(OrderTable {
            rule: *rule,
            run,
            gradients,
            directions,
            products,
            spent,
        })
    }

    fn pilots<G: BatchGradients + ?Sized>(
        &self,
        source: &mut G,
        rule: &OrderOptimizer,
        run: &OrderRun,
    ) -> Result<Vec<OrderRun>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut order: Vec<usize> = (0..source.batches()).collect();
        let orders = (0..self.directions).map(|_| {
            order.shuffle(&mut random);
            order.clone()
        });
        let orders: Vec<_> = orders.collect();
        OrderRun::train_all(source, rule, &run.points[0], &orders)
    }
}

/// Gradients and their products with a few directions, for every checkpoint and batch.
///
/// Saved and restored with `serde`; a state whose parts do not fit each other is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct OrderTable {
    pub(super) rule: OrderOptimizer,
    pub(super) run: OrderRun,
    /// `[checkpoint][batch][parameter]`.
    pub(super) gradients: Vec<Vec<Vec<f64>>>,
    /// `[checkpoint][direction][parameter]`, orthonormal.
    pub(super) directions: Vec<Vec<Vec<f64>>>,
    /// `[checkpoint][batch][direction][parameter]`.
    pub(super) products: Vec<Vec<Vec<Vec<f64>>>>,
    spent: usize,
}

impl OrderTable {
    /// The reference run.
    #[must_use]
    pub fn reference(&self) -> &OrderRun {
        &self.run
    }

    /// Gradients that were computed for the table, with its pilots; the reference run's own are not among them.
    #[must_use]
    pub fn gradients_spent(&self) -> usize {
        self.spent
    }

    /// The number of orders from which the table is cheaper than training in each of them.
    #[must_use]
    pub fn pays_from(&self) -> usize {
        self.spent / self.gradients.len().max(1) + 1
    }
}

/// A table as it is read, not yet checked.
#[derive(Deserialize)]
struct Parts {
    rule: OrderOptimizer,
    run: OrderRun,
    gradients: Vec<Vec<Vec<f64>>>,
    directions: Vec<Vec<Vec<f64>>>,
    products: Vec<Vec<Vec<Vec<f64>>>>,
    spent: usize,
}

impl TryFrom<Parts> for OrderTable {
    type Error = CurriculumError;

    fn try_from(parts: Parts) -> Result<Self> {
        parts.rule.check()?;
        let batches = parts.gradients.len();
        let parameters = parts.run.points.first().map_or(0, Vec::len);
        parts.run.check(batches, parameters)?;
        let rows = |rows: &[Vec<f64>], wanted: usize| {
            count(
                "table",
                rows.len(),
                rows.len() == wanted,
                "rows that fit the run",
            )?;
            rows.iter()
                .try_for_each(|row| check_row("table", row, parameters))
        };
        let lengths = [parts.directions.len(), parts.products.len()];
        count(
            "table",
            lengths[0],
            lengths == [batches; 2],
            "as many as batches",
        )?;
        for (t, gradients) in parts.gradients.iter().enumerate() {
            rows(gradients, batches)?;
            let basis = &parts.directions[t];
            rows(basis, basis.len())?;
            let products = &parts.products[t];
            count(
                "table",
                products.len(),
                products.len() == batches,
                "as many as batches",
            )?;
            products.iter().try_for_each(|of| rows(of, basis.len()))?;
        }
        Ok(Self {
            rule: parts.rule,
            run: parts.run,
            gradients: parts.gradients,
            directions: parts.directions,
            products: parts.products,
            spent: parts.spent,
        })
    }
}

/// Products of every batch's second derivative with each direction, by central differences.
fn along<G: BatchGradients + ?Sized>(
    source: &mut G,
    point: &[f64],
    basis: &[Vec<f64>],
) -> Result<Vec<Vec<Vec<f64>>>> {
    let h = step_size(source.precision(), 2, point, 1.0);
    let mut asks = Vec::with_capacity(2 * basis.len());
    let mut products = Vec::with_capacity(source.batches());
    for batch in 0..source.batches() {
        asks.clear();
        for direction in basis {
            asks.push((moved(point, h, direction), batch));
            asks.push((moved(point, -h, direction), batch));
        }
        let gradients = checked(source, &asks)?;
        let pairs = gradients.chunks_exact(2);
        products.push(pairs.map(|pair| quotient(&pair[0], &pair[1], h)).collect());
    }
    Ok(products)
}

/// `precision^(1/root) (1 + |x|) / |v|`.
pub(super) fn step_size(precision: f64, root: i32, point: &[f64], length: f64) -> f64 {
    precision.powf(1.0 / f64::from(root)) * (1.0 + dot(point, point).sqrt()) / length
}

/// `(plus - minus) / 2h`.
pub(super) fn quotient(plus: &[f64], minus: &[f64], h: f64) -> Vec<f64> {
    let pairs = plus.iter().zip(minus);
    pairs.map(|(p, m)| (p - m) / (2.0 * h)).collect()
}

/// `point + h * direction`.
pub(super) fn moved(point: &[f64], h: f64, direction: &[f64]) -> Vec<f64> {
    let pairs = point.iter().zip(direction);
    pairs.map(|(x, v)| x + h * v).collect()
}

/// `left - right`.
pub(super) fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    moved(left, -1.0, right)
}

pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// An orthonormal basis of the span: modified Gram-Schmidt, twice; what is left of a vector below 1e-6 of it is dropped.
fn orthonormal(vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for mut vector in vectors {
        let before = dot(&vector, &vector).sqrt();
        for other in basis.iter().chain(&basis) {
            vector = moved(&vector, -dot(&vector, other), other);
        }
        let length = dot(&vector, &vector).sqrt();
        if length > 1e-6 * before {
            vector.iter_mut().for_each(|value| *value /= length);
            basis.push(vector);
        }
    }
    basis
}
