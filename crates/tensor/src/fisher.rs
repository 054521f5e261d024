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
use crate::watch::Watch;

/// The mean over batches of the squared gradient of the batch's loss.
///
/// The loss is what `loss` returns, `[1]`: with the mean cross-entropy of a batch, this is the
/// importance that the batch-gradient methods use; with batches of one example it is the
/// **empirical Fisher** diagonal. Every batch weighs the same, a smaller last one too. Pass the
/// module in the mode whose gradients you want: on an autodiff device, with dropout off. If a loss is not finite, as that of a target
/// that is no class, no value of the mean is.
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
    batch_diagonal_watched(module, batches, loss, &Watch::default())
}

/// As [`batch_diagonal`]; `watch` hears of each batch. Where it stops the work, the mean is that over the batches so far.
///
/// # Errors
/// As for [`batch_diagonal`].
pub fn batch_diagonal_watched<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    loss: impl FnMut(&M, B) -> Tensor<1>,
    watch: &Watch,
) -> Result<ParamVector> {
    mean_of_gradients(module, batches, loss, |gradient| gradient.square(), watch)
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
    batch_absolute_watched(module, batches, loss, &Watch::default())
}

/// As [`batch_absolute`], watched as [`batch_diagonal_watched`] is.
///
/// # Errors
/// As for [`batch_absolute`].
pub fn batch_absolute_watched<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    loss: impl FnMut(&M, B) -> Tensor<1>,
    watch: &Watch,
) -> Result<ParamVector> {
    mean_of_gradients(module, batches, loss, Tensor::abs, watch)
}

/// The **true Fisher** diagonal of a classifier: the expectation over the model's own labels.
///
/// `logits` returns `[1, classes]` for one example; each class's squared gradient is weighted by
/// its probability, so nothing is drawn at random. It costs one backward pass a class.
///
/// # Errors
/// [`TensorError::Empty`] if there is no example, [`TensorError::Mismatch`] if the logits have not one row,
/// [`TensorError::Read`] if the device fails.
pub fn true_diagonal<M: Module, B: Clone>(
    module: &M,
    examples: impl IntoIterator<Item = B>,
    logits: impl FnMut(&M, B) -> Tensor<2>,
) -> Result<ParamVector> {
    true_diagonal_watched(module, examples, logits, &Watch::default())
}

/// As [`true_diagonal`]; `watch` hears of each example. Where it stops the work, the mean is that over the examples so far.
///
/// # Errors
/// As for [`true_diagonal`].
pub fn true_diagonal_watched<M: Module, B: Clone>(
    module: &M,
    examples: impl IntoIterator<Item = B>,
    mut logits: impl FnMut(&M, B) -> Tensor<2>,
    watch: &Watch,
) -> Result<ParamVector> {
    let examples = examples.into_iter();
    let total = total(&examples);
    let _span = tracing::info_span!("fisher", examples = total).entered();
    let module = &independent(module);
    let mut mean = Mean::new(module);
    for example in examples {
        let log_p = log_softmax(logits(module, example.clone()), 1);
        let [rows, classes] = log_p.dims();
        if rows != 1 {
            return Err(TensorError::Mismatch {
                path: "logits".into(),
                expected: "[1, classes]".into(),
                found: format!("[{rows}, {classes}]"),
            });
        }
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
        if !watch.goes_on("fisher", mean.count, total.max(mean.count)) {
            break;
        }
    }
    mean.finish()
}

/// How many come at least, as the iterator knows it: 0 where it does not know.
fn total(batches: &impl Iterator) -> usize {
    batches.size_hint().0
}

/// The empirical Fisher diagonal of a classifier from the mean cross-entropy of batches, as
/// [`batch_diagonal`] with the usual loss. Logits `[batch, classes]`, targets `[batch]`.
///
/// # Errors
/// As [`batch_diagonal`], and [`TensorError::OutOfRange`] if a target is outside `0..classes`: all are looked at in one read-back at the
/// end.
pub fn cross_entropy_diagonal<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    forward: impl FnMut(&M, B) -> (Tensor<2>, Tensor<1, Int>),
) -> Result<ParamVector> {
    cross_entropy_diagonal_watched(module, batches, forward, &Watch::default())
}

