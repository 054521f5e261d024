use burn::module::Module;
use regimen_tensor::ParamVector;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::Predictions;
use crate::error::{Result, UnlearningError, check, mismatch, same};

/// How far two models' predictions lie apart: lower is better, 0 is perfect, and the retrained reference scores 0 against itself.
///
/// Means over examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OutputDistance {
    /// `KL(reference || model)`, nats: lower is better, 0 is perfect, the retrained reference scores 0.
    pub kl: f64,
    /// Euclidean distance of the probabilities, `0..=sqrt(2)`: lower is better, 0 is perfect, the retrained reference scores 0.
    pub l2: f64,
}

regimen_tensor::checked_serde!(OutputDistance);

impl Checked for OutputDistance {
    type Error = UnlearningError;

    /// `kl` is 0 or more, and `l2` at most the root of 2, up to rounding.
    fn check(&self) -> Result<()> {
        check("kl", self.kl, self.kl >= -1e-2, "0 or more")?;
        let good = (0.0..=1.42).contains(&self.l2);
        check("l2", self.l2, good, "0 to the root of 2")
    }
}

/// Lower is better, 0 is perfect, and the retrained reference scores 0 against itself; one of another seed is the floor.
///
/// Compares predictions on the same examples in the same order.
///
/// # Errors
/// If the numbers of examples or classes differ, or a row is far from a distribution.
pub fn output_distance(model: &Predictions, reference: &Predictions) -> Result<OutputDistance> {
    same("number of examples", reference.len(), model.len())?;
    let (mut kl, mut l2) = (0.0, 0.0);
    let rows = model.log_probabilities().iter();
    for (model, reference) in rows.zip(reference.log_probabilities()) {
        same("number of classes", reference.len(), model.len())?;
        let mut square = 0.0;
        for (q, p) in model.iter().zip(reference) {
            if p.exp() > 0.0 {
                kl += p.exp() * (p - q.max(f64::MIN_POSITIVE.ln()));
            }
            square += (p.exp() - q.exp()).powi(2);
        }
        l2 += square.sqrt();
    }
    let count = model.len() as f64;
    let (kl, l2) = (kl / count, l2 / count);
    OutputDistance { kl, l2 }.checked()
}

/// Lower is better, 0 is perfect, and the retrained reference scores 0 against itself; one of another seed is far away
/// though it forgot as well: weights may be permuted, so compare with that value.
///
/// `||theta - theta_reference|| / ||theta_reference||`, parameters matched by path.
///
/// # Errors
/// If a path is missing or has another shape, or a weight is not finite.
pub fn weight_distance<M: Module>(model: &M, reference: &M) -> Result<f64> {
    let (model, reference) = (ParamVector::of(model), ParamVector::of(reference));
    same(
        "number of parameters",
        reference.entries().len(),
        model.entries().len(),
    )?;
    let (own, other) = (model.to_host()?, reference.to_host()?);
    let (mut gap, mut norm) = (0.0, 0.0);
    for (entry, values) in reference.entries().iter().zip(&other) {
        let place = model
            .entries()
            .iter()
            .position(|own| own.path == entry.path);
        let place = place.ok_or_else(|| mismatch("parameter", entry.path.clone(), "none"))?;
        same("size of a parameter", values.len(), own[place].len())?;
        for (a, b) in own[place].iter().zip(values) {
            gap += f64::from(a - b).powi(2);
            norm += f64::from(*b).powi(2);
        }
    }
    if !(gap + norm).is_finite() {
        return Err(UnlearningError::NotFinite("weight"));
    }
    Ok((gap.sqrt() / norm.sqrt().max(f64::MIN_POSITIVE)).min(f64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn predictions_of_a_pair() {
        let of = |p: [f64; 2]| {
            Predictions::new(vec![p.iter().map(|p| p.ln()).collect()], vec![0]).unwrap()
        };
        let distance = output_distance(&of([0.5, 0.5]), &of([0.8, 0.2])).unwrap();
        let kl = 0.8 * 1.6_f64.ln() + 0.2 * 0.4_f64.ln();
        assert!((distance.kl - kl).abs() < 1e-12);
        assert!((distance.l2 - 0.18_f64.sqrt()).abs() < 1e-12);
        assert_eq!(
            output_distance(&of([1.0, 0.0]), &of([1.0, 0.0]))
                .unwrap()
                .kl,
            0.0
        );
    }

    #[test]
    fn weights_are_matched_by_path() {
        let device = Device::flex();
        let (a, b) = (
            LinearConfig::new(2, 2).init(&device),
            LinearConfig::new(2, 2).init(&device),
        );
        assert_eq!(weight_distance(&a, &a).unwrap(), 0.0);
        assert!(weight_distance(&a, &b).unwrap() > 0.0);
        let other = LinearConfig::new(3, 2).init(&device);
        assert!(weight_distance(&a, &other).is_err());
    }
}
