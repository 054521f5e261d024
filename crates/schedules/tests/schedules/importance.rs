//! Two losses under one weight, and a bridge between two decoders.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use regimen_schedules::values::per_length;
use regimen_schedules::{AnySchedule, Between, Bridge, Constant, Curve, Importance};

fn one(value: f32, device: &Device) -> Tensor<1> {
    Tensor::from_data([value], device)
}

fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

#[test]
fn totals_on_the_device_are_those_of_numbers() {
    let device = Device::flex();
    let importance = Importance::linear(10).unwrap();
    for (step, expected) in [(0, 4.0), (1, 3.8), (5, 3.0), (9, 2.2), (10, 2.0), (99, 2.0)] {
        let total = importance.combine(step, one(2.0, &device), one(4.0, &device));
        assert!((scalar(total.unwrap()) - expected).abs() < 1e-6);
    }
    let never = one(f32::INFINITY, &device);
    let total = importance.combine(0, never.clone(), one(4.0, &device));
    assert_eq!(scalar(total.unwrap()), 4.0);
    let total = importance.combine(10, one(2.0, &device), never);
    assert_eq!(scalar(total.unwrap()), 2.0);
}

#[test]
fn gradients_carry_the_weights() {
    let device = Device::flex().autodiff();
    let importance = Importance::linear(4).unwrap();
    for (step, expected) in [(0, [0.0, 2.0]), (1, [0.75, 1.5]), (4, [3.0, 0.0])] {
        let [x, y] = [1.0, 1.0].map(|value| one(value, &device).require_grad());
        let total = importance.combine(step, x.clone() * 3.0, y.clone() * 2.0);
        let gradients = total.unwrap().backward();
        let found = [x, y].map(|leaf| leaf.grad(&gradients).map_or(0.0, scalar));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_restart_at_any_step_goes_on_with_the_same_weights() {
    let lambda: AnySchedule = Between::new(0.0, 1.0, 3, 30, Curve::Cosine).unwrap().into();
    let straight = Importance::new(lambda);
    let weights = |importance: &Importance<AnySchedule>, step| importance.weights(step).unwrap();
    for stop in 0..40 {
        let saved = serde_json::to_string(&(&straight, stop)).unwrap();
        let (resumed, step): (Importance<AnySchedule>, usize) =
            serde_json::from_str(&saved).unwrap();
        for step in step..40 {
            assert_eq!(weights(&resumed, step), weights(&straight, step));
        }
    }
}

#[test]
fn sums_over_sequences_become_means_per_length() {
    let device = Device::flex();
    let losses = Tensor::<1>::from_data([6.0, 10.0, 1.0], &device);
    let lengths = Tensor::<1, Int>::from_data([3, 5, 0], &device);
    let mean = per_length(losses.clone(), lengths).unwrap();
    assert!((scalar(mean) - 5.0 / 3.0).abs() < 1e-6);
    let short = Tensor::<1, Int>::from_data([3, 5], &device);
    let message = per_length(losses, short).unwrap_err().to_string();
    assert!(message.contains("`lengths` is of shape [2]"), "{message}");
    let none = Tensor::<1>::zeros([0], &device);
    assert!(per_length(none.clone(), none.int()).is_err());
}

#[test]
fn a_bridge_joins_values_and_blocks_gradients() {
    let device = Device::flex().autodiff();
    for bridge in [Bridge::Blocked, Bridge::Open] {
        let weight = Tensor::<3>::full([2, 3, 4], 2.0, &device).require_grad();
        let memory = Tensor::<3>::ones([2, 5, 4], &device).require_grad();
        let features = weight.clone() * 3.0;
        let joined = bridge.join(features.clone(), memory.clone()).unwrap();
        let first = joined.clone().inner().narrow(1, 0, 3);
        assert_eq!(first.into_data(), features.clone().inner().into_data());
        // The decoder's own loss still reaches it.
        let gradients = (joined.sum() + features.sum()).backward();
        let found = weight.grad(&gradients).unwrap().max().into_scalar::<f32>();
        assert_eq!(found, if bridge == Bridge::Open { 6.0 } else { 3.0 });
        assert!(memory.grad(&gradients).is_some());
    }
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let device = Device::flex();
    let zeros = |shape: [usize; 3]| Tensor::<3>::zeros(shape, &device);
    for features in [[1, 3, 4], [2, 3, 5]] {
        let joined = Bridge::Blocked.join(zeros(features), zeros([2, 5, 4]));
        assert!(joined.unwrap_err().to_string().contains("`features`"));
    }
    let half = Importance::new(Constant::new(0.5).unwrap());
    let pair = Tensor::<1>::zeros([2], &device);
    assert!(half.combine(0, one(1.0, &device), pair).is_err());
    let above = Importance::new(Constant::new(1.1).unwrap());
    assert!(
        above
            .combine(0, one(1.0, &device), one(1.0, &device))
            .is_err()
    );
}

#[test]
fn losses_of_half_precision_and_of_two_types_are_combined() {
    let device = Device::flex();
    let importance = Importance::linear(2).unwrap();
    for dtype in [DType::BF16, DType::F16] {
        let half = || Tensor::<1>::full([1], 3.0, (&device, dtype));
        let full = || one(1.0, &device);
        for step in 0..3 {
            let total = importance.combine(step, half(), full()).unwrap();
            assert_eq!(total.dtype(), dtype);
            assert_eq!(scalar(total), 1.0 + step as f64);
            let total = importance.combine(step, full(), half()).unwrap();
            assert_eq!(total.dtype(), DType::F32);
            assert_eq!(scalar(total), 3.0 - step as f64);
        }
        // 2570 has no number of its own in bf16.
        let losses = Tensor::<1>::from_data(TensorData::from([2560.0_f32]), (&device, dtype));
        let lengths = Tensor::<1, Int>::from_data([2570], &device);
        let mean = per_length(losses, lengths).unwrap();
        assert_eq!(mean.dtype(), dtype);
        assert!((scalar(mean) - 2560.0 / 2570.0).abs() < 2e-3);
        let features = Tensor::<3>::ones([1, 2, 4], (&device, dtype));
        let memory = Tensor::<3>::ones([1, 3, 4], &device);
        let joined = Bridge::Blocked.join(features, memory).unwrap();
        assert_eq!((joined.dims(), joined.dtype()), ([1, 5, 4], DType::F32));
    }
}
