//! Agreement with released code on a residual network with batch norm: `golden/residual/make.py` writes the numbers.

mod grasp;
#[path = "../../../../unlearning/golden/network.rs"]
mod network;
mod rigl;
mod sparsegpt;
mod synflow;

use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use network::{Data, Golden, Net};
use regimen_pruning::Masks;
use regimen_tensor::ParamVector;

fn network(dtype: DType) -> (Net, Data) {
    let text = include_str!("../../../golden/residual/network.csv");
    network::network(text, dtype)
}

fn gradient(net: &Net, loss: Tensor<1>) -> GradientsParams {
    GradientsParams::from_grads(loss.backward(), net)
}

/// The flags that a golden file holds for the masked weights.
fn flags(golden: &Golden, what: &'static str, masks: &Masks) -> Vec<Vec<bool>> {
    let layers = masks.layers().iter();
    let values = layers.map(|mask| golden.ours(what, &mask.path, &mask.shape));
    let flags = values.map(|values| values.iter().map(|v| *v != 0.0).collect());
    flags.collect()
}

fn active(masks: &Masks) -> Vec<Vec<bool>> {
    let layers = masks.layers().iter();
    layers.map(|mask| mask.active.clone()).collect()
}

/// The masked weights' values in a vector of all parameters.
fn of_masks(vector: &ParamVector, masks: &Masks) -> ParamVector {
    vector.filter(|entry| masks.layers().iter().any(|mask| mask.id == entry.id))
}
