//! Images in hidden renditions: as they are, turned, inverted or transposed.

use anyhow::{Result, ensure};
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::ability::mastery::Points;

use super::components::components;
use crate::data::Images;

/// The share of each rendition in the pool.
pub(super) const SHARES: [f64; 6] = [0.55, 0.2, 0.1, 0.08, 0.04, 0.03];

/// The first rendition that counts as rare: a quarter of the pool is rare.
pub(super) const RARE: usize = 2;

/// Features of an instance.
const WIDTH: usize = 10;

/// The streams of a seed's generator: no draw of one thing decides another.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    Split,
    Pool,
    Test,
    Select,
    Order,
    Fault,
}

/// The generator of one thing.
pub(super) fn generator(seed: u64, draw: Draw) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(draw as u64 + 1);
    rng
}

/// A pool of instances, and a test on other images.
pub(super) struct Bed {
    pub(super) pool: Images,
    /// The rendition of each instance of the pool, which no method sees but the oracle.
    pub(super) renditions: Vec<usize>,
    /// Principal components of the pool.
    pub(super) features: Points,
    /// The test, a part for each rendition.
    pub(super) test: Vec<Images>,
}

impl Bed {
    /// Draws 3,000 instances of 1,300 images of 1,797 and, of the others, 250 for each rendition to test on.
    pub(super) fn new(images: Images, seed: u64, device: &Device) -> Result<Self> {
        let side = images.width.min(images.height);
        let images = if images.width == images.height {
            images
        } else {
            images.resized(side, side, device)?
        };
        let count = images.labels.len();
        ensure!(
            count >= 200,
            "{}: {count} images: 200 are needed",
            images.name
        );
        let mut places: Vec<usize> = (0..count).collect();
        places.shuffle(&mut generator(seed, Draw::Split));
        let (own, other) = places.split_at(count * 1300 / 1797);
        let mut rng = generator(seed, Draw::Pool);
        let size = own.len() * 3000 / 1300;
        let mut renditions: Vec<usize> = Vec::with_capacity(size);
        let mut upto = 0.0;
        for (rendition, share) in SHARES.iter().enumerate() {
            upto += share;
            renditions.resize((upto * size as f64).round() as usize, rendition);
        }
        renditions.shuffle(&mut rng);
        let instance = |rng: &mut ChaCha8Rng, of: &[usize]| of[rng.random_range(0..of.len())];
        let drawn: Vec<usize> = renditions.iter().map(|_| instance(&mut rng, own)).collect();
        let pool = rendered(&images, &drawn, &renditions);
        let mut rng = generator(seed, Draw::Test);
        let tested = other.len() / 2;
        let mut test = Vec::new();
        for rendition in 0..SHARES.len() {
            let drawn: Vec<usize> = (0..tested).map(|_| instance(&mut rng, other)).collect();
            test.push(rendered(&images, &drawn, &vec![rendition; tested]));
        }
        let moments = pool.moments_by_size();
        let standardised = |images: Images| images.standardised(moments);
        let pool = standardised(pool);
        let features = components(&pool.pixels, side * side, WIDTH);
        Ok(Self {
            features: Points::new(WIDTH, features)?,
            test: test.into_iter().map(standardised).collect(),
            pool,
            renditions,
        })
    }
}

/// Images at these places, each in its rendition.
fn rendered(images: &Images, places: &[usize], renditions: &[usize]) -> Images {
    let mut chosen = images.select(places);
    let (side, size) = (images.width, images.pixels_per_image());
    for (pixels, rendition) in chosen.pixels.chunks_mut(size).zip(renditions) {
        render(pixels, side, *rendition);
    }
    chosen
}

/// One square image with intensities 0..=1.
fn render(pixels: &mut [f32], side: usize, rendition: usize) {
    let before = pixels.to_vec();
    let last = side - 1;
    for row in 0..side {
        for column in 0..side {
            let from = match rendition {
                1 | 5 => (last - column) * side + row,
                3 => column * side + row,
                4 => (last - row) * side + last - column,
                _ => row * side + column,
            };
            let value = before[from];
            let inverted = rendition == 2 || rendition == 5;
            pixels[row * side + column] = if inverted { 1.0 - value } else { value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn the_renditions_of_four_pixels() {
        let of = |rendition| {
            let mut pixels = [0.0, 0.25, 0.5, 1.0];
            render(&mut pixels, 2, rendition);
            pixels
        };
        assert_eq!(of(0), [0.0, 0.25, 0.5, 1.0]);
        assert_eq!(of(1), [0.5, 0.0, 1.0, 0.25]);
        assert_eq!(of(2), [1.0, 0.75, 0.5, 0.0]);
        assert_eq!(of(3), [0.0, 0.5, 0.25, 1.0]);
        assert_eq!(of(4), [1.0, 0.5, 0.25, 0.0]);
        assert_eq!(of(5), [0.5, 1.0, 0.0, 0.75]);
    }
}
