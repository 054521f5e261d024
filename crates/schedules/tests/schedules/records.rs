//! Every schedule through Burn's own training, checkpointer and groups.

use std::sync::{Arc, Mutex};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::module::{Module, ParamGroup};
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear as Layer, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep,
};
use regimen_schedules::{
    AdaGradNorm, AnySchedule, Constant, Cosine, Error, Infinite, Linear, LrSchedule, Norm,
    Schedule, ScheduleExt, Table, Wsd,
};
use regimen_tensor::{GradientNorms, ScalarLog};

use crate::entries;

type Batch = (Tensor<2>, Tensor<2>);

/// The rates that a run's updates were made at.
#[derive(Clone, Default)]
struct Rates(Arc<Mutex<Vec<f64>>>);

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rates")
    }
}

/// What a run logs.
#[derive(Clone, Debug)]
struct Logs {
    rates: Rates,
    losses: ScalarLog,
    norms: GradientNorms,
}

impl Logs {
    fn new() -> Self {
        Self {
            rates: Rates::default(),
            losses: ScalarLog::new(),
            norms: GradientNorms::new(Norm::L2),
        }
    }
}

#[derive(Module, Debug)]
struct Model {
    layer: Layer,
    #[module(skip)]
    logs: Logs,
}

impl Model {
    fn error(&self, (inputs, targets): Batch) -> RegressionOutput {
        let output = self.layer.forward(inputs);
        let loss = MseLoss::new().forward(output.clone(), targets.clone(), Reduction::Mean);
        RegressionOutput::new(loss, output, targets)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let output = self.error(batch);
        self.logs.losses.observe(output.loss.clone());
        TrainOutput::new(self, output.loss.backward(), output)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.logs.rates.0.lock().unwrap().push(lr.base());
        self.logs.norms.observe(&self, &grads);
        self.logs.losses.end_update(&self);
        optim.step(lr, self, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch)
    }
}

struct Line;

impl Batcher<f32, Batch> for Line {
    fn batch(&self, items: Vec<f32>, device: &Device) -> Batch {
        let count = items.len();
        let inputs = TensorData::new(items.clone(), [count, 1]);
        let targets = TensorData::new(items, [count, 1]);
        (
            Tensor::from_data(inputs, device),
            Tensor::from_data(targets, device),
        )
    }
}

/// Updates of an epoch.
const UPDATES: usize = 25;

/// Trains up to an epoch with Burn's file checkpointer, from a checkpoint if one is named; returns
/// the rates.
fn train(
    folder: &std::path::Path,
    scheduler: impl LrScheduler + 'static,
    epochs: usize,
    from: Option<usize>,
) -> Vec<f64> {
    let one = Device::flex().autodiff();
    let one = ExecutionStrategy::SingleDevice(one);
    train_on(folder, scheduler, epochs, from, one, 1, &Logs::new())
}

/// The same under a strategy and with gradients accumulated over some batches.
fn train_on(
    folder: &std::path::Path,
    scheduler: impl LrScheduler + 'static,
    epochs: usize,
    from: Option<usize>,
    strategy: ExecutionStrategy,
    accumulation: usize,
    logs: &Logs,
) -> Vec<f64> {
    let device = Device::flex().autodiff();
    let points = vec![0.01_f32; UPDATES];
    let loader = |device: &Device, items: Vec<f32>| {
        DataLoaderBuilder::new(Line)
            .batch_size(1)
            .set_device(device.clone())
            .build(InMemDataset::new(items))
    };
    let model = Model {
        layer: LinearConfig::new(1, 1).init(&device),
        logs: logs.clone(),
    };
    let valid = loader(&device.clone().inner(), vec![0.5]);
    let mut training = SupervisedTraining::new(folder, loader(&device, points), valid)
        .with_default_checkpointers()
        .with_application_logger(None)
        .with_training_strategy(strategy.into())
        .grads_accumulation(accumulation)
        .num_epochs(epochs);
    if let Some(epoch) = from {
        training = training.checkpoint(epoch);
    }
    training.launch(Learner::new(model, SgdConfig::new().init(), scheduler));
    let rates = logs.rates.0.lock().unwrap();
    rates.clone()
}

#[test]
fn a_run_resumed_by_burns_checkpointer_goes_on_with_its_rates() {
    for entry in entries::all() {
        let folder = tempfile::tempdir().unwrap();
        let new = || LrSchedule::new(entry.schedule.clone());
        let mut found = train(folder.path(), new(), 2, None);
        found.extend(train(folder.path(), new(), 4, Some(2)));
        let straight = entry.schedule.table(4 * UPDATES).unwrap();
        assert_eq!(found, straight, "{}", entry.name);
    }
}

