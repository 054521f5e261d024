//! A projection whose matrix lies on a device.

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::entries::Entries;
use crate::error::{Result, TensorError};
use crate::watch::Watch;

/// How a projection is cut and kept.
pub(super) struct Plan {
    /// Positions of a block of the matrix.
    pub(super) chunk: usize,
    /// Bytes of the matrix that are kept.
    pub(super) memory: usize,
    /// Buckets of the folding.
    pub(super) buckets: Option<usize>,
}

/// A [`Projection`](super::Projection) of vectors of one length, drawn once and kept on their device.
///
/// Made by [`Projection::draw`](super::Projection::draw): use it where many vectors are projected.
#[derive(Clone, Debug)]
pub struct Drawn {
    entries: Entries,
    scalars: usize,
    width: usize,
    chunk: usize,
    /// Where each fold starts and how many scalars it takes; empty where nothing is folded.
    step: Option<usize>,
    /// The first folds.
    folds: Vec<Fold>,
    /// The first blocks of the transposed matrix, `[chunk, dimensions]` each.
    blocks: Vec<Tensor<2>>,
    device: Device,
}

/// Some pieces of a vector, and where each bucket takes its scalar from.
#[derive(Clone, Debug)]
struct Fold {
    start: usize,
    length: usize,
    pieces: usize,
    positions: Tensor<1, Int>,
    signs: Tensor<2>,
}

/// Scalars of a vector that are folded at once: it bounds the memory, not the result.
const FOLDED: usize = 1 << 20;

/// A position and a sign for each scalar.
const BYTES_OF_FOLD: usize = 12;

impl Drawn {
    pub(super) fn new(
        entries: Entries,
        plan: &Plan,
        scalars: usize,
        device: &Device,
        watch: &Watch,
    ) -> Self {
        let buckets = plan.buckets.filter(|buckets| *buckets < scalars);
        let width = buckets.unwrap_or(scalars);
        let mut drawn = Self {
            entries,
            scalars,
            width,
            chunk: plan.chunk,
            step: buckets.map(|buckets| (FOLDED / buckets).max(1) * buckets),
            folds: Vec::new(),
            blocks: Vec::new(),
            device: device.clone(),
        };
        let folds = drawn.step.map_or(0, |step| {
            let kept = plan.memory / step.saturating_mul(BYTES_OF_FOLD);
            kept.min(scalars.div_ceil(step))
        });
        let blocks = plan.memory / (4 * entries.dimensions * plan.chunk).max(1);
        let blocks = blocks.min(width.div_ceil(plan.chunk));
        let total = folds + blocks;
        if total == 0 {
            return drawn;
        }
        let dimensions = entries.dimensions;
        let _span = tracing::info_span!("draw a projection", dimensions, scalars).entered();
        let goes_on = |done| done == 0 || watch.goes_on("draw a projection", done, total);
        for fold in 0..folds {
            if !goes_on(fold) {
                return drawn;
            }
            drawn.folds.push(drawn.fold(fold));
        }
        for block in 0..blocks {
            if !goes_on(folds + block) {
                return drawn;
            }
            drawn.blocks.push(drawn.block(block * plan.chunk));
        }
        // All is drawn: there is nothing to stop.
        let _ = watch.goes_on("draw a projection", total, total);
        drawn
    }

    /// The number of folds.
    fn folds(&self) -> usize {
        self.step.map_or(0, |step| self.scalars.div_ceil(step))
    }

    fn fold(&self, place: usize) -> Fold {
        let buckets = self.width;
        let step = self.step.unwrap_or(self.scalars);
        let start = place * step;
        let length = step.min(self.scalars - start);
        let pieces = length.div_ceil(buckets);
        let (mut positions, mut signs) = (Vec::new(), Vec::new());
        for piece in 0..pieces {
            let own = buckets.min(length - piece * buckets);
            let (place, sign) = self.entries.folding(start / buckets + piece, own, buckets);
            positions.extend(place.into_iter().map(|at| at + (piece * buckets) as i64));
            signs.extend(sign);
        }
        let count = pieces * buckets;
        Fold {
            start,
            length,
            pieces,
            positions: Tensor::from_data(TensorData::new(positions, [count]), &self.device),
            signs: single(signs, [1, count], &self.device),
        }
    }

    fn block(&self, start: usize) -> Tensor<2> {
        let length = self.chunk.min(self.width - start);
        let rows = self.entries.rows(start, length);
        single(rows, [self.entries.dimensions, length], &self.device).transpose()
    }

    /// Projects rows `[vectors, scalars]`, of any float type, to `[vectors, dimensions]` in f32.
    ///
    /// # Errors
    /// [`TensorError::Empty`] if there is no row, [`TensorError::OutOfRange`] if rows are of another length than was drawn
    /// for.
    pub fn apply(&self, rows: Tensor<2>) -> Result<Tensor<2>> {
        self.apply_watched(rows, &Watch::default())
    }

    /// As [`apply`](Self::apply); `watch` hears of each fold and each block of the matrix, as `"project"`.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), and [`TensorError::Stopped`] where the watch stops it: there is no projection then.
    pub fn apply_watched(&self, rows: Tensor<2>, watch: &Watch) -> Result<Tensor<2>> {
        let [count, scalars] = rows.dims();
        if count == 0 {
            return Err(TensorError::Empty("rows"));
        }
        if scalars != self.scalars {
            let allowed = format!("{}, the length that was drawn for", self.scalars);
            return Err(TensorError::out_of_range(
                "scalars of a row",
                scalars,
                allowed,
            ));
        }
        let (dimensions, device) = (self.entries.dimensions, rows.device());
        let _span = tracing::info_span!("project", vectors = count, dimensions, scalars).entered();
        let total = self.folds() + self.width.div_ceil(self.chunk);
        let done_with = |done: usize| {
            // After the last step there is nothing to stop.
            if watch.goes_on("project", done, total) || done == total {
                return Ok(());
            }
            let work = "project";
            Err(TensorError::Stopped { work, done, total })
        };
        let rows = self.folded(rows.cast(FloatDType::F32), &done_with)?;
        let mut sum = Tensor::<2>::zeros([count, dimensions], (&device, DType::F32));
        for (place, start) in (0..self.width).step_by(self.chunk).enumerate() {
            let length = self.chunk.min(self.width - start);
            let drawn = || self.block(start);
            let block = self.blocks.get(place).cloned().unwrap_or_else(drawn);
            sum = sum + rows.clone().narrow(1, start, length).matmul(block);
            done_with(self.folds() + place + 1)?;
        }
        Ok(sum * (dimensions as f64).sqrt().recip())
    }

    /// The rows in their buckets, `[vectors, width]`.
    fn folded(
        &self,
        rows: Tensor<2>,
        done_with: &impl Fn(usize) -> Result<()>,
    ) -> Result<Tensor<2>> {
        let count = rows.dims()[0];
        let mut folded: Option<Tensor<2>> = None;
        for place in 0..self.folds() {
            let kept = self.folds.get(place).cloned();
            let fold = kept.unwrap_or_else(|| self.fold(place));
            let part = rows.clone().narrow(1, fold.start, fold.length);
            let placed = part.select(1, fold.positions) * fold.signs;
            let sum: Tensor<2> = placed
                .reshape([count, fold.pieces, self.width])
                .sum_dim(1)
                .squeeze_dim(1);
            folded = Some(match folded {
                Some(before) => before + sum,
                None => sum,
            });
            done_with(place + 1)?;
        }
        Ok(folded.unwrap_or(rows))
    }
}

fn single(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}
