//! What a mask covers by default, what stays dense, and what a group chooses.

use super::*;
use burn::module::{Param, ParamGroup};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Conv3d, Conv3dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig};
use burn::tensor::Distribution;
use regimen_pruning::mask::Why;

#[derive(Module, Debug)]
struct TopTwoRouter {
    gate: Linear,
}

#[derive(Module, Debug)]
struct Experts {
    up: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Block {
    router: Linear,
    experts: Experts,
}

/// As Mixtral names it.
#[derive(Module, Debug)]
struct Sparse {
    gate: Linear,
    experts: Vec<Gated>,
}

/// An expert with a gate of its own, which is no router.
#[derive(Module, Debug)]
struct Gated {
    gate: Linear,
}

#[derive(Module, Debug)]
struct All {
    sparse: Sparse,
    embedding: Embedding,
    class_token: Param<Tensor<3>>,
    positions: Param<Tensor<3>>,
    query: Param<Tensor<3>>,
    pos_embed: Param<Tensor<2>>,
    line: Conv1d,
    plane: Conv2d,
    space: Conv3d,
    norm: BatchNorm,
    routing: TopTwoRouter,
    block: Block,
    to_one: Linear,
}

impl All {
    fn new(device: &Device) -> Self {
        let random = |shape: [usize; 3]| {
            Param::from_tensor(Tensor::<3>::random(shape, Distribution::Default, device))
        };
        let gate = || LinearConfig::new(6, 4).init(device);
        Self {
            sparse: Sparse {
                gate: gate(),
                experts: vec![Gated { gate: gate() }],
            },
            embedding: EmbeddingConfig::new(11, 6).init(device),
            class_token: random([1, 4, 6]),
            positions: random([1, 9, 6]),
            query: random([1, 1, 6]),
            pos_embed: Param::from_tensor(Tensor::<2>::zeros([9, 6], device)),
            line: Conv1dConfig::new(3, 4, 3).init(device),
            plane: Conv2dConfig::new([3, 4], [3, 3]).init(device),
            space: Conv3dConfig::new([3, 4], [3, 3, 3]).init(device),
            norm: BatchNormConfig::new(4).init(device),
            routing: TopTwoRouter {
                gate: LinearConfig::new(6, 4).init(device),
            },
            block: Block {
                router: LinearConfig::new(6, 4).init(device),
                experts: Experts {
                    up: random([4, 6, 5]),
                    bias: Param::from_tensor(Tensor::<1>::zeros([5], device)),
                },
            },
            to_one: LinearConfig::new(6, 1).init(device),
        }
    }
}

fn paths(masks: &Masks) -> Vec<String> {
    masks
        .layers()
        .iter()
        .map(|mask| mask.path.clone())
        .collect()
}

const PRUNABLE: [&str; 6] = [
    "sparse.experts.0.gate.weight",
    "line.weight",
    "plane.weight",
    "space.weight",
    "block.experts.up",
    "to_one.weight",
];

#[test]
fn layers_and_experts_are_prunable_embeddings_routers_and_tokens_are_not() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let model = All::new(&device);
        let masks = Masks::dense(&model).unwrap();
        assert_eq!(paths(&masks), PRUNABLE);
        let left = masks.left_dense(&model);
        let of = |path: &str| left.iter().find(|l| l.path == path).map(|l| l.why);
        for (path, why) in [
            ("embedding.weight", Why::Embedding),
            ("class_token", Why::Token),
            ("positions", Why::Token),
            ("query", Why::Token),
            ("pos_embed", Why::Embedding),
            ("routing.gate.weight", Why::Router),
            ("sparse.gate.weight", Why::Router),
            ("block.router.weight", Why::Router),
            ("block.experts.bias", Why::Vector),
            ("norm.gamma", Why::Vector),
        ] {
            assert_eq!(of(path), Some(why), "{path}");
        }
        assert_eq!(
            left.len() + masks.layers().len(),
            ParamVector::of(&model).entries().len()
        );
        let text = serde_json::to_string(&left).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<mask::LeftDense>>(&text).unwrap(),
            left
        );
    }
}

