//! What goes wrong in a loader: it is told, to every slice the same, and can stop a training.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::nn::LinearConfig;
use burn::optim::SgdConfig;
use burn::tensor::{DType, Device, Tensor};
use burn::train::{
    ExecutionStrategy, Interrupter, Learner, LearningResult, MultiDeviceOptim, SupervisedTraining,
    TrainingStrategy,
};
use regimen_curriculum::{
    BatchSizes, CurriculumError, CurriculumLoader, DynamicRandom, EpochPlan, Result, Sample,
    Sampler, StaticSubset, Uniform,
};

use super::trainings::{Batch, Loader, Log, Model, Stack, Watched, ids, items, loader, sorted};

fn halves(whole: &Loader, examples: usize) -> [Arc<dyn DataLoader<Batch>>; 2] {
    let middle = examples / 2;
    [whole.slice(0, middle), whole.slice(middle, examples)]
}

fn first_error<O>(loader: &dyn DataLoader<O>) -> String {
    let first = loader.iter().next().unwrap();
    first.err().unwrap().to_string()
}

#[test]
fn a_plan_that_is_gone_is_an_error_and_is_never_made_anew() {
    let whole = loader(10, 2, DType::F32);
    let [ahead, behind] = halves(&whole, 10);
    let mut first: Vec<Vec<Vec<usize>>> = (0..8).map(|_| ids(ahead.as_ref())).collect();
    // Eight epochs apart, each is still delivered once.
    for of_ahead in first.drain(..) {
        let both = [of_ahead, ids(behind.as_ref())].concat();
        assert_eq!(sorted(&both), (0..10).collect::<Vec<_>>());
    }
    for _ in 0..9 {
        ids(ahead.as_ref());
    }
    for _ in 0..2 {
        let error = first_error(behind.as_ref());
        assert!(error.contains("9 epochs behind the others"), "{error}");
    }
    let error = whole.state().unwrap_err();
    assert_eq!(error, CurriculumError::Behind { epochs: 9 });
    assert_eq!(ids(ahead.as_ref()).len(), 3);
}

#[test]
fn slices_without_an_example_of_their_own_deliver_those_of_the_others() {
    // As Burn splits 3 examples over 4 devices: 0..0, 0..0, 0..0 and 0..3.
    let whole = loader(3, 1, DType::F32);
    let parts = [(0, 0), (0, 0), (0, 0), (0, 3)];
    let slices = parts.map(|(start, end)| whole.slice(start, end));
    let found: Vec<Vec<usize>> = slices
        .iter()
        .flat_map(|slice| ids(slice.as_ref()))
        .collect();
    assert_eq!(found.len(), 4);
    let mut found = sorted(&found);
    found.dedup();
    assert_eq!(found, [0, 1, 2]);
}

#[test]
fn a_slice_ahead_of_the_others_does_not_move_their_position() {
    let whole = loader(20, 2, DType::F32);
    let [a, b] = halves(&whole, 20);
    let (mut first, mut second) = (a.iter(), b.iter());
    for _ in 0..5 {
        assert!(first.next().unwrap().is_ok());
    }
    for _ in 0..2 {
        assert!(second.next().unwrap().is_ok());
    }
    // The first slice goes on with the next epoch, the second is at 8 of 20 examples of this one.
    assert!(first.next().is_none());
    let mut next = a.iter();
    let ahead = next.next().unwrap().unwrap().ids;
    assert!(second.next().unwrap().is_ok());
    let state = whole.state().unwrap();
    assert_eq!(
        (state.delivered, state.batches, state.later.len()),
        (12, 3, 1)
    );
    let text = serde_json::to_string(&state).unwrap();
    let state = serde_json::from_str(&text).unwrap();
    let stack = Arc::new(Stack(DType::F32));
    let resumed = CurriculumLoader::resume(state, items(20), stack, 2, &Device::flex()).unwrap();
    let [again, rest] = halves(&resumed, 20);
    let rest_of_first: Vec<Vec<usize>> = second.map(|batch| batch.unwrap().ids).collect();
    assert_eq!(ids(rest.as_ref()), rest_of_first);
    ids(again.as_ref());
    // The epoch that was planned comes before a new one.
    assert_eq!(ids(again.as_ref())[0], ahead);
}

