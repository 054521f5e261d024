//! Properties of dampening and of the baselines.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "unlearning/bad_input.rs"]
mod bad_input;
#[path = "unlearning/conformance.rs"]
mod conformance;
mod forgetting;
mod metric_docs;
mod released;
#[path = "unlearning/states.rs"]
mod states;
#[path = "unlearning/watched.rs"]
mod watched;

use std::sync::Arc;

use burn::data::dataset::{Dataset, InMemDataset};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use proptest::prelude::*;
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, fisher};
use regimen_unlearning::{Split, SsdConfig, membership_inference, relabel};

const SIZE: usize = 12;

fn model(device: &Device) -> Linear {
    LinearConfig::new(SIZE / 2, 2).with_bias(false).init(device)
}

fn vector(model: &Linear, values: &[f32]) -> ParamVector {
    ParamVector::of(model)
        .from_host(vec![values.to_vec()])
        .unwrap()
}

fn host(vector: &ParamVector) -> Vec<f32> {
    vector.to_host().unwrap().concat()
}

fn importances() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![Just(0.0_f32), 1e-6_f32..1e3], SIZE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn factors_never_grow_a_weight(all in importances(), forget in importances(), alpha in 0.1..50.0, lambda in 0.1..5.0) {
        let model = model(&Device::flex());
        let ssd = SsdConfig::new().with_alpha(alpha).with_lambda(lambda).init().unwrap();
        let (a, f) = (vector(&model, &all), vector(&model, &forget));
        let factors = host(&ssd.factors(&a, &f).unwrap());
        for i in 0..SIZE {
            prop_assert!((0.0..=1.0).contains(&factors[i]));
            if forget[i] == 0.0 {
                prop_assert_eq!(factors[i], 1.0);
            } else if all[i] == 0.0 {
                prop_assert_eq!(factors[i], 0.0);
            }
        }
    }

    #[test]
    fn a_common_factor_of_both_importances_changes_nothing(all in importances(), forget in importances(), power in -6_i32..6) {
        let model = model(&Device::flex());
        let ssd = SsdConfig::new().init().unwrap();
        let (a, f) = (vector(&model, &all), vector(&model, &forget));
        let c = 2.0_f64.powi(power);
        let one = host(&ssd.factors(&a, &f).unwrap());
        let two = host(&ssd.factors(&a.scale(c), &f.scale(c)).unwrap());
        prop_assert_eq!(one, two);
    }

    #[test]
    fn an_enormous_alpha_changes_nothing(all in importances(), forget in importances()) {
        let all: Vec<f32> = all.into_iter().map(|value| value.max(1e-6)).collect();
        let model = model(&Device::flex());
        let before = host(&ParamVector::of(&model));
        let ssd = SsdConfig::new().with_alpha(1e30).init().unwrap();
        let dampened = ssd.dampen(model.clone(), &vector(&model, &all), &vector(&model, &forget)).unwrap();
        prop_assert_eq!(host(&ParamVector::of(&dampened.model)), before);
        prop_assert_eq!(dampened.edited, 0);
    }

    #[test]
    fn a_wrong_label_is_wrong(labels in prop::collection::vec(0_usize..7, 0..40), seed in any::<u64>()) {
        let other = relabel(&labels, 7, seed).unwrap();
        prop_assert!(labels.iter().zip(&other).all(|(a, b)| a != b && *b < 7));
        prop_assert_eq!(other, relabel(&labels, 7, seed).unwrap());
    }

    #[test]
    fn an_attackers_score_is_a_share(retain in prop::collection::vec(0.0..2.3, 3..40), test in prop::collection::vec(0.0..2.3, 3..40)) {
        let score = membership_inference(&retain, &test, &retain).unwrap();
        prop_assert!((0.0..=1.0).contains(&score));
    }
}

type Batch = (Tensor<2>, Tensor<1, Int>);

fn batches(device: &Device, count: usize) -> Vec<Batch> {
    let batch = |i: usize| {
        let x = Tensor::<1, Int>::arange(0..(4 * SIZE / 2) as i64, device).float() * 0.1 + i as f64;
        let y = Tensor::<1, Int>::from_data([0, 1, 1, (i % 2) as i32], device);
        ((x.reshape([4, SIZE / 2]) * 1.7).sin(), y)
    };
    (0..count).map(batch).collect()
}

fn loss(model: &Linear, (x, y): Batch) -> Tensor<1> {
    cross_entropy(model.forward(x), y).mean()
}

#[test]
fn forgetting_everything_changes_nothing() {
    let device = Device::flex().autodiff();
    let model = model(&device);
    let before = host(&ParamVector::of(&model));
    let ssd = SsdConfig::new().with_alpha(1.0).init().unwrap();
    let all = batches(&device, 5);
    let dampened = ssd.forget(model, all.clone(), all, loss).unwrap();
    assert_eq!(host(&ParamVector::of(&dampened.model)), before);
}

#[test]
fn a_run_stopped_between_the_passes_gives_the_same_weights() {
    let device = Device::flex().autodiff();
    // Fixed weights: other tests draw from the same generator meanwhile.
    let model = model(&device);
    let weights: Vec<f32> = (0..SIZE).map(|i| 0.3 * (i as f32 * 1.7).sin()).collect();
    let model = vector(&model, &weights).write_to(model).unwrap();
    let all = batches(&device, 6);
    let forget = all[1..2].to_vec();
    // The ratios of the importances lie between 1.3 and 2.6: of each of the six inputs' two weights the same.
    let ssd = SsdConfig::new().with_alpha(1.9).init().unwrap();
    let straight = ssd
        .forget(model.clone(), all.clone(), forget.clone(), loss)
        .unwrap();
    assert_eq!((straight.edited, straight.total), (6, SIZE));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("importance.safetensors");
    fisher::batch_diagonal(&model, all, loss)
        .unwrap()
        .save(&path)
        .unwrap();
    let all = ParamVector::load(&path, &ParamVector::of(&model)).unwrap();
    let forget = fisher::batch_diagonal(&model, forget, loss).unwrap();
    let resumed = ssd.dampen(model, &all, &forget).unwrap();
    let bits = |model: &Linear| -> Vec<u32> {
        host(&ParamVector::of(model))
            .into_iter()
            .map(f32::to_bits)
            .collect()
    };
    assert_eq!(bits(&resumed.model), bits(&straight.model));
}

#[test]
fn importances_of_another_model_are_refused() {
    let (one, two) = (model(&Device::flex()), model(&Device::flex()));
    let ssd = SsdConfig::new().init().unwrap();
    let ones = |model: &Linear| ParamVector::of(model).map(|_, v| v.ones_like());
    assert!(ssd.dampen(one.clone(), &ones(&one), &ones(&two)).is_err());
    assert!(ssd.dampen(one, &ones(&two), &ones(&two)).is_err());
}

#[test]
fn a_config_survives_serde() {
    let config = SsdConfig::new().with_alpha(5.0);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<SsdConfig>(&text).unwrap(), config);
}

#[test]
fn a_split_needs_both_parts() {
    let data = Arc::new(InMemDataset::new(vec![1, 2, 3]));
    let split = Split::new(data.clone(), |position, _| position == 1).unwrap();
    assert_eq!(split.forget.get(0).unwrap(), 2);
    assert_eq!(split.retain.get(1).unwrap(), 3);
    let error = Split::new(data.clone(), |_, _| false).err().unwrap();
    assert_eq!(error.to_string(), "the forget set is empty");
    assert!(Split::new(data, |_, _| true).is_err());
    assert!(relabel(&[5], 5, 0).is_err());
    assert!(relabel(&[0], 1, 0).is_err());
}
