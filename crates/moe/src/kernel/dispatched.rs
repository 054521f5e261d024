//! The experts' outputs for a pass, dropless or in a fixed number of places.

use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

use crate::Experts;
use crate::dispatch::{Capacity, Places, Plan};
use crate::routers::{Choices, Gating};

/// What came of a dispatch.
pub(crate) struct Dispatched {
    /// `[tokens, d_model]`.
    pub(crate) output: Tensor<2>,
    /// Assignments of each expert before any was dropped, `[experts]`.
    pub(crate) counts: Tensor<1>,
    /// Assignments that were dropped, `[1]`.
    pub(crate) dropped: Tensor<1>,
}

/// Every assignment, sorted by expert on the host.
pub(crate) fn dropless(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let (device, [tokens, _]) = (x.device(), x.dims());
    let plan = Plan::of(gating, valid, tokens, experts.count());
    let counts: Vec<f32> = (0..plan.experts()).map(|e| plan.count(e) as f32).collect();
    let gates = gating.gates.clone();
    let [rows, columns] = gates.dims();
    Dispatched {
        output: experts.run(x, gates.reshape([rows * columns]), plan),
        counts: single(counts, &device),
        dropped: single(vec![0.0], &device),
    }
}

/// A fixed number of places an expert, on the device throughout.
pub(crate) fn with_capacity(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
    capacity: &Capacity,
) -> Dispatched {
    match &gating.choices {
        Choices::ByToken(choices) => {
            let places = Places::assign(choices, &gating.gates, valid, experts.count(), capacity);
            run(places, experts, x, gating.gates.clone())
        }
        Choices::ByExpert(choices) => by_experts(experts, x, gating, choices, valid),
    }
}

/// Experts that chose their tokens have as many places as they chose.
fn by_experts(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    choices: &Tensor<2, Int>,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let (device, [tokens, model], [count, taken]) = (x.device(), x.dims(), choices.dims());
    let flat = choices.clone().reshape([count * taken]);
    let dtype = x.dtype();
    let rows = x.select(0, flat.clone()).reshape([count, taken, model]);
    let out = experts.run_batched(rows) * gating.gates.clone().unsqueeze_dim::<3>(2);
    let zeros = Tensor::<2>::zeros([tokens, model], (&device, dtype));
    let all = || Tensor::full([count], taken as f64, (&device, DType::F32));
    let counts = valid.map_or_else(all, |valid| {
        let valid = valid.clone().select(0, flat.clone());
        valid.reshape([count, taken]).sum_dim(1).reshape([count])
    });
    Dispatched {
        output: zeros.select_assign(
            0,
            flat,
            out.reshape([count * taken, model]),
            IndexingUpdateOp::Add,
        ),
        counts,
        dropped: single(vec![0.0], &device),
    }
}

/// The experts on their places.
fn run(places: Places, experts: &Experts, x: Tensor<2>, gates: Tensor<2>) -> Dispatched {
    let (device, [tokens, model], count) = (x.device(), x.dims(), experts.count());
    let dtype = x.dtype();
    let [rows, columns] = gates.dims();
    let gates = gates.reshape([rows * columns]).select(0, places.gate) * places.taken.cast(dtype);
    let rows = x
        .select(0, places.token.clone())
        .reshape([count, places.size, model]);
    let out = experts
        .run_batched(rows)
        .reshape([count * places.size, model]);
    let out = out * gates.unsqueeze_dim::<2>(1);
    let zeros = Tensor::<2>::zeros([tokens, model], (&device, dtype));
    Dispatched {
        output: zeros.select_assign(0, places.token, out, IndexingUpdateOp::Add),
        counts: places.counts,
        dropped: places.dropped,
    }
}

/// Figures are float32 whatever the type of the tokens.
fn single(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), (device, DType::F32))
}
