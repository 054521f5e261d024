//! Loaders, samplers and batches that are killed and go on from a checkpoint.

use std::path::PathBuf;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::nn::LinearConfig;
use burn::optim::SgdConfig;
use burn::tensor::{DType, Device, Tensor};
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy, KeepLastNCheckpoints};
use burn::train::metric::store::EventStoreClient;
use burn::train::{Interrupter, Learner, SupervisedTraining};
use regimen_curriculum::{
    AdaptiveBatchConfig, BatchSizes, BatchTest, Chosen, CurriculumLoader, DynamicRandom, EpochPlan,
    GradientStatistics, InfoBatchConfig, LiveBatchSize, LrBySamples, Result, Sample, Sampler,
    SetaConfig, StaticSubset, Uniform,
};
use regimen_schedules::Linear;
use regimen_tensor::Part;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::trainings::{Batch, Loader, Log, Model, Stack, Watched, items};

const EXAMPLES: usize = 11;

/// Keeps every call, so that a loss that is learned at another time or in another order shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Recorder {
    all: Uniform,
    calls: Vec<(usize, Vec<usize>, Vec<f32>)>,
    plans: usize,
}

impl Sampler for Recorder {
    fn examples(&self) -> usize {
        self.all.examples()
    }

    fn plan(&mut self) -> EpochPlan {
        self.plans += 1;
        self.all.plan()
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.calls.push((self.plans, ids.to_vec(), losses.to_vec()));
        Ok(())
    }
}

fn recorder() -> Recorder {
    Recorder {
        all: Uniform::new(EXAMPLES, 5).unwrap(),
        calls: Vec::new(),
        plans: 0,
    }
}

type Of<S> = CurriculumLoader<S, usize, Batch>;

fn loader<S: Sampler + Clone + 'static>(sampler: S, sizes: BatchSizes, workers: usize) -> Of<S> {
    let stack = Arc::new(Stack(DType::F32));
    let device = Device::flex();
    let loader = CurriculumLoader::new(sampler, items(EXAMPLES), stack, sizes, &device);
    loader.unwrap().with_workers(workers)
}

/// Trains up to a number of steps, in epochs, and notes losses; one is not finite.
fn train<S>(loader: &Of<S>, slices: usize, from: usize, to: usize, seen: &mut Vec<Vec<usize>>)
where
    S: Sampler + Clone + Sync + 'static,
{
    let (device, feedback) = (Device::flex(), loader.feedback());
    let part = |i: usize| EXAMPLES * i / slices;
    let parts: Vec<Arc<dyn DataLoader<Batch>>> = match slices {
        1 => vec![loader.to_device(&device)],
        _ => (0..slices)
            .map(|i| loader.slice(part(i), part(i + 1)))
            .collect(),
    };
    let mut step = from;
    while step < to {
        let mut running: Vec<_> = parts.iter().map(|part| part.iter()).collect();
        'epoch: while step < to {
            for slice in &mut running {
                let Some(batch) = slice.next() else {
                    break 'epoch;
                };
                let ids = batch.unwrap().ids;
                let loss = |id: &usize| match (id * 31 + step * 17) % 19 {
                    0 => f32::NAN,
                    loss => loss as f32 / 7.0,
                };
                let losses: Vec<f32> = ids.iter().map(loss).collect();
                feedback.observe(ids.clone(), Tensor::from_floats(losses.as_slice(), &device));
                seen.push(ids);
            }
            step += 1;
        }
    }
}

/// Killed after every step and restored into a new loader, a run is the straight one.
fn goes_on<S>(sampler: &S, steps: usize, sizes: &BatchSizes)
where
    S: Sampler + Clone + Sync + Serialize + DeserializeOwned + 'static,
{
    let of = |workers| loader(sampler.clone(), sizes.clone(), workers);
    for (slices, workers) in [(1, 0), (1, 2), (2, 0), (2, 2)] {
        let straight = of(workers);
        let mut expected = Vec::new();
        train(&straight, slices, 0, steps, &mut expected);
        let end = straight.save().unwrap();
        for kill in 1..steps {
            let mut seen = Vec::new();
            let first = of(workers);
            train(&first, slices, 0, kill, &mut seen);
            let bytes = first.save().unwrap();
            drop(first);
            let mut second = of(workers);
            second.load(&bytes).unwrap();
            assert_eq!(second.save().unwrap(), bytes, "saved as it was loaded");
            train(&second, slices, kill, steps, &mut seen);
            let place = format!("killed after {kill}, {slices} slices, {workers} workers");
            assert_eq!(seen, expected, "{place}");
            assert!(second.save().unwrap() == end, "{place}");
        }
    }
}

#[test]
fn a_loader_that_is_killed_at_any_batch_goes_on_exactly() {
    let planned = BatchSizes::planned(|batch| [3, 1, 2][batch % 3]);
    goes_on(&recorder(), 9, &3.into());
    goes_on(&recorder(), 9, &planned);
    let seta = SetaConfig::new(6).with_groups(4).init(EXAMPLES).unwrap();
    goes_on(&seta, 9, &2.into());
    let infobatch = InfoBatchConfig::new(6).init(EXAMPLES).unwrap();
    goes_on(&infobatch, 9, &planned);
}

