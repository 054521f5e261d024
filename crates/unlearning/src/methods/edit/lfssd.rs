//! # lfssd
//!
//! Importances without labels, for selective synaptic dampening.
//!
//! Source: Foster, Fogarty, Schoepf, Öztireli and Brintrup, "Loss-Free Machine Unlearning", arXiv 2402.19308.

use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::{ParamVector, Watch};

use crate::error::Result;
use crate::gradients::{sum_of_gradients, widen};
use crate::watched::watched;

/// `E |d ||f(x)||_2^2 / d theta|`: the magnitude of the gradient of the batch's mean squared logit
/// norm, averaged over batches. `forward` returns logits `[batch, outputs]`.
///
/// Use the result in [`Ssd::dampen`](crate::Ssd::dampen) in the place of Fisher importances. Gradients are taken as in
/// inference (dropout off, running statistics in batch normalisation) and summed in f32 at least; the model stays as it is.
///
/// # Errors
/// If there is no batch, or the outputs carry no gradient.
pub fn importance<M: Module, B>(
    model: &M,
    batches: impl IntoIterator<Item = B>,
    forward: impl FnMut(&M, B) -> Tensor<2>,
) -> Result<ParamVector> {
    importance_watched(model, batches, forward, &Watch::default())
}

/// [`importance`], watched: `"importance"` reports batches. Where it is stopped, the mean over the batches so far.
///
/// # Errors
/// As [`importance`].
pub fn importance_watched<M: Module, B>(
    model: &M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, B) -> Tensor<2>,
    watch: &Watch,
) -> Result<ParamVector> {
    let _span = tracing::info_span!("importance", set = "data, without labels").entered();
    let batches = watched("importance", batches, watch);
    let loss = |model: &M, batch: B| widen(forward(model, batch)).square().sum_dim(1).mean();
    let (sum, count) = sum_of_gradients("data", model, batches, loss, Tensor::abs)?;
    Ok(sum.scale(1.0 / count as f64))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn importance_of(batches: Vec<Vec<f32>>) -> Vec<f32> {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(2, 2).with_bias(false).init(&device);
        // Burn keeps [inputs, outputs]: the transpose of W = [[1, 2], [0, -1]].
        let weights = ParamVector::of(&model);
        let model: Linear = weights
            .from_host(vec![vec![1.0, 0.0, 2.0, -1.0]])
            .unwrap()
            .write_to(model)
            .unwrap();
        let batches = batches.into_iter().map(|x| {
            let rows = x.len() / 2;
            Tensor::<1>::from_data(x.as_slice(), &device).reshape([rows, 2])
        });
        let found = importance(&model, batches, |model, x| model.forward(x)).unwrap();
        let host = found.to_host().unwrap().concat();
        // Back to the order of W.
        vec![host[0], host[2], host[1], host[3]]
    }

    #[test]
    fn lfssd_per_sample() {
        let found = importance_of(vec![vec![1.0, 0.5], vec![-1.0, 1.0]]);
        assert_eq!(found, [3.0, 2.0, 1.5, 1.25]);
    }

    #[test]
    fn lfssd_one_batch() {
        let found = importance_of(vec![vec![1.0, 0.5, -1.0, 1.0]]);
        assert_eq!(found, [1.0, 2.0, 0.5, 1.25]);
    }

    #[test]
    fn no_data_is_an_error() {
        let model = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
        let none: [Tensor<2>; 0] = [];
        assert!(importance(&model, none, |_, x| x).is_err());
    }
}
