//! The rank of every document under one target.

/// Bits of the codes that are sorted: a sum with [`ROUNDED`] holds them exactly.
const MOST_BITS: u32 = 23;

/// Adding it to a number below leaves the rounded number in the last bits: quicker than a cast, which looks for NaN.
const ROUNDED: f32 = (1 << 23) as f32;

/// Pieces of a row that tell between which bounds most cosines lie.
const PIECES_FOR_BOUNDS: usize = 16;

/// Memory that serves one target after another.
///
/// Cosines become codes of up to 23 bits, equally wide steps from the highest down, which are sorted by counting, first by their low digit, then by
/// their high one. The few documents whose cosines share a code are put right afterwards.
#[derive(Default)]
pub(super) struct Radix {
    codes: Vec<u32>,
    /// Where the next document of each low digit goes.
    lows: Vec<u32>,
    /// Of each high digit the next rank, and the place in `records` after the last one that had it.
    highs: Vec<u64>,
    /// Code and document, in the order of the low digits.
    records: Vec<u64>,
    /// Rank and document of those that share a code.
    shared: Vec<u64>,
    ranks: Vec<u32>,
}

/// Two numbers, of which the first is compared first.
fn pair(first: u32, second: usize) -> u64 {
    u64::from(first) << 32 | second as u64
}

fn first(pair: u64) -> u32 {
    (pair >> 32) as u32
}

fn second(pair: u64) -> usize {
    (pair & u64::from(u32::MAX)) as usize
}

/// The order of the numbers is that of the cosines, from the highest down.
pub(super) fn falling(cosine: f32) -> u32 {
    // Zeros of both signs are one number.
    let bits = (cosine + 0.0).to_bits();
    let rising = if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    };
    !rising
}

impl Radix {
    /// Puts in the place of each document's cosine the bits of its rank, the best 1; documents of one cosine are ranked in their order. The row
    /// comes in pieces of one length, of which the last may be shorter.
    pub(super) fn rank(&mut self, row: &mut [&mut [f32]]) {
        let documents = row.iter().map(|piece| piece.len()).sum::<usize>();
        // Some 80 steps a document, so that few share one.
        let bits = (documents.max(2).ilog2() + 7).min(MOST_BITS);
        // Documents go to a place for each low digit: few places stay in the nearest cache.
        let low_bits = bits * 2 / 5;
        self.encode(row, bits, documents);
        self.count([low_bits, bits - low_bits]);
        self.sort_low();
        self.sort_high(low_bits);
        self.put_right(row);
        let mut rest = &self.ranks[..];
        for piece in row {
            let (ranks, after) = rest.split_at(piece.len());
            for (to, rank) in piece.iter_mut().zip(ranks) {
                *to = f32::from_bits(*rank);
            }
            rest = after;
        }
    }

    fn encode(&mut self, row: &[&mut [f32]], bits: u32, documents: usize) {
        // Of some of the pieces, and as much again: what lies outside shares the first code or the last one.
        let some = row.iter().step_by(row.len().div_ceil(PIECES_FOR_BOUNDS));
        let (low, high) = some.fold((f32::INFINITY, f32::NEG_INFINITY), |all, piece| {
            let one = bounds(piece);
            (all.0.min(one.0), all.1.max(one.1))
        });
        let more = (high - low) * 0.1;
        let (low, high) = (low - more, high + more);
        let last = ((1_u32 << bits) - 1) as f32;
        let scale = last / (high - low).max(1e-30);
        self.codes.resize(documents, 0);
        let mut rest = &mut self.codes[..];
        for piece in row {
            let (codes, after) = rest.split_at_mut(piece.len());
            for (code, cosine) in codes.iter_mut().zip(&**piece) {
                let step = (high - *cosine) * scale;
                let step = if step < last { step } else { last };
                let step = if step > 0.0 { step } else { 0.0 };
                *code = (step + ROUNDED).to_bits() - ROUNDED.to_bits();
            }
            rest = after;
        }
    }

    /// Where the documents of each digit start.
    fn count(&mut self, [low_bits, high_bits]: [u32; 2]) {
        let [low_mask, high_mask] = [low_bits, high_bits].map(|bits| (1_usize << bits) - 1);
        self.lows.clear();
        self.lows.resize(low_mask + 1, 0);
        self.highs.clear();
        self.highs.resize(high_mask + 1, 0);
        let (lows, highs) = (&mut self.lows[..=low_mask], &mut self.highs[..=high_mask]);
        for code in &self.codes {
            lows[*code as usize & low_mask] += 1;
            highs[(*code >> low_bits) as usize & high_mask] += 1;
        }
        let mut sum = 0;
        for start in lows {
            sum += std::mem::replace(start, sum);
        }
        let mut sum = 0;
        for start in highs {
            sum += std::mem::replace(start, sum << 32);
        }
    }

    fn sort_low(&mut self) {
        self.records.resize(self.codes.len(), 0);
        let (lows, records) = (&mut self.lows[..], &mut self.records[..]);
        let mask = lows.len() - 1;
        for (document, code) in self.codes.iter().enumerate() {
            let next = &mut lows[*code as usize & mask];
            records[*next as usize] = pair(*code, document);
            *next += 1;
        }
    }

