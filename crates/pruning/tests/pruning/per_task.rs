//! Per-task topologies: nothing is forgotten, densities stay, and a resumed run is the same run.

use super::*;
use burn::optim::AdamConfig;

const STEPS: usize = 24;

fn config(growth: GrowthRule) -> PerTaskConfig {
    PerTaskConfig::new(0.3)
        .with_update_every(3)
        .with_until(0.8)
        .with_growth(growth)
        .with_seed(5)
}

fn one_step(net: Net, tasks: &PerTask, optim: &mut ModuleOptimizer, at: usize, goal: f32) -> Net {
    let device = net.first.weight.val().device();
    let hidden = relu(net.first.forward(batch(at, &device)));
    let loss = (net.second.forward(hidden) - goal).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &net);
    tasks.optimize(net, optim, 0.05, grads)
}

fn learn(mut net: Net, tasks: &PerTask, task: usize, optimizer: fn() -> ModuleOptimizer) -> Net {
    net = tasks.begin(net, STEPS).unwrap();
    let mut optim = optimizer();
    for at in 0..STEPS {
        net = one_step(net, tasks, &mut optim, at + 100 * task, task as f32 - 1.0);
    }
    tasks.finish(&net).unwrap();
    tasks.status().unwrap();
    net
}

/// All values; a zero of either sign is the same.
fn values(net: &Net) -> Vec<Vec<f32>> {
    ParamVector::of(net).to_host().unwrap()
}

fn decayed() -> ModuleOptimizer {
    AdamWConfig::new().with_weight_decay(0.1).init()
}

const GROWTH: [GrowthRule; 4] = [
    GrowthRule::Random,
    GrowthRule::Unfired,
    GrowthRule::Gradient,
    GrowthRule::Momentum,
];

#[test]
fn a_finished_task_is_the_same_bits_for_ever() {
    let device = Device::flex().autodiff();
    for optimizer in [sgd, decayed] {
        for growth in GROWTH {
            let start = Net::new(&device);
            let tasks = config(growth).init(&start).unwrap();
            let mut net = start;
            let mut finished = Vec::new();
            for task in 0..4 {
                net = learn(net, &tasks, task, optimizer);
                let own = tasks.model_of(task, net.clone()).unwrap();
                assert_eq!(values(&own), values(&net), "as the task left it");
                finished.push(bits(&own));
                for (earlier, own) in finished.iter().enumerate() {
                    let again = tasks.model_of(earlier, net.clone()).unwrap();
                    assert_eq!(&bits(&again), own, "{growth:?}: {earlier} after {task}");
                }
            }
            assert!(finished[0] != finished[1]);
        }
    }
}

#[test]
fn density_is_constant_through_updates() {
    let device = Device::flex().autodiff();
    for growth in GROWTH {
        let start = Net::new(&device);
        let tasks = config(growth).init(&start).unwrap();
        let mut net = start;
        for task in 0..2 {
            net = tasks.begin(net, STEPS).unwrap();
            let first = tasks.state().masks().unwrap().clone();
            let counts =
                |masks: &Masks| -> Vec<usize> { masks.layers().iter().map(Mask::count).collect() };
            let mut optim = sgd();
            for at in 0..STEPS {
                net = one_step(net, &tasks, &mut optim, at, task as f32);
                let now = tasks.state().masks().unwrap().clone();
                assert_eq!(counts(&now), counts(&first), "{growth:?}");
                let values = ParamVector::of(&net).to_host().unwrap();
                assert!(
                    values[0]
                        .iter()
                        .zip(&now.layers()[0].active)
                        .all(|(v, on)| *on || *v == 0.0)
                );
            }
            assert_eq!(first.count(), (340.0 * 0.3) as usize);
            assert!(
                tasks.state().masks().unwrap() != &first,
                "{growth:?}: masks must move"
            );
            tasks.finish(&net).unwrap();
        }
    }
}

