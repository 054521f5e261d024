//! Masks and states that go from one model to another of the same kind.

use burn::nn::conv::Conv2d;
use regimen_pruning::mask::checkpoint::{self, Framework};
use regimen_tensor::checkpoint::{Checkpoint, Part};

use super::*;

#[derive(Module, Debug)]
struct Wrapped {
    net: Net,
    #[module(skip)]
    pruner: Pruner,
}

#[derive(Module, Debug)]
struct Twins {
    one: Net,
    two: Net,
}

/// The masks of a network, and the model that holds it.
fn wrapped(device: &Device) -> (Masks, Wrapped) {
    let net = Net::new(device);
    let masks = Masks::dense(&net).unwrap();
    let masks = masks.random(Layout::Uniform, 0.5, 3).unwrap();
    let pruner = Fixed::init(masks.clone());
    let net = masks.apply(net).unwrap();
    (masks, Wrapped { net, pruner })
}

#[test]
fn a_wrapped_model_s_checkpoint_is_read_again() {
    let device = Device::flex().autodiff();
    let (masks, model) = wrapped(&device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for framework in [Framework::Burn, Framework::PyTorch] {
        checkpoint::save(&model, &masks, &path, framework).unwrap();
        let (read, again) = checkpoint::load(wrapped(&device).1, &path, framework).unwrap();
        let values = |net: &Net| ParamVector::of(net).to_host().unwrap();
        assert_eq!(values(&read.net), values(&model.net));
        let flags = |masks: &Masks| -> Vec<Vec<bool>> {
            masks
                .layers()
                .iter()
                .map(|mask| mask.active.clone())
                .collect()
        };
        assert_eq!(flags(&again), flags(&masks));
        assert_eq!(again.layers()[0].path, "net.first.weight");
        // Trained on under the masks that came back.
        let pruner = Fixed::init(again);
        let net = step(read.net, &pruner, &mut sgd(), 0, &device);
        assert!(zeros_where_off(&net, &pruner));
    }
    let names = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(
        names.count(),
        2,
        "the model and its masks, and nothing else"
    );
}

#[test]
fn masks_fit_below_and_above_and_one_place_only() {
    let device = Device::flex();
    let (masks, model) = wrapped(&device);
    let other = wrapped(&device).1;
    let below = masks.clone().rebind(&other).unwrap();
    below.check(&other).unwrap();
    below.check(&other.net).unwrap();
    let whole = Masks::dense(&model).unwrap();
    assert_eq!(whole.layers()[0].path, "net.first.weight");
    whole.rebind(&other.net).unwrap().check(&other.net).unwrap();
    let twins = Twins {
        one: Net::new(&device),
        two: Net::new(&device),
    };
    let error = masks.clone().rebind(&twins).unwrap_err();
    assert!(matches!(error, PruningError::Ambiguous { .. }), "{error}");
    assert!(error.to_string().contains("one.first.weight"), "{error}");
    let layer = LinearConfig::new(12, 20).init(&device);
    let error = masks.rebind(&layer).unwrap_err();
    assert!(error.to_string().contains("first.weight"), "{error}");
}

/// Each handle of a network, as a part of a checkpoint.
fn parts(net: &Net) -> Vec<Box<dyn Part>> {
    let tasks = PerTaskConfig::new(0.5).init(net).unwrap();
    drop(tasks.begin(net.clone(), 10).unwrap());
    vec![
        Box::new(RigLConfig::new(0.5, 200).init(net).unwrap()),
        Box::new(Fixed::init(Masks::dense(net).unwrap())),
        Box::new(MovementConfig::new(0.5, 10).init(net).unwrap()),
        Box::new(TopKastConfig::new(0.5, 0.75).init(net).unwrap()),
        Box::new(tasks),
        Box::new(Masks::dense(net).unwrap()),
    ]
}

#[test]
fn every_part_is_saved_and_restored_and_refuses_another_model_s() {
    #[derive(Module, Debug)]
    struct Other {
        first: Linear,
        conv: Option<Conv2d>,
    }
    let device = Device::flex().autodiff();
    let (mut one, mut two) = (parts(&Net::new(&device)), parts(&Net::new(&device)));
    for (a, b) in one.iter_mut().zip(&mut two) {
        let saved = a.save().unwrap();
        b.load(&saved).unwrap();
        assert_eq!(a.kind(), b.kind());
        let before = b.save().unwrap();
        for broken in [&saved[..saved.len() / 2], b"{}", b"null"] {
            assert!(b.load(broken).is_err(), "{}", a.kind());
        }
        assert_eq!(b.save().unwrap(), before, "{}: nothing changed", a.kind());
    }
    let kinds: std::collections::HashSet<String> = one.iter().map(|part| part.kind()).collect();
    assert_eq!(kinds.len(), one.len());
    let other = Other {
        first: LinearConfig::new(12, 20).init(&device),
        conv: None,
    };
    let mut pruner = Fixed::init(Masks::dense(&other).unwrap());
    let saved = one[1].save().unwrap();
    assert!(
        pruner
            .load(&saved)
            .unwrap_err()
            .to_string()
            .contains("masks")
    );
}

/// The model that comes after `restore` has ids of its own: the state is bound by paths.
#[test]
fn a_restored_state_serves_a_model_with_other_ids() {
    let device = Device::flex().autodiff();
    let (start, other) = (Net::new(&device), Net::new(&device));
    let other = ParamVector::of(&other)
        .from_host(ParamVector::of(&start).to_host().unwrap())
        .unwrap()
        .write_to(other)
        .unwrap();
    let config = RigLConfig::new(0.5, 100).with_update_every(2);
    let run = |pruner: &Pruner, net: &Net| {
        let (mut net, mut optim) = (pruner.mask(net.clone()).unwrap(), sgd());
        for at in 0..6 {
            net = step(net, pruner, &mut optim, at, &device);
        }
        pruner.status().unwrap();
        bits(&net)
    };
    let pruner = config.init(&start).unwrap();
    let state = pruner.state();
    let straight = run(&pruner, &start);
    let again = config.with_seed(9).init(&other).unwrap();
    again.restore(state).unwrap();
    assert_eq!(run(&again, &other), straight);
    assert_eq!(again.masks().layers()[0].id, other.first.weight.id);
    let movement = MovementConfig::new(0.5, 10);
    let saved = movement.init(&start).unwrap().state().unwrap();
    let again = movement.init(&other).unwrap();
    again.restore(saved).unwrap();
    let kast = TopKastConfig::new(0.5, 0.75);
    let saved = kast.init(&start).unwrap().state().unwrap();
    let again_kast = kast.init(&other).unwrap();
    again_kast.restore(saved).unwrap();
    again_kast.mask(other.clone()).unwrap();
    let tasks = PerTaskConfig::new(0.5);
    let saved = tasks.init(&start).unwrap().state();
    let again_tasks = tasks.init(&other).unwrap();
    again_tasks.restore(saved).unwrap();
    again_tasks.begin(other.clone(), 5).unwrap();
    let loss = other.first.forward(batch(0, &device)).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &other);
    drop(again.optimize(other, &mut sgd(), 0.1, grads));
    again.status().unwrap();
}

#[test]
fn a_state_of_another_method_is_refused() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let pruner = |name: &str| match name {
        "granet" => GraNetConfig::new(0.5, 100).with_update_every(10).init(&net),
        "rigl" => RigLConfig::new(0.5, 200).init(&net),
        "set" => SetConfig::new(0.5, 200).init(&net),
        "magnitude" => MagnitudeConfig::new(0.5, 100).init(&net),
        _ => Ok(Fixed::init(Masks::dense(&net).unwrap())),
    };
    let names = ["granet", "rigl", "set", "magnitude", "fixed"];
    for saved in names {
        let folder = tempfile::tempdir().unwrap();
        let unit =
            |name: &str| Checkpoint::new(folder.path()).with("pruner", pruner(name).unwrap());
        unit(saved).save(1).unwrap();
        for restored in names {
            let result = unit(restored).restore();
            if restored == saved {
                assert_eq!(result.unwrap(), Some(1), "{saved}");
                continue;
            }
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains("sparse training by"),
                "{saved} {restored}: {error}"
            );
        }
    }
}
