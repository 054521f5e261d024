//! The k largest of each row, ties to the lower index.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The places of the `k` largest values of each row, largest first; of equal values the one with the lower index.
///
/// `[rows, columns]` to `[rows, k]`. Where a value is not a number, every other comes first.
#[must_use]
pub fn top_k(scores: Tensor<2>, k: usize) -> Tensor<2, Int> {
    let scores = scores.detach();
    if !on_host(&scores.device()) {
        return top_k_on_device(scores, k);
    }
    let ([rows, columns], device) = (scores.dims(), scores.device());
    match scores.clone().try_into_vec_as::<f32>() {
        Ok(values) => places(&values, rows, columns, k, &device),
        Err(_) => top_k_on_device(scores, k),
    }
}

/// Whether the device's memory is the host's, so that reading a tensor waits for nothing.
fn on_host(device: &Device) -> bool {
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

fn places(
    values: &[f32],
    rows: usize,
    columns: usize,
    k: usize,
    device: &Device,
) -> Tensor<2, Int> {
    let mut places: Vec<i64> = Vec::with_capacity(rows * k);
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(k + 1);
    for row in values.chunks_exact(columns.max(1)) {
        best.clear();
        for (place, &value) in row.iter().enumerate() {
            let value = if value.is_nan() {
                f32::NEG_INFINITY
            } else {
                value
            };
            let full = best.len() == k;
            if full && best.last().is_some_and(|(worst, _)| value <= *worst) {
                continue;
            }
            let at = best.iter().position(|(other, _)| value > *other);
            best.insert(at.unwrap_or(best.len()), (value, place));
            best.truncate(k);
        }
        places.extend(best.iter().map(|(_, place)| *place as i64));
    }
    Tensor::from_data(TensorData::new(places, [rows, k]), device)
}

/// The same without a look at the values: `k` passes.
pub(crate) fn top_k_on_device(scores: Tensor<2>, k: usize) -> Tensor<2, Int> {
    let ([_, columns], device) = (scores.dims(), scores.device());
    let index = Tensor::<1, Int>::arange(0..columns as i64, &device).reshape([1, columns]);
    let nan = scores.clone().is_nan();
    // Below every score and above what was taken, so that a row of infinities has k different places too.
    let lowest = f32::MIN;
    let scores = scores.mask_fill(nan, lowest).clamp_min(lowest);
    let mut left = scores;
    let picks = (0..k).map(|_| {
        let best = left.clone().argmax(1);
        let taken = index
            .clone()
            .expand(left.dims())
            .equal(best.clone().expand(left.dims()));
        left = left.clone().mask_fill(taken, f32::NEG_INFINITY);
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
            top_k(scores.clone(), 3),
            top_k_on_device(scores.clone(), 3),
            places(rows.as_flattened(), 4, 4, 3, &device),
        ] {
            let found = found.try_into_vec_as::<i64>().unwrap();
            assert_eq!(found, expected.as_flattened());
        }
    }
}
