//! Selection over tensors.
//!
//! Where the device's memory is the host's, the radix selection reads it in place, in two passes.
//! Elsewhere the scores stay where they are, and only counts come back.

use burn::tensor::{Bool, DType, Device, FloatDType, Tensor, TensorData};
use rayon::prelude::*;

use super::host::{Order, Pool, finite, from_key, to_key};
use crate::error::{Result, TensorError};
use crate::memory::on_host;

/// Marks exactly the `k` largest of several flat tensors together, on their devices; among equal ones, the earlier tensor
/// and the low index first.
///
/// Values are compared in single precision, in which half precision is exact. Pass tensors that nothing else holds:
/// on a host backend they are then not copied.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_tensor::threshold::{flags, largest};
///
/// let scores = Tensor::<1>::from_floats([1.0, 5.0, 5.0, 5.0], &Device::flex());
/// let [mask] = &largest(vec![scores], 2)?[..] else { unreachable!() };
/// assert_eq!(flags(mask.clone())?, [false, true, true, false]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
///
/// # Errors
/// [`TensorError::OutOfRange`] if `k` is above the number of values, [`TensorError::NotFinite`] if one is NaN or
/// infinite, [`TensorError::Read`] if a device fails.
pub fn largest(scores: Vec<Tensor<1>>, k: usize) -> Result<Vec<Tensor<1, Bool>>> {
    let scores: Vec<Tensor<1>> = scores.into_iter().map(single).collect();
    if scores.iter().all(|scores| on_host(&scores.device())) {
        return read_in_place(scores, k);
    }
    bisect(&scores, k)
}

/// Marks exactly the `k` smallest of several flat tensors together; otherwise as [`largest`].
///
/// # Errors
/// As [`largest`].
pub fn smallest(scores: Vec<Tensor<1>>, k: usize) -> Result<Vec<Tensor<1, Bool>>> {
    largest(scores.into_iter().map(Tensor::neg).collect(), k)
}

/// Marks exactly the `k` largest of each row of `[rows, width]`, on its device; among equal ones, the low index first.
///
/// # Errors
/// As [`largest`], with `k` at most the width.
pub fn largest_in_rows(scores: Tensor<2>, k: usize) -> Result<Tensor<2, Bool>> {
    let [rows, width] = scores.dims();
    if k > width {
        return Err(TensorError::out_of_range("k", k, format!("0 to {width}")));
    }
    let device = scores.device();
    if k == 0 || rows == 0 {
        let off = TensorData::new(vec![false; rows * width], [rows, width]);
        return Ok(Tensor::from_data(off, &device.inner()));
    }
    let scores = single(scores);
    if on_host(&device) {
        return rows_in_place(scores, k);
    }
    ranked_rows(scores, k)
}

/// The flags of a mask, read from its device.
///
/// # Errors
/// [`TensorError::Read`] if the device fails.
pub fn flags<const D: usize>(mask: Tensor<D, Bool>) -> Result<Vec<bool>> {
    mask.try_into_vec_as::<bool>().map_err(unread)
}

fn single<const D: usize>(scores: Tensor<D>) -> Tensor<D> {
    let scores = scores.detach().inner();
    match scores.dtype() {
        DType::F32 => scores,
        _ => scores.cast(FloatDType::F32),
    }
}

fn unread(reason: impl std::fmt::Display) -> TensorError {
    TensorError::Read {
        what: "scores".into(),
        reason: reason.to_string(),
    }
}

/// The values of single precision, without a copy where nothing else holds them.
fn values<const D: usize>(scores: Tensor<D>) -> Result<Vec<f32>> {
    scores.try_into_vec_as::<f32>().map_err(unread)
}

fn read_in_place(scores: Vec<Tensor<1>>, k: usize) -> Result<Vec<Tensor<1, Bool>>> {
    let devices: Vec<Device> = scores.iter().map(Tensor::device).collect();
    let host = scores.into_iter().map(values).collect::<Result<Vec<_>>>()?;
    let slices: Vec<&[f32]> = host.iter().map(Vec::as_slice).collect();
    let masks = Pool::new(&slices, None, Order::Largest)?.mask(k)?;
    let masks = masks.into_iter().zip(devices).map(|(mask, device)| {
        let size = mask.len();
        Tensor::from_data(TensorData::new(mask, [size]), &device)
    });
    Ok(masks.collect())
}

