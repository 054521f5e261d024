//! # PseudoClasses
//!
//! Further classes made of the base classes, by turning or mixing their images: they take space that novel classes find free afterwards.
//!
//! Source: Song et al., "Learning with Fantasy: Semantic-Aware Virtual Contrastive Constraint for Few-Shot Class-Incremental Learning"
//! (SAVC, arXiv 2304.00426), by transformation; Zhou et al., "Forward Compatible Few-Shot Class-Incremental Learning" (FACT, arXiv
//! 2203.06953), by mixture.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::augment::Augment;
use crate::Result;

/// Which pseudo-classes a base session has beside its K base classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PseudoClasses {
    /// None.
    #[default]
    None,
    /// Class k turned by r quarters is class `k + r K`, r = 1, 2, 3: 4 K classes to train.
    Rotations,
    /// Half of class a and half of class b, for each unordered pair of base classes: `K + K (K - 1) / 2` classes to train. Two images of one class
    /// mix to an image of it.
    Mixtures,
}

/// A batch with its targets among base and pseudo-classes.
pub(super) struct Posed<B> {
    pub(super) batch: B,
    /// Columns of the head, `[batch]`; -1 for labels of no base class.
    pub(super) targets: Tensor<1, Int>,
    /// By how many quarters each image is turned, `[batch]`; none where none is.
    pub(super) turns: Option<Tensor<1, Int>>,
}

impl PseudoClasses {
    /// Classes to train of so many base classes.
    ///
    /// ```
    /// use regimen_continual::few_shot::PseudoClasses;
    ///
    /// let of_six = |pseudo: PseudoClasses| pseudo.columns(6);
    /// assert_eq!(of_six(PseudoClasses::None), 6);
    /// assert_eq!((of_six(PseudoClasses::Rotations), of_six(PseudoClasses::Mixtures)), (24, 6 + 15));
    /// ```
    #[must_use]
    pub fn columns(self, base: usize) -> usize {
        match self {
            Self::None => base,
            Self::Rotations => base.saturating_mul(4),
            Self::Mixtures => base.saturating_add(base.saturating_mul(base.saturating_sub(1)) / 2),
        }
    }

    /// The batch as the base session trains it; `columns` `[batch]` are those of the labels. With `enlarge`, every example comes plain and under every
    /// transformation, else the batch keeps its size: row i is turned `i mod 4` times, or the second half is mixed with the first.
    pub(super) fn pose<B: Augment>(
        self,
        batch: &B,
        columns: Tensor<1, Int>,
        base: usize,
        enlarge: bool,
    ) -> Result<Posed<B>> {
        let plain = |batch, targets| Posed {
            batch,
            targets,
            turns: None,
        };
        match self {
            Self::None => Ok(plain(batch.clone(), columns)),
            Self::Rotations => turned(batch, columns, base, enlarge),
            Self::Mixtures => {
                let count = batch.count();
                let (first, second) = match enlarge {
                    // Each with the next, the last with the first.
                    true => ((0..count).collect(), (1..count).chain([0]).collect()),
                    false => ((0..count / 2).collect(), halves(count)),
                };
                let (first, second): (Vec<usize>, Vec<usize>) = (first, second);
                if first.is_empty() || count < 2 {
                    return Ok(plain(batch.clone(), columns));
                }
                let mixed = batch.rows(&first).mixed(&batch.rows(&second), 0.5)?;
                let of = |rows: &[usize]| at(&columns, rows);
                let pairs = pair(of(&first), of(&second), base);
                let kept: Vec<usize> = match enlarge {
                    true => (0..count).collect(),
                    false => (0..count - count / 2).collect(),
                };
                let targets = Tensor::cat(vec![of(&kept), pairs], 0);
                Ok(plain(batch.rows(&kept).join(mixed), targets))
            }
        }
    }
}

/// The last rows, as many as half of them.
fn halves(count: usize) -> Vec<usize> {
    (count - count / 2..count).collect()
}

/// Images turned by 0 to 3 quarters, and class `k + r base`: in turn, or all.
pub(super) fn turned<B: Augment>(
    batch: &B,
    columns: Tensor<1, Int>,
    base: usize,
    all: bool,
) -> Result<Posed<B>> {
    let count = batch.count();
    let (mut whole, mut targets, mut turns) = (None, Vec::new(), Vec::new());
    for quarters in 0..4 {
        let rows: Vec<usize> = (0..count)
            .filter(|row| all || row % 4 == quarters)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let part = batch.rows(&rows).turned(quarters)?;
        let own = at(&columns, &rows);
        turns.push(own.zeros_like().add_scalar(quarters as i64));
        let outside = own.clone().lower_elem(0);
        let class = own.add_scalar((quarters * base) as i64);
        targets.push(class.mask_fill(outside, -1));
        whole = Some(match whole {
            None => part,
            Some(before) => B::join(before, part),
        });
    }
    Ok(match whole {
        None => Posed {
            batch: batch.clone(),
            turns: Some(columns.clone()),
            targets: columns,
        },
        Some(batch) => Posed {
            batch,
            targets: Tensor::cat(targets, 0),
            turns: Some(Tensor::cat(turns, 0)),
        },
    })
}

