//! The parameters of a model that refresh moves.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::ParamVector;

use crate::Result;

/// Standard normal values of the host's generator, like a tensor.
pub(super) fn normal(like: &Tensor<1>, rng: &mut ChaCha8Rng) -> Tensor<1> {
    let count = like.dims()[0];
    let values: Vec<f32> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
    let data = TensorData::new(values, [count]);
    Tensor::from_data(data, (&like.device(), FloatDType::F32.into()))
}

/// The parameters that have a gradient: frozen ones have none.
pub(super) fn with_gradient<M: Module>(model: &M, grads: &GradientsParams) -> Vec<ParamId> {
    struct Known<'a>(&'a GradientsParams, Vec<ParamId>);
    impl ModuleVisitor for Known<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.get::<D>(param.id).is_some() {
                self.1.push(param.id);
            }
        }
    }
    let mut known = Known(grads, Vec::new());
    model.visit(&mut known);
    known.1
}

/// A copy of a model with these moves added to its parameters, found by their paths; running statistics are shared.
pub(super) fn moved<M: Module>(model: &M, moves: &ParamVector) -> Result<M> {
    let weights = ParamVector::of(model).filter(|entry| moves.by_path(&entry.path).is_some());
    let moves = moves.rebound(&weights)?;
    Ok(weights.widened().add(&moves)?.write_to(model.clone())?)
}
