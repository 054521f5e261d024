//! # fisher
//!
//! Diagonal Fisher information over a stream of batches.
//!
//! All of these differentiate a copy: running statistics of the module stay as they are. Diagonals of models in half
//! precision are f32.
//!
//! Source: `F_i = E[(d log p(y|x) / d theta_i)^2]`; empirical with the data's labels, true with
//! labels drawn from the model.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use crate::error::{Result, TensorError};
use crate::param_vector::{ParamVector, independent, widen};

/// The mean over batches of the squared gradient of the batch's loss.
///
/// The loss is what `loss` returns, `[1]`: with the mean cross-entropy of a batch, this is the
/// importance that the batch-gradient methods use; with batches of one example it is the
/// **empirical Fisher** diagonal. Every batch weighs the same, a smaller last one too. Pass the
/// module in the mode whose gradients you want: on an autodiff device, with dropout off.
///
/// Over several participants, reduce by the mean ([`crate::Reducer::mean`]).
///
/// # Errors
/// [`TensorError::Empty`] if there is no batch.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use regimen_tensor::fisher;
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
/// let batches = [[[1.0, 0.0], [-1.0, 2.0]], [[3.0, 1.0], [3.0, 1.0]]];
/// let importance = fisher::batch_diagonal(&model, batches, |model, batch| {
///     model.forward(Tensor::<2>::from_data(batch, &device)).mean()
/// })?;
/// // The gradients of the means are (0, 1) and (3, 1).
/// assert_eq!(importance.to_host()?, [[4.5, 1.0]]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
pub fn batch_diagonal<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    loss: impl FnMut(&M, B) -> Tensor<1>,
) -> Result<ParamVector> {
    mean_of_gradients(module, batches, loss, |gradient| gradient.square())
}

/// The mean over batches of the magnitude of the gradient of the batch's loss.
///
/// The label-free importance when the loss is the mean squared norm of the outputs.
///
/// # Errors
/// [`TensorError::Empty`] if there is no batch.
pub fn batch_absolute<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    loss: impl FnMut(&M, B) -> Tensor<1>,
) -> Result<ParamVector> {
    mean_of_gradients(module, batches, loss, Tensor::abs)
}

/// The **true Fisher** diagonal of a classifier: the expectation over the model's own labels.
///
/// `logits` returns `[1, classes]` for one example; each class's squared gradient is weighted by
/// its probability, so nothing is drawn at random. It costs one backward pass a class.
///
/// # Errors
/// [`TensorError::Empty`] if there is no example, [`TensorError::Read`] if the device fails.
pub fn true_diagonal<M: Module, B: Clone>(
    module: &M,
    examples: impl IntoIterator<Item = B>,
    mut logits: impl FnMut(&M, B) -> Tensor<2>,
) -> Result<ParamVector> {
    let module = &independent(module);
    let mut mean = Mean::new(module);
    for example in examples {
        let log_p = log_softmax(logits(module, example.clone()), 1);
        let classes = log_p.dims()[1];
        let p = widen(log_p.inner()).exp();
        let mut sum = mean.zeros();
        for class in 0..classes {
            let log_p = log_softmax(logits(module, example.clone()), 1);
            let loss = log_p.narrow(1, class, 1).sum();
            let grads = GradientsParams::from_grads(loss.backward(), module);
            let weight: Tensor<1> = p.clone().narrow(1, class, 1).reshape([1]);
            let squares = ParamVector::gradients(module, &grads)
                .widened()
                .map(|_, gradient| {
                    let count = gradient.dims()[0];
                    gradient.square() * weight.clone().expand([count])
                });
            sum = sum.add(&squares)?;
        }
        mean.push(sum)?;
    }
    mean.finish()
}

/// The empirical Fisher diagonal of a classifier from the mean cross-entropy of batches, as
/// [`batch_diagonal`] with the usual loss. Logits `[batch, classes]`, targets `[batch]`.
///
/// # Errors
/// As [`batch_diagonal`].
pub fn cross_entropy_diagonal<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, B) -> (Tensor<2>, Tensor<1, Int>),
) -> Result<ParamVector> {
    batch_diagonal(module, batches, |module, batch| {
        let (logits, targets) = forward(module, batch);
        crate::per_example::cross_entropy(logits, targets).mean()
    })
}

fn mean_of_gradients<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    mut loss: impl FnMut(&M, B) -> Tensor<1>,
    f: impl Fn(Tensor<1>) -> Tensor<1>,
) -> Result<ParamVector> {
    let module = &independent(module);
    let mut mean = Mean::new(module);
    for batch in batches {
        let grads = GradientsParams::from_grads(loss(module, batch).backward(), module);
        let gradients = ParamVector::gradients(module, &grads).widened();
        mean.push(gradients.map(|_, gradient| f(gradient)))?;
    }
    mean.finish()
}

/// A running mean of vectors of one module, on the device.
struct Mean {
    sum: ParamVector,
    count: usize,
}

impl Mean {
    fn new<M: Module>(module: &M) -> Self {
        Self {
            sum: ParamVector::of(module).widened().zeros_like(),
            count: 0,
        }
    }

    fn zeros(&self) -> ParamVector {
        self.sum.zeros_like()
    }

    fn push(&mut self, vector: ParamVector) -> Result<()> {
        self.sum = vector.add(&self.sum)?;
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<ParamVector> {
        if self.count == 0 {
            return Err(TensorError::Empty("batches"));
        }
        Ok(self.sum.scale(1.0 / self.count as f64))
    }
}
