//! # Lottery
//!
//! Iterative magnitude pruning: train, prune a fifth of what is left, rewind the rest, repeat.
//!
//! Source: Frankle and Carbin, "The Lottery Ticket Hypothesis" (arXiv 1803.03635); rewinding to an early step:
//! Frankle et al., "Stabilizing the Lottery Ticket Hypothesis" (arXiv 1903.01611).

use burn::module::Module;
use regimen_tensor::{Watch, independent, threshold};

use super::largest;
use crate::error::fraction;
use crate::{Masks, PruningError, Result};

/// Rounds at most.
const ROUNDS: usize = 1000;

/// Density after some rounds, `(1 - share)^rounds`.
#[must_use]
pub fn density_after(rounds: usize, share: f64) -> f64 {
    (1.0 - share).powf(rounds as f64)
}

/// One round: of the active weights of `trained`, the `share` in [0, 1) of smallest magnitude over all layers goes;
/// the rest takes its values from `early`, the same model at initialisation or at an early step, masked. The ticket has the
/// running statistics of `early` as its own ([`independent`]): training it changes no other model.
///
/// # Errors
/// If a model is not the masks', `share` is out of range or a weight is not finite.
pub fn rewind<M: Module>(trained: &M, early: M, masks: Masks, share: f64) -> Result<(M, Masks)> {
    fraction("share", share, false)?;
    let keep = threshold::share_of(1.0 - share, masks.count());
    let masks = largest::over_all(trained, masks, keep, &Watch::default())?;
    Ok((masks.apply(independent(&early))?, masks))
}

/// Iterative magnitude pruning over `rounds`, at most 1000: trains, prunes the `share` in [0, 1) of what is left, rewinds to `early`.
///
/// `early` is the model at initialisation or at an early step (.1 to 7 % of training), `masks` what is to be pruned, and
/// `train` trains the model that it gets under the masks that it gets, for example with [`Fixed`](crate::Fixed). Returns the
/// ticket, rewound and masked but not trained, with its masks, of density `(1 - share)^rounds`. Running statistics (batch
/// norm) are rewound too.
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
    masks: Masks,
    share: f64,
    rounds: usize,
    train: impl FnMut(M, &Masks) -> Result<M>,
) -> Result<(M, Masks)> {
    find_watched(early, masks, share, rounds, train, &Watch::default())
}

/// As [`find`], watched: a step is a round. Stopped, it returns the ticket and the masks of the rounds that are done.
///
/// # Errors
/// As [`find`].
pub fn find_watched<M: Module>(
    early: M,
    mut masks: Masks,
    share: f64,
    rounds: usize,
    mut train: impl FnMut(M, &Masks) -> Result<M>,
    watch: &Watch,
) -> Result<(M, Masks)> {
    let _span = tracing::info_span!("lottery", rounds, weights = masks.total()).entered();
    fraction("share", share, false)?;
    if rounds > ROUNDS {
        return Err(PruningError::range(
            "rounds",
            rounds,
            &format!("0 to {ROUNDS}"),
        ));
    }
    let mut ticket = masks.apply(independent(&early))?;
    for round in 1..=rounds {
        let trained = train(ticket, &masks)?;
        (ticket, masks) = rewind(&trained, early.clone(), masks, share)?;
        if !watch.goes_on("lottery", round, rounds) {
            break;
        }
    }
    Ok((ticket, masks))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
    use burn::tensor::{Device, FloatDType, Tensor};
    use regimen_tensor::ParamVector;

    #[derive(Module, Debug)]
    struct Net {
        linear: Linear,
        norm: BatchNorm,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            Self {
                linear: LinearConfig::new(20, 5).init(device),
                norm: BatchNormConfig::new(5).init(device),
            }
        }

        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            self.norm.forward(self.linear.forward(x))
        }
    }

    #[test]
    fn imp_densities() {
        for (rounds, expected) in [(1, 0.8), (5, 0.32768), (10, 0.107374), (15, 0.035184)] {
            approx::assert_abs_diff_eq!(density_after(rounds, 0.2), expected, epsilon = 1e-6);
        }
    }

    #[test]
    fn running_statistics_are_rewound_and_not_shared() {
        let device = Device::flex().autodiff();
        let early = Net::new(&device);
        let masks = Masks::dense(&early).unwrap();
        let fresh = ParamVector::buffers(&early).to_host().unwrap();
        let train = |ticket: Net, _: &Masks| {
            assert_eq!(ParamVector::buffers(&ticket).to_host().unwrap(), fresh);
            for _ in 0..3 {
                ticket.forward(Tensor::random(
                    [16, 20],
                    burn::tensor::Distribution::Default,
                    &device,
                ));
            }
            assert_ne!(ParamVector::buffers(&ticket).to_host().unwrap(), fresh);
            Ok(ticket)
        };
        let (ticket, masks) = find(early.clone(), masks, 0.2, 3, train).unwrap();
        assert_eq!(masks.count(), 51);
        for model in [&ticket, &early] {
            assert_eq!(ParamVector::buffers(model).to_host().unwrap(), fresh);
        }
        let (rewound, _) = rewind(&ticket, early.clone(), masks, 0.2).unwrap();
        rewound.forward(Tensor::ones([4, 20], &device));
        assert_eq!(ParamVector::buffers(&early).to_host().unwrap(), fresh);
    }

    #[test]
    fn other_types_are_kept() {
        let device = Device::flex();
        for dtype in [FloatDType::BF16, FloatDType::F16, FloatDType::F64] {
            let mut early = LinearConfig::new(20, 5).init(&device);
            early.weight = early.weight.map(|w| w.cast(dtype));
            let masks = Masks::dense(&early).unwrap();
            let (ticket, masks) = find(early, masks, 0.2, 5, |model, _| Ok(model)).unwrap();
            assert_eq!(
                (ticket.weight.val().dtype(), masks.count()),
                (dtype.into(), 32)
            );
        }
    }
}