/// As [`cross_entropy_diagonal`], watched as [`batch_diagonal_watched`] is.
///
/// # Errors
/// As for [`cross_entropy_diagonal`].
pub fn cross_entropy_diagonal_watched<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, B) -> (Tensor<2>, Tensor<1, Int>),
    watch: &Watch,
) -> Result<ParamVector> {
    let mut seen = Targets::default();
    let loss = |module: &M, batch| {
        let (logits, targets) = forward(module, batch);
        seen.push(&targets, logits.dims()[1]);
        crate::per_example::cross_entropy(logits, targets).mean()
    };
    let diagonal = batch_diagonal_watched(module, batches, loss, watch)?;
    seen.check()?;
    Ok(diagonal)
}

/// The least and the greatest target of each batch, on the device, and the batch's number of classes.
#[derive(Default)]
struct Targets(Vec<(Tensor<1, Int>, usize)>);

impl Targets {
    fn push(&mut self, targets: &Tensor<1, Int>, classes: usize) {
        if targets.dims()[0] > 0 {
            let targets = targets.clone().inner();
            let ends = Tensor::cat(vec![targets.clone().min(), targets.max()], 0);
            self.0.push((ends, classes));
        }
    }

    /// Refuses a target that is no class; one read-back.
    fn check(self) -> Result<()> {
        let (ends, classes): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        let Some(first) = ends.first() else {
            return Ok(());
        };
        let (device, dtype) = (first.device(), first.dtype());
        let ends = ends.into_iter();
        let ends = ends.map(|ends| ends.to_device(&device).cast(dtype));
        let ends = Tensor::cat(ends.collect(), 0).try_into_vec_as::<i64>();
        let ends = ends.map_err(|reason| TensorError::Read {
            what: "targets".into(),
            reason: reason.to_string(),
        })?;
        for (ends, classes) in ends.chunks(2).zip(classes) {
            let known = |target: &&i64| usize::try_from(**target).is_ok_and(|t| t < classes);
            if let Some(target) = ends.iter().find(|target| !known(target)) {
                let allowed = format!("one of 0..{classes}");
                return Err(TensorError::out_of_range("target", target, allowed));
            }
        }
        Ok(())
    }
}

fn mean_of_gradients<M: Module, B>(
    module: &M,
    batches: impl IntoIterator<Item = B>,
    mut loss: impl FnMut(&M, B) -> Tensor<1>,
    f: impl Fn(Tensor<1>) -> Tensor<1>,
    watch: &Watch,
) -> Result<ParamVector> {
    let batches = batches.into_iter();
    let total = total(&batches);
    let _span = tracing::info_span!("fisher", batches = total).entered();
    let module = &independent(module);
    let mut mean = Mean::new(module);
    for batch in batches {
        let loss = loss(module, batch);
        let grads = GradientsParams::from_grads(loss.backward(), module);
        let gradients = ParamVector::gradients(module, &grads).widened();
        mean.push(gradients.map(|_, gradient| f(gradient)))?;
        mean.losses(loss.inner());
        if !watch.goes_on("fisher", mean.count, total.max(mean.count)) {
            break;
        }
    }
    mean.finish()
}

/// A running mean of vectors of one module, on the device.
struct Mean {
    sum: ParamVector,
    count: usize,
    /// 0 times the losses: NaN where one is not finite, though the gradients may be.
    losses: Option<Tensor<1>>,
}

impl Mean {
    fn new<M: Module>(module: &M) -> Self {
        Self {
            sum: ParamVector::of(module).widened().zeros_like(),
            count: 0,
            losses: None,
        }
    }

    fn losses(&mut self, loss: Tensor<1>) {
        let loss = (widen(loss) * 0.0).sum();
        self.losses = Some(match self.losses.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
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
        let mean = self.sum.scale(1.0 / self.count as f64);
        let Some(losses) = self.losses else {
            return Ok(mean);
        };
        Ok(mean.map(|_, values| {
            let dims = values.dims();
            let losses = losses
                .clone()
                .to_device(&values.device())
                .cast(values.dtype());
            values + losses.expand(dims)
        }))
    }
}
