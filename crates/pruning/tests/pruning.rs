//! Invariants of sparse training, bad input, and kill-and-resume.
#![allow(clippy::unwrap_used, missing_docs)]

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{
    AdamWConfig, GradientsParams, ModuleOptimizer, OptimizerRecord, SgdConfig,
    decay::WeightDecayConfig, momentum::MomentumConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use rand::SeedableRng;
use regimen_pruning::after::lottery;
use regimen_pruning::before::{grasp, snip, synflow};
use regimen_pruning::mask::{self, density};
use regimen_pruning::*;
use regimen_tensor::ParamVector;

#[path = "pruning/bad_input.rs"]
mod bad_input;
#[path = "pruning/before.rs"]
mod before;
#[path = "pruning/conformance.rs"]
mod conformance;
#[path = "pruning/conformance_after.rs"]
mod conformance_after;
#[path = "pruning/exact.rs"]
mod exact;
#[path = "pruning/failure.rs"]
mod failure;
#[path = "pruning/golden.rs"]
mod golden;
#[path = "pruning/leaving.rs"]
mod leaving;
#[path = "pruning/movement.rs"]
mod movement;
#[path = "pruning/not_finite.rs"]
mod not_finite;
#[path = "pruning/per_task.rs"]
mod per_task;
#[path = "pruning/portable.rs"]
mod portable;
#[path = "pruning/prunable.rs"]
mod prunable;
#[path = "pruning/reached.rs"]
mod reached;
#[path = "pruning/released/mod.rs"]
mod released;
#[path = "pruning/states.rs"]
mod states;
#[path = "pruning/top_kast.rs"]
mod top_kast;
#[path = "pruning/watched.rs"]
mod watched;

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    second: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(12, 20).init(device),
            second: LinearConfig::new(20, 5).init(device),
        }
    }
}

/// A batch that depends on the step alone.
fn batch(step: usize, device: &Device) -> Tensor<2> {
    let values = (0..8 * 12).map(|i| ((i * 37 + step * 101) % 97) as f32 / 97.0 - 0.5);
    Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), [8, 12]), device)
}

fn step(net: Net, pruner: &Pruner, optim: &mut ModuleOptimizer, at: usize, device: &Device) -> Net {
    let hidden = relu(net.first.forward(batch(at, device)));
    let loss = (net.second.forward(hidden) - 1.0).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &net);
    pruner.optimize(net, optim, 0.05, grads)
}

fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init()
}

fn bits(net: &Net) -> Vec<Vec<u32>> {
    let values = ParamVector::of(net).to_host().unwrap();
    values
        .into_iter()
        .map(|v| v.into_iter().map(f32::to_bits).collect())
        .collect()
}

fn zeros_where_off(net: &Net, pruner: &Pruner) -> bool {
    let vector = ParamVector::of(net);
    pruner.masks().layers().iter().all(|mask| {
        let values = vector
            .get(mask.id)
            .unwrap()
            .values
            .clone()
            .try_into_vec_as::<f32>()
            .unwrap();
        values
            .iter()
            .zip(&mask.active)
            .all(|(value, active)| *active || *value == 0.0)
    })
}

fn pruners(net: &Net) -> Vec<(&'static str, Pruner)> {
    let granet = GraNetConfig::new(0.8, 30)
        .with_update_every(3)
        .with_prune_until(Some(15));
    vec![
        ("granet", granet.init(net).unwrap()),
        (
            "sparse granet",
            granet.clone().with_initial_sparsity(0.5).init(net).unwrap(),
        ),
        (
            "gmp",
            MagnitudeConfig::new(0.8, 30)
                .with_update_every(3)
                .init(net)
                .unwrap(),
        ),
        (
            "rigl",
            RigLConfig::new(0.8, 30)
                .with_update_every(3)
                .init(net)
                .unwrap(),
        ),
        (
            "set",
            SetConfig::new(0.8, 30)
                .with_update_every(3)
                .init(net)
                .unwrap(),
        ),
    ]
}

fn optimizers() -> [fn() -> ModuleOptimizer; 2] {
    [sgd, || AdamWConfig::new().init()]
}

#[test]
fn sparsity_is_exact_and_survives_the_optimizer() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let start = Net::new(&device);
        for (name, pruner) in pruners(&start) {
            let mut net = pruner.mask(start.clone()).unwrap();
            let mut optim = optimizer();
            for at in 0..30 {
                net = step(net, &pruner, &mut optim, at, &device);
                assert!(zeros_where_off(&net, &pruner), "{name}, step {at}");
            }
            pruner.status().unwrap();
            assert_eq!(pruner.masks().count(), 68, "{name}");
            assert_eq!(pruner.masks().total(), 340);
            assert_eq!(pruner.state().grown > 0, name != "gmp", "{name}");
        }
    }
}

