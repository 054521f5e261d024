//! The methods that choose what is kept or replayed.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use regimen_continual::memory::MemoryConfig;
use regimen_continual::{
    Classifier, ContinualError, Examples, Fill, FloatRow, GDumbConfig, GssConfig, MirConfig,
    Strategy, plain_loss,
};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::{ParamVector, independent};

use super::models::{Net, bits, drawn};
use super::replay::{edited, resumes};
use super::two::{Two, batch};

fn gradient(model: &Two, item: &FloatRow) -> Vec<f64> {
    let row = Examples::of(std::slice::from_ref(item), &batch(&[[0.0, 0.0]], &[0])).unwrap();
    let grads = GradientsParams::from_grads(plain_loss(model, &row).backward(), model);
    let values = ParamVector::gradients(model, &grads)
        .to_host()
        .unwrap()
        .concat();
    values.into_iter().map(f64::from).collect()
}

fn scalar(value: Tensor<1>) -> f32 {
    value.into_scalar()
}

#[test]
fn runs_that_stop_in_the_middle_go_on_bit_for_bit() {
    let net = Net::new(1);
    let memory = MemoryConfig::reservoir(12);
    let mir = MirConfig::new(memory, 0.1)
        .with_candidates(9)
        .with_replay(Some(4));
    resumes(|| mir.init(&net).unwrap());
    resumes(|| GssConfig::new(8).with_gradients(3).init(&net).unwrap());
    resumes(|| GDumbConfig::new(8).init(&net).unwrap());
}

/// One of two kept examples is replayed: the one whose loss a step on the batch raises.
#[test]
fn what_the_step_would_hurt_most_is_replayed() {
    let model = Two::new([0.5, 0.5]);
    let kept = [batch(&[[1.0, 0.1]], &[1]), batch(&[[1.0, 0.1]], &[0])];
    let new = batch(&[[2.0, 0.5]], &[0]);
    let mir = MirConfig::new(MemoryConfig::reservoir(2), 0.5).with_replay(Some(1));
    let mir = mir.init(&model).unwrap();
    for kept in &kept {
        mir.loss(&model, kept).unwrap();
    }
    // A step on the new batch raises the first logit: label 1 loses.
    let expected = scalar(plain_loss(&model, &new)) + scalar(plain_loss(&model, &kept[0]));
    let before = bits(&model);
    let found = scalar(mir.loss(&model, &new).unwrap());
    assert!((found - expected).abs() < 1e-5);
    assert_eq!(bits(&model), before);
    let plain = mir.loss(&burn::module::Module::valid(&model), &new.inner());
    assert!(scalar(plain.unwrap()).is_finite());
}

