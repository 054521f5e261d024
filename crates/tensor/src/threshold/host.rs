//! Selection over slices, by the bit patterns of their values.

use rayon::prelude::*;

use crate::error::{Result, TensorError};

/// The `k`-th largest value, or `None` for `k = 0`.
///
/// Linear time: two parallel passes over the values.
///
/// # Errors
/// [`TensorError::OutOfRange`] if `k` is above the number of values,
/// [`TensorError::NotFinite`] if one is NaN or infinite.
///
/// ```
/// use regimen_tensor::threshold::kth_largest;
///
/// assert_eq!(kth_largest(&[3.0, -1.0, 3.0, 2.0], 2)?, Some(3.0));
/// assert_eq!(kth_largest(&[3.0, -1.0, 3.0, 2.0], 3)?, Some(2.0));
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn kth_largest(values: &[f32], k: usize) -> Result<Option<f32>> {
    let pool = Pool::new(&[values], None, Order::Largest)?;
    Ok(pool.select(k)?.map(|cut| from_key(cut.key)))
}

/// Marks exactly the `k` largest values; among equal ones, the low index first.
///
/// # Errors
/// As [`kth_largest`].
///
/// ```
/// use regimen_tensor::threshold::top_k;
///
/// assert_eq!(top_k(&[1.0, 5.0, 5.0, 5.0], 2)?, [false, true, true, false]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn top_k(values: &[f32], k: usize) -> Result<Vec<bool>> {
    single(Pool::new(&[values], None, Order::Largest)?, k)
}

/// Marks exactly the `k` largest of the eligible values; among equal ones, the low index first.
///
/// # Errors
/// As [`kth_largest`], with `k` at most the number of eligible values;
/// [`TensorError::Mismatch`] if the lengths differ.
pub fn top_k_of(values: &[f32], eligible: &[bool], k: usize) -> Result<Vec<bool>> {
    single(Pool::new(&[values], Some(&[eligible]), Order::Largest)?, k)
}

/// Marks exactly the `k` smallest of the eligible values; among equal ones, the low index first.
///
/// # Errors
/// As [`top_k_of`].
pub fn bottom_k_of(values: &[f32], eligible: &[bool], k: usize) -> Result<Vec<bool>> {
    single(Pool::new(&[values], Some(&[eligible]), Order::Smallest)?, k)
}

/// Marks exactly the `k` largest over several slices together (a global threshold); among equal
/// ones, the earlier slice and the low index first.
///
/// # Errors
/// As [`top_k_of`].
pub fn top_k_masks(
    scores: &[&[f32]],
    eligible: Option<&[&[bool]]>,
    k: usize,
) -> Result<Vec<Vec<bool>>> {
    Pool::new(scores, eligible, Order::Largest)?.mask(k)
}

fn single(pool: Pool<'_>, k: usize) -> Result<Vec<bool>> {
    Ok(pool.mask(k)?.pop().unwrap_or_default())
}

#[derive(Clone, Copy)]
pub(super) enum Order {
    Largest,
    Smallest,
}

/// The digits of a key, most significant first: how far to shift, and how many bits. Each histogram
/// of 2,048 counts fits the first cache.
const DIGITS: [(u32, u32); 3] = [(21, 11), (10, 11), (0, 10)];

/// Keys that are gathered and ordered at once; more are narrowed down by another digit first.
const GATHERED: usize = 1 << 16;

/// Values that one thread looks at in one go.
const CHUNK: usize = 1 << 17;

/// A run of values with the flags of the eligible ones.
type Chunk<'a> = (&'a [f32], Option<&'a [bool]>);

/// Values that compete, as keys whose unsigned order is the wanted order.
pub(super) struct Pool<'a> {
    parts: Vec<Chunk<'a>>,
    order: Order,
    /// Eligible values by the first digit of their keys.
    first: Vec<usize>,
}

/// Everything above `key` is taken, and `ties` of the values equal to it.
struct Cut {
    key: u32,
    ties: usize,
}

