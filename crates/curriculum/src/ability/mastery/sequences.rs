//! # alignment
//!
//! How interchangeable two sequences of steps are: by their vectors, by the attention on them, by their sets and by their order.
//!
//! Source: "Scalable and Equitable Math Problem Solving Strategy Prediction in Big Educational Data", arXiv 2308.03892, and its released code:
//! alignment, attention similarity and Jaccard overlap

use std::collections::HashSet;
use std::hash::Hash;

/// Vectors with the sinusoidal code of their places added: `sin(place / 10000^(2i / width))` and the cosine by turns.
#[must_use]
pub fn positions(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let each = vectors.iter().enumerate();
    each.map(|(place, vector)| {
        let width = vector.len() as f64;
        let coded = vector.iter().enumerate().map(|(i, value)| {
            let even = (i - i % 2) as f64;
            let angle = place as f64 / 10_000_f64.powf(even / width);
            value + if i % 2 == 0 { angle.sin() } else { angle.cos() }
        });
        coded.collect()
    })
    .collect()
}

/// Alignment of two sequences of vectors: in `P = row-softmax(X Y^T)` a row weighs its largest value less its mean, for it where its largest is
/// behind that of the row before (the first row always), against it else; divided by the rows. 0 without rows or columns. Add
/// [`positions`] first, as the paper does.
///
/// ```
/// use regimen_curriculum::ability::mastery::alignment;
///
/// let x = [4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 4.0];
/// let x: Vec<Vec<f64>> = x.chunks(3).map(<[f64]>::to_vec).collect();
/// let y: Vec<Vec<f64>> = x.iter().map(|row| row.iter().map(|v| v / 4.0).collect()).collect();
/// assert!((alignment(&x, &y) - 0.631_329_82).abs() < 1e-8);
/// ```
#[must_use]
pub fn alignment(x: &[Vec<f64>], y: &[Vec<f64>]) -> f64 {
    if x.is_empty() || y.is_empty() {
        return 0.0;
    }
    let mut before = None;
    let mut total = 0.0;
    for row in x {
        let dot = |other: &Vec<f64>| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let products: Vec<f64> = y.iter().map(dot).collect();
        let mut best = 0;
        for (column, product) in products.iter().enumerate() {
            if *product > products[best] {
                best = column;
            }
        }
        let largest = products[best];
        let sum: f64 = products
            .iter()
            .map(|product| (product - largest).exp())
            .sum();
        // A row of a softmax sums to 1.
        let weight = 1.0 / sum - 1.0 / y.len() as f64;
        let forward = before.is_none_or(|before| best > before);
        total += if forward { weight } else { -weight };
        before = Some(best);
    }
    total / x.len() as f64
}

/// The cosine of two sequences of attention scores, the shorter one filled up with zeros; 0 where one is all zeros.
///
/// ```
/// use regimen_curriculum::ability::mastery::attention_similarity;
///
/// assert!((attention_similarity(&[0.5, 0.3, 0.2], &[0.6, 0.4]) - 0.944_834_67).abs() < 1e-8);
/// ```
#[must_use]
pub fn attention_similarity(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let both = norm(a) * norm(b);
    if both == 0.0 {
        return 0.0;
    }
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / both
}

/// Jaccard's overlap of the sets of two sequences, whatever their order and repetitions; 1 for two empty ones.
///
/// ```
/// use regimen_curriculum::ability::mastery::{in_order, jaccard};
///
/// assert_eq!(jaccard(&["a", "b", "c", "d"], &["a", "b", "d"]), 0.75);
/// assert_eq!(jaccard(&["a", "b"], &["b", "a", "a"]), 1.0);
/// assert_eq!(in_order(&["a", "b"], &["b", "a", "a"]), 0.4);
/// ```
#[must_use]
pub fn jaccard<T: Eq + Hash>(a: &[T], b: &[T]) -> f64 {
    let (a, b): (HashSet<&T>, HashSet<&T>) = (a.iter().collect(), b.iter().collect());
    let all = a.union(&b).count();
    if all == 0 {
        return 1.0;
    }
    a.intersection(&b).count() as f64 / all as f64
}

/// What two sequences have in common in its order: twice the length of their longest common subsequence over the sum of their lengths; 1 for two empty
/// ones. Time and memory: the product of the lengths, and the shorter one.
#[must_use]
pub fn in_order<T: Eq>(a: &[T], b: &[T]) -> f64 {
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let (long, short) = if a.len() > b.len() { (a, b) } else { (b, a) };
    let mut lengths = vec![0_usize; short.len() + 1];
    for one in long {
        let mut diagonal = 0;
        for (place, other) in short.iter().enumerate() {
            let above = lengths[place + 1];
            lengths[place + 1] = if one == other {
                diagonal + 1
            } else {
                above.max(lengths[place])
            };
            diagonal = above;
        }
    }
    2.0 * lengths[short.len()] as f64 / (a.len() + b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eye(scale: f64, order: [usize; 3]) -> Vec<Vec<f64>> {
        let row = |one: usize| (0..3).map(move |i| if i == one { scale } else { 0.0 });
        order.map(|one| row(one).collect()).into()
    }

    #[test]
    fn alignments_of_three_steps() {
        let x = eye(4.0, [0, 1, 2]);
        for (order, wanted) in [
            ([0, 1, 2], 0.631_329_82),
            ([2, 1, 0], -0.210_443_27),
            ([1, 0, 2], 0.210_443_27),
        ] {
            let found = alignment(&x, &eye(1.0, order));
            assert!((found - wanted).abs() < 1e-8, "{order:?}: {found}");
        }
        assert_eq!(alignment(&x, &[]), 0.0);
    }

    #[test]
    fn places_have_their_code() {
        let coded = positions(&[vec![0.0; 4], vec![1.0; 4]]);
        assert_eq!(coded[0], [0.0, 1.0, 0.0, 1.0]);
        let wanted = [1.0 + 1.0_f64.sin(), 1.0 + 1.0_f64.cos()];
        assert!((coded[1][0] - wanted[0]).abs() < 1e-12 && (coded[1][1] - wanted[1]).abs() < 1e-12);
        assert!((coded[1][2] - 1.0 - 0.01_f64.sin()).abs() < 1e-12);
    }

    #[test]
    fn overlaps_with_and_without_order() {
        assert_eq!(jaccard::<u8>(&[], &[]), 1.0);
        assert_eq!(in_order::<u8>(&[], &[]), 1.0);
        assert_eq!(in_order(&[1, 2, 3], &[]), 0.0);
        assert_eq!(in_order(&[1, 2, 3, 4], &[1, 3, 4]), 6.0 / 7.0);
        assert_eq!(attention_similarity(&[0.0], &[1.0]), 0.0);
    }
}
