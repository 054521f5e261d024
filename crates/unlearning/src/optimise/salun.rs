//! # SalUn
//!
//! Random labels on the forget set, with only its most salient weights free to move.
//!
//! Source: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency",
//! ICLR 2024, arXiv 2310.12508, equations 3 to 5; 10 epochs, rate 0.013 on CIFAR-10.

use burn::config::Config;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;

use super::amnesiac::{Amnesiac, AmnesiacConfig};
use super::{Method, Order, mean_loss};
use crate::Classifier;
use crate::error::{Result, UnlearningError, check};

/// How SalUn selects weights and draws labels.
#[derive(Config, Debug, PartialEq)]
pub struct SalUnConfig {
    /// Share of all weights that may move, in `0..=1`.
    #[config(default = 0.5)]
    pub share: f64,
    /// Number of classes, 2 or more.
    pub classes: usize,
    /// Seed of the random labels.
    #[config(default = 0)]
    pub seed: u64,
}

impl SalUnConfig {
    /// Selects the weights of `model` by one pass over the forget set.
    ///
    /// # Errors
    /// If a value is out of range, there is no batch, or a gradient is not finite.
    pub fn init<M: Classifier>(
        &self,
        model: &M,
        forget: impl IntoIterator<Item = M::Batch>,
    ) -> Result<SalUn> {
        check(
            "share",
            self.share,
            (0.0..=1.0).contains(&self.share),
            "0 to 1",
        )?;
        let labels = AmnesiacConfig::new(self.classes)
            .with_seed(self.seed)
            .init()?;
        let mask = mask(&saliency(model, forget)?, self.share)?;
        let original = ParamVector::of(model);
        Ok(SalUn {
            labels,
            mask,
            original,
        })
    }
}

/// `|sum over batches of grad l_forget|`: the magnitude is taken after summing.
///
/// # Errors
/// If there is no batch.
pub fn saliency<M: Classifier>(
    model: &M,
    forget: impl IntoIterator<Item = M::Batch>,
) -> Result<ParamVector> {
    let mut sum: Option<ParamVector> = None;
    for batch in forget {
        let grads = GradientsParams::from_grads(mean_loss(model, &batch).backward(), model);
        let gradient = ParamVector::gradients(model, &grads);
        sum = Some(match sum {
            None => gradient,
            Some(sum) => sum.add(&gradient)?,
        });
    }
    let sum = sum.ok_or(UnlearningError::Empty("forget"))?;
    Ok(sum.map(|_, gradient| gradient.abs()))
}

/// 1 for the `share` of largest values over all parameters together, else 0. Equal values at the border: the first.
fn mask(saliency: &ParamVector, share: f64) -> Result<ParamVector> {
    let host = saliency.to_host()?;
    let flat = host.concat();
    if flat.iter().any(|value| !value.is_finite()) {
        return Err(UnlearningError::NotFinite("forget"));
    }
    let kept = (share * flat.len() as f64).round() as usize;
    let mut order: Vec<usize> = (0..flat.len()).collect();
    order.sort_by(|a, b| flat[*b].total_cmp(&flat[*a]));
    let mut flags = vec![0.0_f32; flat.len()];
    order.iter().take(kept).for_each(|i| flags[*i] = 1.0);
    let mut rest = flags.as_slice();
    let parts = host.iter().map(|part| {
        let (own, other) = rest.split_at(part.len());
        rest = other;
        own.to_vec()
    });
    Ok(saliency.from_host(parts.collect())?)
}

/// SalUn: amnesiac relabelling that restores the weights outside the mask after each step.
#[derive(Clone, Debug)]
pub struct SalUn {
    labels: Amnesiac,
    mask: ParamVector,
    original: ParamVector,
}

impl SalUn {
    /// 1 where a weight may move, else 0.
    #[must_use]
    pub fn mask(&self) -> &ParamVector {
        &self.mask
    }
}

impl<M: Classifier> Method<M> for SalUn {
    fn order(&self, _epoch: usize) -> Order {
        Order::Mixed
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        self.labels.forget(model, batch)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }

    fn after_step(&mut self, model: M) -> Result<M> {
        let moved = ParamVector::of(&model);
        let entries = moved
            .entries()
            .iter()
            .zip(self.mask.entries())
            .zip(self.original.entries());
        moved.same_space(&self.mask)?;
        let kept = entries.map(|((own, mask), original)| {
            let fixed = mask.values.clone().equal_elem(0.0);
            own.with_values(
                own.values
                    .clone()
                    .mask_where(fixed, original.values.clone()),
            )
        });
        Ok(ParamVector::from_entries(kept.collect()).write_to(model)?)
    }
}
