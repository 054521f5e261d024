//! Learning without forgetting by hand, and with batch norm.

use approx::assert_relative_eq;
use burn::optim::SgdConfig;
use burn::tensor::{FloatDType, Tensor};
use regimen_continual::{Classifier, ContinualError, Lwf, LwfConfig, Strategy, Task, plain_loss};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::{ParamVector, Prepared};

use super::models::{Net, bit, bits, drawn};
use super::two::{Two, batch};

fn training(lwf: &Lwf, model: Net, seed: u64) -> Net {
    let mut optim = SgdConfig::new().init();
    let batch = drawn(seed, 8, &[2, 3]);
    let loss = Strategy::loss(lwf, &model, &batch).unwrap();
    let grads = burn::optim::GradientsParams::from_grads(loss.backward(), &model);
    lwf.optimize(model, &mut optim, 0.1, grads)
}

/// z_old = (2, 1), z = (1, 1.5), T = 2: teacher (.62245933, .37754067), student (.4378235, .5621765).
#[test]
fn the_penalty_by_hand() {
    let old = Two::new([2.0, 1.0]);
    let ones = batch(&[[1.0, 1.0]], &[0]);
    let lwf = LwfConfig::new().with_alpha(0.5).init(&old).unwrap();
    assert_eq!(bit(lwf.penalty(&old, &ones).unwrap()), 0);
    let both = batch(&[[1.0, 1.0], [0.5, 0.5]], &[0, 1]);
    let model = lwf.after_task(old, &Prepared(vec![both])).unwrap();
    assert_eq!(lwf.old_classes(), [0, 1]);
    let model = model.with([1.0, 1.5]);
    let (p, q) = (
        [0.622_459_33_f32, 0.377_540_67],
        [0.437_823_5_f32, 0.562_176_5],
    );
    let kl: f32 = (0..2).map(|k| p[k] * (p[k] / q[k]).ln()).sum();
    let value = lwf.penalty(&model, &ones).unwrap().into_scalar::<f32>();
    assert_relative_eq!(value, 0.5 * kl, epsilon = 1e-6);
}

#[test]
fn new_classes_do_not_count_and_the_network_at_its_end_gives_zero() {
    let lwf = LwfConfig::new().init(&Net::new(1)).unwrap();
    let data = Prepared(vec![drawn(2, 8, &[0, 1])]);
    let task = Task {
        id: 0,
        classes: vec![1, 0],
        examples: 8,
    };
    let model = lwf.before_task(Net::new(1), &task).unwrap();
    let model = lwf.after_task(model, &data).unwrap();
    assert_eq!(lwf.old_classes(), [0, 1]);
    let plain = burn::module::Module::valid(&model);
    let inner = regimen_continual::Examples::inner(&drawn(3, 8, &[2, 3]));
    let value = lwf.penalty(&plain, &inner).unwrap();
    assert!(value.into_scalar::<f32>().abs() < 1e-6);
}

#[test]
fn the_earlier_network_does_not_move_with_the_present_one() {
    let lwf = LwfConfig::new().init(&Net::new(1)).unwrap();
    let model = lwf
        .after_task(Net::new(1), &Prepared(vec![drawn(2, 8, &[0, 1])]))
        .unwrap();
    let before = Part::save(&lwf).unwrap();
    let mut model = model;
    for seed in 0..3 {
        model = training(&lwf, model, seed);
    }
    assert!(Strategy::<Net>::status(&lwf).is_ok());
    assert_eq!(Strategy::<Net>::steps(&lwf).taken(), 3);
    // What is saved differs by the count of steps alone.
    let mut fresh = LwfConfig::new().init(&Net::new(5)).unwrap();
    fresh.load(&before).unwrap();
    let probe = drawn(9, 8, &[2]);
    let still = regimen_tensor::independent(&model);
    assert_eq!(
        bit(lwf.penalty(&still, &probe).unwrap()),
        bit(fresh
            .penalty(&regimen_tensor::independent(&model), &probe)
            .unwrap())
    );
}

#[test]
fn running_statistics_move_once_a_step() {
    let lwf = LwfConfig::new().init(&Net::new(1)).unwrap();
    let model = lwf
        .after_task(Net::new(1), &Prepared(vec![drawn(2, 8, &[0, 1])]))
        .unwrap();
    let plain = regimen_tensor::independent(&model);
    let batch = drawn(3, 8, &[2, 3]);
    let _ = plain_loss(&plain, &batch);
    let _ = Strategy::loss(&lwf, &model, &batch).unwrap();
    assert_eq!(bits(&model), bits(&plain));
}

#[test]
fn a_restored_run_goes_on_bit_for_bit() {
    let config = LwfConfig::new();
    let lwf = config.init(&Net::new(1)).unwrap();
    let data = Prepared(vec![drawn(2, 8, &[0, 1])]);
    let model = lwf.after_task(Net::new(1), &data).unwrap();
    let model = training(&lwf, model, 3);
    let (bytes, kept) = (
        Part::save(&lwf).unwrap(),
        regimen_tensor::independent(&model),
    );
    let straight = training(&lwf, model, 4);
    let mut again = config.init(&kept).unwrap();
    again.load(&bytes).unwrap();
    let resumed = training(&again, kept, 4);
    assert_eq!(bits(&straight), bits(&resumed));
    assert_eq!(Strategy::<Net>::steps(&again).taken(), 2);
    let count = bytes.len();
    for cut in [0, 7, count / 2, count - 1] {
        assert!(again.load(&bytes[..cut]).is_err());
    }
    let mut other = config.init(&Two::new([0.0, 0.0])).unwrap();
    assert!(other.load(&bytes).is_err());
}

#[test]
fn half_precision_and_weights_that_are_not_finite() {
    let lwf = LwfConfig::new().init(&Two::new([2.0, 1.0])).unwrap();
    let model = Two::new([2.0, 1.0]);
    let half = Two {
        w: model.w.clone().map(|w| w.cast(FloatDType::BF16)),
    };
    let (inputs, labels) = batch(&[[1.0, 1.0]], &[0]);
    let rows = (inputs.cast(FloatDType::BF16), labels);
    let half = lwf.after_task(half, &Prepared(vec![rows.clone()])).unwrap();
    let value = lwf.penalty(&half, &rows).unwrap();
    assert_eq!(value.dtype(), FloatDType::F32.into());
    let broken = model.with([f32::NAN, 0.0]);
    let failed = lwf.after_task(broken, &Prepared(vec![batch(&[[1.0, 1.0]], &[0])]));
    assert!(matches!(failed, Err(ContinualError::NotFinite(_))));
    assert!(ParamVector::of(&half).len() == 2);
    let _: Tensor<2> = half.logits(&rows);
}

#[test]
fn bad_settings() {
    let model = Two::new([0.0, 0.0]);
    for (alpha, temperature) in [
        (-1.0, 2.0),
        (f64::NAN, 2.0),
        (1.0, 0.0),
        (1.0, f64::INFINITY),
    ] {
        let config = LwfConfig::new()
            .with_alpha(alpha)
            .with_temperature(temperature);
        assert!(config.init(&model).is_err());
    }
}
