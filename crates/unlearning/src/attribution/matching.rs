//! # Matching
//!
//! Forgets by matching what a model trained without the forget set would output, as a datamodel predicts it.
//!
//! Source: Georgiev, Rinberg, Park, Garg, Ilyas, Madry and Neel, "Attribute-to-Delete", ICLR 2025, arXiv 2410.23232:
//! datamodel matching, and oracle matching with the outputs of re-trained models.

use burn::config::Config;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamVector, Watch};
use serde::{Deserialize, Serialize};

use super::Datamodel;
use crate::error::{Result, UnlearningError, check, count};
use crate::gradients::{finite_model, finite_step, gradients, own, widen};
use crate::part::part;

/// What a model trained without the forget set would output: `t(x) = f_0(x) - multiplier * sum_{i in F} beta_{x,.,i}`.
///
/// `original`, `[n_eval, n_classes]`: the logits of the model that is to forget, on the datamodel's evaluation
/// points. The result has the same shape and no gradient. Used as predictions they are "DM-direct"; as targets of
/// [`Matching`] they are datamodel matching. The paper's multiplier is 1.
///
/// # Errors
/// If the shapes do not agree, a forget point is not a training point, or the multiplier is not finite.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_unlearning::{Datamodel, simulated_oracle};
///
/// let effects = vec![0.2, 0.1, -0.05, 0.3, 0.4, 0.0];
/// let datamodel = Datamodel::new(1, 2, vec![0.0, 0.0], effects)?;
/// let original = Tensor::<2>::from_data([[3.0, 1.0]], &Device::flex());
/// let target = simulated_oracle(original, &datamodel, &[0, 1, 2], 1.0)?;
/// let target = target.try_into_vec_as::<f32>()?;
/// assert!((target[0] - 2.45).abs() < 1e-6 && (target[1] - 0.6).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn simulated_oracle(
    original: Tensor<2>,
    datamodel: &Datamodel,
    forget: &[usize],
    multiplier: f64,
) -> Result<Tensor<2>> {
    check("multiplier", multiplier, true, "finite")?;
    let shape = [datamodel.n_eval(), datamodel.n_classes()];
    let good = original.dims() == shape;
    check(
        "original",
        original.dims()[0] as f64,
        good,
        "logits [n_eval, n_classes]",
    )?;
    let effect = TensorData::new(datamodel.group_effect(forget)?, shape);
    let original = widen(original);
    let effect = Tensor::<2>::from_data(effect, (&original.device(), original.dtype()));
    Ok((original - effect * multiplier).detach())
}

/// What is minimised between a model's logits and its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MatchingLoss {
    /// The mean over batch and classes of the squared difference of logits.
    #[default]
    SquaredError,
    /// The mean over the batch of the cross-entropy to the softmax of the targets, in nats.
    CrossEntropy,
}

impl MatchingLoss {
    /// The loss, `[1]`, of logits `[batch, classes]` against targets of the same shape, which carry no gradient.
    #[must_use]
    pub fn of(self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let (logits, targets) = (widen(logits), widen(targets.detach()));
        let targets = targets.cast(logits.dtype());
        match self {
            Self::SquaredError => (logits - targets).square().mean(),
            Self::CrossEntropy => -(softmax(targets, 1) * log_softmax(logits, 1))
                .sum_dim(1)
                .mean(),
        }
    }
}

