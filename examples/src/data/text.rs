//! Text as windows of characters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::Sample;
use regimen_curriculum::text::TokenWindows;

use super::unpack;

/// The number of symbols: printable ASCII (32..127) and one for everything else, line ends too.
const SYMBOLS: u8 = 96;

/// A text as symbols `0..96`.
#[derive(Clone, Debug)]
pub struct Text {
    /// What it is, for the report.
    pub name: String,
    /// Symbols: character minus 32; 95 stands for any other.
    pub symbols: Vec<u8>,
}

/// Windows of a text and the symbol that follows each.
#[derive(Clone, Debug)]
pub struct TextBatch {
    /// Symbols, `[batch, window]`.
    pub windows: Tensor<2, Int>,
    /// The next symbol, `[batch]`.
    pub next: Tensor<1, Int>,
}

impl Text {
    /// The embedded prose: Jane Austen's *Persuasion*.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn prose() -> Result<Self> {
        let bytes = include_bytes!("../../data/persuasion.txt.gz");
        Self::new(
            "Persuasion (embedded)",
            &unpack("persuasion.txt.gz", bytes)?,
        )
    }

    /// The embedded verse: the four Gospels in the King James text.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn verse() -> Result<Self> {
        let bytes = include_bytes!("../../data/gospels-kjv.txt.gz");
        Self::new(
            "Gospels, KJV (embedded)",
            &unpack("gospels-kjv.txt.gz", bytes)?,
        )
    }

    /// The embedded program: the Rust sources of the crate num-bigint.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn code() -> Result<Self> {
        let bytes = include_bytes!("../../data/num-bigint.rs.gz");
        Self::new(
            "code of num-bigint 0.4.8 (embedded)",
            &unpack("num-bigint.rs.gz", bytes)?,
        )
    }

    /// The embedded documentation: running text of Django's guides.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn documentation() -> Result<Self> {
        let bytes = include_bytes!("../../data/django-topics.txt.gz");
        Self::new(
            "guides of Django 5.2 (embedded)",
            &unpack("django-topics.txt.gz", bytes)?,
        )
    }

    /// The embedded Python modules: Django's `core` and `utils`.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn python() -> Result<Self> {
        let bytes = include_bytes!("../../data/django.py.gz");
        Self::new(
            "Python code of Django 5.2 (embedded)",
            &unpack("django.py.gz", bytes)?,
        )
    }

    /// A text of at least 1,000 characters.
    ///
    /// # Errors
    /// If it is shorter.
    pub fn new(name: &str, text: &str) -> Result<Self> {
        let symbols: Vec<u8> = text.chars().map(symbol).collect();
        ensure!(
            symbols.len() >= 1000,
            "{name}: {} characters, at least 1000 are needed",
            symbols.len()
        );
        Ok(Self {
            name: name.to_owned(),
            symbols,
        })
    }

    /// The first `share` of the text, and the rest.
    #[must_use]
    pub fn split(&self, share: f64) -> (Self, Self) {
        let cut = (self.symbols.len() as f64 * share) as usize;
        let part = |symbols: &[u8]| Self {
            name: self.name.clone(),
            symbols: symbols.to_vec(),
        };
        (part(&self.symbols[..cut]), part(&self.symbols[cut..]))
    }

    /// Windows at all places, each with the symbol that follows, as a data set.
    ///
    /// # Errors
    /// If the text is not longer than a window.
    pub fn windows(&self, window: usize) -> Result<TokenWindows<u8>> {
        Ok(TokenWindows::new(self.symbols.clone(), window)?.with_stride(1)?)
    }

    /// Windows at random places, each with the symbol that follows.
    fn samples<'a>(&'a self, rng: &mut ChaCha8Rng, count: usize, window: usize) -> Vec<&'a [u8]> {
        let last = self.symbols.len() - window;
        let place = |_| rng.random_range(0..last);
        let places = (0..count).map(place);
        places.map(|at| &self.symbols[at..=at + window]).collect()
    }

    /// A batch of `count` windows at even distances over the text.
    #[must_use]
    pub fn even(&self, count: usize, window: usize, device: &Device) -> TextBatch {
        let last = self.symbols.len() - window;
        let count = count.min(last);
        let places = (0..count).map(|i| i * last / count);
        let samples = places.map(|at| &self.symbols[at..=at + window]);
        collate(samples.collect(), window, device)
    }
}

/// Batches of [`Text::windows`]; it counts the examples below an id, which are those of old texts in a loader of `ReplayMix`.
#[derive(Debug, Default)]
pub struct WindowBatcher {
    old: usize,
    count: AtomicUsize,
}

