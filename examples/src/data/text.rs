//! Text as windows of characters.

use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::Replay;

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
    replay: Option<(Arc<Text>, Replay)>,
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
            replay: None,
            batches,
            batch,
            window,
            seed,
            device: device.clone(),
        }
    }

    /// Draws a fraction of each batch from an old text; the batches keep their size.
    ///
    /// # Errors
    /// If the fraction is not in `0..=1`.
    pub fn with_replay(self, old: Arc<Text>, fraction: f64) -> Result<Self> {
        let replay = Replay::new(fraction, self.batch)?;
        Ok(Self {
            replay: Some((old, replay)),
            ..self
        })
    }

    /// The samples of a step's batch: old ones first.
    fn samples(&self, rng: &mut ChaCha8Rng, step: usize) -> Vec<&[u8]> {
        let Some((old, replay)) = &self.replay else {
            return self.text.samples(rng, self.batch, self.window);
        };
        let mut samples = old.samples(rng, replay.old(step), self.window);
        samples.extend(self.text.samples(rng, replay.fresh(step), self.window));
        samples
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
        let samples = loader.samples(&mut self.rng, self.done);
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
    use super::*;

    const STEPS: usize = 50;

    fn windows(loader: &TextLoader) -> Vec<Vec<i64>> {
        let batches = loader
            .iter()
            .map(|batch| batch.unwrap().windows.into_data());
        batches
            .map(|data| data.convert::<i64>().try_to_vec().unwrap())
            .collect()
    }

    fn loader(text: &Arc<Text>) -> TextLoader {
        TextLoader::new(text.clone(), STEPS, 64, 8, 3, &Device::default())
    }

    #[test]
    fn replayed_samples_are_those_of_the_budget() {
        let text = |letter: &str| Arc::new(Text::new(letter, &letter.repeat(1000)).unwrap());
        let (old, new) = (text("a"), text("b"));
        let replay = Replay::new(0.05, 64).unwrap();
        let mixed = windows(&loader(&new).with_replay(old.clone(), 0.05).unwrap());
        let of_old = |batch: &Vec<i64>| {
            batch
                .iter()
                .filter(|s| **s == i64::from(symbol('a')))
                .count()
        };
        for (step, batch) in mixed.iter().enumerate() {
            assert_eq!((batch.len(), of_old(batch)), (512, 8 * replay.old(step)));
        }
        assert_eq!(
            mixed.iter().map(of_old).sum::<usize>(),
            8 * replay.old_in(STEPS)
        );
        assert!(loader(&new).with_replay(old, 1.1).is_err());
    }

    #[test]
    fn no_replay_and_nothing_else_are_the_plain_loaders() {
        let [old, new] = [Text::prose(), Text::code()].map(|text| Arc::new(text.unwrap()));
        let mixed = |fraction| windows(&loader(&new).with_replay(old.clone(), fraction).unwrap());
        assert_eq!(mixed(0.0), windows(&loader(&new)));
        assert_eq!(mixed(1.0), windows(&loader(&old)));
    }
}