#[test]
fn a_loss_that_is_not_finite_keeps_the_others_and_an_error_is_told_to_every_slice() {
    let device = Device::flex();
    let whole = loader(10, 2, DType::F32);
    let slices = halves(&whole, 10);
    let feedback = whole.feedback();
    let observe = |ids: Vec<usize>, losses: &[f32]| {
        feedback.observe(ids, Tensor::from_floats(losses, &device));
    };
    observe(vec![4, 5, 6], &[0.25, f32::NAN, 0.5]);
    for slice in &slices {
        assert_eq!(ids(slice.as_ref()).len(), 3);
    }
    let sampler = whole.state().unwrap().sampler;
    assert_eq!((sampler.last[4], sampler.last[6]), (0.25, 0.5));
    assert_eq!(sampler.observed[5], 0);
    // A loss of no example: both slices are told, and what was sound is learned.
    observe(vec![7], &[0.125]);
    observe(vec![10], &[1.0]);
    let errors = slices.each_ref().map(|slice| first_error(slice.as_ref()));
    assert_eq!(errors, ["example 10 of 10", "example 10 of 10"]);
    let both = slices.each_ref().map(|slice| ids(slice.as_ref()));
    assert_eq!(sorted(&both.concat()), (0..10).collect::<Vec<_>>());
    assert_eq!(whole.state().unwrap().sampler.last[7], 0.125);
    assert_eq!(feedback.rejected().losses, 1);
}

/// Fails at one batch, once.
struct Faulty {
    at: usize,
    failed: AtomicBool,
}

impl Batcher<Sample<usize>, Batch> for Faulty {
    fn batch(&self, samples: Vec<Sample<usize>>, device: &Device) -> Batch {
        let batch = samples[0].batch;
        if batch == self.at {
            let again = self.failed.swap(true, Ordering::Relaxed);
            assert!(again, "no picture in file {}", batch * 7);
        }
        Stack(DType::F32).batch(samples, device)
    }
}

#[test]
fn a_panic_of_a_batcher_is_told_with_its_words_and_the_workers_live_on() {
    for workers in [0, 1, 2, 3] {
        for at in [0, 1, 4] {
            let failed = AtomicBool::new(false);
            let stack = Arc::new(Faulty { at, failed });
            let device = Device::flex();
            let loader = CurriculumLoader::new(Watched::new(10), items(10), stack, 2, &device);
            let loader = loader.unwrap().with_workers(workers);
            let mut batches = loader.iter();
            for _ in 0..at {
                assert!(batches.next().unwrap().is_ok());
            }
            let error = batches.next().unwrap().unwrap_err().to_string();
            let words = format!("panicked: no picture in file {}", at * 7);
            assert!(error.contains(&words), "{error}");
            assert!(batches.next().is_none());
            // The next epoch is whole, made by the same threads.
            assert_eq!(ids(&loader).len(), 5);
        }
    }
}

#[test]
fn panics_of_data_sets_and_sizes_and_missing_items_are_errors() {
    struct Short(usize);
    impl Dataset<usize> for Short {
        fn get(&self, index: usize) -> std::result::Result<usize, DatasetError> {
            Ok(index)
        }
        fn get_many(&self, indices: Vec<usize>) -> std::result::Result<Vec<usize>, DatasetError> {
            assert!(self.0 > 0, "the disk is gone");
            Ok(indices.into_iter().take(self.0).collect())
        }
        fn len(&self) -> usize {
            10
        }
    }
    let device = Device::flex();
    for workers in [0, 2] {
        let of = |items: usize, sizes: BatchSizes| {
            let stack = Arc::new(Stack(DType::F32));
            let data = Arc::new(Short(items));
            let loader = CurriculumLoader::new(Watched::new(10), data, stack, sizes, &device);
            first_error(&loader.unwrap().with_workers(workers))
        };
        assert!(of(0, 3.into()).contains("panicked: the disk is gone"));
        let error = of(2, 3.into());
        assert!(
            error.contains("`items of a batch` holds 2 values"),
            "{error}"
        );
        let called = AtomicUsize::new(0);
        let sizes = BatchSizes::planned(move |_| {
            assert!(called.fetch_add(1, Ordering::Relaxed) == 0, "no size");
            3
        });
        assert!(of(9, sizes).contains("panicked: no size"));
    }
}

