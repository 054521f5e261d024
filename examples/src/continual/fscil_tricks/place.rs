//! Images at random places of a larger canvas, and the sessions that they are split into.

use anyhow::{Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::continual::bed::{Batch, whole};
use crate::data::Images;
use crate::experiment::{Context, ImageSet};

/// Deviation of the noise of an augmented image, whose intensities are 0 to 1.
const NOISE: f32 = 0.1;
/// Places in the table of noise at which a view may begin.
const STRETCHES: usize = 1 << 16;
/// Examples of a novel class.
pub(super) const SHOTS: usize = 5;
/// Sessions after the base session.
pub(super) const SESSIONS: usize = 4;
/// Images of a set at the small size.
const SMALL: usize = 300;

/// A set of images as a base session and incremental ones: classes are numbered in the order in which they come.
pub(super) struct Protocol {
    /// Base classes.
    pub(super) base: usize,
    /// All classes.
    pub(super) classes: usize,
    /// Training images of the base classes.
    pub(super) train: Images,
    /// The few training images of each later session.
    pub(super) shots: Vec<Images>,
    /// Test images of all classes.
    pub(super) test: Images,
}

/// The sets of a run: with `full`, both embedded ones as one of twenty classes.
///
/// # Errors
/// If the images can't be read.
pub(super) fn sets(context: &Context) -> Result<Vec<ImageSet>> {
    let mut sets = context.image_sets()?;
    if context.small {
        for set in &mut sets {
            set.images = set.images.clone().at_most(SMALL);
        }
    }
    if !context.full || sets.len() < 2 {
        return Ok(sets);
    }
    let (clothing, digits) = (sets.remove(1).images, sets.remove(0).images);
    let side = clothing.width;
    let digits = digits.resized(side, side, &context.device)?;
    let labels = clothing.labels.iter().map(|label| label + digits.classes);
    let images = Images::new(
        "digits and clothing",
        side,
        side,
        [digits.pixels.clone(), clothing.pixels].concat(),
        digits.labels.iter().copied().chain(labels).collect(),
    )?;
    Ok(vec![ImageSet {
        name: "both",
        images,
    }])
}

impl Protocol {
    /// Of a set, by a seed: which classes are base classes, where each image lies, and which examples a later session has.
    ///
    /// # Errors
    /// If there are too few classes or images.
    pub(super) fn new(images: &Images, seed: u64) -> Result<Self> {
        let name = &images.name;
        let classes = images.classes;
        ensure!(
            classes >= 2 * SESSIONS && images.width == images.height,
            "{name}: {classes} classes of {} x {}: allowed are {} classes or more of square images",
            images.width,
            images.height,
            2 * SESSIONS
        );
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..classes).collect();
        order.shuffle(&mut rng);
        let each = (classes * 2 / 5 / SESSIONS).max(1);
        let base = classes - each * SESSIONS;
        let mut numbers = vec![0; classes];
        for (number, class) in order.into_iter().enumerate() {
            numbers[class] = number;
        }
        let parts = images.split(&[0.75, 0.25]);
        Images::check_parts(&parts)?;
        let mut placed = parts.into_iter().map(|part| {
            let mut part = placed(&part, &mut rng);
            for label in &mut part.labels {
                *label = numbers[*label];
            }
            part
        });
        let (Some(train), Some(test)) = (placed.next(), placed.next()) else {
            anyhow::bail!("{name}: a split without two parts");
        };
        let of = |train: &Images, classes: std::ops::Range<usize>| -> Vec<Vec<usize>> {
            classes.map(|class| train.members(class)).collect()
        };
        let mut shots = Vec::new();
        for session in 0..SESSIONS {
            let first = base + session * each;
            let mut chosen = Vec::new();
            for mut members in of(&train, first..first + each) {
                members.shuffle(&mut rng);
                ensure!(
                    members.len() >= SHOTS,
                    "{name}: fewer than {SHOTS} images of a class"
                );
                chosen.extend(&members[..SHOTS]);
            }
            shots.push(train.select(&chosen));
        }
        let train = train.select(&of(&train, 0..base).concat());
        Ok(Self {
            base,
            classes,
            train,
            shots,
            test,
        })
    }

    /// The test images of the classes seen after a session, the base session being 0.
    pub(super) fn seen(&self, session: usize) -> Images {
        let each = (self.classes - self.base) / SESSIONS;
        let seen = self.base + session * each;
        let labels = self.test.labels.iter().enumerate();
        let rows = labels.filter(|(_, label)| **label < seen);
        let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
        self.test.select(&rows)
    }
}

