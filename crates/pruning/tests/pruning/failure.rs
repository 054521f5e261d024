//! Errors that a training loop can see, and states of an optimizer that Burn can't load.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::tensor::{DType, FloatDType};
use burn::train::Interrupter;
use burn_pack::Reader;

use super::*;

#[test]
fn a_failure_stops_the_run_once_and_a_skip_does_not() {
    let device = Device::flex().autodiff();
    let (net, other) = (Net::new(&device), Net::new(&device));
    let pruner = Fixed::init(Masks::dense(&net).unwrap());
    let (interrupter, calls) = (Interrupter::new(), Arc::new(AtomicUsize::new(0)));
    let heard = Arc::new(Mutex::new(String::new()));
    let (stop, count, word) = (interrupter.clone(), calls.clone(), heard.clone());
    let inside = pruner.clone();
    pruner.on_failure(move |error| {
        // The status can be asked for from inside.
        assert!(inside.status().is_err());
        *word.lock().unwrap() = error.to_string();
        count.fetch_add(1, Ordering::Relaxed);
        stop.stop(Some(&error.to_string()));
    });
    let mut optim = sgd();
    let net = step(net, &pruner, &mut optim, 0, &device);
    let poisoned = net.first.forward(batch(0, &device) * f32::NAN).sum();
    let grads = GradientsParams::from_grads(poisoned.backward(), &net);
    drop(pruner.optimize(net, &mut optim, 0.1, grads));
    assert!(!interrupter.should_stop(), "a step that is left out");
    let other = step(other, &pruner, &mut optim, 1, &device);
    assert!(interrupter.should_stop());
    drop(step(other, &pruner, &mut optim, 2, &device));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(heard.lock().unwrap().contains("first.weight"));
    // Too late is at once.
    let count = calls.clone();
    pruner.on_failure(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

fn types(optim: &ModuleOptimizer) -> Vec<DType> {
    let bytes = optim.to_record().into_bytes().unwrap();
    let tensors = Reader::from_bytes(bytes).unwrap().into_tensors().unwrap();
    tensors.iter().map(|tensor| tensor.dtype).collect()
}

#[test]
fn a_state_of_another_type_survives_an_event_and_is_told() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::BF16, FloatDType::F64] {
        let cast = |weight: burn::module::Param<Tensor<2>>| {
            weight.map(|w| Tensor::from_inner(w.inner().cast(dtype)).require_grad())
        };
        let mut layer = LinearConfig::new(12, 20).with_bias(false).init(&device);
        layer.weight = cast(layer.weight);
        let pruner = GraNetConfig::new(0.5, 20)
            .with_update_every(2)
            .init(&layer)
            .unwrap();
        let mut optim: ModuleOptimizer = AdamWConfig::new().init();
        for at in 0..8 {
            let x = batch(at, &device).cast(dtype);
            let loss = layer.forward(x).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &layer);
            layer = pruner.optimize(layer, &mut optim, 0.01, grads);
        }
        pruner.status().unwrap();
        assert!(pruner.state().events > 0 && pruner.sparsity() > 0.0);
        assert_eq!(layer.weight.val().dtype(), dtype.into());
        assert_eq!(types(&optim), vec![DType::from(dtype); 2]);
        let notice = pruner.notice().unwrap();
        assert!(
            matches!(*notice, PruningError::StateType { .. }),
            "{notice}"
        );
        let before = optim.to_record().into_bytes().unwrap().to_vec();
        let error = mask_optimizer(&mut optim, &pruner.masks()).unwrap_err();
        assert!(error.to_string().contains("weight"), "{error}");
        assert_eq!(optim.to_record().into_bytes().unwrap().to_vec(), before);
    }
}

#[test]
fn a_state_is_zeroed_where_masks_are_off_and_nowhere_else() {
    let device = Device::flex().autodiff();
    for optimizer in optimizers() {
        let (mut net, mut optim) = (Net::new(&device), optimizer());
        let dense = Fixed::init(Masks::dense(&net).unwrap());
        for at in 0..3 {
            net = step(net, &dense, &mut optim, at, &device);
        }
        let all = momenta(&optim, &dense.masks()).unwrap();
        let masks = dense.masks().random(Layout::Uniform, 0.4, 1).unwrap();
        mask_optimizer(&mut optim, &masks).unwrap();
        let left = momenta(&optim, &masks).unwrap();
        for ((mask, all), left) in masks.layers().iter().zip(all).zip(left) {
            for ((on, before), after) in mask.active.iter().zip(all).zip(left) {
                assert_eq!(after, if *on { before } else { 0.0 });
            }
        }
        drop(step(net, &Fixed::init(masks), &mut optim, 4, &device));
    }
}
