//! A mixture of experts in Burn's own training, with the load balanced over each optimizer step: run after run, with
//! accumulation, on two devices, and in half precision.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_moe::balance::{GlobalBalance, Load, LoadStatistics};
use regimen_moe::{Activation, Moe, MoeConfig, MoeError, Routing};

type Batch = (Tensor<2>, Tensor<2>);

/// What the replicas of the model share. No lock is held while a device works.
#[derive(Debug, Default)]
struct Host {
    balance: GlobalBalance,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// Optimizer steps.
    steps: usize,
    /// Assignments of each expert in the last step, over all devices and micro-batches.
    last: Vec<f64>,
    error: Option<MoeError>,
}

impl Host {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Module, Debug)]
struct Model {
    stem: Linear,
    moe: Moe,
    head: Linear,
    /// Micro-batches of an optimizer step over all devices: their gradients are summed, so each loss counts as its share.
    parts: usize,
    #[module(skip)]
    host: Arc<Host>,
}

impl Model {
    fn forward(&self, (inputs, targets): Batch) -> (RegressionOutput, Routing) {
        let inputs = inputs.cast(self.stem.weight.val().dtype());
        let x = self.stem.forward(inputs).unsqueeze_dim::<3>(1);
        let (y, routing) = self.moe.forward(x.clone());
        let output = self.head.forward((x + y).squeeze_dim::<2>(1));
        let output = output.cast(FloatDType::F32);
        let loss = MseLoss::new().forward(output.clone(), targets.clone(), Reduction::Mean);
        (RegressionOutput::new(loss, output, targets), routing)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let (output, routing) = self.forward(batch);
        let mut total = output.loss.clone();
        match self.host.balance.loss(&Load::of(&routing)) {
            Ok(balance) => total = total + balance * 0.01,
            Err(error) => self.host.log().error = Some(error),
        }
        TrainOutput::new(self, (total / self.parts as f64).backward(), output)
    }

    /// Once an optimizer step, however many devices and micro-batches it took.
    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        let counts = self.host.balance.end_step();
        let mut log = self.host.log();
        match counts {
            Ok(counts) => (log.last, log.steps) = (counts, log.steps + 1),
            Err(error) => log.error = Some(error),
        }
        drop(log);
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

/// Every weight in another type.
struct To(FloatDType);

impl ModuleMapper for To {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| {
            let tracked = t.is_require_grad();
            let new = Tensor::from_inner(t.inner().cast(self.0));
            if tracked { new.require_grad() } else { new }
        })
    }
}

/// Trains for three epochs with so many devices and micro-batches a step; gives the model to go on with.
fn train(mut model: Model, devices: usize, accumulation: usize) -> Result<Model, MoeError> {
    let device = Device::default().autodiff();
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
    model.parts = devices * accumulation;
    let host = model.host.clone();
    // What an earlier run counted for a step that it did not come to is gone.
    host.balance.restart();
    *host.log() = Log::default();
    let folder = tempfile::tempdir().map_err(|error| MoeError::Read {
        name: "folder",
        reason: error.to_string(),
    })?;
    let strategy = match devices {
        1 => ExecutionStrategy::single(device.clone()),
        // The same device twice stands for two.
        _ => ExecutionStrategy::multi(
            vec![device.clone(); devices],
            MultiDeviceOptim::OptimMainDevice,
        ),
    };
    let valid = device.clone().inner();
    let result = SupervisedTraining::new(folder.path(), loader(&device), loader(&valid))
        .num_epochs(3)
        .grads_accumulation(accumulation)
        .with_training_strategy(strategy.into())
        .launch(Learner::new(model, AdamWConfig::new().init(), 0.01));
    let mut log = host.log();
    if let Some(error) = log.error.take() {
        return Err(error);
    }
    let load = LoadStatistics::of(&log.last)?;
    println!(
        "{devices} devices, {accumulation} micro-batches each: {} steps, load of the last {:?}, violation {:.2}",
        log.steps, log.last, load.violation
    );
    // 256 points in batches of 32, two experts each: one entry a step, whatever it is made of.
    assert_eq!(log.steps, 3 * 8 / (devices * accumulation));
    assert_eq!(
        log.last.iter().sum::<f64>(),
        (64 * devices * accumulation) as f64
    );
    Ok(result.model.train())
}

fn main() -> Result<(), MoeError> {
    let device = Device::default().autodiff();
    device.seed(1);
    let moe = MoeConfig::new(16, 32, 4, 2)
        .with_activation(Activation::Silu)
        .with_gated(true);
    let model = Model {
        stem: LinearConfig::new(2, 16).init(&device),
        moe: moe.init(&device)?,
        head: LinearConfig::new(16, 1).init(&device),
        parts: 1,
        host: Arc::default(),
    };
    let model = train(model, 1, 1)?;
    // A second run goes on with the model, with two micro-batches a step, then on two devices.
    let model = train(model, 1, 2)?;
    let model = train(model, 2, 2)?;
    // And with weights of half the size: the router and the counts stay in float32.
    let model = train(model.map(&mut To(FloatDType::BF16)), 2, 1)?;
    assert_eq!(model.moe.experts.up.val().dtype(), DType::BF16);
    Ok(())
}
