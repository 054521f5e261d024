//! # divergence
//!
//! How far a model's outputs are from what is kept of earlier ones.
//!
//! Source: the output divergences of Wang et al. (arXiv 2403.13249), section 3, with the losses of DER (arXiv 2004.07211), FDR
//! (arXiv 1805.08289), LwF (arXiv 1606.09282) and CPR (arXiv 2006.07326).

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use regimen_tensor::per_example::cross_entropy;
use serde::{Deserialize, Serialize};

use crate::error::check;
use crate::{ContinualError, Result};

/// A divergence of logits from what is kept of earlier outputs, the mean over a batch, in f32.
///
/// With logits h, kept logits z and kept labels y, `p(h)` the softmax over K classes:
///
/// | divergence | value for an example | target |
/// |---|---|---|
/// | `LogitMse` | `1/K sum_k (h_k - z_k)^2` | logits |
/// | `ProbL2` | `‖p(h) - p(z)‖_2`, not squared | logits |
/// | `CrossEntropyToLabel` | `-log p(h)_y` | labels |
/// | `KlToStored` | `KL(p(z/T) ‖ p(h/T))` | logits |
/// | `KlToUniform` | `KL(p(h) ‖ u) = log K - H(p(h))` | none |
///
/// Where probabilities are the kept ones, the derivative of `ProbL2` is taken as 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::penalties::{OutputDivergence, Target};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
/// let kept = Target::Logits(Tensor::from_data([[1.5, 1.0, 2.0]], &device));
/// let value = OutputDivergence::LogitMse.of(logits, &kept)?;
/// assert!((value.into_scalar::<f32>() - 0.75).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OutputDivergence {
    /// Mean square of the difference of logits, over batch and classes: DER's.
    LogitMse,
    /// Euclidean distance of probabilities: FDR's.
    ProbL2,
    /// Cross-entropy of a kept label: that of experience replay.
    CrossEntropyToLabel,
    /// Kullback-Leibler divergence of the model's softened probabilities from the kept ones: that of learning without forgetting.
    KlToStored {
        /// Both logits are divided by it, above 0. The value is not multiplied by its square.
        temperature: f64,
    },
    /// Kullback-Leibler divergence from equal probabilities: that of classifier-projection regularisation.
    KlToUniform,
}

/// What an [`OutputDivergence`] compares with.
#[derive(Clone, Debug)]
pub enum Target {
    /// Kept logits `[batch, classes]`.
    Logits(Tensor<2>),
    /// Kept labels `[batch]`.
    Labels(Tensor<1, Int>),
    /// Nothing is kept.
    None,
}

impl OutputDivergence {
    /// The mean over the batch, `[1]`, in f32: differentiable by `logits`, `[batch, classes]`. Targets are moved to their device, and
    /// no gradient goes to them.
    ///
    /// # Errors
    /// If the target is of another kind or shape, or a temperature is not above 0.
    pub fn of(&self, logits: Tensor<2>, target: &Target) -> Result<Tensor<1>> {
        some_classes(&logits)?;
        let logits = logits.cast(FloatDType::F32);
        match (self, target) {
            (Self::LogitMse, Target::Logits(kept)) => {
                let kept = alike(kept, &logits)?;
                Ok((logits - kept).square().mean())
            }
            (Self::ProbL2, Target::Logits(kept)) => {
                let kept = alike(kept, &logits)?;
                let squares = (softmax(logits, 1) - softmax(kept, 1)).square().sum_dim(1);
                // The root has no derivative at 0.
                let none = squares.clone().equal_elem(0.0);
                let roots = squares.mask_fill(none.clone(), 1.0).sqrt();
                Ok(roots.mask_fill(none, 0.0).mean())
            }
            (Self::CrossEntropyToLabel, Target::Labels(labels)) => {
                let (batch, found) = (logits.dims()[0], labels.dims()[0]);
                if batch != found {
                    return Err(ContinualError::mismatch("labels", batch, found));
                }
                let labels = labels.clone().to_device(&logits.device());
                Ok(cross_entropy(logits, labels).mean())
            }
            (Self::KlToStored { temperature }, Target::Logits(kept)) => {
                check("temperature", *temperature, *temperature > 0.0, "above 0")?;
                let kept = log_softmax(alike(kept, &logits)? / *temperature, 1);
                let own = log_softmax(logits / *temperature, 1);
                let terms = kept.clone().exp() * (kept - own);
                Ok(terms.sum_dim(1).mean())
            }
            (Self::KlToUniform, _) => {
                let classes = logits.dims()[1] as f64;
                let own = log_softmax(logits, 1);
                let negative_entropy = (own.clone().exp() * own).sum_dim(1).mean();
                Ok(negative_entropy + classes.ln())
            }
            (divergence, target) => Err(ContinualError::mismatch(
                format!("target of {divergence:?}"),
                divergence.needs(),
                target.name(),
            )),
        }
    }

