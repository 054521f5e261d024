//! Every method that touches a model, on every reference model.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{DType, Device, Int, Tensor, TensorData, s};
use regimen_curriculum::{
    AdaptiveBatch, AdaptiveBatchConfig, BatchSizes, BatchTest, CurriculumError, CurriculumLoader,
    GradientMoments, InfoBatch, InfoBatchConfig, LoaderState, Mixture, MixtureConfig,
    MultigridConfig, Pacing, Prioritised, Replay, ReplayMix, ReplayMixConfig, Sample, Sampler,
    SelfPaced, Seta, SetaConfig, SubBatchNorm, SubBatchNormConfig, Weighted, split,
};
use regimen_curriculum::{AdaptiveDifficulty, AdaptiveDifficultyConfig};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::testing::{
    Answer, Batch, Case, Condition, FEATURES, Method, Reference, Suite, cast, check_support,
};
use regimen_tensor::{ParamVector, independent};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Epochs of each training.
const EPOCHS: usize = 3;

type Row = (Vec<f32>, i64);

/// A batch of the loader.
struct Fed {
    ids: Vec<usize>,
    weights: Vec<f32>,
    batch: Batch,
}

struct Stack(DType);

impl Batcher<Sample<Row>, Fed> for Stack {
    fn batch(&self, samples: Vec<Sample<Row>>, device: &Device) -> Fed {
        let count = samples.len();
        let inputs = samples.iter().flat_map(|sample| sample.item.0.clone());
        let inputs = TensorData::new(inputs.collect(), [count, FEATURES]);
        let targets: Vec<i64> = samples.iter().map(|sample| sample.item.1).collect();
        Fed {
            ids: samples.iter().map(|sample| sample.id).collect(),
            weights: samples.iter().map(|sample| sample.weight).collect(),
            batch: Batch {
                inputs: Tensor::from_data(inputs, (device, self.0)),
                targets: Tensor::<1, Int>::from_data(TensorData::new(targets, [count]), device),
            },
        }
    }
}

/// All examples of a case.
fn rows<M: Reference>(case: &Case<M>) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in case.batches() {
        let inputs = batch.inputs.clone().cast(DType::F32).inner();
        let inputs: Vec<f32> = inputs.try_into_vec_as().unwrap();
        let targets: Vec<i64> = batch.targets.clone().try_into_vec_as().unwrap();
        rows.extend(inputs.chunks(FEATURES).map(<[f32]>::to_vec).zip(targets));
    }
    rows
}

/// A sampler whose loader trains a model.
trait Curriculum: Sampler + Clone + Sync + Serialize + DeserializeOwned + 'static {
    fn new(examples: usize) -> Result<Self, CurriculumError>;
}

impl Curriculum for Seta {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let config = SetaConfig::new(EPOCHS).with_groups(5);
        config.with_window_scale(0.6).init(examples)
    }
}

impl Curriculum for AdaptiveDifficulty {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let first: Vec<f32> = (0..examples).map(|id| (id * 7 % 5) as f32).collect();
        AdaptiveDifficultyConfig::new(2).init(&first)
    }
}

impl Curriculum for InfoBatch {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        InfoBatchConfig::new(EPOCHS).init(examples)
    }
}

impl Curriculum for SelfPaced {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let (start, factor, every) = (0.5, 1.5, 1);
        let pacing = Pacing::Step {
            start,
            factor,
            every,
        };
        SelfPaced::new(examples, pacing, 1)
    }
}

impl Curriculum for Prioritised {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        Prioritised::new(examples, 0.6, 1.0, 1)
    }
}

impl Curriculum for Weighted {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let weights: Vec<f64> = (0..examples).map(|id| 1.0 + id as f64).collect();
        Weighted::new(&weights, 0.6, 1)
    }
}

impl Curriculum for Mixture {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let domains: Vec<usize> = (0..examples).map(|id| id % 3 / 2).collect();
        MixtureConfig::new(vec![2.0, 1.0])
            .with_until(vec![1.0, 1.0], EPOCHS)
            .with_length(examples * 2 / 3)
            .init(&domains)
    }
}

impl Curriculum for ReplayMix {
    fn new(examples: usize) -> Result<Self, CurriculumError> {
        let old = examples / 3;
        ReplayMixConfig::new(0.25, 8).init(&[old], examples - old)
    }
}

/// A training with losses that are fed back.
struct Training<M> {
    model: M,
    /// Losses of a number that is none, before the training begins.
    poisoned: bool,
    /// After so many updates, the loader is saved, dropped and restored.
    kill: Option<usize>,
}

