//! The largest number, the exponents and their sum of each row, in the memory of the logits: rows in parallel, each read from memory
//! once.
//!
//! Tensors of `flex` lie in the host's memory: what only one tensor holds comes and goes without a copy.

use burn::tensor::{DType, Device, Tensor, TensorData};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use regimen_tensor::simd::exp;

/// Numbers that are worked on together, so that sums vectorise.
const LANES: usize = 32;
/// Numbers whose sum is taken in single precision.
const BLOCK: usize = 32 * LANES;
/// Numbers that are worth a task.
const TASK: usize = 1 << 14;

/// Exponents `[rows, columns]`, and each row's largest number and sum, `[rows, 1]`; or the logits again where they are not of `flex` in
/// float32.
#[expect(
    clippy::result_large_err,
    reason = "the logits themselves, which nobody copies"
)]
pub(super) fn exponents(logits: Tensor<2>) -> Result<[Tensor<2>; 3], Tensor<2>> {
    let device = logits.device();
    if logits.dtype() != DType::F32 || device != Device::flex() || logits.is_autodiff() {
        return Err(logits);
    }
    let options = (&device, DType::F32);
    let [rows, columns] = logits.dims();
    let mut data = logits.into_data();
    let Ok(values) = data.as_mut_slice::<f32>() else {
        return Err(Tensor::from_data(data, options));
    };
    let (most, sums) = values
        .par_chunks_mut(columns)
        .with_min_len((TASK / columns).max(1))
        .map(|row| Arch::new().dispatch(Row(row)))
        .unzip();
    let column = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [rows, 1]), options);
    let [most, sums] = [most, sums].map(column);
    Ok([Tensor::from_data(data, options), most, sums])
}

/// A row, to be compiled for each kind of vector; its largest number, and the sum of its exponents.
struct Row<'a>(&'a mut [f32]);

impl WithSimd for Row<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f32) {
        let most = most(self.0);
        let mut sum = 0.0;
        for block in self.0.chunks_mut(BLOCK) {
            sum += f64::from(shifted::<S>(block, most));
        }
        (most, sum as f32)
    }
}

/// The largest number that is not NaN.
#[inline(always)]
fn most(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = larger(most[lane], chunk[lane]);
        }
    }
    most.into_iter()
        .chain(rest.iter().copied())
        .fold(f32::NEG_INFINITY, larger)
}

/// `exp(x - most)` in place of each number, and their sum.
#[inline(always)]
fn shifted<S: Simd>(block: &mut [f32], most: f32) -> f32 {
    let (chunks, rest) = block.as_chunks_mut::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp::<S>(chunk[lane] - most);
            sums[lane] += chunk[lane];
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for value in rest {
        *value = exp::<S>(*value - most);
        sum += *value;
    }
    sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn logits(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns)
            .map(|place| ((place * 7919 + 13) % 1009) as f32 / 40.0 - 9.0)
            .collect()
    }

    #[test]
    fn rows_agree_with_double_precision_and_shared_logits_stay() {
        for (rows, columns) in [(1, 1), (3, 31), (2, 32), (5, 1009), (40, 4100)] {
            let values = logits(rows, columns);
            let data = TensorData::new(values.clone(), [rows, columns]);
            let shared = Tensor::<2>::from_data(data, (&Device::flex(), DType::F32));
            let [found, most, sums] = exponents(shared.clone()).unwrap();
            assert_eq!(shared.try_into_vec_as::<f32>().unwrap(), values);
            let [found, most, sums] =
                [found, most, sums].map(|part| part.try_into_vec_as::<f32>().unwrap());
            for (row, values) in values.chunks(columns).enumerate() {
                let largest = values.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(most[row], largest);
                let exact = values
                    .iter()
                    .map(|value| f64::from(value - largest).exp())
                    .collect::<Vec<_>>();
                for (found, exact) in found[row * columns..].iter().zip(&exact) {
                    assert!((f64::from(*found) - exact).abs() <= 3e-7 * exact);
                }
                let sum: f64 = exact.iter().sum();
                assert!((f64::from(sums[row]) - sum).abs() <= 3e-7 * sum);
            }
        }
    }

    #[test]
    fn not_a_number_shows_and_other_types_go_back() {
        let row =
            |values: [f32; 3]| Tensor::<2>::from_data([values], (&Device::flex(), DType::F32));
        for bad in [f32::NAN, f32::INFINITY] {
            let [_, _, sums] = exponents(row([0.0, bad, 1.0])).unwrap();
            assert!(sums.into_scalar::<f32>().is_nan());
        }
        let [values, ..] = exponents(row([0.0, f32::NEG_INFINITY, 0.0])).unwrap();
        assert!(values.try_into_vec_as::<f32>().unwrap()[1] < 1e-37);
        assert!(exponents(row([0.0; 3]).cast(DType::F64)).is_err());
        assert!(exponents(Tensor::ones([1, 3], &Device::flex().autodiff())).is_err());
    }
}
