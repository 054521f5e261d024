//! Batches that can be taken apart into examples, and put together again.

use std::fmt::Debug;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use regimen_tensor::TensorError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::memory::Bytes;
use crate::{ContinualError, Result};

/// A batch of labelled examples. What a memory keeps of one is an [`Item`](Self::Item) on the host.
///
/// It is implemented for `(Tensor<D>, Tensor<1, Int>)` and `(Tensor<D, Int>, Tensor<1, Int>)`: inputs `[batch, ..]` with
/// labels `[batch]`. A batch of your own may keep anything as an item, such as the position in a data set, from which
/// [`of`](Self::of) reads and augments it again.
pub trait Examples: Clone + Debug + Send + Sync + 'static {
    /// One example on the host.
    type Item: Bytes + Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// How many examples.
    fn count(&self) -> usize;

    /// Labels `[batch]`, each in `0..classes`.
    fn labels(&self) -> Tensor<1, Int>;

    /// The examples at these places, each below [`count`](Self::count), on the same device.
    #[must_use]
    fn rows(&self, rows: &[usize]) -> Self;

    /// The examples on the host: one read from the device.
    ///
    /// # Errors
    /// If the device fails.
    fn items(&self) -> Result<Vec<Self::Item>>;

    /// A batch of these items on the device and in the types of `like`.
    ///
    /// # Errors
    /// If an item does not fit `like` in its shape or in the range of its integers, or there is none.
    fn of(items: &[Self::Item], like: &Self) -> Result<Self>;

    /// Both, one after the other, on this one's device.
    #[must_use]
    fn join(self, other: Self) -> Self;

    /// The batch off the tape: on the plain device.
    #[must_use]
    fn inner(&self) -> Self;

    /// The batch on another device.
    #[must_use]
    fn to_device(&self, device: &Device) -> Self;

    /// The device.
    fn device(&self) -> Device {
        self.labels().device()
    }
}

/// One row of a tensor of floats and its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloatRow {
    /// Shape without the axis of the batch.
    pub shape: Vec<usize>,
    /// Values, row-major.
    #[serde(with = "regimen_tensor::floats")]
    pub values: Vec<f32>,
    /// The label.
    pub label: i64,
}

/// One row of a tensor of integers, such as token ids, and its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntRow {
    /// Shape without the axis of the batch.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<i64>,
    /// The label.
    pub label: i64,
}

impl Bytes for FloatRow {
    /// Of the values.
    fn bytes(&self) -> usize {
        self.values.bytes()
    }
}

impl Bytes for IntRow {
    /// Of the values.
    fn bytes(&self) -> usize {
        self.values.bytes()
    }
}

macro_rules! pairs {
    ($row:ident, $value:ty, $inputs:ty, $odd:expr, $make:expr) => {
        impl<const D: usize> Examples for ($inputs, Tensor<1, Int>) {
            type Item = $row;

            fn count(&self) -> usize {
                self.1.dims()[0]
            }

            fn labels(&self) -> Tensor<1, Int> {
                self.1.clone()
            }

            fn rows(&self, rows: &[usize]) -> Self {
                let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
                let count = rows.len();
                let rows = TensorData::new(rows, [count]);
                let inputs = self.0.clone();
                let of_inputs = Tensor::<1, Int>::from_data(rows.clone(), &inputs.device());
                let of_labels = Tensor::<1, Int>::from_data(rows, &self.1.device());
                (
                    inputs.select(0, of_inputs),
                    self.1.clone().select(0, of_labels),
                )
            }

            fn items(&self) -> Result<Vec<Self::Item>> {
                let shape = self.0.dims()[1..].to_vec();
                let width = shape.iter().product::<usize>();
                let values: Vec<$value> = read("inputs", self.0.clone().try_into_vec_as())?;
                let labels: Vec<i64> = read("labels", self.1.clone().try_into_vec_as())?;
                let row = |(place, label)| $row {
                    shape: shape.clone(),
                    values: values[place * width..][..width].to_vec(),
                    label,
                };
                Ok(labels.into_iter().enumerate().map(row).collect())
            }

            fn of(items: &[Self::Item], like: &Self) -> Result<Self> {
                let shape = &like.0.dims()[1..];
                let width = shape.iter().product::<usize>();
                if items.is_empty() {
                    return Err(ContinualError::Empty("a batch of kept examples"));
                }
                let odd = items
                    .iter()
                    .find(|item| item.shape != shape || item.values.len() != width);
                if let Some(item) = odd {
                    let found = format!("{:?}", item.shape);
                    return Err(ContinualError::mismatch(
                        "shape of a kept example",
                        format!("{shape:?}"),
                        found,
                    ));
                }
                let odd_value: fn(&Self::Item, DType) -> Option<i64> = $odd;
                let (of_inputs, of_labels) = (like.0.dtype(), like.1.dtype());
                for item in items {
                    if let Some(value) = odd_value(item, of_inputs) {
                        let allowed = format!("a value of {of_inputs:?}");
                        return Err(ContinualError::range("values", value, &allowed));
                    }
                    if !fits(item.label, of_labels) {
                        let allowed = format!("a value of {of_labels:?}");
                        return Err(ContinualError::range("label", item.label, &allowed));
                    }
                }
                let mut dims = like.0.dims();
                dims[0] = items.len();
                let values = items.iter().flat_map(|item| item.values.iter().copied());
                let values = TensorData::new(values.collect::<Vec<$value>>(), dims);
                let labels: Vec<i64> = items.iter().map(|item| item.label).collect();
                let labels = TensorData::new(labels, [items.len()]);
                let make: fn(TensorData, &$inputs) -> $inputs = $make;
                Ok((
                    make(values, &like.0),
                    Tensor::from_data(labels, (&like.1.device(), of_labels)),
                ))
            }

            fn join(self, other: Self) -> Self {
                let inputs = other.0.to_device(&self.0.device());
                let labels = other.1.to_device(&self.1.device());
                (
                    Tensor::cat(vec![self.0, inputs], 0),
                    Tensor::cat(vec![self.1, labels], 0),
                )
            }

            fn inner(&self) -> Self {
                let inputs = self.0.clone();
                let labels = self.1.clone();
                let inputs = if inputs.is_autodiff() {
                    inputs.inner()
                } else {
                    inputs
                };
                let labels = if labels.is_autodiff() {
                    labels.inner()
                } else {
                    labels
                };
                (inputs, labels)
            }

            fn to_device(&self, device: &Device) -> Self {
                (
                    self.0.clone().to_device(device),
                    self.1.clone().to_device(device),
                )
            }
        }
    };
}

