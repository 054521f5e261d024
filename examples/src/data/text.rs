//! Text as windows of characters.

use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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

    /// A batch of windows at random places.
    #[must_use]
    pub fn random(
        &self,
        rng: &mut ChaCha8Rng,
        batch: usize,
        window: usize,
        device: &Device,
    ) -> TextBatch {
        let last = self.symbols.len() - window;
        let places = (0..batch).map(|_| rng.random_range(0..last)).collect();
        self.at(places, window, device)
    }

    /// A batch of `count` windows at even distances over the text.
    #[must_use]
    pub fn even(&self, count: usize, window: usize, device: &Device) -> TextBatch {
        let last = self.symbols.len() - window;
        let count = count.min(last);
        let places = (0..count).map(|i| i * last / count).collect();
        self.at(places, window, device)
    }

    fn at(&self, places: Vec<usize>, window: usize, device: &Device) -> TextBatch {
        let symbol = |i: usize| i64::from(self.symbols[i]);
        let windows: Vec<i64> = places
            .iter()
            .flat_map(|place| (*place..place + window).map(symbol))
            .collect();
        let next: Vec<i64> = places.iter().map(|place| symbol(place + window)).collect();
        let count = next.len();
        TextBatch {
            windows: Tensor::from_data(TensorData::new(windows, [count, window]), device),
            next: Tensor::from_data(TensorData::new(next, [count]), device),
        }
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
        self.done += 1;
        let batch = loader
            .text
            .random(&mut self.rng, loader.batch, loader.window, &loader.device);
        Some(Ok(batch))
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
