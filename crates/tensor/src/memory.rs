//! # memory
//!
//! Which devices keep their tensors in the host's memory, and how their values are read at the cost of one copy at most.
//!
//! Source: `burn-flex`, where a tensor is a buffer with a count of its holders: an operation changes it in place if there is
//! one holder, and reading it hands it over then; reading a buffer of several holders copies it up to three times.

use burn::tensor::{DType, Device, FloatDType, Tensor};

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
