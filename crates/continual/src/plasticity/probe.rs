//! # probe
//!
//! All meters of a model on one batch, at the cost of one forward pass, without any effect on its training.
//!
//! Source: Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning" (arXiv 2310.07418), section 3; the ranks as in Kumar et al.,
//! "Implicit Under-Parameterization Inhibits Data-Efficient Deep RL" (arXiv 2010.14498).

use regimen_tensor::memory::read;
use serde::Serialize;

use super::activity::Probed;
use super::meters::{Ranks, active, dormancy, ranks, singular, weight_norm};
use crate::error::strength;
use crate::examples::Examples;
use crate::{ContinualError, Result};

/// The share of the singular values' sum that a feature rank has.
const SHARE: f64 = 0.99;

/// The meters of one layer on one batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerProbe {
    /// The layer's path.
    pub layer: String,
    /// Its units.
    pub units: usize,
    /// The share of its activations above 0.
    pub active: f64,
    /// The share of its units with a score of at most `tau`.
    pub dormant: f64,
    /// The share of its units that are 0 on the whole batch.
    pub dead: f64,
    /// The smallest number of singular values of its features that have 99 % of their sum.
    pub rank: usize,
    /// The exponential of the entropy of the singular values.
    pub effective_rank: f64,
}

/// The meters of a model on one batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Each hidden layer, in the order of the model.
    pub layers: Vec<LayerProbe>,
    /// The share of activations above 0 over all layers together.
    pub active: f64,
    /// The share of dormant units over all layers together.
    pub dormant: f64,
    /// The norm of all weights.
    pub weight_norm: f64,
}

/// Measures a model on one batch; `tau` is the score up to which a unit is dormant, .025 in the paper.
///
/// It runs [`Module::valid`](burn::module::Module::valid): no dropout, batch norm by its running statistics, which stay as they are. Training
/// goes on as if it had not been measured. It reads from the device once a layer and meter: not at every step.
///
/// # Errors
/// If `tau` is negative or not finite, the model has no hidden layer, or a value is not finite.
pub fn probe<M: Probed>(model: &M, batch: &M::Batch, tau: f64) -> Result<Probe> {
    strength("tau", tau)?;
    let (_, activations) = model.valid().probed(&batch.inner())?;
    let pooled = read("active units", active(&activations)?)?;
    let (mut dormant, mut all) = (0, 0);
    let mut layers = Vec::new();
    for layer in &activations {
        let scores = read("scores of units", dormancy(layer)?)?;
        if scores.iter().any(|score| !score.is_finite()) {
            let what = format!("the activations of `{}`", layer.layer);
            return Err(ContinualError::NotFinite(what));
        }
        let of = scores
            .iter()
            .filter(|score| f64::from(**score) <= tau)
            .count();
        let dead = scores.iter().filter(|score| **score == 0.0).count();
        let own = read("active units", active(std::slice::from_ref(layer))?)?;
        let Ranks {
            of_share,
            effective,
        } = ranks(&singular(layer)?, SHARE)?;
        let units = scores.len();
        (dormant, all) = (dormant + of, all + units);
        layers.push(LayerProbe {
            layer: layer.layer.clone(),
            units,
            active: first(&own),
            dormant: of as f64 / units as f64,
            dead: dead as f64 / units as f64,
            rank: of_share,
            effective_rank: effective,
        });
    }
    Ok(Probe {
        layers,
        active: first(&pooled),
        dormant: dormant as f64 / all.max(1) as f64,
        weight_norm: first(&read("weights", weight_norm(model))?),
    })
}

fn first(values: &[f32]) -> f64 {
    f64::from(values.first().copied().unwrap_or_default())
}
