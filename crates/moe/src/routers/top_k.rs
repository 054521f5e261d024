//! The k largest of each row, ties to the lower index.

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use crate::Result;
use crate::error::MoeError;

/// The places of the `k` largest values of each row, largest first; of equal values the one with the lower index.
///
/// `[rows, columns]` to `[rows, k]`. Where a value is not a number, every other comes first.
///
/// # Errors
/// If `k` is not from 1 to the number of columns.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// let scores = Tensor::<2>::from_data([[1.0, 3.0, 3.0, 2.0]], &Device::default());
/// let best = regimen_moe::top_k(scores.clone(), 3)?;
/// assert_eq!(best.try_into_vec_as::<i64>().unwrap(), [1, 2, 3]);
/// assert!(regimen_moe::top_k(scores, 5).is_err());
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
pub fn top_k(scores: Tensor<2>, k: usize) -> Result<Tensor<2, Int>> {
    let [_, columns] = scores.dims();
    if k == 0 || k > columns {
        let allowed = format!("1 to the number of columns, {columns}");
        return Err(MoeError::range("k", k, &allowed));
    }
    Ok(ranked(vec![scores], k))
}

/// The same by several scores of one shape: where the first are equal the second decide, and so on. `k` is at most the columns.
pub(crate) fn ranked(keys: Vec<Tensor<2>>, k: usize) -> Tensor<2, Int> {
    let keys: Vec<_> = keys.into_iter().map(Tensor::detach).collect();
    let ([rows, columns], device) = (keys[0].dims(), keys[0].device());
    if rows == 0 || k == 0 {
        return Tensor::from_data(TensorData::new(Vec::<i64>::new(), [rows, k]), &device);
    }
    if !on_host(&device) {
        return ranked_on_device(keys, k);
    }
    let double = keys.iter().any(|key| key.dtype() == DType::F64);
    let places = if double {
        read::<f64>(&keys).map(|keys| places(keys, columns, k))
    } else {
        read::<f32>(&keys).map(|keys| places(keys, columns, k))
    };
    match places {
        Some(places) => Tensor::from_data(TensorData::new(places, [rows, k]), &device),
        None => ranked_on_device(keys, k),
    }
}

