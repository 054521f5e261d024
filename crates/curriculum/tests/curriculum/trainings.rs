//! The loader in Burn's own training: several trainings, devices, accumulation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError, InMemDataset};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, RegressionOutput,
    SupervisedTraining, TrainOutput, TrainStep, TrainingStrategy,
};
use proptest::prelude::*;
use regimen_curriculum::{
    BatchSizes, CurriculumError, CurriculumLoader, EpochPlan, Feedback, LiveBatchSize, LoaderState,
    Rejected, Result, Sample, Sampler, Uniform,
};
use serde::{Deserialize, Serialize};

/// All examples each epoch; counts what it was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watched {
    all: Uniform,
    pub(super) plans: usize,
    pub(super) observed: Vec<usize>,
    pub(super) last: Vec<f32>,
}

impl Watched {
    pub(super) fn new(examples: usize) -> Self {
        Self {
            all: Uniform::new(examples, 5).unwrap(),
            plans: 0,
            observed: vec![0; examples],
            last: vec![-1.0; examples],
        }
    }
}

impl Sampler for Watched {
    fn examples(&self) -> usize {
        self.all.examples()
    }

    fn plan(&mut self) -> EpochPlan {
        self.plans += 1;
        self.all.plan()
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.all.observe(ids, losses)?;
        for (id, loss) in ids.iter().zip(losses) {
            self.observed[*id] += 1;
            self.last[*id] = *loss;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) ids: Vec<usize>,
    pub(super) x: Tensor<2>,
}

/// Items are their own ids; the type of the tensors is given.
pub(super) struct Stack(pub(super) DType);

impl Batcher<Sample<usize>, Batch> for Stack {
    fn batch(&self, samples: Vec<Sample<usize>>, device: &Device) -> Batch {
        let values: Vec<f32> = samples.iter().map(|s| s.item as f32 / 1e3).collect();
        let data = TensorData::new(values, [samples.len(), 1]);
        Batch {
            ids: samples.iter().map(|sample| sample.id).collect(),
            x: Tensor::from_data(data, (device, self.0)),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) batches: Arc<Mutex<Vec<Vec<usize>>>>,
    pub(super) updates: Arc<AtomicUsize>,
}

#[derive(Module, Debug)]
pub(super) struct Model {
    pub(super) layer: Linear,
    #[module(skip)]
    pub(super) feedback: Feedback<Watched>,
    #[module(skip)]
    pub(super) log: Log,
}

impl Model {
    fn error(&self, batch: Batch) -> (Tensor<1>, RegressionOutput) {
        let output = self.layer.forward(batch.x.clone());
        let losses = (output.clone() - batch.x.clone() * 2.0).square();
        let losses = losses.reshape([batch.ids.len()]);
        let output = RegressionOutput::new(losses.clone().mean(), output, batch.x);
        (losses, output)
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
        let ids = batch.ids.clone();
        self.log.batches.lock().unwrap().push(ids.clone());
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
        self.log.updates.fetch_add(1, Ordering::Relaxed);
        optim.step(lr, self, grads)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = RegressionOutput;

    fn step(&self, batch: Batch) -> RegressionOutput {
        self.error(batch).1
    }
}

/// A module in another type.
struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| Tensor::from_inner(values.inner().cast(self.0)).require_grad())
    }
}

pub(super) type Loader = CurriculumLoader<Watched, usize, Batch>;

pub(super) fn items(examples: usize) -> Arc<InMemDataset<usize>> {
    Arc::new(InMemDataset::new((0..examples).collect()))
}

pub(super) fn loader(examples: usize, sizes: impl Into<BatchSizes>, dtype: DType) -> Loader {
    let device = Device::flex().autodiff();
    let stack = Arc::new(Stack(dtype));
    CurriculumLoader::new(
        Watched::new(examples),
        items(examples),
        stack,
        sizes,
        &device,
    )
    .unwrap()
}

