//! # One-dimensional k-means
//!
//! Groups numbers by value into at most k clusters of least squared deviation, without a random start.
//!
//! Source: Wang and Song, "Ckmeans.1d.dp", The R Journal 2011: dynamic programming over sorted values.

use rayon::prelude::*;
use regimen_tensor::Watch;

/// Distinct values up to this many are clustered one by one. More are first put into atoms of neighbours: each holds at most
/// a share of this many of the values, and spans at most a share of this many of their range.
const ATOMS: usize = 4096;

/// Rounds that bring the cuts between atoms to the best places between values.
const ROUNDS: usize = 100;

/// The name of the work.
const WORK: &str = "kmeans";

/// The cuts between the clusters of least squared deviation: a value belongs to the cluster whose
/// number is the count of cuts at or below it. Rising; at most `k - 1`, fewer if there are fewer
/// distinct values than `k`.
///
/// The optimum is found by dynamic programming, so the result does not depend on a start. Above 4,096 distinct values the
/// optimum is over at most about 8,200 atoms of neighbours, each with a 4,096th of the values or of their range, and Lloyd's rounds
/// move its cuts between single values; one value far from all others does not make the others one. Values that are not finite are
/// left out.
///
/// ```
/// use regimen_curriculum::select::kmeans::{cluster, cuts};
///
/// let losses = [0.1, 2.1, 0.12, 4.0, 2.0, 0.15];
/// let cuts = cuts(&losses, 3);
/// let groups: Vec<usize> = losses.iter().map(|loss| cluster(&cuts, *loss)).collect();
/// assert_eq!(groups, [0, 1, 0, 2, 1, 0]);
/// ```
#[must_use]
pub fn cuts(values: &[f32], k: usize) -> Vec<f32> {
    cuts_watched(values, k, &Watch::default())
}

/// [`cuts`] under a watch of the work `"kmeans"`: a step is one more cluster, or, above 4,096 distinct values, also each of at most 100 of
/// Lloyd's rounds.
///
/// Stopped between clusters, it gives the best cuts for as many clusters as it had come to; stopped in a round, the cuts of that round.
#[must_use]
pub fn cuts_watched(values: &[f32], k: usize, watch: &Watch) -> Vec<f32> {
    if values.is_empty() || k < 2 {
        return Vec::new();
    }
    let _span = tracing::info_span!("kmeans", values = values.len(), k).entered();
    let mut sorted: Vec<f32> = values
        .par_iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    sorted.par_sort_unstable_by(f32::total_cmp);
    let distinct = sorted.chunk_by(|a, b| a == b).count();
    let starts = if distinct <= ATOMS {
        let atoms = atoms(&sorted, 1, 0.0);
        if k >= atoms.len() {
            // Each value is a cluster.
            atoms.iter().skip(1).map(|atom| atom.first).collect()
        } else {
            optimum(&atoms, k, k, watch)
        }
    } else {
        let range = f64::from(sorted[sorted.len() - 1]) - f64::from(sorted[0]);
        let atoms = atoms(&sorted, sorted.len().div_ceil(ATOMS), range / ATOMS as f64);
        let clusters = k.min(atoms.len());
        let steps = clusters + ROUNDS;
        let starts = optimum(&atoms, clusters, steps, watch);
        moved(&sorted, starts, steps, watch)
    };
    starts.into_iter().map(|start| sorted[start]).collect()
}

/// The cluster of a value.
#[must_use]
pub fn cluster(cuts: &[f32], value: f32) -> usize {
    cuts.partition_point(|cut| *cut <= value)
}

/// Values that stay together.
struct Atom {
    /// The place of the first of them in the sorted values.
    first: usize,
    count: f64,
    sum: f64,
    squares: f64,
}

/// Atoms of distinct values: one ends when it holds so many values, or spans so much.
fn atoms(sorted: &[f32], many: usize, span: f64) -> Vec<Atom> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut first = 0;
    for run in sorted.chunk_by(|a, b| a == b) {
        let (value, count) = (f64::from(run[0]), run.len() as f64);
        let goes_on = |atom: &&mut Atom| {
            let low = f64::from(sorted[atom.first]);
            atom.count + count <= many as f64 && value - low <= span
        };
        match atoms.last_mut().filter(goes_on) {
            Some(atom) => {
                atom.count += count;
                atom.sum += value * count;
                atom.squares += value * value * count;
            }
            None => atoms.push(Atom {
                first,
                count,
                sum: value * count,
                squares: value * value * count,
            }),
        }
        first += run.len();
    }
    atoms
}