/// Whether the device's memory is the host's, so that reading a tensor waits for nothing.
pub(super) fn on_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    {
        use burn::backend::DispatchDevice;
        matches!(
            device.clone().inner().as_dispatch(),
            DispatchDevice::Flex(_)
        )
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

fn read<T: burn::tensor::Element>(keys: &[Tensor<2>]) -> Option<Vec<Vec<T>>> {
    let read = |key: &Tensor<2>| key.clone().try_into_vec_as::<T>().ok();
    keys.iter().map(read).collect()
}

/// What is not a number is below everything.
trait Key: Copy + PartialOrd {
    const LOWEST: Self;
}

impl Key for f32 {
    const LOWEST: Self = Self::NEG_INFINITY;
}

impl Key for f64 {
    const LOWEST: Self = Self::NEG_INFINITY;
}

fn places<T: Key>(mut keys: Vec<Vec<T>>, columns: usize, k: usize) -> Vec<i64> {
    for key in keys.iter_mut().flatten() {
        let value = *key;
        if value.partial_cmp(&value).is_none() {
            *key = T::LOWEST;
        }
    }
    let Some((first, others)) = keys.split_first() else {
        return Vec::new();
    };
    let mut places: Vec<i64> = Vec::with_capacity(first.len() / columns.max(1) * k);
    let mut best: Vec<(T, usize)> = Vec::with_capacity(k + 1);
    let beats = |(value, place): (T, usize), (other, at): (T, usize)| {
        let mut ties = others.iter().map(|key| (key[place], key[at]));
        value > other || (value == other && ties.find(|(a, b)| a != b).is_some_and(|(a, b)| a > b))
    };
    for (row, values) in first.chunks_exact(columns.max(1)).enumerate() {
        best.clear();
        let start = row * columns;
        for (column, &value) in values.iter().enumerate() {
            let new = (value, start + column);
            let full = best.len() == k;
            if full && best.last().is_some_and(|worst| !beats(new, *worst)) {
                continue;
            }
            let at = best.iter().position(|other| beats(new, *other));
            best.insert(at.unwrap_or(best.len()), new);
            best.truncate(k);
        }
        places.extend(best.iter().map(|(_, place)| (place - start) as i64));
    }
    places
}

/// The same without a look at the values: `k` passes.
pub(crate) fn ranked_on_device(keys: Vec<Tensor<2>>, k: usize) -> Tensor<2, Int> {
    let ([rows, columns], device) = (keys[0].dims(), keys[0].device());
    let shape = [rows, columns];
    let index = Tensor::<1, Int>::arange(0..columns as i64, &device).reshape([1, columns]);
    let index = index.expand(shape);
    // Below every score and above what was taken, so that a row of infinities has k different places too.
    let finite = |key: Tensor<2>| {
        let (key, lowest) = match key.dtype() {
            DType::F64 => (key, f64::MIN),
            DType::F32 => (key, f64::from(f32::MIN)),
            _ => (key.cast(FloatDType::F32), f64::from(f32::MIN)),
        };
        let nan = key.clone().is_nan();
        key.mask_fill(nan, lowest).clamp_min(lowest)
    };
    let mut keys: Vec<_> = keys.into_iter().map(finite).collect();
    let picks = (0..k).map(|_| {
        let mut tied = None;
        for key in &keys {
            let left = match tied.take() {
                Some(tied) => key
                    .clone()
                    .mask_fill(Tensor::bool_not(tied), f32::NEG_INFINITY),
                None => key.clone(),
            };
            let largest = left.clone().max_dim(1).expand(shape);
            tied = Some(left.equal(largest));
        }
        let tied = tied.unwrap_or_else(|| index.clone().greater_equal_elem(0));
        let best = index.clone().mask_fill(tied.bool_not(), columns as i64);
        let best = best.min_dim(1);
        let taken = index.clone().equal(best.clone().expand(shape));
        keys[0] = keys[0].clone().mask_fill(taken, f32::NEG_INFINITY);
        best
    });
    Tensor::cat(picks.collect(), 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_index_on_host_and_device() {
        let device = Device::flex();
        let infinite = f32::NEG_INFINITY;
        let rows = [
            [1.0, 3.0, 3.0, 2.0],
            [0.5, 0.5, 0.5, 0.5],
            [f32::NAN, 1.0, 0.0, 2.0],
            [infinite, 0.0, infinite, infinite],
        ];
        let scores = Tensor::<2>::from_data(rows, &device);
        let expected = [[1, 2, 3], [0, 1, 2], [3, 1, 2], [1, 0, 2]];
        for found in [
            top_k(scores.clone(), 3).unwrap(),
            ranked_on_device(vec![scores.clone()], 3),
            top_k(scores.cast(DType::F64), 3).unwrap(),
        ] {
            let found = found.try_into_vec_as::<i64>().unwrap();
            assert_eq!(found, expected.as_flattened());
        }
    }

    #[test]
    fn equal_scores_are_ranked_by_the_next_ones() {
        let device = Device::flex();
        let key = |row: [f32; 4]| Tensor::<2>::from_data([row], &device);
        let keys = vec![
            key([1.0, 2.0, 2.0, 2.0]),
            key([9.0, 0.0, 1.0, 1.0]),
            key([0.0, 0.0, 3.0, 4.0]),
        ];
        for found in [ranked(keys.clone(), 4), ranked_on_device(keys, 4)] {
            let found = found.try_into_vec_as::<i64>().unwrap();
            assert_eq!(found, [3, 2, 1, 0]);
        }
    }

    #[test]
    fn half_precision_rows_of_infinities_have_different_places() {
        let device = Device::flex();
        let rows = [[f32::NEG_INFINITY; 4], [f32::NAN, 1.0, 2.0, f32::INFINITY]];
        for dtype in [DType::F16, DType::BF16, DType::F64] {
            let scores = Tensor::<2>::from_data(rows, (&device, dtype));
            for found in [
                top_k(scores.clone(), 3).unwrap(),
                ranked_on_device(vec![scores.clone()], 3),
            ] {
                let found = found.try_into_vec_as::<i64>().unwrap();
                assert_eq!(found, [0, 1, 2, 3, 2, 1], "{dtype:?}");
            }
        }
    }

    #[test]
    fn more_than_there_are_is_an_error() {
        let scores = || Tensor::<2>::zeros([2, 3], &Device::flex());
        assert!(top_k(scores(), 4).is_err());
        assert!(top_k(scores(), 0).is_err());
        assert!(top_k(scores(), 3).is_ok());
    }
}
