//! # unified
//!
//! One objective of which the named methods are special cases: the loss on new data, a divergence between outputs, and one between
//! weights.
//!
//! Source: Wang et al., "A unified and general framework for continual learning" (arXiv 2403.13249), section 3.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Tensor};

use super::divergence::{OutputDivergence, Target};
use super::gaussian::{gaussian_kl, kronecker};
use super::quadratic::Quadratic;
use crate::error::strength;
use crate::{ContinualError, Result};

/// `L = L_new + sum_k alpha_k D(h(x_k), z_k) + beta D(theta, theta_old)`.
///
/// Each part may be absent; all combinations are legal. [`SPECIAL_CASES`] names those that are methods of their own.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::penalties::{Objective, OutputDivergence, Target};
/// # let device = Device::flex().autodiff();
/// # let model = LinearConfig::new(2, 3).init(&device);
/// # let batch_loss = Tensor::<1>::ones([1], &device);
/// # let kept_inputs = Tensor::<2>::ones([4, 2], &device);
/// # let kept_logits = Tensor::<2>::ones([4, 3], &device);
///
/// // DER: 0.1 times the mean square of the difference of logits
/// let der = Objective::new().with_outputs(0.1, OutputDivergence::LogitMse)?;
/// let logits = model.forward(kept_inputs);
/// let loss = der.loss(batch_loss, vec![(logits, Target::Logits(kept_logits))], &model)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Objective {
    outputs: Vec<(f64, OutputDivergence)>,
    weights: Option<(f64, WeightDivergence)>,
}

impl Objective {
    /// The loss on new data alone: fine-tuning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a divergence between outputs, of strength `alpha`. With several, each has a draw of examples of its own.
    ///
    /// # Errors
    /// If `alpha` is negative or not finite.
    pub fn with_outputs(mut self, alpha: f64, divergence: OutputDivergence) -> Result<Self> {
        strength("alpha", alpha)?;
        self.outputs.push((alpha, divergence));
        Ok(self)
    }

    /// Sets the divergence between weights, of strength `beta`.
    ///
    /// # Errors
    /// If `beta` is negative or not finite.
    pub fn with_weights(mut self, beta: f64, divergence: WeightDivergence) -> Result<Self> {
        strength("beta", beta)?;
        self.weights = Some((beta, divergence));
        Ok(self)
    }

    /// The objective, `[1]`: `new` is the loss on new data, and `outputs` has logits with what is kept of them for each divergence
    /// between outputs, in their order.
    ///
    /// Parts of strength 0 are not computed: without any other, the value is `new` itself.
    ///
    /// # Errors
    /// If `outputs` has not one entry a divergence, or a part fails.
    pub fn loss<M: Module>(
        &self,
        new: Tensor<1>,
        outputs: Vec<(Tensor<2>, Target)>,
        model: &M,
    ) -> Result<Tensor<1>> {
        let (expected, found) = (self.outputs.len(), outputs.len());
        if expected != found {
            return Err(ContinualError::mismatch("outputs", expected, found));
        }
        let mut loss = new;
        for ((alpha, divergence), (logits, target)) in self.outputs.iter().zip(outputs) {
            if *alpha > 0.0 {
                loss = loss + divergence.of(logits, &target)? * *alpha;
            }
        }
        match &self.weights {
            Some((beta, divergence)) if *beta > 0.0 => Ok(loss + divergence.of(model)? * *beta),
            _ => Ok(loss),
        }
    }
}

/// A divergence of a model's weights from earlier ones.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WeightDivergence {
    /// `1/2 (theta - theta_old)^T F (theta - theta_old)` with a diagonal `F`: that of elastic weight consolidation.
    DiagonalQuadratic(Quadratic),
    /// The Kullback-Leibler divergence between Gaussians with diagonals: that of variational continual learning.
    GaussianKl(Vec<GaussianPrior>),
    /// `1/2 tr(D^T A D G)` over layers, `D` the change of a weight: that of natural continual learning.
    Kronecker(Vec<KroneckerPrior>),
}

/// The earlier Gaussian of weights whose mean and standard deviation are parameters of the model.
#[derive(Clone, Debug)]
pub struct GaussianPrior {
    /// Path of the parameter that holds the means.
    pub mean_path: String,
    /// Path of the parameter that holds the logarithms of the standard deviations.
    pub log_std_path: String,
    /// The earlier means, flat.
    pub mean: Tensor<1>,
    /// The earlier standard deviations, flat, above 0.
    pub std: Tensor<1>,
}

/// The earlier weight of one layer with the factors of its precision.
#[derive(Clone, Debug)]
pub struct KroneckerPrior {
    /// Path of the weight, `[in, out]`.
    pub path: String,
    /// The earlier weight, `[in, out]`.
    pub weight: Tensor<2>,
    /// Factor of the layer's inputs, `[in, in]`.
    pub inputs: Tensor<2>,
    /// Factor of the gradients of its outputs, `[out, out]`.
    pub outputs: Tensor<2>,
}

