//! Controls that never train on the stream: class means, and a network trained on the memory alone.

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};
use regimen_continual::{
    Encoder, Fill, GDumbConfig, NearestMeanConfig, SldaConfig, Strategy, plain_loss,
};

use super::setting::{BATCH, Bed, Figures, RATE};
use crate::continual::bed::{Batch, Naive, learn, right, whole};
use crate::data::Images;

/// The perceptron trained from scratch on a balanced memory of the stream, for so many epochs.
pub(super) fn gdumb(bed: &Bed, epochs: f64) -> Result<Figures> {
    let device = &bed.context.device;
    let mut net = bed.net();
    let gdumb = GDumbConfig::new(bed.memory)
        .with_fill(Fill::Always)
        .with_seed(bed.seed)
        .init(&net)?;
    for (place, part) in bed.parts.iter().enumerate() {
        for batch in part.loader(BATCH, bed.seed + place as u64, device).iter() {
            gdumb.observe(&batch?)?;
        }
    }
    let like = whole(&bed.parts[0].train, device);
    let mut optim = bed.training(1).optimizer();
    let (mut count, naive) = (0, Naive::default());
    for epoch in 0..epochs as u64 {
        for batch in gdumb.batches(BATCH, epoch, &like)? {
            let grads = GradientsParams::from_grads(plain_loss(&net, &batch).backward(), &net);
            net = naive.update(net, &mut optim, RATE.into(), grads.into());
            count += batch.1.dims()[0];
        }
    }
    let mut figures = Figures::at_the_end(&bed.tested(&net, &naive)?);
    figures.compute.count(count);
    figures.compute.keep("memory", gdumb.memory().bytes());
    Ok(figures)
}

/// The nearest mean of the pixels of each class.
pub(super) fn nearest(bed: &Bed) -> Result<Figures> {
    let device = bed.context.device.clone().inner();
    let mut means = NearestMeanConfig::new(bed.classes(), bed.pixels()).init(&device)?;
    for part in &bed.parts {
        let (images, labels) = whole(&part.train, &device);
        means.add(images, labels)?;
    }
    let mut figures = tested(bed, |images| Ok(means.logits(pixels(bed, images).0)?))?;
    figures.compute.keep("means", means.bytes());
    Ok(figures)
}

/// Streaming linear discriminant analysis on pixels.
pub(super) fn slda(bed: &Bed, shrinkage: f64) -> Result<Figures> {
    let features = |images: &Images| Ok(pixels(bed, images));
    slda_of(bed, shrinkage, bed.pixels(), features)
}

/// The same on what enters the head of the perceptron after the first task: it stays as it is from then on.
pub(super) fn slda_of_features(bed: &Bed, shrinkage: f64) -> Result<Figures> {
    let (training, naive) = (bed.training(2 * bed.epochs), Naive::default());
    let device = &bed.context.device;
    let first = &bed.parts[..1];
    let net = learn(bed.net(), first, &training, &naive, bed.seed, device)?;
    let net = net.model.valid();
    let width = net.features(&pixels(bed, &first[0].test)).dims()[1];
    let features = |images: &Images| {
        let batch = pixels(bed, images);
        Ok((net.features(&batch), batch.1))
    };
    let mut figures = slda_of(bed, shrinkage, width, features)?;
    let seen = 2 * bed.epochs * first[0].train.labels.len();
    figures.compute.count(seen);
    Ok(figures)
}

fn slda_of(
    bed: &Bed,
    shrinkage: f64,
    width: usize,
    features: impl Fn(&Images) -> Result<(Tensor<2>, Tensor<1, Int>)>,
) -> Result<Figures> {
    let device = bed.context.device.clone().inner();
    let config = SldaConfig::new(bed.classes(), width).with_shrinkage(shrinkage);
    let mut slda = config.init(&device)?;
    for part in &bed.parts {
        let (rows, labels) = features(&part.train)?;
        slda.add(rows, labels)?;
    }
    let mut figures = tested(bed, |images| Ok(slda.logits(features(images)?.0)?))?;
    figures.compute.keep("means and covariance", slda.bytes());
    Ok(figures)
}

fn pixels(bed: &Bed, images: &Images) -> Batch {
    whole(images, &bed.context.device.clone().inner())
}

/// Scores among all classes, and within the task.
fn tested(bed: &Bed, scores: impl Fn(&Images) -> Result<Tensor<2>>) -> Result<Figures> {
    let found = bed.parts.iter().map(|part| {
        let (scores, labels) = (scores(&part.test)?, pixels(bed, &part.test).1);
        let within = part.task.mask(scores.clone());
        Ok([scores, within].map(|scores| right(scores, &labels)))
    });
    Ok(Figures::at_the_end(&found.collect::<Result<Vec<_>>>()?))
}
