//! Points of a space, and distances.

use crate::error::{CurriculumError, Result, check_examples, count, finite};

/// The most numbers that points may hold, 2^32.
const MOST: usize = 1 << 32;

/// Points of one width, each the features of an example.
///
/// ```
/// use regimen_curriculum::ability::mastery::Points;
///
/// let points = Points::new(2, vec![0.0, 0.0, 2.0, 0.0])?;
/// assert_eq!((points.len(), points.mean()), (2, vec![1.0, 0.0]));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    width: usize,
    values: Vec<f64>,
}

impl Points {
    /// From values row by row, `[points, width]`.
    ///
    /// # Errors
    /// If the width is 0, there is no point or over 2^28, a value is not finite or above 1e150 in size, or the values are no whole number of rows.
    pub fn new(width: usize, values: Vec<f64>) -> Result<Self> {
        let good = (1..=1 << 20).contains(&width);
        count("width", width, good, "1 to 1048576 (2^20)")?;
        finite("points", &values)?;
        if let Some(value) = values.iter().find(|value| value.abs() > 1e150) {
            return Err(CurriculumError::OutOfRange {
                field: "points",
                value: value.to_string(),
                allowed: "-1e150 to 1e150",
            });
        }
        let size = values.len();
        let whole = size.is_multiple_of(width) && size <= MOST;
        count("values", size, whole, "a multiple of `width`, up to 2^32")?;
        check_examples(size / width)?;
        Ok(Self { width, values })
    }

    /// From a row for each point.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and if rows have different lengths.
    pub fn of_rows(rows: &[impl AsRef<[f64]>]) -> Result<Self> {
        let width = rows.first().map_or(0, |row| row.as_ref().len());
        if let Some(row) = rows.iter().find(|row| row.as_ref().len() != width) {
            return Err(CurriculumError::Lengths {
                ids: width,
                losses: row.as_ref().len(),
            });
        }
        let values = rows.iter().flat_map(|row| row.as_ref()).copied();
        Self::new(width, values.collect())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of a point.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The points one after another.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// A point that is there.
    pub(super) fn row(&self, place: usize) -> &[f64] {
        &self.values[place * self.width..(place + 1) * self.width]
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        let count = self.len() as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        mean
    }

    /// The largest squared distance to the mean: with it as its price of a cluster, DP-means finds one cluster.
    #[must_use]
    pub fn radius_squared(&self) -> f64 {
        let mean = self.mean();
        let distances = self.rows().map(|row| squared(row, &mean));
        distances.fold(0.0, f64::max)
    }
}

/// The squared distance of two points.
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The nearest centre and its squared distance, the first of several; there is at least one centre.
pub(super) fn nearest(point: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (place, centre) in centres.iter().enumerate() {
        let distance = squared(point, centre);
        if distance < best.1 {
            best = (place, distance);
        }
    }
    best
}
