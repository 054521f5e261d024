//! # SynFlow
//!
//! A mask before training and without data: rounds of pruning by each weight's share of the synaptic flow.
//!
//! Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow"
//! (arXiv 2006.05467), algorithm 1.

use burn::module::{Flag, Module, ModuleMapper, Param};
use regimen_tensor::{ParamVector, Watch, independent};

use crate::error::{fraction, positive};
use crate::{Masks, PruningError, Result};

/// Rounds at most.
const ROUNDS: usize = 10_000;

/// Prunes to `density` in [0, 1] over `rounds` (100 in the paper, at most 10,000), at `density^(round / rounds)`. `flow` gives
/// the gradient of `R`, the sum of the outputs for inputs of one, of the module it gets.
///
/// That module is the linearised copy of the released code: every parameter and every running statistic is replaced by its
/// absolute value, biases and norms too, and batch norm and dropout act as in evaluation (their training flags are off), so
/// that a batch of one input is enough. The module itself stays as it is.
///
/// # Errors
/// If the masks are of another model, an argument is out of range or a score is not finite, as in deep networks whose `R` is
/// beyond the range of their type.
pub fn synflow<M: Module>(
    module: &M,
    masks: Masks,
    density: f64,
    rounds: usize,
    flow: impl FnMut(&M) -> regimen_tensor::Result<ParamVector>,
) -> Result<Masks> {
    synflow_watched(module, masks, density, rounds, flow, &Watch::default())
}

/// As [`synflow`], watched: a step is a round. Stopped after round `r`, it returns the masks of that round, of density
/// `density^(r / rounds)`.
///
/// # Errors
/// As [`synflow`].
pub fn synflow_watched<M: Module>(
    module: &M,
    mut masks: Masks,
    density: f64,
    rounds: usize,
    mut flow: impl FnMut(&M) -> regimen_tensor::Result<ParamVector>,
    watch: &Watch,
) -> Result<Masks> {
    let _span = tracing::info_span!("synflow", rounds, weights = masks.total()).entered();
    fraction("density", density, true)?;
    positive("rounds", rounds)?;
    if rounds > ROUNDS {
        return Err(PruningError::range(
            "rounds",
            rounds,
            &format!("1 to {ROUNDS}"),
        ));
    }
    masks.check(module)?;
    let positive = linearise(module)?;
    for round in 1..=rounds {
        let masked = masks.apply(positive.clone())?;
        let gradient = masks.select(&flow(&masked)?)?.to_host()?;
        let weights = masks.weights(&masked)?.to_host()?;
        let scores = weights.iter().zip(&gradient).map(|(w, g)| scores(w, g));
        let scores: Vec<Vec<f32>> = scores.collect();
        masks = masks.keep_top(&scores, density.powf(round as f64 / rounds as f64))?;
        if !watch.goes_on("synflow", round, rounds) {
            break;
        }
    }
    Ok(masks)
}

/// A copy in evaluation mode whose whole state is positive.
fn linearise<M: Module>(module: &M) -> Result<M> {
    let state = ParamVector::state(module).map(|_, values| values.abs());
    let copy = independent(module).map(&mut Evaluate);
    Ok(state.write_to(copy)?)
}

/// Switches all training flags off.
struct Evaluate;

impl ModuleMapper for Evaluate {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

/// `|w dR/dw|`; a layer's scores sum to `R`.
#[must_use]
pub fn scores(weights: &[f32], gradient: &[f32]) -> Vec<f32> {
    let pairs = weights.iter().zip(gradient);
    pairs.map(|(w, g)| (w * g).abs()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synflow_two_layers() {
        let (first, second) = ([1.0_f32, 2.0, 0.5, 3.0], [2.0_f32, 1.0]);
        let hidden = [first[0] + first[1], first[2] + first[3]];
        let of_first = [second[0], second[0], second[1], second[1]];
        assert_eq!(scores(&first, &of_first), [2.0, 4.0, 0.5, 3.0]);
        assert_eq!(scores(&second, &hidden), [6.0, 3.5]);
        assert_eq!(scores(&first, &of_first).iter().sum::<f32>(), 9.5);
    }
}
