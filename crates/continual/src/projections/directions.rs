//! # Directions
//!
//! Directions in a model's parameter space, stacked so that products with all of them are one matrix product a parameter.
//!
//! Source: none: `S g` and `S^T v` of a matrix S with one direction a row.

use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamVector;

use crate::Result;
use crate::strategy::zero;

/// Rows of one block: to add a direction copies one block at most.
const BLOCK: usize = 64;

/// Directions in a model's parameter space, in f32, on the device of the vector that it was made of.
///
/// One number a parameter scalar and direction is kept. Vectors of other devices, and of a model whose parameters have other ids, are
/// brought here by the paths of their parameters.
#[derive(Clone, Debug)]
pub struct Directions {
    space: ParamVector,
    /// Blocks of rows, in each one matrix `[rows, scalars]` a parameter.
    blocks: Vec<Vec<Tensor<2>>>,
}

impl Directions {
    /// None yet, in the space of this vector.
    #[must_use]
    pub fn new(space: &ParamVector) -> Self {
        let space = space.clone().map(|_, values| {
            let zero = zero(&values.device());
            zero.expand(values.shape())
        });
        Self {
            space,
            blocks: Vec::new(),
        }
    }

    /// How many directions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| rows(block)).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds these, in their order.
    ///
    /// # Errors
    /// If one is of another model, or the model has no parameter.
    pub fn extend(&mut self, vectors: &[ParamVector]) -> Result<()> {
        if self.space.entries().is_empty() {
            let what = "the parameters of directions";
            return Err(crate::ContinualError::Empty(what));
        }
        let vectors = vectors.iter().map(|vector| self.here(vector));
        let vectors = vectors.collect::<Result<Vec<_>>>()?;
        let room = match self.blocks.last() {
            Some(last) => BLOCK - rows(last),
            None => 0,
        };
        let (first, rest) = vectors.split_at(room.min(vectors.len()));
        if let (Some(last), false) = (self.blocks.last_mut(), first.is_empty()) {
            for (matrix, more) in last.iter_mut().zip(stacked(first)) {
                *matrix = Tensor::cat(vec![matrix.clone(), more], 0);
            }
        }
        self.blocks.extend(rest.chunks(BLOCK).map(stacked));
        Ok(())
    }

    /// The inner products of all directions with a vector, `[directions]`; none where there is no direction.
    ///
    /// # Errors
    /// If it is of another model.
    pub fn products(&self, vector: &ParamVector) -> Result<Option<Tensor<1>>> {
        let vector = stacked(&[self.here(vector)?]);
        let parts = self.blocks.iter().map(|block| {
            let all = block.iter().zip(&vector);
            let all = all.map(|(rows, one)| rows.clone().matmul(one.clone().transpose()));
            sum(all).unwrap_or_else(|| self.zeros(rows(block), 1))
        });
        let parts: Vec<_> = parts.map(|part| part.flatten(0, 1)).collect();
        Ok((!parts.is_empty()).then(|| Tensor::cat(parts, 0)))
    }

    /// The inner products of all with all, `[directions, directions]`; none where there is no direction.
    #[must_use]
    pub fn gram(&self) -> Option<Tensor<2>> {
        let rows = self.blocks.iter().map(|left| {
            let row = self.blocks.iter().map(|right| {
                let all = left.iter().zip(right);
                let all = all.map(|(left, right)| left.clone().matmul(right.clone().transpose()));
                sum(all).unwrap_or_else(|| self.zeros(rows(left), rows(right)))
            });
            Tensor::cat(row.collect(), 1)
        });
        let rows: Vec<_> = rows.collect();
        (!rows.is_empty()).then(|| Tensor::cat(rows, 0))
    }