    /// Gives the ranks, and finds out who shares a code.
    fn sort_high(&mut self, low_bits: u32) {
        self.ranks.resize(self.codes.len(), 0);
        self.shared.clear();
        let (highs, records, ranks) = (&mut self.highs[..], &self.records[..], &mut self.ranks[..]);
        let mask = highs.len() - 1;
        let mut start = 0;
        // Each digit's end stands where its start stood.
        for end in &self.lows {
            let end = *end as usize;
            for (place, record) in (start + 1..).zip(&records[start..end]) {
                let high = &mut highs[(first(*record) >> low_bits) as usize & mask];
                let (rank, last) = (first(*high), second(*high));
                if last > start {
                    self.shared.push(pair(rank - 1, second(records[last - 1])));
                    self.shared.push(pair(rank, second(*record)));
                }
                *high = pair(rank + 1, place);
                ranks[second(*record)] = rank + 1;
            }
            start = end;
        }
    }

    /// Orders those that share a code by their cosines.
    fn put_right(&mut self, row: &[&mut [f32]]) {
        let each = row.first().map_or(1, |piece| piece.len());
        let cosine = |document: usize| row[document / each][document % each];
        self.shared.sort_unstable();
        self.shared.dedup();
        // Neighbours of several codes may stand in one run: the order of their cosines is that of the codes.
        for run in self.shared.chunk_by_mut(|a, b| first(*a) + 1 == first(*b)) {
            let start = first(run[0]);
            for one in run.iter_mut() {
                let document = second(*one);
                *one = pair(falling(cosine(document)), document);
            }
            run.sort_unstable();
            for (rank, one) in (start + 1..).zip(run) {
                self.ranks[second(*one)] = rank;
            }
        }
    }
}

/// The least and the greatest of finite numbers.
pub(super) fn bounds(values: &[f32]) -> (f32, f32) {
    let mut low = [f32::INFINITY; 16];
    let mut high = [f32::NEG_INFINITY; 16];
    for some in values.chunks(16) {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip(some) {
            *low = if *value < *low { *value } else { *low };
            *high = if *value > *high { *value } else { *high };
        }
    }
    let low = low.iter().copied().fold(f32::INFINITY, f32::min);
    (low, high.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn ranks(memory: &mut Radix, cosines: &[f32], each: usize) -> Vec<u32> {
        let mut row = cosines.to_vec();
        memory.rank(&mut row.chunks_mut(each).collect::<Vec<_>>());
        row.into_iter().map(f32::to_bits).collect()
    }

    /// The ranks by a sort of the documents.
    pub(in crate::text::likeness) fn plain(cosines: &[f32]) -> Vec<u32> {
        let mut sorted: Vec<usize> = (0..cosines.len()).collect();
        let zero = |cosine: f32| cosine + 0.0;
        sorted.sort_by(|a, b| zero(cosines[*b]).total_cmp(&zero(cosines[*a])));
        let mut ranks = vec![0; cosines.len()];
        for (rank, document) in (1..).zip(sorted) {
            ranks[document] = rank;
        }
        ranks
    }

    #[test]
    fn ranks_of_the_specs_matrix() {
        let ranks = |cosines| ranks(&mut Radix::default(), cosines, 3);
        assert_eq!(ranks(&[0.9, 0.1, 0.5, 0.3, 0.2]), [1, 5, 2, 3, 4]);
        assert_eq!(ranks(&[0.2, 0.8, 0.4, 0.6, 0.1]), [4, 1, 3, 2, 5]);
        assert_eq!(ranks(&[0.3, 0.7, 0.6, 0.1, 0.5]), [4, 1, 2, 5, 3]);
    }

    #[test]
    fn equal_cosines_keep_their_order() {
        let ranks = |cosines| ranks(&mut Radix::default(), cosines, 2);
        assert_eq!(ranks(&[0.5, 0.5, 0.5]), [1, 2, 3]);
        assert_eq!(ranks(&[-0.0, 0.0, 1.0, -0.0]), [2, 3, 1, 4]);
        assert_eq!(ranks(&[-1.0]), [1]);
        assert_eq!(ranks(&[1e-40, 0.0, 2e-40, -1e-40]), [2, 3, 1, 4]);
    }

    /// Steps and cosines of every kind: far apart, in one step, equal, with an outlier that leaves one step to all others.
    #[test]
    fn ranks_are_those_of_a_plain_sort() {
        let scattered = |at: usize| ((at * 7919) % 10_007) as f32 / 7000.0 - 0.7;
        let dense = |at: usize| 0.5 + ((at * 7919) % 10_007) as f32 * 2e-7;
        let few = |at: usize| ((at * 31) % 7) as f32 / 7.0;
        let near_zero = |at: usize| ((at * 7919) % 10_007) as f32 * 1e-12 - 5e-9;
        let mut memory = Radix::default();
        for count in [2, 1013, 1500, 9000] {
            for cosine in [
                &scattered as &dyn Fn(usize) -> f32,
                &dense,
                &few,
                &near_zero,
            ] {
                for outlier in [0.0, 0.5, -900.0, 1e30] {
                    let mut cosines: Vec<f32> = (0..count).map(cosine).collect();
                    cosines[count / 3] += outlier;
                    let expected = plain(&cosines);
                    assert_eq!(ranks(&mut memory, &cosines, 100), expected);
                }
            }
        }
    }
}
