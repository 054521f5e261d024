//! What a replay mix is made from.

use serde::{Deserialize, Serialize};

/// How many old examples a batch of `B` with the fraction `r` holds. The mean is `r B` each time; a small fraction is never cut to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplayDraw {
    /// `r B` rounded down or up in a fixed order, so that the total over any batches is right to one example: [`Replay`](crate::Replay).
    #[default]
    Even,
    /// `r B` rounded down or up by chance.
    Round,
    /// Each example of the batch is old with the chance `r`: a variance of `B r (1 - r)`.
    Sample,
}

/// Configuration of a [`ReplayMix`](super::ReplayMix).
///
/// | parameter | default | range |
/// |---|---|---|
/// | `fraction` | of [`new`](Self::new) | the old share of each batch, 0 to 1; the paper advises 0.05 after a weak shift of the data and 0.25 after a strong one |
/// | `batch` | of [`new`](Self::new) | examples of a batch over all devices, 1 or more |
/// | `draw` | [`ReplayDraw::Even`] | how the fraction of a batch is rounded |
/// | `weights` | the sizes, so that all old examples have the same chance | one for each old data set, 0 to 1e300 |
/// | `batches` | as many as no example comes twice in | of an epoch: 1 to that |
/// | `seed` | 0 | any |
/// | `devices` | 1 | devices that a batch is shared by, a divisor of `batch` |
///
/// Old examples take the place of new ones: the batch keeps its size, so a run of as many batches costs the same for every fraction. The run
/// ends when its steps are done, not when the new data are: `epochs * batches()` steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayMixConfig {
    pub(super) fraction: f64,
    pub(super) batch: usize,
    pub(super) draw: ReplayDraw,
    pub(super) weights: Option<Vec<f64>>,
    pub(super) batches: Option<usize>,
    pub(super) seed: u64,
    #[cfg_attr(
        not(feature = "burn"),
        allow(dead_code, reason = "for the loader alone")
    )]
    pub(super) devices: usize,
}

impl ReplayMixConfig {
    /// With the old fraction of each batch, and the batch's size.
    #[must_use]
    pub fn new(fraction: f64, batch: usize) -> Self {
        Self {
            fraction,
            batch,
            draw: ReplayDraw::default(),
            weights: None,
            batches: None,
            seed: 0,
            devices: 1,
        }
    }

    /// How the fraction of a batch is rounded.
    #[must_use]
    pub fn with_draw(mut self, draw: ReplayDraw) -> Self {
        self.draw = draw;
        self
    }

    /// How much of the old examples each old data set gives. One that is too small for its weight gives all it has in an epoch, and the
    /// others share what is missing.
    #[must_use]
    pub fn with_weights(mut self, weights: Vec<f64>) -> Self {
        self.weights = Some(weights);
        self
    }

    /// So many batches an epoch.
    #[must_use]
    pub fn with_batches(mut self, batches: usize) -> Self {
        self.batches = Some(batches);
        self
    }

    /// The seed of the order and of the draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// So many devices share each batch: [`loader`](Self::loader) then gives each of its slices that part of one.
    #[must_use]
    pub fn with_devices(mut self, devices: usize) -> Self {
        self.devices = devices;
        self
    }
}
