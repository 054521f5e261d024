//! One value that is not finite: the step or the event is left out, the masks stay, training goes on sparse, and one sees it.

use super::*;
use burn::optim::MultiGradientsParams;

fn gradients(net: &Net, at: usize) -> GradientsParams {
    let device = net.first.weight.val().device();
    let hidden = relu(net.first.forward(batch(at, &device)));
    let loss = (net.second.forward(hidden) - 1.0).square().mean();
    GradientsParams::from_grads(loss.backward(), net)
}

/// Gradients of which one value of the last bias is `value`.
fn broken(net: &Net, at: usize, value: f32) -> GradientsParams {
    let vector = ParamVector::gradients(net, &gradients(net, at));
    let mut host = vector.to_host().unwrap();
    host[3][2] = value;
    vector.from_host(host).unwrap().into_gradients()
}

fn record(optim: &ModuleOptimizer) -> Vec<u8> {
    optim.to_record().into_bytes().unwrap().to_vec()
}

#[test]
fn a_broken_gradient_leaves_all_as_it_was_and_the_next_step_makes_up_for_the_event() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (name, pruner) in pruners(&start) {
            let (mut net, mut optim) = (pruner.mask(start.clone()).unwrap(), sgd());
            for at in 0..30 {
                // Steps 3, 4, 12 and 13: two events and the steps after them.
                if [2, 3, 11, 12].contains(&at) {
                    let before = (bits(&net), record(&optim), pruner.state());
                    net = pruner.optimize(net, &mut optim, 0.05, broken(&start, at, value));
                    let after = pruner.state();
                    assert_eq!(bits(&net), before.0, "{name}");
                    assert_eq!(record(&optim), before.1, "{name}");
                    assert_eq!(
                        (&after.masks, after.events),
                        (&before.2.masks, before.2.events)
                    );
                    assert_eq!(after.step, before.2.step + 1);
                } else {
                    let grads = gradients(&net, at);
                    net = pruner.optimize(net, &mut optim, 0.05, grads);
                }
                assert!(zeros_where_off(&net, &pruner), "{name}, step {at}");
            }
            let error = pruner.status().unwrap_err().to_string();
            assert!(
                error.contains("step 3") && error.contains("second.bias"),
                "{error}"
            );
            assert_eq!(pruner.skipped(), 4);
            assert_eq!(pruner.masks().count(), 68, "{name}");
            let events = if ["rigl", "set"].contains(&name) {
                7
            } else {
                10
            };
            assert_eq!(pruner.state().events, events, "{name}");
        }
    }
}

#[test]
fn the_last_event_of_a_schedule_is_made_up_for() {
    let device = Device::flex().autodiff();
    let mut net = Net::new(&device);
    let pruner = GraNetConfig::new(0.9, 40).init(&net).unwrap();
    let mut optim = sgd();
    for at in 0..22 {
        let grads = if at == 19 {
            broken(&net, at, f32::NAN)
        } else {
            gradients(&net, at)
        };
        net = pruner.optimize(net, &mut optim, 0.05, grads);
    }
    assert_eq!((pruner.sparsity(), pruner.state().events), (0.9, 1));
    // What was put off survives a save.
    let text = serde_json::to_string(&pruner.state()).unwrap();
    assert_eq!(
        serde_json::from_str::<SparseState>(&text).unwrap(),
        pruner.state()
    );
}

#[test]
fn a_broken_weight_at_an_event_keeps_the_masks() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    for (name, pruner) in pruners(&start) {
        let (mut net, mut optim) = (pruner.mask(start.clone()).unwrap(), sgd());
        for at in 0..6 {
            let grads = gradients(&net, at);
            net = pruner.optimize(net, &mut optim, 0.05, grads);
        }
        let masks = pruner.masks();
        let vector = ParamVector::of(&net);
        let mut host = vector.to_host().unwrap();
        host[0].fill(f32::NAN);
        net = vector.from_host(host).unwrap().write_to(net).unwrap();
        for at in 6..9 {
            let grads = gradients(&start, at);
            net = pruner.optimize(net, &mut optim, 0.05, grads);
            assert!(zeros_where_off(&net, &pruner), "{name}");
        }
        assert!(pruner.masks() == masks, "{name}");
        let error = pruner.status().unwrap_err().to_string();
        assert!(
            error.contains("step 9") && error.contains("first.weight"),
            "{error}"
        );
        assert_eq!(pruner.skipped(), 1);
    }
}

#[test]
fn an_event_that_fails_keeps_the_masks_and_training_sparse() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let pruner = DynamicSparseConfig::new(0.8, 20)
        .with_update_every(5)
        .with_growth(GrowthRule::Momentum)
        .init(&start)
        .unwrap();
    let mut net = pruner.mask(start).unwrap();
    // Plain SGD has no momentum to grow by.
    let mut optim = SgdConfig::new().init();
    for at in 0..12 {
        let grads = gradients(&net, at);
        net = pruner.optimize(net, &mut optim, 0.05, grads);
        assert!(zeros_where_off(&net, &pruner), "step {at}");
    }
    assert_eq!(pruner.sparsity(), 0.8);
    assert!(
        pruner
            .status()
            .unwrap_err()
            .to_string()
            .contains("momentum")
    );
    assert_eq!((pruner.skipped(), pruner.state().step), (0, 12));
}