fn rows_in_place(scores: Tensor<2>, k: usize) -> Result<Tensor<2, Bool>> {
    let ([rows, width], device) = (scores.dims(), scores.device());
    let host = values(scores)?;
    finite(&host, || "scores".into())?;
    let mut mask = vec![false; host.len()];
    let pairs = host.par_chunks(width).zip(mask.par_chunks_mut(width));
    pairs.with_min_len((4096 / width).max(1)).for_each_init(
        Vec::new,
        |keys: &mut Vec<u32>, (row, mask)| {
            keys.clear();
            keys.extend(row.iter().map(|value| to_key(*value)));
            let (above, cut, _) = keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
            let cut = *cut;
            let mut ties = k - above.iter().filter(|key| **key > cut).count();
            for (value, taken) in row.iter().zip(mask) {
                let key = to_key(*value);
                let tie = key == cut && ties > 0;
                ties -= usize::from(tie);
                *taken = key > cut || tie;
            }
        },
    );
    Ok(Tensor::from_data(
        TensorData::new(mask, [rows, width]),
        &device,
    ))
}

/// How many values of each tensor a comparison marks, in one read-back a device.
fn counts(marks: Vec<Tensor<1, Bool>>) -> Result<Vec<usize>> {
    let count = |mark: Tensor<1, Bool>| {
        let count = mark.int().sum().try_into_vec_as::<i64>().map_err(unread)?;
        Ok(count
            .first()
            .map_or(0, |count| usize::try_from(*count).unwrap_or(0)))
    };
    marks.into_iter().map(count).collect()
}

fn check_finite<const D: usize>(scores: &Tensor<D>, what: impl FnOnce() -> String) -> Result<()> {
    let all = scores
        .clone()
        .is_finite()
        .all()
        .try_into_vec_as::<bool>()
        .map_err(unread)?;
    if all == [true] {
        return Ok(());
    }
    finite(&values(scores.clone())?, what)
}

/// The largest key that at least `k` values reach is found bit by bit; then the values above it are taken, and of those
/// equal to it the first.
fn bisect(scores: &[Tensor<1>], k: usize) -> Result<Vec<Tensor<1, Bool>>> {
    for (i, scores) in scores.iter().enumerate() {
        check_finite(scores, || format!("scores[{i}]"))?;
    }
    let total: usize = scores.iter().map(|scores| scores.dims()[0]).sum();
    if k > total {
        return Err(TensorError::out_of_range("k", k, format!("0 to {total}")));
    }
    let at_least = |value: f32| {
        scores
            .iter()
            .map(|s| s.clone().greater_equal_elem(value))
            .collect::<Vec<_>>()
    };
    let above = |value: f32| {
        scores
            .iter()
            .map(|s| s.clone().greater_elem(value))
            .collect::<Vec<_>>()
    };
    if k == 0 {
        return Ok(above(f32::MAX));
    }
    let (mut low, mut high) = (u64::from(to_key(f32::MIN)), u64::from(to_key(f32::MAX)) + 1);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        let reached: usize = counts(at_least(from_key(middle as u32)))?.iter().sum();
        match reached.cmp(&k) {
            std::cmp::Ordering::Equal => return Ok(at_least(from_key(middle as u32))),
            std::cmp::Ordering::Greater => low = middle,
            std::cmp::Ordering::Less => high = middle,
        }
    }
    let cut = from_key(low as u32);
    let mut masks = above(cut);
    let mut ties = k - counts(masks.clone())?.iter().sum::<usize>();
    let equal: Vec<_> = scores.iter().map(|s| s.clone().equal_elem(cut)).collect();
    let found = counts(equal.clone())?;
    for ((mask, equal), found) in masks.iter_mut().zip(equal).zip(found) {
        let first = if found > ties {
            first(equal, ties)?
        } else {
            equal
        };
        ties -= found.min(ties);
        *mask = mask.clone().bool_or(first);
    }
    Ok(masks)
}

