//! # Calibration
//!
//! What a rule needs to know of the inputs of one layer, summed up batch by batch on their device.
//!
//! Source: Frantar and Alistarh (arXiv 2301.00774) and Sun et al. (arXiv 2306.11695): neither method needs the
//! activations themselves, only `X^T X`, or its diagonal.

use burn::tensor::{DType, FloatDType, Tensor};
use regimen_tensor::linalg::DMatrix;

use super::rule::Rule;
use crate::error::{fraction, read};
use crate::{PruningError, Result};

/// The inputs of one layer, summed over batches: `X^T X` for SparseGPT, its diagonal for Wanda, nothing for magnitude.
///
/// No activation is kept: of a layer of `n` inputs `n^2` sums are, or `n`, in single precision, or double where the inputs
/// are double.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_pruning::after::{Calibration, Rule};
///
/// let device = Device::flex();
/// let mut inputs = Calibration::new(Rule::Wanda);
/// inputs.add(Tensor::from_floats([[3.0, 0.0], [0.0, 2.0]], &device))?;
/// inputs.add(Tensor::from_floats([[4.0, 0.0]], &device))?;
/// let norms = inputs.norms()?;
/// assert_eq!(norms.into_data(), Tensor::<1>::from_floats([5.0, 2.0], &device).into_data());
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calibration {
    rule: Rule,
    rows: usize,
    sums: Option<Tensor<2>>,
}

impl Calibration {
    /// No inputs yet, for a rule.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            rows: 0,
            sums: None,
        }
    }

    /// Adds a batch of inputs, `[tokens, inputs]`.
    ///
    /// # Errors
    /// If the number of inputs differs from an earlier batch's.
    pub fn add(&mut self, inputs: Tensor<2>) -> Result<()> {
        let inputs = inputs.detach().inner();
        let [rows, width] = inputs.dims();
        if let Some(found) = self.width().filter(|own| *own != width) {
            return Err(PruningError::range(
                "inputs.dims()[1]",
                width,
                &found.to_string(),
            ));
        }
        let inputs = wide(inputs);
        let new = match self.rule {
            Rule::Magnitude => Tensor::empty([1, width], &inputs.device()),
            Rule::Wanda => inputs.square().sum_dim(0),
            Rule::SparseGpt { .. } => inputs.clone().transpose().matmul(inputs),
        };
        self.rows += rows;
        self.sums = Some(match self.sums.take() {
            Some(sums) => sums + new,
            None => new,
        });
        Ok(())
    }

    /// Number of rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of inputs of the layer, if there was a batch.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.sums.as_ref().map(|sums| sums.dims()[1])
    }

    fn sums(&self) -> Result<Tensor<2>> {
        match &self.sums {
            Some(sums) if self.rows > 0 => Ok(sums.clone()),
            _ => Err(PruningError::range("inputs.dims()[0]", 0, "at least 1 row")),
        }
    }

    /// The l2 norm of each input over all rows, `[inputs]`; ones for [`Rule::Magnitude`].
    ///
    /// # Errors
    /// If there was no row.
    pub fn norms(&self) -> Result<Tensor<1>> {
        let sums = self.sums()?;
        let [_, width] = sums.dims();
        Ok(match self.rule {
            Rule::Magnitude => Tensor::ones([width], (&sums.device(), sums.dtype())),
            Rule::Wanda => sums.sqrt().reshape([width]),
            Rule::SparseGpt { .. } => {
                let diagonal = Tensor::<2>::eye(width, &sums.device()).cast(sums.dtype());
                (sums * diagonal).sum_dim(1).sqrt().reshape([width])
            }
        })
    }

    /// SparseGPT's [`hessian`](super::sparsegpt::hessian) of all rows, read from the device.
    ///
    /// # Errors
    /// If the rule is not SparseGPT, there was no row, `damping` is not in [0, 1] or an input is not finite.
    pub fn hessian(&self, damping: f64) -> Result<DMatrix<f64>> {
        fraction("damping", damping, true)?;
        if !matches!(self.rule, Rule::SparseGpt { .. }) {
            let found = format!("{:?}", self.rule);
            return Err(PruningError::range("rule", found, "SparseGpt"));
        }
        let sums = self.sums()?;
        let [_, width] = sums.dims();
        let host = match sums.dtype() {
            DType::F64 => sums
                .try_into_vec_as::<f64>()
                .map_err(|reason| unread(&reason))?,
            _ => read("inputs", sums)?.into_iter().map(f64::from).collect(),
        };
        if host.iter().any(|sum| !sum.is_finite()) {
            return Err(PruningError::range(
                "inputs",
                "NaN or infinite",
                "finite values",
            ));
        }
        let gram = DMatrix::from_vec(width, width, host) * (2.0 / self.rows as f64);
        Ok(damped(gram, damping))
    }
}

/// Adds the share of the mean diagonal to the diagonal.
pub(super) fn damped(mut hessian: DMatrix<f64>, damping: f64) -> DMatrix<f64> {
    let damp = damping * hessian.diagonal().mean();
    for i in 0..hessian.nrows() {
        hessian[(i, i)] += damp;
    }
    hessian
}

fn unread(reason: &impl std::fmt::Display) -> PruningError {
    PruningError::Tensor(regimen_tensor::TensorError::Read {
        what: "inputs".into(),
        reason: reason.to_string(),
    })
}

/// In at least single precision.
pub(super) fn wide<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F32 | DType::F64 => values,
        _ => values.cast(FloatDType::F32),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn batches_sum_to_the_whole() {
        let device = Device::flex();
        let all = Tensor::<2>::random([30, 5], Distribution::Default, &device);
        for rule in [Rule::Wanda, Rule::SPARSE_GPT] {
            let (mut whole, mut parts) = (Calibration::new(rule), Calibration::new(rule));
            whole.add(all.clone()).unwrap();
            all.clone()
                .split(7, 0)
                .into_iter()
                .for_each(|part| parts.add(part).unwrap());
            assert_eq!((parts.rows(), parts.width()), (30, Some(5)));
            let far = (whole.norms().unwrap() - parts.norms().unwrap())
                .abs()
                .max();
            assert!(far.into_scalar::<f32>() < 1e-5);
            if rule != Rule::Wanda {
                let (a, b) = (whole.hessian(0.01).unwrap(), parts.hessian(0.01).unwrap());
                assert_abs_diff_eq!(a, b, epsilon = 1e-5);
            }
        }
    }

    #[test]
    fn bad_input_is_named() {
        let device = Device::flex();
        let mut inputs = Calibration::new(Rule::SPARSE_GPT);
        assert!(
            inputs
                .hessian(0.01)
                .unwrap_err()
                .to_string()
                .contains("at least 1 row")
        );
        inputs.add(Tensor::ones([2, 3], &device)).unwrap();
        assert!(inputs.add(Tensor::ones([2, 4], &device)).is_err());
        assert!(
            inputs
                .hessian(1.5)
                .unwrap_err()
                .to_string()
                .contains("damping")
        );
        inputs.add(Tensor::full([2, 3], f32::NAN, &device)).unwrap();
        assert!(
            inputs
                .hessian(0.01)
                .unwrap_err()
                .to_string()
                .contains("finite")
        );
        assert!(Calibration::new(Rule::Wanda).hessian(0.01).is_err());
    }
}