/// How a model is brought to its targets.
///
/// | field | default | range |
/// |---|---|---|
/// | `epochs` | 5 | 1 or more; the paper's experiments take 4 to 10 |
/// | `learning_rate` | 5e-4 | above 0; Adam's, in the first epoch |
/// | `rate_decay` | 0.95 | above 0, at most 1: factor of the rate after each epoch |
/// | `batch_size` | 512 | 1 or more |
/// | `forget_multiplier` | 1 | 1 or more, at most 2^28 over the number of forget points: how often a forget point occurs in an epoch |
/// | `retain_multiplier` | 3 | 0 or more: retain points per forget point |
/// | `loss` | squared error | see [`MatchingLoss`] |
/// | `pull` | 0 | 0 or more: weight decay towards the original's weights |
/// | `seed` | 0 | any; the draw of retain points and the order of each epoch |
///
/// With few epochs at a low rate the targets stay unmatched, and the match, not the attribution, is the error.
#[derive(Config, Debug, PartialEq)]
pub struct MatchingConfig {
    /// Passes over the fine-tuning set.
    #[config(default = 5)]
    pub epochs: usize,
    /// Learning rate of the first epoch.
    #[config(default = 5e-4)]
    pub learning_rate: f64,
    /// Factor of the learning rate after each epoch.
    #[config(default = 0.95)]
    pub rate_decay: f64,
    /// Points in a batch.
    #[config(default = 512)]
    pub batch_size: usize,
    /// Occurrences of each forget point.
    #[config(default = 1)]
    pub forget_multiplier: usize,
    /// Retain points per forget point, drawn once.
    #[config(default = 3)]
    pub retain_multiplier: usize,
    /// What is minimised.
    #[config(default = "MatchingLoss::SquaredError")]
    pub loss: MatchingLoss,
    /// Adds `pull * (theta - theta_0)` to the gradient.
    #[config(default = 0.0)]
    pub pull: f64,
    /// Seed of draw and order.
    #[config(default = 0)]
    pub seed: u64,
}

impl MatchingConfig {
    /// Draws the fine-tuning set: every forget point `forget_multiplier` times, and
    /// `retain_multiplier * |F|` retain points without replacement, or all if there are fewer.
    ///
    /// Points are rows of the targets.
    ///
    /// # Errors
    /// If a parameter is out of its range or the forget set is empty.
    pub fn init(&self, forget: &[usize], retain: &[usize]) -> Result<Matching> {
        self.check()?;
        if forget.is_empty() {
            return Err(UnlearningError::Empty("forget"));
        }
        let times = self.forget_multiplier;
        let allowed =
            "so many that there are at most 2^28 forget points with all their occurrences";
        let good = times.saturating_mul(forget.len()) <= 1 << 28;
        count("forget_multiplier", times, good, allowed)?;
        let count = self.retain_multiplier.saturating_mul(forget.len());
        let count = count.min(retain.len());
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let drawn = index::sample(&mut rng, retain.len(), count);
        let mut points = forget.repeat(times);
        points.extend(drawn.into_iter().map(|place| retain[place]));
        let config = self.clone();
        Matching { config, points }.checked()
    }

    fn check(&self) -> Result<()> {
        count("epochs", self.epochs, self.epochs > 0, "1 or more")?;
        let rate = self.learning_rate;
        check("learning_rate", rate, rate > 0.0, "above 0")?;
        let decay = self.rate_decay;
        let good = decay > 0.0 && decay <= 1.0;
        check("rate_decay", decay, good, "above 0, at most 1")?;
        let batch = self.batch_size;
        count("batch_size", batch, batch > 0, "1 or more")?;
        let times = self.forget_multiplier;
        count("forget_multiplier", times, times > 0, "1 or more")?;
        check("pull", self.pull, self.pull >= 0.0, "0 or more")
    }
}

/// Fine-tunes a model on the mean squared distance of its logits to targets, over batch and classes: no labels, Adam,
/// a rate that falls by the epoch.
///
/// With the targets of [`simulated_oracle`] it is datamodel matching; with the mean logits of models trained
/// without the forget set it is oracle matching, the reference. Models to judge by must have other seeds
/// than models to match.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Int, Tensor}};
/// use regimen_unlearning::{Datamodel, MatchingConfig, simulated_oracle};
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 2).init(&device); // your trained model
/// let data = Tensor::<2>::from_data([[1., 0.], [0., 1.], [1., 1.]], &device);
/// let datamodel = Datamodel::new(3, 2, vec![0.; 6], vec![0.1; 18])?; // from re-trainings
///
/// let forget = [2];
/// let targets = simulated_oracle(model.forward(data.clone()), &datamodel, &forget, 1.0)?;
/// let matching = MatchingConfig::new().init(&forget, &[0, 1])?;
/// let unlearned = matching.forget(&model, targets, |model, points| {
///     model.forward(data.clone().select(0, points))
/// })?;
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Matching {
    config: MatchingConfig,
    points: Vec<usize>,
}

regimen_tensor::checked_serde!(Matching);

impl Checked for Matching {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        if self.points.is_empty() {
            return Err(UnlearningError::Empty("forget"));
        }
        self.config.check()
    }
}

part!(
    /// The configuration and the fine-tuning set, as JSON; those of another configuration are refused.
    Matching,
    "matching 1"
);

