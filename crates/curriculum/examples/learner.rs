//! SeTa in Burn's own training: the loader plans each epoch, the model tells it the losses.
//!
//! Two trainings of one loader: the first on one device, with gradients accumulated over two batches; the second goes on with the next
//! epochs on two devices. The model is in bf16; the losses are read in single precision.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep, TrainingStrategy,
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
            inputs: tensor(points.concat(), [count, 2], device),
            targets: tensor(targets, [count, 1], device),
        }
    }
}

/// Values in the model's type.
fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::BF16))
}

struct ToHalf;

impl ModuleMapper for ToHalf {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| Tensor::from_inner(values.inner().cast(DType::BF16)).require_grad())
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
    let sampler = SetaConfig::new(2 * epochs)
        .with_groups(5)
        .with_window_scale(0.6)
        .init(256)?;
    let train = CurriculumLoader::new(sampler, data.clone(), Arc::new(Plane), 16, &device)?;
    let valid = device.clone().inner();
    let valid = CurriculumLoader::new(Uniform::new(256, 0)?, data, Arc::new(Plane), 64, &valid)?;
    let (train, valid) = (Arc::new(train.with_workers(1)), Arc::new(valid));
    let mut model = Model {
        layer: LinearConfig::new(2, 1).init(&device).map(&mut ToHalf),
        feedback: train.feedback(),
    };
    // The same device twice: name two where there are two.
    let two = ExecutionStrategy::multi(vec![device.clone(); 2], MultiDeviceOptim::OptimMainDevice);
    for strategy in [ExecutionStrategy::single(device), two] {
        let folder = tempfile::tempdir()?;
        let training = SupervisedTraining::new(folder.path(), train.clone(), valid.clone())
            .with_training_strategy(TrainingStrategy::Default(strategy))
            .grads_accumulation(2)
            .num_epochs(epochs);
        // Burn sums the gradients of both batches, and of both devices.
        let result = training.launch(Learner::new(model, SgdConfig::new().init(), 0.05));
        model = result.model.train();
        let state = train.state()?;
        let plan = state.plan.map_or(0, |plan| plan.ids.len());
        println!("weights {}", model.layer.weight.val().into_data());
        println!("the last epoch trained on {plan} of 256 examples");
        println!("{} batches so far", state.batches);
    }
    println!("losses left out: {}", train.feedback().rejected().losses);
    Ok(())
}
