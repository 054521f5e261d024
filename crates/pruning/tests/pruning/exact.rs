//! Exact sparsity for every method, model shape and excluded group; half precision; several devices.

use super::*;
use burn::module::{ModuleMapper, Param, ParamGroup};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::optim::{MultiGradientsParams, RmsPropConfig};
use burn::tensor::FloatDType;
use regimen_schedules::{Curve, Schedule};

#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: BatchNorm,
    second: Linear,
}

impl Normed {
    fn new(sizes: [usize; 3], device: &Device) -> Self {
        Self {
            first: LinearConfig::new(sizes[0], sizes[1]).init(device),
            norm: BatchNormConfig::new(sizes[1]).init(device),
            second: LinearConfig::new(sizes[1], sizes[2]).init(device),
        }
    }

    fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.second
            .forward(relu(self.norm.forward(self.first.forward(inputs))))
    }

    fn gradients(&self, at: usize) -> GradientsParams {
        let (rows, width) = (6, self.first.weight.dims()[0]);
        let value = |i: usize| ((i * 37 + at * 101) % 97) as f32 / 97.0 - 0.5;
        let values: Vec<f32> = (0..rows * width).map(value).collect();
        let device = self.first.weight.val().device();
        let inputs = Tensor::from_data(TensorData::new(values, [rows, width]), &device);
        let loss = (self.forward(inputs) - 1.0).square().mean();
        GradientsParams::from_grads(loss.backward(), self)
    }
}

/// Every method as `(pruner, budget after a step)`.
fn method(index: usize, sparsity: f64, masks: Masks) -> (Pruner, Box<dyn Fn(usize) -> usize>) {
    const STEPS: usize = 12;
    let total = masks.total();
    let start = |density: f64, masks: &Masks, layout: Layout| {
        masks.clone().random(layout, density, 3).unwrap().count()
    };
    let granet = GraNetConfig::new(sparsity, STEPS)
        .with_update_every(2)
        .with_seed(3);
    let rising = move |method: DynamicSparse, first: usize| -> Box<dyn Fn(usize) -> usize> {
        Box::new(move |step| {
            let event = step / 2 * 2;
            if event == 0 {
                first
            } else {
                density::keep(total, method.sparsity(event)).min(first)
            }
        })
    };
    let fixed = |layout: Layout| -> Box<dyn Fn(usize) -> usize> {
        let count = start(1.0 - sparsity, &masks, layout);
        Box::new(move |_| count)
    };
    let parts = DynamicSparseConfig::new(sparsity, STEPS)
        .with_update_every(2)
        .with_seed(3);
    match index {
        0 => {
            let budget = rising(granet.method().unwrap(), total);
            (granet.init_on(masks).unwrap(), budget)
        }
        1 => {
            let granet = granet.with_initial_sparsity(sparsity / 2.0);
            let first = start(1.0 - sparsity / 2.0, &masks, Layout::Erk);
            let budget = rising(granet.method().unwrap(), first);
            (granet.init_on(masks).unwrap(), budget)
        }
        2 | 3 => {
            let config = MagnitudeConfig::new(sparsity, STEPS)
                .with_update_every(2)
                .with_uniform(index == 3);
            let budget = rising(config.method().unwrap(), total);
            (config.init_on(masks).unwrap(), budget)
        }
        4 => {
            let budget = fixed(Layout::Erk);
            let config = RigLConfig::new(sparsity, STEPS)
                .with_update_every(2)
                .with_seed(3);
            (config.init_on(masks).unwrap(), budget)
        }
        5 => {
            let budget = fixed(Layout::ErdosRenyi);
            let config = SetConfig::new(sparsity, STEPS)
                .with_update_every(2)
                .with_seed(3);
            (config.init_on(masks).unwrap(), budget)
        }
        6 => {
            let budget = fixed(Layout::Uniform);
            let config = parts
                .with_layout(Layout::Uniform)
                .with_drop(DropRule::Taylor)
                .with_growth(GrowthRule::Momentum)
                .with_swap(Curve::Linear);
            (config.init_on(masks).unwrap(), budget)
        }
        _ => {
            let budget = fixed(Layout::Erk);
            let config = parts
                .with_drop(DropRule::Halves)
                .with_growth(GrowthRule::Unfired)
                .with_swap(Curve::Held);
            (config.init_on(masks).unwrap(), budget)
        }
    }
}

fn optimizer(index: usize) -> ModuleOptimizer {
    match index {
        0 => sgd(),
        1 => AdamWConfig::new().with_weight_decay(0.1).init(),
        _ => RmsPropConfig::new().with_momentum(0.9).init(),
    }
}

