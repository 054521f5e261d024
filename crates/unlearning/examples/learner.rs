//! A classifier trained by Burn's own training forgets a class: trained plainly, with accumulated gradients, on two replicas,
//! and in bf16.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use burn::train::{
    ClassificationOutput, ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::metrics::accuracy;
use regimen_unlearning::{Split, SsdConfig};

/// A point of the plane and its class.
type Point = ([f32; 2], usize);
type Batch = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    head: Linear,
}

impl Model {
    fn forward(&self, points: Tensor<2>) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(points)))
    }

    fn loss(&self, (points, classes): Batch) -> Tensor<1> {
        cross_entropy(self.forward(points), classes).mean()
    }

    fn classify(&self, (points, classes): Batch) -> ClassificationOutput {
        let logits = self.forward(points);
        let loss = cross_entropy(logits.clone(), classes.clone()).mean();
        ClassificationOutput::new(loss, logits, classes)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.loss.clone().backward(), output)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classify(batch)
    }
}

#[derive(Clone)]
struct Stack;

impl Batcher<Point, Batch> for Stack {
    fn batch(&self, items: Vec<Point>, device: &Device) -> Batch {
        let count = items.len();
        let classes: Vec<i64> = items.iter().map(|(_, class)| *class as i64).collect();
        let points: Vec<f32> = items.into_iter().flat_map(|(point, _)| point).collect();
        let points = TensorData::new(points, [count, 2]);
        let classes = TensorData::new(classes, [count]);
        (
            Tensor::from_data(points, device),
            Tensor::from_data(classes, device),
        )
    }
}

/// Four clouds of points, one a class.
fn clouds() -> Vec<Point> {
    let cloud = |i: usize| {
        let (class, angle) = (i % 4, i as f32);
        let center = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]][class];
        (
            [
                center[0] + 0.4 * angle.sin(),
                center[1] + 0.4 * (1.3 * angle).cos(),
            ],
            class,
        )
    };
    (0..400).map(cloud).collect()
}

fn loader<D: Dataset<Point> + 'static>(data: D, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Stack)
        .batch_size(20)
        .shuffle(1)
        .set_device(device.clone())
        .build(data)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Burn's own training: micro-batches of one step, on one device or two replicas. Both sum gradients, so that the rate is
/// divided by their number.
fn train(
    device: &Device,
    data: &Arc<InMemDataset<Point>>,
    (accumulation, replicas): (usize, usize),
) -> Result<Model, Failure> {
    let model = Model {
        hidden: LinearConfig::new(2, 32).init(device),
        head: LinearConfig::new(32, 4).init(device),
    };
    let folder = tempfile::tempdir()?;
    let (train, valid) = (
        loader(data.clone(), device),
        loader(data.clone(), &device.clone().inner()),
    );
    let rate = 0.5 / (accumulation * replicas) as f64;
    let learner = Learner::new(model, SgdConfig::new().init(), rate);
    let mut training = SupervisedTraining::new(folder.path(), train, valid).num_epochs(8);
    if accumulation > 1 {
        training = training.grads_accumulation(accumulation);
    }
    if replicas > 1 {
        let devices = vec![device.clone(); replicas];
        let strategy = ExecutionStrategy::MultiDevice(devices, MultiDeviceOptim::OptimMainDevice);
        training = training.with_training_strategy(strategy.into());
    }
    Ok(training.launch(learner).model.train())
}

/// The model in bf16: importances are still f32, and dampened weights bf16.
fn halved(model: Model) -> Model {
    struct Halve;
    impl ModuleMapper for Halve {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weights| {
                Tensor::from_inner(weights.inner().cast(FloatDType::BF16)).require_grad()
            })
        }
    }
    model.map(&mut Halve)
}

fn batches<D: Dataset<Point> + 'static>(
    data: D,
    device: &Device,
    dtype: FloatDType,
) -> Result<Vec<Batch>, Failure> {
    let loader = loader(data, device);
    let batches = loader.iter().map(|batch| {
        let (points, classes) = batch?;
        Ok((points.cast(dtype), classes))
    });
    batches.collect()
}

/// Class 3 is forgotten: two passes over data and one edit, no training step.
fn forget(
    name: &str,
    model: Model,
    data: &Arc<InMemDataset<Point>>,
    dtype: FloatDType,
) -> Result<(), Failure> {
    let device = model.hidden.weight.val().device();
    let split = Split::new(data.clone(), |_, (_, class)| *class == 3)?;
    let all = batches(data.clone(), &device, dtype)?;
    let gone = batches(split.forget, &device, dtype)?;
    let kept = batches(split.retain, &device, dtype)?;
    let accuracies = |model: &Model| {
        [&kept, &gone].map(|batches| {
            let of = |(points, classes): &Batch| {
                accuracy(
                    model.forward(points.clone()).inner(),
                    classes.clone().inner(),
                )
            };
            batches.iter().map(of).sum::<f64>() / batches.len() as f64
        })
    };
    let before = accuracies(&model);
    let ssd = SsdConfig::new().with_alpha(2.0).init()?;
    let dampened = ssd.forget(model, all, gone.clone(), |model, batch| model.loss(batch))?;
    let after = accuracies(&dampened.model);
    println!(
        "{name}: {} of {} weights dampened",
        dampened.edited, dampened.total
    );
    for (when, [kept, gone]) in [("before", before), ("after", after)] {
        println!("  {when}: accuracy {kept:.2} on what stays, {gone:.2} on what is forgotten");
    }
    if before[1] < 0.9 || after[1] > 0.1 || after[0] < 0.7 {
        return Err(format!("{name}: nothing was forgotten, or too much").into());
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let device = Device::default().autodiff();
    let data = Arc::new(InMemDataset::new(clouds()));
    let ways = [
        ("trained plainly", (1, 1)),
        ("trained with accumulated gradients", (2, 1)),
        ("trained on two replicas", (1, 2)),
    ];
    for (name, way) in ways {
        device.seed(1);
        let model = train(&device, &data, way)?;
        forget(name, model, &data, FloatDType::F32)?;
    }
    device.seed(1);
    let model = halved(train(&device, &data, (1, 1))?);
    forget("in bf16", model, &data, FloatDType::BF16)
}
