//! # reference
//!
//! The one training run around which every other order is expanded, and true training in another order.

use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, count};

use super::gradients::{BatchGradients, check_order, check_row, checked};
use super::optimizer::{OrderMoments, OrderOptimizer};

/// A training run: the points between its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRun {
    /// The order of the batches.
    pub order: Vec<usize>,
    /// The parameters before each step and after the last: one more than batches.
    pub points: Vec<Vec<f64>>,
    /// The moments before each step.
    pub moments: Vec<OrderMoments>,
}

impl OrderRun {
    /// Trains on every batch once, in an order; as many gradients as batches.
    ///
    /// # Errors
    /// `OutOfRange` for a rule, a start or an order that is not allowed, and for gradients that are not finite.
    pub fn train<G: BatchGradients + ?Sized>(
        source: &mut G,
        rule: &OrderOptimizer,
        start: &[f64],
        order: &[usize],
    ) -> Result<Self> {
        let runs = Self::train_all(source, rule, start, &[order.to_vec()])?;
        runs.into_iter().next().ok_or(CurriculumError::TooFew {
            field: "runs",
            found: 0,
            needed: 1,
        })
    }

    /// Trains in each of several orders, step by step side by side: a source that computes many gradients at once is asked for
    /// one of each order together.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn train_all<G: BatchGradients + ?Sized>(
        source: &mut G,
        rule: &OrderOptimizer,
        start: &[f64],
        orders: &[Vec<usize>],
    ) -> Result<Vec<Self>> {
        rule.check()?;
        let batches = source.batches();
        count("batches", batches, batches > 0, "1 or more")?;
        check_row("start", start, source.parameters())?;
        orders
            .iter()
            .try_for_each(|order| check_order(order, batches))?;
        let begun = |order: &Vec<usize>| Self {
            order: order.clone(),
            points: vec![start.to_vec()],
            moments: Vec::new(),
        };
        let mut runs: Vec<Self> = orders.iter().map(begun).collect();
        let mut states = vec![OrderMoments::new(start.len()); runs.len()];
        for t in 0..batches {
            let asks = runs.iter().map(|run| (run.points[t].clone(), run.order[t]));
            let gradients = checked(source, &asks.collect::<Vec<_>>())?;
            for ((run, state), gradient) in runs.iter_mut().zip(&mut states).zip(&gradients) {
                let mut point = run.points[t].clone();
                run.moments.push(state.clone());
                step(&mut point, rule.rate(), &state.update(rule, gradient));
                check_row("point", &point, start.len())?;
                run.points.push(point);
            }
        }
        Ok(runs)
    }

    /// Refuses a run that is not of so many batches and parameters.
    pub(super) fn check(&self, batches: usize, parameters: usize) -> Result<()> {
        check_order(&self.order, batches)?;
        let fits = batches > 0
            && self.points.len() == batches + 1
            && self.moments.len() == batches
            && parameters > 0;
        let allowed = "a point before each batch and one after the last, and moments before each";
        count("run", self.points.len(), fits, allowed)?;
        for point in &self.points {
            check_row("run", point, parameters)?;
        }
        for moments in &self.moments {
            check_row("run", &moments.mean, parameters)?;
            check_row("run", &moments.square, parameters)?;
        }
        Ok(())
    }

    /// The parameters after the last step.
    #[must_use]
    pub fn end(&self) -> &[f64] {
        self.points.last().map_or(&[], Vec::as_slice)
    }
}

/// `point - rate * update`, in place.
pub(super) fn step(point: &mut [f64], rate: f64, update: &[f64]) {
    for (x, u) in point.iter_mut().zip(update) {
        *x -= rate * u;
    }
}
