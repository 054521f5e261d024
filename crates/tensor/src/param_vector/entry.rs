//! One parameter of a vector.

use burn::module::ParamId;
use burn::tensor::{DType, Tensor};

/// One parameter of a [`ParamVector`](super::ParamVector).
#[derive(Clone, Debug)]
pub struct ParamEntry {
    /// The parameter's id, kept by Burn's own records.
    pub id: ParamId,
    /// The parameter's path in its module, such as `layers.0.weight`: it survives a
    /// checkpoint that carries no ids.
    pub path: String,
    /// The parameter's shape.
    pub shape: Vec<usize>,
    /// The parameter's own float type. `values` may be of a wider one: squares, sums and importances of a
    /// model in half precision are f32.
    pub dtype: DType,
    /// The values, `[number of elements]`, row-major, off the autodiff tape.
    pub values: Tensor<1>,
}

impl ParamEntry {
    /// The number of scalars.
    #[must_use]
    pub fn len(&self) -> usize {
        let sizes = self.shape.iter();
        sizes.fold(1, |product: usize, size| product.saturating_mul(*size))
    }

    /// Whether the parameter holds no scalar.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same parameter with other values.
    #[must_use]
    pub fn with_values(&self, values: Tensor<1>) -> Self {
        Self {
            values,
            ..self.clone()
        }
    }
}
