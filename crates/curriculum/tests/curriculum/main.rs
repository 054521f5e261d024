//! Properties of samplers, and of the loader with Burn.
#![allow(clippy::unwrap_used, missing_docs)]

mod acquisition;
mod bad_input;
mod conformance;
mod damage;
mod every_sampler;
mod failures;
mod mixing;
mod paced;
mod replay_mix;
mod resume;
mod states;
mod sub_batch_norm;
mod trainings;

use std::collections::HashSet;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use regimen_curriculum::select::kmeans::{cluster, cuts};
use regimen_curriculum::select::seta::window;
use regimen_curriculum::{
    AdaptiveBatch, AdaptiveBatchConfig, BatchSizes, BatchTest, CurriculumError, CurriculumLoader,
    DynamicRandom, GradientMoments, InfoBatchConfig, LiveBatchSize, LoaderState, MultigridConfig,
    Sample, Sampler, Seta, SetaConfig, StaticSubset, Uniform,
};

fn losses(ids: &[usize], epoch: usize) -> Vec<f32> {
    let loss = |id: &usize| ((id * 31 + epoch * 17) % 97) as f32 / 10.0;
    ids.iter().map(loss).collect()
}

/// Trains for some epochs and checks each plan.
fn check_plans(sampler: &mut dyn Sampler, epochs: usize) {
    for epoch in 0..epochs {
        let plan = sampler.plan();
        let distinct: HashSet<usize> = plan.ids.iter().copied().collect();
        assert_eq!(distinct.len(), plan.ids.len());
        assert!(!plan.ids.is_empty());
        assert!(plan.ids.iter().all(|id| *id < sampler.examples()));
        assert!(
            plan.weights
                .as_ref()
                .is_none_or(|w| w.len() == plan.ids.len())
        );
        sampler
            .observe(&plan.ids, &losses(&plan.ids, epoch))
            .unwrap();
    }
}

