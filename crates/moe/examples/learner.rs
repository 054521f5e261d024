//! A mixture of experts in Burn's own training, with the load balanced over each optimizer step.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_moe::balance::{GlobalBalance, Load, LoadStatistics};
use regimen_moe::{Activation, Moe, MoeConfig, Routing};

type Batch = (Tensor<2>, Tensor<2>);

/// What the training keeps on the host.
#[derive(Debug, Default)]
struct Host {
    balance: GlobalBalance,
    /// Assignments of each expert in the last step.
    last: Vec<f64>,
    error: Option<regimen_moe::MoeError>,
}

#[derive(Module, Debug)]
struct Model {
    stem: Linear,
    moe: Moe,
    head: Linear,
    #[module(skip)]
    host: Arc<Mutex<Host>>,
}

impl Model {
    fn forward(&self, (inputs, targets): Batch) -> (RegressionOutput, Routing) {
        let x = self.stem.forward(inputs).unsqueeze_dim::<3>(1);
        let (y, routing) = self.moe.forward(x.clone());
        let output = self.head.forward((x + y).squeeze_dim::<2>(1));
        let loss = MseLoss::new().forward(output.clone(), targets.clone(), Reduction::Mean);
        (RegressionOutput::new(loss, output, targets), routing)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let (output, routing) = self.forward(batch);
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let total = match host.balance.loss(&Load::of(&routing)) {
            Ok(balance) => output.loss.clone() + balance * 0.01,
            Err(error) => {
                host.error = Some(error);
                output.loss.clone()
            }
        };
        TrainOutput::new(self, total.backward(), output)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        {
            let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
            match host.balance.end_step() {
                Ok(counts) => host.last = counts,
                Err(error) => host.error = Some(error),
            }
        }
        optim.step(lr, self, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.forward(batch).0
    }
}

/// Points of `y = a * b`.
struct Product;

impl Batcher<[f32; 2], Batch> for Product {
    fn batch(&self, items: Vec<[f32; 2]>, device: &Device) -> Batch {
        let targets: Vec<f32> = items.iter().map(|[a, b]| a * b).collect();
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
        DataLoaderBuilder::new(Product)
            .batch_size(32)
            .shuffle(1)
            .set_device(device.clone())
            .build(InMemDataset::new(points.clone()))
    };
    let moe = MoeConfig::new(16, 32, 4, 2)
        .with_activation(Activation::Silu)
        .with_gated(true);
    let host = Arc::new(Mutex::new(Host::default()));
    let model = Model {
        stem: LinearConfig::new(2, 16).init(&device),
        moe: moe.init(&device)?,
        head: LinearConfig::new(16, 1).init(&device),
        host: host.clone(),
    };
    let folder = tempfile::tempdir()?;
    let valid = device.clone().inner();
    SupervisedTraining::new(folder.path(), loader(&device), loader(&valid))
        .num_epochs(3)
        .launch(Learner::new(model, AdamWConfig::new().init(), 0.01));
    let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = host.error.take() {
        return Err(error.into());
    }
    let load = LoadStatistics::of(&host.last)?;
    println!(
        "load of the last step {:?}: violation {:.2}",
        host.last, load.violation
    );
    Ok(())
}
