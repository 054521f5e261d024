//! Every sampler in a loader: killed in the middle of an epoch it delivers the rest, for each number of workers and slices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::tensor::{Device, Tensor};
use regimen_curriculum::{
    AbilityPaced, AbilityPacedConfig, AdaptiveDifficulty, AdaptiveDifficultyConfig, AgentMixture,
    BatchSizes, Chosen, ClusterDraws, ClusterDrawsConfig, CurriculumLoader, DynamicRandom,
    EasyFirst, Feedback, InfoBatch, InfoBatchConfig, Mixture, MixtureConfig, Pacing, Prioritised,
    ReplayDraw, ReplayMix, ReplayMixConfig, Sample, Sampler, SelfPaced, Seta, SetaConfig,
    StaticSubset, Uniform, Weighted,
};
use regimen_tensor::Part;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trainings::items;

const EXAMPLES: usize = 45;
const EPOCHS: usize = 3;
const WORKERS: [usize; 4] = [0, 1, 2, 4];
const SLICES: [usize; 3] = [1, 2, 4];

/// Ids with the weights of their losses.
type Batch = Vec<(usize, f32)>;

struct Ids;

impl Batcher<Sample<usize>, Batch> for Ids {
    fn batch(&self, samples: Vec<Sample<usize>>, _: &Device) -> Batch {
        let weighted = |sample: Sample<usize>| (sample.id, sample.weight);
        samples.into_iter().map(weighted).collect()
    }
}

/// A sampler of the crate, as it is tried here.
trait Tried: Sampler + Clone + Sync + Part + Serialize + DeserializeOwned + 'static {
    fn new() -> Self;

    /// Tells it before an epoch what no loss of the training says.
    fn tell(_feedback: &Feedback<Self>, _epoch: usize) {}
}

fn pacing() -> Pacing {
    let (start, factor, every) = (0.5, 1.5, 1);
    Pacing::Step {
        start,
        factor,
        every,
    }
}

fn difficulties() -> Vec<f64> {
    (0..EXAMPLES)
        .map(|id| (id * 7 % 45) as f64 / 10.0)
        .collect()
}

impl Tried for AbilityPaced {
    fn new() -> Self {
        let config = AbilityPacedConfig::new().with_least(14);
        config.init(&difficulties()).unwrap()
    }

    fn tell(feedback: &Feedback<Self>, epoch: usize) {
        let ability = [2.1, 1.7, 3.0][epoch];
        feedback
            .with_sampler(|sampler| sampler.report(ability))
            .unwrap()
            .unwrap();
    }
}

impl Tried for AdaptiveDifficulty {
    fn new() -> Self {
        let first: Vec<f32> = (0..EXAMPLES).map(|id| (id * 7 % 5) as f32).collect();
        AdaptiveDifficultyConfig::new(EPOCHS).init(&first).unwrap()
    }

    fn tell(feedback: &Feedback<Self>, epoch: usize) {
        let score = |sampler: &mut Self| {
            let ids = sampler.to_score().to_vec();
            let score = |id: &usize| (id * (epoch + 3) % 11) as f32;
            let scores: Vec<f32> = ids.iter().map(score).collect();
            sampler.observe(&ids, &scores)
        };
        feedback.with_sampler(score).unwrap().unwrap();
    }
}

/// What the policy of [`AgentMixture`] answers at each step.
fn mixtures() -> Vec<Vec<f64>> {
    [0.6, 0.5, 0.8].map(|share| vec![share, 1.0 - share]).into()
}

impl Tried for AgentMixture {
    fn new() -> Self {
        let domains: Vec<usize> = (0..EXAMPLES).map(|id| id % 4 / 3).collect();
        let config = MixtureConfig::new(vec![1.0, 1.0]).with_length(30);
        let mixture = config.init(&domains).unwrap();
        Self::new(mixture, vec![-1.0, -2.0], &mixtures()).unwrap()
    }

    fn tell(feedback: &Feedback<Self>, epoch: usize) {
        // Before the first epoch there is nothing to report.
        if epoch > 0 {
            let measures = vec![-1.0 / (epoch + 1) as f64, -1.5];
            let report = |sampler: &mut Self| sampler.report(measures, &mixtures());
            feedback.with_sampler(report).unwrap().unwrap();
        }
    }
}

impl Tried for Chosen {
    fn new() -> Self {
        let ids = (0..EXAMPLES).filter(|id| id % 3 != 1).collect();
        Self::new(EXAMPLES, ids, 7).unwrap()
    }
}

