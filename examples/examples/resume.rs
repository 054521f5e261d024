//! Stop and resume in Burn's own training, with all that a run keeps: SeTa chooses the examples, GraNet prunes, a schedule
//! sets the rate, and gradients of two batches make a step.
//!
//! Without arguments: a run goes straight through, another is stopped by Burn's `Interrupter` after its second epoch, and a
//! third, in a process of its own, is killed; these two are resumed, and all three must end with the same bits.
//! `train FOLDER` is one run, which goes on where the folder's checkpoints end.
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::{Linear as Layer, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    InferenceStep, Interrupter, Learner, RegressionOutput, SupervisedTraining, TrainOutput,
    TrainStep,
};
use regimen_curriculum::{CurriculumLoader, Feedback, Sample, Seta, SetaConfig, Uniform};
use regimen_pruning::{GraNetConfig, Pruner};
use regimen_schedules::{Linear, LrSchedule};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::EpochCheckpoint;

const EPOCHS: usize = 8;
const POINTS: usize = 256;
const BATCH: usize = 16;
const ACCUMULATION: usize = 2;
/// Optimizer steps of an epoch that leaves nothing out.
const STEPS: usize = POINTS / BATCH / ACCUMULATION;

#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<usize>,
    inputs: Tensor<2>,
    targets: Tensor<2>,
}

#[derive(Module, Debug)]
struct Net {
    hidden: Layer,
    head: Layer,
}

#[derive(Module, Debug)]
struct Model {
    net: Net,
    #[module(skip)]
    pruner: Pruner,
    #[module(skip)]
    feedback: Feedback<Seta>,
}

impl Model {
    fn error(&self, batch: Batch) -> (Tensor<1>, RegressionOutput) {
        let hidden = relu(self.net.hidden.forward(batch.inputs));
        let output = self.net.head.forward(hidden);
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
        self.error(batch).1
    }
}

/// Points of `y = a * b`.
struct Product;

impl Batcher<Sample<[f32; 2]>, Batch> for Product {
    fn batch(&self, samples: Vec<Sample<[f32; 2]>>, device: &Device) -> Batch {
        let count = samples.len();
        let points: Vec<[f32; 2]> = samples.iter().map(|sample| sample.item).collect();
        let targets: Vec<f32> = points.iter().map(|[a, b]| a * b).collect();
        Batch {
            ids: samples.iter().map(|sample| sample.id).collect(),
            inputs: Tensor::from_data(TensorData::new(points.concat(), [count, 2]), device),
            targets: Tensor::from_data(TensorData::new(targets, [count, 1]), device),
        }
    }
}

/// Saves after every epoch, and has Burn's `Interrupter` stop the run after one of them.
struct StopAfter {
    epoch: usize,
    interrupter: Interrupter,
}

impl CheckpointingStrategy for StopAfter {
    fn checkpointing(&mut self, epoch: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        if epoch == self.epoch {
            self.interrupter.stop(Some("enough for today"));
        }
        vec![CheckpointingAction::Save]
    }
}

/// How a launch began and ended.
struct Launch {
    /// The epoch that it went on after.
    from: Option<usize>,
    weights: Vec<u32>,
    left: usize,
}

fn train(folder: &Path, stop_after: Option<usize>) -> Result<Launch, Box<dyn Error>> {
    // Everything is made as for a new run.
    let device = Device::default().autodiff();
    device.seed(1);
    let net = Net {
        hidden: LinearConfig::new(2, 64).init(&device),
        head: LinearConfig::new(64, 1).init(&device),
    };
    let pruner = GraNetConfig::new(0.9, EPOCHS * STEPS / 2)
        .with_update_every(2)
        .init(&net)?;
    let net = pruner.mask(net)?;
    let points = (0..POINTS).map(|i| [(i % 16) as f32 / 16.0, (i / 16) as f32 / 16.0]);
    let data = Arc::new(InMemDataset::new(points.collect()));
    let sampler = SetaConfig::new(EPOCHS).with_groups(5).init(POINTS)?;
    let loader = CurriculumLoader::new(sampler, data.clone(), Arc::new(Product), BATCH, &device)?;
    let valid = device.clone().inner();
    let valid = CurriculumLoader::new(
        Uniform::new(POINTS, 0)?,
        data,
        Arc::new(Product),
        64,
        &valid,
    )?;
    let model = Model {
        net,
        pruner: pruner.clone(),
        feedback: loader.feedback(),
    };
    let optim = AdamWConfig::new().init();
    let rate = LrSchedule::new(Linear::new(0.01, EPOCHS * STEPS)?);

    // Burn hands in the model, the optimizer and the schedule; the rest is named here.
    let mut unit = EpochCheckpoint::new(folder.join("checkpoints"))
        .with("loader", loader.clone())
        .with("pruner", pruner.clone());
    let from = unit.resume()?;

    let training = SupervisedTraining::new(folder.join("log"), Arc::new(loader), Arc::new(valid))
        .with_application_logger(None)
        .grads_accumulation(ACCUMULATION)
        .num_epochs(EPOCHS);
    let interrupter = training.interrupter();
    if let Some(epoch) = stop_after {
        let interrupter = interrupter.clone();
        unit = unit.with_strategy(StopAfter { epoch, interrupter });
    }
    let result = unit
        .attach(training)?
        .launch(Learner::new(model, optim, rate));
    if let Some(error) = interrupter.error() {
        return Err(error.to_string().into());
    }
    pruner.status().map_err(|error| error.to_string())?;
    let weights = ParamVector::of(&result.model.net).to_host()?.concat();
    Ok(Launch {
        from,
        weights: weights.into_iter().map(f32::to_bits).collect(),
        left: pruner.masks().count(),
    })
}

/// A run in a process of its own, killed once its second epoch is saved.
fn killed(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("train")
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()?;
    let saved = folder.join("checkpoints").join(format!("{:08}", 2));
    while !saved.exists() && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &arguments[..]
        && word == "train"
    {
        let launch = train(Path::new(folder), None)?;
        println!("{} weights are left", launch.left);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let of = |name: &str| folder.path().join(name);
    let straight = train(&of("straight"), None)?;
    assert_eq!(straight.from, None);

    let stopped = train(&of("stopped"), Some(2))?;
    assert_ne!(stopped.weights, straight.weights);
    killed(&of("killed"))?;
    for name in ["stopped", "killed"] {
        let resumed = train(&of(name), None)?;
        let from = resumed.from.ok_or("nothing was saved")?;
        assert_eq!(resumed.weights, straight.weights, "{name}");
        assert_eq!(resumed.left, straight.left, "{name}");
        println!(
            "{name}: went on after epoch {from} of {EPOCHS}, and ended with the same {} weights bit for bit",
            resumed.left
        );
    }
    Ok(())
}
