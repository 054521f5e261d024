//! # FisherForgetting
//!
//! Forgets by noise: each parameter moves the more, the less it matters for the retain set.
//!
//! Source: Golatkar, Achille and Soatto, "Eternal Sunshine of the Spotless Net", CVPR 2020, as in its
//! released code and in that of arXiv 2308.07707.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regimen_tensor::{ParamVector, TensorError, Watch, fisher, independent};

use super::layers::{Axes, Layers};
use super::{Change, Edited};
use crate::error::{Result, UnlearningError, check};
use crate::gradients::{finite_model, trainable, widen};
use crate::watched::watched;

/// How much noise Fisher forgetting adds.
///
/// | field | default | range |
/// |---|---|---|
/// | `alpha` | 1e-6 | above 0 |
/// | `cap` | 1e3 | above 0: the most that `1 / F` counts |
/// | `head_cap` | 1e2 | above 0: the same for the last layer |
/// | `head` | none | path of the classifier, such as `head`; its last layer is the last layer |
/// | `class` | none | the output whose weights are forgotten whole; needs `head` |
#[derive(Config, Debug, PartialEq)]
pub struct FisherForgettingConfig {
    /// Variance of the noise at `1 / F = 1`.
    #[config(default = 1e-6)]
    pub alpha: f64,
    /// The most that `1 / F` counts.
    #[config(default = 1e3)]
    pub cap: f64,
    /// The same for the last layer.
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

/// Variance with which a forgotten class's weights are drawn around 0, before the factor of the last layer.
const CLASS_VARIANCE: f64 = 1e-4;

/// Factor of the variance in the last layer and in vectors.
const FACTOR: f64 = 10.0;

impl FisherForgetting {
    /// The retain set's diagonal Fisher information, over the model's own labels
    /// ([`regimen_tensor::fisher::true_diagonal`]), as in inference: dropout off, running statistics in batch normalisation.
    /// `logits` returns `[1, classes]` for one example; one backward pass a class. The model stays as it is.
    ///
    /// # Errors
    /// If there is no example, or no parameter requires its gradient.
    pub fn importance<M: Module, B: Clone>(
        model: &M,
        retain: impl IntoIterator<Item = B>,
        logits: impl FnMut(&M, B) -> Tensor<2>,
    ) -> Result<ParamVector> {
        Self::importance_watched(model, retain, logits, &Watch::default())
    }

    /// [`importance`](Self::importance), watched: `"fisher"` reports examples. Where it is stopped, the mean over the examples so far.
    ///
    /// # Errors
    /// As [`importance`](Self::importance).
    pub fn importance_watched<M: Module, B: Clone>(
        model: &M,
        retain: impl IntoIterator<Item = B>,
        mut logits: impl FnMut(&M, B) -> Tensor<2>,
        watch: &Watch,
    ) -> Result<ParamVector> {
        let retain = watched("fisher", retain, watch);
        let _span = tracing::info_span!("fisher", examples = retain.size_hint().1).entered();
        let model = &trainable(model)?;
        let logits = |model: &M, example| widen(logits(model, example));
        match fisher::true_diagonal(model, retain, logits) {
            Err(TensorError::Empty(_)) => Err(UnlearningError::Empty("retain")),
            other => Ok(other?),
        }
    }

