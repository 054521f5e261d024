//! # FisherForgetting
//!
//! Forgets by noise: each parameter moves the more, the less it matters for the retain set.
//!
//! Source: Golatkar, Achille and Soatto, "Eternal Sunshine of the Spotless Net", CVPR 2020, as released
//! with arXiv 2308.07707.

use burn::config::Config;
use burn::module::Module;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_tensor::{ParamEntry, ParamVector};

use crate::error::{Result, UnlearningError, check};

/// How much noise Fisher forgetting adds.
///
/// | field | default | range |
/// |---|---|---|
/// | `alpha` | 1e-6 | above 0 |
/// | `cap` | 1e3 | above 0: the most that `1 / F` counts |
/// | `head_cap` | 1e2 | above 0: the same for the classifier |
/// | `head` | none | path of the classifier, such as `head` |
/// | `class` | none | the output whose weights are forgotten whole; needs `head` |
#[derive(Config, Debug, PartialEq)]
pub struct FisherForgettingConfig {
    /// Variance of the noise at `1 / F = 1`.
    #[config(default = 1e-6)]
    pub alpha: f64,
    /// The most that `1 / F` counts.
    #[config(default = 1e3)]
    pub cap: f64,
    /// The same for the classifier.
    #[config(default = 1e2)]
    pub head_cap: f64,
    /// Path of the classifier.
    pub head: Option<String>,
    /// The class to forget.
    pub class: Option<usize>,
}

impl FisherForgettingConfig {
    /// Checks the parameters.
    ///
    /// # Errors
    /// If one is out of its range, or a class is given without a head.
    pub fn init(&self) -> Result<FisherForgetting> {
        check("alpha", self.alpha, self.alpha > 0.0, "above 0")?;
        check("cap", self.cap, self.cap > 0.0, "above 0")?;
        check("head_cap", self.head_cap, self.head_cap > 0.0, "above 0")?;
        if let (Some(class), None) = (self.class, &self.head) {
            check("class", class as f64, false, "none without `head`")?;
        }
        let config = self.clone();
        Ok(FisherForgetting { config })
    }
}

/// Fisher forgetting.
#[derive(Clone, Debug)]
pub struct FisherForgetting {
    config: FisherForgettingConfig,
}

/// Variance with which a forgotten class's weights are drawn around 0.
const CLASS_VARIANCE: f64 = 1e-4;

impl FisherForgetting {
    /// Adds `N(0, alpha min(1 / (F + 1e-8), cap))` to every parameter, `F` being the retain set's diagonal
    /// Fisher ([`regimen_tensor::fisher::true_diagonal`]).
    ///
    /// As released: weights take the variance averaged over their input dimension (dimension 0 of a
    /// linear layer, all but the first of a convolution); vectors and the classifier take ten times the variance;
    /// the forgotten class's weights in the classifier become `N(0, 1e-4)`. Noise is drawn on the host from `seed`.
    ///
    /// # Errors
    /// If the Fisher diagonal is not of this model or holds negative or non-finite values, or the class is
    /// not an output of the head.
    pub fn forget<M: Module>(&self, model: M, fisher: &ParamVector, seed: u64) -> Result<M> {
        let weights = ParamVector::of(&model).filter(|entry| fisher.get(entry.id).is_some());
        weights.same_space(fisher)?;
        let (mut values, importance) = (weights.to_host()?, fisher.to_host()?);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = weights.entries().iter().zip(&mut values).zip(&importance);
        for ((entry, values), importance) in layers {
            if importance.iter().any(|f| !f.is_finite() || *f < 0.0) {
                return Err(UnlearningError::NotFinite("retain"));
            }
            let variance = self.variance(entry, importance);
            for (value, variance) in values.iter_mut().zip(variance) {
                *value += (variance.sqrt() * normal(&mut rng)) as f32;
            }
            self.forget_class(entry, values, &mut rng)?;
        }
        Ok(weights.from_host(values)?.write_to(model)?)
    }

    fn is_head(&self, entry: &ParamEntry) -> bool {
        let head = self.config.head.as_deref();
        head.is_some_and(|head| entry.path == head || entry.path.starts_with(&format!("{head}.")))
    }

    fn variance(&self, entry: &ParamEntry, importance: &[f32]) -> Vec<f64> {
        let head = self.is_head(entry);
        let cap = if head {
            self.config.head_cap
        } else {
            self.config.cap
        };
        let mut variance: Vec<f64> = importance
            .iter()
            .map(|f| variance(f64::from(*f), self.config.alpha, cap))
            .collect();
        if head || entry.shape.len() == 1 {
            variance.iter_mut().for_each(|v| *v *= 10.0);
        }
        average_inputs(&entry.shape, &mut variance);
        variance
    }

