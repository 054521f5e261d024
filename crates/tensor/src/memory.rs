//! # memory
//!
//! Which devices keep their tensors in the host's memory, and how their values are read at the cost of one copy at most.
//!
//! Source: `burn-flex`, where a tensor is a buffer with a count of its holders: an operation changes it in place if there is
//! one holder, and reading it hands it over then; reading a buffer of several holders copies it up to three times.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use rayon::prelude::*;

use crate::error::{Result, TensorError};

/// Whether a device's memory is the host's, so that decisions on the host need no transfer: the backends `Flex` and `NdArray`.
///
/// The library knows no backend when it is built, so a device is told by its name; of an unknown one the answer is no.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_tensor::memory::on_host;
///
/// assert!(on_host(&Device::flex()) && on_host(&Device::flex().autodiff()));
/// ```
#[must_use]
pub fn on_host(device: &Device) -> bool {
    let name = format!("{device:?}");
    ["Flex", "NdArray"].iter().any(|host| name.contains(host))
}

/// A tensor's values in single precision, row-major and off the tape. On a host device they are copied once if something
/// else holds them, and not at all if nothing does.
///
/// # Errors
/// [`TensorError::Read`], with the name `what`, if the device can't be read.
pub fn read<const D: usize>(what: &str, values: Tensor<D>) -> Result<Vec<f32>> {
    let values = values.detach().inner();
    let values = match values.dtype() {
        // Exact, and the one operation that makes a copy only where the buffer has several holders.
        DType::F32 if on_host(&values.device()) => values.mul_scalar(1.0),
        DType::F32 => values,
        _ => values.cast(FloatDType::F32),
    };
    values
        .try_into_vec_as::<f32>()
        .map_err(|reason| TensorError::Read {
            what: what.to_owned(),
            reason: reason.to_string(),
        })
}

/// Zeroes the values, of `size` bytes each, that are not active: zero is all bits off in every float type. In place, on all cores.
pub fn zero_off(values: &mut [u8], active: &[bool], size: usize) {
    const CHUNK: usize = 1 << 14;
    let chunks = values.par_chunks_mut(size.max(1) * CHUNK);
    let chunks = chunks.zip(active.par_chunks(CHUNK));
    chunks.for_each(|(values, active)| match size {
        4 => {
            let pairs = values.as_chunks_mut::<4>().0.iter_mut().zip(active);
            pairs.for_each(|(value, active)| {
                let kept = u32::from_ne_bytes(*value) & u32::from(*active).wrapping_neg();
                *value = kept.to_ne_bytes();
            });
        }
        _ => {
            let pairs = values.chunks_exact_mut(size.max(1)).zip(active);
            let off = pairs.filter(|(_, active)| !**active);
            off.for_each(|(value, _)| value.fill(0));
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn values_come_as_they_are_whoever_holds_them() {
        let values = [-0.0, 0.0, 1.5e-45, -3.4e38, f32::INFINITY, f32::NAN];
        for device in [Device::flex(), Device::flex().autodiff()] {
            let tensor = || Tensor::<1>::from_data(TensorData::from(values), &device);
            let bits = |found: Vec<f32>| found.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let expected = bits(values.to_vec());
            let held = tensor();
            assert_eq!(bits(read("x", held.clone()).unwrap()), expected);
            assert_eq!(bits(read("x", tensor()).unwrap()), expected);
            let turned = held.reshape([2, 3]).swap_dims(0, 1);
            let expected = [0, 3, 1, 4, 2, 5].map(|i: usize| expected[i]);
            assert_eq!(bits(read("x", turned).unwrap()), expected);
        }
        let half = Tensor::<1>::from_data([0.5, -2.0], &Device::flex()).cast(FloatDType::BF16);
        assert_eq!(read("x", half).unwrap(), [0.5, -2.0]);
    }
}
