//! The layer: padding, capacity, shared experts, upcycling, identities.

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
use proptest::prelude::*;
use regimen_moe::pathways::Pathway;
use regimen_moe::*;

use super::dense::{assert_near, dispatches, gradients, reference, routers};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

fn random(shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Everything a pass says of its real tokens: output, losses, counts, dropped, gradients.
fn summary(moe: &Moe, x: Tensor<3>, tokens: Tokens) -> Vec<(String, Vec<f32>)> {
    let [batch, _, _] = x.dims();
    let (y, routing) = moe.forward_with(x, tokens).unwrap();
    let losses = routing.losses();
    let total = y.clone().square().sum() + losses.balance.clone() + losses.z.clone();
    let mut out = vec![
        ("y".to_owned(), values(y.narrow(1, 0, 7))),
        ("balance".to_owned(), values(losses.balance)),
        ("z".to_owned(), values(losses.z)),
        ("importance".to_owned(), values(losses.importance)),
        (
            "sequence".to_owned(),
            values(balance::sequence_balancing_loss(&routing)),
        ),
        ("counts".to_owned(), values(routing.counts.clone())),
        ("dropped".to_owned(), values(routing.dropped.clone())),
        ("tokens".to_owned(), values(routing.tokens.clone())),
    ];
    assert_eq!(
        Pathway::of_batch(std::slice::from_ref(&routing), 0.7)
            .unwrap()
            .len(),
        batch
    );
    out.extend(gradients(moe, total.backward()));
    out
}

#[test]
fn padding_changes_nothing_whatever_it_holds() {
    let device = Device::flex().autodiff();
    device.seed(2);
    let x = random([2, 7, 6], &device);
    let junk = Tensor::<3>::full([2, 4, 6], f32::NAN, &device);
    let padded = Tensor::cat(vec![x.clone(), junk], 1);
    let flags: Vec<bool> = (0..22).map(|i| i % 11 >= 7).collect();
    let padding = Tensor::<2, Bool>::from_data(TensorData::new(flags, [2, 11]), &device);
    let tokens = Tokens {
        padding: Some(padding),
        ids: None,
    };
    let tight = [
        Dispatch::Capacity(Capacity::new(0.6)),
        Dispatch::Capacity(Capacity::new(1.0)),
    ];
    for (name, router) in routers(2) {
        for dispatch in dispatches(4, 2).into_iter().chain(tight.clone()) {
            let config = MoeConfig::new(6, 10, 4, 2)
                .with_router(router.clone())
                .with_bias(true);
            let config = config.with_shared(1).with_dispatch(dispatch.clone());
            let moe = config.init(&device).unwrap();
            let plain = summary(&moe, x.clone(), Tokens::default());
            let with = summary(&moe, padded.clone(), tokens.clone());
            assert_eq!(plain.len(), with.len());
            for ((what, expected), (_, found)) in plain.iter().zip(&with) {
                assert_near(
                    &format!("{name} {dispatch:?} {what}"),
                    found,
                    expected,
                    2e-6,
                );
            }
            let (y, _) = moe.forward_with(padded.clone(), tokens.clone()).unwrap();
            assert!(values(y.narrow(1, 7, 4)).iter().all(|v| *v == 0.0));
        }
    }
}

#[test]
fn padding_alone_gives_zeros() {
    let device = Device::flex().autodiff();
    for (name, router) in routers(2) {
        for dispatch in dispatches(4, 2) {
            let moe = MoeConfig::new(6, 10, 4, 2).with_router(router.clone());
            let moe = moe.with_dispatch(dispatch).init(&device).unwrap();
            let tokens = Tokens {
                padding: Some(Tensor::<2>::ones([1, 3], &device).bool()),
                ids: None,
            };
            let (y, routing) = moe
                .forward_with(random([1, 3, 6], &device), tokens)
                .unwrap();
            assert!(values(y.clone()).iter().all(|v| *v == 0.0), "{name}");
            assert!(
                values(routing.losses().balance)
                    .iter()
                    .all(|v| v.is_finite())
            );
            let _ = (y.sum() + routing.losses().z).backward();
        }
    }
}

#[test]
fn capacity_of_the_check() {
    assert_eq!(capacity(64, 8, 1, 1.25), 10);
    assert_eq!(capacity(7, 4, 1, 1.0), 2);
    assert_eq!(capacity(10, 4, 2, 1.0), 5);
    assert_eq!(capacity(40, 4, 1, 1.1), 11);
}

/// A mixture with the identity for a router: a token's logits are its values.
fn routed_by_value(dispatch: Dispatch, top_k: usize, device: &Device) -> Moe {
    let mut moe = MoeConfig::new(3, 4, 3, top_k)
        .with_dispatch(dispatch)
        .init(device)
        .unwrap();
    let Router::Softmax(router) = &mut moe.router else {
        panic!()
    };
    router.weight = burn::module::Param::from_tensor(Tensor::eye(3, device));
    moe
}

/// Which rows of the output are not zero, with one expert a token.
fn served(order: DropOrder, rows: [[f32; 3]; 4]) -> (Vec<bool>, f32) {
    let device = Device::flex();
    let dispatch = Dispatch::Capacity(Capacity::new(0.75).with_order(order));
    let moe = routed_by_value(dispatch, 1, &device);
    let (y, routing) = moe.forward(Tensor::<2>::from_data(rows, &device).unsqueeze());
    let served = values(y)
        .chunks(3)
        .map(|row| row.iter().any(|v| *v != 0.0))
        .collect();
    (served, routing.dropped.into_scalar::<f32>())
}

#[test]
fn who_is_dropped_follows_the_order() {
    // One place an expert; three tokens want expert 0, the third most.
    let rows = [
        [2.0, 0.0, 0.0],
        [3.0, 0.0, 0.0],
        [9.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
    ];
    assert_eq!(
        served(DropOrder::Position, rows),
        (vec![true, false, false, true], 2.0)
    );
    assert_eq!(
        served(DropOrder::Probability, rows),
        (vec![false, false, true, true], 2.0)
    );
    // The first token's second choice gives way to the second token's first choice.
    let device = Device::flex();
    let rows = Tensor::<2>::from_data([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]], &device);
    for (order, expected) in [
        (DropOrder::Position, [true, false]),
        (DropOrder::Choice, [false, true]),
    ] {
        let dispatch = Dispatch::Capacity(Capacity::new(0.75).with_order(order));
        let moe = routed_by_value(dispatch, 2, &device);
        let (y, routing) = moe.forward(rows.clone().unsqueeze());
        assert_eq!(routing.dropped.clone().into_scalar::<f32>(), 1.0);
        let gates = balance::gates(&routing);
        for (token, served) in expected.into_iter().enumerate() {
            let gate = gates
                .clone()
                .slice([token..token + 1, 0..1])
                .into_scalar::<f32>();
            let row = rows.clone().narrow(0, token, 1);
            let part = values(moe.experts.forward_one(0, row.clone()).unwrap() * gate);
            let other = [1, 2].map(|e: usize| {
                let gate = gates
                    .clone()
                    .slice([token..token + 1, e..e + 1])
                    .into_scalar::<f32>();
                values(moe.experts.forward_one(e, row.clone()).unwrap() * gate)
            });
            for column in 0..3 {
                let kept = if served { part[column] } else { 0.0 };
                let expected = kept + other[0][column] + other[1][column];
                let found = y
                    .clone()
                    .slice([0..1, token..token + 1, column..column + 1]);
                assert!(
                    (found.into_scalar::<f32>() - expected).abs() < 1e-5,
                    "{order:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn dropped_counts_and_places_add_up(
        tokens in 1_usize..30, experts in 1_usize..8, factor in 0.1_f64..3.0, seed in any::<u32>(),
    ) {
        let device = Device::flex();
        device.seed(u64::from(seed));
        let top_k = experts.min(2);
        for order in [DropOrder::Position, DropOrder::Choice, DropOrder::Probability] {
            let dispatch = Dispatch::Capacity(Capacity::new(factor).with_order(order));
            let config = MoeConfig::new(5, 4, experts, top_k).with_dispatch(dispatch);
            let (_, routing) = config.init(&device).unwrap().forward(random([1, tokens, 5], &device));
            let size = capacity(tokens, experts, top_k, factor) as f32;
            let counts = values(routing.counts);
            let expected: f32 = counts.iter().map(|count| (count - size).max(0.0)).sum();
            prop_assert_eq!(counts.iter().sum::<f32>(), (tokens * top_k) as f32);
            prop_assert_eq!(routing.dropped.into_scalar::<f32>(), expected);
        }
    }
}

#[test]
fn all_experts_renormalised_are_the_softmax_mixture() {
    let device = Device::flex();
    let moe = MoeConfig::new(6, 8, 5, 5).init(&device).unwrap();
    let x = random([2, 5, 6], &device);
    let (y, routing) = moe.forward(x.clone());
    let Router::Softmax(router) = &moe.router else {
        panic!()
    };
    let weights = burn::tensor::activation::softmax(
        x.clone().reshape([10, 6]).matmul(router.weight.val()),
        1,
    );
    assert_near(
        "gates",
        &values(balance::gates(&routing)),
        &values(weights),
        1e-6,
    );
    assert_near("y", &values(y), &values(reference(&moe, x, &routing)), 1e-5);
}

#[test]
fn shared_experts_are_added_and_gated() {
    let device = Device::flex();
    device.seed(6);
    let x = random([2, 5, 6], &device);
    let config = MoeConfig::new(6, 8, 4, 2)
        .with_shared(2)
        .with_activation(Activation::Silu)
        .with_gated(true);
    for gated in [false, true] {
        let moe = config
            .clone()
            .with_shared_gate(gated)
            .init(&device)
            .unwrap();
        let shared = moe.shared.clone().unwrap();
        assert_eq!(shared.d_hidden(), 16);
        let mut part = shared.forward_one(0, x.clone().reshape([10, 6])).unwrap();
        if gated {
            part = part * 0.5; // The gate starts at sigmoid(0).
        }
        let (y, routing) = moe.forward(x.clone());
        let expected = reference(&moe, x.clone(), &routing) + part.reshape([2, 5, 6]);
        assert_near("y", &values(y), &values(expected), 1e-5);
    }
}

#[test]
fn hash_goes_by_identity_or_by_position() {
    let device = Device::flex();
    let moe = MoeConfig::new(6, 8, 4, 1).with_router(RouterConfig::Hash(HashRouterConfig::new()));
    let moe = moe.init(&device).unwrap();
    let x = random([1, 4, 6], &device);
    let with = |ids: [[i64; 4]; 1]| {
        let tokens = Tokens {
            padding: None,
            ids: Some(Tensor::<2, Int>::from_data(ids, &device)),
        };
        values(moe.forward_with(x.clone(), tokens).unwrap().0)
    };
    assert_eq!(with([[0, 1, 2, 3]]), values(moe.forward(x.clone()).0));
    let (same, again) = (with([[9, 9, 9, 9]]), with([[9, 9, 9, 9]]));
    assert_eq!(same, again);
}

#[test]
fn wrong_shapes_are_named() {
    let device = Device::flex();
    let moe = MoeConfig::new(6, 8, 4, 2).init(&device).unwrap();
    let fails = |x: Tensor<3>, tokens: Tokens, name: &str| {
        let error = moe.forward_with(x, tokens).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    fails(random([1, 4, 5], &device), Tokens::default(), "`x`");
    let padding = Some(Tensor::<2>::ones([1, 3], &device).bool());
    fails(
        random([1, 4, 6], &device),
        Tokens { padding, ids: None },
        "padding",
    );
    let ids = Some(Tensor::<2, Int>::zeros([2, 4], &device));
    fails(
        random([1, 4, 6], &device),
        Tokens { padding: None, ids },
        "ids",
    );
    assert!(
        moe.experts
            .forward_one(4, random([1, 4, 6], &device).reshape([4, 6]))
            .is_none()
    );
}

#[test]
fn a_record_brings_the_same_mixture_back() {
    let device = Device::flex();
    for (_, router) in routers(2) {
        let config = MoeConfig::new(6, 8, 4, 2)
            .with_router(router)
            .with_shared(1)
            .with_bias(true);
        let moe = config.init(&device).unwrap();
        let x = random([2, 4, 6], &device);
        let record = moe.clone().into_record().into_bytes().unwrap();
        let record = burn::store::ModuleRecord::from_bytes(record).unwrap();
        let resumed = config.init(&device).unwrap().load_record(record);
        assert_eq!(
            values(moe.forward(x.clone()).0),
            values(resumed.forward(x).0)
        );
    }
}

fn dense(gated: bool, device: &Device) -> (Dense, Tensor<3>, Tensor<3>) {
    let (up, down) = (if gated { 16 } else { 8 }, 8);
    let up = LinearConfig::new(6, up).init(device);
    let down = LinearConfig::new(down, 6).init(device);
    let x = random([2, 5, 6], device);
    let first = up.forward(x.clone());
    let hidden = if gated {
        Activation::Silu.forward(first.clone().narrow(2, 0, 8)) * first.narrow(2, 8, 8)
    } else {
        Activation::Silu.forward(first)
    };
    let y = down.forward(hidden);
    let body = Experts::from_linear(&up, &down, Activation::Silu, gated).unwrap();
    (Dense::new(body).unwrap(), x, y)
}

#[test]
fn upcycling_keeps_the_function_and_merging_brings_it_back() {
    let device = Device::flex();
    device.seed(8);
    for gated in [false, true] {
        let (dense, x, y) = dense(gated, &device);
        assert_near(
            "dense",
            &values(dense.forward(x.clone())),
            &values(y.clone()),
            1e-5,
        );
        let moe = UpcycleConfig::new(5, 2).init(&dense).unwrap();
        assert_near(
            "upcycled",
            &values(moe.forward(x.clone()).0),
            &values(y.clone()),
            1e-5,
        );
        let merged = merge(&moe.experts, &[1.0, 0.0, 2.0, 3.0, 0.5]).unwrap();
        assert_near(
            "merged",
            &values(merged.forward(x.clone())),
            &values(y.clone()),
            1e-5,
        );
        let noisy = UpcycleConfig::new(5, 2).with_noise(0.1).with_seed(4);
        let (a, b) = (noisy.init(&dense).unwrap(), noisy.init(&dense).unwrap());
        let (up, again) = (values(a.experts.up.val()), values(b.experts.up.val()));
        assert_eq!(up, again);
        assert_ne!(up[..48], up[up.len() - 48..]);
    }
}

#[test]
fn upcycled_weights_train() {
    let device = Device::flex().autodiff();
    let (dense, x, _) = dense(false, &device);
    let moe = UpcycleConfig::new(3, 2).init(&dense).unwrap();
    let grads = gradients(&moe, moe.forward(x).0.square().sum().backward());
    assert_eq!(grads.len(), 5);
}

#[test]
fn bad_upcycling_is_named() {
    let device = Device::flex();
    let (dense, ..) = dense(false, &device);
    assert!(UpcycleConfig::new(0, 1).init(&dense).is_err());
    assert!(UpcycleConfig::new(3, 4).init(&dense).is_err());
    assert!(
        UpcycleConfig::new(3, 1)
            .with_noise(f64::NAN)
            .init(&dense)
            .is_err()
    );
    let moe = UpcycleConfig::new(3, 1).init(&dense).unwrap();
    for weights in [
        &[1.0, 1.0][..],
        &[0.0; 3],
        &[f64::NAN, 1.0, 1.0],
        &[-1.0, 1.0, 1.0],
    ] {
        assert!(merge(&moe.experts, weights).is_err(), "{weights:?}");
    }
    assert!(Dense::new(moe.experts).is_err());
    let (up, down) = (LinearConfig::new(6, 8), LinearConfig::new(7, 6));
    let bad = Experts::from_linear(
        &up.init(&device),
        &down.init(&device),
        Activation::Gelu,
        false,
    );
    assert!(bad.unwrap_err().to_string().contains("up"));
}
