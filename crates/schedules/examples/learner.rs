//! A linear decay in Burn's own training, with the gradient norms logged, and the schedule refined
//! from them for the next run. Gradients of two micro-batches make an update, and two launches share the schedule.
#![allow(clippy::print_stdout, missing_docs)]

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear as Layer, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_schedules::{Linear, LrSchedule, Norm, RefinedConfig, Schedule};
use regimen_tensor::GradientNorms;

type Batch = (Tensor<2>, Tensor<2>);

#[derive(Module, Debug)]
struct Model {
    layer: Layer,
    #[module(skip)]
    norms: GradientNorms,
}

impl Model {
    fn error(&self, (inputs, targets): Batch) -> RegressionOutput {
        let output = self.layer.forward(inputs);
        let loss = MseLoss::new().forward(output.clone(), targets.clone(), Reduction::Mean);
        RegressionOutput::new(loss, output, targets)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let output = self.error(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.norms.observe(&self, &grads);
        optim.step(lr, self, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch)
    }
}

/// Points of `y = 2 a - b`.
struct Plane;

impl Batcher<[f32; 2], Batch> for Plane {
    fn batch(&self, items: Vec<[f32; 2]>, device: &Device) -> Batch {
        let targets: Vec<f32> = items.iter().map(|[a, b]| 2.0 * a - b).collect();
        let count = items.len();
        let inputs = TensorData::new(items.concat(), [count, 2]);
        let targets = TensorData::new(targets, [count, 1]);
        (
            Tensor::from_data(inputs, device),
            Tensor::from_data(targets, device),
        )
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::default().autodiff();
    device.seed(1);
    let points: Vec<[f32; 2]> = (0..256)
        .map(|i| [(i % 16) as f32 / 16.0, (i / 16) as f32 / 16.0])
        .collect();
    let loader = |device: &Device| {
        DataLoaderBuilder::new(Plane)
            .batch_size(16)
            .shuffle(1)
            .set_device(device.clone())
            .build(InMemDataset::new(points.clone()))
    };
    // Burn adds up the gradients of an update's micro-batches: log the norm of their mean.
    let accumulation = 2;
    let norms = GradientNorms::new(Norm::L2).with_micro_batches(accumulation)?;
    let mut model = Model {
        layer: LinearConfig::new(2, 1).init(&device),
        norms: norms.clone(),
    };
    let updates = 256 / 16 / accumulation;
    let rate = Linear::new(0.25, 2 * updates)?;
    let valid = device.clone().inner();
    for launch in 1..=2 {
        // The schedule counts updates, not micro-batches, and goes on where the launch before ended.
        let scheduler = LrSchedule::new(rate).with_position(norms.len());
        let folder = tempfile::tempdir()?;
        let result = SupervisedTraining::new(folder.path(), loader(&device), loader(&valid))
            .num_epochs(1)
            .grads_accumulation(accumulation)
            .launch(Learner::new(model, SgdConfig::new().init(), scheduler));
        assert_eq!(norms.len(), launch * updates);
        model = result.model.train();
    }
    println!("weights {}", model.layer.weight.val().into_data());

    let next = RefinedConfig::new(Norm::L2)
        .init(&norms.norms()?)?
        .with_peak(0.5)?;
    println!(
        "{} norms logged; the refined schedule peaks at {:.0} % of the run, rate {:.2} at its start",
        norms.len(),
        100.0 * next.peak_position(),
        next.at(0)
    );
    Ok(())
}