#[test]
fn small_shares_keep_an_example_and_empty_epochs_are_refused() {
    assert_eq!(DynamicRandom::new(3, 0.1, 0).unwrap().plan().ids.len(), 1);
    assert_eq!(StaticSubset::new(3, 0.1, 0).unwrap().plan().ids.len(), 1);

    #[derive(Clone)]
    struct Nothing(usize);
    impl Sampler for Nothing {
        fn examples(&self) -> usize {
            self.0
        }
        fn plan(&mut self) -> EpochPlan {
            EpochPlan::default()
        }
        fn observe(&mut self, _: &[usize], _: &[f32]) -> Result<()> {
            Ok(())
        }
    }
    let of = |examples| {
        let stack = Arc::new(Stack(DType::F32));
        CurriculumLoader::new(
            Nothing(examples),
            items(examples),
            stack,
            2,
            &Device::flex(),
        )
    };
    assert!(of(0).is_err());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let loader = of(4).unwrap();
    let hears = heard.clone();
    loader.on_failure(move |error| hears.lock().unwrap().push(error.to_string()));
    let slices = [loader.slice(0, 2), loader.slice(2, 4)];
    let errors = slices.each_ref().map(|slice| first_error(slice.as_ref()));
    assert_eq!(errors[0], errors[1]);
    assert!(errors[0].contains("an epoch without a batch"), "{errors:?}");
    assert_eq!(*heard.lock().unwrap(), errors[..1]);
    // A part of a short plan delivers at least one example.
    let stack = Arc::new(Stack(DType::F32));
    let one = DynamicRandom::new(9, 0.1, 0).unwrap();
    let short = CurriculumLoader::new(one, items(9), stack, 2, &Device::flex()).unwrap();
    assert_eq!(ids(short.slice(0, 2).as_ref()).concat().len(), 1);
}

#[test]
fn the_first_failure_is_heard_once_by_all_clones() {
    let device = Device::flex();
    let whole = loader(6, 2, DType::F32);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hears, feedback) = (heard.clone(), whole.feedback());
    whole.on_failure(move |error| {
        // The call may use the loader.
        let losses = feedback.rejected().losses;
        hears.lock().unwrap().push((error.clone(), losses));
    });
    let clone = whole.to_device(&device);
    let feedback = whole.feedback();
    for batch in clone.iter() {
        let ids = batch.unwrap().ids;
        let losses: Vec<f32> = ids
            .iter()
            .map(|id| if *id == 3 { f32::NAN } else { 0.5 })
            .collect();
        feedback.observe(ids, Tensor::from_floats(losses.as_slice(), &device));
    }
    // Told when the epoch ends, though no other is planned.
    let rejected = CurriculumError::Rejected { losses: 1, last: 3 };
    assert_eq!(*heard.lock().unwrap(), [(rejected, 1)]);
    feedback.observe(vec![9], Tensor::from_floats([0.5], &device));
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert!(feedback.flush().is_err());
    assert_eq!(feedback.flush(), Ok(()));
}

/// One example has no finite loss.
struct Poison(usize);

impl Batcher<Sample<usize>, Batch> for Poison {
    fn batch(&self, samples: Vec<Sample<usize>>, device: &Device) -> Batch {
        let bad = samples.iter().any(|sample| sample.id == self.0);
        let mut batch = Stack(DType::F32).batch(samples, device);
        if bad {
            batch.x = batch.x * f32::NAN;
        }
        batch
    }
}

fn train(epochs: usize, devices: usize) -> (LearningResult<Model>, usize, usize) {
    let device = Device::flex().autodiff();
    let stack = Arc::new(Poison(3));
    let loader = CurriculumLoader::new(Watched::new(8), items(8), stack, 2, &device).unwrap();
    let log = Log::default();
    let model = Model {
        layer: LinearConfig::new(1, 1).init(&device),
        feedback: loader.feedback(),
        log: log.clone(),
    };
    let valid = Uniform::new(4, 0).unwrap();
    let stack = Arc::new(Stack(DType::F32));
    let valid = CurriculumLoader::new(valid, items(4), stack, 4, &device.clone().inner()).unwrap();
    let strategy = if devices > 1 {
        ExecutionStrategy::multi(vec![device; devices], MultiDeviceOptim::OptimMainDevice)
    } else {
        ExecutionStrategy::single(device)
    };
    let interrupter = Interrupter::new();
    let stop = interrupter.clone();
    loader.on_failure(move |error| stop.stop(Some(&error.to_string())));
    let (loader, folder) = (Arc::new(loader), tempfile::tempdir().unwrap());
    let result = SupervisedTraining::new(folder.path(), loader.clone(), Arc::new(valid))
        .with_training_strategy(TrainingStrategy::Default(strategy))
        .with_application_logger(None)
        .with_interrupter(interrupter)
        .num_epochs(epochs)
        .launch(Learner::new(model, SgdConfig::new().init(), 0.01));
    let rejected = loader.feedback().rejected().losses;
    (result, log.batches.lock().unwrap().len(), rejected)
}

#[test]
fn a_loss_that_is_not_finite_stops_a_training_of_burn() {
    for devices in [1, 2] {
        for epochs in [1, 5] {
            let (result, batches, rejected) = train(epochs, devices);
            let reason = result.interrupted.unwrap().reason.unwrap();
            assert!(reason.contains("losses are not finite"), "{reason}");
            // After its first epoch, which is also the last of the shorter one.
            assert_eq!(batches, 4);
            assert!(rejected > 0);
        }
    }
}