/// Trains over some devices, which are one, and returns what it saw.
fn train(
    loader: &Arc<Loader>,
    dtype: DType,
    devices: usize,
    accumulation: usize,
    epochs: usize,
) -> Log {
    let device = Device::flex().autodiff();
    let log = Log::default();
    let layer = LinearConfig::new(1, 1).init(&device);
    let model = Model {
        layer: layer.map(&mut Cast(dtype)),
        feedback: loader.feedback(),
        log: log.clone(),
    };
    let valid = Uniform::new(4, 0).unwrap();
    let stack = Arc::new(Stack(dtype));
    let valid = CurriculumLoader::new(valid, items(4), stack, 4, &device.clone().inner()).unwrap();
    let strategy = if devices > 1 {
        ExecutionStrategy::multi(vec![device; devices], MultiDeviceOptim::OptimMainDevice)
    } else {
        ExecutionStrategy::single(device)
    };
    let folder = tempfile::tempdir().unwrap();
    SupervisedTraining::new(folder.path(), loader.clone(), Arc::new(valid))
        .with_training_strategy(TrainingStrategy::Default(strategy))
        .with_application_logger(None)
        .grads_accumulation(accumulation)
        .num_epochs(epochs)
        .launch(Learner::new(model, SgdConfig::new().init(), 0.01));
    log
}

pub(super) fn sorted(batches: &[Vec<usize>]) -> Vec<usize> {
    let mut ids = batches.concat();
    ids.sort_unstable();
    ids
}

#[test]
fn a_second_training_goes_on_with_new_epochs() {
    for devices in [1, 2] {
        let loader = Arc::new(loader(50, 8, DType::F32));
        let first = train(&loader, DType::F32, devices, 1, 2);
        let second = train(&loader, DType::F32, devices, 1, 2);
        let state = loader.state().unwrap();
        assert_eq!(state.sampler.plans, 4);
        assert_eq!(state.sampler.observed, vec![4; 50]);
        assert_eq!(state.delivered, 50);
        let steps = if devices == 1 { 7 } else { 4 };
        assert_eq!(state.batches, 4 * steps);
        let (first, second) = (
            first.batches.lock().unwrap(),
            second.batches.lock().unwrap(),
        );
        assert_ne!(*first, *second);
        assert_eq!(first.len(), 2 * steps * devices);
        let epoch = steps * devices;
        for epoch in first.chunks(epoch).chain(second.chunks(epoch)) {
            assert_eq!(sorted(epoch), (0..50).collect::<Vec<_>>());
        }
    }
}

#[test]
fn devices_see_step_by_step_what_one_sees_with_their_batches_together() {
    let alone = Arc::new(loader(70, 16, DType::F32));
    let alone = train(&alone, DType::F32, 1, 1, 2);
    let together = Arc::new(loader(70, 8, DType::F32));
    let together = train(&together, DType::F32, 2, 1, 2);
    let (alone, together) = (
        alone.batches.lock().unwrap(),
        together.batches.lock().unwrap(),
    );
    assert_eq!(together.len(), 2 * alone.len());
    for (one, two) in alone.iter().zip(together.chunks(2)) {
        assert_eq!(sorted(std::slice::from_ref(one)), sorted(two));
    }
}

#[test]
fn accumulation_loses_no_update_when_the_last_batch_is_dropped() {
    for workers in [0, 2] {
        let loader = loader(10, 4, DType::F32).with_drop_last(true);
        let loader = Arc::new(loader.with_workers(workers));
        let log = train(&loader, DType::F32, 1, 3, 2);
        assert_eq!(log.batches.lock().unwrap().len(), 4);
        assert_eq!(log.updates.load(Ordering::Relaxed), 2);
    }
    // Two devices: four batches each, in windows of 3 and 1.
    let loader = Arc::new(loader(67, 8, DType::F32).with_drop_last(true));
    let log = train(&loader, DType::F32, 2, 3, 1);
    assert_eq!(log.batches.lock().unwrap().len(), 8);
    assert_eq!(log.updates.load(Ordering::Relaxed), 2);
}

