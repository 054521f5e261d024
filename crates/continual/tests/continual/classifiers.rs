//! Classifiers of class means, and corrections of heads, by hand-worked values.

use approx::assert_relative_eq;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_continual::{
    BiasCorrection, NearestMean, NearestMeanConfig, Slda, SldaConfig, align_weights,
};
use regimen_tensor::Part;

type Rows = (Tensor<2>, Tensor<1, Int>);

fn rows<const N: usize, const D: usize>(features: [[f32; D]; N], labels: [i64; N]) -> Rows {
    let device = Device::flex();
    (
        Tensor::from_data(features, &device),
        Tensor::from_data(labels, &device),
    )
}

fn values(scores: Tensor<2>) -> Vec<f32> {
    scores.try_into_vec_as().unwrap()
}

fn means(classes: usize, width: usize) -> NearestMean {
    let config = NearestMeanConfig::new(classes, width);
    config.init(&Device::flex()).unwrap()
}

fn slda(classes: usize, width: usize, shrinkage: f64) -> Slda {
    let config = SldaConfig::new(classes, width).with_shrinkage(shrinkage);
    config.init(&Device::flex()).unwrap()
}

/// Means (1, 0) and (0, 4), covariance diag(.5, 2); class 1 is not known.
fn four() -> Rows {
    rows(
        [[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 6.0]],
        [0, 2, 0, 2],
    )
}