#[test]
fn a_density_of_one_leaves_nothing_free() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let tasks = PerTaskConfig::new(1.0)
        .with_update_every(3)
        .init(&start)
        .unwrap();
    let net = learn(start, &tasks, 0, sgd);
    assert_eq!(tasks.state().used().rate(), 1.0);
    let next = learn(net.clone(), &tasks, 1, sgd);
    let weights = |net: &Net| {
        let masks = Masks::dense(net).unwrap();
        let vector = ParamVector::of(net);
        masks
            .layers()
            .iter()
            .map(|m| {
                vector
                    .get(m.id)
                    .unwrap()
                    .values
                    .clone()
                    .try_into_vec_as::<f32>()
                    .unwrap()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(weights(&net), weights(&next));
    assert!(bits(&net) != bits(&next), "biases are the task's own");
}

#[test]
fn independent_masks_cover_as_they_should() {
    let device = Device::flex();
    let model = LinearConfig::new(200, 100).init(&device);
    let tasks = PerTaskConfig::new(0.2)
        .with_layout(Layout::Uniform)
        .init(&model)
        .unwrap();
    let mut model = model;
    for _ in 0..10 {
        model = tasks.begin(model, 1).unwrap();
        tasks.finish(&model).unwrap();
    }
    let expected = 1.0 - 0.8_f64.powi(10);
    assert!((expected - 0.892_625_82).abs() < 1e-8);
    // A deviation of the mean of 20,000 draws is .0022.
    assert!((tasks.state().used().rate() - expected).abs() < 0.009);
}

/// A used weight that is grown again trains with the value it is evaluated with; a free one starts at 0.
#[test]
fn a_grown_weight_takes_its_stored_value_or_starts_at_zero() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let tasks = config(GrowthRule::Random).init(&start).unwrap();
    let net = learn(start, &tasks, 0, sgd);
    let stored = ParamVector::of(&tasks.model_of(0, net.clone()).unwrap())
        .to_host()
        .unwrap();
    let mut net = tasks.begin(net, STEPS).unwrap();
    let (mut used_again, mut free) = (0, 0);
    let mut optim = sgd();
    for at in 0..STEPS {
        let before = tasks.state().masks().unwrap().clone();
        net = one_step(net, &tasks, &mut optim, at, 1.0);
        let state = tasks.state();
        let live = ParamVector::of(&net).to_host().unwrap();
        // The entries of the net are weight, bias, weight, bias.
        for (layer, entry) in [(0, 0), (1, 2)] {
            let used = state.used().flags(layer);
            let (old, new) = (
                &before.layers()[layer].active,
                &state.masks().unwrap().layers()[layer].active,
            );
            for i in 0..used.len() {
                if new[i] && used[i] {
                    assert_eq!(live[entry][i].to_bits(), stored[entry][i].to_bits());
                    used_again += usize::from(!old[i]);
                } else if new[i] && !old[i] {
                    assert_eq!(live[entry][i], 0.0);
                    free += 1;
                }
            }
        }
    }
    assert!(used_again > 0 && free > 0, "{used_again} {free}");
}

#[test]
fn without_freezing_the_first_task_changes() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let tasks = config(GrowthRule::Random)
        .with_freeze(false)
        .init(&start)
        .unwrap();
    let net = learn(start, &tasks, 0, sgd);
    let first = bits(&tasks.model_of(0, net.clone()).unwrap());
    let net = learn(net, &tasks, 1, sgd);
    assert!(first != bits(&tasks.model_of(0, net).unwrap()));
}

#[test]
fn the_remembered_model_is_the_one_that_counts() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let tasks = config(GrowthRule::Random).init(&start).unwrap();
    let mut net = tasks.begin(start, STEPS).unwrap();
    let (mut optim, mut best) = (sgd(), None);
    for at in 0..STEPS {
        net = one_step(net, &tasks, &mut optim, at, 1.0);
        if at == 7 {
            tasks.remember(&net).unwrap();
            best = Some((values(&net), tasks.state().masks().unwrap().clone()));
        }
    }
    tasks.finish(&net).unwrap();
    let (remembered, masks) = best.unwrap();
    assert!(remembered != values(&net));
    assert_eq!(values(&tasks.model_of(0, net).unwrap()), remembered);
    assert!(tasks.state().tasks()[0].masks == masks);
}

#[test]
fn per_task_killed_and_resumed_is_bit_for_bit_the_same() {
    let device = Device::flex().autodiff();
    let optimizer: fn() -> ModuleOptimizer = || AdamConfig::new().init();
    for growth in GROWTH {
        let start = Net::new(&device);
        let tasks = config(growth).init(&start).unwrap();
        let mut net = learn(start, &tasks, 0, optimizer);
        net = tasks.begin(net, STEPS).unwrap();
        let (mut optim, mut saved) = (optimizer(), None);
        for at in 0..STEPS {
            if at == 10 {
                tasks.remember(&net).unwrap();
                let state = serde_json::to_string(&tasks.state()).unwrap();
                let model = net.clone().into_record().into_bytes().unwrap();
                saved = Some((model, optim.to_record().into_bytes().unwrap(), state));
            }
            net = one_step(net, &tasks, &mut optim, at, 2.0);
        }
        let (model, record, state) = saved.unwrap();
        let record_of = burn::store::ModuleRecord::from_bytes(model).unwrap();
        let mut resumed = Net::new(&device).load_record(record_of);
        let again = config(growth).init(&resumed).unwrap();
        again
            .restore(serde_json::from_str(&state).unwrap())
            .unwrap();
        let mut optim = optimizer().load_record(OptimizerRecord::from_bytes(record).unwrap());
        for at in 10..STEPS {
            resumed = one_step(resumed, &again, &mut optim, at, 2.0);
        }
        assert_eq!(bits(&net), bits(&resumed), "{growth:?}");
        assert!(tasks.state() == again.state(), "{growth:?}");
        tasks.finish(&net).unwrap();
        again.finish(&resumed).unwrap();
        assert!(tasks.state() == again.state());
    }
}