#[test]
fn half_precision_two_devices_and_accumulation_in_two_trainings() {
    let loader = Arc::new(loader(30, 4, DType::BF16).with_workers(1));
    for training in 1..=2 {
        let log = train(&loader, DType::BF16, 2, 2, 3);
        // Four steps an epoch.
        assert_eq!(log.updates.load(Ordering::Relaxed), 6);
        let state = loader.state().unwrap();
        assert_eq!(state.sampler.observed, vec![3 * training; 30]);
        assert!(state.sampler.last.iter().all(|loss| *loss >= 0.0));
    }
}

pub(super) fn ids(loader: &dyn DataLoader<Batch>) -> Vec<Vec<usize>> {
    loader.iter().map(|batch| batch.unwrap().ids).collect()
}

#[test]
fn slices_never_wait_for_each_other() {
    // 1,023 examples: with drop_last, halves of 511 and 512 would have 15 and 16 batches.
    for (examples, drop_last) in [(1023, false), (1023, true), (1025, false), (1025, true)] {
        let whole = loader(examples, 32, DType::F32).with_drop_last(drop_last);
        let middle = examples / 2;
        let slices = [whole.slice(0, middle), whole.slice(middle, examples)];
        let found = slices.each_ref().map(|slice| ids(slice.as_ref()));
        assert_eq!(found[0].len(), found[1].len(), "{examples} {drop_last}");
        let delivered = found[0].len() * 64;
        if drop_last {
            assert_eq!(sorted(&found.concat()).len(), delivered);
        } else {
            assert_eq!(sorted(&found.concat()), (0..examples).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_run_of_slices_goes_on_in_the_middle_of_an_epoch() {
    let halves = |whole: &Loader| [whole.slice(0, 25), whole.slice(25, 50)];
    let straight = loader(50, 4, DType::F32);
    let straight = halves(&straight);
    let expected: Vec<_> = straight.each_ref().map(|slice| ids(slice.as_ref())).into();
    let stopped = loader(50, 4, DType::F32);
    let slices = halves(&stopped);
    let mut running: Vec<_> = slices.iter().map(|slice| slice.iter()).collect();
    for _ in 0..3 {
        running.iter_mut().for_each(|slice| {
            slice.next().unwrap().unwrap();
        });
    }
    let state = serde_json::to_string(&stopped.state().unwrap()).unwrap();
    let state: LoaderState<Watched> = serde_json::from_str(&state).unwrap();
    assert_eq!((state.delivered, state.batches), (24, 3));
    let device = Device::flex();
    let stack = Arc::new(Stack(DType::F32));
    let resumed = CurriculumLoader::resume(state, items(50), stack, 4, &device).unwrap();
    let resumed = halves(&resumed);
    for (slice, all) in resumed.iter().zip(&expected) {
        assert_eq!(ids(slice.as_ref()), all[3..]);
    }
}

#[test]
fn slices_in_two_trainings_and_the_whole_take_turns() {
    let whole = loader(20, 4, DType::F32);
    let mut sampler = Watched::new(20);
    let mut plan = || sampler.plan().ids;
    let of_slices = || {
        let slices = [whole.slice(0, 10), whole.slice(10, 20)];
        // On another device it is the same slice.
        let slices = slices.map(|slice| slice.to_device(&Device::flex()));
        move || {
            let all = slices.each_ref().map(|slice| ids(slice.as_ref()));
            let steps = all[0].iter().zip(&all[1]);
            steps
                .flat_map(|(a, b)| [a.clone(), b.clone()].concat())
                .collect::<Vec<_>>()
        }
    };
    let first = of_slices();
    assert_eq!(first(), plan());
    assert_eq!(ids(&whole).concat(), plan());
    let second = of_slices();
    assert_eq!(first(), plan());
    assert_eq!(second(), plan());
    assert_eq!(second(), plan());
    assert_eq!(ids(&whole).concat(), plan());
    // Three steps of slices, five batches of the whole.
    assert_eq!(whole.state().unwrap().batches, 3 + 5 + 3 + 3 + 3 + 5);
}

#[test]
fn workers_are_kept_from_epoch_to_epoch() {
    struct Threads(InMemDataset<usize>, Mutex<Vec<std::thread::ThreadId>>);
    impl Dataset<usize> for Threads {
        fn get(&self, index: usize) -> std::result::Result<usize, DatasetError> {
            self.1.lock().unwrap().push(std::thread::current().id());
            self.0.get(index)
        }
        fn len(&self) -> usize {
            self.0.len()
        }
    }
    let data = Arc::new(Threads(
        InMemDataset::new((0..40).collect()),
        Mutex::default(),
    ));
    let device = Device::flex();
    let loader = CurriculumLoader::new(
        Watched::new(40),
        data.clone(),
        Arc::new(Stack(DType::F32)),
        4,
        &device,
    );
    let loader = loader.unwrap().with_workers(2);
    for _ in 0..3 {
        assert_eq!(ids(&loader).len(), 10);
        assert_eq!(ids(loader.to_device(&device).as_ref()).len(), 10);
        // Given up after a batch.
        assert!(loader.iter().next().unwrap().is_ok());
    }
    let mut threads = data.1.lock().unwrap().clone();
    threads.sort_by_key(|id| format!("{id:?}"));
    threads.dedup();
    assert_eq!(threads.len(), 2);
    // Two epochs at once do not wait for each other.
    let pairs = loader.iter().zip(loader.iter());
    assert_eq!(pairs.count(), 10);
}

#[test]
fn a_batcher_that_panics_is_an_error_of_its_epoch() {
    struct Panics;
    impl Batcher<Sample<usize>, Batch> for Panics {
        fn batch(&self, samples: Vec<Sample<usize>>, device: &Device) -> Batch {
            assert!(samples[0].batch != 1, "a batch that can't be made");
            Stack(DType::F32).batch(samples, device)
        }
    }
    let device = Device::flex();
    let loader = CurriculumLoader::new(Watched::new(9), items(9), Arc::new(Panics), 3, &device);
    let loader = loader.unwrap().with_workers(1);
    let mut batches = loader.iter();
    assert!(batches.next().unwrap().is_ok());
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("panicked: a batch that can't be made"),
        "{error}"
    );
    assert!(batches.next().is_none());
}

#[test]
fn losses_that_are_not_finite_teach_nothing_and_are_counted() {
    let device = Device::flex();
    let loader = loader(50, 8, DType::F32);
    let feedback = loader.feedback();
    assert!(loader.iter().next().unwrap().is_ok());
    let losses = [0.5, f32::NAN, f32::INFINITY, 0.25];
    feedback.observe(vec![3, 7, 8, 1], Tensor::from_floats(losses, &device));
    // Training goes on.
    assert!(loader.iter().next().unwrap().is_ok());
    let rejected = Rejected {
        losses: 2,
        last: Some(8),
    };
    assert_eq!(feedback.rejected(), rejected);
    let state = loader.state().unwrap();
    assert_eq!((state.sampler.last[3], state.sampler.last[1]), (0.5, 0.25));
    assert_eq!(
        (state.sampler.observed[7], state.sampler.observed[8]),
        (0, 0)
    );
    let text = serde_json::to_string(&state).unwrap();
    let back: LoaderState<Watched> = serde_json::from_str(&text).unwrap();
    assert_eq!((back.rejected, &back), (rejected, &state));
    feedback.observe(vec![9, 4], Tensor::from_floats([f32::NAN, 1.0], &device));
    let refused = feedback.flush().unwrap_err();
    assert_eq!(refused, CurriculumError::Rejected { losses: 1, last: 9 });
    assert_eq!(feedback.rejected().losses, 3);
    assert_eq!(loader.state().unwrap().sampler.last[4], 1.0);
    assert_eq!(feedback.flush(), Ok(()));
}

#[test]
fn a_wrong_batch_of_losses_is_reported_and_the_others_are_learned() {
    let device = Device::flex();
    let loader = loader(50, 8, DType::F32);
    let feedback = loader.feedback();
    feedback.observe(vec![1], Tensor::from_floats([0.5], &device));
    feedback.observe(vec![2, 3], Tensor::from_floats([0.5], &device));
    feedback.observe(vec![50], Tensor::from_floats([0.5], &device));
    feedback.observe(vec![4], Tensor::from_data([0.25], (&device, DType::BF16)));
    let refused = feedback.flush().unwrap_err();
    assert!(matches!(refused, CurriculumError::Lengths { ids: 2, .. }));
    assert_eq!(feedback.flush(), Ok(()));
    let sampler = loader.state().unwrap().sampler;
    assert_eq!((sampler.last[1], sampler.last[4]), (0.5, 0.25));
    assert_eq!(sampler.observed.iter().sum::<usize>(), 2);
    feedback.observe(vec![50], Tensor::from_floats([0.5], &device));
    let error = loader.iter().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("example 50 of 50"), "{error}");
    assert!(loader.iter().next().unwrap().is_ok());
}

#[test]
fn plans_that_cannot_be_delivered_are_refused() {
    #[derive(Clone)]
    struct Bad(EpochPlan);
    impl Sampler for Bad {
        fn examples(&self) -> usize {
            4
        }
        fn plan(&mut self) -> EpochPlan {
            self.0.clone()
        }
        fn observe(&mut self, _: &[usize], _: &[f32]) -> Result<()> {
            Ok(())
        }
    }
    let first = |ids: Vec<usize>, weights: Option<Vec<f32>>| {
        let plan = EpochPlan { ids, weights };
        let stack = Arc::new(Stack(DType::F32));
        let loader = CurriculumLoader::new(Bad(plan), items(4), stack, 2, &Device::flex());
        let loader = loader.unwrap();
        let mut batches = loader.iter();
        batches.next().map(|batch| match batch {
            Ok(batch) => format!("{:?}", batch.ids),
            Err(error) => error.to_string(),
        })
    };
    assert_eq!(first(vec![2, 1, 0], None).unwrap(), "[2, 1]");
    let empty = first(vec![], None).unwrap();
    assert!(
        empty.contains("an epoch without a batch: it has 0 examples"),
        "{empty}"
    );
    let error = |ids, weights| first(ids, weights).unwrap();
    assert!(error(vec![1, 4], None).contains("example 4 of 4"));
    assert!(error(vec![1, 2, 1], None).contains("example 1 is more than once"));
    assert!(error(vec![1, 2], Some(vec![1.0])).contains("weight 1 is missing"));
    assert!(error(vec![1], Some(vec![f32::NAN])).contains("weight 0 is NaN"));
    assert!(error(vec![1], Some(vec![1.0, 2.0])).contains("1 examples"));
}

#[test]
fn a_live_size_that_grows_at_the_end_loses_no_example() {
    let size = LiveBatchSize::new(4).unwrap();
    let loader = loader(10, size.clone(), DType::F32).with_drop_last(true);
    let mut batches = loader.iter();
    assert_eq!(batches.next().unwrap().unwrap().ids.len(), 4);
    assert!(!batches.progress().is_completed());
    // The size at the batch before said that a batch follows.
    size.set(9).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().ids.len(), 6);
    assert!(batches.progress().is_completed());
    assert!(batches.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn progress_is_complete_with_the_last_batch_and_not_before(
        examples in 1_usize..60, size in 1_usize..12, drop_last in any::<bool>(), devices in 1_usize..4,
    ) {
        let whole = loader(examples, size, DType::F32).with_drop_last(drop_last);
        let part = |i: usize| examples * i / devices;
        let slices: Vec<_> = (0..devices).map(|i| whole.slice(part(i), part(i + 1))).collect();
        for slice in &slices {
            if drop_last && examples < size * devices {
                let error = slice.iter().next().unwrap().unwrap_err().to_string();
                prop_assert!(error.contains("an epoch without a batch"), "{}", error);
                continue;
            }
            let count = ids(slice.as_ref()).len();
            let mut batches = slice.iter();
            for batch in 1..=count {
                prop_assert!(batches.next().unwrap().is_ok());
                prop_assert_eq!(batches.progress().is_completed(), batch == count);
            }
            prop_assert!(batches.next().is_none());
        }
    }
}
