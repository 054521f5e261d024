//! # SparseLinear
//!
//! A pruned linear layer in compressed row form, for inference on the host: only what is not zero is stored and
//! multiplied.
//!
//! Source: compressed sparse rows as `sprs` keeps them.

use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sprs::CsMatI;

use crate::{PruningError, Result};

/// Inputs that are multiplied together.
const LANES: usize = 16;

/// Rows that one thread takes at a time.
const ROWS: usize = 64;

/// The zeros of an [`nn::Linear`](Linear) left out: each output's weights as pairs of input and value, of 8 bytes.
///
/// `y = x W + b` with `x` of `[batch, inputs]` and `y` of `[batch, outputs]`, on the host and by all threads, off the
/// autodiff tape. At a batch of 1 it is bound by memory as the dense product is, and moves `2 * density` of its bytes.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use regimen_pruning::{SparseLinear, after};
///
/// let device = Device::flex();
/// let linear = LinearConfig::new(64, 10).init(&device);
/// let masks = after::magnitude(&linear, regimen_pruning::Masks::dense(&linear)?, 0.95)?;
/// let linear: Linear = masks.apply(linear)?;
///
/// let sparse = SparseLinear::new(&linear)?;
/// assert_eq!((sparse.count(), sparse.outputs()), (32, 10));
/// let x = Tensor::<2>::ones([3, 64], &device);
/// let difference = (sparse.forward(x.clone())? - linear.forward(x)).abs().max();
/// assert!(difference.into_scalar::<f32>() < 1e-5);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct SparseLinear {
    weight: CsMatI<f32, u32>,
    bias: Option<Vec<f32>>,
}

impl SparseLinear {
    /// The layer's weights that are not zero, and its bias.
    ///
    /// # Errors
    /// If the device cannot be read, or the layer has more than 4 billion weights.
    pub fn new(linear: &Linear) -> Result<Self> {
        let [inputs, outputs] = linear.weight.val().dims();
        index(inputs.saturating_mul(outputs))?;
        let values = crate::error::read("weight", linear.weight.val())?;
        let mut starts = vec![0_u32];
        let (mut columns, mut kept) = (Vec::new(), Vec::new());
        for row in values.chunks(outputs.max(1)) {
            let found = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
            for (column, value) in found {
                columns.push(index(column)?);
                kept.push(*value);
            }
            starts.push(index(kept.len())?);
        }
        let by_input = rows_of((inputs, outputs), starts, columns, kept)?;
        let bias = linear.bias.as_ref();
        Ok(Self {
            weight: by_input.transpose_into().to_csr(),
            bias: bias
                .map(|bias| crate::error::read("bias", bias.val()))
                .transpose()?,
        })
    }

    /// The dense layer again, on a device.
    #[must_use]
    pub fn to_linear(&self, device: &Device) -> Linear {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let mut dense = vec![0.0_f32; inputs * outputs];
        for (value, (output, input)) in &self.weight {
            dense[input as usize * outputs + output as usize] = *value;
        }
        let weight = Tensor::<2>::from_data(TensorData::new(dense, [inputs, outputs]), device);
        let bias = self.bias.as_ref();
        Linear {
            weight: burn::module::Param::from_tensor(weight),
            bias: bias.map(|bias| {
                let data = TensorData::new(bias.clone(), [outputs]);
                burn::module::Param::from_tensor(Tensor::from_data(data, device))
            }),
        }
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weight.cols()
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// Number of weights that are stored.
    #[must_use]
    pub fn count(&self) -> usize {
        self.weight.nnz()
    }

    /// Share of weights that are stored.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.count() as f64 / (self.inputs() * self.outputs()) as f64
    }

    /// Bytes of weights, indices and bias.
    #[must_use]
    pub fn bytes(&self) -> usize {
        4 * (2 * self.count() + self.outputs() + 1 + self.bias.as_ref().map_or(0, Vec::len))
    }