#[test]
fn a_loader_that_loads_its_own_state_delivers_the_rest_of_the_epoch() {
    let (plain, saved) = (
        loader(recorder(), 3.into(), 0),
        loader(recorder(), 3.into(), 0),
    );
    let (mut a, mut b) = (Vec::new(), Vec::new());
    train(&plain, 1, 0, 4, &mut a);
    for step in 0..4 {
        // Each goes on with the rest of the epoch, from its own state.
        let mut next = loader(recorder(), 3.into(), 0);
        next.load(&saved.save().unwrap()).unwrap();
        let mut handle = saved.clone();
        handle.load(&next.save().unwrap()).unwrap();
        train(&saved, 1, step, step + 1, &mut b);
    }
    assert_eq!(a, b);
    assert_eq!(plain.save().unwrap(), saved.save().unwrap());
}

#[test]
fn a_restored_loader_takes_its_slices_and_feedback_with_it() {
    let mut whole = loader(recorder(), 2.into(), 0);
    let slices = [whole.slice(0, 5), whole.slice(5, EXAMPLES)];
    let start = whole.save().unwrap();
    let ids = |slice: &Arc<dyn DataLoader<Batch>>| -> Vec<Vec<usize>> {
        slice.iter().map(|batch| batch.unwrap().ids).collect()
    };
    let first = slices.each_ref().map(ids);
    let mut given_up = slices[0].iter();
    assert!(given_up.next().unwrap().is_ok());
    whole.load(&start).unwrap();
    // An iterator of before has no say any more.
    assert!(given_up.next().unwrap().is_ok());
    assert_eq!(whole.save().unwrap(), start);
    assert_eq!(slices.each_ref().map(ids), first);
}

#[test]
fn a_state_of_another_loader_is_refused_and_changes_nothing() {
    let seta = |epochs: usize| SetaConfig::new(epochs).init(EXAMPLES).unwrap();
    let mut own = loader(seta(6), 3.into(), 0);
    let before = own.save().unwrap();
    let refused = |own: &mut Of<_>, bytes: &[u8]| own.load(bytes).unwrap_err().to_string();
    let other = loader(seta(7), 3.into(), 0).save().unwrap();
    assert!(refused(&mut own, &other).contains("`config`"));
    let uniform = loader(Uniform::new(EXAMPLES, 1).unwrap(), 3.into(), 0);
    assert!(own.load(&uniform.save().unwrap()).is_err());
    assert!(own.load(&before[..before.len() / 2]).is_err());
    let text = String::from_utf8(before.clone()).unwrap();
    let cut = text.replace(",3.0]", "]");
    assert_ne!(cut, text);
    let message = refused(&mut own, cut.as_bytes());
    assert!(message.contains("`examples` is 10"), "{message}");
    assert_eq!(own.save().unwrap(), before);
}

/// A part that is restored in the middle does what the straight one does.
fn restored<P: Part>(mut part: P, mut fresh: P, mut other: P, act: impl Fn(&mut P) -> String) {
    for _ in 0..3 {
        act(&mut part);
    }
    let bytes = part.save().unwrap();
    assert_eq!(part.kind(), fresh.kind());
    fresh.load(&bytes).unwrap();
    assert_eq!(fresh.save().unwrap(), bytes);
    for _ in 0..3 {
        assert_eq!(act(&mut part), act(&mut fresh));
    }
    let before = other.save().unwrap();
    assert!(other.load(&bytes).is_err(), "another configuration");
    assert!(other.load(b"{").is_err());
    assert_eq!(other.save().unwrap(), before);
}

fn plan(sampler: &mut impl Sampler) -> String {
    let plan = sampler.plan();
    let losses: Vec<f32> = plan.ids.iter().map(|id| (id * 7 % 5) as f32).collect();
    sampler.observe(&plan.ids, &losses).unwrap();
    format!("{plan:?}")
}

