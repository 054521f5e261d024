//! Replay by a loader: what a batch holds, what is kept, restarts, devices.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;
use regimen_continual::memory::{
    Memory, MemoryConfig, ReplayLoader, ReplayLoaderConfig, SharedMemory,
};
use regimen_tensor::Part;

pub(super) struct Plain;

impl Batcher<u32, Vec<u32>> for Plain {
    fn batch(&self, items: Vec<u32>, _device: &Device) -> Vec<u32> {
        items
    }
}

fn memory(size: usize) -> SharedMemory<u32> {
    MemoryConfig::reservoir(size)
        .with_seed(2)
        .init()
        .unwrap()
        .into()
}

fn loader(
    config: &ReplayLoaderConfig,
    data: std::ops::Range<u32>,
    memory: &SharedMemory<u32>,
) -> ReplayLoader<u32, Vec<u32>> {
    let data = Arc::new(InMemDataset::new(data.collect()));
    let class = |item: &u32| *item as usize / 10;
    config
        .init(data, Arc::new(Plain), memory, class, &Device::flex())
        .unwrap()
}

fn epoch(loader: &dyn DataLoader<Vec<u32>>) -> Vec<Vec<u32>> {
    loader.iter().map(|batch| batch.unwrap()).collect()
}

#[test]
fn a_batch_is_of_the_stream_and_of_the_memory() {
    let memory = memory(30);
    let config = ReplayLoaderConfig::new(8);
    let first = loader(&config, 0..50, &memory);
    let batches = epoch(&first);
    // Nothing is kept before the first batch; then as much as there is.
    assert_eq!(
        batches.iter().map(Vec::len).collect::<Vec<_>>(),
        [8, 16, 16, 16, 16, 16, 10]
    );
    let mut stream: Vec<u32> = Vec::new();
    for batch in &batches {
        let (own, kept) = batch.split_at(batch.len().min(8).min(50 - stream.len()));
        assert!(
            kept.iter().all(|item| stream.contains(item)),
            "drawn before it is added"
        );
        stream.extend(own);
    }
    assert_ne!(stream, (0..50).collect::<Vec<_>>());
    stream.sort_unstable();
    assert_eq!(stream, (0..50).collect::<Vec<_>>());
    // The second epoch is in another order and adds nothing.
    let again = epoch(&first);
    assert_ne!(again[0][..8], batches[0][..8]);
    let counts = |memory: &Memory<u32>| (memory.seen(), memory.len());
    assert_eq!(counts(&memory.lock()), (50, 30));
    let config = ReplayLoaderConfig::new(10)
        .with_share(0.2)
        .with_task(1)
        .with_every_epoch(true);
    let second = loader(&config, 50..90, &memory);
    assert_eq!(config.replayed(), 3);
    for _ in 0..2 {
        // 2.5 is rounded up.
        assert!(epoch(&second).iter().all(|batch| batch.len() == 13));
    }
    let memory = memory.lock();
    assert_eq!(memory.seen(), 130);
    for kept in memory.iter() {
        assert_eq!(
            (kept.label, kept.task),
            (kept.item as usize / 10, usize::from(kept.item >= 50))
        );
    }
}

#[test]
fn progress_is_complete_with_the_last_batch() {
    let loader = loader(&ReplayLoaderConfig::new(8), 0..20, &memory(4));
    let mut iter = loader.iter();
    let mut seen = Vec::new();
    while iter.next().is_some() {
        let progress = iter.progress();
        seen.push((progress.items_processed, progress.items_total));
    }
    assert_eq!(seen, [(8, 20), (16, 20), (20, 20)]);
    assert_eq!(loader.num_items(), 20);
}

