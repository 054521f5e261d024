use nalgebra::DMatrix;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use super::Subsets;
use crate::error::{Result, UnlearningError, count};

/// What the models of a [`Subsets`] design output on evaluation points, `[subsets, points, classes]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Outputs {
    values: Vec<f32>,
    points: usize,
    classes: usize,
}

regimen_tensor::checked_serde!(Outputs);

impl Checked for Outputs {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        let wanted = width(self.points, self.classes)?;
        let length = self.values.len();
        count("rows", length / wanted, length > 0, "1 or more")?;
        let whole = length.is_multiple_of(wanted);
        count("values", length, whole, "rows of points * classes")?;
        if self.values.iter().any(|value| !value.is_finite()) {
            return Err(UnlearningError::NotFinite("output"));
        }
        Ok(())
    }
}

impl Outputs {
    /// Takes one `[points * classes]` row of logits, or of margins with `classes` = 1, for each subset.
    ///
    /// # Errors
    /// If there is none, a row has another length, or a value is not finite.
    pub fn new(rows: Vec<Vec<f32>>, points: usize, classes: usize) -> Result<Self> {
        let wanted = width(points, classes)?;
        for row in &rows {
            let length = row.len();
            count("row", length, length == wanted, "points * classes long")?;
        }
        let values = rows.concat();
        let outputs = Self {
            values,
            points,
            classes,
        };
        outputs.checked()
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
        self.values.chunks(self.width()).nth(subset).unwrap_or(&[])
    }

    /// The first `count` subsets' outputs, and the others'.
    ///
    /// # Errors
    /// If either part would be empty.
    pub fn split_at(&self, count: usize) -> Result<(Self, Self)> {
        let good = count > 0 && count < self.len();
        let allowed = "above 0 and below the number of subsets";
        crate::error::count("count", count, good, allowed)?;
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

/// `points * classes`, 1 or more.
pub(super) fn width(points: usize, classes: usize) -> Result<usize> {
    let width = points.checked_mul(classes).unwrap_or(0);
    let allowed = "1 or more points of 1 or more classes, no more than memory can hold";
    count("points * classes", width, width > 0, allowed)?;
    Ok(width)
}

/// That there are outputs for each subset.
pub(super) fn same_length(subsets: &Subsets, outputs: &Outputs) -> Result<()> {
    let (found, good) = (outputs.len(), outputs.len() == subsets.len());
    count("outputs", found, good, "one row for each subset")
}
