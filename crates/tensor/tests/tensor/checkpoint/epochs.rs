//! The checkpoint beside `SupervisedTraining`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    InferenceStep, Interrupter, Learner, RegressionOutput, SupervisedTraining, TrainOutput,
    TrainStep, TrainingError,
};
use regimen_tensor::checkpoint::{CheckpointError, EpochCheckpoint};

use super::*;

type Batch = (Tensor<2>, Tensor<2>);

/// Counts optimizer steps; its clones share the count.
#[derive(Debug, Clone, Default)]
struct Steps(Arc<AtomicU64>);

impl Part for Steps {
    fn kind(&self) -> String {
        "steps 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.0.load(Ordering::Relaxed))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.0.store(json::load(bytes)?, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Module, Debug)]
struct Model {
    net: Net,
    #[module(skip)]
    steps: Steps,
}

impl Model {
    fn error(&self, (x, y): Batch) -> RegressionOutput {
        let hidden = self.net.norm.forward(self.net.first.forward(x));
        let output = self.net.head.forward(hidden);
        let loss = (output.clone() - y.clone()).square().mean();
        RegressionOutput::new(loss, output, y)
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
        // The count decides something, so that a wrong one changes the bits.
        let steps = self.steps.0.fetch_add(1, Ordering::Relaxed);
        let rate = lr.base() * (1.0 + 0.1 * (steps % 3) as f64);
        optim.step(rate, self, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch)
    }
}

struct Rows(DType);

impl Batcher<f32, Batch> for Rows {
    fn batch(&self, items: Vec<f32>, device: &Device) -> Batch {
        let count = items.len();
        let values = items.iter().flat_map(|at| [at.sin(), at.cos(), at * 0.01]);
        let x = TensorData::new(values.collect::<Vec<f32>>(), [count, 3]);
        let x = Tensor::<2>::from_data(x, (device, self.0));
        (x.clone(), x.sum_dim(1))
    }
}

/// Saves after every epoch, and asks for a stop after one of them.
struct StopAfter(usize, Interrupter);

impl CheckpointingStrategy for StopAfter {
    fn checkpointing(&mut self, epoch: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        if epoch == self.0 {
            self.1.stop(Some("as asked"));
        }
        vec![CheckpointingAction::Save, CheckpointingAction::Delete(1)]
    }
}

struct Launched {
    from: Option<usize>,
    bits: Vec<u8>,
    steps: u64,
    error: Option<Arc<TrainingError>>,
}

/// A launch of a run of four epochs of five steps.
fn launch(
    folder: &Path,
    dtype: DType,
    optim: ModuleOptimizer,
    change: impl FnOnce(EpochCheckpoint, &Interrupter) -> EpochCheckpoint,
) -> Result<Launched, CheckpointError> {
    let device = Device::flex().autodiff();
    let steps = Steps::default();
    let model = Model {
        net: Run::new(dtype).net,
        steps: steps.clone(),
    };
    let loader = |device: &Device| {
        DataLoaderBuilder::new(Rows(dtype))
            .batch_size(4)
            .set_device(device.clone())
            .build(InMemDataset::new(
                (0..20_u8).map(f32::from).collect::<Vec<f32>>(),
            ))
    };
    let valid = device.clone().inner();
    let training = SupervisedTraining::new(folder.join("log"), loader(&device), loader(&valid))
        .with_application_logger(None)
        .num_epochs(4);
    let interrupter = training.interrupter();
    let unit = EpochCheckpoint::new(folder.join("checkpoints")).with("steps", steps.clone());
    let mut unit = change(unit, &interrupter);
    let from = unit.resume()?;
    let result = unit
        .attach(training)?
        .launch(Learner::new(model, optim, Line(0)));
    let mut run = Run::new(dtype);
    run.net = result.model.net;
    Ok(Launched {
        from,
        bits: run.bits(),
        steps: steps.0.load(Ordering::Relaxed),
        error: interrupter.error(),
    })
}

fn exact() -> ModuleOptimizer {
    Exact(AdamWConfig::new().build()).into()
}

#[test]
fn a_training_that_was_stopped_goes_on_with_the_same_bits() {
    for dtype in [DType::F32, DType::BF16] {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let straight = launch(folders[0].path(), dtype, exact(), |unit, _| unit).unwrap();
        assert_eq!((straight.from, straight.steps), (None, 20));
        let folder = folders[1].path();
        let stopped = launch(folder, dtype, exact(), |unit, interrupter| {
            unit.with_strategy(StopAfter(2, interrupter.clone()))
        });
        let stopped = stopped.unwrap();
        assert!(stopped.error.is_none() && stopped.steps < 20);
        let resumed = launch(folder, dtype, exact(), |unit, _| unit.keep(2)).unwrap();
        assert_eq!((resumed.from, resumed.steps), (Some(2), 20));
        assert!(resumed.error.is_none());
        assert_eq!(resumed.bits, straight.bits, "{dtype:?}");
        let mut names: Vec<_> = fs::read_dir(folder.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [".lock", "00000003", "00000004"]);
        // A run that has ended has nothing left to do.
        let ended = launch(folder, dtype, exact(), |unit, _| unit).unwrap();
        assert_eq!((ended.from, ended.steps), (Some(4), 20));
        assert_eq!(ended.bits, straight.bits);
    }
}

#[test]
fn epochs_between_are_left_out_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    launch(folder.path(), DType::F32, exact(), |unit, _| unit.every(2)).unwrap();
    let unit = Checkpoint::new(folder.path().join("checkpoints"));
    assert_eq!(unit.steps().unwrap(), [2, 4]);
}

#[test]
fn a_damaged_file_is_found_before_the_training_starts() {
    let folder = tempfile::tempdir().unwrap();
    launch(folder.path(), DType::F32, exact(), |unit, _| unit).unwrap();
    for name in ["model", "optimizer", "scheduler", "steps"] {
        let file = folder
            .path()
            .join(format!("checkpoints/00000004/{name}.part"));
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[1..]).unwrap();
        let error = launch(folder.path(), DType::F32, exact(), |unit, _| unit)
            .err()
            .unwrap();
        assert!(
            matches!(&error, CheckpointError::Damaged { path, .. } if *path == file),
            "{error}"
        );
        fs::write(&file, whole).unwrap();
    }
    let error = launch(folder.path(), DType::F32, exact(), |unit, _| {
        unit.with("more", Steps::default())
    });
    assert!(matches!(
        error.err().unwrap(),
        CheckpointError::Names { .. }
    ));
}

