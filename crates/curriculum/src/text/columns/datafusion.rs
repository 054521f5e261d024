//! # Scalar functions for DataFusion
//!
//! Overlap with evaluations, BM25 and near-duplicates in SQL, on one machine or on a cluster.
//!
//! Source: `ScalarUDFImpl` of Apache DataFusion

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arrow::TextColumn;
use crate::text::bm25::Bm25;
use crate::text::decontaminate::Decontamination;
use crate::text::near_duplicates::NearDuplicates;

/// `NAME(text) -> Float64`: the share of the test of which a text holds most, as [`Decontamination::highest`]; 0 without a common stretch.
#[must_use]
pub fn overlap(name: impl Into<String>, index: Arc<Decontamination>) -> ScalarUDF {
    function(name, DataType::Float64, move |texts| {
        Arc::new(index.highest_shares(texts))
    })
}

/// `NAME(text) -> Float32`: the score of the pool's document that is nearest to a text; null where the pool is empty.
#[must_use]
pub fn bm25_score(name: impl Into<String>, index: Arc<Bm25>) -> ScalarUDF {
    function(name, DataType::Float32, move |texts| {
        Arc::new(index.best_of(texts).1)
    })
}

/// `NAME(text) -> UInt64`: the place in the pool of the document that is nearest to a text; null where the pool is empty.
#[must_use]
pub fn bm25_best(name: impl Into<String>, index: Arc<Bm25>) -> ScalarUDF {
    function(name, DataType::UInt64, move |texts| {
        Arc::new(index.best_of(texts).0)
    })
}

/// `NAME(text) -> List(UInt32)`: the signature of a text.
#[must_use]
pub fn signature(name: impl Into<String>, index: Arc<NearDuplicates>) -> ScalarUDF {
    let list = DataType::new_list(DataType::UInt32, true);
    function(name, list, move |texts| {
        Arc::new(index.signatures_of(texts))
    })
}

/// `NAME(text) -> List(UInt64)`: the keys of a text's bands; rows that share one are candidates: `unnest` the list and join on it.
#[must_use]
pub fn band_keys(name: impl Into<String>, index: Arc<NearDuplicates>) -> ScalarUDF {
    let list = DataType::new_list(DataType::UInt64, true);
    function(name, list, move |texts| Arc::new(index.band_keys_of(texts)))
}

fn function(
    name: impl Into<String>,
    output: DataType,
    call: impl Fn(&TextColumn) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let texts = vec![DataType::Utf8View, DataType::Utf8, DataType::LargeUtf8];
    ScalarUDF::from(TextFunction {
        name: name.into(),
        signature: Signature::uniform(1, texts, Volatility::Immutable),
        output,
        call: Arc::new(call),
    })
}

/// A function of a text.
struct TextFunction {
    name: String,
    signature: Signature,
    output: DataType,
    call: Arc<dyn Fn(&TextColumn) -> ArrayRef + Send + Sync>,
}

impl fmt::Debug for TextFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFunction")
            .field("name", &self.name)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// The same index under the same name.
impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.call, &other.call)
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // One text for all rows is looked at once.
        let is_scalar = matches!(args.args.first(), Some(ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let Some(texts) = args.args.first() else {
            let message = format!("{}: a text is needed", self.name);
            return Err(DataFusionError::Execution(message));
        };
        let external = |error| DataFusionError::External(Box::new(error));
        let texts = TextColumn::new(&texts.to_array(rows)?).map_err(external)?;
        let values = (self.call)(&texts);
        if !is_scalar {
            return Ok(ColumnarValue::Array(values));
        }
        let value = datafusion_common::ScalarValue::try_from_array(&values, 0)?;
        Ok(ColumnarValue::Scalar(value))
    }
}
