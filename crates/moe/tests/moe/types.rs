//! Mixtures in other types than float32, on devices with another default, and with input of another type.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Distribution, Tensor};
use regimen_moe::balance::*;
use regimen_moe::*;

use crate::dense::{assert_near, dispatches, routers};
use crate::routers::{alone, values};

/// Every weight in another type.
pub(crate) fn cast<M: Module>(model: M, dtype: DType) -> M {
    struct To(DType);
    impl ModuleMapper for To {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let dtype = self.0;
            param.map(|t| {
                let tracked = t.is_require_grad();
                let new = Tensor::from_inner(t.inner().cast(dtype));
                if tracked { new.require_grad() } else { new }
            })
        }
    }
    model.map(&mut To(dtype))
}

const TYPES: [(DType, f32); 3] = [(DType::BF16, 3e-2), (DType::F16, 4e-3), (DType::F64, 1e-5)];

fn with_noise(top_k: usize) -> Vec<(&'static str, RouterConfig)> {
    let mut all = routers(top_k);
    all.push(("noisy", RouterConfig::Noisy(NoisyRouterConfig::new())));
    let jitter = SoftmaxRouterConfig::new().with_jitter(0.01);
    all.push(("jitter", RouterConfig::Softmax(jitter)));
    all
}

fn all_losses(routing: &Routing) -> Tensor<1> {
    let losses = routing.losses();
    let global = GlobalBalance::new().loss(&Load::of(routing)).unwrap();
    let mut sum = losses.balance + losses.z + losses.importance + global;
    if let Some(load) = losses.load {
        sum = sum + load;
    }
    sum + sequence_balancing_loss(routing)
}

#[test]
fn weights_of_every_type_run_and_train() {
    let device = Device::flex().autodiff();
    device.seed(12);
    let x = Tensor::<3>::random([2, 9, 8], Distribution::Normal(0.0, 1.0), &device);
    for (name, router) in with_noise(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch.clone())
                .with_bias(true)
                .with_shared(1)
                .with_shared_gate(true);
            let single = config.init(&device).unwrap();
            for (dtype, tolerance) in TYPES {
                let moe = cast(single.clone(), dtype);
                let what = format!("{name} {dispatch:?} {dtype:?}");
                for given in [dtype, DType::F32] {
                    let (y, routing) = moe.forward(x.clone().cast(given));
                    assert_eq!(y.dtype(), given, "{what}");
                    assert_eq!(routing.counts.dtype(), DType::F32, "{what}");
                    assert_eq!(routing.gating.probabilities.dtype(), DType::F32, "{what}");
                    let loss = all_losses(&routing);
                    assert!(values(loss.clone())[0].is_finite(), "{what}");
                    let loss = y.clone().cast(DType::F32).square().sum() + loss;
                    let grads = loss.backward();
                    let grad = moe.experts.up.val().grad(&grads).unwrap();
                    assert_eq!(grad.dtype(), dtype, "{what}");
                    assert!(values(grad).iter().all(|g| g.is_finite()), "{what}");
                    if !matches!(name, "noisy" | "jitter") && dtype == DType::F64 {
                        assert_near(
                            &what,
                            &values(y),
                            &values(single.forward(x.clone()).0),
                            tolerance,
                        );
                    }
                }
            }
        }
    }
}

/// Where the choices are the same, half precision gives what float32 gives but for rounding.
#[test]
fn the_same_choices_give_the_same_output_but_for_rounding() {
    let device = Device::flex();
    device.seed(13);
    let x = Tensor::<3>::random([2, 9, 8], Distribution::Normal(0.0, 1.0), &device);
    for dispatch in dispatches(4, 2) {
        let router = RouterConfig::Hash(HashRouterConfig::new());
        let config = MoeConfig::new(8, 12, 4, 2)
            .with_router(router)
            .with_dispatch(dispatch);
        let single = config.init(&device).unwrap();
        let expected = values(single.forward(x.clone()).0);
        for (dtype, tolerance) in TYPES {
            let found = cast(single.clone(), dtype).forward(x.clone().cast(dtype)).0;
            assert_near(&format!("{dtype:?}"), &values(found), &expected, tolerance);
        }
    }
}

