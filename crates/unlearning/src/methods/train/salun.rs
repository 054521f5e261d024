//! # SalUn
//!
//! Random labels on the forget set, with only its most salient weights free to move.
//!
//! Source: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency",
//! ICLR 2024, arXiv 2310.12508, equations 3 to 5; 10 epochs, rate 0.013 on CIFAR-10.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::threshold::{Scope, keep_largest};
use regimen_tensor::{ParamVector, Watch};
use serde::{Deserialize, Serialize};

use super::amnesiac::{Amnesiac, AmnesiacConfig};
use super::{Method, Order};
use crate::Classifier;
use crate::classifier::mean_loss;
use crate::error::{Result, mismatch, share};
use crate::gradients::sum_of_gradients;
use crate::watched::watched;

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
        self.init_watched(model, forget, &Watch::default())
    }

    /// [`init`](Self::init), watched: `"saliency"` reports batches. Where it is stopped, weights are selected by the batches so far.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_watched<M: Classifier>(
        &self,
        model: &M,
        forget: impl IntoIterator<Item = M::Batch>,
        watch: &Watch,
    ) -> Result<SalUn> {
        share("share", self.share)?;
        let labels = AmnesiacConfig::new(self.classes)
            .with_seed(self.seed)
            .init()?;
        let saliency = saliency_watched(model, forget, watch)?;
        let mask = keep_largest(&saliency, self.share, &Scope::Global)?;
        SalUn::from_parts(labels, mask, model)
    }
}

/// `|sum over batches of grad l_forget|`: the magnitude is taken after summing.
///
/// The model must be on an autodiff device; gradients are taken as in inference (dropout off, running statistics in batch
/// normalisation) and summed in f32 at least. The model stays as it is.
///
/// # Errors
/// If there is no batch, the loss carries no gradient, or a loss is not finite, as that of a label that is no class.
pub fn saliency<M: Classifier>(
    model: &M,
    forget: impl IntoIterator<Item = M::Batch>,
) -> Result<ParamVector> {
    saliency_watched(model, forget, &Watch::default())
}

/// [`saliency`], watched: `"saliency"` reports batches. Where it is stopped, the sum over the batches so far.
///
/// # Errors
/// As [`saliency`].
pub fn saliency_watched<M: Classifier>(
    model: &M,
    forget: impl IntoIterator<Item = M::Batch>,
    watch: &Watch,
) -> Result<ParamVector> {
    let _span = tracing::info_span!("saliency").entered();
    let forget = watched("saliency", forget, watch);
    let loss = |model: &M, batch| mean_loss(model, &batch);
    let (sum, _) = sum_of_gradients("forget", model, forget, loss, |gradient| gradient)?;
    Ok(sum.map(|_, gradient| gradient.abs()))
}

/// SalUn: amnesiac relabelling that restores the weights outside the mask after each step.
///
/// Labels are wrong ones, as in the paper's equation; the released code draws from all classes, the right one too. For
/// CIFAR-10 it walks the forget set and then the retain set ([`Order::ForgetThenRetain`]), for CIFAR-100 one shuffled set
/// of both. Here every step takes from both sets ([`Order::Mixed`]); the two batches go through the network apart, so
/// batch norm normalises each by its own statistics.
///
/// A run that is to go on elsewhere saves [`mask`](Self::mask) ([`ParamVector::save`]) and
/// [`labels`](Self::labels) (serde), and begins again by [`from_parts`](Self::from_parts); or it keeps both as one [`Part`] of a
/// checkpoint, and begins again by loading that into a SalUn of the same original.
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

    /// The draw of labels and its position.
    #[must_use]
    pub fn labels(&self) -> &Amnesiac {
        &self.labels
    }

    /// SalUn from what was saved: the draw of labels, a mask of ones and zeros, and the model that is to forget, before
    /// it has moved.
    ///
    /// # Errors
    /// If the mask is not of this model.
    pub fn from_parts<M: Module>(
        labels: Amnesiac,
        mask: ParamVector,
        original: &M,
    ) -> Result<Self> {
        let original = ParamVector::of(original);
        original.same_space(&mask)?;
        Ok(Self {
            labels,
            mask,
            original,
        })
    }
}

/// Draw and mask: `labels` as JSON, the lengths of the mask's parameters, and one bit a weight, 1 where it may move.
#[derive(Serialize, Deserialize)]
struct Saved {
    labels: Amnesiac,
    lengths: Vec<usize>,
    bits: Vec<u64>,
}

/// The draw of labels and the mask. It is loaded into a SalUn of the same original model, number of classes and seed.
impl Part for SalUn {
    fn kind(&self) -> String {
        "salun 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let mask = self.mask.to_host()?;
        let mut bits = vec![0_u64; self.mask.len().div_ceil(64)];
        for (place, value) in mask.iter().flatten().enumerate() {
            bits[place / 64] |= u64::from(*value != 0.0) << (place % 64);
        }
        json::save(&Saved {
            labels: self.labels.clone(),
            lengths: mask.iter().map(Vec::len).collect(),
            bits,
        })
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved: Saved = json::load(bytes)?;
        let own = self.mask.entries().iter().map(|entry| entry.len());
        let own: Vec<usize> = own.collect();
        let same = saved.lengths == own && saved.bits.len() == self.mask.len().div_ceil(64);
        if !same {
            let (expected, found) = (format!("{own:?}"), format!("{:?}", saved.lengths));
            return Err(mismatch("weights of the mask", expected, found).into());
        }
        let mut labels = self.labels.clone();
        labels.load(&json::save(&saved.labels)?)?;
        let mut places = 0..self.mask.len();
        let bit =
            |place: usize| f32::from(u8::from(saved.bits[place / 64] >> (place % 64) & 1 == 1));
        let values = own
            .iter()
            .map(|length| places.by_ref().take(*length).map(bit).collect());
        self.mask = self.mask.from_host(values.collect())?;
        self.labels = labels;
        Ok(())
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
