//! # DoGE
//!
//! Weights of domains by gradients: up goes the domain whose gradient agrees with those of the domains that shall be learned.
//!
//! Source: "DoGE: Domain Reweighting with Generalization Estimation", arXiv 2310.15393, and its released code

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::simplex::{check_distribution, check_over, check_values, softmax};
use crate::error::{CurriculumError, Result, check, counted};

/// Configuration of [`Doge`].
///
/// | parameter | default | range |
/// |---|---|---|
/// | `weights` | of [`new`](Self::new) | the distribution to start from, each above 0 |
/// | `mu` | 0.01 | 1e-12 to 1e12: the larger, the slower weights move (the code's own default is 0.05) |
/// | `smoothing` | 0 | 0 to 1, the share of uniform weights in each update |
/// | `clip` | 5 | 0 or more: the most that a score may be, in learning rates |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DogeConfig {
    weights: Vec<f64>,
    mu: f64,
    smoothing: f64,
    clip: f64,
}

impl DogeConfig {
    /// From these weights of domains, in the paper uniform ones.
    #[must_use]
    pub fn new(weights: Vec<f64>) -> Self {
        Self {
            weights,
            mu: 0.01,
            smoothing: 0.0,
            clip: 5.0,
        }
    }

    /// The strength that holds weights where they are.
    #[must_use]
    pub fn with_mu(mut self, mu: f64) -> Self {
        self.mu = mu;
        self
    }

    /// The share of uniform weights that is mixed in after each update.
    #[must_use]
    pub fn with_smoothing(mut self, smoothing: f64) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// The most that a score may be, in learning rates; the least is 0.
    #[must_use]
    pub fn with_clip(mut self, clip: f64) -> Self {
        self.clip = clip;
        self
    }

    /// At the start.
    ///
    /// # Errors
    /// If a number lies outside its range, or the weights are no distribution.
    pub fn init(&self) -> Result<Doge> {
        let state = Doge {
            mu: self.mu,
            smoothing: self.smoothing,
            clip: self.clip,
            weights: self.weights.clone(),
            average: self.weights.clone(),
            steps: 0,
        };
        state.checked()
    }
}

/// What the gradients of domains say about each other.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientProducts {
    /// The norm of each domain's gradient, after clipping.
    pub norms: Vec<f64>,
    /// For each domain the sum of its gradient's products with those of the targets; where targets are the training domains, of the others.
    pub sums: Vec<f64>,
}

/// Weights of domains that gradients move; the answer is [`average`](Self::average).
///
/// With a gradient `g_k` a domain, the score is `W_k = lr sum_{j != k} <g_k, g_j>` where the training domains are the targets, else the sum over
/// the targets; divided by `mean_k ||g_k|| + 1e-6` and cut to `0..=5 lr`. Then `a_k <- a_k exp(W_k / mu)` over their sum. The model's own step goes along
/// `sum_k a_k g_k` with the new weights.
///
/// ```
/// use regimen_curriculum::mixing::{DogeConfig, GradientProducts};
///
/// let mut doge = DogeConfig::new(vec![0.5, 0.3, 0.2]).init()?;
/// // With Burn: `gradient_products(&gradients, None, 5.0)?`, a `ParamVector` a domain.
/// let products = GradientProducts { norms: vec![2.236, 1.414, 1.118], sums: vec![2.0, 2.5, 0.5] };
/// doge.step(&products, 5e-4)?;
/// assert!(doge.weights()[1] > 0.3 && doge.weights()[2] < 0.2);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Doge {
    mu: f64,
    smoothing: f64,
    clip: f64,
    weights: Vec<f64>,
    average: Vec<f64>,
    steps: usize,
}

checked_serde!(Doge);