/// Burn steps the scheduler once an update, so the schedule counts updates whatever an update consists of.
#[test]
fn with_accumulation_and_on_two_devices_each_update_has_its_own_rate() {
    let device = Device::flex().autodiff();
    let rate = Linear::new(1.0, 20).unwrap();
    for (accumulation, updates) in [(1, 25), (4, 7), (5, 5), (30, 1)] {
        let (folder, logs) = (tempfile::tempdir().unwrap(), Logs::new());
        let one = ExecutionStrategy::SingleDevice(device.clone());
        let scheduler = LrSchedule::new(rate);
        let found = train_on(folder.path(), scheduler, 2, None, one, accumulation, &logs);
        assert_eq!(found, rate.table(2 * updates).unwrap(), "{accumulation}");
        assert_eq!(
            (logs.losses.len(), logs.norms.len()),
            (found.len(), found.len())
        );
    }
    let (folder, logs) = (tempfile::tempdir().unwrap(), Logs::new());
    let two = vec![device.clone(), device];
    let two = ExecutionStrategy::multi(two, MultiDeviceOptim::OptimMainDevice);
    let scheduler = LrSchedule::new(rate);
    let found = train_on(folder.path(), scheduler, 1, None, two, 4, &logs);
    assert_eq!(found, rate.table(found.len()).unwrap());
    assert!((3..=4).contains(&found.len()), "{found:?}");
    assert_eq!(
        (logs.losses.len(), logs.norms.len()),
        (found.len(), found.len())
    );
}

#[test]
fn a_second_launch_goes_on_with_the_schedule() {
    let device = Device::flex().autodiff();
    let (rate, logs) = (Linear::new(1.0, 20).unwrap(), Logs::new());
    for run in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let one = ExecutionStrategy::SingleDevice(device.clone());
        let scheduler = LrSchedule::new(rate).with_position(logs.norms.len());
        let found = train_on(folder.path(), scheduler, 1, None, one, 5, &logs);
        assert_eq!(found, rate.table(5 * (run + 1)).unwrap());
    }
    assert_eq!((logs.losses.len(), logs.norms.len()), (10, 10));
}

/// At rate 0 every micro-batch has the same loss and gradient.
#[test]
fn an_entry_is_the_mean_loss_of_its_micro_batches_and_the_norm_of_their_sum_or_mean() {
    let device = Device::flex().autodiff();
    for divisor in [1, 5] {
        let (folder, mut logs) = (tempfile::tempdir().unwrap(), Logs::new());
        logs.norms = logs.norms.with_micro_batches(divisor).unwrap();
        let one = ExecutionStrategy::SingleDevice(device.clone());
        let still = LrSchedule::new(Constant::new(0.0).unwrap());
        train_on(folder.path(), still, 1, None, one, 5, &logs);
        let (losses, norms) = (logs.losses.values().unwrap(), logs.norms.norms().unwrap());
        // The loss is e^2, and the gradient (2 e x, 2 e) at x = 0.01, where e is the error.
        let gradient = 2.0 * losses[0].sqrt() * (1.0_f64 + 1e-4).sqrt();
        let expected = gradient * 5.0 / divisor as f64;
        for (loss, norm) in losses.iter().zip(&norms) {
            assert!((loss - losses[0]).abs() < 1e-6);
            assert!(
                (norm - expected).abs() < 1e-4 * expected,
                "{norm} {expected}"
            );
        }
        assert_eq!((losses.len(), norms.len()), (5, 5));
    }
    assert!(GradientNorms::new(Norm::L2).with_micro_batches(0).is_err());
}

#[test]
fn a_branch_anneals_from_the_trunks_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let trunk = Infinite::new(0.2, 0.1, 5, 20).unwrap();
    let plateau = 2 * UPDATES;
    let branch = trunk.anneal(plateau, UPDATES, 0.01).unwrap();
    let first = train(folder.path(), LrSchedule::new(trunk), 2, None);
    let second = train(folder.path(), LrSchedule::new(branch), 4, Some(2));
    assert_eq!(first, trunk.table(plateau).unwrap());
    assert_eq!(second, branch.table(4 * UPDATES).unwrap()[plateau..]);
    // The trunk goes on from the same checkpoint as if no branch had been.
    let other = tempfile::tempdir().unwrap();
    train(other.path(), LrSchedule::new(trunk), 2, None);
    let third = train(other.path(), LrSchedule::new(trunk), 3, Some(2));
    assert_eq!(third, vec![0.1; UPDATES]);
}

