//! What the methods need of a model: logits, and where a method says so, features.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::examples::Examples;

/// A classifier, as the methods of this crate see it.
///
/// ```
/// use burn::{module::Module, nn::Linear, tensor::{Int, Tensor}};
/// use regimen_continual::Classifier;
///
/// #[derive(Module, Debug)]
/// struct Model {
///     head: Linear,
/// }
///
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///
///     fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         self.head.forward(inputs.clone())
///     }
/// }
/// ```
pub trait Classifier: Module {
    /// Inputs with their labels.
    type Batch: Examples;

    /// Logits `[batch, classes]`, of all classes that are to come: methods look at those that they know.
    fn logits(&self, batch: &Self::Batch) -> Tensor<2>;
}

/// A classifier whose head sees features: for methods that compare them.
pub trait Encoder: Classifier {
    /// What enters the head, `[batch, width]`.
    fn features(&self, batch: &Self::Batch) -> Tensor<2>;
}
