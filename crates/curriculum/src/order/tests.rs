//! Check values, and what holds for every estimate.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::error::{CurriculumError, Result};

/// `w'Aw/2 - b'w` of two parameters a batch, with a cubic term.
struct Losses {
    batches: Vec<([[f64; 2]; 2], [f64; 2])>,
    cubic: f64,
    calls: usize,
}

impl BatchGradients for Losses {
    fn batches(&self) -> usize {
        self.batches.len()
    }

    fn parameters(&self) -> usize {
        2
    }

    fn gradient(&mut self, w: &[f64], batch: usize) -> Result<Vec<f64>> {
        self.calls += 1;
        let (a, b) = self.batches[batch];
        let row = |i: usize| a[i][0] * w[0] + a[i][1] * w[1] - b[i] + self.cubic * w[i] * w[i];
        Ok(vec![row(0), row(1)])
    }

    fn precision(&self) -> f64 {
        f64::EPSILON
    }
}

const START: [f64; 2] = [0.5, -0.5];
const SGD: OrderOptimizer = OrderOptimizer::Sgd { rate: 0.1 };
const QUOTIENT: Correction = Correction::Quotient {
    smallest: 1e-4,
    largest: 5.0,
};

fn two(cubic: f64) -> Losses {
    let batches = vec![
        ([[2.0, 0.5], [0.5, 1.0]], [1.0, 0.0]),
        ([[1.0, -0.2], [-0.2, 3.0]], [0.0, 2.0]),
    ];
    Losses {
        batches,
        cubic,
        calls: 0,
    }
}

fn four(cubic: f64) -> Losses {
    let mut losses = two(cubic);
    losses.batches.push(([[3.0, 0.1], [0.1, 0.5]], [-1.0, 1.0]));
    losses.batches.push(losses.batches[1]);
    losses
}

fn table(losses: &mut Losses, rule: OrderOptimizer, directions: usize) -> OrderTable {
    let order: Vec<usize> = (0..losses.batches()).collect();
    let run = OrderRun::train(losses, &rule, &START, &order).unwrap();
    let config = OrderTableConfig::new(directions);
    config.init(losses, &rule, run).unwrap()
}

fn near(left: &[f64], right: &[f64], within: f64) {
    let far = left.iter().zip(right).any(|(a, b)| (a - b).abs() > within);
    assert!(left.len() == right.len() && !far, "{left:?} {right:?}");
}