/// Lloyd's rounds over sorted values: each cut moves to the middle between the means beside it, as long as the deviation falls.
fn moved(sorted: &[f32], mut starts: Vec<usize>, steps: usize, watch: &Watch) -> Vec<usize> {
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(sorted.len() + 1);
    sums.push(0.0);
    for value in sorted {
        total += f64::from(*value);
        sums.push(total);
    }
    let bounds = |starts: &[usize]| -> Vec<usize> {
        let ends = std::iter::once(0).chain(starts.iter().copied());
        ends.chain([sorted.len()]).collect()
    };
    let sum = |part: &[usize]| sums[part[1]] - sums[part[0]];
    let count = |part: &[usize]| (part[1] - part[0]) as f64;
    let explained = |bounds: &[usize]| -> f64 {
        bounds
            .windows(2)
            .map(|part| sum(part).powi(2) / count(part))
            .sum()
    };
    let mut best = explained(&bounds(&starts));
    for round in 0..ROUNDS {
        if !watch.goes_on(WORK, steps - ROUNDS + round, steps) {
            break;
        }
        let all = bounds(&starts);
        let means: Vec<f64> = all.windows(2).map(|part| sum(part) / count(part)).collect();
        let middles = means.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
        let next: Vec<usize> = middles
            .map(|middle| sorted.partition_point(|value| f64::from(*value) < middle))
            .collect();
        let all = bounds(&next);
        let now = explained(&all);
        if all.windows(2).any(|part| part[0] >= part[1]) || now <= best {
            break;
        }
        (starts, best) = (next, now);
    }
    starts
}

/// The place of the first value of each cluster but the lowest, at the least total squared deviation.
fn optimum(atoms: &[Atom], k: usize, steps: usize, watch: &Watch) -> Vec<usize> {
    let prefix = Prefix::new(atoms);
    let n = atoms.len();
    // cost[i]: the least cost of the first i atoms in the clusters so far.
    let mut cost: Vec<f64> = (0..=n).map(|end| prefix.deviation(0, end)).collect();
    let mut choices: Vec<Vec<u32>> = Vec::new();
    for clusters in 2..=k {
        if !watch.goes_on(WORK, clusters - 1, steps) {
            break;
        }
        let mut next = vec![f64::INFINITY; n + 1];
        let mut choice = vec![0; n + 1];
        let layer = Layer {
            prefix: &prefix,
            cost: &cost,
        };
        layer.fill(clusters..n + 1, clusters - 1..n, &mut next, &mut choice);
        cost = next;
        choices.push(choice);
    }
    let mut end = n;
    let mut starts = Vec::with_capacity(choices.len());
    for choice in choices.iter().rev() {
        end = choice[end] as usize;
        starts.push(atoms[end].first);
    }
    starts.reverse();
    starts
}

/// Sums from the start, of counts, values and squares.
struct Prefix {
    count: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Prefix {
    fn new(atoms: &[Atom]) -> Self {
        let running = |f: fn(&Atom) -> f64| {
            let mut total = 0.0;
            let rest = atoms.iter().map(|atom| {
                total += f(atom);
                total
            });
            std::iter::once(0.0)
                .chain(rest.collect::<Vec<_>>())
                .collect()
        };
        Self {
            count: running(|atom| atom.count),
            sum: running(|atom| atom.sum),
            squares: running(|atom| atom.squares),
        }
    }

    /// The squared deviation of atoms `start..end` from their mean.
    fn deviation(&self, start: usize, end: usize) -> f64 {
        // One atom is no choice; its rounding error, which for a huge value exceeds the deviation of all others, is none either.
        if end <= start + 1 {
            return 0.0;
        }
        let sum = self.sum[end] - self.sum[start];
        let squares = self.squares[end] - self.squares[start];
        (squares - sum * sum / (self.count[end] - self.count[start])).max(0.0)
    }
}

/// One more cluster over the costs of the clusters before.
struct Layer<'a> {
    prefix: &'a Prefix,
    cost: &'a [f64],
}

