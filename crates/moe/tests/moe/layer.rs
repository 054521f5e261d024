//! The layer: padding, capacity, shared experts, upcycling, records.

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::{Bool, DType, Device, Distribution, Int, Tensor};
use regimen_moe::balance::sequence_balancing_loss;
use regimen_moe::*;

use crate::dense::{assert_near, dispatches, gradients, routers};
use crate::routers::values;

fn random(shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Tokens with padding behind each sequence that holds no numbers.
fn padded(x: Tensor<3>, columns: usize) -> (Tensor<3>, Tokens) {
    let ([batch, seq, width], device) = (x.dims(), x.device());
    let nothing = Tensor::full([batch, columns, width], f32::NAN, &device);
    let flags: Vec<bool> = (0..batch * (seq + columns))
        .map(|i| i % (seq + columns) >= seq)
        .collect();
    let padding = Tensor::<1, Bool>::from_bool(flags.as_slice(), &device);
    let padding = Some(padding.reshape([batch, seq + columns]));
    (
        Tensor::cat(vec![x, nothing], 1),
        Tokens { padding, ids: None },
    )
}

fn losses(routing: &Routing) -> Vec<f32> {
    let losses = routing.losses();
    let all = [
        losses.balance,
        losses.z,
        losses.importance,
        sequence_balancing_loss(routing),
    ];
    all.into_iter().flat_map(values).collect()
}

#[test]
fn padding_changes_nothing() {
    let device = Device::flex().autodiff();
    device.seed(9);
    let x = random([3, 5, 8], &device);
    let (with_padding, tokens) = padded(x.clone(), 4);
    for (name, router) in routers(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch)
                .with_bias(true)
                .with_shared(1);
            let moe = config.init(&device).unwrap();
            let run = |padded: bool| {
                let (y, routing) = if padded {
                    moe.forward_with(with_padding.clone(), tokens.clone())
                        .unwrap()
                } else {
                    moe.forward(x.clone())
                };
                let (real, rest) = (y.clone().narrow(1, 0, 5), y.dims()[1] - 5);
                if rest > 0 {
                    assert!(values(y.narrow(1, 5, rest)).iter().all(|v| *v == 0.0));
                }
                let figures = (values(routing.counts.clone()), losses(&routing));
                let loss =
                    real.clone().square().sum() + routing.losses().balance + routing.losses().z;
                (values(real), figures, gradients(&moe, loss.backward()))
            };
            let (plain, padded) = (run(false), run(true));
            assert_near(name, &padded.0, &plain.0, 1e-6);
            assert_eq!(padded.1.0, plain.1.0);
            assert_near(name, &padded.1.1, &plain.1.1, 1e-5);
            assert_eq!(padded.2.len(), plain.2.len());
            for ((path, found), (_, expected)) in padded.2.iter().zip(&plain.2) {
                assert_near(path, found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn nothing_but_padding_gives_zeros() {
    let device = Device::flex().autodiff();
    for (name, router) in routers(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch);
            let moe = config.init(&device).unwrap();
            let tokens = Tokens {
                padding: Some(Tensor::<2, Int>::ones([2, 3], &device).equal_elem(1)),
                ids: None,
            };
            let (y, routing) = moe
                .forward_with(random([2, 3, 8], &device), tokens)
                .unwrap();
            assert!(values(y).iter().all(|v| *v == 0.0), "{name}");
            assert!(losses(&routing).iter().all(|v| *v == 0.0), "{name}");
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let device = Device::flex();
    let moe = MoeConfig::new(8, 12, 4, 2).init(&device).unwrap();
    let x = || random([2, 3, 8], &device);
    let forward = |x, tokens| moe.forward_with(x, tokens).map(|_| ());
    assert!(forward(random([2, 3, 7], &device), Tokens::default()).is_err());
    let ids = Some(Tensor::zeros([2, 4], &device));
    assert!(forward(x(), Tokens { ids, padding: None }).is_err());
    let padding = Some(Tensor::<2, Int>::zeros([3, 3], &device).equal_elem(1));
    assert!(forward(x(), Tokens { ids: None, padding }).is_err());
    assert!(forward(x(), Tokens::default()).is_ok());
}

/// Which of four tokens keep one of two places at their first expert, by the rule.
fn kept(order: DropOrder) -> (Vec<bool>, f32) {
    let device = Device::flex();
    let router = SoftmaxRouterConfig::new().with_renormalise(Some(false));
    let config = MoeConfig::new(2, 4, 2, 1)
        .with_router(RouterConfig::Softmax(router))
        .with_bias(true)
        .with_dispatch(Dispatch::Capacity(Capacity::new(1.0).with_order(order)));
    let mut moe = config.init(&device).unwrap();
    let Router::Softmax(router) = &mut moe.router else {
        panic!()
    };
    let weight = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 0.0]], &device);
    router.weight = burn::module::Param::from_tensor(weight);
    let x = Tensor::<3>::from_data([[[1.0, 0.0], [3.0, 0.0], [2.0, 0.0], [4.0, 0.0]]], &device);
    let (y, routing) = moe.forward(x);
    assert_eq!(values(routing.counts), [4.0, 0.0]);
    let y = values(y);
    (
        y.chunks(2).map(|row| row != [0.0, 0.0]).collect(),
        values(routing.dropped)[0],
    )
}

#[test]
fn beyond_the_capacity_tokens_are_dropped_by_the_rule() {
    assert_eq!(
        kept(DropOrder::Position),
        (vec![true, true, false, false], 2.0)
    );
    assert_eq!(
        kept(DropOrder::Choice),
        (vec![true, true, false, false], 2.0)
    );
    assert_eq!(
        kept(DropOrder::Probability),
        (vec![false, true, false, true], 2.0)
    );
    assert_eq!(capacity(10, 4, 2, 1.0), 5);
    assert_eq!(capacity(0, 4, 2, 1.0), 0);
}

/// A hash router's gates are all alike: the places go to the earlier tokens.
#[test]
fn of_equal_gates_the_earlier_token_keeps_the_place() {
    let device = Device::flex();
    let rule = Capacity::new(0.5).with_order(DropOrder::Probability);
    let config = MoeConfig::new(4, 6, 2, 1)
        .with_router(RouterConfig::Hash(HashRouterConfig::new().with_buckets(1)))
        .with_bias(true)
        .with_dispatch(Dispatch::Capacity(rule));
    let moe = config.init(&device).unwrap();
    let (y, routing) = moe.forward(random([1, 200, 4], &device));
    assert_eq!(values(routing.dropped), [150.0]);
    let kept: Vec<bool> = values(y).chunks(4).map(|row| row != [0.0; 4]).collect();
    let expected: Vec<bool> = (0..200).map(|token| token < 50).collect();
    assert_eq!(kept, expected);
}

#[test]
fn shared_experts_add_to_the_routed_ones() {
    let device = Device::flex();
    device.seed(1);
    let config = MoeConfig::new(6, 8, 4, 2)
        .with_shared(2)
        .with_shared_gate(true);
    let moe = config.init(&device).unwrap();
    let x = random([2, 5, 6], &device);
    let mut routed = moe.clone();
    let shared = routed.shared.take().unwrap();
    assert_eq!(shared.d_hidden(), 16);
    let rows = x.clone().reshape([10, 6]);
    let gate = sigmoid(rows.clone().matmul(moe.shared_gate.as_ref().unwrap().val()));
    let expected =
        routed.forward(x.clone()).0.reshape([10, 6]) + shared.forward_one(0, rows).unwrap() * gate;
    assert_near("output", &values(moe.forward(x).0), &values(expected), 1e-6);
    let zeros = |width| Tensor::<2>::zeros([1, width], &device);
    assert!(shared.forward_one(1, zeros(6)).is_err());
    assert!(shared.forward_one(0, zeros(5)).is_err());
    assert!(shared.forward_one(0, zeros(6).cast(DType::F64)).is_err());
    assert_eq!(
        shared
            .forward_one(0, Tensor::zeros([0, 6], &device))
            .unwrap()
            .dims(),
        [0, 6]
    );
}

fn dense(device: &Device) -> (Dense, Tensor<3>, Tensor<3>) {
    device.seed(8);
    let (up, down) = (
        LinearConfig::new(6, 10).init(device),
        LinearConfig::new(10, 6).init(device),
    );
    let x = random([2, 7, 6], device);
    let y = down.forward(gelu(up.forward(x.clone())));
    let body = Experts::from_linear(&up, &down, Activation::Gelu, false).unwrap();
    (Dense::new(body).unwrap(), x, y)
}

#[test]
fn upcycling_keeps_the_function_and_merging_undoes_it() {
    let device = Device::flex();
    let (dense, x, y) = dense(&device);
    assert_near(
        "dense",
        &values(dense.forward(x.clone()).unwrap()),
        &values(y.clone()),
        1e-5,
    );
    let moe = UpcycleConfig::new(4, 2).init(&dense).unwrap();
    assert_near(
        "upcycled",
        &values(moe.forward(x.clone()).0),
        &values(y.clone()),
        1e-5,
    );
    let merged = merge(&moe.experts, &[3.0, 1.0, 0.0, 2.0]).unwrap();
    assert_near(
        "merged",
        &values(merged.forward(x.clone()).unwrap()),
        &values(y.clone()),
        1e-5,
    );
    let apart = UpcycleConfig::new(4, 2)
        .with_noise(0.1)
        .init(&dense)
        .unwrap();
    let again = UpcycleConfig::new(4, 2)
        .with_noise(0.1)
        .init(&dense)
        .unwrap();
    assert_eq!(
        values(apart.experts.up.val()),
        values(again.experts.up.val())
    );
    assert_ne!(values(apart.experts.up.val()), values(moe.experts.up.val()));
}

#[test]
fn upcycling_and_merging_refuse_what_does_not_fit() {
    let device = Device::flex();
    let (dense, ..) = dense(&device);
    assert!(UpcycleConfig::new(0, 1).init(&dense).is_err());
    assert!(UpcycleConfig::new(2, 3).init(&dense).is_err());
    assert!(
        UpcycleConfig::new(2, 1)
            .with_noise(f64::NAN)
            .init(&dense)
            .is_err()
    );
    let moe = UpcycleConfig::new(2, 2).init(&dense).unwrap();
    assert!(Dense::new(moe.experts.clone()).is_err());
    for bad in [
        vec![1.0],
        vec![0.0, 0.0],
        vec![1.0, -1.0],
        vec![f64::NAN, 1.0],
        vec![f64::INFINITY, 1.0],
        vec![f64::MAX, f64::MAX],
    ] {
        assert!(merge(&moe.experts, &bad).is_err(), "{bad:?}");
    }
    let (up, down) = (
        LinearConfig::new(6, 10).init(&device),
        LinearConfig::new(9, 6).init(&device),
    );
    assert!(Experts::from_linear(&up, &down, Activation::Gelu, false).is_err());
}

#[test]
fn a_saved_mixture_computes_the_same() {
    let device = Device::flex();
    for (name, router) in routers(2) {
        let config = MoeConfig::new(8, 12, 4, 2)
            .with_router(router)
            .with_shared(1);
        let (moe, other) = (config.init(&device).unwrap(), config.init(&device).unwrap());
        let x = random([2, 6, 8], &device);
        let loaded = other.load_record(moe.clone().into_record());
        assert_eq!(
            values(loaded.forward(x.clone()).0),
            values(moe.forward(x).0),
            "{name}"
        );
    }
}

#[test]
fn upcycled_weights_are_leaves_that_train() {
    let device = Device::flex().autodiff();
    let up = burn::nn::LinearConfig::new(6, 8).init(&device);
    let down = burn::nn::LinearConfig::new(8, 6).init(&device);
    let body = Experts::from_linear(&up, &down, Activation::Silu, false).unwrap();
    let moe = UpcycleConfig::new(3, 2)
        .init(&Dense::new(body).unwrap())
        .unwrap();
    let x = Tensor::<3>::random([2, 5, 6], Distribution::Normal(0.0, 1.0), &device);
    let grads = super::dense::gradients(&moe, moe.forward(x).0.square().sum().backward());
    assert_eq!(grads.len(), 5);
    let merged = merge(&moe.experts, &[1.0; 3]).unwrap();
    let x = Tensor::<3>::random([2, 5, 6], Distribution::Normal(0.0, 1.0), &device);
    let grads = super::dense::gradients(
        &merged,
        merged.forward(x).unwrap().square().sum().backward(),
    );
    assert_eq!(grads.len(), 4);
}

/// No tokens at all are no error: the output is empty or zero, and every gradient is there.
#[test]
fn no_tokens_are_no_error() {
    let device = Device::flex().autodiff();
    for (name, router) in routers(2) {
        for dispatch in dispatches(4, 2) {
            let config = MoeConfig::new(8, 12, 4, 2)
                .with_router(router.clone())
                .with_dispatch(dispatch.clone())
                .with_bias(true)
                .with_shared(1);
            let moe = config.init(&device).unwrap();
            for shape in [[0, 5, 8], [3, 0, 8]] {
                let (y, routing) = moe.forward(Tensor::zeros(shape, &device));
                assert_eq!(y.dims(), shape, "{name} {dispatch:?}");
                let dense = merge(&moe.experts, &[1.0; 4]).unwrap();
                assert_eq!(
                    dense.forward(Tensor::zeros(shape, &device)).unwrap().dims(),
                    shape
                );
                assert_eq!(values(routing.counts.clone()), [0.0; 4], "{name}");
                let losses = routing.losses();
                for loss in [losses.balance, losses.z, losses.importance] {
                    assert!(values(loss)[0].is_finite(), "{name} {dispatch:?}");
                }
            }
        }
    }
}

/// Four sequences whose tokens all want the first of two experts, with one place for two tokens.
#[test]
fn places_of_each_sequence_are_its_own() {
    let device = Device::flex();
    let kept = |order, group, padding: [[bool; 4]; 3]| {
        let capacity = Capacity::new(1.0).with_order(order).with_group(group);
        let router = SoftmaxRouterConfig::new().with_renormalise(Some(false));
        let config = MoeConfig::new(2, 4, 2, 1)
            .with_router(RouterConfig::Softmax(router))
            .with_bias(true)
            .with_dispatch(Dispatch::Capacity(capacity));
        let mut moe = config.init(&device).unwrap();
        let Router::Softmax(router) = &mut moe.router else {
            panic!()
        };
        let weight = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 0.0]], &device);
        router.weight = burn::module::Param::from_tensor(weight);
        let x = [
            [1.0, 3.0, 2.0, 4.0],
            [2.0, 1.0, 4.0, 3.0],
            [1.0, 2.0, 3.0, 4.0],
        ];
        let x = x.map(|row| row.map(|value: f32| [value, 0.5]));
        let padding = Tensor::<1, Bool>::from_bool(padding.as_flattened(), &device);
        let tokens = Tokens {
            padding: Some(padding.reshape([3, 4])),
            ids: None,
        };
        let (y, routing) = moe
            .forward_with(Tensor::from_data(x, &device), tokens)
            .unwrap();
        // What is kept is what the dense reference gives; what is dropped is zero.
        let dense = values(crate::dense::reference(
            &moe,
            Tensor::from_data(x, &device),
            &routing,
        ));
        let y = values(y);
        let kept: Vec<bool> = y.chunks(2).map(|row| row != [0.0, 0.0]).collect();
        for (i, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            assert_near("kept", &y[2 * i..][..2], &dense[2 * i..][..2], 1e-5);
        }
        let dropped = values(routing.dropped)[0];
        (kept, dropped)
    };
    let none = [[false; 4]; 3];
    let (all, out) = ([true; 4], [false; 4]);
    let batch = kept(DropOrder::Position, DropGroup::Batch, none);
    assert_eq!(
        batch,
        (
            [all.to_vec(), vec![true, true, false, false], out.to_vec()].concat(),
            6.0
        )
    );
    let first = [true, true, false, false];
    for order in [DropOrder::Position, DropOrder::Choice] {
        let sequence = kept(order, DropGroup::Sequence, none);
        assert_eq!(sequence, ([first; 3].concat(), 6.0));
    }
    let highest = [
        [false, true, false, true],
        [false, false, true, true],
        [false, false, true, true],
    ];
    let sequence = kept(DropOrder::Probability, DropGroup::Sequence, none);
    assert_eq!(sequence, (highest.concat(), 6.0));
    // Two tokens of the second sequence: one place. None of the third.
    let padding = [[false; 4], [true, false, true, false], [true; 4]];
    let sequence = kept(DropOrder::Position, DropGroup::Sequence, padding);
    let expected = [first, [false, true, false, false], out].concat();
    assert_eq!(sequence, (expected, 3.0));
}

/// A sequence's output does not depend on what else is in the batch.
#[test]
fn a_sequence_keeps_what_it_keeps_alone() {
    let device = Device::flex();
    device.seed(17);
    let capacity = Capacity::new(0.75).with_group(DropGroup::Sequence);
    let config = MoeConfig::new(8, 12, 4, 2).with_dispatch(Dispatch::Capacity(capacity));
    let moe = config.init(&device).unwrap();
    let x = random([5, 9, 8], &device);
    let (together, routing) = moe.forward(x.clone());
    let mut dropped = 0.0;
    for sequence in 0..5 {
        let (alone, routing) = moe.forward(x.clone().narrow(0, sequence, 1));
        let found = values(together.clone().narrow(0, sequence, 1));
        assert_near("sequence", &found, &values(alone), 1e-6);
        dropped += values(routing.dropped)[0];
    }
    assert_eq!(values(routing.dropped), [dropped]);
    assert!(dropped > 0.0);
}