impl Checked for Doge {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        check_distribution("weights", &self.weights)?;
        for weight in &self.weights {
            check("weights", *weight, *weight > 0.0, "above 0")?;
        }
        check_over("average", &self.average, self.weights.len())?;
        let good = (1e-12..=1e12).contains(&self.mu);
        check("mu", self.mu, good, "1e-12 to 1e12")?;
        let good = (0.0..=1.0).contains(&self.smoothing);
        check("smoothing", self.smoothing, good, "0 to 1")?;
        let good = (0.0..=1e12).contains(&self.clip);
        check("clip", self.clip, good, "0 to 1e12")?;
        counted("steps", self.steps)
    }
}

impl Doge {
    /// Learns the gradients of one step at this learning rate, and returns the weights of the model's step.
    ///
    /// # Errors
    /// If there is not one norm and one sum for each domain, a number is not finite, or the rate is not within 0 and 1e12; nothing is changed
    /// then.
    pub fn step(&mut self, products: &GradientProducts, rate: f64) -> Result<&[f64]> {
        let domains = self.weights.len();
        check_values("norms", &products.norms, domains)?;
        check_values("sums", &products.sums, domains)?;
        for norm in &products.norms {
            check("norms", *norm, *norm >= 0.0, "0 or more")?;
        }
        check("rate", rate, (0.0..=1e12).contains(&rate), "0 to 1e12")?;
        let norm = products.norms.iter().sum::<f64>() / domains as f64 + 1e-6;
        let moved = self.weights.iter().zip(&products.sums);
        let logits: Vec<f64> = moved
            .map(|(weight, sum)| {
                let score = (rate * sum / norm).clamp(0.0, self.clip * rate);
                weight.ln() + score / self.mu
            })
            .collect();
        let (kept, all) = (1.0 - self.smoothing, domains as f64);
        self.weights = softmax(&logits)
            .iter()
            .map(|weight| (kept * weight + self.smoothing / all).max(f64::MIN_POSITIVE))
            .collect();
        self.steps += 1;
        let part = 1.0 / self.steps as f64;
        for (average, weight) in self.average.iter_mut().zip(&self.weights) {
            *average += part * (weight - *average);
        }
        Ok(&self.weights)
    }

    /// The weights after the last step.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The mean of the weights of all steps, the start where there was none: what the large model is to be trained with.
    #[must_use]
    pub fn average(&self) -> &[f64] {
        &self.average
    }
}

