//! Top-KAST: both budgets are exact, only the backward set moves, and a resumed run is the same run.

use super::*;

fn kast() -> TopKastConfig {
    TopKastConfig::new(0.2, 0.4)
        .with_update_every(3)
        .with_penalty(0.01)
}

fn stepped(net: Net, kast: &TopKast, optim: &mut ModuleOptimizer, at: usize) -> Net {
    let device = net.first.weight.val().device();
    let hidden = relu(net.first.forward(batch(at, &device)));
    let loss = (net.second.forward(hidden) - 1.0).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &net);
    kast.optimize(net, optim, 0.1, grads)
}

/// The stored weights, as bits.
fn theta(kast: &TopKast) -> Vec<Vec<u32>> {
    let state = serde_json::to_value(kast.state().unwrap()).unwrap();
    serde_json::from_value(state["theta"].clone()).unwrap()
}

#[test]
fn only_the_backward_set_moves_and_the_budgets_are_exact() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let start = Net::new(&device);
        let kast = kast().init(&start).unwrap();
        let mut net = kast.mask(start).unwrap();
        let (first, mut optim) = (kast.forward(), optimizer());
        for at in 0..30 {
            let (before, backward) = (theta(&kast), kast.backward());
            net = stepped(net, &kast, &mut optim, at);
            kast.status().unwrap();
            let (after, forward) = (theta(&kast), kast.forward());
            assert_eq!((forward.count(), kast.backward().count()), (68, 136));
            let live = bits(&net);
            for (layer, entry) in [(0, 0), (1, 2)] {
                let b = &backward.layers()[layer].active;
                let mut moved = 0;
                for i in 0..b.len() {
                    assert!(b[i] || before[layer][i] == after[layer][i]);
                    moved += usize::from(before[layer][i] != after[layer][i]);
                    let on = forward.layers()[layer].active[i];
                    let value = f32::from_bits(live[entry][i]);
                    assert_eq!(
                        value,
                        if on {
                            f32::from_bits(after[layer][i])
                        } else {
                            0.0
                        }
                    );
                }
                assert!(moved > 0);
            }
            let inside = forward
                .layers()
                .iter()
                .zip(kast.backward().layers())
                .all(|(a, b)| a.active.iter().zip(&b.active).all(|(a, b)| !a || *b));
            assert!(inside, "the forward set lies in the backward set");
        }
        assert!(kast.forward() != first, "the sets must move");
        assert!(kast.explored() > 0.2);
    }
}

/// With a zero gradient of the loss, plain SGD moves each weight by the penalty alone.
#[test]
fn the_penalty_is_felt_more_where_it_only_explores() {
    let device = Device::flex().autodiff();
    let start = Net::new(&device);
    let kast = kast().init(&start).unwrap();
    let (before, forward, backward) = (theta(&kast), kast.forward(), kast.backward());
    let net = kast.mask(start).unwrap();
    let zero = ParamVector::of(&net).zeros_like().into_gradients();
    let _ = kast.optimize(net, &mut SgdConfig::new().init(), 0.5, zero);
    let after = theta(&kast);
    for (i, (old, new)) in before[0].iter().zip(&after[0]).enumerate() {
        let (old, new) = (f32::from_bits(*old), f32::from_bits(*new));
        let (a, b) = (
            forward.layers()[0].active[i],
            backward.layers()[0].active[i],
        );
        let factor = if a {
            0.01
        } else if b {
            0.01 / 0.2
        } else {
            0.0
        };
        assert!((new - old * (1.0 - 0.5 * factor)).abs() < 1e-6);
    }
    let flags = ([true, false, false], [true, true, false]);
    let value = penalty(&[2.0, 1.0, 5.0], &flags.0, &flags.1, 0.5, 0.1);
    assert!((value - 0.05 * (4.0 + 2.0)).abs() < 1e-12);
}

#[test]
fn top_kast_killed_and_resumed_is_bit_for_bit_the_same() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let start = Net::new(&device);
        let whole = kast().init(&start).unwrap();
        let mut net = whole.mask(start).unwrap();
        let (mut optim, mut saved) = (optimizer(), None);
        for at in 0..20 {
            if at == 7 {
                let state = serde_json::to_string(&whole.state().unwrap()).unwrap();
                let model = net.clone().into_record().into_bytes().unwrap();
                saved = Some((model, optim.to_record().into_bytes().unwrap(), state));
            }
            net = stepped(net, &whole, &mut optim, at);
        }
        let (model, record, state) = saved.unwrap();
        let record_of = burn::store::ModuleRecord::from_bytes(model).unwrap();
        let mut resumed = Net::new(&device).load_record(record_of);
        let again = kast().init(&resumed).unwrap();
        again
            .restore(serde_json::from_str(&state).unwrap())
            .unwrap();
        let mut optim = optimizer().load_record(OptimizerRecord::from_bytes(record).unwrap());
        for at in 7..20 {
            resumed = stepped(resumed, &again, &mut optim, at);
        }
        assert_eq!(bits(&net), bits(&resumed));
        assert!(whole.state().unwrap() == again.state().unwrap());
    }
}

#[test]
fn top_kast_refuses_bad_input() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    for (config, field) in [
        (TopKastConfig::new(0.0, 0.5), "forward"),
        (TopKastConfig::new(0.5, 0.4), "backward"),
        (TopKastConfig::new(0.5, 1.5), "backward"),
        (kast().with_penalty(f64::NAN), "penalty"),
        (kast().with_update_every(0), "update_every"),
    ] {
        assert!(config.init(&net).unwrap_err().to_string().contains(field));
    }
    let own = kast().init(&net).unwrap();
    let single = LinearConfig::new(3, 4).init(&device);
    assert!(
        own.restore(kast().init(&single).unwrap().state().unwrap())
            .is_err()
    );
    let _ = stepped(Net::new(&device), &own, &mut sgd(), 0);
    assert!(own.status().is_err(), "another model");
}
