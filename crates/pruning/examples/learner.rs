//! GraNet in Burn's own training: a perceptron that ends with a tenth of its weights.
#![allow(clippy::print_stdout, missing_docs)]

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_pruning::{GraNetConfig, Pruner};

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
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch)
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
            .batch_size(16)
            .shuffle(1)
            .set_device(device.clone())
            .build(InMemDataset::new(points.clone()))
    };
    let net = Net {
        hidden: LinearConfig::new(2, 64).init(&device),
        head: LinearConfig::new(64, 1).init(&device),
    };
    let steps = 2 * 256 / 16;
    let pruner = GraNetConfig::new(0.9, steps)
        .with_update_every(4)
        .init(&net)?;
    let model = Model {
        net: pruner.mask(net)?,
        pruner: pruner.clone(),
    };
    let folder = tempfile::tempdir()?;
    let valid = device.clone().inner();
    let result = SupervisedTraining::new(folder.path(), loader(&device), loader(&valid))
        .num_epochs(2)
        .launch(Learner::new(model, AdamWConfig::new().init(), 0.01));
    pruner.status().map_err(|error| error.to_string())?;
    let state = pruner.state();
    println!(
        "{} of {} weights left, {} regrown on the way; biases {}",
        state.masks.count(),
        state.masks.total(),
        state.grown,
        result.model.net.head.bias.is_some()
    );
    Ok(())
}
