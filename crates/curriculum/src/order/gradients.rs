//! # gradients
//!
//! Where the gradients of the batches come from: a network, or any function of a point and a batch.

use crate::error::{CurriculumError, Result, count};

/// Batches, each with a loss whose gradient can be asked for at any point of the parameter space.
///
/// A point and a gradient are the parameters in one row of numbers. With the feature `burn`,
/// `ModuleGradients` is one over any Burn module.
pub trait BatchGradients {
    /// Number of batches.
    fn batches(&self) -> usize;

    /// Number of scalars of a point.
    fn parameters(&self) -> usize;

    /// The gradient of a batch's mean loss at a point.
    ///
    /// # Errors
    /// Whatever keeps the gradient from being computed.
    fn gradient(&mut self, point: &[f64], batch: usize) -> Result<Vec<f64>>;

    /// Gradients at many points, each of its own batch, in the order of the asks.
    ///
    /// One call after the other, unless the source can compute many at once.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    fn gradients(&mut self, asks: &[(Vec<f64>, usize)]) -> Result<Vec<Vec<f64>>> {
        asks.iter()
            .map(|(point, batch)| self.gradient(point, *batch))
            .collect()
    }

    /// The distance from 1 to the next number in which gradients are computed: it sets the step of difference quotients.
    fn precision(&self) -> f64 {
        f64::from(f32::EPSILON)
    }
}

/// Gradients that were checked: as many as asks, each of the right length and finite.
pub(super) fn checked<G: BatchGradients + ?Sized>(
    source: &mut G,
    asks: &[(Vec<f64>, usize)],
) -> Result<Vec<Vec<f64>>> {
    let gradients = source.gradients(asks)?;
    count(
        "gradients",
        gradients.len(),
        gradients.len() == asks.len(),
        "one for each ask",
    )?;
    for gradient in &gradients {
        check_row("gradient", gradient, source.parameters())?;
    }
    Ok(gradients)
}

/// Refuses a row of another length, and one with a number that is not finite.
pub(super) fn check_row(field: &'static str, row: &[f64], parameters: usize) -> Result<()> {
    count(
        field,
        row.len(),
        row.len() == parameters,
        "as many numbers as parameters",
    )?;
    match row.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(CurriculumError::OutOfRange {
            field,
            value: value.to_string(),
            allowed: "finite numbers",
        }),
    }
}

/// Refuses an order that is not a permutation of `0..batches`.
pub(super) fn check_order(order: &[usize], batches: usize) -> Result<()> {
    let mut seen = vec![false; batches];
    let good = order.len() == batches
        && order.iter().all(|batch| {
            let place = seen.get_mut(*batch);
            place.is_some_and(|place| !std::mem::replace(place, true))
        });
    if good {
        return Ok(());
    }
    Err(CurriculumError::OutOfRange {
        field: "order",
        value: format!("{} batches", order.len()),
        allowed: "every batch of the reference run once",
    })
}
