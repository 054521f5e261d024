//! The experts as one operation on `flex`: gather, two products, nonlinearity, gate and sum, forward and backward.
//!
//! Each expert is one task, so its rows stay in the cache between the steps; the passes over memory are the rows gathered
//! once, the first product written once for the backward pass, and the outputs written and summed once. Nothing is written
//! for an assignment that was not made.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, Flex, backend_extension};
use burn::tensor::{DType, Tensor};
use burn_flex::FlexTensor;

use super::job::{Inputs, Job};
use super::workspace::Buffer;
use super::{backward, forward};
use crate::dispatch::Plan;
use crate::experts::Weights;
use crate::{Activation, Experts};

/// The experts' outputs, weighted and summed for each token.
#[backend_extension(Flex, Autodiff)]
pub trait ExpertOps: Backend {
    /// `x` `[tokens, d_model]`, flat gates, and the experts' weights; out `[tokens, d_model]`.
    fn experts(
        x: FloatTensor<Self>,
        gates: FloatTensor<Self>,
        up: FloatTensor<Self>,
        up_bias: FloatTensor<Self>,
        down: FloatTensor<Self>,
        down_bias: FloatTensor<Self>,
        job: Job,
    ) -> FloatTensor<Self>;
}

/// Whether the operation exists for these tokens and weights: on `flex`, all in float32.
pub(crate) fn available(x: &Tensor<2>, experts: &Experts) -> bool {
    let inner = x.device().inner();
    let biases = [&experts.up_bias, &experts.down_bias];
    let mut types = vec![
        x.dtype(),
        experts.up.val().dtype(),
        experts.down.val().dtype(),
    ];
    types.extend(biases.into_iter().flatten().map(|bias| bias.val().dtype()));
    matches!(inner.as_dispatch(), DispatchDevice::Flex(_))
        && types.into_iter().all(|dtype| dtype == DType::F32)
}

/// Runs the plan's assignments: `x` `[tokens, d_model]`, gates of any shape.
pub(crate) fn run(
    x: Tensor<2>,
    gates: Tensor<1>,
    weights: Weights,
    activation: Activation,
    gated: bool,
    plan: Arc<Plan>,
) -> Tensor<2> {
    let job = Job {
        plan,
        activation,
        gated,
        bias: weights.biases.is_some(),
    };
    let device = x.device();
    let none = || Tensor::zeros([1, 1], (&device, DType::F32));
    let (up_bias, down_bias) = weights.biases.unwrap_or_else(|| (none(), none()));
    Tensor::from_dispatch(<Dispatch as ExpertOps>::experts(
        x.into_dispatch(),
        gates.into_dispatch(),
        weights.up.into_dispatch(),
        up_bias.into_dispatch(),
        weights.down.into_dispatch(),
        down_bias.into_dispatch(),
        job,
    ))
}

impl ExpertOps for Flex {
    fn experts(
        x: FlexTensor,
        gates: FlexTensor,
        up: FlexTensor,
        up_bias: FlexTensor,
        down: FlexTensor,
        down_bias: FlexTensor,
        job: Job,
    ) -> FlexTensor {
        let inputs = [x, gates, up, up_bias, down, down_bias].map(|t| t.to_contiguous());
        forward::run(&inputs, &job, false).0
    }
}

/// The backward pass.
#[derive(Debug)]
struct ExpertsBackward;

/// What the backward pass needs of the forward pass.
#[derive(Debug, Clone)]
struct Saved {
    inputs: Inputs,
    first: Arc<Buffer>,
    job: Job,
}

impl Backward<Flex, 6> for ExpertsBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { inputs, first, job } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = backward::run(&inputs, &first, &upstream, &job, wanted);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<Flex>(parent.id, grad);
            }
        }
    }
}

impl<C: CheckpointStrategy> ExpertOps for Autodiff<Flex, C> {
    fn experts(
        x: FloatTensor<Self>,
        gates: FloatTensor<Self>,
        up: FloatTensor<Self>,
        up_bias: FloatTensor<Self>,
        down: FloatTensor<Self>,
        down_bias: FloatTensor<Self>,
        job: Job,
    ) -> FloatTensor<Self> {
        let tensors = [x, gates, up, up_bias, down, down_bias];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let inputs = tensors.map(|tensor| tensor.into_parts().0.to_contiguous());
        match ExpertsBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let (output, first) = forward::run(&inputs, &job, true);
                let first = Arc::new(first);
                prep.finish(Saved { inputs, first, job }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward::run(&inputs, &job, false).0),
        }
    }
}