    /// `[batch, inputs]` to `[batch, outputs]`, on the device of the inputs.
    ///
    /// # Errors
    /// If the inputs' width differs or their device cannot be read.
    pub fn forward(&self, inputs: Tensor<2>) -> Result<Tensor<2>> {
        let ([batch, width], device) = (inputs.dims(), inputs.device().inner());
        if width != self.inputs() {
            return Err(PruningError::range(
                "inputs.dims()[1]",
                width,
                &self.inputs().to_string(),
            ));
        }
        let outputs = self.apply(&crate::error::read("inputs", inputs)?)?;
        let data = TensorData::new(outputs, [batch, self.outputs()]);
        Ok(Tensor::from_data(data, &device))
    }

    /// As [`forward`](Self::forward), over slices: rows of `inputs` values to rows of `outputs` values.
    ///
    /// # Errors
    /// If the length is no multiple of the layer's inputs.
    pub fn apply(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        let width = self.inputs();
        if width == 0 || !inputs.len().is_multiple_of(width) {
            let allowed = format!("a multiple of {width}, the layer's inputs");
            return Err(PruningError::range("inputs.len()", inputs.len(), &allowed));
        }
        let batch = inputs.len() / width;
        let mut outputs = vec![0.0; batch * self.outputs()];
        if outputs.is_empty() {
            return Ok(outputs);
        }
        if batch < LANES / 4 {
            let rows = inputs.chunks(width).zip(outputs.chunks_mut(self.outputs()));
            rows.for_each(|(x, y)| self.one(x, y));
        } else {
            let tiles = inputs.chunks(LANES * width);
            let tiles = tiles.zip(outputs.chunks_mut(LANES * self.outputs()));
            tiles.for_each(|(x, y)| self.many(x, y));
        }
        Ok(outputs)
    }

    fn bias(&self, row: usize) -> f32 {
        self.bias.as_ref().map_or(0.0, |bias| bias[row])
    }

    /// The columns and values of a row.
    fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let starts = self.weight.indptr();
        let range = starts.outer_inds_sz(row);
        (
            &self.weight.indices()[range.clone()],
            &self.weight.data()[range],
        )
    }

    /// One row of inputs.
    fn one(&self, x: &[f32], y: &mut [f32]) {
        let blocks = y.par_chunks_mut(ROWS).enumerate();
        blocks.for_each(|(block, y)| {
            for (i, y) in y.iter_mut().enumerate() {
                let row = block * ROWS + i;
                let (columns, values) = self.row(row);
                *y = dot(columns, values, x) + self.bias(row);
            }
        });
    }

    /// Up to [`LANES`] rows of inputs together, so that each weight is read once for all of them.
    fn many(&self, x: &[f32], y: &mut [f32]) {
        let (width, height) = (self.inputs(), self.outputs());
        let mut lanes = vec![[0.0_f32; LANES]; width];
        for (lane, x) in x.chunks(width).enumerate() {
            lanes.iter_mut().zip(x).for_each(|(l, x)| l[lane] = *x);
        }
        let mut sums = vec![[0.0_f32; LANES]; height];
        let blocks = sums.par_chunks_mut(ROWS).enumerate();
        blocks.for_each(|(block, sums)| {
            for (i, sum) in sums.iter_mut().enumerate() {
                let row = block * ROWS + i;
                let (columns, values) = self.row(row);
                let mut total = [self.bias(row); LANES];
                for (column, value) in columns.iter().zip(values) {
                    let x = &lanes[*column as usize];
                    total.iter_mut().zip(x).for_each(|(t, x)| *t += value * x);
                }
                *sum = total;
            }
        });
        for (lane, y) in y.chunks_mut(height).enumerate() {
            y.iter_mut().zip(&sums).for_each(|(y, sum)| *y = sum[lane]);
        }
    }
}

/// Four sums at a time, which do not wait for each other.
fn dot(columns: &[u32], values: &[f32], x: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 4];
    let (columns, last_columns) = columns.as_chunks::<4>();
    let (values, last_values) = values.as_chunks::<4>();
    for (columns, values) in columns.iter().zip(values) {
        for lane in 0..4 {
            sums[lane] += values[lane] * x[columns[lane] as usize];
        }
    }
    let last = last_columns.iter().zip(last_values);
    let last: f32 = last.map(|(c, v)| v * x[*c as usize]).sum();
    sums.iter().sum::<f32>() + last
}

