//! The ranks under one target that are better than the best so far.

use super::radix::{bounds, falling};

/// A cosine and the place of its document: the order of the keys is that of the ranks.
fn key(cosine: f32, place: usize) -> u64 {
    u64::from(falling(cosine)) << 32 | place as u64
}

/// The place of a key's document.
fn place(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// Memory that serves one target after another.
#[derive(Default)]
pub(super) struct Ranker {
    cosines: Vec<f32>,
    /// Of each document its cell: cells of equal width, from the highest cosine down.
    cells: Vec<u16>,
    starts: Vec<u32>,
    is_needed: Vec<bool>,
    keys: Vec<u64>,
}

/// Adding it to a number below leaves the rounded number in the last bits: quicker than a cast, which looks for NaN.
const ROUNDED: f32 = (1 << 23) as f32;

impl Ranker {
    /// Takes the cosines of the documents in pieces and counts those of each cell: from `starts[cell]` documents before it on.
    fn count<'a>(&mut self, pieces: impl Iterator<Item = &'a [f32]>, cells: usize) {
        self.cosines.clear();
        pieces.for_each(|piece| self.cosines.extend_from_slice(piece));
        let (low, high) = bounds(&self.cosines);
        let scale = (cells - 1) as f32 / (high - low).max(f32::MIN_POSITIVE);
        let last = (cells - 1) as u32;
        self.cells.clear();
        self.cells.extend(self.cosines.iter().map(|cosine| {
            let cell = ((high - cosine) * scale + ROUNDED).to_bits();
            (cell - ROUNDED.to_bits()).min(last) as u16
        }));
        self.starts.clear();
        self.starts.resize(cells + 1, 0);
        let counts = &mut self.starts[1..];
        for cell in &self.cells {
            counts[*cell as usize] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
    }

    /// The documents whose rank is better than the best one so far, with their ranks. Of most targets these are few, and only the cells in which
    /// they lie are sorted.
    pub(super) fn better<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [f32]>,
        best: &[u32],
    ) -> Vec<(u32, u32)> {
        let cells = (best.len() / 4).clamp(2, 1 << 12);
        self.count(pieces, cells);
        self.is_needed.clear();
        self.is_needed.resize(cells, false);
        let mut lowest = None;
        for (cell, best) in self.cells.iter().zip(best) {
            let cell = *cell as usize;
            if self.starts[cell] + 1 < *best {
                self.is_needed[cell] = true;
                lowest = lowest.max(Some(cell));
            }
        }
        let Some(lowest) = lowest else {
            return Vec::new();
        };
        self.keys.clear();
        for (place, cell) in self.cells.iter().enumerate() {
            let cell = *cell as usize;
            if cell <= lowest && self.is_needed[cell] {
                self.keys.push(key(self.cosines[place], place));
            }
        }
        self.keys.sort_unstable();
        // Within a cell the places of the keys are those of the ranks.
        let (mut found, mut last, mut rank) = (Vec::new(), usize::MAX, 0);
        for key in &self.keys {
            let place = place(*key);
            let cell = self.cells[place] as usize;
            if cell != last {
                (last, rank) = (cell, self.starts[cell]);
            }
            rank += 1;
            if rank < best[place] {
                found.push((place as u32, rank));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::radix::tests::plain;
    use super::*;

    #[test]
    fn better_ranks_are_those_of_a_plain_sort() {
        let cosine = |at: usize| ((at * 7919) % 1013) as f32 / 700.0 - 0.7;
        for (count, outlier) in [(2000, 0.0), (1013, 5.0), (1500, -900.0)] {
            let mut cosines: Vec<f32> = (0..count).map(cosine).collect();
            cosines[17] += outlier;
            let ranks = plain(&cosines);
            // The best so far: of every third document a better one, of others a worse one.
            let best: Vec<u32> = ranks.iter().map(|rank| rank / 3 * (rank % 7)).collect();
            let better = Ranker::default().better(cosines.chunks(100), &best);
            let expected = (0..count).filter(|place| ranks[*place] < best[*place]);
            let mut places: Vec<usize> = better.iter().map(|one| one.0 as usize).collect();
            places.sort_unstable();
            assert_eq!(places, expected.collect::<Vec<_>>());
            assert!(
                better
                    .iter()
                    .all(|(place, rank)| ranks[*place as usize] == *rank)
            );
        }
    }
}
