//! # Exploration
//!
//! Which weights were active at any time so far, and their share: the in-time over-parameterisation rate.
//!
//! Source: Liu et al., "Do We Actually Need Dense Over-Parameterization? In-Time Over-Parameterization in Sparse
//! Training" (arXiv 2102.02887), section 3.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::Masks;
use super::bits::{pack, unpack};
use crate::{PruningError, Result};

/// The union of all masks so far, a bit a weight.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_pruning::{Exploration, Layout, Masks};
///
/// # let model = LinearConfig::new(64, 10).init(&Device::flex());
/// let masks = Masks::dense(&model)?;
/// let mut explored = Exploration::of(&masks.clone().random(Layout::Uniform, 0.1, 1)?);
/// assert_eq!(explored.rate(), 0.1);
/// explored.record(&masks.random(Layout::Uniform, 0.1, 2)?);
/// assert!(explored.rate() > 0.1 && explored.rate() <= 0.2);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    layers: Vec<Seen>,
}

/// One layer's union.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
struct Seen {
    size: usize,
    words: Vec<u64>,
}

impl Checked for Seen {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        let (found, allowed) = (self.words.len(), self.size.div_ceil(64));
        if self.size == 0 || found != allowed {
            let allowed = format!("{allowed}, and at least 1, for a size of {}", self.size);
            return Err(PruningError::range("words.len()", found, &allowed));
        }
        let past = self.words.last().zip(self.size.checked_rem(64));
        if past.is_some_and(|(word, used)| used > 0 && word >> used != 0) {
            let allowed = format!("no flag past the {}th", self.size);
            return Err(PruningError::range("words", "longer", &allowed));
        }
        Ok(())
    }
}
checked_serde!(Seen);

impl Seen {
    fn count(&self) -> usize {
        let ones = self.words.iter().map(|word| word.count_ones() as usize);
        ones.sum()
    }
}

impl Exploration {
    /// What these masks have on.
    #[must_use]
    pub fn of(masks: &Masks) -> Self {
        let layers = masks.layers().iter().map(|mask| Seen {
            size: mask.active.len(),
            words: pack(&mask.active),
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// Adds what these masks, of the same layers, have on.
    pub fn record(&mut self, masks: &Masks) {
        for (seen, mask) in self.layers.iter_mut().zip(masks.layers()) {
            let words = seen.words.iter_mut().zip(pack(&mask.active));
            words.for_each(|(seen, new)| *seen |= new);
        }
    }

    /// The share of each layer's weights that was active at any time, in [0, 1].
    #[must_use]
    pub fn layer_rates(&self) -> Vec<f64> {
        let layers = self.layers.iter();
        layers
            .map(|seen| seen.count() as f64 / seen.size as f64)
            .collect()
    }

    /// The share of all masked weights that was active at any time: ITOP's `R_s`, in [0, 1].
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seen: usize = self.layers.iter().map(Seen::count).sum();
        let size: usize = self.layers.iter().map(|seen| seen.size).sum();
        seen as f64 / size.max(1) as f64
    }

    /// A layer's flags; empty for a layer that is not there.
    #[must_use]
    pub fn flags(&self, layer: usize) -> Vec<bool> {
        self.layers
            .get(layer)
            .map_or_else(Vec::new, |seen| unpack(&seen.words, seen.size))
    }

    /// That there is none yet, or one of these masks.
    pub(crate) fn check_of(&self, masks: &Masks) -> Result<()> {
        if self.layers.is_empty() || self.fits(masks) {
            return Ok(());
        }
        Err(PruningError::Mismatch {
            path: "*".into(),
            expected: "an exploration of the sizes of the masks".into(),
            found: "others".into(),
        })
    }

    /// Whether the layers have the sizes of these masks.
    pub(crate) fn fits(&self, masks: &Masks) -> bool {
        let sizes = |seen: &Seen| (seen.size, seen.words.len());
        let own = masks.layers().iter().map(|mask| mask.active.len());
        self.layers
            .iter()
            .map(sizes)
            .eq(own.map(|size| (size, size.div_ceil(64))))
    }
}
