//! Selection over parameters that compete together or apart.

use super::device::largest;
use crate::error::{Result, TensorError};
use crate::param_vector::ParamVector;

/// Which values compete with each other for a place among the largest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All parameters together: the share kept differs from one parameter to the next.
    Global,
    /// Each parameter for itself: the same share of each is kept.
    PerTensor,
    /// Parameters with the same label together; one label per parameter, in the vector's order.
    Grouped(Vec<usize>),
}

/// Of `count` things the share in [0, 1]: `floor(share * count)`, where a product that misses a whole number by no
/// more than the rounding of `share` is that number: .29 of 100 is 29.
///
/// ```
/// use regimen_tensor::threshold::share_of;
///
/// assert_eq!((share_of(0.29, 100), share_of(0.999, 100), share_of(1.0, 7)), (29, 99, 7));
/// ```
#[must_use]
pub fn share_of(share: f64, count: usize) -> usize {
    let exact = share * count as f64;
    let near = exact.round();
    let rounding = 4.0 * f64::EPSILON * near.max(1.0);
    let whole = if (exact - near).abs() <= rounding {
        near
    } else {
        exact.floor()
    };
    (whole.max(0.0) as usize).min(count)
}

/// Keeps the largest scores of a vector: a vector of ones and zeros in the scores' types, on their devices.
///
/// In each group of competing parameters with `n` scalars, [`share_of`] `n` ones are set, by [`largest`].
///
/// # Errors
/// [`TensorError::OutOfRange`] unless `share` lies in 0..=1 and a grouping labels every
/// parameter; [`TensorError::NotFinite`] for NaN or infinite scores.
pub fn keep_largest(scores: &ParamVector, share: f64, scope: &Scope) -> Result<ParamVector> {
    if !(0.0..=1.0).contains(&share) {
        return Err(TensorError::out_of_range("share", share, "0 to 1"));
    }
    let entries = scores.entries();
    let labels = labels(scope, entries.len())?;
    let groups: std::collections::BTreeSet<usize> = labels.iter().copied().collect();
    let mut kept = entries.to_vec();
    for group in groups {
        let members: Vec<usize> = (0..entries.len()).filter(|i| labels[*i] == group).collect();
        let values: Vec<_> = members.iter().map(|i| entries[*i].values.clone()).collect();
        let count = members.iter().map(|i| entries[*i].len()).sum();
        for (member, mask) in members
            .into_iter()
            .zip(largest(values, share_of(share, count))?)
        {
            let values = &entries[member].values;
            let ones = values
                .zeros_like()
                .mask_fill(mask.to_device(&values.device()), 1.0);
            kept[member] = kept[member].with_values(ones);
        }
    }
    Ok(ParamVector::from_entries(kept))
}

fn labels(scope: &Scope, parameters: usize) -> Result<Vec<usize>> {
    match scope {
        Scope::Global => Ok(vec![0; parameters]),
        Scope::PerTensor => Ok((0..parameters).collect()),
        Scope::Grouped(labels) if labels.len() == parameters => Ok(labels.clone()),
        Scope::Grouped(labels) => {
            let allowed = format!("{parameters}, one a parameter");
            Err(TensorError::out_of_range(
                "scope.labels.len()",
                labels.len(),
                allowed,
            ))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_vector_is_rounded_as_a_share() {
        let layer = burn::nn::LinearConfig::new(10, 10)
            .with_bias(false)
            .init(&burn::tensor::Device::flex());
        let scores = ParamVector::of(&layer);
        for (share, ones) in [
            (0.29, 29.0),
            (0.57, 57.0),
            (0.58, 58.0),
            (0.999, 99.0),
            (1.0, 100.0),
        ] {
            let kept = keep_largest(&scores, share, &Scope::Global).unwrap();
            assert_eq!(kept.l1().into_scalar::<f32>(), ones, "{share}");
        }
    }
}