impl Tried for ClusterDraws {
    fn new() -> Self {
        let clusters: Vec<usize> = (0..EXAMPLES).map(|id| id % 7 % 3).collect();
        let config = ClusterDrawsConfig::new(30).with_fixed(false);
        config.init(&clusters).unwrap()
    }
}

impl Tried for DynamicRandom {
    fn new() -> Self {
        Self::new(EXAMPLES, 0.7, 1).unwrap()
    }
}

impl Tried for EasyFirst {
    fn new() -> Self {
        Self::new(&difficulties(), pacing(), 2).unwrap()
    }
}

impl Tried for InfoBatch {
    fn new() -> Self {
        InfoBatchConfig::new(6).init(EXAMPLES).unwrap()
    }
}

impl Tried for Mixture {
    fn new() -> Self {
        let domains: Vec<usize> = (0..EXAMPLES).map(|id| id % 4 / 3).collect();
        let config = MixtureConfig::new(vec![2.0, 1.0]).with_length(30);
        config.init(&domains).unwrap()
    }

    fn tell(feedback: &Feedback<Self>, epoch: usize) {
        let weights = [[2.0, 1.0], [1.0, 1.0], [5.0, 1.0]][epoch];
        let set = feedback.with_sampler(|sampler| sampler.set_weights(&weights));
        set.unwrap().unwrap();
    }
}

impl Tried for Prioritised {
    fn new() -> Self {
        Self::new(EXAMPLES, 0.6, 1.0, 3).unwrap()
    }
}

impl Tried for ReplayMix {
    fn new() -> Self {
        // 6 batches of 4, half of each from two old data sets.
        let config = ReplayMixConfig::new(0.5, 4).with_draw(ReplayDraw::Sample);
        let config = config.with_weights(vec![1.0, 2.0]).with_batches(6);
        config.init(&[11, 14], EXAMPLES - 25).unwrap()
    }
}

impl Tried for SelfPaced {
    fn new() -> Self {
        Self::new(EXAMPLES, pacing(), 4).unwrap()
    }
}

impl Tried for Seta {
    fn new() -> Self {
        let config = SetaConfig::new(6).with_groups(4).with_window_scale(0.7);
        config.init(EXAMPLES).unwrap()
    }
}

impl Tried for StaticSubset {
    fn new() -> Self {
        Self::new(EXAMPLES, 0.6, 5).unwrap()
    }
}

impl Tried for Uniform {
    fn new() -> Self {
        Self::new(EXAMPLES, 6).unwrap()
    }
}

impl Tried for Weighted {
    fn new() -> Self {
        Self::new(&difficulties(), 0.6, 8).unwrap()
    }
}

/// Calls a function of one type for each of them, and says which they are.
macro_rules! every {
    ($($sampler:ident),*) => {
        const EVERY: &[&str] = &[$(stringify!($sampler)),*];

        fn every_goes_on() {
            $(goes_on::<$sampler>(stringify!($sampler));)*
        }

        fn every_is_one_sequence() {
            $(is_one_sequence::<$sampler>(stringify!($sampler));)*
        }
    };
}

every!(
    AbilityPaced,
    AdaptiveDifficulty,
    AgentMixture,
    Chosen,
    ClusterDraws,
    DynamicRandom,
    EasyFirst,
    InfoBatch,
    Mixture,
    Prioritised,
    ReplayMix,
    SelfPaced,
    Seta,
    StaticSubset,
    Uniform,
    Weighted
);

type Of<S> = CurriculumLoader<S, usize, Batch>;

fn loader<S: Tried>(sizes: BatchSizes, workers: usize) -> Of<S> {
    let (data, device) = (items(EXAMPLES), Device::flex());
    let loader = CurriculumLoader::new(S::new(), data, Arc::new(Ids), sizes, &device);
    loader.unwrap().with_workers(workers)
}

/// An epoch, and steps of it that are done.
type Moment = (usize, usize);

/// A step over all slices, with the epoch it belongs to.
type Step = (usize, Batch);