#[test]
fn killed_and_resumed_is_bit_for_bit_the_same() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let start = Net::new(&device);
        for (name, pruner) in pruners(&start) {
            let fresh = pruner.state();
            for kill in [1, 3, 8, 17] {
                pruner.restore(fresh.clone()).unwrap();
                let mut optim = optimizer();
                let mut net = pruner.mask(start.clone()).unwrap();
                let mut saved = None;
                for at in 0..24 {
                    if at == kill {
                        let state = serde_json::to_string(&pruner.state()).unwrap();
                        let model = net.clone().into_record().into_bytes().unwrap();
                        saved = Some((model, optim.to_record().into_bytes().unwrap(), state));
                    }
                    net = step(net, &pruner, &mut optim, at, &device);
                }
                let (model, record, state) = saved.unwrap();
                let record_of = burn::store::ModuleRecord::from_bytes(model).unwrap();
                let mut resumed = Net::new(&device).load_record(record_of);
                let mut optim =
                    optimizer().load_record(OptimizerRecord::from_bytes(record).unwrap());
                let position = pruners(&resumed)
                    .iter()
                    .position(|(n, _)| *n == name)
                    .unwrap();
                let again = pruners(&resumed).swap_remove(position).1;
                again
                    .restore(serde_json::from_str(&state).unwrap())
                    .unwrap();
                for at in kill..24 {
                    resumed = step(resumed, &again, &mut optim, at, &device);
                }
                again.status().unwrap();
                assert_eq!(bits(&net), bits(&resumed), "{name} killed at {kill}");
                assert_eq!(pruner.state(), again.state());
            }
        }
    }
}

#[test]
fn no_swap_turns_granet_into_gmp() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let granet = GraNetConfig::new(0.8, 30)
        .with_update_every(3)
        .with_swap_start(0.0)
        .with_swap_end(0.0);
    let pair = [
        granet.init(&start).unwrap(),
        MagnitudeConfig::new(0.8, 30)
            .with_update_every(3)
            .init(&start)
            .unwrap(),
    ];
    let ends = pair.map(|pruner| {
        let (mut net, mut optim) = (start.clone(), sgd());
        for at in 0..30 {
            net = step(net, &pruner, &mut optim, at, &device);
        }
        (bits(&net), pruner.masks())
    });
    assert!(ends[0] == ends[1]);
}

#[test]
fn same_sparsity_at_both_ends_keeps_layer_densities() {
    let device = Device::flex().autodiff();
    let mut net = Net::new(&device);
    let granet = GraNetConfig::new(0.7, 30)
        .with_initial_sparsity(0.7)
        .with_update_every(2);
    let pruner = granet.init(&net).unwrap();
    let counts = |pruner: &Pruner| -> Vec<usize> {
        pruner.masks().layers().iter().map(Mask::count).collect()
    };
    let before = (counts(&pruner), pruner.masks());
    net = pruner.mask(net).unwrap();
    let mut optim = sgd();
    for at in 0..30 {
        net = step(net, &pruner, &mut optim, at, &device);
    }
    assert_eq!(counts(&pruner), before.0);
    assert!(pruner.masks() != before.1, "masks must move");
}

#[test]
fn a_mask_of_another_model_is_an_error() {
    let device = Device::flex().autodiff();
    let (net, other) = (Net::new(&device), Net::new(&device));
    let masks = Masks::dense(&net).unwrap();
    let error = masks.apply(other.clone()).unwrap_err().to_string();
    assert!(error.contains("first.weight"), "{error}");
    masks
        .clone()
        .rebind(&other)
        .unwrap()
        .apply(other.clone())
        .unwrap();
    let pruner = Fixed::init(masks);
    let mut optim = sgd();
    let _ = step(other, &pruner, &mut optim, 0, &device);
    assert!(pruner.status().is_err());
    let single = LinearConfig::new(3, 4).init(&device);
    let state = Fixed::init(Masks::dense(&single).unwrap()).state();
    assert!(pruner.restore(state).is_err());
}