#[test]
fn misuse_is_an_error_and_no_panic() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    for (config, field) in [
        (PerTaskConfig::new(0.0), "density"),
        (PerTaskConfig::new(1.1), "density"),
        (PerTaskConfig::new(0.5).with_until(-0.1), "until"),
        (PerTaskConfig::new(0.5).with_swap_start(1.0), "swap_start"),
        (PerTaskConfig::new(0.5).with_update_every(0), "update_every"),
    ] {
        let error = config.init(&net).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let tasks = config(GrowthRule::Random).init(&net).unwrap();
    assert!(tasks.model_of(0, net.clone()).is_err());
    assert!(tasks.finish(&net).is_err() && tasks.remember(&net).is_err());
    assert!(tasks.begin(net.clone(), 0).is_err());
    assert!(tasks.begin(Net::new(&device), 5).is_err(), "another model");
    let begun = tasks.begin(net, 5).unwrap();
    assert!(tasks.begin(begun, 5).is_err(), "a task is under way");
    let single = LinearConfig::new(3, 4).init(&device);
    let other = PerTaskConfig::new(0.5).init(&single).unwrap();
    assert!(tasks.restore(other.state()).is_err());
    let idle = config(GrowthRule::Random).init(&Net::new(&device)).unwrap();
    let _ = one_step(Net::new(&device), &idle, &mut sgd(), 0, 0.0);
    assert!(idle.status().unwrap_err().to_string().contains("task"));
    assert!(
        idle.finish(&Net::new(&device))
            .unwrap_err()
            .to_string()
            .contains("failed before")
    );
}

/// A network with batch norm, whose clones share their running statistics.
#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: burn::nn::BatchNorm,
    second: Linear,
}

impl Normed {
    fn trained(mut self, tasks: &PerTask, goal: f32) -> Self {
        let device = self.first.weight.val().device();
        let mut optim = sgd();
        for at in 0..STEPS {
            let hidden = relu(
                self.norm
                    .forward(self.first.forward(batch(at, &device) * goal)),
            );
            let loss = (self.second.forward(hidden) - goal).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &self);
            self = tasks.optimize(self, &mut optim, 0.05, grads);
        }
        self
    }
}

fn state_of(net: &Normed) -> Vec<Vec<f32>> {
    ParamVector::state(net).to_host().unwrap()
}

#[test]
fn models_that_are_handed_out_share_no_statistics() {
    let device = Device::flex().autodiff();
    let start = Normed {
        first: LinearConfig::new(12, 20).init(&device),
        norm: burn::nn::BatchNormConfig::new(20).init(&device),
        second: LinearConfig::new(20, 5).init(&device),
    };
    let initial = state_of(&start);
    let tasks = config(GrowthRule::Gradient).init(&start).unwrap();
    let net = tasks
        .begin(start.clone(), STEPS)
        .unwrap()
        .trained(&tasks, 2.0);
    assert_eq!(
        state_of(&start),
        initial,
        "`begin` leaves the model's clones alone"
    );
    tasks.finish(&net).unwrap();
    let first = state_of(&net);
    // What the task left is what is handed out, statistics that wait for their next update included.
    assert_eq!(state_of(&tasks.model_of(0, net.clone()).unwrap()), first);

    let second = tasks
        .begin(net.clone(), STEPS)
        .unwrap()
        .trained(&tasks, -3.0);
    assert_eq!(
        state_of(&net),
        first,
        "the second task leaves the first model alone"
    );
    tasks.finish(&second).unwrap();
    let trained = state_of(&second);
    let handed = tasks.model_of(0, second.clone()).unwrap();
    assert_eq!(state_of(&handed), first);
    assert_eq!(
        state_of(&second),
        trained,
        "`model_of` leaves the present model alone"
    );
    for _ in 0..3 {
        let _ = handed.norm.forward(handed.first.forward(batch(9, &device)));
    }
    assert_ne!(state_of(&handed), first);
    assert_eq!(state_of(&second), trained);
    assert_eq!(state_of(&tasks.model_of(0, second).unwrap()), first);
}