/// The weights that may be masked: all, without the first layer, or a group alone.
fn covered(net: &Normed, excluded: usize) -> Masks {
    match excluded {
        0 => Masks::dense(net).unwrap(),
        1 => Masks::dense(net).unwrap().without_first().unwrap(),
        _ => Masks::dense_of(net, &ParamGroup::from_path("first.weight")).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn movement_keeps_its_budget(
        sizes in [2_usize..24, 2_usize..24, 2_usize..12],
        sparsity in 0.05..0.97_f64,
        excluded in 0_usize..3,
        optim in 0_usize..3,
        global in any::<bool>(),
    ) {
        let mut net = Normed::new(sizes, &Device::flex().autodiff());
        let masks = covered(&net, excluded);
        let total = masks.total();
        let config = MovementConfig::new(sparsity, 8).with_update_every(2).with_global(global);
        let schedule = config.sparsity().unwrap();
        let movement = config.init_on(&net, masks).unwrap();
        let mut rule = optimizer(optim);
        for step in 1..=8 {
            let grads = net.gradients(step);
            net = movement.optimize(net, &mut rule, 0.01, grads);
            prop_assert!(movement.status().is_ok(), "{:?}", movement.status());
            // The schedule ends at step 7, which is an event too.
            let event = if step < 7 { step / 2 * 2 } else { step };
            let budget = density::keep(total, schedule.at(event));
            prop_assert_eq!(movement.masks().count(), budget, "step {}", step);
            let live = ParamVector::of(&net);
            for mask in movement.masks().layers() {
                let values = live.get(mask.id).unwrap().values.clone().try_into_vec_as::<f32>().unwrap();
                prop_assert!(values.iter().zip(&mask.active).all(|(v, on)| *on || *v == 0.0));
            }
        }
    }

    #[test]
    fn the_budget_is_exact_after_every_step(
        sizes in [2_usize..24, 2_usize..24, 2_usize..12],
        sparsity in 0.05..0.97_f64,
        kind in 0_usize..8,
        excluded in 0_usize..3,
        optim in 0_usize..3,
    ) {
        let net = Normed::new(sizes, &Device::flex().autodiff());
        let masks = covered(&net, excluded);
        let paths: Vec<String> = masks.layers().iter().map(|m| m.path.clone()).collect();
        let (pruner, budget) = method(kind, sparsity, masks);
        let (mut net, mut optim) = (pruner.mask(net).unwrap(), optimizer(optim));
        for step in 1..=12 {
            let before = ParamVector::of(&net);
            let grads = net.gradients(step);
            net = pruner.optimize(net, &mut optim, 0.01, grads);
            prop_assert!(pruner.status().is_ok(), "{:?}", pruner.status());
            let masks = pruner.masks();
            prop_assert_eq!(masks.count(), budget(step), "method {}, step {}", kind, step);
            let after = ParamVector::of(&net);
            for mask in masks.layers() {
                let values = after.get(mask.id).unwrap().values.clone().try_into_vec_as::<f32>().unwrap();
                prop_assert!(values.iter().zip(&mask.active).all(|(v, on)| *on || *v == 0.0));
            }
            // What is not covered trains as without masks: an event in place of the step aside, it moves.
            let moved = |path: &str| {
                let of = |v: &ParamVector| v.by_path(path).unwrap().values.clone().try_into_vec_as::<f32>().unwrap();
                of(&before) != of(&after)
            };
            let idle = kind == 4 && step % 2 == 0 && step < 9;
            prop_assert!(idle || moved("second.bias"));
        }
        prop_assert!(paths.iter().all(|path| path.ends_with("weight") && !path.contains("norm")));
        prop_assert!(pruner.explored() >= pruner.masks().density());
    }

    #[test]
    fn top_kast_and_per_task_keep_their_budgets(
        sizes in [2_usize..16, 2_usize..16, 2_usize..8],
        density in 0.05..0.9_f64,
        excluded in 0_usize..3,
        optim in 0_usize..2,
    ) {
        let device = Device::flex().autodiff();
        let net = Normed::new(sizes, &device);
        let masks = covered(&net, excluded);
        let total = masks.total();
        let kast = TopKastConfig::new(density, 1.0).with_update_every(2).init_on(&net, masks.clone()).unwrap();
        let mut trained = kast.mask(net.clone()).unwrap();
        let mut rule = optimizer(optim);
        for step in 0..6 {
            let grads = trained.gradients(step);
            trained = kast.optimize(trained, &mut rule, 0.01, grads);
            prop_assert!(kast.status().is_ok(), "{:?}", kast.status());
            prop_assert_eq!(kast.forward().count(), density::keep(total, 1.0 - density));
            prop_assert_eq!(kast.backward().count(), total);
        }
        let tasks = PerTaskConfig::new(density).with_update_every(2).init_on(&net, masks.clone()).unwrap();
        let mut trained = net;
        for task in 0..2 {
            trained = tasks.begin(trained, 7).unwrap();
            let budget = tasks.state().masks().unwrap().count();
            prop_assert_eq!(budget, density::keep(total, 1.0 - density));
            let mut rule = optimizer(optim);
            for step in 0..7 {
                let grads = trained.gradients(10 * task + step);
                trained = tasks.optimize(trained, &mut rule, 0.01, grads);
                prop_assert_eq!(tasks.state().masks().unwrap().count(), budget);
            }
            prop_assert!(tasks.finish(&trained).is_ok());
        }
    }
}

/// Running statistics belong to a task as its biases do.
#[test]
fn batch_norms_are_kept_per_task() {
    let device = Device::flex().autodiff();
    let net = Normed::new([12, 20, 5], &device);
    let tasks = PerTaskConfig::new(0.3)
        .with_update_every(4)
        .init(&net)
        .unwrap();
    let output = |net: &Normed, task: usize| {
        let net = tasks.model_of(task, net.valid()).unwrap();
        let values = net
            .forward(batch(3, &device).inner())
            .try_into_vec_as::<f32>()
            .unwrap();
        values.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
    };
    let (mut net, mut first) = (net, None);
    for task in 0..3 {
        net = tasks.begin(net, 20).unwrap();
        let mut optim = sgd();
        for at in 0..20 {
            let grads = net.gradients(50 * task + at);
            net = tasks.optimize(net, &mut optim, 0.05, grads);
        }
        tasks.finish(&net).unwrap();
        let now = output(&net, 0);
        assert_eq!(first.get_or_insert(now.clone()), &now, "after {task}");
    }
    assert!(output(&net, 0) != output(&net, 2));
}

/// Casts every float parameter.
struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dtype = self.0;
        param.map(|t| Tensor::from_inner(t.inner().cast(dtype)).require_grad())
    }
}