/// Trains from a moment to another.
fn train<S: Tried>(loader: &Of<S>, slices: usize, from: Moment, to: Moment) -> Vec<Step> {
    let (device, feedback) = (Device::flex(), loader.feedback());
    let part = |i: usize| EXAMPLES * i / slices;
    let parts: Vec<Arc<dyn DataLoader<Batch>>> = match slices {
        1 => vec![loader.to_device(&device)],
        _ => (0..slices)
            .map(|i| loader.slice(part(i), part(i + 1)))
            .collect(),
    };
    let (mut seen, (mut epoch, mut step)) = (Vec::new(), from);
    while (epoch, step) != to {
        if step == 0 {
            S::tell(&feedback, epoch);
        }
        let mut running: Vec<_> = parts.iter().map(|part| part.iter()).collect();
        'epoch: while (epoch, step) != to {
            let mut all = Batch::new();
            for slice in &mut running {
                let Some(batch) = slice.next() else {
                    (epoch, step) = (epoch + 1, 0);
                    break 'epoch;
                };
                let batch = batch.unwrap();
                let ids: Vec<usize> = batch.iter().map(|(id, _)| *id).collect();
                // One of them is no number.
                let loss = |id: &usize| match (id * 31 + epoch * 17) % 45 {
                    0 => f32::NAN,
                    loss => loss as f32 / 7.0,
                };
                let losses: Vec<f32> = ids.iter().map(loss).collect();
                feedback.observe(ids, Tensor::from_floats(losses.as_slice(), &device));
                all.extend(batch);
            }
            seen.push((epoch, all));
            step += 1;
        }
    }
    seen
}

/// The moments in the middle of an epoch.
fn middles(steps: &[Step]) -> Vec<Moment> {
    let epochs = steps.chunk_by(|a, b| a.0 == b.0);
    epochs
        .flat_map(|epoch| (1..epoch.len()).map(|step| (epoch[0].0, step)))
        .collect()
}

fn goes_on<S: Tried>(name: &str) {
    let sizes = BatchSizes::planned(|batch| [3, 1, 2][batch % 3]);
    for slices in SLICES {
        let straight = loader::<S>(sizes.clone(), 0);
        let expected = train(&straight, slices, (0, 0), (EPOCHS, 0));
        let end = straight.save().unwrap();
        let moments = middles(&expected);
        assert!(moments.len() >= EPOCHS, "{name}, {slices} slices");
        for (kill, moment) in moments.into_iter().enumerate() {
            for (place, workers) in WORKERS.into_iter().enumerate() {
                let first = loader::<S>(sizes.clone(), workers);
                let mut seen = train(&first, slices, (0, 0), moment);
                let bytes = first.save().unwrap();
                drop(first);
                // How many workers there are is no part of the state.
                let others = WORKERS[(place + kill) % WORKERS.len()];
                let mut second = loader::<S>(sizes.clone(), others);
                second.load(&bytes).unwrap();
                seen.extend(train(&second, slices, moment, (EPOCHS, 0)));
                let at = format!(
                    "{name}, {slices} slices, {workers} then {others} workers, killed at {moment:?}"
                );
                assert_eq!(seen, expected, "{at}");
                assert!(second.save().unwrap() == end, "{at}");
            }
        }
    }
}

fn is_one_sequence<S: Tried>(name: &str) {
    for workers in WORKERS {
        let of = |slices: usize| {
            let loader = loader::<S>((4 / slices).into(), workers);
            let steps = train(&loader, slices, (0, 0), (EPOCHS, 0));
            // The last examples of an epoch may be shared over two steps, so that no slice waits.
            let epochs = steps.chunk_by(|a, b| a.0 == b.0);
            let together = |epoch: &[Step]| epoch.iter().flat_map(|step| step.1.clone()).collect();
            epochs.map(together).collect::<Vec<Batch>>()
        };
        let whole = of(1);
        assert_eq!(whole.len(), EPOCHS);
        for slices in [2, 4] {
            assert_eq!(
                of(slices),
                whole,
                "{name}, {slices} slices, {workers} workers"
            );
        }
    }
}

#[test]
fn killed_in_the_middle_of_an_epoch_every_sampler_delivers_the_rest() {
    every_goes_on();
}

#[test]
fn one_two_and_four_slices_together_are_the_same_sequence() {
    every_is_one_sequence();
}

/// The types that implement `Sampler` in a folder of sources.
fn samplers(folder: &Path, found: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        if path.is_dir() {
            samplers(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code = code
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("//"));
            let code = code.collect::<Vec<_>>().join(" ");
            let named = code.split(" Sampler for ").skip(1);
            let name = |rest: &str| {
                rest.split(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap()
                    .to_owned()
            };
            found.extend(named.map(name));
        }
    }
}

#[test]
fn every_sampler_of_the_crate_is_tried() {
    let mut found = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    samplers(&sources, &mut found);
    let tried: BTreeSet<String> = EVERY.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        found, tried,
        "each needs an `impl Tried` and a place in `every!`"
    );
}