#[test]
fn a_broken_gradient_of_one_of_two_devices_counts() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let pruner = GraNetConfig::new(0.8, 30)
        .with_update_every(1)
        .init(&net)
        .unwrap();
    let mut optim = sgd();
    let plain = device.clone().inner();
    let grads = MultiGradientsParams {
        grads: vec![
            (gradients(&net, 0), plain.clone()),
            (broken(&net, 0, f32::NAN), plain),
        ],
    };
    let before = bits(&net);
    let net = pruner.optimize_multi(net, &mut optim, 0.05, grads);
    assert_eq!(bits(&net), before);
    assert_eq!((pruner.skipped(), pruner.state().step), (1, 1));
}

#[test]
fn large_gradients_that_only_sum_to_infinity_are_no_reason_to_leave_a_step_out() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let pruner = Fixed::init(Masks::dense(&net).unwrap());
    let huge = ParamVector::of(&net)
        .map(|_, v| v * 0.0 + 1e38)
        .into_gradients();
    let before = bits(&net);
    let net = pruner.optimize(net, &mut SgdConfig::new().init(), 1e-38, huge);
    assert_ne!(bits(&net), before);
    pruner.status().unwrap();
}

#[test]
fn sparse_training_without_a_handle_gives_the_model_back() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let method = GraNetConfig::new(0.8, 30)
        .with_update_every(1)
        .method()
        .unwrap();
    let mut training = SparseTraining::new(method, Masks::dense(&net).unwrap(), 0);
    let (mut optim, before) = (sgd(), bits(&net));
    let bad = broken(&net, 0, f32::NAN);
    let (net, result) = training.optimize(net, &mut optim, 0.05, bad);
    assert!(matches!(
        result,
        Err(PruningError::Gradient { step: 1, .. })
    ));
    assert_eq!(bits(&net), before);
    let grads = gradients(&net, 1);
    let (_, result) = training.optimize(net, &mut optim, 0.05, grads);
    result.unwrap();
    assert_eq!((training.state().step, training.state().events), (2, 1));
}

#[test]
fn movement_top_kast_and_tasks_leave_the_step_out_too() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let movement = MovementConfig::new(0.8, 20)
        .with_update_every(2)
        .init(&start)
        .unwrap();
    let kast = TopKastConfig::new(0.2, 0.4)
        .with_update_every(2)
        .init(&start)
        .unwrap();
    let tasks = PerTaskConfig::new(0.3)
        .with_update_every(2)
        .with_growth(GrowthRule::Gradient)
        .init(&start)
        .unwrap();
    let mut nets = [
        start.clone(),
        kast.mask(start.clone()).unwrap(),
        tasks.begin(start, 20).unwrap(),
    ];
    let mut optims = [sgd(), sgd(), sgd()];
    for at in 0..20 {
        let bad = at % 5 == 1;
        let before = nets.each_ref().map(bits);
        let records = optims.each_ref().map(record);
        let masks = (
            movement.masks(),
            kast.forward(),
            tasks.state().masks().cloned(),
        );
        let [a, b, c] = nets;
        let grads = |net: &Net| match bad {
            true => broken(net, at, f32::NAN),
            false => gradients(net, at),
        };
        let (ga, gb, gc) = (grads(&a), grads(&b), grads(&c));
        nets = [
            movement.optimize(a, &mut optims[0], 0.05, ga),
            kast.optimize(b, &mut optims[1], 0.05, gb),
            tasks.optimize(c, &mut optims[2], 0.05, gc),
        ];
        if bad {
            assert_eq!(nets.each_ref().map(bits), before, "step {at}");
            assert_eq!(optims.each_ref().map(record), records);
            assert!(
                masks
                    == (
                        movement.masks(),
                        kast.forward(),
                        tasks.state().masks().cloned()
                    )
            );
        }
    }
    for (status, skipped) in [
        (movement.status(), movement.skipped()),
        (kast.status(), kast.skipped()),
        (tasks.status(), tasks.skipped()),
    ] {
        let error = status.unwrap_err().to_string();
        assert!(error.contains("step 2:"), "{error}");
        assert_eq!(skipped, 4);
    }
    assert_eq!(movement.masks().count(), 68);
    assert!(
        movement
            .scores()
            .unwrap()
            .iter()
            .flatten()
            .all(|s| s.is_finite())
    );
    assert_eq!(kast.forward().count(), 68);
    tasks.finish(&nets[2]).unwrap();
}

#[test]
fn a_task_does_not_end_with_a_broken_model() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let tasks = PerTaskConfig::new(0.3).init(&start).unwrap();
    let net = tasks.begin(start, 5).unwrap();
    for entry in 0..4 {
        let vector = ParamVector::of(&net);
        let mut host = vector.to_host().unwrap();
        host[entry][0] = f32::NAN;
        let bad = vector
            .from_host(host)
            .unwrap()
            .write_to(net.clone())
            .unwrap();
        assert!(tasks.remember(&bad).is_err() && tasks.finish(&bad).is_err());
        assert!(PerTaskConfig::new(0.3).init(&bad).is_err() || entry % 2 == 1);
    }
    tasks.finish(&net).unwrap();
}