#[test]
fn half_precision_weights_stay_half_and_masked() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F16, FloatDType::BF16] {
        let start = Net::new(&device).map(&mut Cast(dtype));
        let wanted = start.first.weight.val().dtype();
        let gradients = |net: &Net, at: usize| {
            let x = batch(at, &device).cast(dtype);
            let out = net.second.forward(relu(net.first.forward(x)));
            GradientsParams::from_grads((out - 1.0).square().mean().backward(), net)
        };
        for (name, pruner) in pruners(&start) {
            let mut net = pruner.mask(start.clone()).unwrap();
            let mut optim = sgd();
            for at in 0..12 {
                let grads = gradients(&net, at);
                net = pruner.optimize(net, &mut optim, 0.05, grads);
                assert!(zeros_where_off(&net, &pruner), "{name}, step {at}");
            }
            pruner.status().unwrap();
            assert_eq!(net.first.weight.val().dtype(), wanted, "{name}");
        }
        let tasks = PerTaskConfig::new(0.3)
            .with_update_every(3)
            .init(&start)
            .unwrap();
        let mut net = start.clone();
        let mut first = None;
        for task in 0..2 {
            net = tasks.begin(net, 12).unwrap();
            let mut optim = sgd();
            for at in 0..12 {
                let grads = gradients(&net, at + 50 * task);
                net = tasks.optimize(net, &mut optim, 0.05, grads);
            }
            tasks.finish(&net).unwrap();
            assert_eq!(net.first.weight.val().dtype(), wanted);
            let now = bits(&tasks.model_of(0, net.clone()).unwrap());
            assert_eq!(first.get_or_insert(now.clone()), &now);
        }
        let kast = TopKastConfig::new(0.2, 0.4)
            .with_update_every(3)
            .init(&start)
            .unwrap();
        let mut net = kast.mask(start).unwrap();
        let mut optim = sgd();
        for at in 0..12 {
            let grads = gradients(&net, at);
            net = kast.optimize(net, &mut optim, 0.05, grads);
        }
        kast.status().unwrap();
        assert_eq!(net.first.weight.val().dtype(), wanted);
    }
}

