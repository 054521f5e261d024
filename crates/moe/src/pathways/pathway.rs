//! # Pathway
//!
//! The experts that carry most of a sample's routing weight, layer by layer.
//!
//! Source: "Where to find Grokking in LLM Pretraining? Monitor Memorization-to-Generalization without Test"
//! (arXiv 2506.21551), section 3 (pathway of a sample, threshold 0.7).

use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{MoeError, most_experts, positive, read};
use crate::{Result, Routing};

/// Sums that reach the threshold but for rounding have reached it.
const TOLERANCE: f64 = 1e-6;

/// A sample's experts by layer, heaviest first.
///
/// What is read is checked: there is a layer at least, and each has an expert at least and none twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Pathway {
    /// `layers[l]`, the chosen experts of layer `l`.
    pub layers: Vec<Vec<usize>>,
}

impl Checked for Pathway {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(MoeError::range("layers", 0, "at least 1"));
        }
        for layer in &self.layers {
            positive("experts of a layer", layer.len())?;
            let mut sorted = layer.clone();
            sorted.sort_unstable();
            if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                let allowed = "each expert at most once in a layer";
                return Err(MoeError::range("layers", twice[0], allowed));
            }
            most_experts(sorted[sorted.len() - 1])?;
        }
        Ok(())
    }
}

regimen_tensor::checked_serde!(Pathway);

impl Pathway {
    /// From the routing weights of each layer: the heaviest experts until their weights sum to more than `threshold` (0.7 in the
    /// paper; 0.5 to 0.8 give much the same). The expert that crosses it is in; of equal weights the lower index comes first.
    ///
    /// The weights are those after the softmax over all experts, averaged over the sample's tokens first:
    /// [`routing_weights`].
    ///
    /// # Errors
    /// If the threshold is not above 0 and below 1, there is no layer or one without experts, or a weight is negative or not finite.
    ///
    /// ```
    /// use regimen_moe::pathways::Pathway;
    ///
    /// let layers = [vec![0.5, 0.3, 0.12, 0.08], vec![0.1, 0.15, 0.3, 0.45]];
    /// assert_eq!(Pathway::of(&layers, 0.7)?.to_string(), "0,1-3,2");
    /// # Ok::<(), regimen_moe::MoeError>(())
    /// ```
    pub fn of(weights: &[Vec<f64>], threshold: f64) -> Result<Self> {
        if !(threshold > 0.0 && threshold < 1.0) {
            return Err(MoeError::range(
                "threshold",
                threshold,
                "above 0 and below 1",
            ));
        }
        if weights.is_empty() {
            return Err(MoeError::range("weights", "empty", "at least one layer"));
        }
        let layers = weights.iter().map(|weights| select(weights, threshold));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// The pathways of a batch's samples, from the records of its layers in order.
    ///
    /// # Errors
    /// As [`Self::of`] and [`routing_weights`].
    pub fn of_batch(routings: &[Routing], threshold: f64) -> Result<Vec<Self>> {
        let samples = routing_weights(routings)?;
        samples
            .iter()
            .map(|weights| Self::of(weights, threshold))
            .collect()
    }

    /// The same experts in each layer, in the order of their indices: for distances that ignore which is heavier.
    #[must_use]
    pub fn as_sets(&self) -> Self {
        let sorted = |layer: &Vec<usize>| {
            let mut layer = layer.clone();
            layer.sort_unstable();
            layer
        };
        Self {
            layers: self.layers.iter().map(sorted).collect(),
        }
    }
}

/// Experts joined by commas, layers by hyphens.
impl std::fmt::Display for Pathway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layer = |layer: &Vec<usize>| {
            let names: Vec<String> = layer.iter().map(usize::to_string).collect();
            names.join(",")
        };
        let layers: Vec<String> = self.layers.iter().map(layer).collect();
        f.write_str(&layers.join("-"))
    }
}

fn select(weights: &[f64], threshold: f64) -> Result<Vec<usize>> {
    if weights.is_empty() {
        let allowed = "at least one expert in each layer";
        return Err(MoeError::range("weights", "empty", allowed));
    }
    let bad = |weight: &&f64| !weight.is_finite() || **weight < 0.0;
    if let Some(bad) = weights.iter().find(bad) {
        return Err(MoeError::range("weights", bad, "finite numbers from 0"));
    }
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    let mut sum = 0.0;
    let before = |expert: &usize| {
        let open = sum <= threshold - TOLERANCE;
        sum += weights[*expert];
        open
    };
    Ok(order.into_iter().take_while(before).collect())
}

/// Routing weights of a batch's samples, `[sample][layer][expert]`: the probabilities averaged over a sample's tokens.
///
/// # Errors
/// If the records are of different batches, their tensors don't fit their shapes, there is no expert, or a device can't be read.
pub fn routing_weights(routings: &[Routing]) -> Result<Vec<Vec<Vec<f64>>>> {
    let Some(first) = routings.first() else {
        return Ok(Vec::new());
    };
    let [batch, seq] = first.shape;
    for routing in routings {
        let [rows, experts] = routing.gating.probabilities.dims();
        let valid = routing.valid.as_ref().map_or(rows, |v| v.dims()[0]);
        let fits = batch.checked_mul(seq) == Some(rows) && (seq > 0 || batch == 0);
        if routing.shape == first.shape && !(fits && valid == rows && experts > 0) {
            let expected = format!("[{batch} * {seq}, experts], none of them 0");
            return Err(MoeError::shape("probabilities", &[rows, experts], expected));
        }
    }
    let mut samples = vec![Vec::with_capacity(routings.len()); batch];
    for routing in routings {
        if routing.shape != first.shape {
            let expected = format!("[{batch}, {seq}] as the first layer's");
            return Err(MoeError::shape("routing", &routing.shape, expected));
        }
        let experts = routing.experts();
        let sums = routing
            .probabilities()
            .detach()
            .reshape([batch, seq, experts])
            .sum_dim(1);
        let values = read("probabilities", sums.reshape([batch, experts]))?;
        for (sample, sums) in samples.iter_mut().zip(values.chunks_exact(experts)) {
            let total = sums.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            sample.push(sums.iter().map(|sum| sum / total).collect());
        }
    }
    Ok(samples)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_expert_that_crosses_the_threshold_and_ties_in_order() {
        for (weights, expected) in [
            (vec![0.5, 0.3, 0.12, 0.08], vec![0, 1]),
            (vec![0.1, 0.15, 0.3, 0.45], vec![3, 2]),
            (vec![0.5, 0.25, 0.25], vec![0, 1]),
            (vec![0.62, 0.2, 0.1, 0.08], vec![0, 1]),
            (vec![0.4, 0.4, 0.1, 0.1], vec![0, 1]),
        ] {
            assert_eq!(select(&weights, 0.7).unwrap(), expected, "{weights:?}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        assert!(Pathway::of(&[], 0.7).is_err());
        assert!(Pathway::of(&[vec![0.5, f64::NAN]], 0.7).is_err());
        assert!(Pathway::of(&[vec![1.0]], 1.0).is_err());
        assert!(Pathway::of(&[vec![1.0]], f64::NAN).is_err());
    }
}
