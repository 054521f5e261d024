//! The experts' outputs for a pass, dropless or in a fixed number of places.

use burn::tensor::{DType, Tensor, TensorData};

use super::placed::{self, Dispatched};
use crate::Experts;
use crate::dispatch::{Capacity, Memory, Places, Plan};
use crate::routers::{Choices, Gating};

/// Every assignment: sorted by expert on the host where the choices lie there, else given places on the device.
pub(crate) fn dropless(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let memory = Memory::of(&x.device());
    match (&gating.choices, memory) {
        (_, Memory::Host) => planned(experts, x, gating, valid),
        (Choices::ByToken(choices), _) => {
            let gates = gating.gates.clone();
            placed::dropless(experts, x, choices, gates, valid, memory)
        }
        (Choices::ByExpert(choices), _) => {
            placed::by_experts(experts, x, choices, gating.gates.clone(), valid, memory)
        }
    }
}

/// Sorted by expert on the host.
fn planned(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
) -> Dispatched {
    let (device, [tokens, _]) = (x.device(), x.dims());
    let plan = Plan::of(gating, valid, tokens, experts.count());
    let counts: Vec<f32> = (0..plan.experts()).map(|e| plan.count(e) as f32).collect();
    let counts = TensorData::new(counts, [plan.experts()]);
    let gates = gating.gates.clone();
    let [rows, columns] = gates.dims();
    Dispatched {
        output: experts.run(x, gates.reshape([rows * columns]), plan),
        counts: Tensor::from_data(counts, (&device, DType::F32)),
        dropped: Tensor::zeros([1], (&device, DType::F32)),
    }
}

/// A fixed number of places an expert, on the device throughout, for tokens of so many sequences.
pub(crate) fn with_capacity(
    experts: &Experts,
    x: Tensor<2>,
    gating: &Gating,
    valid: Option<&Tensor<1>>,
    capacity: &Capacity,
    sequences: usize,
) -> Dispatched {
    let memory = Memory::of(&x.device());
    match &gating.choices {
        Choices::ByToken(choices) => {
            let (gates, count) = (&gating.gates, experts.count());
            let places = Places::with_capacity(choices, gates, valid, count, capacity, sequences);
            placed::run(places, experts, x, gating.gates.clone(), memory)
        }
        Choices::ByExpert(choices) => {
            placed::by_experts(experts, x, choices, gating.gates.clone(), valid, memory)
        }
    }
}
