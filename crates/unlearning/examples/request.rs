//! One deletion request, from a saved model to the filed report.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, fisher};
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::{
    Classifier, Evidence, ForgetRequest, Ledger, Models, Prepared, ReportConfig, SsdConfig,
    UnlearnConfig,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Batch = (Tensor<2>, Tensor<1, Int>);

/// A point of the plane, its class and who gave it.
#[derive(Clone, Debug)]
struct Point {
    place: [f32; 2],
    class: usize,
    owner: &'static str,
}

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    head: Linear,
}

impl Model {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(2, 64).init(device),
            head: LinearConfig::new(64, 4).init(device),
        }
    }
}

impl Classifier for Model {
    type Batch = Batch;

    fn logits(&self, (points, _): &Batch) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(points.clone())))
    }

    fn targets((_, classes): &Batch) -> Tensor<1, Int> {
        classes.clone()
    }
}

/// Four clouds, one a class; `eve` gave the fourth, and nobody else did.
fn clouds(count: usize, phase: f32) -> Vec<Point> {
    let cloud = |i: usize| {
        let (class, angle) = (i % 4, i as f32 + phase);
        let center = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]][class];
        let x = center[0] + 0.4 * angle.sin();
        let y = center[1] + 0.4 * (1.3 * angle).cos();
        let owner = if class == 3 { "eve" } else { "ann" };
        let place = [x, y];
        Point {
            place,
            class,
            owner,
        }
    };
    (0..count).map(cloud).collect()
}

/// Batches in a fixed order; a `DataLoader` of yours that does not shuffle does as well.
fn batches(data: &dyn Dataset<Point>, device: &Device) -> Result<Prepared<Batch>, Failure> {
    let points: Vec<Point> = (0..data.len())
        .map(|i| data.get(i))
        .collect::<Result<_, _>>()?;
    let batch = |points: &[Point]| {
        let x: Vec<f32> = points.iter().flat_map(|point| point.place).collect();
        let y: Vec<i64> = points.iter().map(|point| point.class as i64).collect();
        let x = Tensor::from_data(TensorData::new(x, [points.len(), 2]), device);
        (
            x,
            Tensor::from_data(TensorData::new(y, [points.len()]), device),
        )
    };
    Ok(Prepared(points.chunks(20).map(batch).collect()))
}

fn loss(model: &Model, batch: Batch) -> Tensor<1> {
    cross_entropy(model.logits(&batch), batch.1).mean()
}

fn train(device: &Device, data: &Prepared<Batch>) -> Result<Model, Failure> {
    let mut run = UnlearnConfig::new(30).init()?;
    let (model, mut optim) = (Model::new(device), SgdConfig::new().init());
    Ok(run.run(&model, &mut FineTune, &mut optim, &mut 0.3, data, data)?)
}

fn main() -> Result<(), Failure> {
    let device = Device::default().autodiff();
    device.seed(1);
    let folder = tempfile::tempdir()?;
    let data = Arc::new(InMemDataset::new(clouds(400, 0.0)));

    // The day training ended: the weights, and the importance of all data, are saved.
    let all = batches(data.as_ref(), &device)?;
    let model = train(&device, &all)?;
    ParamVector::state(&model).save(folder.path().join("model.safetensors"))?;
    fisher::batch_diagonal(&model, all.0, loss)?
        .save(folder.path().join("importance.safetensors"))?;

    // The day of the request: load both, enter the request, split the data.
    let model = Model::new(&device);
    let space = ParamVector::of(&model);
    let saved = ParamVector::state(&model);
    let weights = ParamVector::load(folder.path().join("model.safetensors"), &saved)?;
    let original = weights.write_to(model)?;
    let importance = ParamVector::load(folder.path().join("importance.safetensors"), &space)?;
    let mut ledger = Ledger::new(data.len());
    let request = ForgetRequest::owner(data.as_ref(), "all of eve's", |p: &Point| p.owner == "eve");
    ledger.add(request?)?;
    let split = ledger.split(data)?;
    let (retain, forget) = (
        batches(&split.retain, &device)?,
        batches(&split.forget, &device)?,
    );

    // Forget: one pass over what goes and one edit.
    let of_forget = fisher::batch_diagonal(&original, forget.0.clone(), loss)?;
    let ssd = SsdConfig::new().with_alpha(2.0).init()?;
    let dampened = ssd.dampen(original.clone(), &importance, &of_forget)?;

    // Prove it, against a model that never saw it, and file the proof.
    let retrained = train(&device, &retain)?;
    let shadows = (0..4).map(|_| train(&device, &retain));
    let (shadows, untrained) = (shadows.collect::<Result<Vec<_>, _>>()?, Model::new(&device));
    let test = batches(&InMemDataset::new(clouds(100, 0.5)), &device)?;
    let models = Models::new(&original, &dampened.model)
        .with_retrained(&retrained)
        .with_shadows(&shadows)
        .with_untrained(&untrained);
    let data = Evidence {
        retain: &retain,
        forget: &forget,
        test: &test,
    };
    let report = ReportConfig::new().measure("all of eve's", "SSD, alpha 2", &models, &data)?;
    report.save(folder.path().join("report.json"))?;
    println!("{report}");
    Ok(())
}
