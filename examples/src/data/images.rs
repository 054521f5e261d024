//! Labelled images and their batches.

use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The order of every split is drawn from this seed, on any data set.
const SPLIT_SEED: u64 = 20_260_000;

/// The number of classes is below this: models and splits have a part for each.
pub(super) const CLASSES: usize = 10_000;

/// Grey images of one size with a class each.
#[derive(Clone, Debug)]
pub struct Images {
    /// What they are, for the report.
    pub name: String,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Number of classes.
    pub classes: usize,
    /// Intensities 0..=1, `[images, height * width]`.
    pub pixels: Vec<f32>,
    /// Class of each image, `0..classes`.
    pub labels: Vec<usize>,
}

/// One labelled image.
#[derive(Clone, Debug)]
pub struct ImageItem {
    /// Intensities, `[height * width]`.
    pub pixels: Vec<f32>,
    /// Class.
    pub label: usize,
}

/// A batch of images.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// Intensities, `[batch, height * width]`.
    pub images: Tensor<2>,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
}

/// Stacks images into a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageBatcher;

impl Batcher<ImageItem, ImageBatch> for ImageBatcher {
    fn batch(&self, items: Vec<ImageItem>, device: &Device) -> ImageBatch {
        let count = items.len();
        let pixels = items.first().map_or(0, |item| item.pixels.len());
        let labels: Vec<i64> = items.iter().map(|item| item.label as i64).collect();
        let values: Vec<f32> = items.into_iter().flat_map(|item| item.pixels).collect();
        ImageBatch {
            images: Tensor::from_data(TensorData::new(values, [count, pixels]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

impl Images {
    /// Batches of these images on a device, each epoch in another order that the seed shuffles.
    #[must_use]
    pub fn shuffled(
        &self,
        batch: usize,
        seed: u64,
        device: &Device,
    ) -> Arc<dyn DataLoader<ImageBatch>> {
        DataLoaderBuilder::new(ImageBatcher)
            .batch_size(batch)
            .shuffle(seed)
            .set_device(device.clone())
            .build(self.clone())
    }
}

impl Dataset<ImageItem> for Images {
    fn get(&self, index: usize) -> Result<ImageItem, DatasetError> {
        let size = self.pixels_per_image();
        if index >= self.labels.len() {
            let count = self.labels.len();
            let message = format!("image {index} of {count}");
            return Err(DatasetError::new(std::io::Error::other(message)));
        }
        Ok(ImageItem {
            pixels: self.pixels[index * size..(index + 1) * size].to_vec(),
            label: self.labels[index],
        })
    }

    fn len(&self) -> usize {
        self.labels.len()
    }
}

impl Images {
    /// Images of any intensity scale from 0 on: they are divided by the largest intensity.
    ///
    /// # Errors
    /// If there is no image, the sizes do not agree, an intensity is negative or not finite, all are 0, a class is over 9,999, or
    /// fewer than two classes occur.
    pub fn new(
        name: &str,
        width: usize,
        height: usize,
        mut pixels: Vec<f32>,
        labels: Vec<usize>,
    ) -> Result<Self> {
        ensure!(!labels.is_empty(), "{name}: no images");
        let size = width.checked_mul(height).filter(|size| *size > 0);
        let expected = size.and_then(|size| size.checked_mul(labels.len()));
        ensure!(
            expected == Some(pixels.len()),
            "{name}: {} pixels for {} images of {width} x {height}",
            pixels.len(),
            labels.len()
        );
        let size = width * height;
        for (place, pixel) in pixels.iter().enumerate() {
            ensure!(
                pixel.is_finite() && *pixel >= 0.0,
                "{name}: pixel {} of image {} is {pixel}: allowed are finite intensities from 0 on",
                place % size,
                place / size
            );
        }
        let largest = pixels.iter().copied().fold(0.0_f32, f32::max);
        ensure!(largest > 0.0, "{name}: all pixels are 0");
        pixels.iter_mut().for_each(|pixel| *pixel /= largest);
        let largest = labels.iter().copied().max().unwrap_or(0);
        ensure!(
            largest < CLASSES,
            "{name}: class {largest}: allowed are classes from 0 to {}",
            CLASSES - 1
        );
        let classes = largest + 1;
        ensure!(
            labels.iter().any(|label| *label != labels[0]),
            "{name}: only one class"
        );
        Ok(Self {
            name: name.to_owned(),
            width,
            height,
            classes,
            pixels,
            labels,
        })
    }

    /// Pixels of one image, `height * width`.
    #[must_use]
    pub fn pixels_per_image(&self) -> usize {
        self.width * self.height
    }

    /// Fixed, stratified parts: the same images in the same order for the same shares.
    ///
    /// Each class gives each part its share, rounded so that no image is lost; the last part takes
    /// what is left. The shares must sum to at most 1.
    #[must_use]
    pub fn split(&self, shares: &[f64]) -> Vec<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(SPLIT_SEED);
        let mut parts = vec![Vec::new(); shares.len()];
        let complete = (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        for class in 0..self.classes {
            let mut members: Vec<usize> = self.members(class);
            members.shuffle(&mut rng);
            let (mut start, mut upto) = (0, 0.0);
            for (i, share) in shares.iter().enumerate() {
                upto += share * members.len() as f64;
                let end = if complete && i + 1 == shares.len() {
                    members.len()
                } else {
                    (upto.round() as usize).clamp(start, members.len())
                };
                parts[i].extend_from_slice(&members[start..end]);
                start = end;
            }
        }
        for part in &mut parts {
            part.shuffle(&mut rng);
        }
        parts.iter().map(|part| self.select(part)).collect()
    }

    /// Refuses parts of a split of which one is empty: nothing can be trained or measured on it.
    ///
    /// # Errors
    /// If a part holds no image.
    pub fn check_parts(parts: &[Self]) -> Result<()> {
        let counts: Vec<usize> = parts.iter().map(|part| part.labels.len()).collect();
        let name = parts.first().map_or("", |part| &part.name);
        ensure!(
            counts.iter().all(|count| *count > 0),
            "{name}: too few images: the parts of the split hold {counts:?}"
        );
        Ok(())
    }

    /// A stratified part of at most about `count` images; all of them if there are no more.
    #[must_use]
    pub fn at_most(self, count: usize) -> Self {
        if self.labels.len() <= count {
            return self;
        }
        let share = count as f64 / self.labels.len() as f64;
        self.split(&[share]).remove(0)
    }

    /// The images at these positions.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let size = self.pixels_per_image();
        let rows = positions.iter();
        Self {
            pixels: rows
                .flat_map(|i| self.pixels[i * size..(i + 1) * size].iter().copied())
                .collect(),
            labels: positions.iter().map(|i| self.labels[*i]).collect(),
            ..self.header()
        }
    }

    /// The positions of a class's images.
    #[must_use]
    pub fn members(&self, class: usize) -> Vec<usize> {
        let labels = self.labels.iter().enumerate();
        labels
            .filter(|(_, label)| **label == class)
            .map(|(i, _)| i)
            .collect()
    }

    /// All images as one batch.
    #[must_use]
    pub fn batch(&self, device: &Device) -> ImageBatch {
        let shape = [self.labels.len(), self.pixels_per_image()];
        let labels: Vec<i64> = self.labels.iter().map(|label| *label as i64).collect();
        ImageBatch {
            images: Tensor::from_data(TensorData::new(self.pixels.clone(), shape), device),
            labels: Tensor::from_data(TensorData::new(labels, [shape[0]]), device),
        }
    }

    /// The parts of [`split`](Self::split), brought to mean 0 and, for 8 x 8 images, deviation 1 by
    /// the intensities of the first, the training part.
    ///
    /// Larger images get a smaller deviation, `8 / sqrt(pixels)`: the norm of an image, and with it the
    /// rate at which a first layer learns, is then the same for any size.
    #[must_use]
    pub fn split_standardised(&self, shares: &[f64]) -> Vec<Self> {
        let parts = self.split(shares);
        let moments = parts.first().map_or((0.0, 1.0), Self::moments_by_size);
        let standardised = parts.into_iter().map(|part| part.standardised(moments));
        standardised.collect()
    }

    /// Mean and standard deviation of all intensities.
    #[must_use]
    pub fn moments(&self) -> (f32, f32) {
        let count = self.pixels.len() as f64;
        let mean = self.pixels.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let squares = self.pixels.iter().map(|x| (f64::from(*x) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        (mean as f32, deviation.max(1e-6) as f32)
    }

    /// Mean, and standard deviation times an eighth of the square root of an image's pixels: standardised by these, the norm of an image is the same
    /// for any size.
    #[must_use]
    pub fn moments_by_size(&self) -> (f32, f32) {
        let (mean, deviation) = self.moments();
        let size = (self.pixels_per_image() as f32).sqrt() / 8.0;
        (mean, deviation * size)
    }

    /// The images with intensities `(x - mean) / deviation`.
    #[must_use]
    pub fn standardised(mut self, (mean, deviation): (f32, f32)) -> Self {
        for pixel in &mut self.pixels {
            *pixel = (*pixel - mean) / deviation;
        }
        self
    }

    /// The images in another size, by bilinear interpolation.
    ///
    /// # Errors
    /// If the device can't return them.
    pub fn resized(&self, height: usize, width: usize, device: &Device) -> Result<Self> {
        let images = self.batch(&device.clone().inner()).images;
        let resized = resize(images, [self.height, self.width], [height, width]);
        Ok(Self {
            pixels: resized.try_into_vec_as::<f32>()?,
            labels: self.labels.clone(),
            width,
            height,
            ..self.header()
        })
    }

    fn header(&self) -> Self {
        Self {
            name: self.name.clone(),
            pixels: Vec::new(),
            labels: Vec::new(),
            ..*self
        }
    }
}

/// Images `[batch, height * width]` in another height and width, by bilinear interpolation.
#[must_use]
pub fn resize(images: Tensor<2>, from: [usize; 2], to: [usize; 2]) -> Tensor<2> {
    if from == to {
        return images;
    }
    let [batch, _] = images.dims();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size(to);
    let resized = interpolate(images.reshape([batch, 1, from[0], from[1]]), options);
    resized.reshape([batch, to[0] * to[1]])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_split_is_fixed_and_stratified() {
        let digits = Images::digits().unwrap();
        assert_eq!((digits.labels.len(), digits.classes), (1797, 10));
        let parts = digits.split(&[0.5, 0.5]);
        assert_eq!(parts[0].labels.len() + parts[1].labels.len(), 1797);
        assert_eq!(parts[0].labels, digits.split(&[0.5, 0.5])[0].labels);
        for class in 0..10 {
            let (a, b) = (parts[0].members(class).len(), parts[1].members(class).len());
            assert!(a.abs_diff(b) <= 1, "class {class}: {a} and {b}");
        }
        assert!(digits.at_most(500).labels.len().abs_diff(500) <= 10);
    }

    #[test]
    fn a_damaged_row_is_named() {
        let error = Images::from_csv("x.csv", "0,1,2,3,0\n0,1,oops,3,1\n").unwrap_err();
        assert!(error.to_string().contains("x.csv, line 2"), "{error}");
        assert!(Images::from_csv("x.csv", "0,1,2,3,0\n0,1\n").is_err());
        assert!(Images::from_csv("x.csv", "").is_err());
    }

    #[test]
    fn sizes_and_classes_without_bound_are_refused() {
        let new = |width, height, pixels: usize, labels: Vec<usize>| {
            Images::new("x", width, height, vec![1.0; pixels], labels)
        };
        assert!(new(2, 1, 4, vec![0, 1]).is_ok());
        for (width, height) in [
            (usize::MAX, usize::MAX),
            (usize::MAX, 2),
            (0, 0),
            (1 << 63, 2),
        ] {
            assert!(
                new(width, height, 4, vec![0, 1]).is_err(),
                "{width} x {height}"
            );
            assert!(
                new(width, height, 0, vec![0, 1]).is_err(),
                "{width} x {height}"
            );
        }
        let error = new(2, 1, 4, vec![0, usize::MAX]).unwrap_err().to_string();
        assert!(
            error.contains("allowed are classes from 0 to 9999"),
            "{error}"
        );
    }

    #[test]
    fn intensities_that_are_none_are_refused() {
        let refused = |row: &str| {
            let text = format!("0,1,2,3,0\n{row},1\n");
            Images::from_csv("x.csv", &text).unwrap_err().to_string()
        };
        let error = refused("0,-1e30,2,3");
        assert!(error.contains("pixel 1 of image 1 is -1"), "{error}");
        assert!(refused("0,inf,2,3").contains("x.csv, line 2"));
        let error = Images::from_csv("x.csv", "0,0,0\n0,0,1\n").unwrap_err();
        assert!(error.to_string().contains("all pixels are 0"), "{error}");
        let error = Images::from_csv("x.csv", "0,1,3\n1,0,3\n").unwrap_err();
        assert!(error.to_string().contains("only one class"), "{error}");
    }
}
