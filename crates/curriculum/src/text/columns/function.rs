//! A function of one column for DataFusion.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arrow::TextColumn;
use super::vectors::VectorColumn;
use crate::error::Result as Checked;

type Call = dyn Fn(&dyn Array) -> Checked<ArrayRef> + Send + Sync;

/// Of texts.
pub(super) fn of_texts(
    name: impl Into<String>,
    output: DataType,
    call: impl Fn(&TextColumn) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let texts = vec![DataType::Utf8View, DataType::Utf8, DataType::LargeUtf8];
    let signature = Signature::uniform(1, texts, Volatility::Immutable);
    let call = move |array: &dyn Array| Ok(call(&TextColumn::new(array)?));
    new(name.into(), signature, output, call)
}

/// Of vectors: lists of any numbers, which become `Float32`.
pub(super) fn of_vectors(
    name: impl Into<String>,
    output: DataType,
    call: impl Fn(&VectorColumn) -> Checked<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    let call = move |array: &dyn Array| call(&VectorColumn::new(array)?);
    new(name.into(), signature, output, call)
}

fn new(
    name: String,
    signature: Signature,
    output: DataType,
    call: impl Fn(&dyn Array) -> Checked<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    ScalarUDF::from(Function {
        name,
        signature,
        output,
        call: Arc::new(call),
    })
}

struct Function {
    name: String,
    signature: Signature,
    output: DataType,
    call: Arc<Call>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// The same index under the same name.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.call, &other.call)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    /// Of vectors: texts have a signature of their own.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let number = |field: &Field| {
            let is_number = field.data_type().is_numeric();
            is_number.then(|| Arc::new(field.clone().with_data_type(DataType::Float32)))
        };
        let coerced = match types {
            [DataType::List(field)] => number(field).map(DataType::List),
            [DataType::LargeList(field)] => number(field).map(DataType::LargeList),
            [DataType::FixedSizeList(field, size)] => {
                number(field).map(|field| DataType::FixedSizeList(field, *size))
            }
            _ => None,
        };
        coerced.map(|one| vec![one]).ok_or_else(|| {
            let message = format!(
                "{}: one list of numbers is needed, not {types:?}",
                self.name
            );
            DataFusionError::Plan(message)
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // One value for all rows is looked at once.
        let is_scalar = matches!(args.args.first(), Some(ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let Some(column) = args.args.first() else {
            let message = format!("{}: an argument is needed", self.name);
            return Err(DataFusionError::Execution(message));
        };
        let external = |error| DataFusionError::External(Box::new(error));
        let values = (self.call)(&column.to_array(rows)?).map_err(external)?;
        if !is_scalar {
            return Ok(ColumnarValue::Array(values));
        }
        let value = datafusion_common::ScalarValue::try_from_array(&values, 0)?;
        Ok(ColumnarValue::Scalar(value))
    }
}