fn distance(left: &[f64], right: &[f64]) -> f64 {
    let pairs = left.iter().zip(right);
    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn quadratic_losses_are_exact_with_sgd() {
    let mut losses = two(0.0);
    let table = table(&mut losses, SGD, 2);
    near(&table.reference().points[1], &[0.525, -0.475], 1e-12);
    near(table.reference().end(), &[0.463, -0.122], 1e-3);
    let truth = OrderRun::train(&mut losses, &SGD, &START, &[1, 0]).unwrap();
    near(&truth.points[1], &[0.44, -0.14], 1e-12);
    near(truth.end(), &[0.459, -0.148], 1e-12);
    let own = OrderHistory::Own;
    let first = table.estimate(&[1, 0], Correction::Directions, own);
    near(&first.unwrap(), truth.end(), 1e-7);
    let zero = table.estimate(&[1, 0], Correction::ZeroOrder, own);
    near(&zero.unwrap(), &[0.45875, -0.11875], 1e-12);
    for expansion in [Expansion::First, Expansion::Second] {
        let run = table.reference().clone();
        let point = expand(&mut losses, &SGD, &run, &[1, 0], expansion, own).unwrap();
        near(&point, truth.end(), 1e-7);
    }
}

#[test]
fn the_order_of_the_reference_run_gives_its_end() {
    for rule in [SGD, OrderOptimizer::adam(0.05)] {
        let mut losses = four(0.3);
        let table = table(&mut losses, rule, 3);
        let end = table.reference().end().to_vec();
        for history in [OrderHistory::Own, OrderHistory::Reference] {
            for correction in [Correction::ZeroOrder, QUOTIENT, Correction::Directions] {
                let point = table.estimate(&[0, 1, 2, 3], correction, history).unwrap();
                near(&point, &end, 0.0);
            }
            for expansion in [Expansion::First, Expansion::Second] {
                let (run, order) = (table.reference().clone(), [0, 1, 2, 3]);
                let point = expand(&mut losses, &rule, &run, &order, expansion, history);
                near(&point.unwrap(), &end, 1e-12);
            }
        }
    }
}

#[test]
fn two_equal_batches_can_change_places() {
    let mut losses = four(0.3);
    let table = table(&mut losses, OrderOptimizer::adam(0.05), 3);
    for correction in [Correction::ZeroOrder, QUOTIENT, Correction::Directions] {
        let estimate = |order: &[usize]| table.estimate(order, correction, OrderHistory::Own);
        near(
            &estimate(&[3, 0, 1, 2]).unwrap(),
            &estimate(&[1, 0, 3, 2]).unwrap(),
            0.0,
        );
    }
}

#[test]
fn each_order_of_the_expansion_is_closer() {
    for rule in [SGD, OrderOptimizer::adam(0.02)] {
        let mut losses = four(0.5);
        let table = table(&mut losses, rule, 2);
        let (run, order, own) = (table.reference().clone(), [2, 1, 3, 0], OrderHistory::Own);
        let truth = OrderRun::train(&mut losses, &rule, &START, &order).unwrap();
        let error = |point: Vec<f64>| distance(&point, truth.end());
        let zero = error(table.estimate(&order, Correction::ZeroOrder, own).unwrap());
        let stored = error(table.estimate(&order, Correction::Directions, own).unwrap());
        let first = expand(&mut losses, &rule, &run, &order, Expansion::First, own);
        let first = error(first.unwrap());
        let second = expand(&mut losses, &rule, &run, &order, Expansion::Second, own);
        let second = error(second.unwrap());
        assert!(first < 0.2 * zero, "{rule:?}: {first} {zero}");
        assert!(second < 0.01 * first + 1e-7, "{rule:?}: {second} {first}");
        // Two directions span both parameters: the table holds the whole derivative.
        assert!((stored - first).abs() < 1e-6, "{stored} {first}");
    }
}

#[test]
fn frozen_moments_miss_what_own_moments_follow() {
    let rule = OrderOptimizer::adam(0.02);
    let mut losses = four(0.5);
    let table = table(&mut losses, rule, 2);
    let order = [2, 1, 3, 0];
    let truth = OrderRun::train(&mut losses, &rule, &START, &order).unwrap();
    let error = |history| {
        let point = table.estimate(&order, Correction::Directions, history);
        distance(&point.unwrap(), truth.end())
    };
    let (own, reference) = (error(OrderHistory::Own), error(OrderHistory::Reference));
    assert!(own < 0.2 * reference, "{own} {reference}");
}

#[test]
fn gradients_are_counted() {
    let mut losses = four(0.3);
    let run = OrderRun::train(&mut losses, &SGD, &START, &[0, 1, 2, 3]).unwrap();
    losses.calls = 0;
    let table = OrderTableConfig::new(2)
        .init(&mut losses, &SGD, run)
        .unwrap();
    assert_eq!(losses.calls, table.gradients_spent());
    assert_eq!(table.pays_from(), table.gradients_spent() / 4 + 1);
    assert!(table.gradients_spent() <= 16 + 2 * 4 + 2 * 2 * 16);
    let spent = losses.calls;
    table
        .estimate(&[3, 2, 1, 0], Correction::Directions, OrderHistory::Own)
        .unwrap();
    assert_eq!(losses.calls, spent);
}

#[test]
fn a_table_above_the_limit_is_refused_before_it_costs() {
    let mut losses = four(0.0);
    let run = OrderRun::train(&mut losses, &SGD, &START, &[0, 1, 2, 3]).unwrap();
    losses.calls = 0;
    let config = OrderTableConfig::new(2);
    assert_eq!(config.bytes(4, 2), 8 * 16 * 2 * 3);
    let config = config.with_memory_limit(767);
    let refused = config.init(&mut losses, &SGD, run);
    let Err(CurriculumError::OutOfRange { field: "bytes", .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(losses.calls, 0);
}

#[test]
fn a_saved_table_gives_the_same_estimate() {
    let table = table(&mut four(0.3), OrderOptimizer::adam(0.05), 2);
    let saved = serde_json::to_string(&table).unwrap();
    let again: OrderTable = serde_json::from_str(&saved).unwrap();
    let estimate = |table: &OrderTable| {
        let order = [3, 2, 0, 1];
        table.estimate(&order, Correction::Directions, OrderHistory::Own)
    };
    near(
        &estimate(&table).unwrap(),
        &estimate(&again).unwrap(),
        1e-12,
    );
}

#[test]
fn the_search_finds_the_best_order() {
    // The sum of displacements from a hidden order.
    let hidden = [5, 2, 7, 0, 3, 6, 1, 4];
    let fitness = |order: &[usize]| {
        let wrong = order.iter().zip(&hidden).filter(|(a, b)| a != b).count();
        Ok(wrong as f64)
    };
    let search = OrderSearch::new(3).with_population(60).with_generations(60);
    let found = search.run(8, fitness).unwrap();
    assert_eq!((found.order.as_slice(), found.fitness), (&hidden[..], 0.0));
    assert_eq!(found.calls, 60 + 60 * 59);
    assert_eq!(search.run(8, fitness).unwrap(), found);
    assert!(search.run(8, |_| Ok(f64::NAN)).is_err());
    assert!(search.with_population(1).run(8, fitness).is_err());
}

#[test]
fn the_map_puts_each_batch_at_each_position_as_often() {
    // A loss that is the distance of the batch from the end, and its own number.
    let map = memorisation_map(5, 3, 1, |order| {
        let mut losses = vec![0.0; 5];
        for (position, batch) in order.iter().enumerate() {
            losses[*batch] = (5 - position) as f64 + 10.0 * *batch as f64;
        }
        Ok(losses)
    });
    for (batch, row) in map.unwrap().iter().enumerate() {
        let wanted: Vec<f64> = (0..5).map(|j| (5 - j + 10 * batch) as f64).collect();
        near(row, &wanted, 1e-9);
    }
    assert!(memorisation_map(5, 1, 0, |_| Ok(vec![1.0])).is_err());
    assert!(memorisation_map(0, 1, 0, |_| Ok(vec![])).is_err());
}

#[test]
fn orders_and_rules_that_are_not_allowed() {
    let mut losses = two(0.0);
    let table = table(&mut losses, SGD, 1);
    for order in [&[0, 0][..], &[0], &[0, 2], &[0, 1, 1]] {
        let estimate = table.estimate(order, Correction::ZeroOrder, OrderHistory::Own);
        assert!(estimate.is_err());
        assert!(OrderRun::train(&mut losses, &SGD, &START, order).is_err());
    }
    for rate in [0.0, -1.0, f64::NAN] {
        let rule = OrderOptimizer::Sgd { rate };
        assert!(OrderRun::train(&mut losses, &rule, &START, &[0, 1]).is_err());
    }
    assert!(OrderRun::train(&mut losses, &SGD, &[f64::NAN, 0.0], &[0, 1]).is_err());
    assert!(OrderRun::train(&mut losses, &SGD, &[0.0], &[0, 1]).is_err());
}
