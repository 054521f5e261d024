//! Movement pruning: hand-worked scores, exact budgets, what is off keeps its bits, and a resumed run is the same run.

use super::*;
use burn::optim::MultiGradientsParams;
use regimen_schedules::Schedule;

const STEPS: usize = 20;

fn config() -> MovementConfig {
    MovementConfig::new(0.8, STEPS).with_update_every(2)
}

fn gradients(net: &Net, at: usize) -> GradientsParams {
    let device = net.first.weight.val().device();
    let hidden = relu(net.first.forward(batch(at, &device)));
    let loss = (net.second.forward(hidden) - 1.0).square().mean();
    GradientsParams::from_grads(loss.backward(), net)
}

/// The stored weights, as bits.
fn theta(movement: &Movement) -> Vec<Vec<u32>> {
    let state = serde_json::to_value(movement.state().unwrap()).unwrap();
    serde_json::from_value(state["theta"].clone()).unwrap()
}

/// A layer with four given weights.
fn four(weights: [f32; 4], device: &Device) -> Linear {
    let layer = LinearConfig::new(4, 1).with_bias(false).init(device);
    let vector = ParamVector::of(&layer);
    let vector = vector.from_host(vec![weights.to_vec()]).unwrap();
    vector.write_to(layer).unwrap()
}

/// A step of plain SGD at .1 with these gradients.
fn pushed(layer: Linear, movement: &Movement, gradient: [f32; 4]) -> Linear {
    let vector = ParamVector::of(&layer);
    let grads = vector.from_host(vec![gradient.to_vec()]).unwrap();
    let layer = movement.optimize(
        layer,
        &mut SgdConfig::new().init(),
        0.1,
        grads.into_gradients(),
    );
    movement.status().unwrap();
    layer
}

/// Two steps by hand: `w = (1, -2, .5, 3)`, gradients `(1, -1, -2, .1)` twice, SGD at .1, half is pruned after the first.
#[test]
fn what_moves_towards_zero_goes_however_large_it_is() {
    let device = Device::flex().autodiff();
    let layer = four([1.0, -2.0, 0.5, 3.0], &device);
    let movement = MovementConfig::new(0.5, 10)
        .with_prune_from(Some(0))
        .with_prune_until(Some(1))
        .init(&layer)
        .unwrap();
    let gradient = [1.0, -1.0, -2.0, 0.1];
    let layer = pushed(layer, &movement, gradient);
    // S = -g w = (-1, -2, 1, -.3): the third moves away from zero, the last towards it least.
    assert_eq!(movement.scores().unwrap(), [[-1.0, -2.0, 1.0, -0.3]]);
    let values = ParamVector::of(&layer).to_host().unwrap().remove(0);
    let expected = [0.0, 0.0, 0.7, 2.99];
    assert!(
        values
            .iter()
            .zip(expected)
            .all(|(v, e)| (v - e).abs() < 1e-6)
    );
    // The stored weights of the first step: .9, -1.9, .7, 2.99. What is off moved before it was off, not after.
    let layer = pushed(layer, &movement, gradient);
    let scores = movement.scores().unwrap().remove(0);
    let expected = [-1.9, -3.9, 2.4, -0.599];
    assert!(
        scores
            .iter()
            .zip(expected)
            .all(|(s, e)| (s - e).abs() < 1e-5)
    );
    let stored = theta(&movement).remove(0);
    assert_eq!(&stored[..2], [0.9_f32.to_bits(), (-1.9_f32).to_bits()]);
    // A gradient that would drive the first away from zero brings it back, with its stored value.
    let layer = pushed(layer, &movement, [-9.0, 0.0, 0.0, 0.0]);
    let values = ParamVector::of(&layer).to_host().unwrap().remove(0);
    assert_eq!(values[0], 0.9);
    assert_eq!(
        movement.masks().layers()[0].active,
        [true, false, true, false]
    );
}

#[test]
fn the_budget_is_exact_and_what_is_off_keeps_its_bits() {
    let device = Device::flex().autodiff();
    for (optimizer, global) in optimizers().into_iter().zip([false, true]) {
        let config = config().with_global(global);
        let sparsity = config.sparsity().unwrap();
        let mut net = Net::new(&device);
        let (movement, mut optim) = (config.init(&net).unwrap(), optimizer());
        let mut returned = false;
        for at in 0..STEPS {
            let (before, stored) = (movement.masks(), theta(&movement));
            let grads = gradients(&net, at);
            net = movement.optimize(net, &mut optim, 0.05, grads);
            movement.status().unwrap();
            let step = at + 1;
            let now = sparsity.at(step / 2 * 2);
            let budget = density::keep(340, now);
            assert_eq!(movement.masks().count(), budget, "step {step}");
            let (live, after, now_on) = (bits(&net), theta(&movement), movement.masks());
            for (layer, entry) in [(0, 0), (1, 2)] {
                let was = &before.layers()[layer].active;
                let is = &now_on.layers()[layer].active;
                for i in 0..was.len() {
                    assert!(was[i] || stored[layer][i] == after[layer][i]);
                    let shown = if is[i] { after[layer][i] } else { 0 };
                    assert_eq!(f32::from_bits(live[entry][i]), f32::from_bits(shown));
                    returned |= !was[i] && is[i];
                }
            }
        }
        assert_eq!(movement.masks().count(), 68);
        assert!(returned, "some weight must come back");
    }
}

