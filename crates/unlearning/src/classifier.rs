use burn::module::Module;
use burn::tensor::{Int, Tensor};

use crate::likelihoods::Likelihoods;
use crate::projected::Projected;

/// A classifier, as the methods and the metrics of this crate see it; a language model is one of tokens.
///
/// A language model gives the logits of all positions of all sequences as rows, the token that each is to predict as its label (-100 where
/// none is: padding, or the question before an answer), and as [`length`](Self::length) the rows of a sequence. Losses are then
/// means over tokens, and what a paper defines for an answer is taken of the sequence: NPO by the sum of its tokens' log-probabilities, SimNPO by
/// their mean.
///
/// ```
/// use burn::{module::Module, nn::Linear, tensor::{Int, Tensor}};
/// use regimen_unlearning::Classifier;
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
///
///     fn targets((_, targets): &Self::Batch) -> Tensor<1, Int> {
///         targets.clone()
///     }
/// }
/// ```
pub trait Classifier: Module {
    /// Inputs with their labels.
    type Batch: Clone;

    /// Logits `[batch, classes]`.
    fn logits(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Labels `[batch]`, each in `0..classes`; a label below 0 (by custom -100) is ignored. One of `classes` or above makes the loss NaN,
    /// and what goes over a loader of batches answers with an error that names it.
    fn targets(batch: &Self::Batch) -> Tensor<1, Int>;

    /// How many rows of logits, one after another, make one example: 1 for a classifier, the tokens of a sequence for a
    /// language model.
    fn length(_batch: &Self::Batch) -> usize {
        1
    }

    /// The log-probabilities of the labels: by the last layer apart, if it is given, which holds the logits of a few tokens at a time.
    fn likelihoods(&self, batch: &Self::Batch) -> Likelihoods {
        let labels = Self::targets(batch);
        match self.projected(batch) {
            Some(projected) => projected.likelihoods(labels),
            None => Likelihoods::of_logits(self.logits(batch), labels, Self::length(batch)),
        }
    }

    /// The last layer apart, for language models whose logits are `[tokens, words]`; none by default.
    ///
    /// Where it is given, losses of labels and divergences between two models take and hold the logits of a few tokens at a time, forward
    /// and backward; values and gradients are the same up to rounding. [`Projected::logits`] then is all that [`logits`](Self::logits)
    /// needs.
    fn projected(&self, _batch: &Self::Batch) -> Option<Projected> {
        None
    }
}

/// The mean cross-entropy, `[1]`, of a batch with its own labels, in f32 at least.
pub(crate) fn mean_loss<M: Classifier>(model: &M, batch: &M::Batch) -> Tensor<1> {
    loss_of(model, batch, Likelihoods::mean_loss)
}

/// A loss of the log-probabilities of a batch's own labels, `[1]`; `loss` uses the model by its argument alone.
pub(crate) fn loss_of<M: Classifier>(
    model: &M,
    batch: &M::Batch,
    loss: impl FnOnce(&Likelihoods) -> Tensor<1>,
) -> Tensor<1> {
    match model.projected(batch) {
        Some(projected) => projected.loss(M::targets(batch), loss),
        None => loss(&model.likelihoods(batch)),
    }
}