impl WeightDivergence {
    /// The divergence at a model's parameters, `[1]`, in f32: differentiable by them.
    ///
    /// # Errors
    /// If the model has no parameter of a path, or one in another shape.
    pub fn of<M: Module>(&self, model: &M) -> Result<Tensor<1>> {
        match self {
            Self::DiagonalQuadratic(held) => Ok(held.at(model)? * 0.5),
            Self::GaussianKl(priors) => sum(priors.iter().map(|prior| {
                let mean = parameter(model, &prior.mean_path)?;
                let std = parameter(model, &prior.log_std_path)?.exp();
                let earlier = here(prior.mean.clone(), &mean);
                let prior_std = here(prior.std.clone(), &mean);
                gaussian_kl(mean, std, earlier, prior_std)
            })),
            Self::Kronecker(priors) => sum(priors.iter().map(|prior| {
                let weight = parameter(model, &prior.path)?;
                let [rows, columns] = prior.weight.dims();
                if weight.dims()[0] != rows * columns {
                    let what = format!("values of `{}`", prior.path);
                    let (expected, found) = (rows * columns, weight.dims()[0]);
                    return Err(ContinualError::mismatch(what, expected, found));
                }
                let factors = [&prior.weight, &prior.inputs, &prior.outputs];
                let [earlier, inputs, outputs] =
                    factors.map(|factor| here(factor.clone(), &weight));
                kronecker(weight.reshape([rows, columns]) - earlier, inputs, outputs)
            })),
        }
    }
}

fn sum(parts: impl Iterator<Item = Result<Tensor<1>>>) -> Result<Tensor<1>> {
    let sum = parts.reduce(|sum, part| Ok(sum? + part?));
    sum.unwrap_or(Err(ContinualError::Empty("the priors of weights")))
}

/// A kept tensor in f32 on the device of `like`, on its tape if it has one.
fn here<const D: usize>(kept: Tensor<D>, like: &Tensor<1>) -> Tensor<D> {
    let kept = kept.cast(FloatDType::F32);
    let kept = match kept.is_autodiff() {
        true => kept.inner(),
        false => kept,
    };
    match like.is_autodiff() {
        true => Tensor::from_inner(kept.to_device(&like.device().inner())),
        false => kept.to_device(&like.device()),
    }
}

/// A parameter by its path, flat, in f32, on the tape.
fn parameter<M: Module>(model: &M, path: &str) -> Result<Tensor<1>> {
    struct Find<'a> {
        wanted: &'a str,
        path: Vec<String>,
        found: Option<Tensor<1>>,
    }
    impl ModuleVisitor for Find<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.found.is_none() && self.path.join(".") == self.wanted {
                let value = param.val();
                let count = value.shape().num_elements();
                self.found = Some(value.reshape([count]).cast(FloatDType::F32));
            }
        }
    }
    let mut find = Find {
        wanted: path,
        path: Vec::new(),
        found: None,
    };
    model.visit(&mut find);
    let what = || format!("parameter `{path}`");
    find.found
        .ok_or_else(|| ContinualError::mismatch(what(), "a parameter of the model", "none"))
}

/// A method as a special case of [`Objective`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpecialCase {
    /// The method.
    pub method: &'static str,
    /// Whether there is a divergence between outputs: `alpha > 0`.
    pub alpha: bool,
    /// Whether there is one between weights: `beta > 0`.
    pub beta: bool,
    /// The divergences between outputs, each on a draw of its own.
    pub outputs: &'static [OutputDivergence],
    /// The divergence between weights.
    pub weights: Option<WeightPart>,
}

/// The kinds of [`WeightDivergence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPart {
    /// [`WeightDivergence::DiagonalQuadratic`].
    DiagonalQuadratic,
    /// [`WeightDivergence::GaussianKl`].
    GaussianKl,
    /// [`WeightDivergence::Kronecker`].
    Kronecker,
}

const fn case(
    method: &'static str,
    outputs: &'static [OutputDivergence],
    weights: Option<WeightPart>,
) -> SpecialCase {
    SpecialCase {
        method,
        alpha: !outputs.is_empty(),
        beta: weights.is_some(),
        outputs,
        weights,
    }
}

/// The named methods as special cases.
///
/// | method | alpha | beta | outputs | weights |
/// |---|---|---|---|---|
/// | fine-tuning | 0 | 0 | | |
/// | EWC, online EWC | 0 | above 0 | | `DiagonalQuadratic` |
/// | VCL | 0 | above 0 | | `GaussianKl` |
/// | NCL | 0 | above 0 | | `Kronecker` |
/// | CPR with EWC | above 0 | above 0 | `KlToUniform` | `DiagonalQuadratic` |
/// | ER | above 0 | 0 | `CrossEntropyToLabel` | |
/// | DER | above 0 | 0 | `LogitMse` | |
/// | DER++ | above 0, two | 0 | `LogitMse`, `CrossEntropyToLabel` | |
/// | FDR | above 0 | 0 | `ProbL2` | |
/// | LwF | above 0 | 0 | `KlToStored`, temperature 2 | |
pub const SPECIAL_CASES: [SpecialCase; 11] = [
    case("fine-tuning", &[], None),
    case("EWC", &[], Some(WeightPart::DiagonalQuadratic)),
    case("online EWC", &[], Some(WeightPart::DiagonalQuadratic)),
    case("VCL", &[], Some(WeightPart::GaussianKl)),
    case("NCL", &[], Some(WeightPart::Kronecker)),
    case(
        "CPR",
        &[OutputDivergence::KlToUniform],
        Some(WeightPart::DiagonalQuadratic),
    ),
    case("ER", &[OutputDivergence::CrossEntropyToLabel], None),
    case("DER", &[OutputDivergence::LogitMse], None),
    case(
        "DER++",
        &[
            OutputDivergence::LogitMse,
            OutputDivergence::CrossEntropyToLabel,
        ],
        None,
    ),
    case("FDR", &[OutputDivergence::ProbL2], None),
    case(
        "LwF",
        &[OutputDivergence::KlToStored { temperature: 2.0 }],
        None,
    ),
];
