//! Gradients that leave kept outputs as they are.

use burn::optim::GradientsParams;
use regimen_continual::projections::{Basis, Directions};
use regimen_continual::{Classifier, OgdConfig, Strategy, plain_loss};
use regimen_tensor::{ParamVector, Part, Prepared};

use super::net::{Net, examples, largest, numbers, step};
use super::two::{Two, batch};

#[test]
fn the_label_s_logit_stays() {
    let model = Two::new([0.0, 0.0]).with([0.5, -0.5]);
    let ogd = OgdConfig::new().init(&model).unwrap();
    let old = batch(&[[2.0, 1.0]], &[0]);
    let model = ogd.after_task(model, &Prepared(vec![old])).unwrap();
    assert_eq!(ogd.basis().directions().len(), 1);
    let model = step(&ogd, model, &batch(&[[1.0, 3.0]], &[1]), 0.1);
    let w = numbers(model.w.val());
    assert_eq!(w[0], 0.5);
    assert!(w[1] > -0.5, "{w:?}");
}

#[test]
fn old_outputs_do_not_change_to_first_order() {
    for all_logits in [false, true] {
        let model = Net::new(3);
        let ogd = OgdConfig::new().with_all_logits(all_logits);
        let ogd = ogd.init(&model).unwrap();
        let (old, new) = (examples(6, 1), examples(5, 2));
        let model = ogd.after_task(model, &Prepared(vec![old.clone()])).unwrap();
        let count = if all_logits { 18 } else { 6 };
        assert_eq!(ogd.basis().directions().len(), count);
        let label = |model: &Net| {
            let logits = model.logits(&old);
            match all_logits {
                true => logits,
                false => logits.gather(1, old.1.clone().reshape([6, 1])),
            }
        };
        let moved = |lr| {
            let after = step(&ogd, model.clone(), &new, lr);
            let head = after.head.weight.val() - model.head.weight.val();
            assert!(largest(head) > 1e-3 * lr as f32);
            largest(label(&after) - label(&model))
        };
        // A tenth of the step: a hundredth of the change.
        let (far, near) = (moved(0.1), moved(0.01));
        assert!(near < 2e-2 * far + 2e-7, "{near} after {far}");
        let grads = GradientsParams::from_grads(plain_loss(&model, &new).backward(), &model);
        let plain = ParamVector::of(&model);
        let plain = plain.axpy(-0.01, &ParamVector::gradients(&model, &grads));
        let plain = plain.unwrap().write_to(model.clone()).unwrap();
        assert!(largest(label(&plain) - label(&model)) > 20.0 * near);
    }
}

#[test]
fn the_basis_is_orthonormal_and_bounded() {
    let model = Net::new(5);
    let ogd = OgdConfig::new().with_directions(70).with_all_logits(true);
    let ogd = ogd.init(&model).unwrap();
    let mut model = model;
    for task in 0..4 {
        let data = Prepared(vec![examples(10, task)]);
        model = ogd.after_task(model, &data).unwrap();
    }
    let basis = ogd.basis();
    let count = basis.directions().len();
    // The network has 67 parameters: no more directions than that are independent.
    assert!((50..=67).contains(&count), "{count}");
    let gram = numbers(basis.directions().gram().unwrap());
    for (place, value) in gram.iter().enumerate() {
        let one = if place / count == place % count {
            1.0
        } else {
            0.0
        };
        assert!((value - one).abs() < 1e-4, "{value} at {place}");
    }
    let few = OgdConfig::new().with_directions(4).init(&model).unwrap();
    let _ = few
        .after_task(model, &Prepared(vec![examples(10, 0)]))
        .unwrap();
    assert_eq!(few.basis().directions().len(), 4);
}

#[test]
fn stacked_directions_give_the_products_of_each() {
    let space = ParamVector::of(&Net::new(1));
    let vectors: Vec<_> = (0..150)
        .map(|seed| ParamVector::of(&Net::new(seed)))
        .collect();
    let vectors: Vec<_> = vectors.iter().map(|v| v.rebound(&space).unwrap()).collect();
    let mut directions = Directions::new(&space);
    assert!(directions.products(&vectors[0]).unwrap().is_none());
    assert!(directions.gram().is_none() && directions.is_empty());
    directions.extend(&vectors[..3]).unwrap();
    directions.extend(&vectors[3..140]).unwrap();
    directions.extend(&vectors[140..]).unwrap();
    assert_eq!(directions.len(), 150);
    let products = numbers(directions.products(&vectors[7]).unwrap().unwrap());
    let gram = numbers(directions.gram().unwrap());
    for (place, vector) in vectors.iter().enumerate() {
        let product = numbers(vector.dot(&vectors[7]).unwrap())[0];
        assert!((products[place] - product).abs() < 1e-4);
        assert!((gram[place * 150 + 7] - product).abs() < 1e-4);
    }
    let mut factors = vec![0.0; 150];
    (factors[2], factors[149]) = (2.0, -1.0);
    let factors = burn::tensor::Tensor::<1>::from_floats(factors.as_slice(), &Default::default());
    let sum = directions.combined(factors, &space).unwrap();
    let by_hand = vectors[2].clone().scale(2.0).sub(&vectors[149]).unwrap();
    let off = sum.sub(&by_hand).unwrap().l2().into_scalar::<f32>();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn what_depends_on_the_basis_is_not_added() {
    let space = ParamVector::of(&Two::new([1.0, 1.0]));
    let vector = |values: [f32; 2]| space.from_host(vec![values.to_vec()]).unwrap();
    let mut basis = Basis::new(&space);
    assert!(!basis.add(&vector([0.0, 0.0])).unwrap());
    assert!(basis.add(&vector([3e-20, 4e-20])).unwrap());
    assert!(!basis.add(&vector([3e15, 4e15])).unwrap());
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(basis.add(&vector([bad, 0.0])).is_err());
    }
    assert_eq!(basis.directions().len(), 1);
}

#[test]
fn saved_and_restored_it_projects_as_before() {
    let model = Net::new(3);
    let ogd = OgdConfig::new().init(&model).unwrap();
    let data = Prepared(vec![examples(70, 1)]);
    let model = ogd.after_task(model, &data).unwrap();
    let bytes = ogd.save().unwrap();
    // Another model of the same paths, with ids of its own.
    let again = Net::new(9);
    let mut other = OgdConfig::new().init(&again).unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    let straight = step(&ogd, model.clone(), &examples(5, 2), 0.1);
    let restored = step(&other, model, &examples(5, 2), 0.1);
    let values = |model: &Net| ParamVector::of(model).to_host().unwrap();
    assert_eq!(values(&straight), values(&restored));
    let mut small = OgdConfig::new().with_directions(3).init(&again).unwrap();
    assert!(small.load(&bytes).is_err());
    assert!(small.basis().directions().is_empty());
    assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn absurd_arguments_are_refused() {
    let model = Net::new(1);
    assert!(OgdConfig::new().with_examples(0).init(&model).is_err());
    assert!(OgdConfig::new().with_directions(0).init(&model).is_err());
    let ogd = OgdConfig::new().init(&model).unwrap();
    let none: Prepared<super::net::Batch> = Prepared(Vec::new());
    assert!(ogd.after_task(model, &none).is_err());
}
