//! # VectorColumn
//!
//! Columns of embeddings of Arrow record batches, and their likeness to targets, without a copy of the column.
//!
//! Source: Apache Arrow's columnar format: lists of `Float32`

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, LargeListArray, ListArray,
    RecordBatch, UInt64Array,
};
use rayon::prelude::*;

use crate::error::{CurriculumError, Result, count};
use crate::text::likeness::{ROWS_AT_ONCE, TargetVectors, Vectors};

/// A column of vectors: lists of `Float32`, of a fixed size or not. It shares the memory of the array; clones are the same column.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch, types::Float32Type};
/// use regimen_curriculum::text::{LikenessConfig, TargetVectors, VectorColumn, Vectors};
///
/// let rows = [[1.0, 0.1], [-1.0, 0.0], [0.6, 0.6]].map(|row| Some(row.map(Some)));
/// let vectors: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2));
/// let batch = RecordBatch::try_from_iter([("vector", vectors)])?;
/// let column = VectorColumn::of(&batch, "vector")?;
/// let targets = Vectors::new(&[3.0, 0.0, 0.0, 2.0], 2)?;
///
/// // Each row by itself: the nearest target.
/// let (targets_of, cosines) = TargetVectors::new(&targets).best_of(&column)?;
/// assert_eq!(targets_of.values(), &[0, 1, 0]);
/// assert!(cosines.value(0) > 0.99);
///
/// // All rows of the sample together: ranks.
/// let likeness = LikenessConfig::new().init(&column.vectors()?, &targets)?;
/// assert_eq!(likeness.best_ranks(), [1, 3, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct VectorColumn {
    lists: Arc<Lists>,
    values: Float32Array,
}

#[derive(Debug)]
enum Lists {
    Fixed(FixedSizeListArray),
    Short(ListArray),
    Large(LargeListArray),
}

impl Lists {
    fn array(&self) -> &dyn Array {
        match self {
            Self::Fixed(lists) => lists,
            Self::Short(lists) => lists,
            Self::Large(lists) => lists,
        }
    }

    fn values(&self) -> &ArrayRef {
        match self {
            Self::Fixed(lists) => lists.values(),
            Self::Short(lists) => lists.values(),
            Self::Large(lists) => lists.values(),
        }
    }

    /// Where the numbers of a row lie.
    fn range(&self, row: usize) -> Range<usize> {
        match self {
            Self::Fixed(lists) => {
                let start = lists.value_offset(row) as usize;
                start..start + lists.value_length() as usize
            }
            Self::Short(lists) => {
                let offsets = lists.value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            Self::Large(lists) => {
                let offsets = lists.value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
        }
    }
}

fn refused<T>(found: String) -> Result<T> {
    Err(CurriculumError::Column {
        found,
        allowed: "FixedSizeList, List or LargeList of Float32 without nulls inside",
    })
}

impl VectorColumn {
    /// An array of lists.
    ///
    /// # Errors
    /// If it is of another type than lists of `Float32`, or a row holds a null among its numbers.
    pub fn new(array: &dyn Array) -> Result<Self> {
        let lists = if let Some(fixed) = array.as_fixed_size_list_opt() {
            Lists::Fixed(fixed.clone())
        } else if let Some(short) = array.as_list_opt::<i32>() {
            Lists::Short(short.clone())
        } else if let Some(large) = array.as_list_opt::<i64>() {
            Lists::Large(large.clone())
        } else {
            return refused(format!("of type {}", array.data_type()));
        };
        let Some(values) = lists.values().as_primitive_opt::<Float32Type>() else {
            return refused(format!("of type {}", array.data_type()));
        };
        let column = Self {
            values: values.clone(),
            lists: Arc::new(lists),
        };
        if column.values.null_count() > 0 {
            let has_null = |row: &usize| {
                let range = column.range(*row);
                range.is_some_and(|mut range| range.any(|place| column.values.is_null(place)))
            };
            if let Some(row) = (0..column.len()).find(has_null) {
                return refused(format!("with a null inside row {row}"));
            }
        }
        Ok(column)
    }

    /// The column of this name.
    ///
    /// # Errors
    /// If the batch has none, or [`new`](Self::new) refuses it.
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Self> {
        match batch.column_by_name(name) {
            Some(column) => Self::new(column),
            None => refused(format!("missing: there is no `{name}`")),
        }
    }

    /// Rows, those without a vector too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.array().len()
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn range(&self, row: usize) -> Option<Range<usize>> {
        let array = self.lists.array();
        (row < array.len() && array.is_valid(row)).then(|| self.lists.range(row))
    }

    /// The vector of a row; none where it is null, or past the end.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&[f32]> {
        Some(&self.values.values()[self.range(row)?])
    }

    /// All rows as vectors that share the column's memory: what [`LikenessConfig`](crate::text::LikenessConfig) ranks.
    ///
    /// # Errors
    /// If there is no row, one is null, they differ in length, or a number is NaN or infinite.
    pub fn vectors(&self) -> Result<Vectors<'_>> {
        if let Some(row) = (0..self.len()).find(|row| self.range(*row).is_none()) {
            return refused(format!("null in row {row}"));
        }
        let dimensions = self.get(0).map_or(0, <[f32]>::len);
        for row in 0..self.len() {
            let found = self.lists.range(row).len();
            let allowed = "as many as those of the first row";
            count("dimensions", found, found == dimensions, allowed)?;
        }
        let values = match self.len().checked_sub(1) {
            None => &[],
            // Rows of a list without nulls lie side by side.
            Some(last) => {
                &self.values.values()[self.lists.range(0).start..self.lists.range(last).end]
            }
        };
        Vectors::new(values, dimensions)
    }
}