    /// The sum of all, each times its factor of `factors`, `[directions]`, for the parameters of `like`.
    ///
    /// # Errors
    /// If `like` is of another model, or the number of factors differs.
    pub fn combined(&self, factors: Tensor<1>, like: &ParamVector) -> Result<ParamVector> {
        let [found] = factors.dims();
        if found != self.len() {
            return Err(crate::ContinualError::mismatch(
                "factors of directions",
                self.len(),
                found,
            ));
        }
        let mut from = 0;
        let mut sums: Option<Vec<Tensor<1>>> = None;
        for block in &self.blocks {
            let count = rows(block);
            let part = factors.clone().narrow(0, from, count).reshape([1, count]);
            let part = part.cast(FloatDType::F32);
            from += count;
            let parts = block.iter().map(|rows| {
                let part = part.clone().to_device(&rows.device());
                part.matmul(rows.clone()).flatten(0, 1)
            });
            sums = Some(match sums {
                Some(sums) => sums.into_iter().zip(parts).map(|(a, b)| a + b).collect(),
                None => parts.collect(),
            });
        }
        let mut sums = sums.into_iter().flatten();
        let all = self
            .space
            .clone()
            .map(|_, values| sums.next().unwrap_or(values));
        Ok(all.rebound(like)?)
    }

    /// For each parameter, by its path, the matrix `[directions, scalars]`.
    pub(crate) fn matrices(&self) -> Vec<(String, Tensor<2>)> {
        let entries = self.space.entries().iter().enumerate();
        let matrices = entries.filter_map(|(place, entry)| {
            let blocks: Vec<_> = self.blocks.iter().map(|b| b[place].clone()).collect();
            (!blocks.is_empty()).then(|| (entry.path.clone(), Tensor::cat(blocks, 0)))
        });
        matrices.collect()
    }

    /// Of such matrices: `find` gives that of a path.
    ///
    /// # Errors
    /// If one is missing or does not fit.
    pub(crate) fn of_matrices(
        space: &ParamVector,
        count: usize,
        mut find: impl FnMut(&str) -> Result<Option<Tensor<2>>>,
    ) -> Result<Self> {
        let mut directions = Self::new(space);
        if count == 0 {
            return Ok(directions);
        }
        let mut all = Vec::new();
        for entry in directions.space.entries() {
            let found = find(&entry.path)?;
            match found.filter(|matrix| matrix.dims() == [count, entry.len()]) {
                Some(matrix) => all.push(matrix.to_device(&entry.values.device())),
                None => {
                    return Err(crate::ContinualError::State(format!(
                        "the directions of `{}` are missing or of another shape",
                        entry.path
                    )));
                }
            }
        }
        let starts = (0..count).step_by(BLOCK);
        let block = |from: usize| {
            let rows = BLOCK.min(count - from);
            let parts = all.iter().map(|all| all.clone().narrow(0, from, rows));
            parts.collect()
        };
        directions.blocks = starts.map(block).collect();
        Ok(directions)
    }

    fn here(&self, vector: &ParamVector) -> Result<ParamVector> {
        let vector = vector.rebound(&self.space)?;
        Ok(vector.map(|_, values| values.cast(FloatDType::F32)))
    }

    fn zeros(&self, rows: usize, columns: usize) -> Tensor<2> {
        let first = self.space.entries().first();
        let device = first.map_or_else(Default::default, |entry| entry.values.device());
        Tensor::zeros([rows, columns], (&device, FloatDType::F32.into()))
    }
}

fn rows(block: &[Tensor<2>]) -> usize {
    block.first().map_or(0, |matrix| matrix.dims()[0])
}

/// One matrix a parameter.
fn stacked(vectors: &[ParamVector]) -> Vec<Tensor<2>> {
    let parameters = vectors.first().map_or(0, |vector| vector.entries().len());
    let matrix = |place: usize| {
        let rows = vectors.iter().map(|vector| {
            let values = vector.entries()[place].values.clone();
            let [count] = values.dims();
            values.reshape([1, count])
        });
        Tensor::cat(rows.collect(), 0)
    };
    (0..parameters).map(matrix).collect()
}

fn sum(mut all: impl Iterator<Item = Tensor<2>>) -> Option<Tensor<2>> {
    let first = all.next()?;
    let device = first.device();
    Some(all.fold(first, |sum, part| sum + part.to_device(&device)))
}