/// The first `count` of the marks, of which there are more.
fn first(marks: Tensor<1, Bool>, count: usize) -> Result<Tensor<1, Bool>> {
    let size = marks.dims()[0];
    let (mut low, mut high) = (0, size);
    while high > low {
        let middle = usize::midpoint(low, high);
        let head = marks.clone().slice(0..middle);
        match counts(vec![head])?[0] >= count {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    let rest = marks.clone().slice(low..size);
    let off = rest.clone().bool_and(rest.bool_not());
    Ok(Tensor::cat(vec![marks.slice(0..low), off], 0))
}

/// By the `k`-th of each sorted row, and the first of the values that equal it.
fn ranked_rows(scores: Tensor<2>, k: usize) -> Result<Tensor<2, Bool>> {
    check_finite(&scores, || "scores".into())?;
    let sorted = scores.clone().sort_descending(1);
    let cut = sorted.slice([0..scores.dims()[0], k - 1..k]);
    let above = scores.clone().greater(cut.clone());
    let equal = scores.equal(cut);
    let ties = above.clone().int().sum_dim(1).neg().add_scalar(k as i64);
    let place = equal.clone().int().cumsum(1);
    Ok(above.bool_or(equal.bool_and(place.lower_equal(ties))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [values.len()]),
            &Device::flex(),
        )
    }

    fn on(masks: Vec<Tensor<1, Bool>>) -> Vec<Vec<bool>> {
        masks.into_iter().map(|mask| flags(mask).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_way_marks_what_the_host_marks(
            a in prop::collection::vec(-3_i8..4, 1..40), b in prop::collection::vec(-3_i8..4, 1..40), share in 0.0_f64..=1.0,
        ) {
            let real = |values: &[i8]| values.iter().map(|v| f32::from(*v) * 0.37).collect::<Vec<f32>>();
            let (a, b) = (real(&a), real(&b));
            let k = super::super::share_of(share, a.len() + b.len());
            let expected = super::super::top_k_masks(&[&a, &b], None, k).unwrap();
            let scores = [tensor(&a), tensor(&b)];
            prop_assert_eq!(on(largest(scores.to_vec(), k).unwrap()), expected.clone());
            prop_assert_eq!(on(bisect(&scores, k).unwrap()), expected);
            let row = super::super::share_of(share, a.len());
            let rows = Tensor::<2>::from_data(TensorData::new([&a[..], &a[..]].concat(), [2, a.len()]), &Device::flex());
            let once = super::super::top_k(&a, row).unwrap();
            let expected = [&once[..], &once[..]].concat();
            prop_assert_eq!(flags(largest_in_rows(rows.clone(), row).unwrap()).unwrap(), expected.clone());
            if row > 0 {
                prop_assert_eq!(flags(ranked_rows(rows, row).unwrap()).unwrap(), expected);
            }
        }
    }

    #[test]
    fn half_precision_is_compared_and_wrong_values_are_named() {
        for dtype in [FloatDType::BF16, FloatDType::F16, FloatDType::F64] {
            let scores = tensor(&[0.5, -2.0, 3.0]).cast(dtype);
            assert_eq!(
                on(largest(vec![scores.clone()], 1).unwrap()),
                [[false, false, true]]
            );
            assert_eq!(
                on(smallest(vec![scores], 1).unwrap()),
                [[false, true, false]]
            );
        }
        let bad = [tensor(&[1.0, f32::NAN])];
        for error in [
            largest(bad.to_vec(), 1).unwrap_err(),
            bisect(&bad, 1).unwrap_err(),
        ] {
            assert!(error.to_string().contains("NaN at index 1"), "{error}");
        }
        assert!(largest(vec![tensor(&[1.0])], 2).is_err() && bisect(&[tensor(&[1.0])], 2).is_err());
        assert!(largest_in_rows(tensor(&[1.0]).reshape([1, 1]), 2).is_err());
    }
}
