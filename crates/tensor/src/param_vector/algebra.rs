//! The vector space: sums, products and norms, on the device.

use burn::tensor::{DType, Tensor};

use super::entry::ParamEntry;
use super::vector::{ParamVector, mismatch, mismatch_text};
use crate::error::Result;

impl ParamVector {
    /// Applies `f` to every parameter's flat values; the length must not change.
    #[must_use]
    pub fn map(self, mut f: impl FnMut(&ParamEntry, Tensor<1>) -> Tensor<1>) -> Self {
        let entries = self.entries.into_iter().map(|entry| {
            let values = f(&entry, entry.values.clone());
            ParamEntry { values, ..entry }
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Combines two vectors parameter by parameter: `f(self, other)`, both in the wider of their float types.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`](crate::TensorError::Mismatch) if they are not of the same
    /// module.
    pub fn zip(
        self,
        other: &Self,
        mut f: impl FnMut(Tensor<1>, Tensor<1>) -> Tensor<1>,
    ) -> Result<Self> {
        self.same_space(other)?;
        let pairs = self.entries.into_iter().zip(&other.entries);
        let entries = pairs.map(|(left, right)| {
            let (a, b) = alike(left.values, right.values.clone());
            ParamEntry {
                values: f(a, b),
                ..left
            }
        });
        Ok(Self {
            entries: entries.collect(),
        })
    }

    /// Whether two vectors lie in the same space: the same ids and shapes in the same order, with values that fit them.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`](crate::TensorError::Mismatch) names the first parameter that
    /// differs.
    pub fn same_space(&self, other: &Self) -> Result<()> {
        for (left, right) in self.entries.iter().zip(&other.entries) {
            if left.id != right.id {
                let (expected, found) = (left.id.val().to_string(), right.id.val().to_string());
                return Err(mismatch_text(&left.path, expected, found));
            }
            if left.shape != right.shape {
                return Err(mismatch(&left.path, &left.shape, &right.shape));
            }
            for values in [&left.values, &right.values] {
                if values.dims() != [left.len()] {
                    return Err(mismatch(&left.path, &left.shape, &values.dims()));
                }
            }
        }
        let (left, right) = (self.entries.len(), other.entries.len());
        if left != right {
            let expected = format!("{left} parameters");
            return Err(mismatch_text("*", expected, right.to_string()));
        }
        Ok(())
    }

    /// `self + other`.
    ///
    /// # Errors
    /// As [`zip`](Self::zip).
    #[allow(clippy::should_implement_trait, reason = "the sum may fail")]
    pub fn add(self, other: &Self) -> Result<Self> {
        self.zip(other, |left, right| left + right)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// As [`zip`](Self::zip).
    #[allow(clippy::should_implement_trait, reason = "the sum may fail")]
    pub fn sub(self, other: &Self) -> Result<Self> {
        self.zip(other, |left, right| left - right)
    }

    /// `factor * self`.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        self.map(|_, values| values * factor)
    }

    /// `self + factor * other`.
    ///
    /// # Errors
    /// As [`zip`](Self::zip).
    pub fn axpy(self, factor: f64, other: &Self) -> Result<Self> {
        self.zip(other, |left, right| left + right * factor)
    }

    /// The elementwise product.
    ///
    /// # Errors
    /// As [`zip`](Self::zip).
    pub fn hadamard(self, other: &Self) -> Result<Self> {
        self.zip(other, |left, right| left * right)
    }

    /// The inner product, `[1]`, on the device, in f32 at least.
    ///
    /// # Errors
    /// As [`zip`](Self::zip).
    pub fn dot(&self, other: &Self) -> Result<Tensor<1>> {
        Ok(self
            .clone()
            .widened()
            .hadamard(other)?
            .total(|values| values))
    }

    /// The sum of magnitudes, `[1]`, on the device, in f32 at least.
    #[must_use]
    pub fn l1(&self) -> Tensor<1> {
        self.total(Tensor::abs)
    }

    /// The Euclidean norm, `[1]`, on the device, in f32 at least.
    #[must_use]
    pub fn l2(&self) -> Tensor<1> {
        self.total(|values| values.square()).sqrt()
    }

    /// The same values in f32 where they are of half precision: what squares and sums are taken of.
    #[must_use]
    pub fn widened(self) -> Self {
        self.map(|_, values| widen(values))
    }

    fn total(&self, f: impl Fn(Tensor<1>) -> Tensor<1>) -> Tensor<1> {
        let sums = self
            .entries
            .iter()
            .map(|e| f(widen(e.values.clone())).sum());
        let total = sums.reduce(|left, right| left + right);
        total.unwrap_or_else(|| Tensor::zeros([1], &Default::default()))
    }
}

/// f32 for half precision; f32 and f64 as they are.
pub(crate) fn widen<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    let dtype = wide(values.dtype());
    values.cast(dtype)
}

/// The type in which sums over values of this one are taken.
fn wide(dtype: DType) -> DType {
    if matches!(dtype, DType::F64) {
        dtype
    } else {
        DType::F32
    }
}

/// Two tensors of one type, the wider of theirs.
fn alike(left: Tensor<1>, right: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let (a, b) = (left.dtype(), right.dtype());
    if a == b {
        return (left, right);
    }
    let common = if [a, b].contains(&DType::F64) {
        DType::F64
    } else {
        DType::F32
    };
    (left.cast(common), right.cast(common))
}