#[test]
fn samplers_and_batches_go_on_alone() {
    let seta = |epochs: usize| SetaConfig::new(epochs).init(20).unwrap();
    restored(seta(9), seta(9), seta(8), plan);
    let infobatch = |seed| InfoBatchConfig::new(9).with_seed(seed).init(20).unwrap();
    restored(infobatch(1), infobatch(1), infobatch(2), plan);
    let uniform = |examples| Uniform::new(examples, 1).unwrap();
    restored(uniform(20), uniform(20), uniform(21), plan);
    let random = |keep| DynamicRandom::new(20, keep, 1).unwrap();
    restored(random(0.5), random(0.5), random(0.6), plan);
    let subset = |keep| StaticSubset::new(20, keep, 1).unwrap();
    restored(subset(0.5), subset(0.5), subset(0.6), plan);
    let chosen = |last| Chosen::new(20, vec![3, 9, 14, last], 1).unwrap();
    restored(chosen(7), chosen(7), chosen(8), plan);

    let adaptive = |eta| AdaptiveBatchConfig::new(BatchTest::Norm { eta }, 2, 500);
    let adaptive = |eta| adaptive(eta).init().unwrap();
    let statistics = GradientStatistics {
        squared_norm: 1.0,
        variance: 9.0,
        inner_product_variance: None,
        largest_ratio: 0.0,
    };
    restored(adaptive(0.3), adaptive(0.3), adaptive(0.2), |batch| {
        let size = batch.step(batch.batch_size(), Some(&statistics));
        format!("{size:?} {batch:?}")
    });

    let mut live = LiveBatchSize::new(3).unwrap();
    let clone = live.clone();
    live.load(b"7").unwrap();
    assert!(live.load(b"0").is_err());
    assert_eq!(clone.get(), 7);
    let mut rate = LrBySamples::new(Linear::new(1.0, 100).unwrap());
    rate.advance(usize::MAX);
    rate.advance(5);
    assert_eq!(rate.samples(), usize::MAX);
    rate.load(b"25").unwrap();
    assert_eq!((rate.samples(), rate.save().unwrap()), (25, b"25".to_vec()));
}

/// Saves the loader whenever Burn saves the model: Burn asks between two epochs, in the thread that trains.
struct WithLoader {
    models: KeepLastNCheckpoints,
    loader: Arc<Loader>,
    folder: PathBuf,
}

impl CheckpointingStrategy for WithLoader {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        let file = |epoch: usize| self.folder.join(format!("loader-{epoch}.json"));
        let actions = self.models.checkpointing(epoch, store);
        for action in &actions {
            match action {
                CheckpointingAction::Save => {
                    std::fs::write(file(epoch), self.loader.save().unwrap()).unwrap();
                }
                CheckpointingAction::Delete(old) => std::fs::remove_file(file(*old)).unwrap(),
            }
        }
        actions
    }
}

/// Stops the training with one batch.
struct StopsAt(Interrupter, usize);

impl Batcher<Sample<usize>, Batch> for StopsAt {
    fn batch(&self, samples: Vec<Sample<usize>>, device: &Device) -> Batch {
        if samples[0].batch == self.1 {
            self.0.stop(Some("no time left"));
        }
        Stack(DType::F32).batch(samples, device)
    }
}

#[test]
fn a_training_of_burn_goes_on_from_its_last_checkpoint_bit_for_bit() {
    let device = Device::flex().autodiff();
    let weights = LinearConfig::new(1, 1).init(&device);
    let run = |folder: &std::path::Path, stop: usize, from: Option<usize>| {
        let interrupter = Interrupter::new();
        let stack = Arc::new(StopsAt(interrupter.clone(), stop));
        let sampler = Watched::new(EXAMPLES);
        let mut loader =
            CurriculumLoader::new(sampler, items(EXAMPLES), stack, 3, &device).unwrap();
        if let Some(epoch) = from {
            let file = folder.join(format!("loader-{epoch}.json"));
            loader.load(&std::fs::read(file).unwrap()).unwrap();
        }
        let loader = Arc::new(loader);
        let valid = Uniform::new(4, 0).unwrap();
        let (stack, plain) = (Arc::new(Stack(DType::F32)), device.clone().inner());
        let valid = CurriculumLoader::new(valid, items(4), stack, 4, &plain).unwrap();
        let log = Log::default();
        let model = Model {
            layer: weights.clone(),
            feedback: loader.feedback(),
            log: log.clone(),
        };
        let models = KeepLastNCheckpoints::new(2);
        let strategy = WithLoader {
            models,
            loader: loader.clone(),
            folder: folder.into(),
        };
        let mut training = SupervisedTraining::new(folder, loader.clone(), Arc::new(valid))
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .with_default_checkpointers()
            .with_checkpointing_strategy(strategy)
            .num_epochs(4);
        if let Some(epoch) = from {
            training = training.checkpoint(epoch);
        }
        let result = training.launch(Learner::new(model, SgdConfig::new().init(), 0.05));
        let weight = result
            .model
            .layer
            .weight
            .val()
            .into_data()
            .try_to_vec::<f32>();
        let batches = log.batches.lock().unwrap().clone();
        let stopped = result.interrupted.is_some();
        (
            weight.unwrap()[0].to_bits(),
            batches,
            loader.state().unwrap(),
            stopped,
        )
    };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let straight = run(one.path(), usize::MAX, None);
    assert_eq!(straight.1.len(), 16);
    // Stopped with the second batch of the third epoch.
    let stopped = run(other.path(), 9, None);
    assert!(stopped.3);
    assert_eq!((stopped.1.len(), stopped.2.delivered), (10, 6));
    let resumed = run(other.path(), usize::MAX, Some(2));
    assert_eq!(resumed.1, straight.1[8..]);
    assert_eq!((resumed.0, resumed.2), (straight.0, straight.2));
}
