//! # One-dimensional k-means
//!
//! Groups numbers by value into at most k clusters of least squared deviation, without a random start.
//!
//! Source: Wang and Song, "Ckmeans.1d.dp", The R Journal 2011: dynamic programming over sorted values.

use rayon::prelude::*;

/// Values up to this many are clustered one by one; more are first put into as many bins of equal
/// width between the least and the greatest.
const ATOMS: usize = 4096;

/// The cuts between the clusters of least squared deviation: a value belongs to the cluster whose
/// number is the count of cuts at or below it. Rising; at most `k - 1`, fewer if there are fewer
/// distinct values than `k`.
///
/// The optimum is found by dynamic programming, so the result does not depend on a start. Above 4,096 values the
/// optimum is over bins of 1/4096 of the range. Values must be finite.
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
    if values.is_empty() || k < 2 {
        return Vec::new();
    }
    let atoms = if values.len() <= ATOMS {
        sorted(values)
    } else {
        binned(values)
    };
    let starts = optimum(&atoms, k.min(atoms.len()));
    starts.into_iter().map(|start| atoms[start].cut).collect()
}

/// The cluster of a value.
#[must_use]
pub fn cluster(cuts: &[f32], value: f32) -> usize {
    cuts.partition_point(|cut| *cut <= value)
}

/// Values that stay together.
struct Atom {
    count: f64,
    sum: f64,
    /// What separates this atom from the one below it.
    cut: f32,
}

/// An atom for every distinct value.
fn sorted(values: &[f32]) -> Vec<Atom> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f32::total_cmp);
    let mut atoms: Vec<Atom> = Vec::new();
    let runs = values.chunk_by(|a, b| a == b);
    for run in runs {
        let count = run.len() as f64;
        atoms.push(Atom {
            count,
            sum: f64::from(run[0]) * count,
            cut: run[0],
        });
    }
    atoms
}

/// An atom for every bin that holds a value.
fn binned(values: &[f32]) -> Vec<Atom> {
    let bounds = values.par_iter().fold(
        || (f32::INFINITY, f32::NEG_INFINITY),
        |(low, high), value| (low.min(*value), high.max(*value)),
    );
    let (low, high) = bounds.reduce(
        || (f32::INFINITY, f32::NEG_INFINITY),
        |a, b| (a.0.min(b.0), a.1.max(b.1)),
    );
    if low == high {
        return sorted(&values[..1]);
    }
    let scale = ATOMS as f32 / (high - low);
    let empty = || vec![(0_u32, 0.0_f64, f32::INFINITY); ATOMS];
    let bins = values
        .par_chunks(1 << 16)
        .fold(empty, |mut bins, chunk| {
            for value in chunk {
                let bin = (((value - low) * scale) as usize).min(ATOMS - 1);
                let (count, sum, least) = &mut bins[bin];
                *count += 1;
                *sum += f64::from(*value);
                *least = least.min(*value);
            }
            bins
        })
        .collect::<Vec<_>>();
    // Chunks are added in their order, so that the sums do not depend on the threads.
    let mut total = empty();
    for part in bins {
        for (all, own) in total.iter_mut().zip(part) {
            *all = (all.0 + own.0, all.1 + own.1, all.2.min(own.2));
        }
    }
    let filled = total.into_iter().filter(|(count, ..)| *count > 0);
    filled
        .map(|(count, sum, cut)| Atom {
            count: f64::from(count),
            sum,
            cut,
        })
        .collect()
}

/// The first atom of each cluster but the lowest, at the least total squared deviation.
fn optimum(atoms: &[Atom], k: usize) -> Vec<usize> {
    let prefix = Prefix::new(atoms);
    let n = atoms.len();
    // cost[i]: the least cost of the first i atoms in the clusters so far.
    let mut cost: Vec<f64> = (0..=n).map(|end| prefix.deviation(0, end)).collect();
    let mut choices: Vec<Vec<usize>> = Vec::with_capacity(k);
    for clusters in 2..=k {
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
    let mut starts = Vec::with_capacity(k);
    for choice in choices.iter().rev() {
        end = choice[end];
        starts.push(end);
    }
    starts.reverse();
    starts
}

/// Sums from the start, of counts, values and `sum^2 / count` inside atoms.
struct Prefix {
    count: Vec<f64>,
    sum: Vec<f64>,
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
        }
    }

    /// The squared deviation of atoms `start..end` from their mean, less the sum of squares, which
    /// is the same for every clustering.
    fn deviation(&self, start: usize, end: usize) -> f64 {
        if start >= end {
            return 0.0;
        }
        let sum = self.sum[end] - self.sum[start];
        -sum * sum / (self.count[end] - self.count[start])
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
        choice: &mut [usize],
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
        choice[middle] = best.1;
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

    #[test]
    fn bins_find_the_clusters_of_many_values() {
        let many: Vec<f32> = (0..100_000)
            .map(|i| VALUES[i % 10] + (i / 10) as f32 * 1e-7)
            .collect();
        let cuts = cuts(&many, 4);
        let groups: Vec<usize> = many[..10].iter().map(|v| cluster(&cuts, *v)).collect();
        assert_eq!(groups, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }
}