#[test]
fn what_can_t_be_saved_stops_the_training_with_its_error() {
    struct Broken;
    impl Part for Broken {
        fn kind(&self) -> String {
            "broken 1".into()
        }
        fn save(&self) -> Result<Vec<u8>, PartError> {
            Err("the device is gone".into())
        }
        fn load(&mut self, _: &[u8]) -> Result<(), PartError> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let launched = launch(folder.path(), DType::F32, exact(), |unit, _| {
        unit.with("broken", Broken)
    });
    let error = launched.unwrap().error.unwrap().to_string();
    assert!(
        error.contains("part `broken` can't be saved: the device is gone"),
        "{error}"
    );
    // AdamW of a bf16 model would come back in f32.
    let plain = AdamWConfig::new().init();
    let launched = launch(folder.path(), DType::BF16, plain, |unit, _| unit);
    let error = launched.unwrap().error.unwrap().to_string();
    assert!(error.contains("Exact(config.build())"), "{error}");
    let unit = Checkpoint::new(folder.path().join("checkpoints"));
    assert_eq!(unit.steps().unwrap(), [0; 0]);
}

#[test]
fn what_a_user_types_wrong_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: fn(EpochCheckpoint) -> EpochCheckpoint| {
        let launched = launch(folder.path(), DType::F32, exact(), |unit, _| change(unit));
        launched.err().unwrap()
    };
    assert!(matches!(
        refused(|unit| unit.every(0)),
        CheckpointError::Every
    ));
    assert!(matches!(
        refused(|unit| unit.keep(0)),
        CheckpointError::Keep
    ));
    for name in ["model", "steps", "../steps"] {
        let launched = launch(folder.path(), DType::F32, exact(), |unit, _| {
            unit.with(name, Steps::default())
        });
        assert!(
            matches!(launched.err().unwrap(), CheckpointError::Name { .. }),
            "{name}"
        );
    }
}