#[test]
fn choosing_does_not_move_running_statistics() {
    let model = Net::new(1);
    // Six times the same example: whichever two are drawn, the training pass is the same.
    let first = drawn(1, 1, &[0]).rows(&[0; 6]);
    let mir = MirConfig::new(MemoryConfig::reservoir(6), 0.1).with_replay(Some(2));
    let mir = mir.with_fill(Fill::First(6)).init(&model).unwrap();
    let gss = GssConfig::new(6)
        .with_replay(Some(2))
        .with_fill(Fill::First(6));
    let gss = gss.init(&model).unwrap();
    mir.loss(&independent(&model), &first).unwrap();
    gss.loss(&independent(&model), &first).unwrap();
    let state = |model: &Net| ParamVector::buffers(model).to_host().unwrap().concat();
    let second = drawn(2, 6, &[2, 3]);
    let expected = independent(&model);
    let _ = expected.logits(&second.clone().join(first.rows(&[0, 1])));
    let expected = state(&expected);
    for strategy in [
        &(|model: &Net| drop(mir.loss(model, &second).unwrap())) as &dyn Fn(&Net),
        &|model: &Net| drop(gss.loss(model, &second).unwrap()),
    ] {
        let model = independent(&model);
        strategy(&model);
        for (found, expected) in state(&model).into_iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn kept_gradients_point_in_different_directions() {
    let model = Two::new([0.3, -0.2]);
    let gss = GssConfig::new(4).with_seed(2).init(&model).unwrap();
    // All with label 0 have gradients within one quadrant; label 1 turns them round.
    let same = [[1.0, 1.0], [1.0, 0.9], [0.9, 1.0], [1.0, 0.8], [0.8, 1.0]];
    gss.loss(&model, &batch(&same[..4], &[0; 4])).unwrap();
    gss.loss(&model, &batch(&same, &[0; 5])).unwrap();
    assert_eq!(gss.memory().len(), 4);
    assert_eq!(gss.memory().seen(), 9);
    let labels = |gss: &regimen_continual::Gss<_>| {
        let memory = gss.memory();
        let labels: Vec<usize> = memory.iter().map(|kept| kept.label).collect();
        labels
    };
    assert_eq!(labels(&gss), [0; 4]);
    // Alike: none of the second five came in.
    let first: Vec<u64> = gss.memory().iter().map(|kept| kept.number()).collect();
    assert_eq!(first, [0, 1, 2, 3]);
    for _ in 0..4 {
        gss.loss(&model, &batch(&[[1.0, 1.0], [0.9, 0.9]], &[1, 1]))
            .unwrap();
    }
    assert!(labels(&gss).contains(&1));
    let scores = gss.scores();
    assert_eq!(scores.len(), 4);
    assert!(scores.iter().all(|score| (0.0..=2.0).contains(score)));
    let memory = gss.memory();
    let new = memory.iter().position(|kept| kept.label == 1).unwrap();
    let items: Vec<FloatRow> = memory.iter().map(|kept| kept.item.clone()).collect();
    let old = memory.iter().position(|kept| kept.label == 0);
    if let Some(old) = old {
        let (one, other) = (gradient(&model, &items[new]), gradient(&model, &items[old]));
        let dot: f64 = one.iter().zip(&other).map(|(a, b)| a * b).sum();
        assert!(dot < 0.0);
    }
}

#[test]
fn scores_by_hand() {
    let model = Two::new([0.0, 0.0]);
    let gss = GssConfig::new(3).init(&model).unwrap();
    // Gradients (p - y) x: (-.5, .5) for the first, (-.5, 0) for the second, (.5, -.5) for the third.
    gss.loss(&model, &batch(&[[1.0, 1.0]], &[0])).unwrap();
    gss.loss(&model, &batch(&[[1.0, 0.0]], &[0])).unwrap();
    gss.loss(&model, &batch(&[[1.0, 1.0]], &[1])).unwrap();
    let scores = gss.scores();
    let expected = [0.1, 1.0 + 0.5_f32.sqrt(), 1.0 - 0.5_f32.sqrt()];
    for (score, expected) in scores.iter().zip(expected) {
        assert!((score - expected).abs() < 1e-5, "{scores:?}");
    }
}

#[test]
fn a_balanced_memory_gives_shuffled_batches() {
    let model = Net::new(1);
    let gdumb = GDumbConfig::new(8).init(&model).unwrap();
    let like = drawn(0, 1, &[0]);
    assert!(matches!(
        gdumb.batches(3, 0, &like),
        Err(ContinualError::Empty(_))
    ));
    for (seed, classes) in [(1, [0, 1]), (2, [2, 3])] {
        for epoch in 0..3 {
            gdumb
                .observe(&drawn(10 * seed + epoch, 10, &classes))
                .unwrap();
        }
    }
    let counts = gdumb.memory().classes();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [2; 4]);
    let labels = |epoch| {
        let batches = gdumb.batches(3, epoch, &like).unwrap();
        let sizes: Vec<usize> = batches.iter().map(Examples::count).collect();
        assert_eq!(sizes, [3, 3, 2]);
        let items = batches.iter().flat_map(|batch| batch.items().unwrap());
        items.map(|item| item.values[0]).collect::<Vec<_>>()
    };
    let (first, second) = (labels(0), labels(1));
    assert_eq!(first, labels(0));
    assert_ne!(first, second);
    let sorted = |mut values: Vec<f32>| {
        values.sort_by(f32::total_cmp);
        values
    };
    assert_eq!(sorted(first), sorted(second));
    assert!(gdumb.batches(0, 0, &like).is_err());
    let batch = drawn(5, 4, &[0]);
    assert_eq!(scalar(gdumb.penalty(&model, &batch).unwrap()), 0.0);
}

#[test]
fn damaged_scores_are_refused() {
    let model = Two::new([0.3, -0.2]);
    let gss = GssConfig::new(4).init(&model).unwrap();
    gss.loss(&model, &batch(&[[1.0, 1.0], [0.0, 1.0]], &[0, 1]))
        .unwrap();
    let bytes = Part::save(&gss).unwrap();
    let mut again = GssConfig::new(4).init(&model).unwrap();
    for bad in ["[0.1,9.1]", "[0.1,-10]", "[0.10000]", "[0.1,nul]"] {
        let damaged = edited(&bytes, "[0.1,0.1]", bad, 1);
        assert!(again.load(&damaged).is_err(), "{bad}");
    }
    let other = edited(&bytes, "[0.1,0.1]", "[0.1,0.2]", 1);
    again.load(&other).unwrap();
    assert_eq!(again.scores(), [0.1, 0.2]);
}

#[test]
fn bad_settings() {
    let model = Two::new([0.0, 0.0]);
    let memory = MemoryConfig::reservoir(4);
    assert!(MirConfig::new(memory, -1.0).init(&model).is_err());
    assert!(
        MirConfig::new(memory, 0.1)
            .with_candidates(0)
            .init(&model)
            .is_err()
    );
    assert!(GssConfig::new(0).init(&model).is_err());
    assert!(GssConfig::new(4).with_gradients(0).init(&model).is_err());
    assert!(GssConfig::new(4).with_replay(Some(0)).init(&model).is_err());
    assert!(GDumbConfig::new(0).init(&model).is_err());
}
