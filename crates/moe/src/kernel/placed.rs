//! The experts as batched products over places that were given out on the device: the same operations and shapes whatever the
//! router chose, nothing read from the device.

use burn::tensor::{DType, Int, Tensor};

use super::dispatched::Dispatched;
use super::memory::{Memory, wide};
use crate::Experts;
use crate::dispatch::{Blocks, Places};
use crate::routers::Gating;

/// Every assignment: each expert has as many blocks of places as it fills.
pub(super) fn dropless(
    experts: &Experts,
    x: Tensor<2>,
    choices: &Tensor<2, Int>,
    gates: Tensor<2>,
    valid: Option<&Tensor<1>>,
    memory: Memory,
) -> Dispatched {
    let ([tokens, k], [_, width]) = (choices.dims(), x.dims());
    let blocks = Blocks::of(tokens * k, experts.count(), width);
    let places = Places::dropless(choices, valid, experts.count(), blocks);
    run(places, experts, x, gates, memory)
}

/// The experts on their places, and each token's weighted sum.
///
/// A token's rows are gathered from the places of its assignments, so the sum has no order that could change, and places that
/// are empty are read by nobody.
pub(super) fn run(
    places: Places,
    experts: &Experts,
    x: Tensor<2>,
    gates: Tensor<2>,
    memory: Memory,
) -> Dispatched {
    let ([tokens, model], [_, k]) = (x.dims(), gates.dims());
    let (dtype, count) = (x.dtype(), places.blocks * places.size);
    let rows = memory.take(wide(x), places.token).cast(dtype);
    let rows = rows.reshape([places.blocks, places.size, model]);
    let out = experts.run_batched(rows, places.expert.as_ref());
    let mut out = memory.take(wide(out.reshape([count, model])), places.place);
    if let Some(without) = places.without {
        let without = without.unsqueeze_dim::<2>(1).expand([tokens * k, model]);
        out = out.mask_fill(without, 0.0);
    }
    let gates = gates.reshape([tokens * k, 1]).cast(out.dtype());
    let sum = (out * gates).reshape([tokens, k, model]).sum_dim(1);
    Dispatched {
        output: sum.reshape([tokens, model]).cast(dtype),
        counts: places.counts,
        dropped: places.dropped,
    }
}

/// Experts that chose their tokens have as many places as they chose.
pub(super) fn by_experts(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    choices: &Tensor<2, Int>,
    valid: Option<&Tensor<1>>,
    memory: Memory,
) -> Dispatched {
    let (device, [tokens, model], [count, taken]) = (x.device(), x.dims(), choices.dims());
    let (dtype, flat) = (x.dtype(), choices.clone().reshape([count * taken]));
    let rows = memory.take(wide(x), flat.clone()).cast(dtype);
    let rows = rows.reshape([count, taken, model]);
    let out = wide(experts.run_batched(rows, None)).reshape([count * taken, model]);
    let gates = gating.gates.clone().reshape([count * taken, 1]);
    let out = out.clone() * gates.cast(out.dtype());
    let float = (&device, DType::F32);
    let counts = match valid {
        None => Tensor::full([count], taken as f64, float),
        Some(valid) => {
            let valid = valid.clone().detach().select(0, flat.clone());
            let valid = valid.cast(DType::F32).reshape([count, taken]);
            valid.sum_dim(1).reshape([count])
        }
    };
    Dispatched {
        output: memory.put(out, flat, tokens).cast(dtype),
        counts,
        dropped: Tensor::zeros([1], float),
    }
}
