//! # Npo
//!
//! Treats the forget set as answers that are not preferred; the push weakens as they become unlikely.
//!
//! Source: Zhang, Lin, Bai and Mei, "Negative Preference Optimization", COLM 2024, arXiv 2404.05868,
//! equation 3; `SimNpo`: Fan et al., "Simplicity Prevails", arXiv 2410.07163.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softplus;

use super::divergence::between;
use super::{Method, Order};
use crate::classifier::{loss_of, mean_loss};
use crate::error::{Result, check};
use crate::gradients::reference as frozen;
use crate::{Classifier, Likelihoods};

/// `(2 / beta) mean log(1 + (p / p_ref)^beta)`, `[1]`, from log-probabilities `[batch]` of the labels (of a
/// sequence: their sum). `beta -> 0` is gradient ascent.
#[must_use]
pub fn loss(log_p: Tensor<1>, log_p_reference: Tensor<1>, beta: f64) -> Tensor<1> {
    let ratio = (log_p - log_p_reference.detach()) * beta;
    softplus(ratio, 1.0).mean() * (2.0 / beta)
}

/// `-(2 / beta) mean log sigmoid(beta (nll - margin))`, `[1]`, from negative log-likelihoods per token
/// `[batch]`: no reference model.
#[must_use]
pub fn simple_loss(nll_per_token: Tensor<1>, beta: f64, margin: f64) -> Tensor<1> {
    softplus((nll_per_token - margin) * -beta, 1.0).mean() * (2.0 / beta)
}

/// `-(2 / beta) mean log sigmoid(beta ((preferred - preferred_ref) - (other - other_ref)))`, `[1]`: direct preference optimisation
/// of an answer that is to be given (such as "I don't know") against the one to be forgotten, from their log-probabilities `[batch]`,
/// of a sequence their sum, with those of a reference model beside. Factor and sums are those of the released code of NPO.
#[must_use]
pub fn preference_loss(
    [preferred, preferred_reference]: [Tensor<1>; 2],
    [other, other_reference]: [Tensor<1>; 2],
    beta: f64,
) -> Tensor<1> {
    let preferred = preferred - preferred_reference.detach();
    let other = other - other_reference.detach();
    softplus((other - preferred) * beta, 1.0).mean() * (2.0 / beta)
}

/// Weights of NPO.
#[derive(Config, Debug, PartialEq)]
pub struct NpoConfig {
    /// Inverse temperature, above 0.
    #[config(default = 0.1)]
    pub beta: f64,
    /// Weight of the retain set's cross-entropy, 0 or more.
    #[config(default = 1.0)]
    pub retain: f64,
    /// Weight of the divergence `KL(reference || model)` on retained data, 0 or more: with `retain` 0 and this 1 it is the released
    /// variant NPO+KL.
    #[config(default = 0.0)]
    pub divergence: f64,
}

impl NpoConfig {
    /// Takes the model that is to forget as the reference.
    ///
    /// # Errors
    /// If `beta` is not above 0, or `retain` or `divergence` is negative.
    pub fn init<M: Module>(&self, reference: &M) -> Result<Npo<M>> {
        check("beta", self.beta, self.beta > 0.0, "above 0")?;
        check("retain", self.retain, self.retain >= 0.0, "0 or more")?;
        let weight = self.divergence;
        check("divergence", weight, weight >= 0.0, "0 or more")?;
        let (config, reference) = (self.clone(), frozen(reference));
        Ok(Npo { config, reference })
    }
}

/// Negative preference optimisation; it ends with its epochs. Of a language model the answer is the sequence: log-probabilities are
/// summed over its tokens, as in the released code.
#[derive(Clone, Debug)]
pub struct Npo<M> {
    config: NpoConfig,
    reference: M,
}

impl<M: Classifier> Method<M> for Npo<M> {
    fn order(&self, _epoch: usize) -> Order {
        Order::PairsByForget
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let reference = self.reference.likelihoods(batch).sums();
        let beta = self.config.beta;
        loss_of(model, batch, |own| loss(own.sums(), reference, beta))
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let loss = mean_loss(model, batch) * self.config.retain;
        if self.config.divergence == 0.0 {
            return loss;
        }
        loss + between(model, &self.reference, batch, 1.0) * self.config.divergence
    }
}

