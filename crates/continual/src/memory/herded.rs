//! # Herded
//!
//! The examples of a class whose mean is nearest to the mean of all of them, the first ones most.
//!
//! Source: Rebuffi et al., "iCaRL: Incremental Classifier and Representation Learning" (arXiv 1611.07725), algorithms 4 and 5.

use super::bytes::Bytes;
use super::capacity::Limit;
use super::cell::Cell;
use super::kept::Kept;
use super::memory_config::MemoryConfig;
use super::policy::Policy;
use super::store::Memory;
use crate::{ContinualError, Result};

/// Differences of distances below which two examples are equally near.
const EQUAL: f64 = 1e-12;

/// The order in which herding takes examples, the first `count` of it: example by example the one that brings the mean of those
/// taken nearest to the mean of all.
///
/// `features` has a row an example. Rows are normalised to length 1, a row of zeros stays as it is. Of examples that are equally
/// near, the last is taken. The cost is `count * rows * width`.
///
/// ```
/// use regimen_continual::memory::herding;
///
/// let features = [vec![1.0, 0.0], vec![0.0, 1.0], vec![0.8, 0.6], vec![0.6, 0.8]];
/// assert_eq!(herding(&features, 4)?, [3, 2, 1, 0]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If there is no row, rows differ in width, or a value is not finite.
pub fn herding(features: &[Vec<f32>], count: usize) -> Result<Vec<usize>> {
    let width = features
        .first()
        .ok_or(ContinualError::Empty("features"))?
        .len();
    if let Some(row) = features.iter().find(|row| row.len() != width) {
        return Err(ContinualError::mismatch(
            "width of features",
            width,
            row.len(),
        ));
    }
    if features.iter().flatten().any(|value| !value.is_finite()) {
        return Err(ContinualError::NotFinite("the features".into()));
    }
    let _span = tracing::info_span!("herding", examples = features.len(), width, count).entered();
    let rows: Vec<Vec<f64>> = features.iter().map(|row| normalised(row)).collect();
    let mut mean = vec![0.0; width];
    rows.iter().for_each(|row| add(&mut mean, row));
    mean.iter_mut()
        .for_each(|value| *value /= rows.len() as f64);
    // What is taken has to sum up to `k * mean`.
    let mut wanted = vec![0.0; width];
    let mut left: Vec<usize> = (0..rows.len()).collect();
    let mut order = Vec::new();
    while order.len() < count && !left.is_empty() {
        add(&mut wanted, &mean);
        let scale = (order.len() + 1) as f64;
        let mut best = (0, f64::INFINITY);
        for (place, row) in left.iter().enumerate() {
            let distance: f64 = wanted
                .iter()
                .zip(&rows[*row])
                .map(|(a, b)| (a - b).powi(2))
                .sum();
            if distance <= best.1 + EQUAL * scale {
                best = (place, distance.min(best.1));
            }
        }
        let row = left.remove(best.0);
        wanted
            .iter_mut()
            .zip(&rows[row])
            .for_each(|(wanted, value)| *wanted -= value);
        order.push(row);
    }
    Ok(order)
}

fn add(sum: &mut [f64], row: &[f64]) {
    sum.iter_mut()
        .zip(row)
        .for_each(|(sum, value)| *sum += value);
}

fn normalised(row: &[f32]) -> Vec<f64> {
    let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    match norm > 0.0 {
        true => row.into_iter().map(|value| value / norm).collect(),
        false => row,
    }
}

impl<I: Bytes> Memory<I> {
    /// Takes up a class of a herded memory: of its examples, with a row of features each, those that [`herding`] takes first; what the memory had of
    /// the class goes. With `Total(m)` of `c` classes, and `PerTask(m)` of `c` classes of a task, each class has `m / c`, rounded down; of the
    /// others the first ones stay. With `TotalBytes(b)`, each has the first ones within `b / c` bytes. Returns how many
    /// of the class are kept.
    ///
    /// # Errors
    /// If the memory is not herded, there is no example, they are of several classes or tasks, or there are not as many rows; if the
    /// share of a class is less than one example; for values that are not finite. Nothing is changed.
    pub fn add_class(&mut self, examples: Vec<Kept<I>>, features: &[Vec<f32>]) -> Result<usize> {
        let MemoryConfig {
            policy, capacity, ..
        } = self.config;
        if policy != Policy::Herded {
            return Err(ContinualError::Unsupported {
                method: "a memory that is not herded",
                reason: "it takes single examples, by `add`".into(),
            });
        }
        let first = examples
            .first()
            .ok_or(ContinualError::Empty("the examples of a class"))?;
        let (label, task) = (first.label, first.task);
        if let Some(odd) = examples
            .iter()
            .find(|kept| (kept.label, kept.task) != (label, task))
        {
            let found = format!("{:?}", (odd.label, odd.task));
            let expected = format!("{:?}", (label, task));
            return Err(ContinualError::mismatch(
                "class and task of an example",
                expected,
                found,
            ));
        }
        if examples.len() != features.len() {
            return Err(ContinualError::mismatch(
                "rows of features",
                examples.len(),
                features.len(),
            ));
        }
        let offered = examples.len();
        let numbered = examples.into_iter().zip(self.seen..);
        let mut examples: Vec<Option<Kept<I>>> = numbered
            .map(|(kept, number)| self.measured(kept, number).map(Some))
            .collect::<Result<_>>()?;
        let key = capacity.cell(label, task);
        let others = self.cells.get(&key).map_or(0, |cell| {
            cell.groups.keys().filter(|group| **group != label).count()
        });
        let classes = others + 1;
        let (share, most) = match capacity.limit() {
            Limit::Items(all) => (Limit::Items(all / classes), all / classes),
            Limit::Bytes(all) => (Limit::Bytes(all / classes), offered),
        };
        if share == Limit::Items(0) {
            let allowed = "at least one example a class";
            return Err(ContinualError::range("capacity", most, allowed));
        }
        let mut chosen = Cell::new();
        for place in herding(features, most)? {
            let next = examples.get_mut(place).and_then(Option::take);
            match next.filter(|kept| chosen.fits(share, kept.bytes)) {
                Some(kept) => chosen.push(label, kept),
                None => break,
            }
        }
        if chosen.len == 0 {
            let allowed = "at least one example a class";
            return Err(ContinualError::range(
                "capacity",
                format!("{share:?}"),
                allowed,
            ));
        }
        let kept = chosen.len;
        let cell = self.cells.entry(key).or_insert_with(Cell::new);
        for (class, group) in &mut cell.groups {
            let mut first = Cell::new();
            while let Some(kept) = group.pop_front() {
                if !first.fits(share, kept.bytes) {
                    break;
                }
                first.push(*class, kept);
            }
            *group = first.groups.remove(class).unwrap_or_default();
        }
        cell.groups.retain(|_, group| !group.is_empty());
        cell.groups.extend(chosen.groups);
        cell.count();
        cell.seen = cell.seen.saturating_add(offered as u64);
        self.seen = self.seen.saturating_add(offered as u64);
        Ok(kept)
    }
}