impl<M: Reference> Training<M> {
    fn new(case: &Case<M>) -> Self {
        Self {
            model: case.model(),
            poisoned: false,
            kill: None,
        }
    }

    fn run<S: Curriculum>(mut self, case: &Case<M>, sizes: &BatchSizes) -> Answer<M> {
        let rows = rows(case);
        let examples = rows.len();
        let data = Arc::new(InMemDataset::new(rows));
        let stack = || Arc::new(Stack(case.dtype()));
        let sampler = S::new(examples)?;
        let device = case.device();
        let mut loader =
            CurriculumLoader::new(sampler, data.clone(), stack(), sizes.clone(), device)?;
        loader = loader.with_workers(1);
        let mut optim = SgdConfig::new().init();
        let (mut updates, mut epochs, mut rejected) = (0, 0, 0);
        while epochs < EPOCHS {
            let half = examples / 2;
            let slices: Vec<Arc<dyn DataLoader<Fed>>> = match case.condition() {
                Condition::TwoDevices => vec![loader.slice(0, half), loader.slice(half, examples)],
                _ => vec![loader.to_device(device)],
            };
            let mut running: Vec<_> = slices.iter().map(|slice| slice.iter()).collect();
            let (mut sum, mut held) = (GradientsAccumulator::new(), 0);
            let mut saved = None;
            let feedback = loader.feedback();
            loop {
                let mut complete = true;
                let mut delivered = 0;
                for slice in &mut running {
                    let Some(fed) = slice.next().transpose()? else {
                        continue;
                    };
                    complete &= slice.progress().is_completed();
                    delivered += 1;
                    let replica = case.replica(&self.model);
                    let losses = cross_entropy(replica.logits(fed.batch.inputs), fed.batch.targets);
                    let mut noted = losses.clone().detach();
                    if std::mem::take(&mut self.poisoned) {
                        noted = noted.slice_fill(s![0..1], f32::NAN);
                        rejected += 1;
                    }
                    feedback.observe(fed.ids, noted);
                    let of = (&losses.device(), losses.dtype());
                    let weights = Tensor::<1>::from_data(fed.weights.as_slice(), of);
                    let grads = (losses * weights).mean().backward();
                    sum.accumulate(&self.model, GradientsParams::from_grads(grads, &replica));
                }
                if delivered == 0 {
                    break;
                }
                // Slices are always in step.
                assert_eq!(delivered, running.len());
                held += 1;
                let window = match case.condition() {
                    Condition::Accumulation => 3,
                    _ => 1,
                };
                if held < window && !complete {
                    continue;
                }
                self.model = optim.step(0.01, self.model, sum.grads());
                (held, updates) = (0, updates + 1);
                if self.kill == Some(updates) {
                    saved = Some(serde_json::to_string(&loader.state()?)?);
                    break;
                }
            }
            // No micro-batch is lost.
            assert_eq!(held, 0);
            drop(running);
            match saved {
                None => epochs += 1,
                Some(state) => {
                    let state: LoaderState<S> = serde_json::from_str(&state)?;
                    let rest = state.plan.as_ref().map_or(0, |plan| plan.ids.len());
                    assert!(state.delivered < rest, "killed within an epoch");
                    let (data, sizes) = (data.clone(), sizes.clone());
                    loader = CurriculumLoader::resume(state, data, stack(), sizes, device)?;
                }
            }
        }
        let state = loader.state()?;
        assert_eq!(state.rejected.losses, rejected);
        // A loss that is not a number is not learned: the state can be read again.
        serde_json::from_str::<LoaderState<S>>(&serde_json::to_string(&state)?)?;
        Ok(self.model)
    }
}

struct Loader<S>(&'static str, BatchSizes, std::marker::PhantomData<S>);

impl<S: Curriculum> Method for Loader<S> {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Training::new(case).run::<S>(case, &self.1)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let run = |kill| {
            let training = Training {
                kill,
                ..Training::new(case)
            };
            training.run::<S>(case, &self.1)
        };
        Some(run(None).and_then(|straight| Ok((straight, run(Some(2))?))))
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let training = Training {
            poisoned: true,
            ..Training::new(case)
        };
        Some(training.run::<S>(case, &self.1))
    }
}

/// A batch that grows by the noise of its gradient.
struct Adaptive(BatchTest);

