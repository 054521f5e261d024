//! # Median filter
//!
//! The smoothing of logged gradient norms, with the padding of the authors' method.
//!
//! Source: arXiv 2310.07831, section 4 and the released filter recipe.

use regimen_tensor::Watch;

use crate::error::{Error, MOST_VALUES, Result, check_most};
use crate::maths::lerp;

/// The widest window of a median filter.
const WIDEST: usize = 1 << 24;

/// Medians after which the watch of a filter is asked.
const BLOCK: usize = 1 << 16;

/// A rolling median of odd `width`, up to `2^24`: the start is padded with the first value, the end by mirror
/// reflection without the edge value.
///
/// # Errors
/// If `width` is even or larger, or the values are empty or not all finite.
///
/// ```
/// use regimen_schedules::refine::median_filter;
///
/// let norms = [9.0, 3.0, 5.0, 1.0, 7.0, 2.0, 8.0, 4.0, 6.0, 10.0];
/// let smooth = median_filter(&norms, 3)?;
/// assert_eq!(smooth, [9.0, 5.0, 3.0, 5.0, 2.0, 7.0, 4.0, 6.0, 6.0, 6.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
pub fn median_filter(values: &[f64], width: usize) -> Result<Vec<f64>> {
    median_filter_watched(values, width, &Watch::default())
}

/// [`median_filter`], watched as `"median filter"`: a step is 65,536 medians. Where it is stopped, the medians so far, and after them
/// the values as they are.
///
/// # Errors
/// As [`median_filter`].
#[tracing::instrument(name = "median filter", skip_all, fields(values = values.len(), width))]
pub fn median_filter_watched(values: &[f64], width: usize, watch: &Watch) -> Result<Vec<f64>> {
    if width.is_multiple_of(2) || width > WIDEST {
        return Err(Error::OutOfRange {
            field: "width",
            value: width.to_string(),
            allowed: "an odd number up to 2^24",
        });
    }
    finite("norms", values)?;
    let half = (width / 2) as isize;
    let count = values.len() as isize;
    // The window holds ranks, counted in a tree: a step takes the logarithm of the log's length, whatever the width.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    for (rank, index) in order.iter().enumerate() {
        ranks[*index] = rank;
    }
    let at = |position: isize| ranks[padded(values.len(), position)];
    let mut window = Counts::new(values.len());
    (-half..=half).for_each(|position| window.add(at(position), 1));
    let mut medians = Vec::with_capacity(values.len());
    let blocks = values.len().div_ceil(BLOCK);
    for center in 0..count {
        let done = medians.len() / BLOCK;
        let is_block = done > 0 && medians.len().is_multiple_of(BLOCK);
        if is_block && !watch.goes_on("median filter", done, blocks) {
            break;
        }
        medians.push(values[order[window.nth(width / 2)]]);
        window.add(at(center - half), -1);
        window.add(at(center + half + 1), 1);
    }
    if medians.len() == values.len() {
        // All is done: there is nothing to stop.
        let _ = watch.goes_on("median filter", blocks, blocks);
    }
    medians.extend(&values[medians.len()..]);
    Ok(medians)
}

/// How many of each rank there are, as sums over ranges whose lengths are powers of two (Fenwick 1994).
struct Counts(Vec<i64>);

impl Counts {
    fn new(ranks: usize) -> Self {
        Self(vec![0; ranks + 1])
    }

    fn add(&mut self, rank: usize, more: i64) {
        let mut place = rank + 1;
        while let Some(count) = self.0.get_mut(place) {
            *count += more;
            place += place & place.wrapping_neg();
        }
    }

    /// The rank of the n-th member in order, from 0.
    fn nth(&self, n: usize) -> usize {
        let (mut place, mut left) = (0, n as i64);
        let mut step = self.0.len().next_power_of_two();
        while step > 0 {
            let next = place + step;
            if self.0.get(next).is_some_and(|count| *count <= left) {
                place = next;
                left -= self.0[next];
            }
            step /= 2;
        }
        place
    }
}

/// The index for a position that may lie outside: the first one before the start, reflected
/// (and reflected again, if need be) after the end.
fn padded(count: usize, position: isize) -> usize {
    let last = count as isize - 1;
    if position <= 0 || last == 0 {
        return 0;
    }
    let folded = position % (2 * last);
    let index = if folded > last {
        2 * last - folded
    } else {
        folded
    };
    index as usize
}

/// The points of the released recipe: shorter logs are interpolated up to this many.
pub const RECIPE_POINTS: usize = 10_000;