/// Each image at a random place of a canvas about three sevenths wider, without light around it.
fn placed(images: &Images, rng: &mut ChaCha8Rng) -> Images {
    let side = images.width;
    let free = (side * 3 / 7).max(4);
    let wide = side + free;
    let mut pixels = vec![0.0; images.labels.len() * wide * wide];
    let canvases = pixels.chunks_mut(wide * wide);
    for (image, canvas) in images.pixels.chunks(side * side).zip(canvases) {
        let (down, right) = (rng.random_range(0..=free), rng.random_range(0..=free));
        for (row, values) in image.chunks(side).enumerate() {
            let start = (down + row) * wide + right;
            canvas[start..start + side].copy_from_slice(values);
        }
    }
    Images {
        width: wide,
        height: wide,
        pixels,
        ..images.clone()
    }
}

/// Draws augmented batches of images: moved by up to a pixel, with noise.
pub(super) struct Draws<'a> {
    images: &'a Images,
    order: Vec<usize>,
    next: usize,
    rng: ChaCha8Rng,
    /// Normal numbers, of which each view has a stretch.
    noise: Vec<f32>,
    device: Device,
}

impl<'a> Draws<'a> {
    pub(super) fn new(images: &'a Images, seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let noise = (0..images.pixels_per_image() + STRETCHES)
            .map(|_| NOISE * rng.sample::<f32, _>(StandardNormal));
        Self {
            noise: noise.collect(),
            images,
            order: (0..images.labels.len()).collect(),
            next: usize::MAX,
            rng,
            device: device.clone(),
        }
    }

    /// So many examples, each image once before any comes again.
    pub(super) fn examples(&mut self, count: usize) -> Vec<usize> {
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            if self.next >= self.order.len() {
                self.order.shuffle(&mut self.rng);
                self.next = 0;
            }
            found.push(self.order[self.next]);
            self.next += 1;
        }
        found
    }

    /// A new view of each example.
    pub(super) fn view(&mut self, examples: &[usize]) -> Batch {
        let side = self.images.width;
        let size = side * side;
        let mut values = vec![0.0_f32; examples.len() * size];
        for (example, view) in examples.iter().zip(values.chunks_mut(size)) {
            let image = &self.images.pixels[example * size..][..size];
            let start = self.rng.random_range(0..STRETCHES);
            view.copy_from_slice(&self.noise[start..start + size]);
            // One pixel further for a move of 2, one less for 0.
            let (down, right) = (self.rng.random_range(0..3), self.rng.random_range(0..3));
            for (row, values) in view.chunks_mut(side).enumerate() {
                let Some(from) = (row + down).checked_sub(1).filter(|from| *from < side) else {
                    continue;
                };
                let moved = &image[from * side..][..side];
                let (moved, values) = match right {
                    0 => (&moved[..side - 1], &mut values[1..]),
                    1 => (moved, values),
                    _ => (&moved[1..], &mut values[..side - 1]),
                };
                for (value, light) in values.iter_mut().zip(moved) {
                    *value += light;
                }
            }
        }
        let labels = examples.iter().map(|i| self.images.labels[*i] as i64);
        let labels: Vec<i64> = labels.collect();
        let count = examples.len();
        (
            Tensor::from_data(TensorData::new(values, [count, size]), &self.device),
            Tensor::from_data(TensorData::new(labels, [count]), &self.device),
        )
    }
}

/// All images as they are, on the device.
pub(super) fn plain(images: &Images, device: &Device) -> Batch {
    whole(images, device)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_classes_of_their_own_and_images_keep_their_light() {
        let digits = Images::digits().unwrap();
        let protocol = Protocol::new(&digits, 3).unwrap();
        assert_eq!((protocol.base, protocol.classes), (6, 10));
        assert!(protocol.train.labels.iter().all(|label| *label < 6));
        assert_eq!((protocol.train.width, protocol.shots.len()), (12, 4));
        for (session, shots) in protocol.shots.iter().enumerate() {
            assert_eq!(shots.labels, [6 + session; SHOTS]);
            let seen = protocol.seen(session + 1);
            assert_eq!(seen.labels.iter().max(), Some(&(6 + session)));
        }
        let light = |images: &Images| images.pixels.iter().map(|x| f64::from(*x)).sum::<f64>();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let moved = placed(&digits, &mut rng);
        assert!((light(&moved) - light(&digits)).abs() < 1e-3 * light(&digits));
        // Another seed, other base classes.
        let other = Protocol::new(&digits, 4).unwrap();
        assert_ne!(other.train.labels.len(), protocol.train.labels.len());
    }

    #[test]
    fn each_image_comes_once_a_round() {
        let protocol = Protocol::new(&Images::digits().unwrap(), 3).unwrap();
        let mut draws = Draws::new(&protocol.shots[0], 1, &Device::default());
        let mut round = draws.examples(SHOTS);
        round.sort_unstable();
        assert_eq!(round, [0, 1, 2, 3, 4]);
        assert_ne!(
            draws.view(&[0]).0.try_into_vec_as::<f32>().unwrap(),
            draws.view(&[0]).0.try_into_vec_as::<f32>().unwrap()
        );
    }
}