impl Adaptive {
    fn batch() -> AdaptiveBatchConfig {
        AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.5 }, 8, 1000)
    }

    fn train<M: Reference>(&self, case: &Case<M>, kill: bool) -> Answer<M> {
        let config = AdaptiveBatchConfig {
            test: self.0,
            ..Self::batch()
        };
        let mut adaptive = config.init()?;
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        for (step, window) in case.windows().enumerate() {
            let moments = moments(case, &model, window, 1.0)?;
            let statistics = moments.statistics()?;
            let (before, examples) = (adaptive.batch_size(), moments.examples());
            let after = adaptive.step(examples, Some(&statistics))?;
            assert!(before <= after && after <= 1000);
            let Some(mean) = moments.into_mean() else {
                continue;
            };
            let frozen = |path: &str| case.condition() == Condition::Frozen && path == M::frozen();
            let mean = mean.filter(|entry| !frozen(&entry.path));
            // The rate follows the batch, so that what was decided shows in the model.
            let rate = 1e-3 * (after as f64).sqrt();
            model = optim.step(rate, model, mean.into_gradients());
            if kill && step == 3 {
                let text = serde_json::to_string(&adaptive)?;
                adaptive = serde_json::from_str::<AdaptiveBatch>(&text)?;
            }
        }
        Ok(model)
    }
}

/// Moments of the gradients of pairs of examples.
fn moments<M: Reference>(
    case: &Case<M>,
    model: &M,
    window: &[Batch],
    factor: f64,
) -> Answer<GradientMoments> {
    let mut all: Vec<GradientMoments> = Vec::new();
    for batch in window {
        for half in case.parts(batch) {
            let mut own = GradientMoments::new().with_inner_products();
            let replica = case.replica(model);
            let count = half.inputs.dims()[0];
            for pair in split(count, count / 2) {
                let inputs = half.inputs.clone().slice([pair.clone()]);
                let targets = half.targets.clone().slice([pair.clone()]);
                let loss = cross_entropy(replica.logits(inputs), targets).mean() * factor;
                let grads = GradientsParams::from_grads(loss.backward(), &replica);
                own.add(ParamVector::gradients(&replica, &grads), pair.len())?;
            }
            all.push(own);
        }
    }
    let first = GradientMoments::new().with_inner_products();
    Ok(all.into_iter().try_fold(first, GradientMoments::merge)?)
}

impl Method for Adaptive {
    fn name(&self) -> String {
        match self.0 {
            BatchTest::Norm { .. } => "AdaptiveBatch (norm test)".into(),
            BatchTest::CoordinateWise { .. } => "AdaptiveBatch (coordinate-wise test)".into(),
            _ => "AdaptiveBatch (augmented test)".into(),
        }
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        self.train(case, false)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let straight = self.train(case, false);
        Some(straight.and_then(|straight| Ok((straight, self.train(case, true)?))))
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let answer = || -> Answer<M> {
            let model = case.model();
            let moments = moments(case, &model, &case.batches()[..1], f64::NAN)?;
            let config = AdaptiveBatchConfig {
                test: self.0,
                ..Self::batch()
            };
            let mut adaptive = config.init()?;
            let before = adaptive;
            let refused = adaptive.step(8, Some(&moments.statistics()?));
            assert!(refused.is_err(), "{refused:?}");
            assert_eq!(adaptive, before);
            Ok(model)
        };
        Some(answer())
    }
}

/// A norm over groups, behind what enters the head.
struct Grouped;

impl Grouped {
    fn norm<M: Reference>(case: &Case<M>) -> Answer<SubBatchNorm> {
        let width = case.model().features(case.batches()[0].inputs.clone());
        let config = SubBatchNormConfig::new(width.dims()[1], 3);
        Ok(cast(config.init(case.device())?, case.dtype()))
    }

