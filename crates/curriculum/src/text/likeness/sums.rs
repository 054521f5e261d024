//! What the cosines with some of the targets tell of each document.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use regimen_tensor::linalg::inner_products;

use super::aggregation::Aggregation;
use super::radix::Radix;
use super::ranks::Ranker;
use super::vectors::{Vectors, scaled, scales, unit};
use crate::error::{CurriculumError, Result};

/// Documents whose cosines are computed by one thread at a time.
const DOCUMENTS_AT_ONCE: usize = 1024;

/// The place for the cosines of a piece of the documents, and their best cosines.
type Piece<'a> = (&'a mut [f32], &'a mut [f32]);

/// The cosines of some targets with all documents: of each piece of the documents `[targets, piece]`, one piece after the other.
struct Block<'a> {
    cosines: &'a mut [f32],
    targets: usize,
}

impl Block<'_> {
    /// Of each target the cosines with a piece of the documents.
    fn of_target(&self, target: usize) -> impl Iterator<Item = &[f32]> {
        let pieces = self.cosines.chunks(self.targets * DOCUMENTS_AT_ONCE);
        pieces.map(move |piece| {
            let documents = piece.len() / self.targets;
            &piece[target * documents..(target + 1) * documents]
        })
    }

    /// The same of several targets.
    fn rows_mut(&mut self, from: usize, to: usize) -> Vec<Vec<&mut [f32]>> {
        let mut rows: Vec<Vec<&mut [f32]>> = Vec::new();
        rows.resize_with(to - from, Vec::new);
        for piece in self.cosines.chunks_mut(self.targets * DOCUMENTS_AT_ONCE) {
            let documents = piece.len() / self.targets;
            let pieces = piece[from * documents..to * documents].chunks_mut(documents);
            for (row, cosines) in rows.iter_mut().zip(pieces) {
                row.push(cosines);
            }
        }
        rows
    }
}

/// The greater of each pair.
fn raise(best: &mut [f32], cosines: &[f32]) {
    for (best, cosine) in best.iter_mut().zip(cosines) {
        let (old, new) = (*best, *cosine);
        *best = if new > old { new } else { old };
    }
}

/// What a piece has of some targets.
fn rows(piece: &[f32], from: usize, to: usize, documents: usize) -> std::slice::Chunks<'_, f32> {
    piece[from * documents..to * documents].chunks(documents)
}

/// The lower rank of each pair.
fn lower(best: &mut [u32], ranks: &[f32]) {
    for (best, rank) in best.iter_mut().zip(ranks) {
        *best = rank.to_bits().min(*best);
    }
}

/// What threads need for ranks, kept from one target to the next.
#[derive(Default)]
struct Memory(Mutex<Vec<Radix>>);

impl Memory {
    fn all(&self) -> MutexGuard<'_, Vec<Radix>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Radix {
        self.all().pop().unwrap_or_default()
    }

    fn give(&self, radix: Radix) {
        self.all().push(radix);
    }
}

/// Targets whose ranks are multiplied before the logarithm is taken: the product of so many numbers below 2^32 is far from the greatest `f64`.
const RANKS_MULTIPLIED: usize = 30;

/// The first targets whose better ranks are looked for together.
const FIRST_TARGETS: usize = 16;

/// What is known of each document after some of the targets.
pub(super) struct Sums {
    aggregation: Aggregation,
    pub(super) best_ranks: Vec<u32>,
    pub(super) best_cosines: Vec<f32>,
    /// Empty where the best rank decides.
    sums: Vec<f64>,
    /// Of the ranks whose logarithm is not in the sums yet.
    products: Vec<f64>,
    /// What brings each document's vector to the length 1.
    scales: Vec<f64>,
    /// Targets that were added.
    targets: usize,
    memory: Memory,
}

impl Sums {
    pub(super) fn new(pool: &Vectors<'_>, aggregation: Aggregation) -> Self {
        let (documents, dimensions) = (pool.count(), pool.dimensions());
        let (sums, products) = match aggregation {
            Aggregation::Max => (0, 0),
            Aggregation::MeanLog => (documents, documents),
            Aggregation::MeanReciprocal | Aggregation::MeanCosine => (documents, 0),
        };
        let pieces = pool
            .part(0, documents)
            .par_chunks(DOCUMENTS_AT_ONCE * dimensions);
        let scales = pieces.flat_map_iter(|piece| scales(piece, dimensions));
        Self {
            aggregation,
            best_ranks: vec![u32::MAX; documents],
            best_cosines: vec![f32::NEG_INFINITY; documents],
            sums: vec![0.0; sums],
            products: vec![1.0; products],
            scales: scales.collect(),
            targets: 0,
            memory: Memory::default(),
        }
    }

    /// The score of each document.
    pub(super) fn scores(&self) -> Vec<f64> {
        let targets = self.targets as f64;
        let ranks = self.best_ranks.iter().copied().map(f64::from);
        let sums = self.sums.iter();
        match self.aggregation {
            Aggregation::Max => ranks.map(|rank| -rank.log2()).collect(),
            Aggregation::MeanLog => {
                let sums = sums.zip(&self.products);
                let mean = |(sum, product): (&f64, &f64)| (sum - product.log2()) / targets;
                sums.map(mean).collect()
            }
            _ => sums.map(|sum| sum / targets).collect(),
        }
    }

