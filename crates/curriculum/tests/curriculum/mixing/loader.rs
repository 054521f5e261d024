//! An agent's mixture in the loader, stopped and resumed.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::{DType, Device};
use regimen_curriculum::mixing::AgentMixture;
use regimen_curriculum::{CurriculumLoader, LoaderState, MixtureConfig};

use super::super::trainings::{Batch, Stack, items};

const EXAMPLES: usize = 40;

fn plan() -> Vec<Vec<f64>> {
    vec![vec![0.8, 0.2], vec![0.3, 0.7], vec![0.5, 0.5]]
}

fn ids(loader: &CurriculumLoader<AgentMixture, usize, Batch>) -> Vec<usize> {
    loader.iter().flat_map(|batch| batch.unwrap().ids).collect()
}

fn report(loader: &CurriculumLoader<AgentMixture, usize, Batch>, measure: f64) {
    let reported = |sampler: &mut AgentMixture| sampler.report(vec![measure], &plan());
    loader.feedback().with_sampler(reported).unwrap().unwrap();
}

#[test]
fn a_training_by_reports_goes_on_from_its_state() {
    let (device, stack) = (Device::flex(), Arc::new(Stack(DType::F32)));
    let domains: Vec<usize> = (0..EXAMPLES).map(|id| id % 2).collect();
    let mixture = MixtureConfig::new(vec![1.0, 1.0]).with_length(10);
    let sampler = AgentMixture::new(mixture.init(&domains).unwrap(), vec![0.0], &plan()).unwrap();
    let straight: CurriculumLoader<AgentMixture, usize, Batch> =
        CurriculumLoader::new(sampler, items(EXAMPLES), stack.clone(), 5, &device).unwrap();
    let first = ids(&straight);
    assert_eq!(first.iter().filter(|id| *id % 2 == 0).count(), 8);
    report(&straight, 0.5);
    let saved = serde_json::to_string(&straight.state().unwrap()).unwrap();
    let saved: LoaderState<AgentMixture> = serde_json::from_str(&saved).unwrap();
    let resumed = CurriculumLoader::resume(saved, items(EXAMPLES), stack, 5, &device).unwrap();
    for step in 0..2 {
        let found = ids(&straight);
        assert_eq!(found, ids(&resumed));
        let even = found.iter().filter(|id| *id % 2 == 0).count();
        assert_eq!(even, [3, 5][step]);
        report(&straight, 0.7);
        report(&resumed, 0.7);
    }
    let run = straight
        .feedback()
        .with_sampler(|sampler| sampler.run().clone());
    assert_eq!(run.unwrap().steps().len(), 3);
}