/// Norms and products of a gradient for each domain, each clipped to a norm first (0 clips nothing), over the targets' gradients; without
/// targets each domain over the others.
///
/// The norms and products stay on the device and are read at once.
///
/// # Errors
/// If there is no gradient, they are not of one module, the clip is negative, or the device can't return them.
#[cfg(feature = "burn")]
pub fn gradient_products(
    domains: &[regimen_tensor::ParamVector],
    targets: Option<&[regimen_tensor::ParamVector]>,
    clip: f64,
) -> Result<GradientProducts> {
    use burn::tensor::Tensor;

    let failed = |error: &dyn std::fmt::Display| CurriculumError::Gradients(error.to_string());
    super::simplex::check_many("domains", domains.len())?;
    if let Some(targets) = targets {
        super::simplex::check_many("targets", targets.len())?;
    }
    check("clip", clip, clip >= 0.0, "0 or more")?;
    let other = targets.unwrap_or_default();
    let all: Vec<_> = domains.iter().chain(other).collect();
    let columns = if targets.is_some() {
        domains.len()..all.len()
    } else {
        0..domains.len()
    };
    let mut read: Vec<Tensor<1>> = all.iter().map(|gradient| gradient.l2()).collect();
    for gradient in domains {
        for target in &all[columns.clone()] {
            let product = gradient.dot(target);
            read.push(product.map_err(|error| failed(&error))?);
        }
    }
    let read: Vec<f32> = Tensor::cat(read, 0)
        .try_into_vec_as()
        .map_err(|error| CurriculumError::Gradients(format!("{error:?}")))?;
    let (norms, products) = read.split_at(all.len());
    let scale = |norm: &f32| {
        let norm = f64::from(*norm);
        if clip > 0.0 && norm > clip {
            clip / norm
        } else {
            1.0
        }
    };
    let scales: Vec<f64> = norms.iter().map(scale).collect();
    let sum = |(row, products): (usize, &[f32])| {
        let own = |column: usize| targets.is_none() && column == row;
        let parts = columns.clone().zip(products);
        let parts = parts.filter(|(column, _)| !own(*column));
        let scaled = parts.map(|(column, x)| scales[row] * scales[column] * f64::from(*x));
        scaled.sum()
    };
    let rows = products.chunks(columns.len()).enumerate();
    let scaled = norms.iter().zip(&scales).take(domains.len());
    Ok(GradientProducts {
        norms: scaled.map(|(norm, by)| f64::from(*norm) * by).collect(),
        sums: rows.map(sum).collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    #[cfg(feature = "burn")]
    fn gradients(values: &[[f32; 3]]) -> Vec<regimen_tensor::ParamVector> {
        use burn::nn::LinearConfig;
        use burn::tensor::Device;
        let layer = LinearConfig::new(3, 1)
            .with_bias(false)
            .init(&Device::flex());
        let like = regimen_tensor::ParamVector::of(&layer);
        let of = |row: &[f32; 3]| like.from_host(vec![row.to_vec()]).unwrap();
        values.iter().map(of).collect()
    }

    #[cfg(feature = "burn")]
    #[test]
    fn worked_values() {
        let gradients = gradients(&[[1.0, 0.0, 2.0], [0.0, 1.0, 1.0], [-1.0, 0.0, 0.5]]);
        let products = gradient_products(&gradients, None, 5.0).unwrap();
        assert_eq!(products.sums, [2.0, 2.5, 0.5]);
        let mean = products.norms.iter().sum::<f64>() / 3.0;
        assert_abs_diff_eq!(mean, 1.589_438_51, epsilon = 1e-6);
        let mut doge = DogeConfig::new(vec![0.5, 0.3, 0.2]).init().unwrap();
        let found = doge.step(&products, 5e-4).unwrap();
        for (found, wanted) in found.iter().zip([0.502_241_07, 0.306_121_91, 0.191_637_02]) {
            assert_abs_diff_eq!(*found, wanted, epsilon = 1e-7);
        }
        assert_eq!(doge.average(), doge.weights());
        // Clipped to a norm of 1, the first gradient has 2 / 5 of its product with the second.
        let clipped = gradient_products(&gradients, None, 1.0).unwrap();
        assert!(clipped.norms.iter().all(|norm| (norm - 1.0).abs() < 1e-6));
        let first = 2.0 / (5.0_f64 * 2.0).sqrt();
        assert_abs_diff_eq!(clipped.sums[0], first, epsilon = 1e-6);
        // Other targets: all of them count.
        let targets = gradient_products(&gradients[..2], Some(&gradients[1..]), 0.0).unwrap();
        assert_eq!(targets.sums, [2.0, 2.5]);
    }

    #[test]
    fn scores_are_cut() {
        let mut doge = DogeConfig::new(vec![0.5, 0.5]).init().unwrap();
        let products = GradientProducts {
            norms: vec![1.0, 1.0],
            sums: vec![1e6, -1e6],
        };
        doge.step(&products, 0.01).unwrap();
        // At most 5 rates and at least 0: exp(0.05 / 0.01) to 1.
        let wanted = 1.0 / (1.0 + (-5.0_f64).exp());
        assert_abs_diff_eq!(doge.weights()[0], wanted, epsilon = 1e-9);
        let before = doge.clone();
        assert!(doge.step(&products, f64::NAN).is_err());
        let few = GradientProducts {
            norms: vec![1.0],
            sums: vec![1.0],
        };
        assert!(doge.step(&few, 0.01).is_err());
        assert_eq!(doge, before);
        let text = serde_json::to_string(&doge).unwrap();
        assert_eq!(serde_json::from_str::<Doge>(&text).unwrap(), doge);
    }
}
