//! The images of one run: what the crowd learns, what is trained on, and the test.

use anyhow::{Result, ensure};
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::bed::Rows;
use crate::data::Images;

/// The streams of a seed's generator: no draw of one thing decides another.
pub(super) enum Draw {
    Split,
    Noise,
    Crowd,
    Order,
    Fault,
}

/// The generator of one thing.
pub(super) fn generator(seed: u64, draw: Draw) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(draw as u64 + 1);
    rng
}

/// One set of images, cut up.
pub(super) struct Bench {
    pub(super) images: Images,
    /// Images that are trained on: the first ones.
    pub(super) pool: usize,
    /// The images after them measure the ability, up to here.
    pub(super) items: usize,
    /// The rest are the crowd's, with their right labels.
    pub(super) all: usize,
    pub(super) test: Images,
}

impl Bench {
    /// Cuts images up at random: 200 of 1,797 for the crowd, 300 for the test, and of the rest a tenth for the ability.
    pub(super) fn new(images: &Images, seed: u64) -> Result<Self> {
        let count = images.labels.len();
        let (crowd, test) = (count * 200 / 1797, count * 300 / 1797);
        ensure!(
            crowd >= 20 && test > 0,
            "{}: {count} images: 180 are needed",
            images.name
        );
        let mut places: Vec<usize> = (0..count).collect();
        places.shuffle(&mut generator(seed, Draw::Split));
        let (test, all) = places.split_at(test);
        let items = all.len() - crowd;
        let train = images.select(&all[..items]);
        let moments = train.moments_by_size();
        let part = |places: &[usize]| images.select(places).standardised(moments);
        Ok(Self {
            images: part(all),
            pool: items - items / 10,
            items,
            all: all.len(),
            test: part(test),
        })
    }

    /// The labels, of which so large a share of what is trained on and of what measures the ability are another class at random, and which
    /// they are.
    pub(super) fn labels(&self, share: f64, seed: u64) -> (Vec<usize>, Vec<bool>) {
        let mut rng = generator(seed, Draw::Noise);
        let mut labels = self.images.labels.clone();
        let mut wrong = vec![false; self.all];
        for part in [0..self.pool, self.pool..self.items] {
            let count = (share * part.len() as f64).round() as usize;
            let mut places: Vec<usize> = part.collect();
            places.shuffle(&mut rng);
            for place in &places[..count] {
                let step = rng.random_range(1..self.images.classes);
                labels[*place] = (labels[*place] + step) % self.images.classes;
                wrong[*place] = true;
            }
        }
        (labels, wrong)
    }

    /// The images with these labels, on a device.
    pub(super) fn rows(&self, labels: &[usize], device: &Device) -> Rows {
        let labels = labels.to_vec();
        let images = Images {
            labels,
            ..self.images.clone()
        };
        Rows::new(&images, device)
    }

    /// The images that measure the ability.
    pub(super) fn held_out(&self, labels: &[usize], device: &Device) -> Rows {
        let places: Vec<usize> = (self.pool..self.items).collect();
        let mut images = self.images.select(&places);
        images.labels = labels[self.pool..self.items].to_vec();
        Rows::new(&images, device)
    }
}