#[test]
fn a_copy_anneals_from_where_its_trunk_stands() {
    let trunk = Infinite::new(0.2, 0.1, 5, 20).unwrap();
    for batches in 1..4 {
        let new = |schedule| LrSchedule::new(schedule).with_calls_per_update(batches);
        let mut straight = new(trunk);
        for step in 0..40 * batches {
            let branch = straight.anneal(7, 0.01);
            if straight.position() < trunk.plateau() {
                let message = branch.unwrap_err().to_string();
                assert!(
                    message.contains("a step of the constant phase"),
                    "{message}"
                );
            } else {
                // The same as the record of the trunk in a run of the branch, in the middle of a step too.
                let schedule = trunk.anneal(straight.position(), 7, 0.01).unwrap();
                let mut loaded = new(schedule);
                loaded.load_record(straight.to_record());
                let mut copy = branch.unwrap();
                let rates = |scheduler: &mut LrSchedule<Infinite>| -> Vec<f64> {
                    (0..9 * batches).map(|_| scheduler.step()).collect()
                };
                let annealed = rates(&mut copy);
                assert_eq!(annealed, rates(&mut loaded));
                assert_eq!((annealed[0], annealed.last()), (0.1, Some(&0.01)));
            }
            assert_eq!(straight.step(), trunk.at(step / batches));
        }
        assert!(straight.anneal(0, 0.01).is_err() && straight.anneal(7, 0.0).is_err());
    }
}

#[test]
fn groups_of_parameters_have_their_own_schedules() {
    let device = Device::flex().autodiff();
    let layer: Layer = LinearConfig::new(2, 2).init(&device);
    let bias = layer.bias.as_ref().unwrap().id;
    let (body, head) = (Cosine::new(0.4, 10).unwrap(), Linear::new(0.1, 10).unwrap());
    let new = || {
        ModuleLrScheduler::new(LrSchedule::new(body))
            .with_group(ParamGroup::from_ids(vec![bias]), LrSchedule::new(head))
    };
    let mut scheduler = new();
    for step in 0..12 {
        let rates = scheduler.step();
        assert_eq!(rates.lr_from_param(layer.weight.id, None), body.at(step));
        assert_eq!(rates.lr_from_param(bias, None), head.at(step));
        scheduler = new().load_record(scheduler.to_record());
    }
}

/// Of numbers with random bits some lose their last one in JSON without `float_roundtrip`.
#[test]
fn json_keeps_every_bit_of_a_state() {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // A mantissa of all 52 bits, an exponent between 2^-40 and 2^23.
        f64::from_bits(((bits >> 58) + 983) << 52 | bits >> 12)
    };
    let values: Vec<f64> = (0..20_000).map(|_| next()).collect();
    let table = Table::new(values.clone()).unwrap();
    let text = serde_json::to_string(&table).unwrap();
    assert!(serde_json::from_str::<Table>(&text).unwrap() == table);
    for value in values {
        let rate = AdaGradNorm::new(0.1).unwrap().with_initial(value).unwrap();
        let text = serde_json::to_string(&rate).unwrap();
        assert_eq!(serde_json::from_str::<AdaGradNorm>(&text).unwrap(), rate);
    }
}

#[test]
fn a_record_of_a_schedule_of_another_length_is_refused() {
    let at = |schedule: AnySchedule, steps: usize| {
        let mut scheduler = LrSchedule::new(schedule);
        for _ in 0..steps {
            scheduler.step();
        }
        scheduler.to_record()
    };
    for entry in entries::all() {
        for steps in [0, 1, 7, 50] {
            let record = at(entry.schedule.clone(), steps);
            let resumed = LrSchedule::resume(entry.schedule.clone(), &record).unwrap();
            assert_eq!(resumed.position(), steps, "{}", entry.name);
        }
    }
    let linear = |steps| AnySchedule::from(Linear::new(1.0, steps).unwrap());
    let record = at(linear(100), 30);
    let error = LrSchedule::resume(linear(200), &record).unwrap_err();
    assert!(
        matches!(error, Error::OtherSchedule { step: 29, .. }),
        "{error}"
    );
    assert!(LrSchedule::resume(linear(100), &LrSchedulerRecord::new()).is_err());

    // Burn's own way in can't refuse: the error stays to be looked at.
    let mut other = LrSchedule::new(linear(200));
    other.load_record(record.clone());
    assert_eq!((other.position(), other.mismatch()), (30, Some(&error)));
    other.load_record(at(linear(200), 30));
    assert_eq!(other.mismatch(), None);
    let mut meant = LrSchedule::new(linear(200)).with_any_past();
    meant.load_record(record);
    assert_eq!(meant.mismatch(), None);
    assert_eq!(meant.step(), 0.85);

    // A longer stable phase changes no rate so far.
    let wsd = |stable| AnySchedule::from(Wsd::new(1.0, 10, stable, 20).unwrap());
    assert!(LrSchedule::resume(wsd(500), &at(wsd(100), 60)).is_ok());
    assert!(LrSchedule::resume(wsd(500), &at(wsd(30), 60)).is_err());
}