impl WindowBatcher {
    /// Counts the examples whose id is below `old`.
    #[must_use]
    pub fn new(old: usize) -> Self {
        let count = AtomicUsize::new(0);
        Self { old, count }
    }

    /// The examples below that id in all batches so far.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Batcher<Sample<Vec<u8>>, TextBatch> for WindowBatcher {
    fn batch(&self, items: Vec<Sample<Vec<u8>>>, device: &Device) -> TextBatch {
        let old = items.iter().filter(|sample| sample.id < self.old).count();
        self.count.fetch_add(old, Ordering::Relaxed);
        let samples: Vec<&[u8]> = items.iter().map(|sample| sample.item.as_slice()).collect();
        let window = samples.first().map_or(0, |sample| sample.len() - 1);
        collate(samples, window, device)
    }
}

/// Samples of a window and the symbol that follows it, as a batch.
fn collate(samples: Vec<&[u8]>, window: usize, device: &Device) -> TextBatch {
    let count = samples.len();
    let windows = samples.iter().flat_map(|sample| &sample[..window]);
    let windows: Vec<i64> = windows.copied().map(i64::from).collect();
    let next: Vec<i64> = samples.iter().map(|sample| sample[window].into()).collect();
    TextBatch {
        windows: Tensor::from_data(TensorData::new(windows, [count, window]), device),
        next: Tensor::from_data(TensorData::new(next, [count]), device),
    }
}

fn symbol(character: char) -> u8 {
    match character {
        ' '..='~' => character as u8 - b' ',
        _ => SYMBOLS - 1,
    }
}

/// A loader that streams batches of windows at random places; an epoch is a number of batches.
///
/// Each pass over it yields the same batches, which follow from the seed.
#[derive(Clone)]
pub struct TextLoader {
    text: Arc<Text>,
    batches: usize,
    batch: usize,
    window: usize,
    seed: u64,
    device: Device,
}

impl TextLoader {
    /// `batches` batches of `batch` windows of `window` symbols.
    #[must_use]
    pub fn new(
        text: Arc<Text>,
        batches: usize,
        batch: usize,
        window: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        Self {
            text,
            batches,
            batch,
            window,
            seed,
            device: device.clone(),
        }
    }
}

impl DataLoader<TextBatch> for TextLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<TextBatch> + 'a> {
        Box::new(TextIterator {
            loader: self,
            rng: ChaCha8Rng::seed_from_u64(self.seed),
            done: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.batches * self.batch
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<TextBatch>> {
        Arc::new(Self {
            device: device.clone(),
            ..self.clone()
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<TextBatch>> {
        Arc::new(Self {
            batches: end.saturating_sub(start) / self.batch,
            seed: self.seed.wrapping_add(start as u64),
            ..self.clone()
        })
    }
}

struct TextIterator<'a> {
    loader: &'a TextLoader,
    rng: ChaCha8Rng,
    done: usize,
}

impl Iterator for TextIterator<'_> {
    type Item = Result<TextBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let loader = self.loader;
        if self.done == loader.batches {
            return None;
        }
        let samples = loader
            .text
            .samples(&mut self.rng, loader.batch, loader.window);
        self.done += 1;
        Some(Ok(collate(samples, loader.window, &loader.device)))
    }
}

impl DataLoaderIterator<TextBatch> for TextIterator<'_> {
    fn progress(&self) -> Progress {
        let batch = self.loader.batch;
        Progress::new(
            self.done * batch,
            self.loader.num_items(),
            Some("items".into()),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::Dataset;

    use super::*;

    #[test]
    fn windows_of_a_text_are_those_of_its_places() {
        let text = Text::prose().unwrap();
        let windows = text.windows(8).unwrap();
        assert_eq!(windows.len(), text.symbols.len() - 8);
        assert_eq!(windows.get(5).unwrap(), text.symbols[5..14]);
        let batcher = WindowBatcher::new(6);
        let sample = |id| Sample {
            id,
            batch: 0,
            weight: 1.0,
            item: windows.get(id).unwrap(),
        };
        let batch = batcher.batch(vec![sample(5), sample(6)], &Device::default());
        assert_eq!(batcher.counted(), 1);
        let next: Vec<i64> = batch
            .next
            .into_data()
            .convert::<i64>()
            .try_to_vec()
            .unwrap();
        assert_eq!(next, [13, 14].map(|at| i64::from(text.symbols[at])));
        assert_eq!(batch.windows.dims(), [2, 8]);
    }
}