fn index(value: usize) -> Result<u32> {
    let wrong = |_| PruningError::range("weights", value, "at most 2^32 - 1");
    u32::try_from(value).map_err(wrong)
}

/// The layer as it is saved.
#[derive(Serialize, Deserialize)]
struct Parts {
    shape: (usize, usize),
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl From<SparseLinear> for Parts {
    fn from(SparseLinear { weight, bias }: SparseLinear) -> Self {
        let shape = weight.shape();
        let (starts, columns, values) = weight.into_raw_storage();
        Self {
            shape,
            starts,
            columns,
            values,
            bias,
        }
    }
}

impl TryFrom<Parts> for SparseLinear {
    type Error = PruningError;

    fn try_from(parts: Parts) -> Result<Self> {
        let rows = parts.shape.0;
        if parts.bias.as_ref().is_some_and(|bias| bias.len() != rows) {
            let expected = format!("{rows} rows, another number of biases");
            return Err(PruningError::Sparse(expected));
        }
        Ok(Self {
            weight: rows_of(parts.shape, parts.starts, parts.columns, parts.values)?,
            bias: parts.bias,
        })
    }
}

/// Checked compressed rows.
fn rows_of(
    shape: (usize, usize),
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
) -> Result<CsMatI<f32, u32>> {
    let rows = CsMatI::try_new(shape, starts, columns, values);
    rows.map_err(|(.., error)| PruningError::Sparse(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::module::Param;
    use proptest::prelude::*;

    /// A layer of small integers, whose sums are exact in any order.
    fn layer(inputs: usize, outputs: usize, every: usize, bias: bool) -> Linear {
        let device = Device::flex();
        let value = |i: usize| match i % every {
            0 => ((i * 37 + 11) % 17) as f32 - 8.0,
            _ => 0.0,
        };
        let weight: Vec<f32> = (0..inputs * outputs).map(value).collect();
        let weight = Tensor::<2>::from_data(TensorData::new(weight, [inputs, outputs]), &device);
        let values: Vec<f32> = (0..outputs).map(|i| (i % 5) as f32 - 2.0).collect();
        let values = Tensor::<1>::from_data(TensorData::new(values, [outputs]), &device);
        Linear {
            weight: Param::from_tensor(weight),
            bias: bias.then(|| Param::from_tensor(values)),
        }
    }

    fn batch(batch: usize, inputs: usize) -> Tensor<2> {
        let values: Vec<f32> = (0..batch * inputs)
            .map(|i| ((i * 29 + 3) % 13) as f32 - 6.0)
            .collect();
        Tensor::from_data(TensorData::new(values, [batch, inputs]), &Device::flex())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn equals_the_dense_layer(inputs in 1_usize..90, outputs in 1_usize..150, every in 1_usize..40,
            size in 0_usize..40, bias: bool) {
            let linear = layer(inputs, outputs, every, bias);
            let sparse = SparseLinear::new(&linear).unwrap();
            let x = batch(size.max(1), inputs);
            // As numbers, since the dense product of a zero and a negative input is -0.
            let expected = linear.forward(x.clone()).try_into_vec_as::<f32>().unwrap();
            prop_assert_eq!(sparse.forward(x).unwrap().try_into_vec_as::<f32>().unwrap(), expected);
            let again = SparseLinear::new(&sparse.to_linear(&Device::flex())).unwrap();
            prop_assert_eq!(&again, &sparse);
            let text = serde_json::to_string(&sparse).unwrap();
            prop_assert_eq!(serde_json::from_str::<SparseLinear>(&text).unwrap(), sparse);
        }
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let sparse = SparseLinear::new(&layer(6, 4, 2, true)).unwrap();
        assert!(sparse.forward(batch(2, 5)).is_err());
        assert!(sparse.apply(&[0.0; 7]).is_err());
        assert!(sparse.apply(&[]).unwrap().is_empty());
        let mut parts = Parts::from(sparse);
        parts.bias = Some(vec![0.0; 3]);
        let text = serde_json::to_string(&parts).unwrap();
        assert!(serde_json::from_str::<SparseLinear>(&text).is_err());
    }
}