#[test]
fn movement_killed_and_resumed_is_bit_for_bit_the_same() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let mut net = Net::new(&device);
        let (whole, mut optim) = (config().init(&net).unwrap(), optimizer());
        let mut saved = None;
        for at in 0..STEPS {
            if at == 9 {
                let state = serde_json::to_string(&whole.state().unwrap()).unwrap();
                let model = net.clone().into_record().into_bytes().unwrap();
                saved = Some((model, optim.to_record().into_bytes().unwrap(), state));
            }
            let grads = gradients(&net, at);
            net = whole.optimize(net, &mut optim, 0.05, grads);
        }
        let (model, record, state) = saved.unwrap();
        let record_of = burn::store::ModuleRecord::from_bytes(model).unwrap();
        let mut resumed = Net::new(&device).load_record(record_of);
        let again = config().init(&resumed).unwrap();
        again
            .restore(serde_json::from_str(&state).unwrap())
            .unwrap();
        let mut optim = optimizer().load_record(OptimizerRecord::from_bytes(record).unwrap());
        for at in 9..STEPS {
            let grads = gradients(&resumed, at);
            resumed = again.optimize(resumed, &mut optim, 0.05, grads);
        }
        assert_eq!(bits(&net), bits(&resumed));
        assert!(whole.state().unwrap() == again.state().unwrap());
    }
}

#[test]
fn movement_on_several_devices_sums_their_gradients() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let (one, many) = (
        config().init(&start).unwrap(),
        config().init(&start).unwrap(),
    );
    let (mut optim_one, mut optim_many) = (sgd(), sgd());
    let (mut left, mut right) = (start.clone(), start);
    for at in 0..STEPS {
        let twice = ParamVector::gradients(&left, &gradients(&left, at)).scale(2.0);
        left = one.optimize(left, &mut optim_one, 0.02, twice.into_gradients());
        let grads = || (gradients(&right, at), device.clone().inner());
        let grads = MultiGradientsParams {
            grads: vec![grads(), grads()],
        };
        right = many.optimize_multi(right, &mut optim_many, 0.02, grads);
    }
    one.status().and(many.status()).unwrap();
    assert_eq!(one.masks(), many.masks());
    assert_eq!(bits(&left), bits(&right));
}

#[test]
fn movement_refuses_bad_input() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    for (config, field) in [
        (MovementConfig::new(1.0, STEPS), "final_sparsity"),
        (MovementConfig::new(f64::NAN, STEPS), "final_sparsity"),
        (MovementConfig::new(0.5, 0), "total_steps"),
        (config().with_update_every(0), "update_every"),
        (config().with_prune_until(Some(STEPS + 1)), "prune_until"),
        (config().with_prune_from(Some(STEPS)), "prune_until"),
    ] {
        let error = config.init(&net).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let sparse = Masks::dense(&net)
        .unwrap()
        .random(Layout::Uniform, 0.5, 1)
        .unwrap();
    let error = config().init_on(&net, sparse).unwrap_err().to_string();
    assert!(error.contains("all active"), "{error}");
    let own = config().init(&net).unwrap();
    let single = LinearConfig::new(3, 4).init(&device);
    let foreign = config().init(&single).unwrap().state().unwrap();
    assert!(own.restore(foreign).is_err());
    let other = Net::new(&device);
    let grads = gradients(&other, 0);
    let _ = own.optimize(other, &mut sgd(), 0.1, grads);
    assert!(own.status().is_err(), "another model");
}

#[test]
fn a_gradient_that_is_not_finite_is_an_error() {
    let device = Device::flex().autodiff();
    let layer = four([1.0, 2.0, 3.0, 4.0], &device);
    let movement = MovementConfig::new(0.5, 4)
        .with_prune_from(Some(0))
        .init(&layer)
        .unwrap();
    let vector = ParamVector::of(&layer);
    let grads = vector
        .from_host(vec![vec![f32::NAN, 0.0, 0.0, 0.0]])
        .unwrap();
    let _ = movement.optimize(
        layer,
        &mut SgdConfig::new().init(),
        0.1,
        grads.into_gradients(),
    );
    assert!(movement.status().is_err());
}
