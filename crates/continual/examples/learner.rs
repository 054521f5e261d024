//! Two tasks in Burn's own training, one launch each: synaptic intelligence keeps the first one's weights where they matter;
//! plain, with accumulated gradients, on two devices, and stopped and restored between the tasks.
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{
    ClassificationOutput, ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_continual::{Classifier, Si, SiConfig, Strategy, Task, plain_loss};
use regimen_tensor::checkpoint::Part;

type Batch = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    head: Linear,
    #[module(skip)]
    strategy: Si,
}

impl Classifier for Model {
    type Batch = Batch;

    fn logits(&self, (inputs, _): &Batch) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(inputs.clone())))
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        // `step` can return no error: a penalty that fails shows as a loss that is no number, and the step is left out.
        let plain = plain_loss(self, &batch);
        let loss = match self.strategy.penalty(self, &batch) {
            Ok(penalty) => plain + penalty,
            Err(_) => plain * f64::NAN,
        };
        let output = ClassificationOutput::new(loss.clone(), self.logits(&batch), batch.1);
        TrainOutput::new(self, loss.backward(), output)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.strategy.clone().optimize(self, optim, lr, grads)
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        self.strategy.clone().optimize_multi(self, optim, lr, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        let logits = self.logits(&batch);
        ClassificationOutput::new(plain_loss(self, &batch), logits, batch.1)
    }
}

type Point = ([f32; 2], i64);

/// Points around four centres: a class each.
#[derive(Clone)]
struct Points;

impl Points {
    fn of(classes: [usize; 2]) -> Vec<Point> {
        let centres = [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]];
        let point = |i: usize| {
            let class = classes[i % 2];
            let [x, y] = centres[class];
            let offset = |by: usize| ((i * by) % 17) as f32 / 17.0 - 0.5;
            ([x + offset(5), y + offset(7)], class as i64)
        };
        (0..256).map(point).collect()
    }
}

impl Batcher<Point, Batch> for Points {
    fn batch(&self, items: Vec<Point>, device: &Device) -> Batch {
        let count = items.len();
        let inputs: Vec<f32> = items.iter().flat_map(|(point, _)| *point).collect();
        let labels: Vec<i64> = items.iter().map(|(_, label)| *label).collect();
        (
            Tensor::from_data(TensorData::new(inputs, [count, 2]), device),
            Tensor::from_data(TensorData::new(labels, [count]), device),
        )
    }
}

/// How a run trains.
struct Run {
    name: &'static str,
    /// Micro-batches a step.
    accumulation: usize,
    devices: usize,
    /// Whether the state is saved and restored between the tasks.
    restored: bool,
}

impl Run {
    /// One task: a launch, and what the method does at its end.
    fn task(&self, model: Model, task: &Task, device: &Device) -> Result<Model, Box<dyn Error>> {
        let points = Points::of([task.classes[0], task.classes[1]]);
        let loader = |device: &Device| {
            DataLoaderBuilder::new(Points)
                .batch_size(16)
                .shuffle(1)
                .set_device(device.clone())
                .build(InMemDataset::new(points.clone()))
        };
        let training = match self.devices {
            1 => ExecutionStrategy::single(device.clone()),
            // On a machine with several devices, name each of them.
            n => {
                ExecutionStrategy::multi(vec![device.clone(); n], MultiDeviceOptim::OptimMainDevice)
            }
        };
        let strategy = model.strategy.clone();
        let model = strategy.before_task(model, task)?;
        let folder = tempfile::tempdir()?;
        let valid = device.clone().inner();
        let launch = SupervisedTraining::new(folder.path(), loader(device), loader(&valid))
            .with_training_strategy(training.into())
            .grads_accumulation(self.accumulation)
            .num_epochs(2);
        let optim = SgdConfig::new().init();
        let model = launch.launch(Learner::new(model, optim, 0.1)).model.train();
        Strategy::<Model>::status(&strategy).map_err(|error| error.to_string())?;
        Ok(strategy.after_task(model, &*loader(device))?)
    }

    fn run(&self) -> Result<(), Box<dyn Error>> {
        let device = Device::default().autodiff();
        device.seed(1);
        let hidden = LinearConfig::new(2, 32).init(&device);
        let mut strategy = SiConfig::new(1.0).init(&hidden)?;
        let head = LinearConfig::new(32, 4).init(&device);
        let mut model = Model {
            hidden,
            head,
            strategy: strategy.clone(),
        };
        // A method is of the whole model's parameters: it is made once the model stands.
        strategy = SiConfig::new(1.0).init(&model)?;
        model.strategy = strategy.clone();
        let task = |id: usize| Task {
            id,
            classes: vec![2 * id, 2 * id + 1],
            examples: 256,
        };
        let mut model = self.task(model, &task(0), &device)?;
        if self.restored {
            let saved = strategy.save().map_err(|error| error.to_string())?;
            strategy = SiConfig::new(1.0).init(&model)?;
            strategy.load(&saved).map_err(|error| error.to_string())?;
            model.strategy = strategy.clone();
        }
        let model = self.task(model, &task(1), &device)?;
        let steps = Strategy::<Model>::steps(&strategy).taken();
        let expected = 2 * 2 * 256 / 16 / self.accumulation / self.devices;
        assert_eq!((strategy.tasks(), steps), (2, expected), "{}", self.name);
        let held = strategy.held().ok_or("no importances")?;
        let weights = held.weights().to_host()?.concat();
        assert!(weights.iter().any(|weight| *weight > 0.0));
        drop(model);
        println!("{}: {} tasks, {steps} steps", self.name, strategy.tasks());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let plain = Run {
        name: "plain",
        accumulation: 1,
        devices: 1,
        restored: false,
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
    let restored = Run {
        name: "restored",
        restored: true,
        ..plain
    };
    for run in [&plain, &accumulated, &two, &restored] {
        run.run()?;
    }
    Ok(())
}