/// More than 256 tokens, which bfloat16 can't count.
#[test]
fn figures_are_exact_in_half_precision() {
    let device = Device::flex();
    for (name, router) in with_noise(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch);
            let moe = cast(config.init(&device).unwrap(), DType::BF16);
            let x = Tensor::<3>::random([3, 333, 8], Distribution::Default, (&device, DType::BF16));
            let padding = Tensor::<2>::zeros([3, 333], &device).equal_elem(1.0);
            let tokens = Tokens {
                padding: Some(padding),
                ids: None,
            };
            let (_, routing) = moe.forward_with(x, tokens).unwrap();
            if name != "expert choice" {
                assert_eq!(values(routing.counts.clone().sum()), [1998.0], "{name}");
            }
            assert_eq!(values(routing.tokens.clone()), [999.0], "{name}");
            let from_choices = values(assignments(&routing).sum_dim(0));
            assert_eq!(values(routing.counts), from_choices, "{name}");
        }
    }
}

/// The default of a device belongs to the whole process.
#[test]
fn a_device_whose_default_is_bfloat16_runs_everything() {
    let name = "types::a_device_whose_default_is_bfloat16_runs_everything";
    alone(name, with_bfloat16_as_the_default);
}

fn with_bfloat16_as_the_default() {
    let mut plain = Device::flex();
    plain.configure(burn::tensor::FloatDType::BF16).unwrap();
    let device = plain.autodiff();
    let x = || Tensor::<3>::random([3, 111, 8], Distribution::Normal(0.0, 1.0), &device);
    assert_eq!(x().dtype(), DType::BF16);
    for (name, router) in with_noise(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch)
                .with_bias(true)
                .with_shared(1)
                .with_shared_gate(true);
            let moe = config.init(&device).unwrap();
            for padded in [false, true] {
                let padding = Tensor::<2>::zeros([3, 111], &device).equal_elem(1.0);
                let padding = padded.then_some(padding);
                for given in [DType::BF16, DType::F32] {
                    let tokens = Tokens {
                        padding: padding.clone(),
                        ids: None,
                    };
                    let (y, routing) = moe.forward_with(x().cast(given), tokens).unwrap();
                    assert_eq!(y.dtype(), given, "{name}");
                    if name != "expert choice" {
                        assert_eq!(values(routing.counts.clone().sum()), [666.0], "{name}");
                    }
                    assert_eq!(values(routing.tokens.clone()), [333.0], "{name}");
                    let loss = y.cast(DType::F32).square().sum() + all_losses(&routing);
                    let grads = loss.backward();
                    assert!(moe.experts.up.val().grad(&grads).is_some(), "{name}");
                    let balance = GlobalBalance::new();
                    balance
                        .restore(BalanceState {
                            counts: vec![300.0; 4],
                        })
                        .unwrap();
                    balance.loss(&Load::of(&routing)).unwrap();
                    let counts = balance.end_step().unwrap();
                    assert_eq!(
                        counts.iter().sum::<f64>(),
                        1200.0 + f64::from(values(routing.counts.sum())[0])
                    );
                }
            }
            let (y, _) = moe.forward(Tensor::zeros([0, 5, 8], &device));
            assert_eq!(y.dims(), [0, 5, 8]);
            let update = BiasUpdateConfig::new().init().unwrap();
            if let Ok(moved) = update.step(moe, &[500.0, 1.0, 1.0, 1.0]) {
                let bias = match moved.router {
                    Router::Sigmoid(router) => router.bias.val(),
                    Router::Softmax(router) => router.bias.unwrap().val(),
                    _ => panic!(),
                };
                assert_eq!(bias.dtype(), DType::F32);
            }
        }
    }
}

#[test]
fn loads_of_another_type_add_up_in_float32() {
    let device = Device::flex();
    let load = |dtype: DType| Load {
        counts: Tensor::from_data([200.0, 56.0], (&device, dtype)),
        probabilities: Tensor::from_data([128.0, 128.0], (&device, dtype)),
        tokens: Tensor::from_data([256.0], (&device, dtype)),
    };
    for (dtype, _) in TYPES {
        let sum = load(DType::F32).plus(load(dtype)).unwrap();
        let sum = load(dtype).plus(sum).unwrap();
        assert_eq!(values(sum.counts.clone()), [600.0, 168.0]);
        assert_eq!(values(load_balancing_loss(&sum)), [1.0]);
        assert_eq!(values(load_balancing_loss(&load(dtype))), [1.0]);
        let balance = GlobalBalance::new();
        assert_eq!(values(balance.loss(&load(dtype)).unwrap()), [1.0]);
        assert_eq!(balance.end_step().unwrap(), [200.0, 56.0]);
    }
}
