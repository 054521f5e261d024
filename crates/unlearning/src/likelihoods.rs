//! Log-probabilities of labels: of one label an example, or of a sequence of tokens.

use burn::tensor::{Int, Tensor};

use crate::gradients::widen;

/// The log-probabilities of each example's labels, in nats, f32 at least: what the losses of this crate are made of.
///
/// A label below 0 (by custom -100) is ignored: padding, or the question before an answer. It has the log-probability 0 and is not
/// counted. One that is no class, `classes` or above, has NaN, without a read-back: a loss of it is not finite.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_unlearning::Likelihoods;
///
/// let device = Device::flex();
/// // Two sequences of two tokens over three words, all alike likely; the last token is padding.
/// let labels = Tensor::<1, Int>::from_data([0, 2, 1, -100], &device);
/// let found = Likelihoods::of_logits(Tensor::zeros([4, 3], &device), labels, 2);
/// let sums = found.sums().try_into_vec_as::<f64>()?;
/// assert!((sums[0] + 2.0 * 3.0_f64.ln()).abs() < 1e-6 && (sums[1] + 3.0_f64.ln()).abs() < 1e-6);
/// assert_eq!(found.tokens().try_into_vec_as::<f64>()?, [2.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Likelihoods {
    /// Of each label, `[examples, length]`; 0 where it is ignored.
    pub log_p: Tensor<2>,
    /// 1 where a label counts, else 0, `[examples, length]`.
    pub counted: Tensor<2>,
}

/// The longest example that is filled up, where there are fewer rows.
const LONGEST: usize = 1 << 20;

impl Likelihoods {
    /// From logits `[examples * length, classes]` and labels `[examples * length]`: the rows of one example follow each other.
    ///
    /// Each is the chosen logit less the log-sum of all. If the rows end within an example, it is filled up with ignored ones. A `length` above
    /// both the rows and 2^20 counts as the greater of these.
    #[must_use]
    pub fn of_logits(logits: Tensor<2>, labels: Tensor<1, Int>, length: usize) -> Self {
        let length = length.clamp(1, labels.dims()[0].max(LONGEST));
        let missing = labels.dims()[0].next_multiple_of(length) - labels.dims()[0];
        let (log_p, counted) = row_log_p(logits, labels);
        let filled = |values: Tensor<1>| -> Tensor<2> {
            let options = (&values.device(), values.dtype());
            let values = match missing {
                0 => values,
                _ => Tensor::cat(vec![values, Tensor::zeros([missing], options)], 0),
            };
            let rows = values.dims()[0];
            values.reshape([rows / length, length])
        };
        Self {
            log_p: filled(log_p),
            counted: filled(counted),
        }
    }

    /// From hidden states `[examples, length, width]` and labels `[examples, length]`, with the logits of `chunk` tokens at a time:
    /// `head` gives logits `[tokens, classes]` of states `[tokens, width]`. Without gradients no more than one chunk's logits are held,
    /// however long the sequences are; with them the graph keeps each chunk's exponentials until the backward pass: to train without them,
    /// give the last layer apart ([`Projected`](crate::Projected)).
    #[must_use]
    pub fn of_hidden(
        hidden: Tensor<3>,
        labels: Tensor<2, Int>,
        chunk: usize,
        mut head: impl FnMut(Tensor<2>) -> Tensor<2>,
    ) -> Self {
        let [examples, length, width] = hidden.dims();
        let rows = examples * length;
        if rows == 0 {
            let options = (&hidden.device(), hidden.dtype());
            let none = widen(Tensor::<2>::zeros([examples, length], options));
            return Self {
                log_p: none.clone(),
                counted: none,
            };
        }
        let (hidden, labels) = (hidden.reshape([rows, width]), labels.reshape([rows]));
        let chunks = (0..rows).step_by(chunk.max(1)).map(|start| {
            let count = chunk.max(1).min(rows - start);
            let logits = head(hidden.clone().narrow(0, start, count));
            row_log_p(logits, labels.clone().narrow(0, start, count))
        });
        let (log_p, counted): (Vec<_>, Vec<_>) = chunks.unzip();
        Self {
            log_p: Tensor::cat(log_p, 0).reshape([examples, length]),
            counted: Tensor::cat(counted, 0).reshape([examples, length]),
        }
    }

    /// The log-probability of each example: the sum over its labels, `[examples]`.
    #[must_use]
    pub fn sums(&self) -> Tensor<1> {
        let [examples, _] = self.log_p.dims();
        self.log_p.clone().sum_dim(1).reshape([examples])
    }

    /// The number of labels that count of each example, `[examples]`.
    #[must_use]
    pub fn tokens(&self) -> Tensor<1> {
        let [examples, _] = self.log_p.dims();
        self.counted.clone().sum_dim(1).reshape([examples])
    }

    /// The loss of each example: minus the mean log-probability of its labels, `[examples]`; 0 if none counts.
    #[must_use]
    pub fn losses(&self) -> Tensor<1> {
        -self.sums() / self.tokens().clamp_min(1.0)
    }

    /// The mean loss of all labels that count, `[1]`; 0 if none does. Long sequences weigh more than short ones, as in the usual loss of
    /// language models.
    #[must_use]
    pub fn mean_loss(&self) -> Tensor<1> {
        let count = self.counted.clone().sum().clamp_min(1.0);
        -self.log_p.clone().sum() / count
    }
}

/// The log-probability of each row's label, NaN if it is no class, and 1 where the label counts; `[rows]` both.
pub(crate) fn row_log_p(logits: Tensor<2>, labels: Tensor<1, Int>) -> (Tensor<1>, Tensor<1>) {
    let logits = widen(logits);
    let (rows, last) = (labels.dims()[0], logits.dims()[1] as i64 - 1);
    let ignored = labels.clone().lower_elem(0);
    let outside = labels.clone().greater_elem(last);
    let log_p = if last < 0 {
        Tensor::zeros([rows], (&logits.device(), logits.dtype()))
    } else {
        let labels = labels.clamp(0, last).reshape([rows, 1]);
        let shifted = logits.clone() - logits.detach().max_dim(1);
        let chosen = shifted.clone().gather(1, labels);
        (chosen - shifted.exp().sum_dim(1).log()).reshape([rows])
    };
    let counted = log_p.clone().detach().ones_like();
    (
        log_p
            .mask_fill(outside, f32::NAN)
            .mask_fill(ignored.clone(), 0.0),
        counted.mask_fill(ignored, 0.0),
    )
}

/// The mean of `[rows]` values over the rows whose label counts, `[1]`; 0 if none does.
pub(crate) fn mean_of_counted(values: Tensor<1>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let ignored = labels.clone().lower_elem(0);
    let counted = values.clone().detach().ones_like();
    let count = counted.mask_fill(ignored.clone(), 0.0).sum().clamp_min(1.0);
    values.mask_fill(ignored, 0.0).sum() / count
}

/// Targets that are met, and those that count.
pub(crate) fn counts(logits: Tensor<2>, targets: Tensor<1, Int>) -> [i64; 2] {
    let [batch, _] = logits.dims();
    let best = logits.argmax(1).reshape([batch]).cast(targets.dtype());
    let right = best.equal(targets.clone()).int().sum();
    let total = targets.greater_equal_elem(0).int().sum();
    [right.into_scalar(), total.into_scalar()]
}
