//! # task_vector
//!
//! Learns the forget set better, and goes the opposite way.
//!
//! Source: Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089, section 3.

use burn::module::Module;
use regimen_tensor::{ParamVector, independent};

use super::{Change, Edited};
use crate::error::{Result, UnlearningError, check};
use crate::gradients::finite_model;

/// `theta_0 - scale (theta_tuned - theta_0)`: `tuned` is `original` trained on the forget set. Running statistics are the
/// original's; both models stay as they are. The result says how much changed; where the two models are all but the same it is a
/// `tracing` warning.
///
/// # Errors
/// If `scale` is not finite, the models hold other parameters, or the result would not be finite.
pub fn negate<M: Module>(original: &M, tuned: &M, scale: f64) -> Result<Edited<M>> {
    check("scale", scale, true, "a finite number")?;
    let start = ParamVector::of(original);
    let task = ParamVector::of(tuned).sub(&start)?;
    let negated = start.clone().axpy(-scale, &task)?;
    let change = Change::of(&start, &negated)?;
    let model = negated.write_to(independent(original))?;
    if finite_model(&model) {
        change.warn(
            "task vector",
            "train longer on the forget set, or raise `scale`",
        );
        return Ok(Edited { model, change });
    }
    Err(UnlearningError::NotFinite("negated model"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn task_negation_of_a_pair() {
        let model = LinearConfig::new(2, 1)
            .with_bias(false)
            .init(&Device::flex());
        let with = |values: [f32; 2]| {
            let vector = ParamVector::of(&model).from_host(vec![values.to_vec()]);
            vector.unwrap().write_to(model.clone()).unwrap()
        };
        let (original, tuned) = (with([1.0, 1.0]), with([1.5, 0.5]));
        let edited = negate(&original, &tuned, 1.0).unwrap();
        assert_eq!((edited.change.changed, edited.change.total), (2, 2));
        assert!((edited.change.distance - 0.5).abs() < 1e-6);
        let negated = edited.model;
        assert_eq!(ParamVector::of(&negated).to_host().unwrap(), [[0.5, 1.5]]);
        assert_eq!(ParamVector::of(&original).to_host().unwrap(), [[1.0, 1.0]]);
        assert!(negate(&original, &tuned, f64::NAN).is_err());
    }
}
