//! The last layer apart, so that the logits of a few tokens are held at a time, in training too.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use crate::gradients::widen;
use crate::likelihoods::{Likelihoods, mean_of_counted, row_log_p};

/// A language model up to its last layer: logits are `hidden weight + bias`.
///
/// A model that gives it ([`Classifier::projected`](crate::Classifier::projected)) trains with a graph that holds the logits of no
/// tokens: the forward pass takes log-probabilities chunk by chunk and keeps none of the logits, and the gradient of each chunk is
/// computed from logits made again, `(onehot - softmax) slope`. That is one more product by `weight` than otherwise. Held at once are the
/// gradients of `hidden` and `weight`, and a few tensors `[chunk, words]`: the book's page on unlearning has figures.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_unlearning::Projected;
///
/// let device = Device::flex().autodiff();
/// let weight = Tensor::<2>::zeros([4, 3], &device).require_grad();
/// let projected = Projected {
///     hidden: Tensor::ones([2, 2, 4], &device),
///     weight: weight.clone(),
///     bias: None,
///     chunk: 3,
/// };
/// // Two sequences of two tokens over three words; the last token is padding.
/// let labels = Tensor::<1, Int>::from_data([0, 2, 1, -100], &device);
/// let loss = projected.loss(labels, |found| found.mean_loss());
/// assert!((loss.clone().into_scalar::<f32>() - 3.0_f32.ln()).abs() < 1e-6);
/// let slope = weight.grad(&loss.backward()).expect("a gradient");
/// assert_eq!(slope.dims(), [4, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct Projected {
    /// What the last layer reads, `[examples, length, width]`.
    pub hidden: Tensor<3>,
    /// Of the last layer, `[width, words]`; of a tied model the table of embeddings, transposed.
    pub weight: Tensor<2>,
    /// Of the last layer, `[words]`.
    pub bias: Option<Tensor<1>>,
    /// Tokens whose logits are taken at once; 0 counts as 1.
    pub chunk: usize,
}

impl Projected {
    /// All logits, `[examples * length, words]`, with their graph: for [`Classifier::logits`](crate::Classifier::logits).
    #[must_use]
    pub fn logits(&self) -> Tensor<2> {
        self.head(self.rows())
    }

    /// The log-probabilities of labels `[examples * length]`, by [`Likelihoods::of_hidden`]: without gradients one chunk's logits are
    /// held at a time, with them the graph keeps all of them. To train take [`loss`](Self::loss).
    #[must_use]
    pub fn likelihoods(&self, labels: Tensor<1, Int>) -> Likelihoods {
        let [examples, length, _] = self.hidden.dims();
        let labels = labels.reshape([examples, length]);
        let head = |rows| self.head(rows);
        Likelihoods::of_hidden(self.hidden.clone(), labels, self.chunk, head)
    }

    /// A loss, `[1]`, of the log-probabilities of labels `[examples * length]`, with the gradient in `hidden`, `weight` and `bias` that it
    /// would have by [`likelihoods`](Self::likelihoods), up to rounding.
    ///
    /// `loss` may use its argument and constants: the gradient in anything else that it uses is lost.
    #[must_use]
    pub fn loss(
        &self,
        labels: Tensor<1, Int>,
        loss: impl FnOnce(&Likelihoods) -> Tensor<1>,
    ) -> Tensor<1> {
        let [examples, length, _] = self.hidden.dims();
        if examples * length == 0 {
            return loss(&self.likelihoods(labels));
        }
        let (plain, labels) = (self.plain(), labels.inner());
        let (log_p, counted): (Vec<_>, Vec<_>) = self
            .spans()
            .map(|span| row_log_p(plain.part(span), narrowed(&labels, span)))
            .unzip();
        let log_p = self.constant(Tensor::cat(log_p, 0));
        let leaf = match self.is_tracked() {
            true => log_p.require_grad(),
            false => log_p,
        };
        let counted = self.constant(Tensor::cat(counted, 0));
        let value = loss(&Likelihoods {
            log_p: leaf.clone().reshape([examples, length]),
            counted: counted.reshape([examples, length]),
        });
        if !value.is_tracked() {
            return value;
        }
        let Some(slopes) = leaf.grad(&value.backward()) else {
            return value.detach();
        };
        let words = self.weight.dims()[1] as i64;
        let outside = labels.clone().greater_equal_elem(words);
        let without = labels.clone().lower_elem(0).bool_or(outside);
        let slopes = slopes.mask_fill(without, 0.0);
        let rise = self.surrogate(|span, logits| {
            let slope = slopes.clone().narrow(0, span.0, span.1);
            let slope = slope.reshape([span.1, 1]);
            let label = narrowed(&labels, span).clamp(0, words - 1);
            let label = label.reshape([span.1, 1]);
            (softmax(logits, 1) * -slope.clone()).scatter(1, label, slope, IndexingUpdateOp::Add)
        });
        value.detach() + rise
    }

