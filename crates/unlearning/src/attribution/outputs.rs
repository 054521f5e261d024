use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::Subsets;
use crate::error::{Result, UnlearningError, check};

/// What the models of a [`Subsets`] design output on evaluation points, `[subsets, points, classes]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    values: Vec<f32>,
    points: usize,
    classes: usize,
}

impl Outputs {
    /// Takes one `[points * classes]` row of logits, or of margins with `classes` = 1, for each subset.
    ///
    /// # Errors
    /// If there is none, a row has another length, or a value is not finite.
    pub fn new(rows: Vec<Vec<f32>>, points: usize, classes: usize) -> Result<Self> {
        let wanted = points * classes;
        check("points * classes", wanted as f64, wanted > 0, "1 or more")?;
        check("rows", 0.0, !rows.is_empty(), "1 or more")?;
        for row in &rows {
            let length = row.len();
            check(
                "row",
                length as f64,
                length == wanted,
                "points * classes long",
            )?;
            if row.iter().any(|value| !value.is_finite()) {
                return Err(UnlearningError::NotFinite("output"));
            }
        }
        let values = rows.concat();
        Ok(Self {
            values,
            points,
            classes,
        })
    }

    /// The number of subsets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width()
    }

    /// Whether there is no subset; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number of evaluation points.
    #[must_use]
    pub fn points(&self) -> usize {
        self.points
    }

    /// The number of outputs of a point.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The outputs of one subset's model, `[points * classes]`; none if there is no such subset.
    #[must_use]
    pub fn row(&self, subset: usize) -> &[f32] {
        let start = subset * self.width();
        self.values.get(start..start + self.width()).unwrap_or(&[])
    }

    /// The first `count` subsets' outputs, and the others'.
    ///
    /// # Errors
    /// If either part would be empty.
    pub fn split_at(&self, count: usize) -> Result<(Self, Self)> {
        let good = count > 0 && count < self.len();
        check(
            "count",
            count as f64,
            good,
            "above 0 and below the number of subsets",
        )?;
        let (first, rest) = self.values.split_at(count * self.width());
        let part = |values: &[f32]| Self {
            values: values.to_vec(),
            ..*self
        };
        Ok((part(first), part(rest)))
    }

    pub(super) fn width(&self) -> usize {
        self.points * self.classes
    }

    /// Columns `start..start + count` as a matrix, `[subsets, count]`.
    pub(super) fn columns(&self, start: usize, count: usize) -> DMatrix<f64> {
        let value = |row: usize, column: usize| self.values[row * self.width() + start + column];
        DMatrix::from_fn(self.len(), count, |row, column| {
            f64::from(value(row, column))
        })
    }
}

/// That there are outputs for each subset.
pub(super) fn same_length(subsets: &Subsets, outputs: &Outputs) -> Result<()> {
    let (found, good) = (outputs.len(), outputs.len() == subsets.len());
    check("outputs", found as f64, good, "one row for each subset")
}