#[test]
fn a_nan_gradient_is_an_error_and_keeps_the_masks() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let pruner = GraNetConfig::new(0.8, 30)
        .with_update_every(1)
        .init(&net)
        .unwrap();
    let nan = ParamVector::of(&net)
        .map(|_, v| v * f32::NAN)
        .into_gradients();
    let before = bits(&net);
    let net = pruner.optimize(net, &mut sgd(), 0.1, nan);
    assert!(pruner.status().unwrap_err().to_string().contains("NaN"));
    assert_eq!(bits(&net), before);
    assert_eq!(pruner.masks().count(), 340);
}

#[test]
fn configs_out_of_range_name_the_field() {
    let net = Net::new(&Device::flex().autodiff());
    let base = GraNetConfig::new(0.9, 10);
    for (config, field) in [
        (GraNetConfig::new(1.0, 10), "final_sparsity"),
        (GraNetConfig::new(f64::NAN, 10), "final_sparsity"),
        (base.clone().with_initial_sparsity(0.95), "initial_sparsity"),
        (base.clone().with_update_every(0), "update_every"),
        (base.clone().with_prune_until(Some(11)), "prune_until"),
        (base.clone().with_swap_start(1.5), "swap_start"),
        (GraNetConfig::new(0.9, 0), "total_steps"),
    ] {
        let error = config.init(&net).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    assert!(RigLConfig::new(-0.1, 10).init(&net).is_err());
    assert!(
        SetConfig::new(0.5, 10)
            .with_fraction(1.0)
            .init(&net)
            .is_err()
    );
    assert!(density::erdos_renyi_kernel(&[], 0.5).is_err());
    assert!(serde_json::from_str::<Mask>(r#"{"id":1,"path":"w","shape":[2],"words":[]}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_masks_are_exact(rows in 1_usize..40, columns in 1_usize..40, density in 0.0..=1.0_f64, seed: u64) {
        let shapes = [vec![rows, columns], vec![columns, 7], vec![3, 2, 3, 3]];
        let sizes: Vec<usize> = shapes.iter().map(|s| s.iter().product()).collect();
        for layout in [Layout::Erk, Layout::ErdosRenyi, Layout::Uniform] {
            let counts = density::counts(&shapes, &layout.densities(&shapes, density).unwrap());
            let masks = density::random(&sizes, &counts, seed).unwrap();
            let found: Vec<usize> = masks.iter().map(|m| m.iter().filter(|a| **a).count()).collect();
            prop_assert_eq!(&found, &counts);
            let total: usize = sizes.iter().sum();
            let exact = (total as f64 * density + 1e-6).floor() as usize;
            prop_assert!(found.iter().sum::<usize>().abs_diff(exact) <= 1);
            prop_assert_eq!(masks, density::random(&sizes, &counts, seed).unwrap());
        }
    }

    #[test]
    fn regeneration_keeps_the_density(values in prop::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0, any::<bool>()), 2..200), share in 0.0..1.0_f64) {
        let weights = values.iter().map(|v| v.0).collect();
        let gradient = values.iter().map(|v| v.1).collect();
        let mut layer = Layer::new(weights, gradient, values.iter().map(|v| v.2).collect());
        let before = layer.count();
        let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
        layer.swap(DropRule::Magnitude, share, Rounding::Down, GrowthRule::Gradient, &mut rng).unwrap();
        prop_assert_eq!(layer.count(), before);
        prop_assert!(layer.kept.iter().zip(&layer.active).all(|(kept, active)| *active || !kept));
    }
}

#[test]
fn one_shot_masks_of_a_module_have_the_density() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let gradient = |net: &Net, x: Tensor<2>| {
        let out = net.second.forward(relu(net.first.forward(x)));
        GradientsParams::from_grads((out - 1.0).square().mean().backward(), net)
    };
    let dense = || Masks::dense(&net).unwrap();
    let grads = gradient(&net, batch(0, &device));
    let snip = snip::snip(&net, &grads, dense(), 0.2).unwrap();
    let flow = |net: &Net| {
        Ok(ParamVector::gradients(
            net,
            &gradient(net, batch(0, &device)),
        ))
    };
    let grasp = grasp::grasp(&net, dense(), 0.2, flow).unwrap();
    let ones = |net: &Net| {
        let out = net
            .second
            .forward(net.first.forward(Tensor::<2>::ones([1, 12], &device)));
        let grads = GradientsParams::from_grads(out.sum().backward(), net);
        Ok(ParamVector::gradients(net, &grads))
    };
    let synflow = synflow::synflow(&net, dense(), 0.2, 10, ones).unwrap();
    let (_, ticket) = lottery::rewind(&net, net.clone(), dense(), 0.8).unwrap();
    for masks in [snip, grasp, synflow, ticket] {
        assert_eq!((masks.count(), masks.total()), (68, 340));
    }
}
