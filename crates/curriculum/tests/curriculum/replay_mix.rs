//! The loader of a replay mix, over windows of token streams.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::tensor::Device;
use regimen_curriculum::text::TokenWindows;
use regimen_curriculum::{CurriculumLoader, ReplayDraw, ReplayMix, ReplayMixConfig, Sample};

const CONTEXT: usize = 4;

/// Ids with their windows.
type Windows = Vec<(usize, Vec<u32>)>;

struct Keep;

impl Batcher<Sample<Vec<u32>>, Windows> for Keep {
    fn batch(&self, samples: Vec<Sample<Vec<u32>>>, _: &Device) -> Windows {
        let kept = |sample: Sample<Vec<u32>>| (sample.id, sample.item);
        samples.into_iter().map(kept).collect()
    }
}

fn stream(first: u32, tokens: u32) -> Arc<dyn Dataset<Vec<u32>>> {
    let tokens: Vec<u32> = (first..first + tokens).collect();
    Arc::new(TokenWindows::new(tokens, CONTEXT).unwrap())
}

type Loader = CurriculumLoader<ReplayMix, Vec<u32>, Windows>;

/// Two old streams of 50 and 25 windows, and a new one of 100.
fn loader(config: &ReplayMixConfig) -> Loader {
    let old = vec![stream(0, 201), stream(1_000, 101)];
    let loader = config.loader(old, stream(5_000, 401), Arc::new(Keep), &Device::flex());
    loader.unwrap()
}

#[test]
fn items_are_those_of_their_streams() {
    let loader = loader(&ReplayMixConfig::new(0.25, 8)).with_workers(2);
    assert_eq!(loader.num_items(), 175);
    let mut batches = 0;
    for batch in loader.iter() {
        let batch = batch.unwrap();
        assert_eq!(batch.iter().filter(|(id, _)| *id < 75).count(), 2);
        for (id, window) in batch {
            let first = match id {
                0..50 => 4 * id,
                50..75 => 1_000 + 4 * (id - 50),
                _ => 5_000 + 4 * (id - 75),
            } as u32;
            assert_eq!(window, (first..=first + 4).collect::<Vec<_>>());
        }
        batches += 1;
    }
    // 6 new windows of each batch: 16 batches take 96 of the 100.
    assert_eq!(batches, 16);
}

#[test]
fn devices_share_a_batch_and_its_old_examples() {
    let config = ReplayMixConfig::new(0.25, 8).with_devices(2);
    let (whole, alone) = (loader(&config), loader(&ReplayMixConfig::new(0.25, 8)));
    let parts = [whole.slice(0, 80), whole.slice(80, 175)];
    let mut on_first = 0;
    for _ in 0..3 {
        let mut running = parts.each_ref().map(|part| part.iter());
        for expected in alone.iter() {
            let step = running.each_mut().map(|part| part.next().unwrap().unwrap());
            assert!(step.iter().all(|part| part.len() == 4));
            on_first += step[0].iter().filter(|(id, _)| *id < 75).count();
            assert_eq!(step.concat(), expected.unwrap());
        }
        assert!(running.iter_mut().all(|part| part.next().is_none()));
    }
    // Of 96 old examples, about half.
    assert!((30..=66).contains(&on_first), "{on_first}");
}

#[test]
fn a_stopped_loader_goes_on_with_the_same_old_examples() {
    let config = ReplayMixConfig::new(0.3, 7).with_draw(ReplayDraw::Sample);
    let ids = |batch: Windows| batch.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let epochs = |loader: &Loader, count: usize| -> Vec<Vec<usize>> {
        let epoch = |_| {
            loader
                .iter()
                .map(|batch| ids(batch.unwrap()))
                .collect::<Vec<_>>()
        };
        (0..count).flat_map(epoch).collect()
    };
    let expected = epochs(&loader(&config), 3);
    let first = loader(&config);
    let mut seen: Vec<Vec<usize>> = {
        let running = first.iter();
        running.take(5).map(|batch| ids(batch.unwrap())).collect()
    };
    let state = serde_json::to_string(&first.state().unwrap()).unwrap();
    let old: Vec<Arc<dyn Dataset<Vec<u32>>>> = vec![stream(0, 201), stream(1_000, 101)];
    let all = old.into_iter().chain([stream(5_000, 401)]).collect();
    let joined = burn::data::dataset::transform::ComposedDataset::new(all);
    let state = serde_json::from_str(&state).unwrap();
    let (joined, keep) = (Arc::new(joined), Arc::new(Keep));
    let second = Loader::resume(state, joined, keep, 7, &Device::flex()).unwrap();
    seen.extend(epochs(&second.with_workers(2), 3));
    assert_eq!(seen, expected);
}

#[test]
fn what_no_device_can_share_is_refused() {
    let config = ReplayMixConfig::new(0.25, 8).with_devices(3);
    let refused = config.loader(
        vec![stream(0, 99)],
        stream(0, 99),
        Arc::new(Keep),
        &Device::flex(),
    );
    let message = refused.err().map(|error| error.to_string()).unwrap();
    assert!(message.contains("`devices` is 3"), "{message}");
}
