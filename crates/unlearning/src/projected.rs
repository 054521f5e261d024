//! The last layer apart, so that the logits of a few tokens are held at a time, in training too.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use crate::gradients::widen;
use crate::likelihoods::{Likelihoods, mean_of_counted, row_log_p};

/// A language model up to its last layer: logits are `hidden weight + bias`.
///
/// A model that gives it ([`Classifier::projected`](crate::Classifier::projected)) trains with a graph that holds the logits of no
/// tokens: the forward pass takes log-probabilities chunk by chunk and keeps none of the logits, and the gradient of each chunk is
/// computed from logits made again, `(onehot - softmax) slope`. That is one more product by `weight` than otherwise, and one
/// gradient of `weight`. The peak of a process on `flex` is no lower for it: the book's page on unlearning has the figures.
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
        let logits = self.rows().matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => logits + bias.clone().unsqueeze::<2>(),
            None => logits,
        }
    }

    /// The log-probabilities of labels `[examples * length]`, by [`Likelihoods::of_hidden`]: without gradients one chunk's logits are
    /// held at a time, with them the graph keeps all of them. To train take [`loss`](Self::loss).
    #[must_use]
    pub fn likelihoods(&self, labels: Tensor<1, Int>) -> Likelihoods {
        let [examples, length, _] = self.hidden.dims();
        let labels = labels.reshape([examples, length]);
        let head = |rows: Tensor<2>| {
            let logits = rows.matmul(self.weight.clone());
            match &self.bias {
                Some(bias) => logits + bias.clone().unsqueeze::<2>(),
                None => logits,
            }
        };
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
        let spans = self.spans();
        let (log_p, counted): (Vec<_>, Vec<_>) = spans
            .map(|span| row_log_p(self.part(span), narrowed(&labels, span)))
            .unzip();
        let log_p = Tensor::cat(log_p, 0).detach();
        let leaf = match self.is_tracked() {
            true => log_p.require_grad(),
            false => log_p,
        };
        let value = loss(&Likelihoods {
            log_p: leaf.clone().reshape([examples, length]),
            counted: Tensor::cat(counted, 0).reshape([examples, length]),
        });
        if !value.is_tracked() {
            return value;
        }
        let Some(slopes) = leaf.grad(&value.backward()) else {
            return value.detach();
        };
        let ignored = labels.clone().lower_elem(0);
        let slopes = Tensor::<1>::from_inner(slopes).mask_fill(ignored, 0.0);
        let rise = self.surrogate(|span, logits| {
            let column = |values: Tensor<1>| values.reshape([span.1, 1]);
            let slope = column(slopes.clone().narrow(0, span.0, span.1));
            let label = narrowed(&labels, span).clamp_min(0).reshape([span.1, 1]);
            let p = softmax(logits, 1);
            (p * -slope.clone()).scatter(1, label, slope, IndexingUpdateOp::Add)
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
        let ignored = labels.clone().lower_elem(0);
        let mut values = Vec::new();
        let weights = {
            let counted = labels.clone().float().ones_like();
            let counted = widen(counted.mask_fill(ignored, 0.0));
            counted.clone() / counted.sum().clamp_min(1.0)
        };
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
        mean_of_counted(Tensor::cat(values, 0), labels).detach() + rise
    }

    /// 0, `[1]`, with the gradient that `slope` gives of each chunk's logits: it gets their place and values, `[rows, words]`, in f32 at
    /// least, and returns as many slopes.
    fn surrogate(&self, mut slope: impl FnMut(Span, Tensor<2>) -> Tensor<2>) -> Tensor<1> {
        let weight = widen(self.weight.clone().detach());
        let inputs = self.rows().detach();
        let (mut of_hidden, mut of_weight, mut of_bias) = (Vec::new(), None, None);
        for span in self.spans() {
            let slopes = slope(span, self.part(span));
            let weight = weight.clone().cast(slopes.dtype());
            if self.weight.is_tracked() {
                let inputs = inputs
                    .clone()
                    .narrow(0, span.0, span.1)
                    .cast(slopes.dtype());
                let product = inputs.transpose().matmul(slopes.clone());
                of_weight = Some(added(of_weight, product));
            }
            if self.bias.as_ref().is_some_and(Tensor::is_tracked) {
                of_bias = Some(added(of_bias, slopes.clone().sum_dim(0)));
            }
            of_hidden.push(slopes.matmul(weight.transpose()));
        }
        let slopes = Tensor::cat(of_hidden, 0).detach();
        let mut sum = (self.rows().cast(slopes.dtype()) * slopes).sum();
        if let Some(slopes) = of_weight {
            sum = sum + (self.weight.clone().cast(slopes.dtype()) * slopes.detach()).sum();
        }
        if let (Some(slopes), Some(bias)) = (of_bias, &self.bias) {
            let bias = bias.clone().cast(slopes.dtype()).unsqueeze::<2>();
            sum = sum + (bias * slopes.detach()).sum();
        }
        sum.clone() - sum.detach()
    }

    fn is_tracked(&self) -> bool {
        let bias = self.bias.as_ref().is_some_and(Tensor::is_tracked);
        self.hidden.is_tracked() || self.weight.is_tracked() || bias
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

    /// A chunk's logits without a graph, in f32 at least.
    fn part(&self, (start, count): Span) -> Tensor<2> {
        let rows = self.rows().detach().narrow(0, start, count);
        let logits = rows.matmul(self.weight.clone().detach());
        widen(match &self.bias {
            Some(bias) => logits + bias.clone().detach().unsqueeze::<2>(),
            None => logits,
        })
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