    /// `T^2 KL(softmax(teacher / T) || softmax(self / T))`, the mean over the rows whose label counts, `[1]`; only `self` gets a gradient.
    pub(crate) fn divergence(
        &self,
        teacher: &Self,
        labels: &Tensor<1, Int>,
        temperature: f64,
    ) -> Tensor<1> {
        if labels.dims()[0] == 0 {
            return widen(self.hidden.clone()).sum();
        }
        let (teacher, labels) = (teacher.plain(), labels.clone().inner());
        let weights = {
            let counted = widen(labels.clone().float().ones_like());
            let counted = counted.mask_fill(labels.clone().lower_elem(0), 0.0);
            counted.clone() / counted.sum().clamp_min(1.0)
        };
        let mut values = Vec::new();
        let rise = self.surrogate(|span, logits| {
            let student = logits / temperature;
            let teacher = teacher.part(span).cast(student.dtype()) / temperature;
            let (p, q) = (softmax(teacher.clone(), 1), softmax(student.clone(), 1));
            let gap = log_softmax(teacher, 1) - log_softmax(student, 1);
            let rows = (p.clone() * gap).sum_dim(1).reshape([span.1]);
            values.push(rows * (temperature * temperature));
            let weight = weights.clone().narrow(0, span.0, span.1);
            let weight = weight.cast(q.dtype()).reshape([span.1, 1]);
            (q - p) * weight * temperature
        });
        mean_of_counted(Tensor::cat(values, 0), &labels) + rise
    }

    /// 0, `[1]`, with the gradient that `slope` gives of each chunk's logits: it gets their place and values, `[rows, words]`, on the plain
    /// device, in f32 at least, and returns as many slopes. No chunk outlives its turn.
    fn surrogate(&self, mut slope: impl FnMut(Span, Tensor<2>) -> Tensor<2>) -> Tensor<1> {
        let plain = self.plain();
        let (inputs, weight) = (widen(plain.rows()), widen(plain.weight.clone()));
        let mut sum = Tensor::<1>::zeros([1], (&inputs.device(), inputs.dtype()));
        let (mut of_hidden, mut of_weight, mut of_bias) = (Vec::new(), None, None);
        for span in self.spans() {
            let slopes = slope(span, plain.part(span));
            if self.weight.is_tracked() {
                let inputs = inputs.clone().narrow(0, span.0, span.1);
                let product = inputs.transpose().matmul(slopes.clone());
                of_weight = Some(added(of_weight, product));
            }
            if self.bias.as_ref().is_some_and(Tensor::is_tracked) {
                of_bias = Some(added(of_bias, slopes.clone().sum_dim(0)));
            }
            if self.hidden.is_tracked() {
                of_hidden.push(slopes.matmul(weight.clone().transpose()));
            }
        }
        if !of_hidden.is_empty() {
            sum = sum + (widen(self.rows()) * Tensor::cat(of_hidden, 0)).sum();
        }
        if let Some(slopes) = of_weight {
            sum = sum + (widen(self.weight.clone()) * slopes).sum();
        }
        if let (Some(slopes), Some(bias)) = (of_bias, &self.bias) {
            sum = sum + (widen(bias.clone()).unsqueeze::<2>() * slopes).sum();
        }
        sum.clone() - sum.detach()
    }

    fn is_tracked(&self) -> bool {
        let bias = self.bias.as_ref().is_some_and(Tensor::is_tracked);
        self.hidden.is_tracked() || self.weight.is_tracked() || bias
    }

    /// The same without autodiff. `detach` would not do: a parameter that is detached still requires its gradient, so that what is made
    /// of it has a graph, which keeps every chunk.
    fn plain(&self) -> Self {
        Self {
            hidden: self.hidden.clone().inner(),
            weight: self.weight.clone().inner(),
            bias: self.bias.clone().map(Tensor::inner),
            chunk: self.chunk,
        }
    }