#[test]
fn a_run_that_was_stopped_anywhere_goes_on_bit_for_bit() {
    let config = ReplayLoaderConfig::new(6)
        .with_every_epoch(true)
        .with_seed(9);
    let straight: Vec<Vec<u32>> = {
        let loader = loader(&config, 0..20, &memory(7));
        (0..3).flat_map(|_| epoch(&loader)).collect()
    };
    for stop in 0..straight.len() {
        let first = loader(&config, 0..20, &memory(7));
        let mut seen = Vec::new();
        while seen.len() < stop {
            let mut iter = first.iter();
            while seen.len() < stop {
                match iter.next() {
                    Some(batch) => seen.push(batch.unwrap()),
                    None => break,
                }
            }
        }
        let saved = first.save().unwrap();
        let mut second = loader(&config, 0..20, &memory(7));
        second.load(&saved).unwrap();
        assert_eq!(second.save().unwrap(), saved);
        while seen.len() < straight.len() {
            seen.extend(epoch(&second));
        }
        assert_eq!(seen, straight, "stopped after {stop}");
    }
}

#[test]
fn an_iterator_of_before_a_load_ends() {
    let mut loader = loader(&ReplayLoaderConfig::new(6), 0..20, &memory(7));
    let other = loader.clone();
    let mut iter = other.iter();
    iter.next().unwrap().unwrap();
    let saved = loader.save().unwrap();
    loader.load(&saved).unwrap();
    assert!(iter.next().is_none());
    assert_eq!(epoch(&loader).len(), 3);
    assert_eq!(epoch(&loader).len(), 4);
}

#[test]
fn slices_share_an_epoch_and_the_memory() {
    let memory = memory(5);
    let whole = loader(&ReplayLoaderConfig::new(4), 0..21, &memory);
    let device = Device::flex();
    let slices = [whole.slice(0, 10), whole.slice(10, 21).to_device(&device)];
    for _ in 0..2 {
        let mut seen = Vec::new();
        for slice in &slices {
            let mut left = slice.num_items();
            for batch in epoch(slice.as_ref()) {
                let own = left.min(4);
                left -= own;
                seen.extend_from_slice(&batch[..own]);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..21).collect::<Vec<_>>());
    }
    assert_eq!(memory.lock().seen(), 21);
    assert_eq!(whole.slice(5, 3).num_items(), 0);
    assert!(whole.slice(5, 3).iter().next().unwrap().is_err());
    let part = whole.slice(4, 12).slice(2, 100);
    assert_eq!(part.num_items(), 6);
    // A state has the places of all of them.
    let saved = whole.save().unwrap();
    let mut again = loader(&ReplayLoaderConfig::new(4), 0..21, &self::memory(5));
    again.load(&saved).unwrap();
    assert_eq!(again.save().unwrap(), saved);
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = Device::flex();
    let memory = memory(5);
    let data = || Arc::new(InMemDataset::new(vec![1_u32, 2]));
    let init =
        |config: &ReplayLoaderConfig| config.init(data(), Arc::new(Plain), &memory, |_| 0, &device);
    assert!(init(&ReplayLoaderConfig::new(0)).is_err());
    for share in [-0.1, 1.0, f64::NAN] {
        assert!(init(&ReplayLoaderConfig::new(4).with_share(share)).is_err());
    }
    let large = init(&ReplayLoaderConfig::new(usize::MAX).with_share(0.99)).unwrap();
    let mut only = epoch(&large).remove(0);
    only.sort_unstable();
    assert_eq!(only, [1, 2]);
    let none = Arc::new(InMemDataset::new(Vec::<u32>::new()));
    let empty = ReplayLoaderConfig::new(4).init(none, Arc::new(Plain), &memory, |_| 0, &device);
    assert!(empty.is_err());
    let whole = loader(&ReplayLoaderConfig::new(4), 0..21, &memory);
    epoch(&whole);
    let saved = whole.save().unwrap();
    let mut other = loader(&ReplayLoaderConfig::new(4), 0..22, &self::memory(5));
    assert!(other.load(&saved).is_err());
    let mut other = loader(&ReplayLoaderConfig::new(4), 0..21, &self::memory(6));
    assert!(other.load(&saved).is_err() && other.memory().lock().is_empty());
    let text = String::from_utf8(saved).unwrap();
    for (from, to) in [
        ("[[0,21]", "[[0,22]"),
        (r#""delivered":21"#, r#""delivered":22"#),
        (r#""epochs":1"#, r#""epochs":0"#),
    ] {
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text);
        let mut other = loader(&ReplayLoaderConfig::new(4), 0..21, &self::memory(5));
        assert!(other.load(damaged.as_bytes()).is_err(), "{damaged}");
    }
}
