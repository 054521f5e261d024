use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use regimen_tensor::{ParamVector, independent};

use crate::error::{Result, UnlearningError};

/// A classifier, as the methods and the metrics of this crate see it.
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

    /// Labels `[batch]`, each in `0..classes`.
    fn targets(batch: &Self::Batch) -> Tensor<1, Int>;
}

/// A copy of a model as it is used for inference: no gradient, dropout off, running statistics in batch normalisation, and
/// these its own.
///
/// A parameter that is drawn at its first use shares its state with its copies until then: it is drawn here, or the
/// original would lose its gradient too.
pub(crate) fn reference<M: Module>(model: &M) -> M {
    let _ = ParamVector::of(model);
    independent(model).freeze()
}

/// A copy on which gradients are measured: dropout off, running statistics in batch normalisation, but parameters that
/// require their gradient still do. The original and its statistics stay.
pub(crate) fn measured<M: Module>(model: &M) -> M {
    struct Off;
    impl ModuleMapper for Off {
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            flag.with_value(false)
        }
    }
    let _ = ParamVector::of(model);
    independent(model).map(&mut Off)
}

/// The gradients of a loss, `[1]`, in a model's parameters.
pub(crate) fn gradients<M: Module>(loss: &Tensor<1>, model: &M) -> Result<GradientsParams> {
    if loss.is_tracked() {
        return Ok(GradientsParams::from_grads(loss.backward(), model));
    }
    Err(UnlearningError::NoGradient)
}

/// A data loader over batches that stand ready, in their order: each counts as one item.
#[derive(Clone, Debug)]
pub struct Prepared<B>(pub Vec<B>);

struct PreparedIter<'a, B> {
    batches: &'a [B],
    next: usize,
}

impl<B: Clone> Iterator for PreparedIter<'_, B> {
    type Item = Result<B, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.get(self.next)?.clone();
        self.next += 1;
        Some(Ok(batch))
    }
}

impl<B: Clone> DataLoaderIterator<B> for PreparedIter<'_, B> {
    fn progress(&self) -> Progress {
        Progress::new(self.next, self.batches.len(), None)
    }
}

impl<B: Clone + Send + Sync + 'static> DataLoader<B> for Prepared<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<B> + 'a> {
        let batches = &self.0;
        Box::new(PreparedIter { batches, next: 0 })
    }

    fn num_items(&self) -> usize {
        self.0.len()
    }

    /// The same loader: the batches stay on the device on which they were made.
    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<B>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<B>> {
        let end = end.min(self.0.len());
        Arc::new(Self(self.0[start.min(end)..end].to_vec()))
    }
}

/// The mean cross-entropy, `[1]`, of a batch with its own labels.
pub(crate) fn mean_loss<M: Classifier>(model: &M, batch: &M::Batch) -> Tensor<1> {
    losses(model, batch).mean()
}

/// The cross-entropy, `[batch]`, of each example of a batch with its own label.
pub(crate) fn losses<M: Classifier>(model: &M, batch: &M::Batch) -> Tensor<1> {
    regimen_tensor::per_example::cross_entropy(model.logits(batch), M::targets(batch))
}