    fn forget_class(
        &self,
        entry: &ParamEntry,
        values: &mut [f32],
        rng: &mut impl Rng,
    ) -> Result<()> {
        let (Some(class), true) = (self.config.class, self.is_head(entry)) else {
            return Ok(());
        };
        let outputs = entry.shape.last().copied().unwrap_or(0);
        check(
            "class",
            class as f64,
            class < outputs,
            "an output of the head",
        )?;
        for value in values.iter_mut().skip(class).step_by(outputs) {
            *value = (CLASS_VARIANCE.sqrt() * normal(rng)) as f32;
        }
        Ok(())
    }
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// `alpha min(1 / (F + 1e-8), cap)`.
fn variance(fisher: f64, alpha: f64, cap: f64) -> f64 {
    alpha * (1.0 / (fisher + 1e-8)).min(cap)
}

/// Replaces each value by the mean over the weights of the same output.
fn average_inputs(shape: &[usize], values: &mut [f64]) {
    let (outputs, output_of): (usize, Box<dyn Fn(usize) -> usize + '_>) = match shape {
        [_, outputs] => (*outputs, Box::new(move |i| i % *outputs)),
        [outputs, rest @ ..] if shape.len() > 2 => {
            let inner: usize = rest.iter().product();
            (*outputs, Box::new(move |i| i / inner))
        }
        _ => return,
    };
    let mut sums = vec![0.0; outputs];
    for (i, value) in values.iter().enumerate() {
        sums[output_of(i)] += value;
    }
    let inputs = values.len() as f64 / outputs as f64;
    for (i, value) in values.iter_mut().enumerate() {
        *value = sums[output_of(i)] / inputs;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn fisher_forgetting_std() {
        let std = |fisher| variance(fisher, 1e-6, 1e3).sqrt();
        for (fisher, expected) in [(1e-4, 0.031_622_78), (1.0, 0.001), (0.0, 0.031_622_78)] {
            assert!((std(fisher) - expected).abs() < 1e-8);
        }
    }

    #[test]
    fn variances_are_averaged_over_inputs() {
        let mut linear = [1.0, 2.0, 3.0, 6.0];
        average_inputs(&[2, 2], &mut linear);
        assert_eq!(linear, [2.0, 4.0, 2.0, 4.0]);
        let mut conv = [1.0, 3.0, 2.0, 6.0];
        average_inputs(&[2, 1, 1, 2], &mut conv);
        assert_eq!(conv, [2.0, 2.0, 4.0, 4.0]);
    }

    #[test]
    fn the_same_seed_gives_the_same_model() {
        let model: Linear = LinearConfig::new(3, 2).init(&Device::flex());
        let fisher = ParamVector::of(&model).map(|_, v| v.ones_like());
        let method = FisherForgettingConfig::new().init().unwrap();
        let run = |seed| {
            let model = method.forget(model.clone(), &fisher, seed).unwrap();
            ParamVector::of(&model).to_host().unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(
            method
                .forget(model.clone(), &fisher.scale(-1.0), 1)
                .is_err()
        );
        assert!(
            FisherForgettingConfig::new()
                .with_class(Some(1))
                .init()
                .is_err()
        );
    }

    #[test]
    fn a_forgotten_class_loses_its_output_and_what_matters_hardly_moves() {
        let model: Linear = LinearConfig::new(40, 3).init(&Device::flex());
        let values = |model: &Linear| ParamVector::of(model).to_host().unwrap();
        let vector = ParamVector::of(&model);
        let model = vector.map(|_, v| v.ones_like()).write_to(model).unwrap();
        let fisher = ParamVector::of(&model).map(|_, v| v.ones_like());
        // The module itself is the classifier: its parameters have no prefix.
        let config = FisherForgettingConfig::new()
            .with_head(Some("weight".into()))
            .with_class(Some(1));
        let method = config.init().unwrap();
        let forgotten = values(&method.forget(model.clone(), &fisher, 3).unwrap());
        for (i, value) in forgotten[0].iter().enumerate() {
            if i % 3 == 1 {
                assert!(value.abs() < 0.06, "{value}");
            } else {
                // Ten times the variance of 1e-6 of a head's weights.
                assert!((value - 1.0).abs() < 0.02, "{value}");
            }
        }
        let far = FisherForgettingConfig::new()
            .with_head(Some("weight".into()))
            .with_class(Some(3));
        assert!(far.init().unwrap().forget(model, &fisher, 3).is_err());
    }
}
