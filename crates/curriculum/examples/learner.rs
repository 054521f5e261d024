//! SeTa in Burn's own training: the loader plans each epoch, the model tells it the losses.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_curriculum::{CurriculumLoader, Feedback, Sample, Seta, SetaConfig, Uniform};

#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<usize>,
    inputs: Tensor<2>,
    targets: Tensor<2>,
}

#[derive(Module, Debug)]
struct Model {
    layer: Linear,
    #[module(skip)]
    feedback: Feedback<Seta>,
}

impl Model {
    fn error(&self, batch: Batch) -> (Tensor<1>, RegressionOutput) {
        let output = self.layer.forward(batch.inputs);
        let losses = (output.clone() - batch.targets.clone()).square();
        let losses = losses.reshape([batch.ids.len()]);
        let output = RegressionOutput::new(losses.clone().mean(), output, batch.targets);
        (losses, output)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let ids = batch.ids.clone();
        let (losses, output) = self.error(batch);
        self.feedback.observe(ids, losses.detach());
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch).1
    }
}

/// Points of `y = 2 a - b`.
struct Plane;

impl Batcher<Sample<[f32; 2]>, Batch> for Plane {
    fn batch(&self, samples: Vec<Sample<[f32; 2]>>, device: &Device) -> Batch {
        let count = samples.len();
        let points: Vec<[f32; 2]> = samples.iter().map(|sample| sample.item).collect();
        let targets: Vec<f32> = points.iter().map(|[a, b]| 2.0 * a - b).collect();
        Batch {
            ids: samples.iter().map(|sample| sample.id).collect(),
            inputs: Tensor::from_data(TensorData::new(points.concat(), [count, 2]), device),
            targets: Tensor::from_data(TensorData::new(targets, [count, 1]), device),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::default().autodiff();
    device.seed(1);
    let points: Vec<[f32; 2]> = (0..256)
        .map(|i| [(i % 16) as f32 / 16.0, (i / 16) as f32 / 16.0])
        .collect();
    let data = Arc::new(InMemDataset::new(points));
    let epochs = 4;
    let sampler = SetaConfig::new(epochs)
        .with_groups(5)
        .with_window_scale(0.6)
        .init(256)?;
    let train = CurriculumLoader::new(sampler, data.clone(), Arc::new(Plane), 16, &device)?;
    let valid = device.clone().inner();
    let valid = CurriculumLoader::new(Uniform::new(256, 0)?, data, Arc::new(Plane), 64, &valid)?;
    let train = Arc::new(train.with_workers(1));
    let model = Model {
        layer: LinearConfig::new(2, 1).init(&device),
        feedback: train.feedback(),
    };
    let folder = tempfile::tempdir()?;
    let learner = Learner::new(model, SgdConfig::new().init(), 0.2);
    let result = SupervisedTraining::new(folder.path(), train.clone(), Arc::new(valid))
        .num_epochs(epochs)
        .launch(learner);
    println!("weights {}", result.model.layer.weight.val().into_data());
    let plan = train.state()?.plan.map_or(0, |plan| plan.ids.len());
    println!("the last epoch trained on {plan} of 256 examples");
    Ok(())
}
