//! Baselines by the crate's own loop, on every original of an ensemble at once.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::tensor::{Device, Int, Tensor};
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::mixed_sizes;
use regimen_unlearning::methods::train::npo::NpoConfig;
use regimen_unlearning::methods::train::scrub::ScrubConfig;
use regimen_unlearning::{Classifier, Method, Order, UnlearnConfig};

use super::baselines::{BATCH, EPOCHS};
use super::{Job, RELABELLING};
use crate::data::{ImageBatch, ImageBatcher, ImageItem};
use crate::ensemble::{Ensemble, EnsembleConfig};
use crate::optim::adam;

/// Adam's rate of these baselines.
const RATE: f64 = 1e-3;

/// Images that all members see, and their classes once a member.
#[derive(Clone, Debug)]
pub struct SharedBatch {
    images: Tensor<2>,
    targets: Tensor<1, Int>,
}

/// The members' logits one below the other: a mean over rows is the mean over members, and Adam does not mind the factor.
impl Classifier for Ensemble {
    type Batch = SharedBatch;

    fn logits(&self, batch: &SharedBatch) -> Tensor<2> {
        let logits = self.forward(batch.images.clone().unsqueeze_dim(0));
        let [members, images, classes] = logits.dims();
        logits.reshape([members * images, classes])
    }

    fn targets(batch: &SharedBatch) -> Tensor<1, Int> {
        batch.targets.clone()
    }
}

/// Makes batches for so many members.
struct SharedBatcher(usize);

impl Batcher<ImageItem, SharedBatch> for SharedBatcher {
    fn batch(&self, items: Vec<ImageItem>, device: &Device) -> SharedBatch {
        let ImageBatch { images, labels } = ImageBatcher.batch(items, device);
        let targets = labels.repeat_dim(0, self.0);
        SharedBatch { images, targets }
    }
}

impl Job {
    /// Gradient difference, SCRUB, NPO, amnesiac and bad teacher from one ensemble, by name, each for as many steps as
    /// descent on the retain points takes (bad teacher for an epoch on the forget points and three of ten retain points).
    pub(super) fn by_shared_loop(
        &self,
        original: &Ensemble,
    ) -> Result<Vec<(&'static str, Ensemble)>> {
        let steps = EPOCHS * (self.retain.len() / BATCH);
        let bound = (self.train.classes as f64).ln();
        let mut difference = GradientDifferenceConfig::new().with_bound(bound).init()?;
        let mut scrub = ScrubConfig::new().init(original)?;
        let mut npo = NpoConfig::new().init(original)?;
        let mut amnesiac = AmnesiacConfig::new(self.train.classes)
            .with_seed(self.seed)
            .init()?;
        let sizes = vec![self.all.pixels_per_image(), 32, self.all.classes];
        let untrained = EnsembleConfig::new(original.members(), sizes).init(&self.context.device);
        let mut bad = BadTeacher::new(original, &untrained);
        let third = &self.retain[..self.retain.len() * 3 / 10];
        let every = self.retain.as_slice();
        Ok(vec![
            (
                "gradient difference",
                self.unlearn(original, &mut difference, steps, every)?,
            ),
            ("SCRUB", self.unlearn(original, &mut scrub, EPOCHS, every)?),
            ("NPO", self.unlearn(original, &mut npo, steps, every)?),
            (
                RELABELLING,
                self.unlearn(original, &mut amnesiac, EPOCHS, every)?,
            ),
            ("bad teacher", self.unlearn(original, &mut bad, 1, third)?),
        ])
    }

    fn unlearn(
        &self,
        original: &Ensemble,
        method: &mut impl Method<Ensemble>,
        epochs: usize,
        retain: &[usize],
    ) -> Result<Ensemble> {
        let [few, many] = match method.order(0) {
            Order::Mixed => mixed_sizes(BATCH, self.forget.len(), retain.len()),
            _ => [BATCH, BATCH],
        };
        let forget = self.shared_loader(original, &self.forget, few);
        let retain = self.shared_loader(original, retain, many);
        let (mut optim, mut rate) = (adam(0.999), RATE);
        let mut run = UnlearnConfig::new(epochs).init()?;
        let (forget, retain) = (forget.as_ref(), retain.as_ref());
        Ok(run.run(original, method, &mut optim, &mut rate, forget, retain)?)
    }

    fn shared_loader(
        &self,
        model: &Ensemble,
        points: &[usize],
        batch: usize,
    ) -> Arc<dyn DataLoader<SharedBatch>> {
        DataLoaderBuilder::new(SharedBatcher(model.members()))
            .batch_size(batch)
            .shuffle(self.seed)
            .set_device(self.context.device.clone())
            .build(self.train.select(points))
    }
}