fn seta() -> impl Strategy<Value = SetaConfig> {
    let config = (
        1_usize..20,
        0.0..0.99,
        1_usize..8,
        0.3..1.0,
        0.0..1.0,
        any::<u64>(),
    );
    config.prop_map(|(epochs, ratio, groups, scale, delta, seed)| {
        SetaConfig::new(epochs)
            .with_prune_ratio(ratio)
            .with_groups(groups)
            .with_window_scale(if groups < 2 { 1.0 } else { scale })
            .with_delta(delta)
            .with_seed(seed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plans_hold_distinct_known_examples(config in seta(), examples in 1_usize..200) {
        if let Ok(mut sampler) = config.init(examples) {
            check_plans(&mut sampler, config.epochs);
        }
        let mut infobatch = InfoBatchConfig::new(config.epochs).with_seed(config.seed).init(examples).unwrap();
        check_plans(&mut infobatch, config.epochs);
        check_plans(&mut DynamicRandom::new(examples, 1.0, 3).unwrap(), 3);
        check_plans(&mut Uniform::new(examples, 3).unwrap(), 3);
    }

    #[test]
    fn a_cycle_visits_each_group_as_often_as_the_formula_says(k in 1_usize..12, scale in 0.1_f64..1.0, cycle in 1_usize..4) {
        let w = (k as f64 * scale).round_ties_even() as usize;
        prop_assume!(w > 0);
        let m = k - w;
        let first = cycle * (m + 1);
        for group in 0..k {
            let visits = (first..first + m + 1).filter(|t| window(*t, k, scale).contains(&group)).count();
            let expected = (group + 1).min(k - group).min(w).min(m + 1);
            prop_assert_eq!(visits, expected);
        }
    }

    #[test]
    fn clusters_are_as_good_as_the_best_of_all_cuts(values in prop::collection::vec(-50_i16..50, 2..14), k in 2_usize..4) {
        let mut values: Vec<f32> = values.into_iter().map(|v| f32::from(v) / 7.0).collect();
        values.sort_by(f32::total_cmp);
        let cost = |parts: &[&[f32]]| -> f64 {
            parts.iter().map(|part| {
                let mean = part.iter().map(|v| f64::from(*v)).sum::<f64>() / part.len().max(1) as f64;
                part.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>()
            }).sum()
        };
        let n = values.len();
        let mut best = f64::INFINITY;
        for a in 0..=n {
            for b in if k == 2 { n..=n } else { a..=n } {
                best = best.min(cost(&[&values[..a], &values[a..b], &values[b..]]));
            }
        }
        let cuts = cuts(&values, k);
        let parts: Vec<Vec<f32>> = (0..k).map(|group| {
            values.iter().copied().filter(|v| cluster(&cuts, *v) == group).collect()
        }).collect();
        let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
        prop_assert!(cost(&parts) <= best + 1e-6);
    }

    #[test]
    fn the_weights_of_infobatch_stand_for_all_examples(examples in 2_usize..200) {
        let mut sampler = InfoBatchConfig::new(10).init(examples).unwrap();
        let ids: Vec<usize> = (0..examples).collect();
        sampler.observe(&ids, &losses(&ids, 0)).unwrap();
        let plan = sampler.plan();
        let total: f32 = (0..plan.ids.len()).map(|position| plan.weight(position)).sum();
        prop_assert!((total - examples as f32).abs() <= 1e-3);
    }
}

#[test]
fn one_group_is_dynamic_random_pruning() {
    let mut seta = SetaConfig::new(10)
        .with_groups(1)
        .with_window_scale(1.0)
        .with_prune_ratio(0.4)
        .init(50)
        .unwrap();
    let mut random = DynamicRandom::new(50, 0.6, 0).unwrap();
    for _ in 0..10 {
        assert_eq!(seta.plan(), random.plan());
    }
}

#[test]
fn the_static_subset_stays() {
    let mut sampler = StaticSubset::new(10, 0.6, 1).unwrap();
    for _ in 0..3 {
        let mut ids = sampler.plan().ids;
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn bad_losses_change_nothing() {
    let mut sampler = SetaConfig::new(4).init(3).unwrap();
    let before = sampler.clone();
    let error = sampler.observe(&[0, 1], &[0.5, f32::NAN]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss of example 1 is NaN: only finite losses are allowed"
    );
    assert!(sampler.observe(&[3], &[1.0]).is_err());
    assert!(sampler.observe(&[1], &[]).is_err());
    assert_eq!(sampler, before);
    assert!(
        Uniform::new(3, 0)
            .unwrap()
            .observe(&[0], &[f32::INFINITY])
            .is_err()
    );
}

#[test]
fn parameters_out_of_range_are_named() {
    let error = SetaConfig::new(4)
        .with_prune_ratio(1.0)
        .init(3)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`prune_ratio` is 1: allowed is 0 to below 1"
    );
    assert!(SetaConfig::new(0).init(3).is_err());
    assert!(SetaConfig::new(4).init(0).is_err());
    assert!(SetaConfig::new(4).with_groups(0).init(3).is_err());
    assert!(
        SetaConfig::new(4)
            .with_groups(3)
            .with_window_scale(0.1)
            .init(3)
            .is_err()
    );
    assert!(SetaConfig::new(4).with_delta(f64::NAN).init(3).is_err());
    assert!(
        InfoBatchConfig::new(4)
            .with_prune_ratio(-0.1)
            .init(3)
            .is_err()
    );
    assert!(DynamicRandom::new(3, 0.0, 0).is_err());
    assert_eq!(DynamicRandom::new(3, 0.1, 0).unwrap().plan().ids.len(), 1);
    assert_eq!(StaticSubset::new(3, 0.1, 0).unwrap().plan().ids, [0]);
    assert!(serde_json::from_str::<Uniform>(r#"{"examples":0,"seed":1,"epoch":0}"#).is_err());
}

#[test]
fn a_sampler_survives_serde() {
    let mut sampler = SetaConfig::new(10)
        .with_groups(4)
        .with_window_scale(0.5)
        .init(40)
        .unwrap();
    check_plans(&mut sampler, 3);
    let text = serde_json::to_string(&sampler).unwrap();
    let mut back: Seta = serde_json::from_str(&text).unwrap();
    assert_eq!(back, sampler);
    for _ in 0..5 {
        assert_eq!(back.plan(), sampler.plan());
    }
}

#[derive(Clone, Debug)]
struct Batch {
    number: usize,
    ids: Vec<usize>,
    x: Tensor<2>,
    y: Tensor<1>,
}

struct Stack;

impl Batcher<Sample<[f32; 3]>, Batch> for Stack {
    fn batch(&self, items: Vec<Sample<[f32; 3]>>, device: &Device) -> Batch {
        let count = items.len();
        let x: Vec<f32> = items.iter().flat_map(|s| s.item[..2].to_vec()).collect();
        let y: Vec<f32> = items.iter().map(|s| s.item[2]).collect();
        assert!(items.windows(2).all(|pair| pair[0].batch == pair[1].batch));
        Batch {
            number: items[0].batch,
            ids: items.iter().map(|s| s.id).collect(),
            x: Tensor::from_data(TensorData::new(x, [count, 2]), device),
            y: Tensor::from_data(TensorData::new(y, [count]), device),
        }
    }
}

const EXAMPLES: usize = 50;

fn data() -> Arc<InMemDataset<[f32; 3]>> {
    let point = |i: usize| {
        let (a, b) = ((i % 7) as f32 / 7.0, (i % 11) as f32 / 11.0);
        [a, b, 2.0 * a - b + (i % 3) as f32 * 0.1]
    };
    Arc::new(InMemDataset::new((0..EXAMPLES).map(point).collect()))
}

type Loader = CurriculumLoader<Seta, [f32; 3], Batch>;

fn sampler() -> Seta {
    let config = SetaConfig::new(6).with_groups(4).with_window_scale(0.5);
    config.with_prune_ratio(0.1).init(EXAMPLES).unwrap()
}

fn loader(device: &Device) -> Loader {
    loader_of(8, device)
}

fn loader_of(sizes: impl Into<BatchSizes>, device: &Device) -> Loader {
    CurriculumLoader::new(sampler(), data(), Arc::new(Stack), sizes, device).unwrap()
}

/// A multigrid schedule's batches, in cycles of 8, 4 and 2.
fn cycle() -> BatchSizes {
    let config = MultigridConfig::images(2, 16, vec![0, 2, 4], 6).with_epoch_factor(1.0);
    BatchSizes::schedule(config.init().unwrap().run(EXAMPLES).unwrap())
}

/// One training step, with the losses fed back.
fn step(loader: &Loader, model: Linear, optim: &mut ModuleOptimizer, batch: Batch) -> Linear {
    let count = batch.ids.len();
    let losses = (model.forward(batch.x).reshape([count]) - batch.y).square();
    loader
        .feedback()
        .observe(batch.ids, losses.clone().detach());
    let grads = GradientsParams::from_grads(losses.mean().backward(), &model);
    optim.step(0.05, model, grads)
}

fn optimizer() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new()))
        .init()
}

fn bits(model: &Linear) -> Vec<u32> {
    let read = |t: Vec<f32>| t.into_iter().map(f32::to_bits);
    let weight = model.weight.val().try_into_vec_as::<f32>().unwrap();
    let bias = model
        .bias
        .as_ref()
        .unwrap()
        .val()
        .try_into_vec_as::<f32>()
        .unwrap();
    read(weight).chain(read(bias)).collect()
}

/// Trains until `epochs` are done or `steps` were taken; returns the steps of each epoch too.
fn train(
    loader: &Loader,
    mut model: Linear,
    optim: &mut ModuleOptimizer,
    epochs: usize,
    steps: usize,
) -> (Linear, usize) {
    let mut taken = 0;
    for _ in 0..epochs {
        for batch in loader.iter() {
            if taken == steps {
                return (model, taken);
            }
            model = step(loader, model, optim, batch.unwrap());
            taken += 1;
            if taken == steps {
                return (model, taken);
            }
        }
    }
    (model, taken)
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    goes_on_bit_for_bit(&BatchSizes::from(8));
}

#[test]
fn a_killed_run_goes_on_in_its_plan_of_batch_sizes() {
    goes_on_bit_for_bit(&cycle());
}

fn goes_on_bit_for_bit(sizes: &BatchSizes) {
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(2, 1).init(&device);
    let (straight, total) = train(
        &loader_of(sizes.clone(), &device),
        model.clone(),
        &mut optimizer(),
        6,
        usize::MAX,
    );
    for kill in 1..total {
        let first = loader_of(sizes.clone(), &device);
        let mut optim = optimizer();
        let (stopped, taken) = train(&first, model.clone(), &mut optim, 6, kill);
        assert_eq!(taken, kill);
        let state = serde_json::to_string(&first.state().unwrap()).unwrap();
        let record = optim.into_bytes().unwrap();
        let weights = stopped.into_record().into_bytes().unwrap();

        let state: LoaderState<Seta> = serde_json::from_str(&state).unwrap();
        assert_eq!(state.batches, kill);
        let (stack, sizes) = (Arc::new(Stack), sizes.clone());
        let second = CurriculumLoader::resume(state, data(), stack, sizes, &device).unwrap();
        let mut optim = optimizer().from_bytes(record).unwrap();
        let record = burn::store::ModuleRecord::from_bytes(weights).unwrap();
        let model = LinearConfig::new(2, 1).init(&device).load_record(record);
        let (resumed, rest) = train(&second, model, &mut optim, 6, total - kill);
        assert_eq!((kill, rest), (kill, total - kill));
        assert_eq!(
            bits(&resumed),
            bits(&straight),
            "killed after {kill} of {total}"
        );
    }
}

#[test]
fn a_plan_of_batch_sizes_is_followed_over_all_epochs() {
    let device = Device::flex();
    let config = MultigridConfig::images(2, 16, vec![0, 2, 4], 6).with_epoch_factor(1.0);
    let run = config.init().unwrap().run(EXAMPLES).unwrap();
    let all = Uniform::new(EXAMPLES, 3).unwrap();
    let sizes = BatchSizes::schedule(run.clone());
    let loader = CurriculumLoader::new(all, data(), Arc::new(Stack), sizes, &device).unwrap();
    let mut number = 0;
    for epoch in 0..run.plan().epochs() {
        let mut left = EXAMPLES;
        for batch in loader.iter() {
            let batch = batch.unwrap();
            assert_eq!((batch.number, run.epoch(number)), (number, epoch));
            assert_eq!(batch.ids.len(), run.shape(number).batch.min(left));
            left -= batch.ids.len();
            number += 1;
        }
        assert_eq!(left, 0);
    }
    assert_eq!(number, run.iterations());
}

#[test]
fn a_live_size_is_that_of_the_next_batch() {
    let device = Device::flex();
    let size = LiveBatchSize::new(5).unwrap();
    // Workers would have read ahead: with a live size they do not.
    let loader = loader_of(size.clone(), &device).with_workers(2);
    let mut batches = loader.iter();
    let mut next = || batches.next().unwrap().unwrap().ids.len();
    assert_eq!(next(), 5);
    size.set(11).unwrap();
    assert_eq!(next(), 11);
    size.set(1).unwrap();
    assert_eq!(next(), 1);
}

#[test]
fn a_last_batch_that_is_not_whole_can_be_dropped() {
    let device = Device::flex();
    let all = || Uniform::new(EXAMPLES, 3).unwrap();
    let of = |sizes: BatchSizes| {
        CurriculumLoader::new(all(), data(), Arc::new(Stack), sizes, &device).unwrap()
    };
    let lengths = |ids: Vec<Vec<usize>>| ids.iter().map(Vec::len).collect::<Vec<_>>();
    for workers in [0, 3] {
        let (whole, dropped) = (of(8.into()), of(8.into()).with_drop_last(true));
        let dropped = dropped.with_workers(workers);
        for _ in 0..3 {
            let (whole, dropped) = (ids_of(&whole), ids_of(&dropped));
            assert_eq!((whole.len(), dropped.len()), (7, 6));
            assert_eq!(whole[..6], dropped);
        }
        // The epoch is done with: a resumed run starts the next one.
        let state = dropped.state().unwrap();
        assert_eq!((state.delivered, state.batches), (EXAMPLES, 18));
        let resumed = CurriculumLoader::resume(state, data(), Arc::new(Stack), 8, &device);
        let resumed = resumed.unwrap().with_drop_last(true);
        assert_eq!(ids_of(&resumed), ids_of(&dropped));
    }
    let even = of(10.into()).with_drop_last(true);
    assert_eq!(lengths(ids_of(&even)), [10; 5]);
    let long = of((EXAMPLES + 1).into()).with_drop_last(true);
    let error = long.iter().next().unwrap().unwrap_err().to_string();
    let expected = "an epoch without a batch: it has 50 examples to deliver, allowed is 51 or more";
    assert_eq!(error, expected);
    // Slices drop what is less than a batch of each, and their whole knows that the epoch is done with.
    let sliced = of(8.into()).with_drop_last(true);
    let parts = [sliced.slice(0, 20), sliced.slice(20, EXAMPLES)];
    let found = parts.map(|part| lengths(ids_of(part.as_ref())));
    assert_eq!(found, [vec![8; 3], vec![8; 3]]);
    assert_eq!(sliced.state().unwrap().delivered, EXAMPLES);
}

/// A run whose batches a norm test grows, measured example by example.
struct Growing {
    loader: Loader,
    size: LiveBatchSize,
    batch: AdaptiveBatch,
    model: Linear,
    optim: ModuleOptimizer,
}

/// Losses of a linear model's examples.
fn square_losses(model: &Linear, x: Tensor<2>, y: Tensor<1>) -> Tensor<1> {
    let count = y.dims()[0];
    (model.forward(x).reshape([count]) - y).square()
}

impl Growing {
    fn new(model: Linear, device: &Device) -> Self {
        let test = BatchTest::Norm { eta: 1.0 };
        let batch = AdaptiveBatchConfig::new(test, 2, 30).init().unwrap();
        let size = LiveBatchSize::new(batch.batch_size()).unwrap();
        Self {
            loader: loader_of(size.clone(), device),
            size,
            batch,
            model,
            optim: optimizer(),
        }
    }

    fn step(&mut self, batch: Batch) {
        let count = batch.ids.len();
        let losses = square_losses(&self.model, batch.x.clone(), batch.y.clone());
        let feedback = self.loader.feedback();
        feedback.observe(batch.ids, losses.clone().detach());
        let grads = GradientsParams::from_grads(losses.mean().backward(), &self.model);
        let due = self.batch.is_due() && count > 1;
        let noise = due.then(|| {
            let one = |model: &Linear, i: usize| {
                let (x, y) = (batch.x.clone(), batch.y.clone());
                square_losses(model, x.narrow(0, i, 1), y.narrow(0, i, 1))
            };
            let moments = GradientMoments::new().of_examples(&self.model, 0..count, one);
            moments.unwrap().statistics().unwrap()
        });
        self.size
            .set(self.batch.step(count, noise.as_ref()).unwrap())
            .unwrap();
        self.model = self.optim.step(0.05, self.model.clone(), grads);
    }

    /// Trains until `epochs` are done or `steps` were taken.
    fn run(mut self, epochs: usize, steps: usize) -> Self {
        let end = self.batch.steps().saturating_add(steps);
        let loader = self.loader.to_device(&Device::flex().autodiff());
        for _ in 0..epochs {
            for batch in loader.iter() {
                self.step(batch.unwrap());
                if self.batch.steps() == end {
                    return self;
                }
            }
        }
        self
    }

    /// Saved as text and bytes, and read again.
    fn restored(self, device: &Device) -> Self {
        let state = serde_json::to_string(&self.loader.state().unwrap()).unwrap();
        let batch = serde_json::to_string(&self.batch).unwrap();
        let optim = self.optim.into_bytes().unwrap();
        let weights = self.model.into_record().into_bytes().unwrap();

        let state: LoaderState<Seta> = serde_json::from_str(&state).unwrap();
        let batch: AdaptiveBatch = serde_json::from_str(&batch).unwrap();
        let size = LiveBatchSize::new(batch.batch_size()).unwrap();
        let (stack, live) = (Arc::new(Stack), size.clone());
        let record = burn::store::ModuleRecord::from_bytes(weights).unwrap();
        Self {
            loader: CurriculumLoader::resume(state, data(), stack, live, device).unwrap(),
            size,
            batch,
            model: LinearConfig::new(2, 1).init(device).load_record(record),
            optim: optimizer().from_bytes(optim).unwrap(),
        }
    }
}

#[test]
fn a_killed_run_goes_on_with_the_batch_that_its_test_grew() {
    let device = Device::flex().autodiff();
    // From the same weights in every run: not from every start does the batch grow within an epoch.
    let start = Initializer::Constant { value: 0.0 };
    let model = LinearConfig::new(2, 1)
        .with_initializer(start)
        .init(&device);
    let straight = Growing::new(model.clone(), &device).run(6, usize::MAX);
    let total = straight.batch.steps();
    assert!(straight.batch.batch_size() > 2, "the batch grew");
    let mut within_an_epoch_and_grown = false;
    for kill in 1..total {
        let stopped = Growing::new(model.clone(), &device).run(6, kill);
        let state = stopped.loader.state().unwrap();
        let rest = state.plan.map_or(0, |plan| plan.ids.len()) - state.delivered;
        let grown = (3..30).contains(&stopped.batch.batch_size());
        within_an_epoch_and_grown |= rest > 0 && grown;
        let resumed = stopped.restored(&device).run(6, total - kill);
        assert_eq!(
            resumed.batch, straight.batch,
            "killed after {kill} of {total}"
        );
        assert_eq!(bits(&resumed.model), bits(&straight.model));
    }
    assert!(within_an_epoch_and_grown);
}

#[test]
fn a_size_that_is_none_ends_the_epoch() {
    let device = Device::flex();
    for workers in [0, 2] {
        let sizes = BatchSizes::planned(|batch| 3 - batch.min(3));
        let loader = loader_of(sizes, &device).with_workers(workers);
        let mut batches = loader.iter();
        assert_eq!(batches.by_ref().take(3).filter(Result::is_ok).count(), 3);
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("`batch_size` is 0"), "{error}");
        assert!(batches.next().is_none());
    }
}

fn ids_of(loader: &dyn DataLoader<Batch>) -> Vec<Vec<usize>> {
    loader.iter().map(|batch| batch.unwrap().ids).collect()
}

#[test]
fn workers_change_nothing() {
    let device = Device::flex();
    let (alone, workers) = (loader(&device), loader(&device).with_workers(3));
    for _ in 0..4 {
        assert_eq!(ids_of(&alone), ids_of(&workers));
    }
    let (alone, workers) = (loader_of(cycle(), &device), loader_of(cycle(), &device));
    let workers = workers.with_workers(3);
    for _ in 0..4 {
        assert_eq!(ids_of(&alone), ids_of(&workers));
    }
    // An epoch that is given up ends its threads.
    assert!(workers.iter().next().unwrap().is_ok());
}

#[test]
fn slices_split_one_plan() {
    let device = Device::flex();
    let whole = loader(&device);
    let parts = [whole.slice(0, 20), whole.slice(20, EXAMPLES)];
    assert_eq!(parts[0].num_items() + parts[1].num_items(), EXAMPLES);
    let mut expected = sampler();
    for _ in 0..3 {
        let found = parts.each_ref().map(|part| ids_of(part.as_ref()));
        assert_eq!(found[0].len(), found[1].len());
        let steps = found[0].iter().zip(&found[1]);
        let found: Vec<usize> = steps
            .flat_map(|(a, b)| [a.clone(), b.clone()].concat())
            .collect();
        assert_eq!(found, expected.plan().ids);
    }
    let moved = whole.to_device(&device);
    assert_eq!(moved.num_items(), EXAMPLES);
}

#[test]
fn a_resumed_run_of_slices_goes_on_with_the_next_epoch() {
    let device = Device::flex();
    let half = EXAMPLES / 2;
    let slices = |whole: &Loader| [whole.slice(0, half), whole.slice(half, EXAMPLES)];
    let epoch = |parts: &[Arc<dyn DataLoader<Batch>>; 2]| -> Vec<Vec<usize>> {
        parts
            .iter()
            .flat_map(|part| ids_of(part.as_ref()))
            .collect()
    };
    let (straight, stopped) = (loader_of(cycle(), &device), loader_of(cycle(), &device));
    let parts = slices(&straight);
    let expected = [epoch(&parts), epoch(&parts), epoch(&parts)];
    let parts = slices(&stopped);
    assert_eq!(epoch(&parts), expected[0]);
    let state = stopped.state().unwrap();
    let resumed =
        CurriculumLoader::resume(state, data(), Arc::new(Stack), cycle(), &device).unwrap();
    let after = slices(&resumed);
    assert_eq!([epoch(&after), epoch(&after)], expected[1..]);
    // What one slice was ahead of the other starts again.
    let mut within = parts[0].iter();
    assert!(within.next().unwrap().is_ok());
    assert_eq!(stopped.state().unwrap().delivered, 0);
}

#[test]
fn loaders_that_cannot_work_are_refused() {
    let device = Device::flex();
    let new = |sampler: Seta, size| {
        CurriculumLoader::new(sampler, data(), Arc::new(Stack), size, &device).err()
    };
    assert!(matches!(
        new(sampler(), 0),
        Some(CurriculumError::OutOfRange { .. })
    ));
    let other = SetaConfig::new(3).init(EXAMPLES + 1).unwrap();
    assert!(matches!(
        new(other, 8),
        Some(CurriculumError::OtherData { .. })
    ));
    assert_eq!(data().len(), EXAMPLES);
}
