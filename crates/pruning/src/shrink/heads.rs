//! # Heads
//!
//! Attention with some of its heads removed.
//!
//! Source: Michel et al., "Are Sixteen Heads Really Better than One?" (arXiv 1905.10650).

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::attention::MultiHeadAttention;
use burn::tensor::activation::{quiet_softmax, softmax};
use burn::tensor::{Bool, Tensor};

use super::structured::{Units, keep_inputs, keep_outputs};
use crate::error::read;
use crate::{PruningError, Result};

/// Attention over fewer heads than its width has room for.
///
/// Burn's [`MultiHeadAttention`] needs `heads * d_k = d_model`, so one with fewer heads can't be one. This module has the
/// same four projections, cut to the heads that are left, and no dropout.
#[derive(Module, Debug)]
pub struct Heads {
    /// `[d_model, heads * d_k]`.
    pub query: Linear,
    /// `[d_model, heads * d_k]`.
    pub key: Linear,
    /// `[d_model, heads * d_k]`.
    pub value: Linear,
    /// `[heads * d_k, d_model]`.
    pub output: Linear,
    heads: usize,
    d_k: usize,
    min_float: f64,
    quiet: bool,
}

impl Heads {
    /// `softmax(Q K^T / sqrt(d_k)) V` of each head, projected: `query` of `[batch, length, d_model]`, `key` and `value` of
    /// `[batch, other, d_model]`; what `hidden`, `[batch, length, other]`, marks is not looked at.
    #[must_use]
    pub fn forward(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        hidden: Option<Tensor<3, Bool>>,
    ) -> Tensor<3> {
        let [batch, length, _] = query.dims();
        let split = |x: Tensor<3>, layer: &Linear| {
            let [batch, length, _] = x.dims();
            let x = layer
                .forward(x)
                .reshape([batch, length, self.heads, self.d_k]);
            x.swap_dims(1, 2)
        };
        let (query, key) = (split(query, &self.query), split(key, &self.key));
        let mut scores = query.matmul(key.transpose()) / (self.d_k as f64).sqrt();
        if let Some(hidden) = hidden {
            let shape = scores.shape();
            scores = scores.mask_fill(hidden.unsqueeze_dim::<4>(1).expand(shape), self.min_float);
        }
        let weights = if self.quiet {
            quiet_softmax(scores, 3)
        } else {
            softmax(scores, 3)
        };
        let context = weights.matmul(split(value, &self.value)).swap_dims(1, 2);
        self.output
            .forward(context.reshape([batch, length, self.heads * self.d_k]))
    }

    /// Number of heads.
    #[must_use]
    pub fn count(&self) -> usize {
        self.heads
    }
}

/// A score of each head, `[heads]`: the l2 norm of the output weights that it enters.
///
/// # Errors
/// If `n_heads` does not divide the inputs of the output's layer, or the device can't be read.
pub fn head_norms(attention: &MultiHeadAttention) -> Result<Vec<f32>> {
    let weight = attention.output.weight.val().detach();
    let ([inputs, outputs], heads) = (weight.dims(), attention.n_heads);
    if inputs == 0 || heads == 0 || !inputs.is_multiple_of(heads) {
        let allowed = format!("a divisor of {inputs}, the inputs of the output's layer");
        return Err(PruningError::range("n_heads", heads, &allowed));
    }
    if outputs == 0 {
        return Ok(vec![0.0; heads]);
    }
    let rows: Tensor<2> = weight.reshape([heads, inputs / heads * outputs]);
    read("output.weight", rows.square().sum_dim(1).sqrt())
}

/// The attention with these of its heads.
///
/// ```
/// use burn::nn::attention::MultiHeadAttentionConfig;
/// use burn::tensor::{Device, Tensor};
/// use regimen_pruning::shrink::heads::{head_norms, keep_heads};
/// use regimen_pruning::shrink::structured::Units;
///
/// let device = Device::flex();
/// let attention = MultiHeadAttentionConfig::new(16, 4).init(&device);
/// let heads = keep_heads(&attention, &Units::largest(&head_norms(&attention)?, 3)?)?;
/// let x = Tensor::<3>::ones([2, 5, 16], &device);
/// assert_eq!(heads.forward(x.clone(), x.clone(), x, None).dims(), [2, 5, 16]);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
///
/// # Errors
/// If it has another number of heads, or its layers are not of `n_heads` times `d_k`.
pub fn keep_heads(attention: &MultiHeadAttention, heads: &Units) -> Result<Heads> {
    heads.check_layer("attention, heads", attention.n_heads)?;
    let inputs = attention.output.weight.val().dims()[0];
    let units = heads.flattened_for("attention, output", attention.d_k, inputs)?;
    Ok(Heads {
        query: keep_outputs(&attention.query, &units)?,
        key: keep_outputs(&attention.key, &units)?,
        value: keep_outputs(&attention.value, &units)?,
        output: keep_inputs(&attention.output, &units)?,
        heads: heads.kept().len(),
        d_k: attention.d_k,
        min_float: attention.min_float,
        quiet: attention.quiet_softmax,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::nn::attention::{MhaInput, MultiHeadAttentionConfig};
    use burn::tensor::{Device, Distribution};

    #[test]
    fn removing_a_head_that_says_nothing_changes_no_output() {
        let device = Device::flex();
        for quiet in [false, true] {
            let config = MultiHeadAttentionConfig::new(12, 3)
                .with_dropout(0.0)
                .with_quiet_softmax(quiet);
            let mut attention = config.init(&device);
            attention.output.weight = attention
                .output
                .weight
                .map(|w| w.slice_assign([4..8, 0..12], Tensor::zeros([4, 12], &device)));
            let norms = head_norms(&attention).unwrap();
            assert!(norms[1] == 0.0 && norms[0] > 0.0 && norms.len() == 3);
            let heads = keep_heads(&attention, &Units::largest(&norms, 2).unwrap()).unwrap();
            assert_eq!(heads.count(), 2);
            let x = Tensor::<3>::random([2, 5, 12], Distribution::Default, &device);
            let hidden = Tensor::<2, Bool>::tril_mask([5, 5], 0, &device)
                .unsqueeze::<3>()
                .expand([2, 5, 5]);
            let input = MhaInput::self_attn(x.clone()).mask_attn(hidden.clone());
            let whole = attention.forward(input).context;
            let less = heads.forward(x.clone(), x.clone(), x, Some(hidden));
            assert!((whole - less).abs().max().into_scalar::<f32>() < 1e-5);
        }
        let attention = MultiHeadAttentionConfig::new(12, 3).init(&device);
        assert!(keep_heads(&attention, &Units::largest(&[1.0, 2.0], 1).unwrap()).is_err());
    }
}
