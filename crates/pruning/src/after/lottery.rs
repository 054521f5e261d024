//! # Lottery
//!
//! Iterative magnitude pruning: train, prune a fifth of what is left, rewind the rest, repeat.
//!
//! Source: Frankle and Carbin, "The Lottery Ticket Hypothesis" (arXiv 1803.03635); rewinding to an early step:
//! Frankle et al., "Stabilizing the Lottery Ticket Hypothesis" (arXiv 1903.01611).

use burn::module::Module;

use crate::error::fraction;
use crate::mask::density::floor;
use crate::rules::{Layer, prune_global};
use crate::{Masks, Result};

/// Density after some rounds, `(1 - share)^rounds`.
#[must_use]
pub fn density_after(rounds: usize, share: f64) -> f64 {
    (1.0 - share).powf(rounds as f64)
}

/// One round: of the active weights of `trained`, the `share` in [0, 1) of smallest magnitude over all layers goes;
/// the rest takes its values from `early`, the same model at initialisation or at an early step, masked.
///
/// # Errors
/// If a model is not the masks', `share` is out of range or a weight is not finite.
pub fn rewind<M: Module>(
    trained: &M,
    early: M,
    mut masks: Masks,
    share: f64,
) -> Result<(M, Masks)> {
    fraction("share", share, false)?;
    let mut layers = Layer::magnitudes(trained, &masks)?;
    let keep = floor(masks.count() as f64 * (1.0 - share));
    prune_global(&mut layers, keep)?;
    masks.set(layers.into_iter().map(|layer| layer.active).collect())?;
    Ok((masks.apply(early)?, masks))
}

/// Iterative magnitude pruning over `rounds`: trains, prunes the `share` in [0, 1) of what is left, rewinds to `early`.
///
/// `early` is the model at initialisation or at an early step (.1 to 7 % of training), `masks` what is to be pruned, and
/// `train` trains the model that it gets under the masks that it gets, for example with [`Fixed`](crate::Fixed). Returns the
/// ticket, rewound and masked but not trained, with its masks, of density `(1 - share)^rounds`.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_pruning::{Masks, after::lottery};
///
/// let early = LinearConfig::new(20, 5).init(&Device::flex());
/// let masks = Masks::dense(&early)?;
/// let train = |model, _: &Masks| Ok(model); // your training
/// let (ticket, masks) = lottery::find(early, masks, 0.2, 5, train)?;
/// assert_eq!(masks.count(), 32); // of 100
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
///
/// # Errors
/// What `train` returns; or if `share` is out of range, the masks are of another model or a weight is not finite.
pub fn find<M: Module>(
    early: M,
    mut masks: Masks,
    share: f64,
    rounds: usize,
    mut train: impl FnMut(M, &Masks) -> Result<M>,
) -> Result<(M, Masks)> {
    let mut ticket = masks.apply(early.clone())?;
    for _ in 0..rounds {
        let trained = train(ticket, &masks)?;
        (ticket, masks) = rewind(&trained, early.clone(), masks, share)?;
    }
    Ok((ticket, masks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imp_densities() {
        for (rounds, expected) in [(1, 0.8), (5, 0.32768), (10, 0.107374), (15, 0.035184)] {
            approx::assert_abs_diff_eq!(density_after(rounds, 0.2), expected, epsilon = 1e-6);
        }
    }
}