/// Two devices with a half of the gradient each decide and move as one with the whole.
#[test]
fn several_devices_are_as_their_sum() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let whole = |net: &Net, at: usize| {
        let out = net
            .second
            .forward(relu(net.first.forward(batch(at, &device))));
        GradientsParams::from_grads((out - 1.0).square().mean().backward(), net)
    };
    let halves = |net: &Net, at: usize| {
        let half = || {
            ParamVector::gradients(net, &whole(net, at))
                .scale(0.5)
                .into_gradients()
        };
        let device = device.clone().inner();
        MultiGradientsParams {
            grads: vec![(half(), device.clone()), (half(), device)],
        }
    };
    for ((name, one), (_, many)) in pruners(&start).into_iter().zip(pruners(&start)) {
        let (mut a, mut b) = (
            one.mask(start.clone()).unwrap(),
            many.mask(start.clone()).unwrap(),
        );
        let (mut first, mut second) = (sgd(), sgd());
        for at in 0..20 {
            let grads = whole(&a, at);
            a = one.optimize(a, &mut first, 0.05, grads);
            let grads = halves(&b, at);
            b = many.optimize_multi(b, &mut second, 0.05, grads);
            assert!(zeros_where_off(&b, &many), "{name}");
        }
        many.status().unwrap();
        assert!(one.state().masks == many.state().masks, "{name}");
        assert_eq!(bits(&a), bits(&b), "{name}");
    }
    let config = PerTaskConfig::new(0.3)
        .with_update_every(3)
        .with_growth(GrowthRule::Gradient);
    let pair = [config.init(&start).unwrap(), config.init(&start).unwrap()];
    let mut nets = [start.clone(), start];
    for task in 0..2 {
        let [a, b] = nets;
        let (mut a, mut b) = (pair[0].begin(a, 12).unwrap(), pair[1].begin(b, 12).unwrap());
        let (mut first, mut second) = (sgd(), sgd());
        for at in 0..12 {
            let grads = whole(&a, at + 50 * task);
            a = pair[0].optimize(a, &mut first, 0.05, grads);
            let grads = halves(&b, at + 50 * task);
            b = pair[1].optimize_multi(b, &mut second, 0.05, grads);
        }
        pair[0].finish(&a).unwrap();
        pair[1].finish(&b).unwrap();
        assert_eq!(bits(&a), bits(&b));
        nets = [a, b];
    }
}

/// Momentum as the optimizers keep it: SGD's velocity, Adam's first moment over the root of the second.
#[test]
fn momenta_come_from_the_optimizers_state() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let masks = Masks::dense(&net).unwrap();
    let gradient = ParamVector::of(&net).map(|_, values| values * 0.0 + 0.25);
    let after_one = |mut optim: ModuleOptimizer| {
        let _ = optim.step(0.1, net.clone(), gradient.clone().into_gradients());
        momenta(&optim, &masks)
    };
    let momentum = MomentumConfig::new().with_dampening(0.0);
    let velocity = after_one(SgdConfig::new().with_momentum(Some(momentum)).init()).unwrap();
    assert!(velocity.iter().flatten().all(|m| (m - 0.25).abs() < 1e-6));
    assert_eq!(velocity.iter().map(Vec::len).sum::<usize>(), 340);
    let adam = after_one(burn::optim::AdamConfig::new().init()).unwrap();
    let expected = 0.1 * 0.25 / ((0.001_f32 * 0.0625).sqrt() + 1e-8);
    assert!(adam.iter().flatten().all(|m| (m - expected).abs() < 1e-3));
    let none = after_one(SgdConfig::new().init()).unwrap_err().to_string();
    assert!(none.contains("no momentum of `first.weight`"), "{none}");
}

/// The in-time over-parameterisation rate is the share of the union of all masks, and survives a save.
#[test]
fn exploration_is_the_union_of_all_masks() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let pruner = SetConfig::new(0.8, 30)
        .with_update_every(3)
        .init(&start)
        .unwrap();
    let (mut net, mut optim) = (pruner.mask(start).unwrap(), sgd());
    let flags = |masks: Masks| -> Vec<bool> {
        masks
            .layers()
            .iter()
            .flat_map(|mask| mask.active.clone())
            .collect()
    };
    let mut union = flags(pruner.masks());
    for at in 0..30 {
        net = step(net, &pruner, &mut optim, at, &device);
        let now = flags(pruner.masks());
        union.iter_mut().zip(now).for_each(|(seen, on)| *seen |= on);
        let seen = union.iter().filter(|seen| **seen).count();
        assert_eq!(pruner.explored(), seen as f64 / 340.0);
    }
    assert!(pruner.explored() > 0.3 && pruner.sparsity() == 0.8);
    let layers = pruner.layers_explored();
    let mean = (240.0 * layers[0] + 100.0 * layers[1]) / 340.0;
    assert!((mean - pruner.explored()).abs() < 1e-12);
    let file = serde_json::to_string(&pruner.state()).unwrap();
    assert_eq!(
        serde_json::from_str::<SparseState>(&file).unwrap(),
        pruner.state()
    );
}