impl Layer<'_> {
    /// Fills the ends, whose best starts rise with them: the middle end halves the starts.
    fn fill(
        &self,
        ends: std::ops::Range<usize>,
        starts: std::ops::Range<usize>,
        next: &mut [f64],
        choice: &mut [u32],
    ) {
        if ends.is_empty() {
            return;
        }
        let middle = (ends.start + ends.end) / 2;
        let mut best = (f64::INFINITY, starts.start);
        for start in starts.start..starts.end.min(middle) {
            let cost = self.cost[start] + self.prefix.deviation(start, middle);
            if cost < best.0 {
                best = (cost, start);
            }
        }
        next[middle] = best.0;
        // There are at most 8,200 atoms.
        choice[middle] = best.1 as u32;
        self.fill(ends.start..middle, starts.start..best.1 + 1, next, choice);
        self.fill(middle + 1..ends.end, best.1..starts.end, next, choice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f32; 10] = [0.10, 0.12, 0.15, 0.90, 1.00, 1.10, 2.0, 2.1, 2.2, 4.0];

    fn groups(k: usize) -> Vec<usize> {
        let cuts = cuts(&VALUES, k);
        VALUES.iter().map(|value| cluster(&cuts, *value)).collect()
    }

    #[test]
    fn kmeans_k3() {
        assert_eq!(groups(3), [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
    }

    #[test]
    fn kmeans_k4() {
        assert_eq!(groups(4), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn few_distinct_values_make_few_clusters() {
        assert!(cuts(&[2.0; 9], 4).is_empty());
        assert_eq!(cuts(&[2.0, 1.0, 2.0], 4), [2.0]);
        assert!(cuts(&[], 3).is_empty());
        assert!(cuts(&VALUES, 1).is_empty());
    }

    /// 4,999 scores spread over 0 to 1, and a huge one.
    fn outlier(huge: f32) -> Vec<f32> {
        let mut values: Vec<f32> = (0..4999).map(|i| i as f32 / 4998.0).collect();
        values.push(huge);
        values
    }

    #[test]
    fn one_huge_value_does_not_make_the_others_one() {
        for huge in [1e4, 1e30] {
            let cuts = cuts(&outlier(huge), 5);
            assert_eq!(cuts.len(), 4, "{cuts:?}");
            for (cut, best) in cuts.iter().zip([0.25, 0.5, 0.75, huge]) {
                assert!((cut - best).abs() < 2e-3 * best, "{cuts:?}");
            }
        }
        // The same at every scale, and below the others.
        let tiny: Vec<f32> = outlier(1e4).iter().map(|value| -value * 1e-6).collect();
        let cuts = cuts(&tiny, 5);
        let inner = cuts.iter().filter(|cut| **cut > -1e-6).count();
        assert_eq!((cuts.len(), inner), (4, 3), "{cuts:?}");
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let mut values = VALUES.to_vec();
        values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(cuts(&values, 3), cuts(&VALUES, 3));
        assert!(cuts(&[f32::NAN; 3], 3).is_empty());
        assert_eq!(cuts(&[f32::MIN, f32::MAX], 9), [f32::MAX]);
    }

    #[test]
    fn atoms_of_many_values_come_near_the_optimum_of_all() {
        let values: Vec<f32> = (0..20_000_u32)
            .map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e6).powi(3))
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        let every = atoms(&sorted, 1, 0.0);
        let exact = optimum(&every, 6, 6, &Watch::default());
        let found = cuts(&values, 6);
        assert_eq!(found.len(), exact.len());
        for (cut, start) in found.iter().zip(exact) {
            let place = sorted.partition_point(|value| value < cut);
            assert!(place.abs_diff(start) <= 3, "{place} {start}");
        }
    }

    #[test]
    fn watched_clusters_are_stopped_with_what_there_is() {
        let many: Vec<f32> = (0..9000_u16).map(f32::from).collect();
        let of = |last: usize| {
            let watch = Watch::new();
            let steps = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let stop = move || steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= last;
            cuts_watched(&many, 5, &watch.until(stop))
        };
        assert_eq!([0, 1, 3].map(|last| of(last).len()), [0, 1, 3]);
        assert_eq!(of(usize::MAX), cuts(&many, 5));
        let all: Vec<f32> = (1..4096_u16).map(f32::from).collect();
        assert_eq!(cuts(&many[..4096], usize::MAX), all);
    }

    #[test]
    fn atoms_find_the_clusters_of_many_values() {
        let many: Vec<f32> = (0..100_000)
            .map(|i| VALUES[i % 10] + (i / 10) as f32 * 1e-6)
            .collect();
        let cuts = cuts(&many, 4);
        let groups: Vec<usize> = many[..10].iter().map(|v| cluster(&cuts, *v)).collect();
        assert_eq!(groups, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }
}