/// Weights of SimNPO.
#[derive(Config, Debug, PartialEq)]
pub struct SimNpoConfig {
    /// Inverse temperature, above 0.
    #[config(default = 4.5)]
    pub beta: f64,
    /// Nats a token that count as forgotten; the paper's gamma over beta.
    #[config(default = 0.0)]
    pub margin: f64,
    /// Weight of the forget loss, 0 or more; the retain loss has weight 1.
    #[config(default = 0.125)]
    pub weight: f64,
}

impl SimNpoConfig {
    /// Checks the weights.
    ///
    /// # Errors
    /// If `beta` is not above 0, `weight` is negative, or a value is not finite.
    pub fn init(&self) -> Result<SimNpo> {
        check("beta", self.beta, self.beta > 0.0, "above 0")?;
        check("weight", self.weight, self.weight >= 0.0, "0 or more")?;
        check("margin", self.margin, true, "a finite number")?;
        let config = self.clone();
        Ok(SimNpo { config })
    }
}

/// NPO without a reference model; it ends with its epochs. Of a language model each sequence counts by its mean loss a token.
#[derive(Clone, Debug, PartialEq)]
pub struct SimNpo {
    config: SimNpoConfig,
}

impl<M: Classifier> Method<M> for SimNpo {
    fn order(&self, _epoch: usize) -> Order {
        Order::PairsByForget
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        let SimNpoConfig {
            beta,
            margin,
            weight,
        } = self.config;
        let loss = |own: &Likelihoods| simple_loss(own.losses(), beta, margin) * weight;
        loss_of(model, batch, loss)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn log(p: f32) -> Tensor<1> {
        Tensor::from_data([p.ln()], &Device::flex())
    }

    fn value(beta: f64, p: f32) -> f64 {
        f64::from(loss(log(p), log(0.5), beta).into_scalar::<f32>())
    }

    #[test]
    fn npo_of_02_against_05() {
        assert!((value(0.1, 0.2) - 12.967_635_26).abs() < 1e-4);
        assert!((value(1.0, 0.2) - 0.672_944_47).abs() < 1e-6);
        assert!((value(0.1, 0.5) - 20.0 * std::f64::consts::LN_2).abs() < 1e-4);
    }

    #[test]
    fn npo_gradient_against_ascent() {
        for (beta, expected) in [(0.1, 0.954_217_49), (1.0, 0.571_428_57)] {
            let device = Device::flex().autodiff();
            let own = Tensor::<1>::from_data([0.2_f32.ln()], &device).require_grad();
            let reference = Tensor::<1>::from_data([0.5_f32.ln()], &device);
            let grads = loss(own.clone(), reference, beta).backward();
            let slope = own.grad(&grads).map(Tensor::into_scalar::<f32>);
            // Gradient ascent's slope in log p is 1.
            assert!((f64::from(slope.unwrap_or(0.0)) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_preferred_answer_of_the_same_ratio_is_ln_2() {
        let value = |p: f32, q: f32| {
            let loss = preference_loss([log(p), log(0.5)], [log(q), log(0.5)], 0.1);
            f64::from(loss.into_scalar::<f32>())
        };
        assert!((value(0.5, 0.5) - 20.0 * std::f64::consts::LN_2).abs() < 1e-4);
        // Without a preferred answer that moves it is NPO.
        assert!((value(0.5, 0.2) - super::tests::value(0.1, 0.2)).abs() < 1e-4);
        assert!(value(0.9, 0.2) < value(0.5, 0.2));
    }

    #[test]
    fn simnpo_at_its_margin_is_ln_2() {
        let nll = Tensor::<1>::from_data([1.5_f32], &Device::flex());
        let loss = f64::from(simple_loss(nll, 4.5, 1.5).into_scalar::<f32>());
        assert!((loss - 2.0 / 4.5 * std::f64::consts::LN_2).abs() < 1e-6);
    }
}
