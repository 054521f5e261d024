//! Which token goes to which expert, as tables.

use burn::tensor::{DType, IndexingUpdateOp, Tensor};

use crate::Routing;
use crate::routers::{Choices, single};

/// How often each token goes to each expert, 0 or 1, `[tokens, experts]`; padding to none.
#[must_use]
pub fn assignments(routing: &Routing) -> Tensor<2> {
    scattered(
        routing,
        Tensor::ones(
            routing.gating.gates.dims(),
            (&routing.counts.device(), DType::F32),
        ),
    )
}

/// The gates of each token, `[tokens, experts]`, zero where an expert was not chosen.
#[must_use]
pub fn gates(routing: &Routing) -> Tensor<2> {
    scattered(routing, routing.gating.gates.clone())
}

/// Values of the choices in the columns of their experts.
fn scattered(routing: &Routing, values: Tensor<2>) -> Tensor<2> {
    let [tokens, experts] = routing.gating.probabilities.dims();
    let (device, values) = (values.device(), single(values));
    let add = IndexingUpdateOp::Add;
    let rows = match &routing.gating.choices {
        Choices::ByToken(choices) => Tensor::zeros([tokens, experts], (&device, DType::F32))
            .scatter(1, choices.clone(), values, add),
        Choices::ByExpert(choices) => Tensor::<2>::zeros([experts, tokens], (&device, DType::F32))
            .scatter(1, choices.clone(), values, add)
            .transpose(),
    };
    routing.masked(rows)
}