/// The released filter recipe: infinities dropped, the first and last two entries dropped, linear
/// interpolation up to 10,000 points if there are fewer, then a median filter of width
/// `2 floor(floor(0.1 * 10_000) / 2) + 1 = 1001`, also for longer logs.
///
/// The result has `max(10_000, norms.len() - 4)` points: a shape over the run, to be resampled.
///
/// # Errors
/// If fewer than five finite norms are left, or one is NaN.
pub fn filter_recipe(norms: &[f64]) -> Result<Vec<f64>> {
    filter_recipe_watched(norms, &Watch::default())
}

/// [`filter_recipe`], with its filter watched as [`median_filter_watched`].
///
/// # Errors
/// As [`filter_recipe`].
pub fn filter_recipe_watched(norms: &[f64], watch: &Watch) -> Result<Vec<f64>> {
    let kept: Vec<f64> = norms.iter().copied().filter(|n| !n.is_infinite()).collect();
    finite("norms", &kept)?;
    if kept.len() < 5 {
        return Err(Error::TooFew {
            field: "norms",
            found: kept.len(),
            needed: 5,
        });
    }
    let mut middle = kept[2..kept.len() - 2].to_vec();
    if middle.len() < RECIPE_POINTS {
        middle = resample(&middle, RECIPE_POINTS)?;
    }
    median_filter_watched(&middle, 2 * (RECIPE_POINTS / 10 / 2) + 1, watch)
}

/// `count` points, up to `2^27`, at even distances along a sequence, by linear interpolation; the ends stay. None of no values.
///
/// # Errors
/// If `count` is larger.
pub fn resample(values: &[f64], count: usize) -> Result<Vec<f64>> {
    check_most("count", count, MOST_VALUES)?;
    let at = |i: usize| {
        let position = i as f64 * (values.len() - 1) as f64 / (count.max(2) - 1) as f64;
        interpolate(values, position)
    };
    if values.is_empty() {
        return Ok(Vec::new());
    }
    Ok((0..count).map(at).collect())
}

/// The value at a fractional position of a sequence that is not empty.
pub(crate) fn interpolate(values: &[f64], position: f64) -> f64 {
    let low = (position.floor().max(0.0) as usize).min(values.len() - 1);
    let high = (low + 1).min(values.len() - 1);
    let part = position - low as f64;
    lerp(values[low], values[high], part)
}

pub(crate) fn finite(field: &'static str, values: &[f64]) -> Result<()> {
    if values.is_empty() {
        return Err(Error::TooFew {
            field,
            found: 0,
            needed: 1,
        });
    }
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::OutOfRange {
            field,
            value: value.to_string(),
            allowed: "finite numbers",
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const G: [f64; 10] = [9.0, 3.0, 5.0, 1.0, 7.0, 2.0, 8.0, 4.0, 6.0, 10.0];

    #[test]
    fn smoothing_width_3() {
        let smooth = median_filter(&G, 3).unwrap();
        assert_eq!(smooth, [9.0, 5.0, 3.0, 5.0, 2.0, 7.0, 4.0, 6.0, 6.0, 6.0]);
    }

    #[test]
    fn smoothing_width_5() {
        let smooth = median_filter(&G, 5).unwrap();
        assert_eq!(smooth, [9.0, 5.0, 5.0, 3.0, 5.0, 4.0, 6.0, 6.0, 6.0, 6.0]);
    }

    #[test]
    fn a_window_wider_than_the_log_reflects_again() {
        assert_eq!(median_filter(&[2.0], 7).unwrap(), [2.0]);
        assert_eq!(median_filter(&[1.0, 3.0], 9).unwrap().len(), 2);
    }

    #[test]
    fn the_recipe_smooths_over_1001_of_10000_points() {
        let mut norms: Vec<f64> = (0..54).map(f64::from).collect();
        norms[20] = f64::INFINITY;
        let smooth = filter_recipe(&norms).unwrap();
        assert_eq!(smooth.len(), RECIPE_POINTS);
        assert_eq!(smooth[0], 2.0);
        assert!(smooth.windows(2).take(9000).all(|pair| pair[0] <= pair[1]));
        assert!(filter_recipe(&[1.0; 4]).is_err());
        assert!(filter_recipe(&[1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0]).is_err());
        assert_eq!(filter_recipe(&[2.0; 20_000]).unwrap().len(), 19_996);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(median_filter(&G, 4).is_err());
        assert!(median_filter(&[], 3).is_err());
        let error = median_filter(&[1.0, f64::NAN], 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`norms` is NaN: allowed is finite numbers"
        );
    }
}
