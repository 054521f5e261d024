//! The softmax of some rows of logits, and what it passes back to their factors, in as few passes over the logits as there can be.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use super::exponents::{Exponents, row_sums};

/// The softmax of `[tokens, words]` logits, kept as exponents.
pub(super) struct Softmax {
    /// `exp(x - max)`.
    exponents: Tensor<2>,
    /// Their sums, `[tokens, 1]`.
    sums: Tensor<2>,
    /// `x - max`, where the entropy is wanted.
    shifted: Option<Tensor<2>>,
    /// The log-probability of each token's word, `[tokens, 1]`; NaN for a word that there is not.
    pub(super) log_probs: Tensor<2>,
    /// The entropy of each token, `[tokens, 1]`, if it is wanted.
    pub(super) entropy: Option<Tensor<2>>,
}

impl Softmax {
    /// Of `hidden [tokens, width]` times `output [width, words]`, of one type and not half precision; words `[tokens, 1]`.
    pub(super) fn of(
        hidden: &Tensor<2>,
        output: &Tensor<2>,
        words: &Tensor<2, Int>,
        entropy: bool,
    ) -> Self {
        let logits = hidden.clone().matmul(output.clone());
        let [_, columns] = logits.dims();
        let (word, unknown) = known(words, columns);
        let picked = logits.clone().gather(1, word);
        let kept = entropy.then(|| logits.clone());
        let Exponents {
            values: exponents,
            most,
            sums,
        } = Exponents::of(logits);
        let kept = kept.map(|logits| logits - most.clone());
        let picked = picked - most;
        let log_sums = sums.clone().log();
        let log_probs = (picked - log_sums.clone()).mask_fill(unknown, f32::NAN);
        let entropy = kept
            .clone()
            .map(|shifted| log_sums - row_sums(&(exponents.clone() * shifted)) / sums.clone());
        Self {
            exponents,
            sums,
            shifted: kept,
            log_probs,
            entropy,
        }
    }

    /// The gradients of `hidden` and `output`, from those of the log-probabilities and of the entropies, `[tokens, 1]`.
    ///
    /// With `g` and `u`: `d logits = g (1_word - p) - u p (log p + H)`. Rows are scaled on the narrow factor, not on the logits.
    pub(super) fn backward(
        self,
        hidden: &Tensor<2>,
        output: &Tensor<2>,
        words: &Tensor<2, Int>,
        of_log_probs: Tensor<2>,
        of_entropy: Option<Tensor<2>>,
    ) -> [Tensor<2>; 2] {
        let [_, columns] = self.exponents.dims();
        let (word, _) = known(words, columns);
        let scale = of_log_probs.clone() / self.sums.clone();
        // (gradient, scale): `scale` times `e - sums 1_word`, or for the entropy a matrix that holds everything.
        let (matrix, scale) = match (self.shifted, self.entropy, of_entropy) {
            (Some(shifted), Some(entropy), Some(of_entropy)) => {
                let by = of_entropy.clone() / self.sums.clone();
                let constant = scale + by.clone() * (entropy - self.sums.log());
                let matrix = self.exponents * (shifted * by + constant);
                (
                    matrix.scatter(1, word, -of_log_probs, IndexingUpdateOp::Add),
                    None,
                )
            }
            _ => {
                let matrix = self
                    .exponents
                    .scatter(1, word, -self.sums, IndexingUpdateOp::Add);
                (matrix, Some(scale))
            }
        };
        let scaled = |rows: Tensor<2>| match &scale {
            Some(scale) => rows * scale.clone().neg(),
            None => rows.neg(),
        };
        let of_output = scaled(hidden.clone()).transpose().matmul(matrix.clone());
        let of_hidden = scaled(matrix.matmul(output.clone().transpose()));
        [of_hidden, of_output]
    }
}

/// Words that are columns, and which were not.
fn known(
    words: &Tensor<2, Int>,
    columns: usize,
) -> (Tensor<2, Int>, Tensor<2, burn::tensor::Bool>) {
    let last = columns as i64 - 1;
    let outside = words
        .clone()
        .lower_elem(0)
        .bool_or(words.clone().greater_elem(last));
    (words.clone().clamp(0, last), outside)
}
