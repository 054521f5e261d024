//! Every schedule ends at its sparsity, whatever the interval between events.

use super::*;

/// The share of weights that are off after each of `steps` steps.
fn run(pruner: &Pruner, net: Net, steps: usize) -> (Net, Vec<f64>) {
    let device = net.first.weight.val().device();
    let (mut net, mut optim) = (pruner.mask(net).unwrap(), sgd());
    let mut sparsities = Vec::new();
    for at in 0..steps {
        net = step(net, pruner, &mut optim, at, &device);
        sparsities.push(pruner.sparsity());
    }
    pruner.status().unwrap();
    (net, sparsities)
}

#[test]
fn a_schedule_that_ends_between_two_events_has_one_at_its_end() {
    let net = Net::new(&Device::flex().autodiff());
    let granet = GraNetConfig::new(0.9, 150)
        .with_update_every(100)
        .with_prune_until(Some(150));
    let (_, found) = run(&granet.init(&net).unwrap(), net.clone(), 150);
    assert_eq!(found[98], 0.0);
    assert!((found[148] - 0.866).abs() < 0.01, "{}", found[148]);
    assert_eq!(found[149], 0.9);
    let magnitude = MagnitudeConfig::new(0.9, 150)
        .with_update_every(100)
        .with_prune_until(Some(150));
    for uniform in [false, true] {
        let pruner = magnitude.clone().with_uniform(uniform).init(&net).unwrap();
        assert_eq!(run(&pruner, net.clone(), 150).1[149], 0.9);
    }
}

#[test]
fn an_interval_longer_than_the_schedule_still_reaches_the_sparsity() {
    let net = Net::new(&Device::flex().autodiff());
    let pruner = GraNetConfig::new(0.9, 900).init(&net).unwrap();
    let (_, found) = run(&pruner, net.clone(), 460);
    assert_eq!((found[448], found[449]), (0.0, 0.9));
    assert_eq!(pruner.state().events, 1);
    for total in [1, 2, 3] {
        let pruner = GraNetConfig::new(0.9, total).init(&net).unwrap();
        assert_eq!(run(&pruner, net.clone(), total).1[total - 1], 0.9);
    }
}

#[test]
fn movement_pruning_selects_at_the_end_of_its_schedule() {
    let device = Device::flex().autodiff();
    for (every, until) in [(7, 12), (100, 12), (1, 1)] {
        let mut net = Net::new(&device);
        let movement = MovementConfig::new(0.9, 14)
            .with_update_every(every)
            .with_prune_from(Some(0))
            .with_prune_until(Some(until))
            .init(&net)
            .unwrap();
        let mut optim = sgd();
        for at in 0..14 {
            let hidden = relu(net.first.forward(batch(at, &device)));
            let loss = (net.second.forward(hidden) - 1.0).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &net);
            net = movement.optimize(net, &mut optim, 0.05, grads);
        }
        movement.status().unwrap();
        assert_eq!(movement.masks().count(), 34, "every {every}");
    }
}

#[test]
fn a_method_that_swaps_but_has_no_event_is_an_error() {
    let net = Net::new(&Device::flex().autodiff());
    let rigl = RigLConfig::new(0.9, 100).init(&net).unwrap_err();
    assert!(rigl.to_string().contains("update_every"), "{rigl}");
    assert!(SetConfig::new(0.9, 100).init(&net).is_err());
    assert!(RigLConfig::new(0.9, 200).init(&net).is_ok());
    // No swaps at all, or none by request, is a static mask.
    let still = DynamicSparseConfig::new(0.9, 10).with_swap_start(0.0);
    assert!(still.init(&net).is_ok());
    assert!(RigLConfig::new(0.9, 100).with_until(0.0).init(&net).is_ok());
}

#[test]
fn events_that_stop_before_the_schedule_ends_are_an_error() {
    let net = Net::new(&Device::flex().autodiff());
    let config = DynamicSparseConfig::new(0.9, 1000)
        .with_initial_sparsity(Some(0.0))
        .with_prune_until(Some(800))
        .with_until(Some(0.5));
    let error = config.init(&net).unwrap_err().to_string();
    assert!(error.contains("until") && error.contains("800"), "{error}");
    let config = config.with_until(Some(0.9));
    let pruner = config.init(&net).unwrap();
    assert_eq!(run(&pruner, net, 800).1[799], 0.9);
}
