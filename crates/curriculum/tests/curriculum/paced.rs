//! A sampler that is told what no loss says, in a loader.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::{DType, Device};
use regimen_curriculum::ability::irt::{AbilityEstimate, ItemParameters, ability};
use regimen_curriculum::{
    AbilityPaced, AbilityPacedConfig, CurriculumError, CurriculumLoader, Uniform,
};
use regimen_tensor::Part;

use super::trainings::{Batch, Stack, items};

const EXAMPLES: usize = 40;

type Loader = CurriculumLoader<AbilityPaced, usize, Batch>;

fn loader() -> Loader {
    let difficulties: Vec<f64> = (0..EXAMPLES).map(|id| id as f64 / 10.0 - 2.0).collect();
    let sampler = AbilityPacedConfig::new().with_least(4).init(&difficulties);
    let (stack, device) = (Arc::new(Stack(DType::F32)), Device::flex());
    CurriculumLoader::new(sampler.unwrap(), items(EXAMPLES), stack, 4, &device).unwrap()
}

fn epoch(loader: &Loader) -> Vec<usize> {
    loader.iter().flat_map(|batch| batch.unwrap().ids).collect()
}

#[test]
fn an_ability_decides_on_the_next_epoch() {
    let loader = loader();
    let feedback = loader.feedback();
    let held_out = [-1.0, -0.5, 0.0, 0.5, 1.0].map(ItemParameters::of_difficulty);
    let mut last = 0;
    for right in 1..=4 {
        let answers: Vec<bool> = (0..5).map(|item| item < right).collect();
        let theta = ability(&held_out, &answers, AbilityEstimate::default()).unwrap();
        feedback
            .with_sampler(|sampler| sampler.report(theta))
            .unwrap()
            .unwrap();
        let ids = epoch(&loader);
        assert!(ids.len() > last, "{ids:?}");
        assert!(ids.iter().all(|id| *id as f64 / 10.0 - 2.0 <= theta));
        last = ids.len();
    }
}

#[test]
fn a_stop_in_the_middle_keeps_the_threshold_and_the_plan() {
    let first = loader();
    first
        .feedback()
        .with_sampler(|sampler| sampler.report(1.0))
        .unwrap()
        .unwrap();
    let mut batches = first.iter();
    let start: Vec<usize> = (0..3)
        .flat_map(|_| batches.next().unwrap().unwrap().ids)
        .collect();
    drop(batches);
    let mut second = loader();
    second.load(&first.save().unwrap()).unwrap();
    let rest = epoch(&second);
    assert_eq!(start.len() + rest.len(), 31);
    assert!(start.iter().all(|id| !rest.contains(id)));
    let threshold = second
        .feedback()
        .with_sampler(|sampler| sampler.threshold());
    assert_eq!(threshold.unwrap(), 1.0);
}

#[test]
fn a_sampler_for_other_data_is_refused() {
    let (stack, device) = (Arc::new(Stack(DType::F32)), Device::flex());
    let uniform = Uniform::new(6, 1).unwrap();
    let loader: CurriculumLoader<_, usize, Batch> =
        CurriculumLoader::new(uniform, items(6), stack, 2, &device).unwrap();
    let changed = loader
        .feedback()
        .with_sampler(|sampler| *sampler = Uniform::new(9, 1).unwrap());
    let wanted = CurriculumError::OtherData {
        sampler: 9,
        dataset: 6,
    };
    assert_eq!(changed.unwrap_err(), wanted);
    assert_eq!(loader.iter().count(), 3);
}