#[test]
fn a_group_chooses_what_the_rule_leaves_dense() {
    let device = Device::flex().autodiff();
    let model = All::new(&device);
    let group = ParamGroup::from_any_predicates(vec!["embedding", "router"]);
    let masks = Masks::dense_of(&model, &group).unwrap();
    assert_eq!(paths(&masks), ["embedding.weight", "block.router.weight"]);
    let left = masks.left_dense(&model);
    let why = |path: &str| left.iter().find(|l| l.path == path).map(|l| l.why);
    assert_eq!(why("to_one.weight"), Some(Why::NotChosen));
    let masks = masks.random(Layout::Uniform, 0.5, 1).unwrap();
    assert_eq!(masks.count(), 45);
    masks.apply(model).unwrap();
}

#[test]
fn frozen_weights_stay_dense_and_as_they_are() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let frozen = Net {
        first: net.first.clone().no_grad(),
        second: net.second.clone(),
    };
    let masks = Masks::dense(&frozen).unwrap();
    assert_eq!(paths(&masks), ["second.weight"]);
    assert_eq!(masks.left_dense(&frozen)[0].why, Why::Frozen);
    let before = bits(&frozen);
    for (name, pruner) in pruners(&frozen) {
        let (mut net, mut optim) = (
            pruner.mask(frozen.clone()).unwrap(),
            AdamWConfig::new().init(),
        );
        for at in 0..30 {
            net = step(net, &pruner, &mut optim, at, &device);
        }
        pruner.status().unwrap();
        assert_eq!(bits(&net)[..2], before[..2], "{name}");
        assert_eq!(pruner.masks().count(), 20, "{name}");
    }
    // Chosen by a group, a frozen weight is pruned and stays frozen; growth by momentum leaves it alone.
    let all = Masks::dense_of(&frozen, &ParamGroup::all()).unwrap();
    assert_eq!(all.total(), 340);
    let pruner = DynamicSparseConfig::new(0.5, 30)
        .with_update_every(3)
        .with_growth(GrowthRule::Momentum)
        .init_on(all)
        .unwrap();
    let (mut net, mut optim) = (pruner.mask(frozen).unwrap(), sgd());
    let first = pruner.masks().layers()[0].clone();
    for at in 0..30 {
        net = step(net, &pruner, &mut optim, at, &device);
        assert!(zeros_where_off(&net, &pruner));
    }
    pruner.status().unwrap();
    assert_eq!(pruner.masks().layers()[0], first);
    assert!(pruner.masks().layers()[1].count() > 0 && pruner.state().grown > 0);
    assert!(!net.first.weight.val().is_require_grad());
}

#[test]
fn every_rank_trains_under_its_mask() {
    let device = Device::flex().autodiff();
    let model = All::new(&device);
    let pruner = GraNetConfig::new(0.8, 12)
        .with_update_every(2)
        .init(&model)
        .unwrap();
    let (mut model, mut optim) = (pruner.mask(model).unwrap(), sgd());
    for at in 0..12 {
        let wave = |i: usize| ((i * 31 + at * 7) % 23) as f32 / 23.0 - 0.5;
        let grads = ParamVector::of(&model);
        let host = grads
            .entries()
            .iter()
            .map(|e| (0..e.len()).map(wave).collect());
        let grads = grads.from_host(host.collect()).unwrap().into_gradients();
        model = pruner.optimize(model, &mut optim, 0.05, grads);
    }
    pruner.status().unwrap();
    let masks = pruner.masks();
    assert_eq!(masks.count(), density::keep(masks.total(), 0.8));
    let live = ParamVector::of(&model);
    for mask in masks.layers() {
        let values = live
            .get(mask.id)
            .unwrap()
            .values
            .clone()
            .try_into_vec_as::<f32>()
            .unwrap();
        let fit = values
            .iter()
            .zip(&mask.active)
            .all(|(v, on)| *on || *v == 0.0);
        assert!(fit, "{}", mask.path);
    }
}
