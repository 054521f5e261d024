//! # TextColumn
//!
//! Text columns of Arrow record batches as documents: for all that scans a corpus, without a copy of the text.
//!
//! Source: Apache Arrow's columnar format: `Utf8`, `LargeUtf8` and `Utf8View`

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type, UInt64Type};
use arrow_array::{
    Array, Float32Array, Float64Array, LargeStringArray, ListArray, RecordBatch, StringArray,
    StringViewArray, UInt64Array,
};
use rayon::prelude::*;

use crate::error::{CurriculumError, Result};
use crate::text::bm25::Bm25;
use crate::text::decontaminate::Decontamination;
use crate::text::likeness::TextClassifier;
use crate::text::near_duplicates::NearDuplicates;

/// A column of texts. It shares the memory of the array; clones are the same column.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, RecordBatch, StringArray};
/// use regimen_curriculum::text::{Bm25Config, NearDuplicatesConfig, TextColumn};
///
/// let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a b c"), None, Some("A, b c")]));
/// let batch = RecordBatch::try_from_iter([("text", texts)])?;
/// let column = TextColumn::of(&batch, "text")?;
/// assert_eq!((column.len(), column.get(1)), (3, None));
///
/// // Whatever takes documents takes rows: those of one batch, or of a stream of them.
/// let index = Bm25Config::new().init(column.rows())?;
/// assert_eq!(index.documents(), 3);
/// let found = NearDuplicatesConfig::new().init()?.groups(column.rows())?;
/// assert_eq!(found.groups(), [[0, 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextColumn(Arc<Strings>);

#[derive(Debug)]
enum Strings {
    Short(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

/// A text of a column, which it keeps in memory; of a row without a text it is empty.
#[derive(Clone, Debug)]
pub struct TextRow {
    column: TextColumn,
    row: usize,
}

impl AsRef<str> for TextRow {
    fn as_ref(&self) -> &str {
        self.column.get(self.row).unwrap_or_default()
    }
}

/// Types that hold text.
const TEXTS: &str = "Utf8, LargeUtf8 or Utf8View";

impl TextColumn {
    /// An array of strings.
    ///
    /// # Errors
    /// If it is of another type than `Utf8`, `LargeUtf8` and `Utf8View`.
    pub fn new(array: &dyn Array) -> Result<Self> {
        let strings = if let Some(short) = array.as_string_opt::<i32>() {
            Strings::Short(short.clone())
        } else if let Some(large) = array.as_string_opt::<i64>() {
            Strings::Large(large.clone())
        } else if let Some(view) = array.as_string_view_opt() {
            Strings::View(view.clone())
        } else {
            return Err(CurriculumError::Column {
                found: format!("of type {}", array.data_type()),
                allowed: TEXTS,
            });
        };
        Ok(Self(Arc::new(strings)))
    }

    /// The column of this name.
    ///
    /// # Errors
    /// If the batch has none, or [`new`](Self::new) refuses its type.
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Self> {
        let missing = || CurriculumError::Column {
            found: format!("missing: there is no `{name}`"),
            allowed: TEXTS,
        };
        Self::new(batch.column_by_name(name).ok_or_else(missing)?)
    }

    /// Rows, those without a text too.
    #[must_use]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Strings::Short(array) => array.len(),
            Strings::Large(array) => array.len(),
            Strings::View(array) => array.len(),
        }
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a row; none where it is null, or past the end.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        if row >= self.len() {
            return None;
        }
        match &*self.0 {
            Strings::Short(array) => array.is_valid(row).then(|| array.value(row)),
            Strings::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Strings::View(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    /// Its texts, for whatever takes an iterator of documents: places are rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = TextRow> + use<> {
        let column = self.clone();
        (0..self.len()).map(move |row| TextRow {
            column: column.clone(),
            row,
        })
    }

    /// A value for each text, on all cores; null stays null.
    fn each<S, T: Send>(
        &self,
        start: impl Fn() -> S + Sync + Send,
        value: impl Fn(&mut S, &str) -> Option<T> + Sync + Send,
    ) -> Vec<Option<T>> {
        let rows = (0..self.len()).into_par_iter();
        rows.map_init(start, |state, row| value(state, self.get(row)?))
            .collect()
    }
}

fn lists<T: ArrowPrimitiveType>(values: Vec<Option<Vec<T::Native>>>) -> ListArray {
    let mut lists = ListBuilder::new(PrimitiveBuilder::<T>::new());
    for row in values {
        let is_there = row.is_some();
        lists.values().append_slice(&row.unwrap_or_default());
        lists.append(is_there);
    }
    lists.finish()
}

impl Decontamination {
    /// Of each text the share of the test of which it holds most, as [`highest`](Self::highest); 0 without a common stretch, null where the text is.
    #[must_use]
    pub fn highest_shares(&self, texts: &TextColumn) -> Float64Array {
        let share = |text: &str| self.highest(text).map_or(0.0, |overlap| overlap.share);
        let shares = texts.each(|| (), |(), text| Some(share(text)));
        shares.into_iter().collect()
    }
}

impl Bm25 {
    /// For each text as a query the place of the best document and its score, as [`top`](Self::top); null where the text is, or the pool is
    /// empty.
    #[must_use]
    pub fn best_of(&self, texts: &TextColumn) -> (UInt64Array, Float32Array) {
        let best = |scores: &mut Vec<f32>, text: &str| {
            let hit = self.top_into(text, 1, scores).into_iter().next()?;
            Some((hit.document as u64, hit.score))
        };
        let best = texts.each(Vec::new, best);
        let places = best.iter().map(|best| best.map(|(place, _)| place));
        let scores = best.iter().map(|best| best.map(|(_, score)| score));
        (places.collect(), scores.collect())
    }
}

impl NearDuplicates {
    /// Of each text its [`signature`](Self::signature), a list of `UInt32`; null where the text is.
    #[must_use]
    pub fn signatures_of(&self, texts: &TextColumn) -> ListArray {
        lists::<UInt32Type>(texts.each(|| (), |(), text| Some(self.signature(text))))
    }

    /// Of each text its [`band_keys`](Self::band_keys), a list of `UInt64`; null where the text is.
    #[must_use]
    pub fn band_keys_of(&self, texts: &TextColumn) -> ListArray {
        let keys = |text: &str| self.band_keys(&self.signature(text));
        lists::<UInt64Type>(texts.each(|| (), |(), text| Some(keys(text))))
    }
}

impl TextClassifier {
    /// The [`score`](Self::score) of each text; null where the text is.
    #[must_use]
    pub fn scores_of(&self, texts: &TextColumn) -> Float64Array {
        let start = || (Vec::new(), Vec::new());
        let score = |(last, places): &mut (Vec<u64>, Vec<u32>), text: &str| {
            Some(self.scored(text, last, places).0)
        };
        texts.each(start, score).into_iter().collect()
    }
}
