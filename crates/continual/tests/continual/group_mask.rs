//! The loss among the classes of the mini-batch, and the head with rows of length 1.

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use proptest::prelude::*;
use regimen_continual::{
    Classifier, GroupMask, Strategy as _, WeightNormLinearConfig, group_masked, plain_loss,
};
use regimen_tensor::ParamVector;

use super::models::{Net, bits, drawn};

#[test]
fn absent_classes_keep_their_rows_and_present_ones_move() {
    let (model, mask) = (Net::new(1), GroupMask::default());
    let batch = drawn(2, 6, &[1, 3]);
    let head = |model: &Net| {
        let vector = ParamVector::of(model);
        let at = vector
            .entries()
            .iter()
            .position(|entry| entry.path == "head.weight");
        vector.to_host().unwrap()[at.unwrap()].clone()
    };
    let before = head(&model);
    let loss = mask.loss(&model, &batch).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let after = head(&mask.optimize(model, &mut SgdConfig::new().init(), 0.5, grads));
    for place in 0..24 {
        // Row-major, `[features, classes]`.
        let present = [1, 3].contains(&(place % 4));
        assert!(present || before[place] == after[place]);
    }
    assert!(before != after);
}

#[test]
fn scores_are_among_all_classes_and_the_penalty_is_the_difference() {
    let (model, mask) = (Net::new(1), GroupMask::default());
    let batch = drawn(2, 6, &[1, 3]);
    let scores = mask.logits(&model, &batch).unwrap();
    let own = model.logits(&batch);
    assert_eq!(
        scores.try_into_vec_as::<f32>().unwrap(),
        own.try_into_vec_as::<f32>().unwrap()
    );
    let value = |loss: Tensor<1>| loss.into_scalar::<f32>();
    let whole = value(mask.loss(&model, &batch).unwrap());
    let plain = value(plain_loss(&model, &batch));
    let penalty = value(mask.penalty(&model, &batch).unwrap());
    assert!(whole < plain && (whole - plain - penalty).abs() < 1e-6);
}

#[test]
fn a_step_with_all_classes_is_the_plain_one() {
    let batch = drawn(3, 8, &[0, 1, 2, 3]);
    let stepped = |loss: Tensor<1>, model: Net, mask: &GroupMask| {
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        bits(&mask.optimize(model, &mut SgdConfig::new().init(), 0.5, grads))
    };
    let mask = GroupMask::default();
    let (a, b) = (Net::new(1), Net::new(1));
    let masked = stepped(mask.loss(&a, &batch).unwrap(), a, &mask);
    let plain = stepped(plain_loss(&b, &batch), b, &mask);
    assert_eq!(masked, plain);
}

#[test]
fn a_head_of_directions_by_hand() {
    let device = Device::flex().autodiff();
    let mut head = WeightNormLinearConfig::new(2, 2).init(&device).unwrap();
    // Columns are classes: (3, 4) and (0, 2).
    head.weight = head
        .weight
        .map(|_| Tensor::<2>::from_data([[3.0, 0.0], [4.0, 2.0]], &device).require_grad());
    let logits = head.forward(Tensor::from_data([[1.0, 1.0]], &device));
    let found: Vec<f32> = logits.clone().try_into_vec_as().unwrap();
    assert!((found[0] - 1.4).abs() < 1e-6 && (found[1] - 1.0).abs() < 1e-6);
    // Twice as long a row is the same class, and no gradient goes along a row.
    let grads = logits.sum().backward();
    let gradient: Vec<f32> = head
        .weight
        .val()
        .grad(&grads)
        .unwrap()
        .try_into_vec_as()
        .unwrap();
    assert!((3.0 * gradient[0] + 4.0 * gradient[2]).abs() < 1e-6);
    assert!(gradient[3].abs() < 1e-6 && (gradient[1] - 0.5).abs() < 1e-6);
    assert!(WeightNormLinearConfig::new(0, 2).init(&device).is_err());
    assert!(
        WeightNormLinearConfig::new(1 << 20, 1 << 20)
            .init(&device)
            .is_err()
    );
}

proptest! {
    /// The logits of classes with a label stay to the bit, all others are -1e9.
    #[test]
    fn a_mask_is_of_the_labels_of_the_batch(
        labels in proptest::collection::vec(0_i64..5, 1..9), seed in any::<u64>(),
    ) {
        let device = Device::flex();
        let count = labels.len();
        let values: Vec<f32> = (0..5 * count).map(|place| (seed.rotate_left(place as u32) % 1000) as f32).collect();
        let logits = Tensor::<2>::from_data(TensorData::new(values.clone(), [count, 5]), &device);
        let of_batch = Tensor::<1, Int>::from_data(TensorData::new(labels.clone(), [count]), &device);
        let masked: Vec<f32> = group_masked(logits, of_batch).try_into_vec_as().unwrap();
        for (place, (before, after)) in values.iter().zip(masked).enumerate() {
            let expected = if labels.contains(&(place as i64 % 5)) { *before } else { -1e9 };
            prop_assert_eq!(expected, after);
        }
    }
}