impl TargetVectors {
    /// Of each row what its cosines give, in the order of the targets, on all cores; null stays null.
    fn each<T: Send>(
        &self,
        column: &VectorColumn,
        value: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<Option<T>>> {
        let starts = (0..column.len()).into_par_iter().step_by(ROWS_AT_ONCE);
        let pieces = starts.map(|from| {
            let rows = from..(from + ROWS_AT_ONCE).min(column.len());
            let mut values = Vec::new();
            for vector in rows.clone().filter_map(|row| column.get(row)) {
                let (own, theirs) = (self.dimensions(), vector.len());
                let allowed = "as many as those of the targets";
                count("dimensions", theirs, own == theirs, allowed)?;
                values.extend_from_slice(vector);
            }
            let cosines = if values.is_empty() {
                Vec::new()
            } else {
                self.cosines(&Vectors::new(&values, self.dimensions())?)?
            };
            let mut cosines = cosines.chunks(self.count());
            let of = |row| column.range(row).and_then(|_| cosines.next()).map(&value);
            Ok(rows.map(of).collect::<Vec<_>>())
        });
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        Ok(pieces.into_iter().flatten().collect())
    }

    /// For each row the place of the nearest target, the first of several, and its cosine; null where the row is.
    ///
    /// # Errors
    /// If a row has other dimensions than the targets, or holds NaN or an infinite number.
    pub fn best_of(&self, column: &VectorColumn) -> Result<(UInt64Array, Float32Array)> {
        let best = self.each(column, |cosines| {
            let first = (0, f32::NEG_INFINITY);
            cosines
                .iter()
                .enumerate()
                .fold(first, |best, (place, cosine)| {
                    if *cosine > best.1 {
                        (place as u64, *cosine)
                    } else {
                        best
                    }
                })
        })?;
        let places = best.iter().map(|best| best.map(|(place, _)| place));
        let cosines = best.iter().map(|best| best.map(|(_, cosine)| cosine));
        Ok((places.collect(), cosines.collect()))
    }

    /// The mean cosine of each row: the score of [`Aggregation::MeanCosine`](crate::text::Aggregation::MeanCosine); null where the row is.
    ///
    /// # Errors
    /// As for [`best_of`](Self::best_of).
    pub fn means_of(&self, column: &VectorColumn) -> Result<Float64Array> {
        let targets = self.count() as f64;
        let mean = |cosines: &[f32]| {
            let cosines = cosines.iter().copied();
            cosines.map(f64::from).sum::<f64>() / targets
        };
        Ok(self.each(column, mean)?.into_iter().collect())
    }

    /// Of each row its cosines with all targets, a list of `Float32` in the order of the targets; null where the row is.
    ///
    /// # Errors
    /// As for [`best_of`](Self::best_of).
    pub fn cosines_of(&self, column: &VectorColumn) -> Result<ListArray> {
        let mut lists = ListBuilder::new(PrimitiveBuilder::<Float32Type>::new());
        for row in self.each(column, <[f32]>::to_vec)? {
            let is_there = row.is_some();
            lists.values().append_slice(&row.unwrap_or_default());
            lists.append(is_there);
        }
        Ok(lists.finish())
    }
}