    /// Values on the device of the model, autodiff if it is, without a gradient.
    fn constant(&self, values: Tensor<1>) -> Tensor<1> {
        let autodiff = self.hidden.is_autodiff();
        let devices = (self.hidden.device(), self.weight.device());
        let device = if autodiff { devices.0 } else { devices.1 };
        let zeros = Tensor::<1>::zeros(values.dims(), (&device, values.dtype()));
        (zeros + values).detach()
    }

    /// Hidden states, `[examples * length, width]`.
    fn rows(&self) -> Tensor<2> {
        let [examples, length, width] = self.hidden.dims();
        self.hidden.clone().reshape([examples * length, width])
    }

    /// Where chunks begin, and how many rows they have.
    fn spans(&self) -> impl Iterator<Item = Span> + use<> {
        let [examples, length, _] = self.hidden.dims();
        let (rows, chunk) = (examples * length, self.chunk.max(1));
        let starts = (0..rows).step_by(chunk);
        starts.map(move |start| (start, chunk.min(rows - start)))
    }

    /// A chunk's logits, in f32 at least; of [`plain`](Self::plain) they have no graph.
    fn part(&self, (start, count): Span) -> Tensor<2> {
        let logits = self.rows().narrow(0, start, count);
        widen(self.head(logits))
    }

    /// Logits `[rows, words]` of hidden states `[rows, width]`.
    fn head(&self, rows: Tensor<2>) -> Tensor<2> {
        let logits = rows.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => logits + bias.clone().unsqueeze::<2>(),
            None => logits,
        }
    }
}

/// The first row of a chunk, and its number of rows.
type Span = (usize, usize);

fn narrowed(labels: &Tensor<1, Int>, (start, count): Span) -> Tensor<1, Int> {
    labels.clone().narrow(0, start, count)
}

fn added(sum: Option<Tensor<2>>, term: Tensor<2>) -> Tensor<2> {
    match sum {
        Some(sum) => sum + term,
        None => term,
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::Device;

    use super::*;

    /// Two sequences of two tokens over five words; all that is in it is a parameter.
    fn leaves(device: &Device, chunk: usize) -> Projected {
        let wave = |count: i64, step: f64| {
            let values = Tensor::<1, Int>::arange(0..count, device).float();
            (values * step).sin()
        };
        Projected {
            hidden: Param::from_tensor(wave(12, 1.7).reshape([2, 2, 3])).val(),
            weight: Param::from_tensor(wave(15, 2.3).reshape([3, 5])).val(),
            bias: Some(Param::from_tensor(wave(5, 0.9)).val()),
            chunk,
        }
    }

    #[test]
    fn the_logits_of_a_chunk_have_no_graph_though_all_they_are_made_of_are_parameters() {
        let projected = leaves(&Device::flex().autodiff(), 3);
        assert!(projected.hidden.clone().detach().is_tracked());
        let mut chunks = 0;
        let rise = projected.surrogate(|_, logits| {
            chunks += 1;
            assert!(!logits.is_autodiff());
            logits
        });
        assert!(rise.is_tracked());
        assert_eq!(chunks, 2);
    }

    #[test]
    fn checkpointed_gradients_are_the_same() {
        let slopes = |device: &Device| {
            let projected = leaves(device, 3);
            let labels = Tensor::<1, Int>::from_data([3, 1, -100, 0], device);
            let beside = Tensor::<1>::ones([1], device);
            let loss = projected.loss(labels.clone(), |found| found.losses().mean() * beside);
            let teacher = leaves(device, 2);
            let teacher = Projected {
                weight: teacher.weight * 0.5,
                ..teacher
            };
            let grads = (loss + projected.divergence(&teacher, &labels, 2.0)).backward();
            projected.weight.grad(&grads).map(Tensor::into_data)
        };
        let device = Device::flex().autodiff();
        let checkpointed = device.clone().gradient_checkpointing();
        assert!(slopes(&device).is_some());
        assert_eq!(slopes(&device), slopes(&checkpointed));
    }

    #[test]
    fn of_no_tokens_losses_are_0() {
        let device = Device::flex().autodiff();
        let some = leaves(&device, 3);
        let none = Projected {
            hidden: Tensor::zeros([0, 2, 3], &device),
            ..some
        };
        let labels = Tensor::<1, Int>::zeros([0], &device);
        let loss = none.loss(labels.clone(), Likelihoods::mean_loss);
        assert!(loss.into_scalar::<f32>().abs() < f32::EPSILON);
        let divergence = none.divergence(&none, &labels, 1.0);
        assert!(divergence.into_scalar::<f32>().abs() < f32::EPSILON);
    }
}