impl<'a> Pool<'a> {
    pub(super) fn new(
        scores: &[&'a [f32]],
        eligible: Option<&[&'a [bool]]>,
        order: Order,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(scores.len());
        for (i, values) in scores.iter().enumerate() {
            let flags = eligible.and_then(|all| all.get(i).copied());
            if eligible.is_some() && flags.map(<[bool]>::len) != Some(values.len()) {
                return Err(TensorError::Mismatch {
                    path: format!("eligible[{i}]"),
                    expected: format!("{} flags", values.len()),
                    found: format!("{:?}", flags.map(<[bool]>::len)),
                });
            }
            finite(values, || format!("scores[{i}]"))?;
            parts.push((*values, flags));
        }
        let mut pool = Self {
            parts,
            order,
            first: Vec::new(),
        };
        pool.first = pool.histogram(0, 0);
        Ok(pool)
    }

    fn key(&self, value: f32) -> u32 {
        match self.order {
            Order::Largest => to_key(value),
            Order::Smallest => !to_key(value),
        }
    }

    /// Finds the cut that takes exactly `k`, a digit of its key after the other.
    fn select(&self, k: usize) -> Result<Option<Cut>> {
        let eligible = self.first.iter().sum();
        if k > eligible {
            return Err(TensorError::out_of_range(
                "k",
                k,
                format!("0 to {eligible}"),
            ));
        }
        if k == 0 {
            return Ok(None);
        }
        let (mut key, mut left) = descend(&self.first, k);
        let mut alike = self.first[key as usize];
        for (digit, (shift, bits)) in DIGITS.iter().enumerate().skip(1) {
            if alike <= GATHERED.max(eligible / 4) {
                return Ok(Some(self.nth(key, shift + bits, left)));
            }
            let bins = self.histogram(digit, key);
            let (next, rank) = descend(&bins, left);
            alike = bins[next as usize];
            (key, left) = ((key << bits) | next, rank);
        }
        Ok(Some(Cut { key, ties: left }))
    }

    /// The cut at the `k`-th largest of the eligible keys that are `prefix` when shifted.
    fn nth(&self, prefix: u32, shift: u32, k: usize) -> Cut {
        let gather = |mut keys: Vec<u32>, (values, flags): Chunk<'_>| {
            for (i, value) in values.iter().enumerate() {
                let key = self.key(*value);
                if key >> shift == prefix && flags.is_none_or(|flags| flags[i]) {
                    keys.push(key);
                }
            }
            keys
        };
        let gathered = self.chunks().into_par_iter().fold(Vec::new, gather);
        let mut keys: Vec<u32> = gathered.flatten().collect();
        let (above, key, _) = keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        let key = *key;
        Cut {
            key,
            ties: k - above.iter().filter(|other| **other > key).count(),
        }
    }

    fn chunks(&self) -> Vec<Chunk<'a>> {
        let parts = self.parts.iter();
        parts.flat_map(|part| chunks(*part)).collect()
    }