    fn train<M: Reference>(case: &Case<M>, kill: bool) -> Answer<M> {
        let mut norm = Self::norm(case)?;
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        for (step, window) in case.windows().enumerate() {
            let mut failed = None;
            let grads = case.gradients_of(&model, window, |model, batch| {
                let features = model.features(batch.inputs);
                let (dims, dtype) = (features.dims(), features.dtype());
                match norm.forward(features) {
                    Ok(normal) => {
                        assert_eq!((normal.dims(), normal.dtype()), (dims, dtype));
                        (normal - 1.0).powi_scalar(4).mean()
                    }
                    Err(error) => {
                        failed = Some(error);
                        model
                            .logits(Tensor::zeros([1, FEATURES], case.device()))
                            .sum()
                    }
                }
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            model = optim.step(0.01, model, grads);
            if kill && step == 3 {
                let bytes = norm.clone().valid().into_record().into_bytes()?;
                norm = Self::norm(case)?.load_record(ModuleRecord::from_bytes(bytes)?);
            }
            // The statistics for evaluation, in the loss of the next steps.
            let valid = norm.valid();
            let (_, variance) = valid.aggregated();
            let least: Vec<f32> = variance.cast(DType::F32).try_into_vec_as()?;
            assert!(least.iter().all(|variance| *variance >= 0.0));
        }
        Ok(model)
    }
}

impl Method for Grouped {
    fn name(&self) -> String {
        "SubBatchNorm".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Self::train(case, false)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let straight = Self::train(case, false);
        Some(straight.and_then(|straight| Ok((straight, Self::train(case, true)?))))
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let answer = || -> Answer<M> {
            let norm = Self::norm(case)?;
            let features = case.model().features(case.batches()[0].inputs.clone());
            norm.forward(features.clone() * f64::NAN)?;
            let after: Vec<f32> = norm.valid().running_mean.value().try_into_vec_as()?;
            assert!(after.iter().all(|mean| *mean == 0.0));
            Ok(independent(case.original()))
        };
        Some(answer())
    }
}

/// Batches with a share of old examples.
struct Replayed;

impl Method for Replayed {
    fn name(&self) -> String {
        "Replay".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let replay = Replay::new(0.25, 8)?;
        let old = case.batches()[0].clone();
        let mut optim = SgdConfig::new().init();
        let mut model = case.model();
        let mut step = 0;
        for window in case.windows() {
            let mixed = window.iter().map(|fresh| {
                let (olds, news) = (replay.old(step), replay.fresh(step));
                step += 1;
                let both = |old: Tensor<2>, new: Tensor<2>| {
                    Tensor::cat(vec![old.narrow(0, 0, olds), new.narrow(0, 0, news)], 0)
                };
                let targets = vec![
                    old.targets.clone().narrow(0, 0, olds),
                    fresh.targets.clone().narrow(0, 0, news),
                ];
                Batch {
                    inputs: both(old.inputs.clone(), fresh.inputs.clone()),
                    targets: Tensor::cat(targets, 0),
                }
            });
            let mixed: Vec<Batch> = mixed.collect();
            let grads = case.gradients(&model, &mixed)?;
            model = optim.step(0.01, model, grads);
        }
        assert_eq!(replay.old_in(step) + replay.fresh_in(step), 8 * step);
        Ok(model)
    }
}

#[test]
fn every_method_serves_every_model() {
    let of = std::marker::PhantomData;
    let plan = MultigridConfig::images(3, 16, vec![0, 1], 2)
        .init()
        .unwrap();
    let shapes = plan.run(56).unwrap();
    let mut suite = Suite::new();
    suite
        .add(&Loader::<Seta>("SeTa", 8.into(), of))
        .add(&Loader::<InfoBatch>(
            "InfoBatch",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<SelfPaced>(
            "SelfPaced",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<Prioritised>(
            "Prioritised",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<Weighted>(
            "Weighted",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<Mixture>(
            "Mixture",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<ReplayMix>(
            "ReplayMix",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<AdaptiveDifficulty>(
            "AdaptiveDifficulty",
            8.into(),
            std::marker::PhantomData,
        ))
        .add(&Loader::<Seta>(
            "Multigrid",
            BatchSizes::schedule(shapes),
            of,
        ))
        .add(&Adaptive(BatchTest::Norm { eta: 0.5 }))
        .add(&Adaptive(BatchTest::Augmented {
            theta: 0.5,
            nu: 5.0,
        }))
        .add(&Adaptive(BatchTest::CoordinateWise { eta: 10.0 }))
        .add(&Grouped)
        .add(&Replayed);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv");
    check_support(suite, file).unwrap();
}

/// The main methods on one small model: on a GPU API, every kernel is compiled first.
#[test]
fn smoke() {
    let of = std::marker::PhantomData;
    let mut suite = Suite::smoke();
    suite
        .add(&Loader::<Seta>("SeTa", 8.into(), of))
        .add(&Adaptive(BatchTest::Norm { eta: 0.5 }))
        .add(&Grouped);
    let table = suite.finish().unwrap();
    assert_eq!(
        table.lines().filter(|line| line.ends_with(",yes")).count(),
        6
    );
}