    /// What [`of`](Self::of) must be given.
    fn needs(&self) -> &'static str {
        match self {
            Self::CrossEntropyToLabel => "labels",
            Self::KlToUniform => "nothing",
            _ => "logits",
        }
    }
}

impl Target {
    fn name(&self) -> &'static str {
        match self {
            Self::Logits(_) => "logits",
            Self::Labels(_) => "labels",
            Self::None => "nothing",
        }
    }
}

/// The cross-entropy of the model's softened probabilities under the kept ones, `-sum_k p(z/T)_k log p(h/T)_k`, the mean over the
/// batch, `[1]`, in f32.
///
/// It is [`OutputDivergence::KlToStored`] and the kept ones' entropy: the gradients are the same.
///
/// # Errors
/// If the shapes differ, there is no class, or the temperature is not above 0.
pub fn soft_cross_entropy(
    logits: Tensor<2>,
    kept: &Tensor<2>,
    temperature: f64,
) -> Result<Tensor<1>> {
    check("temperature", temperature, temperature > 0.0, "above 0")?;
    some_classes(&logits)?;
    let logits = logits.cast(FloatDType::F32);
    let kept = softmax(alike(kept, &logits)? / temperature, 1);
    let own = log_softmax(logits / temperature, 1);
    Ok(-(kept * own).sum_dim(1).mean())
}

/// The columns of these classes, in this order.
///
/// # Errors
/// If there is none, or `logits` has no such column.
pub fn of_classes(logits: Tensor<2>, classes: &[usize]) -> Result<Tensor<2>> {
    let [_, all] = logits.dims();
    if classes.is_empty() {
        return Err(ContinualError::Empty("classes"));
    }
    if let Some(class) = classes.iter().find(|class| **class >= all) {
        let allowed = format!("below {all}, the outputs of the model");
        return Err(ContinualError::range("class", class, &allowed));
    }
    if classes.iter().copied().eq(0..all) {
        return Ok(logits);
    }
    let places: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
    let places = TensorData::new(places, [classes.len()]);
    let places = Tensor::<1, Int>::from_data(places, &logits.device());
    Ok(logits.select(1, places))
}

/// Refuses logits of no class.
fn some_classes(logits: &Tensor<2>) -> Result<()> {
    match logits.dims()[1] {
        0 => Err(ContinualError::Empty("the classes of logits")),
        _ => Ok(()),
    }
}

/// Kept values in f32 on the device of `like`, without a gradient of their own.
fn alike(kept: &Tensor<2>, like: &Tensor<2>) -> Result<Tensor<2>> {
    if kept.dims() != like.dims() {
        return Err(ContinualError::mismatch(
            "kept logits",
            format!("{:?}", like.dims()),
            format!("{:?}", kept.dims()),
        ));
    }
    let kept = kept.clone().cast(FloatDType::F32);
    let kept = match kept.is_autodiff() {
        true => kept.inner(),
        false => kept,
    };
    Ok(match like.is_autodiff() {
        true => Tensor::from_inner(kept.to_device(&like.device().inner())),
        false => kept.to_device(&like.device()),
    })
}
