//! What a model can do.

use burn::tensor::{Int, Tensor};

use super::sequences::Sequences;
use crate::error::Result;

/// A policy that says how probable given completions are.
///
/// ```
/// use burn::tensor::Tensor;
/// use regimen_rl_rewards::Result;
/// use regimen_rl_rewards::policy::{ScorePolicy, Sequences};
/// # use burn::tensor::Int;
/// # struct Transformer;
/// # impl Transformer { fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> { Tensor::zeros([1, 1, 1], &tokens.device()) } }
///
/// impl ScorePolicy for Transformer {
///     fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>> {
///         sequences.log_probs(self.forward(sequences.tokens()))
///     }
/// }
/// ```
pub trait ScorePolicy {
    /// The log-probability of each token of the completions, `[sequences, T]`, 0 where the mask is 0: differentiable.
    ///
    /// # Errors
    /// As the implementation says.
    fn log_probs(&self, sequences: &Sequences) -> Result<Tensor<2>>;
}

/// A language model that reads prompts, and then one token a row at a time.
///
/// [`generate`](super::generate) samples from it in batches: prompts of one length at once, rows dropped as they end.
pub trait NextToken {
    /// What the model keeps of the tokens that it has read, such as keys and values.
    type Cache;

    /// Reads prompts `[rows, length]`: the logits of what comes next `[rows, vocabulary]`. `more` is how many tokens a row will be given
    /// at most, for a cache that is allocated once.
    ///
    /// # Errors
    /// If the prompts are too long for the model.
    fn read(&self, prompts: Tensor<2, Int>, more: usize) -> Result<(Tensor<2>, Self::Cache)>;

    /// Reads one more token of each row, `[rows]`: the logits of what comes next `[rows, vocabulary]`.
    ///
    /// # Errors
    /// If a row gets too long for the model.
    fn read_next(&self, tokens: Tensor<1, Int>, cache: &mut Self::Cache) -> Result<Tensor<2>>;

    /// Keeps these rows, `[new rows]`, of a cache, in this order; a row may come again.
    fn keep(&self, cache: Self::Cache, rows: Tensor<1, Int>) -> Self::Cache;
}
