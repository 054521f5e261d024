//! # Fixed
//!
//! Masks that stay: training and fine-tuning of a network that is sparse already.
//!
//! Source: the static baselines of Evci et al. (arXiv 1911.11134).

use super::{Pruner, SparseMethod};
use crate::rules::{Event, Layer, Timing};
use crate::{Masks, Result};

/// No decision at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed;

impl Fixed {
    /// A pruner that holds these masks.
    #[must_use]
    pub fn init(masks: Masks) -> Pruner {
        Pruner::new(Self, masks, 0)
    }
}

impl SparseMethod for Fixed {
    fn timing(&self, _step: usize) -> Timing {
        Timing::None
    }

    fn needs_gradients(&self) -> bool {
        false
    }

    fn update(&self, _event: &Event, _layers: &mut [Layer]) -> Result<usize> {
        Ok(0)
    }
}
