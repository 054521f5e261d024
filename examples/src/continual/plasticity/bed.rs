//! Images on the device, and one update of the network on some of them.

use anyhow::{Result, bail};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Int, Tensor, TensorData};
use regimen_continual::plasticity::Activations;
use regimen_continual::{Probed, Strategy};
use regimen_tensor::per_example::cross_entropy;

use super::net::{Between, Net};
use crate::continual::bed::{Batch, right, whole};
use crate::data::Images;
use crate::experiment::Context;

/// Examples of an update.
pub(super) const BATCH: usize = 32;

/// A set of images, three quarters to train and one to test.
pub(super) struct Bed<'a> {
    pub(super) context: &'a Context,
    pub(super) train: Images,
    images: Tensor<2>,
    test: Batch,
    pub(super) seed: u64,
}

impl<'a> Bed<'a> {
    /// Standardised by the training images.
    ///
    /// # Errors
    /// If there are too few images.
    pub(super) fn new(context: &'a Context, images: Images, seed: u64) -> Result<Self> {
        let mut parts = images.split_standardised(&[0.75, 0.25]);
        Images::check_parts(&parts)?;
        let (test, train) = (parts.remove(1), parts.remove(0));
        let (images, _) = whole(&train, &context.device);
        Ok(Self {
            context,
            images,
            test: whole(&test, &context.device.clone().inner()),
            train,
            seed,
        })
    }

    /// The network of the seed, the same for all arms of a kind.
    pub(super) fn net(&self, between: Between) -> Net {
        let device = &self.context.device;
        device.seed(self.seed);
        Net::new(
            self.train.pixels_per_image(),
            self.train.classes,
            between,
            device,
        )
    }

    /// Images of the training part with labels of one's own.
    pub(super) fn batch(&self, places: &[usize], labels: &[usize]) -> Batch {
        let device = self.images.device();
        let ints = |values: &[usize]| {
            let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
            Tensor::<1, Int>::from_data(TensorData::new(values, [places.len()]), &device)
        };
        (self.images.clone().select(0, ints(places)), ints(labels))
    }

    /// The share of the test images in percent that are told rightly.
    pub(super) fn tested(&self, model: &Net) -> f64 {
        use burn::module::Module;
        let logits = model.valid().outputs(self.test.0.clone());
        right(logits, &self.test.1)
    }
}

/// Adam as in PyTorch, with this weight decay in its gradients.
pub(super) fn optimizer(decay: f64) -> ModuleOptimizer {
    let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
    AdamConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(decay)
        .init()
}

/// One update by a strategy.
///
/// # Errors
/// If the strategy has one.
pub(super) fn update(
    strategy: &dyn Strategy<Net>,
    model: Net,
    optim: &mut ModuleOptimizer,
    rate: f64,
    batch: &Batch,
) -> Result<Net> {
    let loss = strategy.loss(&model, batch)?;
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let model = strategy.update(model, optim, rate.into(), grads.into());
    if let Err(error) = strategy.status() {
        bail!("an update failed: {error}");
    }
    Ok(model)
}

/// One update, with what left the hidden layers in the pass of its loss, and the loss.
///
/// # Errors
/// If the device fails.
pub(super) fn watched(
    model: Net,
    optim: &mut ModuleOptimizer,
    rate: f64,
    batch: &Batch,
) -> Result<(Net, Vec<Activations>, Tensor<1>)> {
    let (logits, shown) = model.probed(batch)?;
    let loss = cross_entropy(logits, batch.1.clone()).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let model = optim.step(rate, model, grads);
    Ok((model, shown, loss))
}