impl Matching {
    /// The fine-tuning set, as rows of the targets: the forget points, then the retain points.
    #[must_use]
    pub fn points(&self) -> &[usize] {
        &self.points
    }

    /// Adam as the method uses it, with PyTorch's epsilon of 1e-8. In f16 that epsilon is 0 and matching ends with
    /// [`UnlearningError::Diverged`]; bf16 holds it.
    #[must_use]
    pub fn optimizer(&self) -> ModuleOptimizer {
        AdamConfig::new().with_epsilon(1e-8).init()
    }

    /// Matches in all epochs; the original stays as it is.
    ///
    /// `targets`: `[points, classes]`. `logits` returns the model's outputs, `[batch, classes]`, on the
    /// points at these rows, `[batch]`.
    ///
    /// # Errors
    /// If a point of the fine-tuning set is not a row of the targets, the loss carries no gradient, or a loss, a gradient or the
    /// weights are not finite.
    pub fn forget<M: Module>(
        &self,
        original: &M,
        targets: Tensor<2>,
        logits: impl FnMut(&M, Tensor<1, Int>) -> Tensor<2>,
    ) -> Result<M> {
        self.forget_watched(original, targets, logits, &Watch::default())
    }

    /// [`forget`](Self::forget), watched: `"matching"` reports optimizer steps. Where it is stopped, the model after the last one.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn forget_watched<M: Module>(
        &self,
        original: &M,
        targets: Tensor<2>,
        mut logits: impl FnMut(&M, Tensor<1, Int>) -> Tensor<2>,
        watch: &Watch,
    ) -> Result<M> {
        let (epochs, points) = (self.config.epochs, self.points.len());
        let _span = tracing::info_span!("matching", epochs, points).entered();
        let (mut model, mut optim) = (own(original), self.optimizer());
        for epoch in 0..epochs {
            let from = (original, &targets);
            model = self.steps(epoch, model, &mut optim, from, &mut logits, watch)?;
            if watch.is_stopped() {
                break;
            }
        }
        Ok(model)
    }

    /// One epoch, counted from 0; `original` is what `pull` pulls to. Its order and rate depend only on the seed and its number: a run that goes on
    /// from a saved model and optimizer gives the same weights.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn epoch<M: Module>(
        &self,
        epoch: usize,
        model: M,
        original: &M,
        optim: &mut ModuleOptimizer,
        targets: &Tensor<2>,
        mut logits: impl FnMut(&M, Tensor<1, Int>) -> Tensor<2>,
    ) -> Result<M> {
        let (from, watch) = ((original, targets), Watch::default());
        self.steps(epoch, model, optim, from, &mut logits, &watch)
    }

    /// The steps of an epoch, up to a stop.
    fn steps<M: Module>(
        &self,
        epoch: usize,
        model: M,
        optim: &mut ModuleOptimizer,
        (original, targets): (&M, &Tensor<2>),
        logits: &mut impl FnMut(&M, Tensor<1, Int>) -> Tensor<2>,
        watch: &Watch,
    ) -> Result<M> {
        let mut model = own(&model);
        let rows = targets.dims()[0];
        let last = self.points.iter().copied().max().unwrap_or(0);
        count("point", last, last < rows, "a row of the targets")?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream((epoch as u64).wrapping_add(1));
        let mut order = self.points.clone();
        order.shuffle(&mut rng);
        let turn = i32::try_from(epoch).unwrap_or(i32::MAX);
        let rate = self.config.learning_rate * self.config.rate_decay.powi(turn);
        let batches = order.len().div_ceil(self.config.batch_size);
        let total = self.config.epochs.max(epoch.saturating_add(1));
        let total = total.saturating_mul(batches);
        let before = epoch.saturating_mul(batches);
        for (step, batch) in order.chunks(self.config.batch_size).enumerate() {
            let batch: Vec<i64> = batch.iter().map(|point| *point as i64).collect();
            let shape = [batch.len()];
            let batch =
                Tensor::<1, Int>::from_data(TensorData::new(batch, shape), &targets.device());
            let target = targets.clone().select(0, batch.clone());
            let loss = self.config.loss.of(logits(&model, batch), target);
            let grads = gradients(&loss, &model)?;
            if !finite_step(&loss, &model, &grads) {
                return Err(UnlearningError::Diverged("matching"));
            }
            let grads = self.pulled(&model, original, grads)?;
            model = optim.step(rate, model, grads);
            if !watch.goes_on("matching", before.saturating_add(step + 1), total) {
                break;
            }
        }
        if finite_model(&model) {
            return Ok(model);
        }
        Err(UnlearningError::Diverged("matching"))
    }

    /// The gradients with the pull to the original's weights, if there is one.
    fn pulled<M: Module>(
        &self,
        model: &M,
        original: &M,
        grads: GradientsParams,
    ) -> Result<GradientsParams> {
        if self.config.pull == 0.0 {
            return Ok(grads);
        }
        let gap = ParamVector::of(model).sub(&ParamVector::of(original))?;
        let gradients = ParamVector::gradients(model, &grads);
        Ok(gradients.axpy(self.config.pull, &gap)?.into_gradients())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn data(device: &Device) -> Tensor<2> {
        let values = Tensor::<1, Int>::arange(0..24, device).float();
        ((values.reshape([8, 3]) * 1.3).sin() * 2.0).detach()
    }

    fn host(model: &Linear) -> Vec<f32> {
        ParamVector::of(model).to_host().unwrap().concat()
    }

    #[test]
    fn target_of_three_forget_points() {
        let effects = vec![0.2, 0.1, -0.05, 0.3, 0.4, 0.0];
        let datamodel = Datamodel::new(1, 2, vec![0.0; 2], effects).unwrap();
        let original = Tensor::<2>::from_data([[3.0, 1.0]], &Device::flex());
        let target = simulated_oracle(original.clone(), &datamodel, &[0, 1, 2], 1.0).unwrap();
        let target = target.try_into_vec_as::<f64>().unwrap();
        assert!((target[0] - 2.45).abs() < 1e-6 && (target[1] - 0.6).abs() < 1e-6);
        let none = simulated_oracle(original.clone(), &datamodel, &[], 1.0).unwrap();
        assert_eq!(none.try_into_vec_as::<f32>().unwrap(), [3.0, 1.0]);
        assert!(simulated_oracle(original.clone(), &datamodel, &[3], 1.0).is_err());
        assert!(simulated_oracle(original.clone(), &datamodel, &[0], f64::NAN).is_err());
        let other = Tensor::cat(vec![original.clone(), original], 1);
        assert!(simulated_oracle(other, &datamodel, &[0], 1.0).is_err());
    }

    #[test]
    fn the_fine_tuning_set_has_its_multiples() {
        let config = MatchingConfig::new()
            .with_forget_multiplier(2)
            .with_retain_multiplier(3);
        let retain: Vec<usize> = (10..40).collect();
        let matching = config.init(&[1, 2], &retain).unwrap();
        assert_eq!(matching.points().len(), 4 + 6);
        assert_eq!(matching.points()[..4], [1, 2, 1, 2]);
        let mut drawn = matching.points()[4..].to_vec();
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() == 6 && drawn.iter().all(|point| retain.contains(point)));
        assert_eq!(config.init(&[1], &[5]).unwrap().points(), [1, 1, 5]);
    }

    #[test]
    fn matching_reaches_its_targets_and_leaves_the_original() {
        let device = Device::flex().autodiff();
        let (original, oracle) = (
            LinearConfig::new(3, 2).init(&device),
            LinearConfig::new(3, 2).init(&device),
        );
        let (data, before) = (data(&device), host(&original));
        let targets = oracle.forward(data.clone()).detach();
        let matching = MatchingConfig::new()
            .with_epochs(150)
            .with_learning_rate(0.05)
            .with_rate_decay(0.99)
            .init(&[0, 1], &[2, 3, 4, 5, 6, 7])
            .unwrap();
        let logits = |model: &Linear, points| model.forward(data.clone().select(0, points));
        let model = matching.forget(&original, targets.clone(), logits).unwrap();
        let error = (model.forward(data.clone()) - targets.clone())
            .square()
            .mean();
        assert!(error.into_scalar::<f32>() < 1e-4);
        assert_eq!(host(&original), before);
        let outside = matching.forget(&original, targets.narrow(0, 0, 4), logits);
        assert!(outside.is_err());
    }

    #[test]
    fn cross_entropy_falls_to_the_entropy_of_the_targets() {
        let row = |values: [f32; 3]| Tensor::<2>::from_data([values], &Device::flex());
        let value = |logits, targets| {
            let loss = MatchingLoss::CrossEntropy.of(row(logits), row(targets));
            f64::from(loss.into_scalar::<f32>())
        };
        let (p, q) = ([0.7_f32, 0.2, 0.1], [0.3_f32, 0.3, 0.4]);
        let (log_p, log_q) = (p.map(f32::ln), q.map(f32::ln));
        assert!((value(log_p, log_p) - 0.801_818_55).abs() < 1e-6);
        let expected = -0.7 * 0.3_f64.ln() - 0.2 * 0.3_f64.ln() - 0.1 * 0.4_f64.ln();
        assert!((value(log_q, log_p) - expected).abs() < 1e-6);
        // Logits that differ by a constant are the same predictions.
        assert!((value(log_q.map(|z| z + 5.0), log_p) - expected).abs() < 1e-5);
        let squares = MatchingLoss::SquaredError.of(row([1.0, 2.0, 0.0]), row([1.2, 1.6, 0.0]));
        assert!((squares.into_scalar::<f32>() - 0.066_666_67).abs() < 1e-6);
    }

    #[test]
    fn a_pull_holds_the_model_by_the_original() {
        let device = Device::flex().autodiff();
        let original = LinearConfig::new(3, 2).init(&device);
        let data = data(&device);
        let targets = Tensor::<2>::ones([8, 2], &device) * 3.0;
        let moved = |pull: f64| {
            let config = MatchingConfig::new().with_epochs(150).with_pull(pull);
            let matching = config.with_learning_rate(0.05).with_rate_decay(0.98);
            let matching = matching.init(&[0, 1], &[2, 3, 4, 5, 6, 7]).unwrap();
            let logits = |model: &Linear, points| model.forward(data.clone().select(0, points));
            let model = matching.forget(&original, targets.clone(), logits).unwrap();
            let gap = ParamVector::of(&model).sub(&ParamVector::of(&original));
            gap.unwrap().l2().into_scalar::<f32>()
        };
        let (free, held, tied) = (moved(0.0), moved(1.0), moved(1e3));
        assert!(held < 0.9 * free && held > 0.01, "{free} {held}");
        assert!(tied < 0.02 * free, "{free} {tied}");
        assert!(
            MatchingConfig::new()
                .with_pull(-1.0)
                .init(&[0], &[1])
                .is_err()
        );
    }

    #[test]
    fn an_interrupted_run_goes_on_as_the_straight_one() {
        let device = Device::flex().autodiff();
        let original = LinearConfig::new(3, 2).init(&device);
        let data = data(&device);
        let targets = Tensor::<2>::ones([8, 2], &device);
        let config = MatchingConfig::new().with_batch_size(3).with_epochs(4);
        let matching = config.init(&[0, 1], &[2, 3, 4, 5, 6, 7]).unwrap();
        let logits = |model: &Linear, points| model.forward(data.clone().select(0, points));
        let straight = matching.forget(&original, targets.clone(), logits).unwrap();

        let (mut model, mut optim) = (original.clone(), matching.optimizer());
        for epoch in 0..2 {
            model = matching
                .epoch(epoch, model, &original, &mut optim, &targets, logits)
                .unwrap();
        }
        let text = serde_json::to_string(&matching).unwrap();
        let matching: Matching = serde_json::from_str(&text).unwrap();
        let record = optim.to_record();
        let mut optim = matching.optimizer().load_record(record);
        for epoch in 2..4 {
            model = matching
                .epoch(epoch, model, &original, &mut optim, &targets, logits)
                .unwrap();
        }
        assert_eq!(host(&model), host(&straight));
    }

    #[test]
    fn bad_input_is_named() {
        let config = MatchingConfig::new;
        let error = config().init(&[], &[1]).unwrap_err();
        assert_eq!(error.to_string(), "the forget set is empty");
        assert!(config().with_epochs(0).init(&[0], &[1]).is_err());
        assert!(config().with_learning_rate(-1.0).init(&[0], &[1]).is_err());
        assert!(config().with_rate_decay(1.1).init(&[0], &[1]).is_err());
        assert!(config().with_batch_size(0).init(&[0], &[1]).is_err());
        assert!(config().with_forget_multiplier(0).init(&[0], &[1]).is_err());
    }
}
