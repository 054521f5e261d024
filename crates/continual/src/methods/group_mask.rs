//! # GroupMask
//!
//! Cross-entropy among the classes of the mini-batch alone: the head's rows of all others get no gradient.
//!
//! Source: Lesort et al., "Challenging Common Assumptions about Catastrophic Forgetting" (arXiv 2207.04543), group masking, as in its code.

use burn::tensor::{Bool, FloatDType, Int, Tensor};
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::per_example::cross_entropy;

use crate::Result;
use crate::classifier::Classifier;
use crate::examples::Examples;
use crate::strategy::{Steps, Strategy, plain_loss};

/// What the logits of absent classes become: finite, so that no loss is NaN.
const ABSENT: f32 = -1e9;

/// `loss = CE(logits, -1e9 for all classes that no label of the mini-batch has)`.
///
/// The mask is of the labels of each mini-batch, not of the task's classes: with small batches these differ. With all classes in the
/// batch it is the plain cross-entropy. [`logits`](Strategy::logits) stay as they are: accuracy is among all classes. Optimizer
/// state, as momentum, still moves rows without a gradient.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, GroupMask, Strategy};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 10).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([3], &device));
///
/// let mask = GroupMask::default();
/// // in `TrainStep::step`; one class alone leaves nothing to choose
/// let loss = mask.loss(&model, &batch)?;
/// assert_eq!(loss.into_scalar::<f32>(), 0.0);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GroupMask(Steps);

/// Logits `[batch, classes]` in f32, -1e9 for the classes that are not among the labels `[batch]`. Nothing is read from the device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::group_masked;
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[1.0, 2.0, 3.0, 0.5]; 2], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 2], &device);
/// let masked: Vec<f32> = group_masked(logits, labels).try_into_vec_as()?;
/// assert_eq!(masked[..4], [1.0, -1e9, 3.0, -1e9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn group_masked(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<2> {
    let logits = logits.cast(FloatDType::F32);
    let [batch, classes] = logits.dims();
    let labels = labels.reshape([batch, 1]).expand([batch, classes]);
    let device = labels.device();
    let numbers = Tensor::<1, Int>::arange(0..classes as i64, (&device, labels.dtype()));
    let numbers = numbers.reshape([1, classes]).expand([batch, classes]);
    let times = labels.equal(numbers).int().sum_dim(0);
    let absent: Tensor<2, Bool> = times.equal_elem(0);
    logits.mask_fill(absent.expand([batch, classes]), ABSENT)
}

impl<M: Classifier> Strategy<M> for GroupMask {
    fn steps(&self) -> &Steps {
        &self.0
    }

    /// The whole loss less the plain one: a second forward pass over the batch.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        Ok(self.loss(model, batch)? - plain_loss(model, batch))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let masked = group_masked(model.logits(batch), batch.labels());
        Ok(cross_entropy(masked, batch.labels()).mean())
    }
}

impl Part for GroupMask {
    fn kind(&self) -> String {
        "group-mask 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&self.0.taken())
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        self.0.restore(json::load(bytes)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    const LOGITS: [f32; 4] = [1.0, 2.0, 3.0, 0.5];

    /// The first row has label 0, and the batch the classes 0 and 2.
    fn first(labels: [i64; 2]) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([LOGITS, LOGITS], &device).require_grad();
        let labels = Tensor::<1, Int>::from_data(labels, &device);
        let masked = group_masked(logits.clone(), labels.clone());
        let loss = cross_entropy(masked, labels).narrow(0, 0, 1);
        let grads = loss.backward();
        let gradient = logits.grad(&grads).map(|g| g.slice([0..1, 0..4]));
        let gradient = gradient.and_then(|g| g.try_into_vec_as().ok());
        (loss.into_scalar(), gradient.unwrap_or_default())
    }

    #[test]
    fn loss_and_gradient_by_hand() {
        let (loss, gradient) = first([0, 2]);
        assert_relative_eq!(loss, 2.126_928, epsilon = 1e-6);
        let expected = [-0.880_797_1, 0.0, 0.880_797_1, 0.0];
        for (found, expected) in gradient.iter().zip(expected) {
            assert_relative_eq!(*found, expected, epsilon = 1e-6);
        }
        // Absent classes: exactly zero.
        assert_eq!((gradient.len(), gradient[1], gradient[3]), (4, 0.0, 0.0));
    }

    #[test]
    fn without_a_mask_by_hand() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([LOGITS; 4], &device);
        let labels = Tensor::<1, Int>::from_data([0, 1, 2, 3], &device);
        // All classes are there: nothing is masked.
        let masked = group_masked(logits.clone(), labels.clone());
        assert_eq!(
            masked.clone().try_into_vec_as::<f32>().ok(),
            logits.try_into_vec_as::<f32>().ok()
        );
        let loss = cross_entropy(masked, labels).narrow(0, 0, 1);
        assert_relative_eq!(loss.into_scalar::<f32>(), 2.460_773_5, epsilon = 1e-6);
    }
}
