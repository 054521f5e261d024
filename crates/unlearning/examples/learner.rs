//! A classifier trained by Burn's own training forgets a class.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
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

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let device = Device::default().autodiff();
    device.seed(1);
    let data = Arc::new(InMemDataset::new(clouds()));
    let model = Model {
        hidden: LinearConfig::new(2, 32).init(&device),
        head: LinearConfig::new(32, 4).init(&device),
    };
    let folder = tempfile::tempdir()?;
    let (train, valid) = (
        loader(data.clone(), &device),
        loader(data.clone(), &device.clone().inner()),
    );
    let learner = Learner::new(model, SgdConfig::new().init(), 0.5);
    let training = SupervisedTraining::new(folder.path(), train.clone(), valid).num_epochs(8);
    let model = training.launch(learner).model.train();

    // Class 3 is to be forgotten: two passes over data and one edit, no training step.
    let split = Split::new(data, |_, (_, class)| *class == 3)?;
    let (retain, forget) = (split.retain, split.forget);
    let all: Vec<Batch> = train.iter().collect::<Result<_, _>>()?;
    let batches: Vec<Batch> = loader(forget.clone(), &device)
        .iter()
        .collect::<Result<_, _>>()?;
    let report =
        |name: &str, model: &Model| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let of = |data: Vec<Point>| {
                let (points, classes) = Stack.batch(data, &device);
                accuracy(model.forward(points).inner(), classes.inner())
            };
            let retained = of(retain.iter().collect::<Result<_, _>>()?);
            let forgotten = of(forget.iter().collect::<Result<_, _>>()?);
            println!(
                "{name}: accuracy {retained:.2} on what stays, {forgotten:.2} on what is forgotten"
            );
            Ok(())
        };
    report("before", &model)?;
    let ssd = SsdConfig::new().with_alpha(2.0).init()?;
    let dampened = ssd.forget(model, all, batches, |model, batch| model.loss(batch))?;
    report("after", &dampened.model)?;
    println!("{} of {} weights dampened", dampened.edited, dampened.total);
    Ok(())
}