/// The column of each pair of columns: that of the class itself where both are one.
fn pair(a: Tensor<1, Int>, b: Tensor<1, Int>, base: usize) -> Tensor<1, Int> {
    let low = a.clone().min_pair(b.clone());
    let high = a.clone().max_pair(b.clone());
    // Pairs (0, 1) .. (0, K - 1), (1, 2) ..: those before the ones of `low` are low (2 K - low - 1) / 2.
    let before = low.clone() * (low.clone().neg() + (2 * base) as i64 - 1) / 2;
    let place = before + (high - low.clone()) - 1 + base as i64;
    place
        .mask_where(a.clone().equal(b), a)
        .mask_fill(low.lower_elem(0), -1)
}

/// The values at these places, each below their number.
fn at(values: &Tensor<1, Int>, rows: &[usize]) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    let count = rows.len();
    let rows = burn::tensor::TensorData::new(rows, [count]);
    let to = (&values.device(), values.dtype());
    values.clone().select(0, Tensor::from_data(rows, to))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use burn::tensor::Device;

    use super::*;

    fn ints(values: Tensor<1, Int>) -> Vec<i64> {
        values.try_into_vec_as().unwrap()
    }

    fn numbers(values: &[i64]) -> Tensor<1, Int> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn every_pair_has_a_column_of_its_own() {
        let base = 6;
        let pairs = (0..base).flat_map(|a| (a + 1..base).map(move |b| (a, b)));
        let (a, b): (Vec<i64>, Vec<i64>) = pairs.unzip();
        let found = ints(pair(numbers(&a), numbers(&b), 6));
        assert_eq!(ints(pair(numbers(&b), numbers(&a), 6)), found);
        let expected: BTreeSet<i64> = (6..21).collect();
        assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(found.len(), 15);
        // A class with itself, and a label of no base class.
        assert_eq!(
            ints(pair(numbers(&[4, -1, 2]), numbers(&[4, 3, -1]), 6)),
            [4, -1, -1]
        );
    }

    #[test]
    fn targets_by_hand() {
        let device = Device::flex();
        let images = Tensor::<1, Int>::arange(0..20, &device).float();
        let batch = (images.reshape([5, 4]), numbers(&[0, 1, 2, 0, 1]));
        let pose = |pseudo: PseudoClasses, enlarge| {
            let columns = numbers(&[0, 1, -1, 0, 1]);
            pseudo.pose(&batch, columns, 2, enlarge).unwrap()
        };
        let posed = pose(PseudoClasses::Rotations, false);
        // Rows 0 and 4 stay, row 1 is turned once, row 2 twice, row 3 three times.
        assert_eq!(ints(posed.targets), [0, 1, 1 + 2, -1, 3 * 2]);
        assert_eq!(ints(posed.turns.unwrap()), [0, 0, 1, 2, 3]);
        assert_eq!(ints(posed.batch.1), [0, 1, 1, 2, 0]);
        let rows: Vec<f32> = posed.batch.0.try_into_vec_as().unwrap();
        assert_eq!(rows[8..12], [5.0, 7.0, 4.0, 6.0]);
        let posed = pose(PseudoClasses::Rotations, true);
        assert_eq!(ints(posed.targets)[15..], [6, 7, -1, 6, 7]);
        let posed = pose(PseudoClasses::Mixtures, false);
        // Rows 0 to 2 stay; rows 0 and 3, and 1 and 4, are of one class each.
        assert_eq!(ints(posed.targets), [0, 1, -1, 0, 1]);
        let rows: Vec<f32> = posed.batch.0.try_into_vec_as().unwrap();
        assert_eq!(rows[12..16], [6.0, 7.0, 8.0, 9.0]);
        let posed = pose(PseudoClasses::Mixtures, true);
        assert_eq!(ints(posed.targets)[5..], [2, -1, -1, 2, 2]);
    }

    #[test]
    fn a_single_example_stays() {
        let device = Device::flex();
        let one = (Tensor::<2>::ones([1, 4], &device), numbers(&[0]));
        for pseudo in [PseudoClasses::Rotations, PseudoClasses::Mixtures] {
            let posed = pseudo.pose(&one, numbers(&[0]), 2, false).unwrap();
            assert_eq!(ints(posed.targets), [0]);
        }
    }
}