pairs!(FloatRow, f32, Tensor<D>, |_, _| None, |values, like| {
    Tensor::from_data(values, (&like.device(), like.dtype()))
});
pairs!(
    IntRow,
    i64,
    Tensor<D, Int>,
    |row, dtype| {
        let mut values = row.values.iter().copied();
        values.find(|value| !fits(*value, dtype))
    },
    |values, like| Tensor::from_data(values, (&like.device(), like.dtype()))
);

/// Whether a type of integers has this one.
fn fits(value: i64, dtype: DType) -> bool {
    match dtype {
        DType::I32 => i32::try_from(value).is_ok(),
        DType::I16 => i16::try_from(value).is_ok(),
        DType::I8 => i8::try_from(value).is_ok(),
        DType::U64 => u64::try_from(value).is_ok(),
        DType::U32 => u32::try_from(value).is_ok(),
        DType::U16 => u16::try_from(value).is_ok(),
        DType::U8 => u8::try_from(value).is_ok(),
        _ => true,
    }
}

/// What a read from the device gave, or that it failed.
pub(crate) fn read<T, E: std::fmt::Display>(what: &str, values: Result<T, E>) -> Result<T> {
    Ok(values.map_err(|reason| TensorError::Read {
        what: what.to_owned(),
        reason: reason.to_string(),
    })?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_apart_and_together_again() {
        let device = Device::flex();
        let inputs =
            Tensor::<3>::from_data([[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]], &device);
        let labels = Tensor::<1, Int>::from_data([0, 2, 1], &device);
        let batch = (inputs, labels);
        let items = batch.items().unwrap();
        assert_eq!(
            (items[1].shape.as_slice(), items[1].label),
            (&[2, 1][..], 2)
        );
        let again = Examples::of(&items, &batch).unwrap();
        assert_eq!(again.items().unwrap(), items);
        assert_eq!(
            batch.rows(&[2, 0]).items().unwrap(),
            [items[2].clone(), items[0].clone()]
        );
        let twice = batch.clone().join(batch.rows(&[0]));
        assert_eq!(
            (twice.count(), twice.items().unwrap()[3].clone()),
            (4, items[0].clone())
        );
        let none: &[FloatRow] = &[];
        assert!(matches!(
            <(Tensor<3>, Tensor<1, Int>)>::of(none, &batch),
            Err(ContinualError::Empty(_))
        ));
        let odd = FloatRow {
            shape: vec![1, 2],
            ..items[0].clone()
        };
        assert!(<(Tensor<3>, Tensor<1, Int>)>::of(&[odd], &batch).is_err());
    }

    #[test]
    fn tokens_stay_integers() {
        let device = Device::flex();
        let tokens = Tensor::<2, Int>::from_data([[7, 1], [2, 3]], &device);
        let batch = (tokens, Tensor::<1, Int>::from_data([1, 0], &device));
        let items = batch.items().unwrap();
        assert_eq!(items[0].values, [7, 1]);
        assert_eq!(
            Examples::of(&items, &batch).unwrap().items().unwrap(),
            items
        );
    }
}
