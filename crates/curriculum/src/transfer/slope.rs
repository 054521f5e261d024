//! # Slope
//!
//! How much of a policy's performance is lost from the task it was trained on to another one, by the distance of their contexts.
//!
//! Source: the linear generalisation gap of "Model-Based Transfer Learning for Contextual Reinforcement Learning", arXiv 2408.04498; the fit to observed
//! rows is Regimen's own

use regimen_tensor::linalg::{DMatrix, DVector, solve_spd};
use serde::{Deserialize, Serialize};

use crate::error::{Result, check, count};

/// The performance lost a unit of context, for each dimension: the loss from `x` to `x'` is the sum of `slope * |x - x'|`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Slope {
    /// These slopes, one a dimension, or one for all. The released code has .005 a task on 100 tasks in a row.
    Fixed(Vec<f64>),
    /// Fitted to the rows that were observed: the non-negative slopes of least squared error of what each trained policy lost from its own task
    /// to every other.
    Fitted,
}

impl Slope {
    pub(super) fn check(&self, dimensions: usize) -> Result<()> {
        let Self::Fixed(slopes) = self else {
            return Ok(());
        };
        let good = slopes.len() == dimensions || slopes.len() == 1;
        count(
            "slope",
            slopes.len(),
            good,
            "one, or one a dimension of the contexts",
        )?;
        for slope in slopes {
            let good = (0.0..=1e100).contains(slope);
            check("slope", *slope, good, "0 or more")?;
        }
        Ok(())
    }

    /// One number a dimension.
    pub(super) fn values(&self, contexts: &[Vec<f64>], rows: &[(usize, Vec<f64>)]) -> Vec<f64> {
        let dimensions = contexts.first().map_or(0, Vec::len);
        match self {
            Self::Fixed(slopes) if slopes.len() == 1 => vec![slopes[0]; dimensions],
            Self::Fixed(slopes) => slopes.clone(),
            Self::Fitted => fitted(contexts, rows),
        }
    }
}

/// The loss from one context to another.
pub(super) fn drop(slopes: &[f64], from: &[f64], to: &[f64]) -> f64 {
    let each = slopes.iter().zip(from.iter().zip(to));
    each.map(|(slope, (a, b))| slope * (a - b).abs()).sum()
}

/// Non-negative least squares: the dimension of the most negative slope is left out until none is.
fn fitted(contexts: &[Vec<f64>], rows: &[(usize, Vec<f64>)]) -> Vec<f64> {
    let dimensions = contexts.first().map_or(0, Vec::len);
    let mut moments = DMatrix::zeros(dimensions, dimensions);
    let mut sides = DVector::zeros(dimensions);
    for (task, row) in rows {
        for (context, performance) in contexts.iter().zip(row) {
            let far = contexts[*task]
                .iter()
                .zip(context)
                .map(|(a, b)| (a - b).abs());
            let far = DVector::from_iterator(dimensions, far);
            moments += &far * far.transpose();
            sides += far * (row[*task] - performance);
        }
    }
    let mut kept: Vec<usize> = (0..dimensions)
        .filter(|d| moments[(*d, *d)] > 0.0)
        .collect();
    let mut slopes = vec![0.0; dimensions];
    while !kept.is_empty() {
        // A little on the diagonal, for dimensions that always differ together.
        let part = DMatrix::from_fn(kept.len(), kept.len(), |i, j| {
            let ridge = if i == j { 1.0 + 1e-9 } else { 1.0 };
            moments[(kept[i], kept[j])] * ridge
        });
        let side = DVector::from_iterator(kept.len(), kept.iter().map(|d| sides[*d]));
        let Ok(found) = solve_spd(part, &side) else {
            break;
        };
        match (0..kept.len()).min_by(|a, b| found[*a].total_cmp(&found[*b])) {
            Some(lowest) if found[lowest] < 0.0 => {
                kept.remove(lowest);
            }
            _ => {
                for (place, dimension) in kept.iter().enumerate() {
                    slopes[*dimension] = found[place];
                }
                break;
            }
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_gap_is_found_again() {
        let contexts: Vec<Vec<f64>> = (0..12)
            .map(|i| vec![f64::from(i % 4), f64::from(i / 4)])
            .collect();
        let row = |task: usize| {
            let lost = |to: &Vec<f64>| drop(&[0.1, 0.03], &contexts[task], to);
            (task, contexts.iter().map(|to| 0.9 - lost(to)).collect())
        };
        let found = Slope::Fitted.values(&contexts, &[row(5), row(0)]);
        approx::assert_relative_eq!(found[0], 0.1, epsilon = 1e-6);
        approx::assert_relative_eq!(found[1], 0.03, epsilon = 1e-6);
    }

    #[test]
    fn a_policy_that_gains_elsewhere_has_no_slope() {
        let contexts: Vec<Vec<f64>> = (0..5).map(|x| vec![f64::from(x)]).collect();
        let row = contexts.iter().map(|x| 0.5 + 0.1 * x[0]).collect();
        assert_eq!(Slope::Fitted.values(&contexts, &[(0, row)]), [0.0]);
        assert_eq!(Slope::Fitted.values(&contexts, &[]), [0.0]);
    }
}