    /// Counts the eligible values by one digit of their keys, among the keys that start with `prefix`.
    fn histogram(&self, digit: usize, prefix: u32) -> Vec<usize> {
        let (shift, bits) = DIGITS[digit];
        let mask = (1 << bits) - 1;
        let matches = |key: u32| digit == 0 || key >> (shift + bits) == prefix;
        let count = |mut bins: Vec<usize>, (values, flags): Chunk<'_>| {
            let mut add = |value: f32, eligible: bool| {
                let key = self.key(value);
                bins[(key >> shift & mask) as usize] += usize::from(eligible & matches(key));
            };
            match flags {
                None => values.iter().for_each(|value| add(*value, true)),
                Some(flags) => {
                    let pairs = values.iter().zip(flags);
                    pairs.for_each(|(value, flag)| add(*value, *flag));
                }
            }
            bins
        };
        let empty = || vec![0; 1 << bits];
        let counted = self.chunks().into_par_iter().fold(empty, count);
        counted.reduce(empty, |left, right| {
            left.iter().zip(right).map(|(l, r)| l + r).collect()
        })
    }

    pub(super) fn mask(&self, k: usize) -> Result<Vec<Vec<bool>>> {
        let cut = self.select(k)?;
        let mut ties = cut.as_ref().map_or(0, |cut| cut.ties);
        let mut masks = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let mut mask = vec![false; part.0.len()];
            if let Some(cut) = &cut {
                self.take(cut, *part, &mut mask, &mut ties);
            }
            masks.push(mask);
        }
        Ok(masks)
    }

    /// Marks what lies above the cut in a part, and the first of what lies on it while `ties` are left.
    fn take(&self, cut: &Cut, part: Chunk<'_>, mask: &mut [bool], ties: &mut usize) {
        let above = |((values, flags), mask): (Chunk<'_>, &mut [bool])| -> usize {
            let mut equal = 0;
            for (i, (value, taken)) in values.iter().zip(mask).enumerate() {
                let key = self.key(*value);
                let may = flags.is_none_or(|flags| flags[i]);
                *taken = may & (key > cut.key);
                equal += usize::from(may & (key == cut.key));
            }
            equal
        };
        let work = chunks(part).zip(mask.chunks_mut(CHUNK));
        let work: Vec<(Chunk<'_>, &mut [bool])> = work.collect();
        let equal: Vec<usize> = work.into_par_iter().map(above).collect();
        let found = chunks(part).zip(mask.chunks_mut(CHUNK)).zip(equal);
        for (((values, flags), mask), equal) in found {
            let mut left = equal.min(*ties);
            *ties -= left;
            for (i, (value, taken)) in values.iter().zip(mask).enumerate() {
                if left == 0 {
                    break;
                }
                if flags.is_none_or(|flags| flags[i]) && self.key(*value) == cut.key {
                    *taken = true;
                    left -= 1;
                }
            }
        }
    }
}

/// Names the first value that is not finite.
pub(super) fn finite(values: &[f32], what: impl FnOnce() -> String) -> Result<()> {
    if all_finite(values) {
        return Ok(());
    }
    let index = values
        .iter()
        .position(|value| !value.is_finite())
        .unwrap_or(0);
    Err(TensorError::NotFinite {
        what: what(),
        index,
        value: f64::from(values[index]),
    })
}

/// One branch a chunk: the compiler takes several values at a time.
fn all_finite(values: &[f32]) -> bool {
    let finite = |chunk: &[f32]| {
        chunk
            .iter()
            .fold(true, |all, value| all & value.is_finite())
    };
    values.par_chunks(CHUNK).all(finite)
}

fn chunks(part: Chunk<'_>) -> impl Iterator<Item = Chunk<'_>> {
    let (values, flags) = part;
    let pieces = values.chunks(CHUNK).enumerate();
    pieces.map(move |(i, piece)| {
        let start = i * CHUNK;
        (piece, flags.map(|flags| &flags[start..start + piece.len()]))
    })
}

/// The bin that holds the `k`-th largest key, and its rank within that bin.
fn descend(bins: &[usize], k: usize) -> (u32, usize) {
    let mut left = k;
    for (bin, count) in bins.iter().enumerate().rev() {
        if left <= *count {
            return (bin as u32, left);
        }
        left -= count;
    }
    (0, left)
}

/// An unsigned key with the order of the finite floats; -0 equals 0.
pub(super) fn to_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | (1 << 31)
    }
}

pub(super) fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_taken_by_low_index() {
        let values = [0.0, -0.0, 0.0, 1.0];
        assert_eq!(top_k(&values, 2).unwrap(), [true, false, false, true]);
        assert_eq!(top_k(&values, 0).unwrap(), [false; 4]);
        assert_eq!(top_k(&values, 4).unwrap(), [true; 4]);
    }

    #[test]
    fn only_eligible_values_compete() {
        let flags = [false, true, true, true];
        let values = [9.0, 1.0, 3.0, 2.0];
        let top = top_k_of(&values, &flags, 2).unwrap();
        assert_eq!(top, [false, false, true, true]);
        let bottom = bottom_k_of(&values, &flags, 2).unwrap();
        assert_eq!(bottom, [false, true, false, true]);
        assert!(top_k_of(&values, &flags, 4).is_err());
        assert!(top_k_of(&values, &flags[..3], 1).is_err());
    }

    #[test]
    fn a_nan_is_named() {
        let error = top_k(&[1.0, f32::NAN], 1).unwrap_err().to_string();
        assert!(error.contains("NaN at index 1"), "{error}");
    }
}