    /// Adds targets, with a place for their cosines with each document; within each document in the order of the targets, so that sums do not
    /// depend on threads.
    pub(super) fn add(
        &mut self,
        cosines: &mut [f32],
        pool: &Vectors<'_>,
        targets: &[f32],
    ) -> Result<()> {
        let targets_at_once = targets.len() / pool.dimensions();
        let mut block = Block {
            cosines,
            targets: targets_at_once,
        };
        self.multiply(&mut block, pool, targets)?;
        match self.aggregation {
            Aggregation::MeanLog | Aggregation::MeanReciprocal => self.sum_ranks(&mut block),
            Aggregation::Max => self.find_better(&block),
            Aggregation::MeanCosine => {
                self.find_better(&block);
                self.sum_cosines(&block);
            }
        }
        self.targets += targets_at_once;
        Ok(())
    }

    /// Fills a block, and looks for the best cosines while they are at hand.
    fn multiply(
        &mut self,
        block: &mut Block<'_>,
        pool: &Vectors<'_>,
        targets: &[f32],
    ) -> Result<()> {
        let dimensions = pool.dimensions();
        let mut units = Vec::new();
        unit(targets, dimensions, &mut units);
        let pieces = block
            .cosines
            .par_chunks_mut(block.targets * DOCUMENTS_AT_ONCE);
        let pieces = pieces.zip(self.best_cosines.par_chunks_mut(DOCUMENTS_AT_ONCE));
        let lengths = &self.scales;
        let work = |documents: &mut Vec<f32>, (piece, (out, best)): (usize, Piece<'_>)| {
            let from = piece * DOCUMENTS_AT_ONCE;
            let to = from + best.len();
            let scales = lengths[from..to].iter().copied();
            scaled(pool.part(from, to), dimensions, scales, documents);
            let fits = inner_products(&units, documents, dimensions, out);
            fits.map_err(|error| CurriculumError::OutOfRange {
                field: "vectors",
                value: error.to_string(),
                allowed: "matrices that fit",
            })?;
            out.chunks(best.len())
                .for_each(|cosines| raise(best, cosines));
            Ok(())
        };
        pieces.enumerate().try_for_each_init(Vec::new, work)
    }

    /// The best ranks alone. A few targets teach about them, and save work for those after them.
    fn find_better(&mut self, block: &Block<'_>) {
        let (mut from, mut at_once) = (0, self.targets.max(FIRST_TARGETS));
        while from < block.targets {
            let to = block.targets.min(from + at_once);
            let better = (from..to).into_par_iter();
            let better = better.map_init(Ranker::default, |ranker, target| {
                ranker.better(block.of_target(target), &self.best_ranks)
            });
            for (document, rank) in better.collect::<Vec<_>>().into_iter().flatten() {
                let best = &mut self.best_ranks[document as usize];
                *best = rank.min(*best);
            }
            (from, at_once) = (to, at_once * 2);
        }
    }

    /// Puts ranks in the place of the cosines, and sums them up: a few targets at a time, while they are at hand.
    fn sum_ranks(&mut self, block: &mut Block<'_>) {
        let at_once = 16 * rayon::current_num_threads();
        for from in (0..block.targets).step_by(at_once) {
            let to = (from + at_once).min(block.targets);
            let rows = block.rows_mut(from, to).into_par_iter();
            rows.for_each(|mut row| {
                let mut radix = self.memory.take();
                radix.rank(&mut row);
                self.memory.give(radix);
            });
            self.add_ranks(block, from, to);
        }
    }

    /// Adds the ranks under some targets of a block to what is known.
    fn add_ranks(&mut self, block: &Block<'_>, from: usize, to: usize) {
        let all = block.cosines.par_chunks(block.targets * DOCUMENTS_AT_ONCE);
        let best = self.best_ranks.par_chunks_mut(DOCUMENTS_AT_ONCE);
        let sums = self.sums.par_chunks_mut(DOCUMENTS_AT_ONCE);
        let pieces = all.zip(best).zip(sums);
        if self.products.is_empty() {
            pieces.for_each(|((piece, best), sums)| {
                for ranks in rows(piece, from, to, best.len()) {
                    lower(best, ranks);
                    for (sum, rank) in sums.iter_mut().zip(ranks) {
                        *sum += f64::from(rank.to_bits()).recip();
                    }
                }
            });
            return;
        }
        let done = self.targets;
        let products = self.products.par_chunks_mut(DOCUMENTS_AT_ONCE);
        pieces
            .zip(products)
            .for_each(|(((piece, best), sums), products)| {
                for (target, ranks) in (done + from + 1..).zip(rows(piece, from, to, best.len())) {
                    lower(best, ranks);
                    for (product, rank) in products.iter_mut().zip(ranks) {
                        *product *= f64::from(rank.to_bits());
                    }
                    if target.is_multiple_of(RANKS_MULTIPLIED) {
                        for (sum, product) in sums.iter_mut().zip(products.iter_mut()) {
                            *sum -= std::mem::replace(product, 1.0).log2();
                        }
                    }
                }
            });
    }

    fn sum_cosines(&mut self, block: &Block<'_>) {
        let pieces = self.sums.par_chunks_mut(DOCUMENTS_AT_ONCE);
        let all = block.cosines.par_chunks(block.targets * DOCUMENTS_AT_ONCE);
        pieces.zip(all).for_each(|(sums, cosines)| {
            for cosines in cosines.chunks(sums.len()) {
                for (sum, cosine) in sums.iter_mut().zip(cosines) {
                    *sum += f64::from(*cosine);
                }
            }
        });
    }
}
