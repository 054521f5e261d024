//! A matrix in compressed rows on the host, and its product.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sprs::CsMatI;

use crate::{PruningError, Result};

/// Inputs that are multiplied together.
const LANES: usize = 16;

/// Rows that one thread takes at a time.
const ROWS: usize = 64;

/// A layer's weights, a row an output, and its bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub(super) struct Compressed {
    pub(super) weight: CsMatI<f32, u32>,
    pub(super) bias: Option<Vec<f32>>,
}

impl Compressed {
    /// What is not zero of values `[inputs, outputs]`.
    pub(super) fn of(
        values: &[f32],
        [inputs, outputs]: [usize; 2],
        bias: Option<Vec<f32>>,
    ) -> Result<Self> {
        index(inputs.saturating_mul(outputs))?;
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
        let weight = by_input.transpose_into().to_csr();
        Ok(Self { weight, bias })
    }

    /// Checked parts.
    pub(super) fn new(
        shape: (usize, usize),
        starts: Vec<u32>,
        columns: Vec<u32>,
        values: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<Self> {
        Self::try_from(Parts {
            shape,
            starts,
            columns,
            values,
            bias,
        })
    }

    /// The values `[inputs, outputs]`.
    pub(super) fn dense(&self) -> Vec<f32> {
        let (outputs, inputs) = self.weight.shape();
        let mut dense = vec![0.0_f32; inputs * outputs];
        for (value, (output, input)) in &self.weight {
            dense[input as usize * outputs + output as usize] = *value;
        }
        dense
    }

    fn inputs(&self) -> usize {
        self.weight.cols()
    }

    fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// Rows of inputs to rows of outputs.
    pub(super) fn apply(&self, inputs: &[f32]) -> Result<Vec<f32>> {
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

/// That a dense layer of this shape can be: its weights are counted in 32 bits.
pub(super) fn check_shape(outputs: usize, inputs: usize) -> Result<()> {
    const SIDE: usize = 1 << 26;
    for (field, side) in [("outputs", outputs), ("inputs", inputs)] {
        if side > SIDE {
            return Err(PruningError::range(field, side, &format!("0 to {SIDE}")));
        }
    }
    index(inputs.saturating_mul(outputs)).map(|_| ())
}

/// The layer as it is saved.
#[derive(Serialize, Deserialize)]
struct Parts {
    shape: (usize, usize),
    starts: Vec<u32>,
    columns: Vec<u32>,
    #[serde(with = "regimen_tensor::floats")]
    values: Vec<f32>,
    #[serde(default, with = "regimen_tensor::floats")]
    bias: Option<Vec<f32>>,
}

impl From<Compressed> for Parts {
    fn from(Compressed { weight, bias }: Compressed) -> Self {
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

impl TryFrom<Parts> for Compressed {
    type Error = PruningError;

    fn try_from(parts: Parts) -> Result<Self> {
        let rows = parts.shape.0;
        check_shape(rows, parts.shape.1)?;
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
