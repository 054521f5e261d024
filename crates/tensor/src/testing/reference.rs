//! What the reference models have in common.

use std::fmt;

use burn::module::{Module, ModuleDisplay, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;
use crate::param_vector::ParamVector;

/// Numbers of one input row.
pub const FEATURES: usize = 16;
/// Inputs are whole numbers below this: token ids of the transformers.
pub const VALUES: usize = 8;
/// Classes.
pub const CLASSES: usize = 4;

/// The kinds of network that users have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Linear layers and ReLU.
    Perceptron,
    /// Convolutions with batch norm and a residual connection.
    Residual,
    /// Embeddings, attention, layer norm.
    Transformer,
    /// The same with its embedding as the head.
    TiedTransformer,
    /// One-dimensional convolutions.
    Convolution,
    /// Stacked experts behind a gate.
    Mixture,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Perceptron => "perceptron",
            Self::Residual => "residual",
            Self::Transformer => "transformer",
            Self::TiedTransformer => "tied transformer",
            Self::Convolution => "1-D convolution",
            Self::Mixture => "mixture",
        })
    }
}

/// A hidden layer whose units one layer makes and others read, by their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The layer that makes the units.
    pub layer: &'static str,
    /// The norm between it and the nonlinearity.
    pub norm: Option<&'static str>,
    /// The layers, or parameters of their own, that read the units.
    pub next: &'static [&'static str],
}

impl Hidden {
    pub(super) const fn new(layer: &'static str, next: &'static [&'static str]) -> Self {
        Self {
            layer,
            norm: None,
            next,
        }
    }
}

/// A small network that stands for a kind of networks.
pub trait Reference: Module + ModuleDisplay + 'static {
    /// Which kind.
    const KIND: Kind;

    /// The network with weights from the device's generator; [`seeded`](Self::seeded) depends on a seed alone.
    fn build(device: &Device) -> Self;

    /// Path of the parameter that is frozen where a part of the network is.
    #[must_use]
    fn frozen() -> &'static str {
        "first.weight"
    }

    /// What enters the head, `[batch, width]`, of inputs `[batch, 16]`.
    fn features(&self, inputs: Tensor<2>) -> Tensor<2>;

    /// The hidden layers with units of their own, the first one first.
    #[must_use]
    fn hidden_layers() -> Vec<Hidden>;

    /// What leaves the nonlinearity of each of them, `[batch, units, places]`, of inputs `[batch, 16]`.
    fn hidden(&self, inputs: Tensor<2>) -> Vec<Tensor<3>>;

    /// The tokens of inputs `[batch, 16]` with their places, `[batch, 16, width]`: of transformers alone.
    fn embedded(&self, inputs: Tensor<2>) -> Option<Tensor<3>> {
        let _ = inputs;
        None
    }

    /// The states of tokens `[batch, length, width]`, which may have others among them than the inputs' own: of transformers alone.
    /// [`features`](Self::features) are their mean over [`embedded`](Self::embedded) tokens.
    fn encoded(&self, tokens: Tensor<3>) -> Option<Tensor<3>> {
        let _ = tokens;
        None
    }

    /// Logits `[batch, 4]` of inputs `[batch, 16]`, whole numbers from 0 to 7 in the type of the weights.
    fn logits(&self, inputs: Tensor<2>) -> Tensor<2>;

    /// The network with weights drawn on the host from a seed: the same whatever runs beside it. Weights of rank 2
    /// and more are normal with variance `2 / fan in`; biases are normal with deviation .1; gains of norms are 1.
    ///
    /// # Errors
    /// If the device fails.
    fn seeded(device: &Device, seed: u64) -> Result<Self> {
        let model = Self::build(device);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let vector = ParamVector::of(&model);
        let values = vector.entries().iter().map(|entry| {
            if entry.path.ends_with("gamma") {
                return vec![1.0; entry.len()];
            }
            let scale = scale(&entry.path, &entry.shape);
            let mut draw = || scale * rng.sample::<f32, _>(StandardNormal);
            (0..entry.len()).map(|_| draw()).collect()
        });
        let values = values.collect();
        vector.from_host(values)?.write_to(model)
    }
}

/// The standard deviation of a parameter's weights. Linear weights are `[in, out]`, stacked experts
/// `[experts, in, out]`, convolutions `[out, in, ..]`.
fn scale(path: &str, shape: &[usize]) -> f32 {
    let fan_in = match shape {
        [_] => return 0.1,
        [fan_in, _] => *fan_in,
        [_, fan_in, _] if path.ends_with("experts") => *fan_in,
        [_, rest @ ..] => rest.iter().product(),
        [] => 1,
    };
    (2.0 / fan_in as f32).sqrt()
}

/// The module with parameters and running statistics of another float type; what required its gradient still does.
#[must_use]
pub fn cast<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                if !tensor.is_autodiff() {
                    return tensor.cast(self.0);
                }
                let tracked = tensor.is_require_grad();
                let new = Tensor::from_inner(tensor.inner().cast(self.0));
                if tracked { new.require_grad() } else { new }
            })
        }
    }
    module.map(&mut Cast(dtype))
}