    /// Adds `N(0, alpha min(1 / (F + 1e-8), cap))` to every parameter, `F` being the retain set's diagonal
    /// Fisher information ([`importance`](Self::importance)). Running statistics stay as they are, and so do copies of the
    /// model.
    ///
    /// As released: weights take the variance averaged over their inputs (of a convolution: over its input channels, for
    /// each output and place of the kernel; of an embedding: over its width); the last layer's variance is capped by
    /// `head_cap` too, and the last layer and vectors take ten times the variance. The forgotten class's weights
    /// in the last layer become `N(0, 1e-3)`. The last layer is the last one under `head`: a head of several layers keeps
    /// its others. Noise is drawn on the host from `seed`; sums are taken in f32 at least.
    ///
    /// Only the parameters that `fisher` holds are touched: filter it ([`ParamVector::filter`]) to leave layers alone. The result says how
    /// much changed; noise too small to matter is a `tracing` warning.
    ///
    /// # Errors
    /// If the Fisher diagonal is empty or not of this model or holds negative or non-finite values, the model has no `head`, or the
    /// class is not an output of its last layer, or the result would not be finite.
    pub fn forget<M: Module>(
        &self,
        model: M,
        fisher: &ParamVector,
        seed: u64,
    ) -> Result<Edited<M>> {
        if fisher.is_empty() {
            return Err(UnlearningError::Empty("retain"));
        }
        let layers = Layers::of(&model, self.config.head.as_deref())?;
        let weights = ParamVector::of(&model).filter(|entry| fisher.get(entry.id).is_some());
        weights.same_space(fisher)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut noise, mut kept) = (Vec::new(), Vec::new());
        for (entry, importance) in weights.entries().iter().zip(fisher.to_host()?) {
            if importance.iter().any(|f| !f.is_finite() || *f < 0.0) {
                return Err(UnlearningError::NotFinite("retain"));
            }
            let last = layers.last.contains(&entry.id);
            let axes = Axes::of(&entry.shape, layers.embeddings.contains(&entry.id));
            let mut variance = self.variance(&axes, &importance, last);
            let mut keep = vec![1.0; variance.len()];
            if let (Some(class), true) = (self.config.class, last) {
                let allowed = "an output of the head";
                check("class", class as f64, class < axes.outputs, allowed)?;
                for place in (0..keep.len()).filter(|i| axes.output_of(*i) == class) {
                    (keep[place], variance[place]) = (0.0, CLASS_VARIANCE);
                }
            }
            let factor = if last || entry.shape.len() == 1 {
                FACTOR
            } else {
                1.0
            };
            let draw = |variance: &f64| ((variance * factor).sqrt() * normal(&mut rng)) as f32;
            noise.push(variance.iter().map(draw).collect());
            kept.push(keep);
        }
        let space = weights.widened();
        let (noise, kept) = (space.from_host(noise)?, space.from_host(kept)?);
        let noisy = space.clone().hadamard(&kept)?.add(&noise)?;
        let change = Change::of(&space, &noisy)?;
        change.warn("Fisher forgetting", "raise `alpha`");
        let model = noisy.write_to(independent(&model))?;
        if !finite_model(&model) {
            return Err(UnlearningError::NotFinite("noisy model"));
        }
        Ok(Edited { model, change })
    }

    /// The variances before the factor of the last layer and of vectors.
    fn variance(&self, axes: &Axes, importance: &[f32], last: bool) -> Vec<f64> {
        let FisherForgettingConfig { alpha, mut cap, .. } = self.config;
        if last {
            cap = cap.min(self.config.head_cap);
        }
        let of = |f: &f32| variance(f64::from(*f), alpha, cap);
        let mut variance: Vec<f64> = importance.iter().map(of).collect();
        axes.average_inputs(&mut variance);
        variance
    }
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// `alpha min(1 / (F + 1e-8), cap)`.
fn variance(fisher: f64, alpha: f64, cap: f64) -> f64 {
    alpha * (1.0 / (fisher + 1e-8)).min(cap)
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
    fn the_same_seed_gives_the_same_model() {
        let model: Linear = LinearConfig::new(3, 2).init(&Device::flex());
        let fisher = ParamVector::of(&model).map(|_, v| v.ones_like());
        let method = FisherForgettingConfig::new().init().unwrap();
        let run = |seed| {
            let edited = method.forget(model.clone(), &fisher, seed).unwrap();
            assert!(!edited.change.is_negligible());
            ParamVector::of(&edited.model).to_host().unwrap()
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
        let model: Linear = LinearConfig::new(2000, 3).init(&Device::flex());
        let values = |model: &Linear| ParamVector::of(model).to_host().unwrap();
        let vector = ParamVector::of(&model);
        let model = vector.map(|_, v| v.ones_like()).write_to(model).unwrap();
        let fisher = ParamVector::of(&model).map(|_, v| v.ones_like());
        // The module itself is the classifier: its parameters have no prefix.
        let config = FisherForgettingConfig::new()
            .with_head(Some("weight".into()))
            .with_class(Some(1));
        let method = config.init().unwrap();
        let forgotten = values(&method.forget(model.clone(), &fisher, 3).unwrap().model);
        let spread = |output: usize, center: f32| {
            let own = forgotten[0].iter().skip(output).step_by(3);
            own.map(|value| f64::from(value - center).powi(2))
                .sum::<f64>()
                / 2000.0
        };
        // Ten times the variance in the last layer: of 1e-4 for the class, of 1e-6 elsewhere.
        for (output, center, expected) in [(0, 1.0, 1e-5), (1, 0.0, 1e-3), (2, 1.0, 1e-5)] {
            let found = spread(output, center) / expected;
            assert!((found - 1.0).abs() < 0.15, "{output}: {found}");
        }
        let far = FisherForgettingConfig::new()
            .with_head(Some("weight".into()))
            .with_class(Some(3));
        assert!(far.init().unwrap().forget(model, &fisher, 3).is_err());
    }
}
