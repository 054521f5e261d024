//! The experts as batched products over places that were given out on the device: the same operations and shapes whatever the
//! router chose, nothing read from the device.

use burn::tensor::{DType, Int, Tensor};

use crate::Experts;
use crate::dispatch::{Blocks, Memory, Places};
use crate::experts::wide;

/// What came of a dispatch.
pub(crate) struct Dispatched {
    /// `[tokens, d_model]`, in the type of the tokens.
    pub(crate) output: Tensor<2>,
    /// Assignments of each expert before any was dropped, `[experts]`, float32.
    pub(crate) counts: Tensor<1>,
    /// Assignments that were dropped, `[1]`, float32.
    pub(crate) dropped: Tensor<1>,
}

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
    choices: &Tensor<2, Int>,
    gates: Tensor<2>,
    valid: Option<&Tensor<1>>,
    memory: Memory,
) -> Dispatched {
    let (device, [tokens, model], [count, taken]) = (x.device(), x.dims(), choices.dims());
    let (dtype, flat) = (x.dtype(), choices.clone().reshape([count * taken]));
    let rows = memory.take(wide(x), flat.clone()).cast(dtype);
    let rows = rows.reshape([count, taken, model]);
    let out = wide(experts.run_batched(rows, None)).reshape([count * taken, model]);
    let gates = gates.reshape([count * taken, 1]);
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

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::dispatch::{Capacity, Plan};
    use crate::experts::Body;
    use burn::module::Param;
    use burn::tensor::{Device, Distribution, TensorData};

    const TOKENS: usize = 70;
    const MODEL: usize = 6;

    fn experts(gated: bool, bias: bool, dtype: DType, device: &Device) -> Experts {
        let body = Body {
            d_model: MODEL,
            d_hidden: 9,
            activation: Activation::Gelu,
            gated,
            bias,
        };
        let mut experts = body.init(5, device).unwrap();
        let cast = |t: Tensor<3>| Param::from_tensor(t.cast(dtype).detach());
        let cast_bias = |t: Param<Tensor<2>>| Param::from_tensor(t.val().cast(dtype).detach());
        experts.up = cast(experts.up.val());
        experts.down = cast(experts.down.val());
        experts.up_bias = experts.up_bias.map(cast_bias);
        experts.down_bias = experts.down_bias.map(cast_bias);
        experts
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    /// Output, gradients of tokens, gates and all weights, and counts.
    type Figures = Vec<(&'static str, Vec<f32>)>;

    /// What a dispatch gives for tokens of a type, in which its output and all gradients must be.
    fn figures(
        experts: &Experts,
        x: &Tensor<2>,
        gates: &Tensor<2>,
        dispatch: impl Fn(Tensor<2>, Tensor<2>) -> (Tensor<2>, Tensor<1>),
    ) -> Figures {
        let (x, gates) = (x.clone().require_grad(), gates.clone().require_grad());
        let (y, counts) = dispatch(x.clone(), gates.clone());
        assert_eq!((y.dtype(), counts.dtype()), (x.dtype(), DType::F32));
        let weight = Tensor::<2>::from_inner(x.clone().inner().cos());
        let grads = (y.clone() * weight).sum().backward();
        let of = |t: Option<Tensor<2>>| {
            let grad = t.unwrap();
            assert_eq!(grad.dtype(), x.dtype());
            values(grad)
        };
        let of_maps = |t: Tensor<3>| of(t.grad(&grads).map(|grad| grad.flatten(0, 1)));
        let mut all = vec![
            ("output", values(y)),
            ("x", of(x.grad(&grads))),
            ("gates", values(gates.grad(&grads).unwrap())),
            ("up", of_maps(experts.up.val())),
            ("down", of_maps(experts.down.val())),
            ("counts", values(counts)),
        ];
        for bias in [&experts.up_bias, &experts.down_bias].into_iter().flatten() {
            all.push(("bias", of(bias.val().grad(&grads))));
        }
        all
    }

    fn assert_near(what: &str, found: &Figures, expected: &Figures, tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for ((name, found), (_, expected)) in found.iter().zip(expected) {
            assert_eq!(found.len(), expected.len(), "{what}: {name}");
            let size = expected.iter().fold(1e-2, |size: f32, v| size.max(v.abs()));
            for (a, b) in found.iter().zip(expected) {
                let near = (a - b).abs() <= tolerance * size;
                assert!(near, "{what}: {name} is {a}, not {b}");
            }
        }
    }

    /// Two experts a token: spread, all on two of them, and one token only. The last expert is idle.
    fn tables() -> [Vec<[usize; 2]>; 3] {
        let spread = (0..TOKENS).map(|t| [(t * t + 1) % 4, (t * t + 2 + t % 2) % 4]);
        [spread.collect(), vec![[3, 1]; TOKENS], vec![[2, 0]]]
    }

    struct Case {
        table: Vec<[usize; 2]>,
        choices: Tensor<2, Int>,
        x: Tensor<2>,
        gates: Tensor<2>,
    }

    fn case(table: Vec<[usize; 2]>, dtype: DType, device: &Device) -> Case {
        let flat: Vec<i64> = table.as_flattened().iter().map(|e| *e as i64).collect();
        let shape = [table.len(), 2];
        let normal = Distribution::Normal(0.0, 1.0);
        Case {
            choices: Tensor::from_data(TensorData::new(flat, shape), device),
            x: Tensor::<2>::random([shape[0], MODEL], normal, device).cast(dtype),
            gates: Tensor::random(shape, Distribution::Uniform(0.1, 1.0), device),
            table,
        }
    }

    impl Case {
        /// As it is computed where the memory is the host's.
        fn planned(&self, experts: &Experts, valid: Option<&[f32]>) -> Figures {
            let flat = self.table.as_flattened().iter().enumerate();
            let flat = flat.filter(|(place, _)| valid.is_none_or(|valid| valid[place / 2] > 0.0));
            let flat = flat.map(|(place, &expert)| (place / 2, expert, place));
            let plan = Plan::new(self.table.len(), 5, flat);
            let counts: Vec<f32> = (0..5).map(|e| plan.count(e) as f32).collect();
            figures(experts, &self.x, &self.gates, |x, gates| {
                let counts = Tensor::from_floats(counts.as_slice(), &x.device());
                let gates = gates.reshape([self.table.len() * 2]);
                (experts.run(x, gates, plan.clone()), counts)
            })
        }

        fn placed(&self, experts: &Experts, valid: Option<&[f32]>, memory: Memory) -> Figures {
            let valid = valid.map(|valid| Tensor::from_floats(valid, &self.x.device()));
            figures(experts, &self.x, &self.gates, |x, gates| {
                let valid = valid.as_ref();
                let out = dropless(experts, x, &self.choices, gates, valid, memory);
                assert_eq!(values(out.dropped), [0.0]);
                (out.output, out.counts)
            })
        }

        fn with_room(&self, experts: &Experts, valid: Option<&[f32]>, memory: Memory) -> Figures {
            let valid = valid.map(|valid| Tensor::from_floats(valid, &self.x.device()));
            figures(experts, &self.x, &self.gates, |x, gates| {
                let (choices, rule) = (&self.choices, Capacity::new(2.5));
                let places = Places::with_capacity(choices, &gates, valid.as_ref(), 5, &rule, 1);
                let out = run(places, experts, x, gates, memory);
                assert_eq!(values(out.dropped), [0.0]);
                (out.output, out.counts)
            })
        }
    }

    #[test]
    fn places_on_the_device_give_what_the_plan_of_the_host_gives() {
        let device = Device::flex().autodiff();
        device.seed(11);
        for (gated, bias) in [(false, true), (true, false), (true, true)] {
            let experts = experts(gated, bias, DType::F32, &device);
            for table in tables() {
                let case = case(table, DType::F32, &device);
                let real = case.table.len() - case.table.len() / 3;
                let valid: Vec<f32> = (0..case.table.len())
                    .map(|token| if token < real { 1.0 } else { 0.0 })
                    .collect();
                for valid in [None, Some(valid.as_slice())] {
                    let expected = case.planned(&experts, valid);
                    for memory in [Memory::Device, Memory::Host] {
                        let found = case.placed(&experts, valid, memory);
                        assert_near("dropless", &found, &expected, 1e-5);
                        let found = case.with_room(&experts, valid, memory);
                        assert_near("capacity", &found, &expected, 1e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn every_type_of_number_is_kept_and_computed_alike() {
        let device = Device::flex().autodiff();
        for (dtype, tolerance) in [(DType::F64, 1e-5), (DType::F16, 1e-2), (DType::BF16, 6e-2)] {
            device.seed(12);
            let single = experts(true, true, DType::F32, &device);
            let mut other = single.clone();
            let cast = |t: Tensor<3>| Param::from_tensor(t.cast(dtype).detach());
            let cast_bias = |t: Param<Tensor<2>>| Param::from_tensor(t.val().cast(dtype).detach());
            other.up = cast(other.up.val());
            other.down = cast(other.down.val());
            other.up_bias = other.up_bias.map(cast_bias);
            other.down_bias = other.down_bias.map(cast_bias);
            for table in tables() {
                let mut case = case(table, DType::F32, &device);
                let expected = case.planned(&single, None);
                case.x = case.x.cast(dtype).detach();
                let what = format!("{dtype:?}");
                assert_near(&what, &case.planned(&other, None), &expected, tolerance);
                for memory in [Memory::Device, Memory::Host] {
                    let found = case.placed(&other, None, memory);
                    assert_near(&what, &found, &expected, tolerance);
                    let found = case.with_room(&other, None, memory);
                    assert_near(&what, &found, &expected, tolerance);
                }
            }
        }
    }

    #[test]
    fn experts_that_choose_give_the_same_by_either_way_of_moving_rows() {
        let device = Device::flex().autodiff();
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-5), (DType::BF16, 1e-2)] {
            device.seed(13);
            let experts = experts(true, true, dtype, &device);
            let x = Tensor::<2>::random([8, MODEL], Distribution::Normal(0.0, 1.0), &device);
            let gates = Tensor::<2>::random([5, 3], Distribution::Default, &device);
            let taken: Vec<i64> = (0..15).map(|i| (i * 5 + i / 3) % 8).collect();
            let choices = Tensor::<2, Int>::from_data(TensorData::new(taken, [5, 3]), &device);
            let run = |memory| {
                figures(
                    &experts,
                    &x.clone().cast(dtype).detach(),
                    &gates,
                    |x, gates| {
                        let out = by_experts(&experts, x, &choices, gates, None, memory);
                        (out.output, out.counts)
                    },
                )
            };
            assert_near(
                "experts",
                &run(Memory::Device),
                &run(Memory::Host),
                tolerance,
            );
        }
    }

    /// A token that is not a number stays with itself, though its place may be the one that those without a place point at.
    #[test]
    fn a_token_that_is_not_a_number_spoils_no_other() {
        let device = Device::flex();
        let experts = experts(false, true, DType::F32, &device);
        let case = case(vec![[0, 1]; 6], DType::F32, &device);
        let mut rows = values(case.x.clone());
        rows[..MODEL].fill(f32::NAN);
        let x = Tensor::<2>::from_data(TensorData::new(rows, [6, MODEL]), &device);
        for memory in [Memory::Device, Memory::Host] {
            let rule = Capacity::new(1.0);
            let places = Places::with_capacity(&case.choices, &case.gates, None, 5, &rule, 1);
            let out = run(places, &experts, x.clone(), case.gates.clone(), memory);
            let out = values(out.output);
            assert!(out[..MODEL].iter().all(|v| v.is_nan()));
            assert!(out[MODEL..].iter().all(|v| v.is_finite()));
        }
    }
}
