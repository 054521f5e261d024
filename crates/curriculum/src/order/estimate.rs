//! # estimate
//!
//! Where training in another order would have ended, without training: FUT and its variants.
//!
//! For an order `l_0 .. l_{T-1}`, from `gamma_0 = theta_0` and with `d_t = gamma_t - theta_t`, the gradient at step `t` is
//! expanded around the reference run's checkpoint *of the same step*,
//! `g = grad L(theta_t, B_{l_t}) + H d_t + 1/2 (third derivative) d_t d_t`, and given to the optimiser.
//!
//! Source: Estimating the Effects of Sample Training Orders for Large Language Models without Retraining (2025, arXiv 2505.22042).
//! Differs from it in the moments of Adam, which follow the new order (the reference run's stay an option), and in the
//! derivative, which is a product with directions (the element-wise quotient stays an option).

use crate::error::Result;

use super::gradients::{BatchGradients, check_order, check_row, checked};
use super::optimizer::{OrderMoments, OrderOptimizer};
use super::reference::{OrderRun, step};
use super::table::{OrderTable, difference, dot, moved, quotient, step_size};

/// How a stored gradient is carried from the reference run's point to that of the new order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Correction {
    /// Not at all: the gradient at the checkpoint.
    ZeroOrder,
    /// An element-wise quotient of the reference run's gradients, as the paper has it: a diagonal second derivative.
    Quotient {
        /// Differences of a parameter below this one give no slope.
        smallest: f64,
        /// Slopes are clipped to this absolute value.
        largest: f64,
    },
    /// The stored products with directions.
    Directions,
}

/// The moments of Adam in the new order. SGD has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderHistory {
    /// The new order's own, from the estimated gradients.
    Own,
    /// Those of the reference run at the same step; the update is expanded instead of the gradient.
    Reference,
}

impl OrderTable {
    /// The parameters after training in an order, estimated from the table alone.
    ///
    /// # Errors
    /// `OutOfRange` for an order that does not hold each batch once, and for an estimate that is not finite.
    pub fn estimate(
        &self,
        order: &[usize],
        correction: Correction,
        history: OrderHistory,
    ) -> Result<Vec<f64>> {
        check_order(order, self.gradients.len())?;
        let mut point = self.run.points[0].clone();
        let mut own = OrderMoments::new(point.len());
        for (t, batch) in order.iter().enumerate() {
            let change = self.change(t, *batch, &point, correction);
            let stored = &self.gradients[t][*batch];
            let update = match history {
                OrderHistory::Own => own.update(&self.rule, &moved(stored, 1.0, &change)),
                OrderHistory::Reference => {
                    let moments = &self.run.moments[t];
                    let slope = moments.derivative(&self.rule, stored, &change);
                    moved(&moments.peek(&self.rule, stored), 1.0, &slope)
                }
            };
            step(&mut point, self.rule.rate(), &update);
        }
        check_row("estimate", &point, own.mean.len())?;
        Ok(point)
    }

    /// The gradient of a batch at a point near the reference run's checkpoint `t`; nothing for an unknown checkpoint or batch.
    #[must_use]
    pub fn gradient_near(
        &self,
        t: usize,
        batch: usize,
        point: &[f64],
        correction: Correction,
    ) -> Option<Vec<f64>> {
        let stored = self.gradients.get(t)?.get(batch)?;
        let fits = point.len() == stored.len();
        fits.then(|| moved(stored, 1.0, &self.change(t, batch, point, correction)))
    }

    /// What the correction adds to the stored gradient.
    fn change(&self, t: usize, batch: usize, point: &[f64], correction: Correction) -> Vec<f64> {
        let away = difference(point, &self.run.points[t]);
        let mut change = vec![0.0; away.len()];
        match correction {
            Correction::ZeroOrder => {}
            Correction::Directions => {
                let pairs = self.directions[t].iter().zip(&self.products[t][batch]);
                for (direction, product) in pairs {
                    step(&mut change, -dot(&away, direction), product);
                }
            }
            Correction::Quotient { smallest, largest } if t > 0 => {
                let moves = difference(&self.run.points[t], &self.run.points[t - 1]);
                let rises = difference(&self.gradients[t][batch], &self.gradients[t - 1][batch]);
                for (i, (run, rise)) in moves.iter().zip(&rises).enumerate() {
                    if run.abs() > smallest.max(0.0) {
                        change[i] = (rise / run).max(-largest).min(largest) * away[i];
                    }
                }
            }
            Correction::Quotient { .. } => {}
        }
        change
    }
}

/// The order of the expansion of [`expand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// First derivatives of the gradient.
    First,
    /// First and second derivatives: FUT++.
    Second,
}

/// The parameters after training in an order, with exact derivatives computed on demand: three gradients a step.
///
/// This costs more than training in that order. It tells what part of a table's error is the expansion's.
///
/// # Errors
/// `OutOfRange` for an order that does not hold each batch once, a rule or run that is not of this source, and for
/// gradients that are not finite.
pub fn expand<G: BatchGradients + ?Sized>(
    source: &mut G,
    rule: &OrderOptimizer,
    run: &OrderRun,
    order: &[usize],
    expansion: Expansion,
    history: OrderHistory,
) -> Result<Vec<f64>> {
    rule.check()?;
    check_order(order, source.batches())?;
    run.check(source.batches(), source.parameters())?;
    let first = run.points[0].clone();
    let mut own = OrderMoments::new(first.len());
    let mut point = first;
    let checkpoints = run.points.iter().zip(&run.moments);
    for (batch, (checkpoint, moments)) in order.iter().zip(checkpoints) {
        let away = difference(&point, checkpoint);
        let length = dot(&away, &away).sqrt();
        let root = if expansion == Expansion::First { 2 } else { 4 };
        let h = if length > 0.0 {
            step_size(source.precision(), root, checkpoint, length).min(1.0)
        } else {
            1.0
        };
        let asks = [0.0, h, -h].map(|h| (moved(checkpoint, h, &away), *batch));
        let mut values = checked(source, &asks)?;
        if history == OrderHistory::Reference {
            for value in &mut values {
                *value = moments.peek(rule, value);
            }
        }
        let mut value = moved(&values[0], 1.0, &quotient(&values[1], &values[2], h));
        if expansion == Expansion::Second {
            for (i, x) in value.iter_mut().enumerate() {
                let second = values[1][i] + values[2][i] - 2.0 * values[0][i];
                *x += 0.5 * second / (h * h);
            }
        }
        let update = match history {
            OrderHistory::Own => own.update(rule, &value),
            OrderHistory::Reference => value,
        };
        step(&mut point, rule.rate(), &update);
    }
    check_row("estimate", &point, own.mean.len())?;
    Ok(point)
}
