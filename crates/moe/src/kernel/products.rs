//! Matrix products on slices, and how the work of the experts is shared between threads.

use burn::tensor::TensorData;
use burn_flex::FlexTensor;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::job::{Inputs, Job};
use crate::dispatch::Plan;

/// A row-major matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a>(pub(super) &'a [f32], pub(super) usize, pub(super) usize);

impl<'a> Matrix<'a> {
    fn view(self) -> MatRef<'a, f32> {
        MatRef::from_row_major_slice(self.0, self.1, self.2)
    }
}

/// `out = a b`.
pub(super) fn product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, par: Par) {
    multiply(out, Accum::Replace, a.view(), b.view(), par);
}

/// `out = a b^T`.
pub(super) fn product_bt(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, par: Par) {
    multiply(out, Accum::Replace, a.view(), b.view().transpose(), par);
}

/// `out = a^T b`, or `out += a^T b`.
///
/// Adding to zeros would read fresh memory before writing it, which makes the system set up each page twice.
pub(super) fn product_at(out: &mut [f32], add: bool, a: Matrix<'_>, b: Matrix<'_>, par: Par) {
    let accum = if add { Accum::Add } else { Accum::Replace };
    multiply(out, accum, a.view().transpose(), b.view(), par);
}

fn multiply(out: &mut [f32], accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>, par: Par) {
    let out = MatMut::from_row_major_slice_mut(out, a.nrows(), b.ncols());
    matmul(out, accum, a, b, 1.0, par);
}

/// Sizes of the experts' weights.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Width of a token.
    pub(super) model: usize,
    /// Hidden units of an expert.
    pub(super) hidden: usize,
    /// Columns of the first product: twice `hidden` if gated.
    pub(super) wide: usize,
}

impl Sizes {
    pub(super) fn of(inputs: &Inputs, job: &Job) -> Self {
        let wide = inputs[2].layout().shape()[2];
        Self {
            model: inputs[0].layout().shape()[1],
            hidden: if job.gated { wide / 2 } else { wide },
            wide,
        }
    }
}

/// The values of a contiguous tensor.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or(&[])
}

/// A tensor of these values.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Splits a buffer into the experts' parts, `width` values an assignment.
pub(super) fn split<'a>(plan: &Plan, width: usize, buffer: &'a mut [f32]) -> Vec<&'a mut [f32]> {
    let mut rest = buffer;
    let mut part = |expert| {
        let (part, after) = std::mem::take(&mut rest).split_at_mut(plan.count(expert) * width);
        rest = after;
        part
    };
    (0..plan.experts()).map(&mut part).collect()
}

/// One thread an expert if there are enough experts at work, else all threads for each product.
pub(super) fn sharing(plan: &Plan) -> Par {
    let busy = (0..plan.experts()).filter(|&expert| plan.count(expert) > 0);
    if busy.count() >= 2 * rayon::current_num_threads() {
        Par::Seq
    } else {
        Par::rayon(0)
    }
}

/// Copies the rows of some tokens.
pub(super) fn gather(out: &mut [f32], rows: &[f32], tokens: &[usize], width: usize) {
    for (out, &token) in out.chunks_exact_mut(width).zip(tokens) {
        out.copy_from_slice(&rows[token * width..][..width]);
    }
}

/// Adds a row to every row.
pub(super) fn add_row(rows: &mut [f32], row: &[f32]) {
    for out in rows.chunks_exact_mut(row.len()) {
        out.iter_mut()
            .zip(row)
            .for_each(|(out, value)| *out += value);
    }
}

/// For each token the weighted sum of the rows of its assignments.
pub(super) fn combine(
    plan: &Plan,
    rows: &[f32],
    width: usize,
    weight: impl Fn(usize) -> f32 + Sync,
) -> Vec<f32> {
    let (starts, places) = plan.by_token();
    let mut out = vec![0.0; plan.tokens * width];
    let token = |(token, out): (usize, &mut [f32])| {
        let weighted = |place: usize| (weight(place), &rows[place * width..][..width]);
        let mut assignments = places[starts[token]..starts[token + 1]].iter();
        if let Some(&first) = assignments.next() {
            let (weight, row) = weighted(first);
            out.iter_mut()
                .zip(row)
                .for_each(|(out, value)| *out = weight * value);
        }
        for &place in assignments {
            let (weight, row) = weighted(place);
            out.iter_mut()
                .zip(row)
                .for_each(|(out, value)| *out += weight * value);
        }
    };
    out.par_chunks_mut(width)
        .with_min_len(64)
        .enumerate()
        .for_each(token);
    out
}
