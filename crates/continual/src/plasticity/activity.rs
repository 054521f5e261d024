//! What leaves the hidden layers of a classifier, in the forward pass that gives its logits.

use burn::tensor::{FloatDType, Tensor};

use crate::classifier::Classifier;
use crate::{ContinualError, Result};

/// What left the nonlinearity behind one layer.
#[derive(Clone, Debug)]
pub struct Activations {
    /// The path of the layer whose outputs they come from, such as `hidden.0`.
    pub layer: String,
    /// `[batch, units, places]`: one place for a linear layer, pixels for a convolution, tokens for a transformer.
    pub values: Tensor<3>,
}

impl Activations {
    /// Of a linear layer, `[batch, units]`.
    #[must_use]
    pub fn flat(layer: impl Into<String>, values: Tensor<2>) -> Self {
        let [batch, units] = values.dims();
        Self {
            layer: layer.into(),
            values: values.reshape([batch, units, 1]),
        }
    }

    /// Of a layer over tokens, `[batch, tokens, units]`.
    #[must_use]
    pub fn tokens(layer: impl Into<String>, values: Tensor<3>) -> Self {
        Self {
            layer: layer.into(),
            values: values.swap_dims(1, 2),
        }
    }

    /// Of a 2-D convolution, `[batch, channels, height, width]`.
    #[must_use]
    pub fn images(layer: impl Into<String>, values: Tensor<4>) -> Self {
        Self {
            layer: layer.into(),
            values: values.flatten(2, 3),
        }
    }

    /// Off the tape, in f32.
    pub(super) fn plain(&self) -> Tensor<3> {
        let values = self.values.clone();
        let values = match values.is_autodiff() {
            true => values.inner(),
            false => values,
        };
        values.cast(FloatDType::F32)
    }

    /// The mean of each unit over examples and places, `[units]`.
    pub(super) fn means(&self) -> Tensor<1> {
        over_units(self.plain())
    }

    /// The mean magnitude of each unit over examples and places, `[units]`.
    pub(super) fn magnitudes(&self) -> Tensor<1> {
        over_units(self.plain().abs())
    }

    /// That there is an example, a unit and a place.
    pub(super) fn check(&self) -> Result<()> {
        match self.values.shape().num_elements() {
            0 => Err(ContinualError::Empty("the activations of a layer")),
            _ => Ok(()),
        }
    }
}

fn over_units(values: Tensor<3>) -> Tensor<1> {
    let [_, units, _] = values.dims();
    values.mean_dim(2).mean_dim(0).reshape([units])
}

/// A classifier that shows what leaves its hidden layers.
///
/// ```
/// use burn::{module::Module, nn::Linear, tensor::{Int, Tensor, activation::relu}};
/// use regimen_continual::plasticity::{Activations, Probed};
/// use regimen_continual::{Classifier, Result};
///
/// #[derive(Module, Debug)]
/// struct Model {
///     hidden: Linear,
///     head: Linear,
/// }
///
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///
///     fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         self.head.forward(relu(self.hidden.forward(inputs.clone())))
///     }
/// }
///
/// impl Probed for Model {
///     fn probed(&self, (inputs, _): &Self::Batch) -> Result<(Tensor<2>, Vec<Activations>)> {
///         let hidden = relu(self.hidden.forward(inputs.clone()));
///         let logits = self.head.forward(hidden.clone());
///         Ok((logits, vec![Activations::flat("hidden", hidden)]))
///     }
/// }
/// ```
pub trait Probed: Classifier {
    /// The logits as [`Classifier::logits`] gives them, and what left each hidden layer on the way: one forward pass for both, so that a method
    /// that looks at every update's activations costs no second one.
    ///
    /// # Errors
    /// One of the implementation's own.
    fn probed(&self, batch: &Self::Batch) -> Result<(Tensor<2>, Vec<Activations>)>;
}
