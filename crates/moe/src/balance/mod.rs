//! Balance of the load: losses, the bias that needs none, and statistics.

mod bias;
mod global;
mod importance;
mod load;
mod sequence;
mod specialisation;
mod statistics;
mod z;

pub use bias::{BiasUpdate, BiasUpdateConfig};
pub use global::{BalanceState, GlobalBalance};
pub use importance::{importance_loss, noisy_load, noisy_load_loss};
pub use load::{Load, load_balancing_loss};
pub use sequence::sequence_balancing_loss;
pub use specialisation::Specialisation;
pub use statistics::LoadStatistics;
pub use z::z_loss;

use burn::tensor::{IndexingUpdateOp, Tensor};

use crate::Routing;
use crate::error::MoeError;
use crate::routers::Choices;

/// How often each token goes to each expert, 0 or 1, `[tokens, experts]`; padding to none.
#[must_use]
pub fn assignments(routing: &Routing) -> Tensor<2> {
    scattered(
        routing,
        Tensor::ones(routing.gating.gates.dims(), &routing.counts.device()),
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
    let device = values.device();
    let add = IndexingUpdateOp::Add;
    let rows = match &routing.gating.choices {
        Choices::ByToken(choices) => {
            Tensor::zeros([tokens, experts], &device).scatter(1, choices.clone(), values, add)
        }
        Choices::ByExpert(choices) => Tensor::<2>::zeros([experts, tokens], &device)
            .scatter(1, choices.clone(), values, add)
            .transpose(),
    };
    routing.masked(rows)
}

/// A tensor's values on the host.
pub(crate) fn read<const D: usize>(
    name: &'static str,
    tensor: Tensor<D>,
) -> crate::Result<Vec<f64>> {
    let values = tensor.detach().try_into_vec_as::<f32>();
    let values = values.map_err(|reason| MoeError::Read {
        name,
        reason: reason.to_string(),
    })?;
    Ok(values.into_iter().map(f64::from).collect())
}