#[test]
fn the_nearest_mean_by_hand() {
    let mut nearest = means(3, 2);
    let (features, labels) = four();
    nearest.add(features, labels).unwrap();
    assert_eq!(nearest.counts(), [2, 0, 2]);
    assert_eq!(values(nearest.means()), [1.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
    let scores = nearest.logits(rows([[1.0, 1.0]], [0]).0).unwrap();
    assert_eq!(values(scores), [-1.0, f32::MIN, -10.0]);
    assert_eq!(nearest.bytes(), 4 * 6 + 8 * 3);
}

/// `L = diag(2, .5)` without shrinkage, `diag(4/3, 2/3)` with a half.
#[test]
fn slda_by_hand() {
    for (shrinkage, expected) in [
        (0.0, [2.0 - 1.0, 2.0 - 4.0]),
        (0.5, [4.0 / 3.0 - 2.0 / 3.0, 8.0 / 3.0 - 16.0 / 3.0]),
    ] {
        let mut slda = slda(3, 2, shrinkage);
        let (features, labels) = four();
        slda.add(features, labels).unwrap();
        assert_eq!(values(slda.covariance()), [0.5, 0.0, 0.0, 2.0]);
        let scores = values(slda.logits(rows([[1.0, 1.0]], [0]).0).unwrap());
        assert_relative_eq!(scores[0], expected[0], epsilon = 1e-6);
        assert_relative_eq!(scores[2], expected[1], epsilon = 1e-6);
        assert_eq!(scores[1], f32::MIN);
    }
}

/// The solve is made anew after more examples.
#[test]
fn what_is_added_later_counts() {
    let mut slda = slda(2, 1, 0.5);
    let (features, labels) = rows([[0.0], [2.0], [3.0], [5.0]], [0, 0, 1, 1]);
    slda.add(features, labels).unwrap();
    let at = |slda: &Slda| values(slda.logits(rows([[2.4]], [0]).0).unwrap());
    assert!(at(&slda)[0] > at(&slda)[1]);
    let (features, labels) = rows([[-9.0], [-9.0]], [0, 0]);
    slda.add(features, labels).unwrap();
    assert!(at(&slda)[0] < at(&slda)[1]);
}

/// Whatever all features share, differences decide.
#[test]
fn a_large_common_part_changes_no_nearest_mean() {
    let mut nearest = means(2, 2);
    let (features, labels) = rows([[3e4, 3e4 + 1.0], [3e4, 3e4 + 2.0]], [0, 1]);
    nearest.add(features, labels).unwrap();
    let scores = nearest.logits(rows([[3e4, 3e4 + 1.25]], [0]).0).unwrap();
    assert_eq!(values(scores), [-0.0625, -0.5625]);
}

#[test]
fn features_of_any_type_and_device_serve() {
    let train = Device::flex().autodiff();
    let config = SldaConfig::new(3, 2).with_shrinkage(0.5);
    let mut slda = config.init(&train).unwrap();
    let (features, labels) = four();
    let features = Tensor::<2>::from_data(features.into_data(), &train).require_grad();
    let half = features.cast(FloatDType::BF16);
    slda.add(half.clone(), labels).unwrap();
    let scores = slda.logits(half).unwrap();
    assert_eq!((scores.dims(), scores.dtype()), ([4, 3], DType::F32));
    assert!(scores.is_autodiff() && !slda.means().is_autodiff());
    scores.narrow(1, 0, 1).sum().backward();
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let (features, labels) = four();
    let mut slda = slda(3, 2, 1e-4);
    slda.add(features.clone(), labels.clone()).unwrap();
    let mut nearest = means(3, 2);
    nearest.add(features.clone(), labels.clone()).unwrap();
    let before = (nearest.save().unwrap(), slda.save().unwrap());
    let wide = rows([[1.0, 2.0, 3.0]], [0]);
    let few = (features.clone(), rows([[0.0]], [0]).1);
    let nan = rows([[f32::NAN, 0.0]], [1]);
    let huge = rows([[3e38, 0.0], [3e38, 0.0]], [1, 1]);
    let squares = rows([[1e30, 0.0]], [0]);
    let unknown = rows([[1.0, 0.0], [1.0, 0.0]], [0, 3]);
    let negative = rows([[1.0, 0.0]], [-1]);
    for (place, (x, y)) in [wide, few, nan, huge, unknown, negative, squares]
        .into_iter()
        .enumerate()
    {
        // The mean of one large example is finite, its square is not.
        let serves = place == 6;
        let mut other = nearest.clone();
        assert_eq!(other.add(x.clone(), y.clone()).is_ok(), serves, "{place}");
        assert!(slda.add(x.clone(), y).is_err(), "{place}");
    }
    assert_eq!(before, (nearest.save().unwrap(), slda.save().unwrap()));
    assert!(means(3, 2).logits(features.clone()).is_err());
    let error = super_singular().unwrap_err().to_string();
    assert!(error.contains("`shrinkage` 0 is too small"), "{error}");
}

/// Two features that are the same.
fn super_singular() -> regimen_continual::Result<Tensor<2>> {
    let mut slda = slda(2, 2, 0.0);
    let (features, labels) = rows([[0.0, 0.0], [2.0, 2.0], [5.0, 5.0]], [0, 0, 1]);
    slda.add(features.clone(), labels)?;
    slda.logits(features)
}

/// `count` examples of three classes in four dimensions, as whole numbers of quarters.
fn drawn(count: usize) -> impl proptest::strategy::Strategy<Value = Vec<([i8; 4], u8)>> {
    prop::collection::vec((any::<[i8; 4]>(), 0_u8..3), count..=count)
}

fn batch(examples: &[([i8; 4], u8)]) -> Rows {
    let features = examples
        .iter()
        .flat_map(|(x, _)| x.map(|x| f32::from(x) / 4.0));
    let features = TensorData::new(features.collect::<Vec<_>>(), [examples.len(), 4]);
    let labels = examples.iter().map(|(_, label)| i64::from(*label));
    let labels = TensorData::new(labels.collect::<Vec<_>>(), [examples.len()]);
    let device = Device::flex();
    (
        Tensor::from_data(features, &device),
        Tensor::from_data(labels, &device),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// In one batch, or in another order one by one and saved and restored on the way.
    #[test]
    fn the_order_of_examples_changes_nothing(examples in drawn(24), seed in any::<u64>(), cut in 1_usize..9) {
        let (mut nearest, mut of_all) = (means(3, 4), slda(3, 4, 0.1));
        let (features, labels) = batch(&examples);
        nearest.add(features.clone(), labels.clone()).unwrap();
        of_all.add(features.clone(), labels).unwrap();
        let mut shuffled = examples;
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (mut other, mut streamed) = (means(3, 4), slda(3, 4, 0.1));
        for part in shuffled.chunks(cut) {
            let (x, y) = batch(part);
            other.add(x.clone(), y.clone()).unwrap();
            streamed.add(x, y).unwrap();
            let mut again = slda(3, 4, 0.1);
            again.load(&streamed.save().unwrap()).unwrap();
            streamed = again;
        }
        prop_assert_eq!(nearest.counts(), other.counts());
        let close = |a: Tensor<2>, b: Tensor<2>, scale: f32| {
            values(a).into_iter().zip(values(b)).all(|(a, b)| (a - b).abs() <= 1e-4 * scale)
        };
        prop_assert!(close(nearest.means(), other.means(), 32.0));
        prop_assert!(close(of_all.means(), streamed.means(), 32.0));
        prop_assert!(close(of_all.covariance(), streamed.covariance(), 1024.0));
        let scores = (of_all.logits(features.clone()).unwrap(), streamed.logits(features).unwrap());
        prop_assert!(close(scores.0, scores.1, 1024.0));
    }

    /// `2 (mu f - mu mu / 2) - f f` is minus the squared distance.
    #[test]
    fn with_the_identity_slda_is_the_nearest_mean(examples in drawn(12)) {
        let (mut nearest, mut one) = (means(3, 4), slda(3, 4, 1.0));
        let (features, labels) = batch(&examples);
        nearest.add(features.clone(), labels.clone()).unwrap();
        one.add(features.clone(), labels).unwrap();
        let squares = features.clone().square().sum_dim(1);
        let expected = one.logits(features.clone()).unwrap() * 2.0 - squares;
        let found = values(nearest.logits(features).unwrap());
        for (found, expected) in found.into_iter().zip(values(expected)) {
            prop_assert!(found == f32::MIN || (found - expected).abs() < 0.05, "{found} {expected}");
        }
    }
}

fn head(weight: [[f32; 4]; 2]) -> Linear {
    let device = Device::flex().autodiff();
    let mut head = LinearConfig::new(2, 4).init(&device);
    head.weight = Param::from_data(weight, &device);
    head
}

/// Lengths 5 and 1 of the old classes, 1 and 2 of the new ones: a factor of 2.
#[test]
fn new_weights_get_the_length_of_old_ones() {
    let before = head([[3.0, 0.0, 1.0, 0.0], [4.0, 1.0, 0.0, 2.0]]);
    let bias = before.bias.clone().unwrap().val();
    let after = align_weights(before.clone(), &[0, 1], &[2, 3]).unwrap();
    let weights = values(after.weight.val().inner());
    assert_eq!(weights, [3.0, 0.0, 2.0, 0.0, 4.0, 1.0, 0.0, 4.0]);
    assert!(after.weight.val().is_require_grad());
    assert_eq!(after.weight.id, before.weight.id);
    assert_eq!(after.bias.unwrap().val().into_data(), bias.into_data());
    let frozen = align_weights(before.clone().freeze(), &[0], &[3]).unwrap();
    assert!(!frozen.weight.val().is_require_grad());
    for (old, new) in [
        (&[0, 1][..], &[1][..]),
        (&[], &[1]),
        (&[0], &[]),
        (&[0], &[4]),
    ] {
        assert!(align_weights(before.clone(), old, new).is_err());
    }
    let none = head([[0.0; 4]; 2]);
    let error = align_weights(none, &[0], &[1]).unwrap_err().to_string();
    assert!(error.contains("mean length 0"), "{error}");
}

/// Pairs of equal new logits: the corrected one is `log(share / (1 - share))` of the new class among them. At 1 it is three of four,
/// at 3 one of four: `scale + offset = log 3`, `3 scale + offset = -log 3`.
#[test]
fn bias_correction_by_hand() {
    let (logits, labels) = rows(
        [
            [0.0, 1.0],
            [0.0, 1.0],
            [0.0, 1.0],
            [0.0, 1.0],
            [0.0, 3.0],
            [0.0, 3.0],
            [0.0, 3.0],
            [0.0, 3.0],
        ],
        [1, 1, 1, 0, 1, 0, 0, 0],
    );
    let correction = BiasCorrection::fit(logits.clone(), labels, &[1]).unwrap();
    let log3 = 3.0_f64.ln();
    assert_relative_eq!(correction.scale(), -log3, epsilon = 0.02);
    assert_relative_eq!(correction.offset(), 2.0 * log3, epsilon = 0.04);
    let corrected = values(correction.apply(logits.clone()).unwrap());
    assert_relative_eq!(corrected[1], log3 as f32, epsilon = 0.03);
    assert_eq!(corrected[0], 0.0);
    assert!(correction.apply(logits.narrow(1, 0, 1)).is_err());
}

/// Without a fault among them the loss has no least value of its own.
#[test]
fn bias_correction_of_separate_classes_is_finite() {
    let (logits, labels) = rows([[0.0, 5.0], [0.0, 6.0]], [0, 1]);
    let correction = BiasCorrection::fit(logits.clone(), labels, &[1]).unwrap();
    assert!(correction.scale().is_finite() && correction.offset().is_finite());
    let corrected = values(correction.apply(logits).unwrap());
    assert!(corrected[1] < 0.0 && corrected[3] > 0.0, "{corrected:?}");
}
