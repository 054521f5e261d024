//! What the cosines with some of the targets tell of each document.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use regimen_tensor::linalg::inner_products;

use super::aggregation::{Aggregation, RankValues};
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

/// What is known of each document after some of the targets.
pub(super) struct Sums {
    /// Where ranks are summed up.
    values: Option<RankValues>,
    pub(super) best_ranks: Vec<u32>,
    pub(super) best_cosines: Vec<f32>,
    /// Empty where the best rank decides.
    pub(super) sums: Vec<f64>,
    /// What brings each document's vector to the length 1.
    scales: Vec<f64>,
    memory: Memory,
}

impl Sums {
    pub(super) fn new(pool: &Vectors<'_>, aggregation: Aggregation) -> Self {
        let (documents, dimensions) = (pool.count(), pool.dimensions());
        let sums = match aggregation {
            Aggregation::Max => 0,
            _ => documents,
        };
        let values = match aggregation {
            Aggregation::Max | Aggregation::MeanCosine => None,
            _ => Some(RankValues::new(aggregation, documents)),
        };
        let pieces = pool
            .part(0, documents)
            .par_chunks(DOCUMENTS_AT_ONCE * dimensions);
        let scales = pieces.flat_map_iter(|piece| scales(piece, dimensions));
        Self {
            values,
            best_ranks: vec![u32::MAX; documents],
            best_cosines: vec![f32::NEG_INFINITY; documents],
            sums: vec![0.0; sums],
            scales: scales.collect(),
            memory: Memory::default(),
        }
    }

    /// Targets of the first block. Small blocks teach about the best ranks and save work for those after them; all ranks cost the same at any
    /// time.
    pub(super) fn first_targets(&self) -> usize {
        if self.values.is_some() {
            usize::MAX
        } else {
            16
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
        if let Some(values) = self.values.take() {
            self.sum_ranks(&mut block, &values);
            self.values = Some(values);
        } else {
            self.find_better(&block);
            self.sum_cosines(&block);
        }
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

    /// The best ranks alone.
    fn find_better(&mut self, block: &Block<'_>) {
        let better = (0..block.targets).into_par_iter();
        let better = better.map_init(Ranker::default, |ranker, target| {
            ranker.better(block.of_target(target), &self.best_ranks)
        });
        for (document, rank) in better.collect::<Vec<_>>().into_iter().flatten() {
            let best = &mut self.best_ranks[document as usize];
            *best = rank.min(*best);
        }
    }

    /// Puts ranks in the place of the cosines, and sums them up: a few targets at a time, while they are at hand.
    fn sum_ranks(&mut self, block: &mut Block<'_>, values: &RankValues) {
        let at_once = 16 * rayon::current_num_threads();
        for from in (0..block.targets).step_by(at_once) {
            let to = (from + at_once).min(block.targets);
            let rows = block.rows_mut(from, to).into_par_iter();
            rows.for_each(|mut row| {
                let mut radix = self.memory.take();
                radix.rank(&mut row);
                self.memory.give(radix);
            });
            let pieces = self.sums.par_chunks_mut(DOCUMENTS_AT_ONCE);
            let pieces = pieces.zip(self.best_ranks.par_chunks_mut(DOCUMENTS_AT_ONCE));
            let all = block.cosines.par_chunks(block.targets * DOCUMENTS_AT_ONCE);
            pieces.zip(all).for_each(|((sums, best), ranks)| {
                let documents = sums.len();
                for ranks in ranks[from * documents..to * documents].chunks(documents) {
                    for ((sum, best), rank) in sums.iter_mut().zip(best.iter_mut()).zip(ranks) {
                        let rank = rank.to_bits();
                        *best = rank.min(*best);
                        *sum += values.of(rank);
                    }
                }
            });
        }
    }

    /// Where the best rank decides there is no sum.
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
