//! GraNet in Burn's own training: a perceptron that ends with a tenth of its weights, over two launches between which the
//! run is stopped; plain, with accumulated gradients, on two devices, and in bf16.
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_pruning::{GraNetConfig, Pruner, SparseState};

type Batch = (Tensor<2>, Tensor<2>);

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    head: Linear,
}

#[derive(Module, Debug)]
struct Model {
    net: Net,
    #[module(skip)]
    pruner: Pruner,
}

impl Model {
    fn error(&self, (inputs, targets): Batch) -> RegressionOutput {
        let output = self.net.head.forward(relu(self.net.hidden.forward(inputs)));
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
        self.pruner.clone().optimize(self, optim, lr, grads)
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        self.pruner.clone().optimize_multi(self, optim, lr, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch)
    }
}

/// Points of `y = a * b`, in the type of the model.
#[derive(Clone)]
struct Product(DType);

impl Batcher<[f32; 2], Batch> for Product {
    fn batch(&self, items: Vec<[f32; 2]>, device: &Device) -> Batch {
        let targets: Vec<f32> = items.iter().map(|[a, b]| a * b).collect();
        let count = items.len();
        let inputs = TensorData::new(items.concat(), [count, 2]);
        let targets = TensorData::new(targets, [count, 1]);
        (
            Tensor::from_data(inputs, (device, self.0)),
            Tensor::from_data(targets, (device, self.0)),
        )
    }
}

/// Parameters of another type.
struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| Tensor::from_inner(t.inner().cast(self.0)).require_grad())
    }
}

/// How a run trains.
struct Run {
    name: &'static str,
    dtype: DType,
    /// Micro-batches a step.
    accumulation: usize,
    devices: usize,
}

/// Batches of an epoch, and their size.
const BATCHES: usize = 16;
const BATCH: usize = 16;

impl Run {
    /// The pruner of the whole run, two launches of one epoch each: it counts optimizer steps.
    fn pruner(&self, net: &Net) -> regimen_pruning::Result<Pruner> {
        GraNetConfig::new(0.9, 2 * self.steps())
            .with_update_every(2)
            .init(net)
    }

    /// Optimizer steps of an epoch: a step takes a micro-batch of each device, `accumulation` times.
    fn steps(&self) -> usize {
        BATCHES / self.devices / self.accumulation
    }

    /// One epoch.
    fn launch(&self, model: Model, device: &Device) -> Result<Model, Box<dyn Error>> {
        let points: Vec<[f32; 2]> = (0..BATCHES * BATCH)
            .map(|i| [(i % 16) as f32 / 16.0, (i / 16) as f32 / 16.0])
            .collect();
        let loader = |device: &Device| {
            DataLoaderBuilder::new(Product(self.dtype))
                .batch_size(BATCH)
                .shuffle(1)
                .set_device(device.clone())
                .build(InMemDataset::new(points.clone()))
        };
        let strategy = match self.devices {
            1 => ExecutionStrategy::single(device.clone()),
            // On a machine with several devices, name each of them.
            n => {
                ExecutionStrategy::multi(vec![device.clone(); n], MultiDeviceOptim::OptimMainDevice)
            }
        };
        let folder = tempfile::tempdir()?;
        let valid = device.clone().inner();
        let training = SupervisedTraining::new(folder.path(), loader(device), loader(&valid))
            .with_training_strategy(strategy.into())
            .grads_accumulation(self.accumulation)
            .num_epochs(1);
        let result = training.launch(Learner::new(model, AdamWConfig::new().init(), 0.01));
        Ok(result.model)
    }

    fn run(&self) -> Result<(), Box<dyn Error>> {
        let device = Device::default().autodiff();
        device.seed(1);
        let net = Net {
            hidden: LinearConfig::new(2, 64).init(&device),
            head: LinearConfig::new(64, 1).init(&device),
        };
        let net = net.map(&mut Cast(self.dtype));
        let pruner = self.pruner(&net)?;
        let net = pruner.mask(net)?;
        let model = self.launch(
            Model {
                net,
                pruner: pruner.clone(),
            },
            &device,
        )?;
        pruner.status().map_err(|error| error.to_string())?;
        assert_eq!(pruner.state().step, self.steps(), "{}", self.name);

        // The run stops here: what is kept of the pruner is its state, beside the records of model and optimizer.
        let saved = serde_json::to_string(&pruner.state())?;
        let net = model.net.train();
        let pruner = self.pruner(&net)?;
        pruner.restore(serde_json::from_str::<SparseState>(&saved)?)?;
        let model = self.launch(
            Model {
                net,
                pruner: pruner.clone(),
            },
            &device,
        )?;
        pruner.status().map_err(|error| error.to_string())?;

        let state = pruner.state();
        assert_eq!(state.step, 2 * self.steps(), "{}", self.name);
        assert_eq!(state.masks.count(), state.masks.total() / 10);
        assert_eq!(model.net.hidden.weight.val().dtype(), self.dtype);
        println!(
            "{}: {} of {} weights left after {} steps, {} regrown on the way",
            self.name,
            state.masks.count(),
            state.masks.total(),
            state.step,
            state.grown
        );
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let plain = Run {
        name: "plain",
        dtype: DType::F32,
        accumulation: 1,
        devices: 1,
    };
    let accumulated = Run {
        name: "accumulated",
        accumulation: 2,
        ..plain
    };
    let two = Run {
        name: "two devices",
        devices: 2,
        ..plain
    };
    let half = Run {
        name: "bf16",
        dtype: DType::BF16,
        ..plain
    };
    for run in [&plain, &accumulated, &two, &half] {
        run.run()?;
    }
    Ok(())
}
