//! # Ssd
//!
//! Selective synaptic dampening: forgets by shrinking the parameters that matter for the forget set only.
//!
//! Source: Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through
//! Selective Synaptic Dampening", AAAI 2024, arXiv 2308.07707.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::{ParamVector, Watch, independent};

use super::Change;
use crate::error::{Result, UnlearningError, check};
use crate::gradients::sum_of_gradients;
use crate::watched::watched;

/// How selective synaptic dampening selects and dampens.
///
/// | field | default | range |
/// |---|---|---|
/// | `alpha` | 10 | above 0; 10 for a ResNet18, 5 to 25 for a ViT |
/// | `lambda` | 1 | above 0 |
///
/// With importances of single examples, `I_forget / I_all` can't exceed `|D| / |D_f|`: for one of ten
/// balanced classes `alpha = 10` selects nothing. Take batches, as the authors do (64 examples), or an
/// `alpha` of about half of `|D| / |D_f|`. The batch size is thus a parameter of the method.
///
/// To choose them, keep both importances and call [`Ssd::dampen`] at several values: an edit takes one pass over the weights.
///
/// 1. `alpha` decides how many weights are dampened. Look at [`Dampened::changed_share`]: where it is below half a percent next to nothing
///    was forgotten ([`Change::is_negligible`]), and `dampen` warns; halve `alpha` until the accuracy on the forget set falls.
/// 2. `lambda` decides how strongly. At 1 a selected weight is left with as much importance for the forget set as it has for all data,
///    and with single examples no factor is below `|D_f| / |D|`: where many weights changed and the forget set is still known,
///    lower `lambda`, to 0.1 say.
/// 3. Where the accuracy on what is retained falls too, go back: raise `alpha` first, which spares whole weights.
#[derive(Config, Debug, PartialEq)]
pub struct SsdConfig {
    /// A parameter is selected if `I_forget > alpha I_all`.
    #[config(default = 10.0)]
    pub alpha: f64,
    /// Strength: a selected parameter is multiplied by `min(lambda I_all / I_forget, 1)`.
    #[config(default = 1.0)]
    pub lambda: f64,
}

impl SsdConfig {
    /// Checks the parameters.
    ///
    /// # Errors
    /// If `alpha` or `lambda` is not finite or not above 0.
    pub fn init(&self) -> Result<Ssd> {
        check("alpha", self.alpha, self.alpha > 0.0, "above 0")?;
        check("lambda", self.lambda, self.lambda > 0.0, "above 0")?;
        let (alpha, lambda) = (self.alpha, self.lambda);
        Ok(Ssd { alpha, lambda })
    }
}

/// Selective synaptic dampening.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Int, Tensor}};
/// use regimen_tensor::per_example::cross_entropy;
/// use regimen_unlearning::SsdConfig;
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 2).init(&device);
/// // Batches of all training data, the forget set included, and of the forget set.
/// let batch = |x: [[f32; 2]; 2], y: [i32; 2]| {
///     (Tensor::<2>::from_data(x, &device), Tensor::<1, Int>::from_data(y, &device))
/// };
/// let all = [batch([[1., 0.], [1., 1.]], [0, 0]), batch([[0., 1.], [-1., 1.]], [1, 1])];
/// let forget = [all[1].clone()];
///
/// let ssd = SsdConfig::new().with_alpha(1.5).init()?;
/// let dampened = ssd.forget(model, all, forget, |model, (x, y)| {
///     cross_entropy(model.forward(x), y).mean()
/// })?;
/// assert!(dampened.edited < dampened.total);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ssd {
    alpha: f64,
    lambda: f64,
}

/// A model after dampening.
#[derive(Clone, Debug)]
pub struct Dampened<M> {
    /// The model; its parameters still require gradients where they did.
    pub model: M,
    /// How many scalars were selected.
    pub edited: usize,
    /// How many scalars were eligible.
    pub total: usize,
    /// How much that changed: a selected scalar stays as it is where it was 0, or `lambda` is so large that its factor is 1.
    pub change: Change,
}

impl<M> Dampened<M> {
    /// The share of scalars that were selected, `0..=1`.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.edited as f64 / self.total.max(1) as f64
    }

    /// The share of scalars that have another value than before, `0..=1`: where it is near 0 nothing was forgotten.
    #[must_use]
    pub fn changed_share(&self) -> f64 {
        self.change.share()
    }
}

impl Ssd {
    /// Forgets in two passes over data: importances of both sets, then one edit. No training step.
    ///
    /// `all` are batches of all training data, the forget set included; `loss` is a batch's mean
    /// loss, `[1]`. The model must be on an autodiff device; gradients are taken as in inference. Keep the [`importance`](Self::importance) of
    /// `all` with [`ParamVector::save`] when training ends, and call [`dampen`](Self::dampen) later. Copies of the
    /// model stay as they are.
    ///
    /// # Errors
    /// If a set is empty, its importances are not finite, or the loss carries no gradient.
    pub fn forget<M: Module, B>(
        &self,
        model: M,
        all: impl IntoIterator<Item = B>,
        forget: impl IntoIterator<Item = B>,
        loss: impl FnMut(&M, B) -> Tensor<1>,
    ) -> Result<Dampened<M>> {
        self.forget_watched(model, all, forget, loss, &Watch::default())
    }

    /// [`forget`](Self::forget), watched: `"importance"` reports the batches of either pass. Where it is stopped before both passes are
    /// done nothing is edited, and the model comes back as it was, with [`Dampened::edited`] 0.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn forget_watched<M: Module, B>(
        &self,
        model: M,
        all: impl IntoIterator<Item = B>,
        forget: impl IntoIterator<Item = B>,
        mut loss: impl FnMut(&M, B) -> Tensor<1>,
        watch: &Watch,
    ) -> Result<Dampened<M>> {
        let of_all = importance_of("training", &model, all, &mut loss, watch)?;
        if watch.is_stopped() {
            return untouched(model);
        }
        let of_forget = importance_of("forget", &model, forget, &mut loss, watch)?;
        if watch.is_stopped() {
            return untouched(model);
        }
        self.dampen(model, &of_all, &of_forget)
    }

    /// The mean over batches of the squared gradient of a batch's loss: the importance of each parameter for a set.
    ///
    /// `loss` is a batch's mean loss, `[1]`. As in the released code, gradients are taken as in inference (dropout off, running
    /// statistics in batch normalisation), and every batch weighs the same; squares are taken in f32 at least, and the model
    /// stays as it is. Keep the importance of all data with [`ParamVector::save`] when training ends.
    ///
    /// # Errors
    /// If there is no batch, or the loss carries no gradient.
    pub fn importance<M: Module, B>(
        model: &M,
        batches: impl IntoIterator<Item = B>,
        loss: impl FnMut(&M, B) -> Tensor<1>,
    ) -> Result<ParamVector> {
        Self::importance_watched(model, batches, loss, &Watch::default())
    }

    /// [`importance`](Self::importance), watched: `"importance"` reports batches. Where it is stopped, the mean over the batches
    /// so far.
    ///
    /// # Errors
    /// As [`importance`](Self::importance).
    pub fn importance_watched<M: Module, B>(
        model: &M,
        batches: impl IntoIterator<Item = B>,
        loss: impl FnMut(&M, B) -> Tensor<1>,
        watch: &Watch,
    ) -> Result<ParamVector> {
        importance_of("data", model, batches, loss, watch)
    }

    /// Multiplies the model's parameters by their [`factors`](Self::factors).
    ///
    /// Only the parameters that the importances hold are touched: filter them
    /// ([`ParamVector::filter`]) to leave layers alone. An edit that changes next to nothing is a `tracing` warning; the result says
    /// how much it was ([`Dampened::change`]).
    ///
    /// # Errors
    /// If the importances are of different parameters or not finite, or not of this model.
    pub fn dampen<M: Module>(
        &self,
        model: M,
        all: &ParamVector,
        forget: &ParamVector,
    ) -> Result<Dampened<M>> {
        let _span = tracing::info_span!("ssd", parameters = forget.len()).entered();
        finite("training", all)?;
        finite("forget", forget)?;
        let factors = self.factors(all, forget)?;
        let edited = self.count_selected(all, forget)?;
        let weights = ParamVector::of(&model);
        let eligible = weights.filter(|entry| factors.get(entry.id).is_some());
        let dampened = eligible.clone().hadamard(&factors)?;
        let change = Change::of(&eligible, &dampened)?;
        change.warn("ssd", "lower `alpha`, or `lambda` where many were selected");
        let model = dampened.write_to(independent(&model))?;
        Ok(Dampened {
            model,
            edited,
            total: factors.len(),
            change,
        })
    }

    /// What each parameter is multiplied by: `min(lambda I_all / I_forget, 1)` where
    /// `I_forget > alpha I_all`, else 1.
    ///
    /// `I_all = 0 < I_forget` gives 0; `I_forget = 0` gives 1.
    ///
    /// # Errors
    /// If the importances are of different parameters.
    pub fn factors(&self, all: &ParamVector, forget: &ParamVector) -> Result<ParamVector> {
        let factors = forget.clone().zip(all, |forget, all| {
            let selected = forget.clone().greater(all.clone() * self.alpha);
            let beta = (all * self.lambda / forget).clamp_max(1.0);
            beta.ones_like().mask_where(selected, beta)
        })?;
        Ok(factors)
    }

    fn count_selected(&self, all: &ParamVector, forget: &ParamVector) -> Result<usize> {
        all.same_space(forget)?;
        let pairs = all.entries().iter().zip(forget.entries());
        let counts = pairs.map(|(all, forget)| {
            let selected = forget
                .values
                .clone()
                .greater(all.values.clone() * self.alpha);
            selected.int().sum()
        });
        let total = counts.reduce(|left, right| left + right);
        Ok(total.map_or(0, |total| total.into_scalar::<i64>() as usize))
    }
}

/// [`Ssd::importance`] of a set of this name.
fn importance_of<M: Module, B>(
    set: &'static str,
    model: &M,
    batches: impl IntoIterator<Item = B>,
    loss: impl FnMut(&M, B) -> Tensor<1>,
    watch: &Watch,
) -> Result<ParamVector> {
    let _span = tracing::info_span!("importance", set).entered();
    let batches = watched("importance", batches, watch);
    let (sum, count) = sum_of_gradients(set, model, batches, loss, |gradient| gradient.square())?;
    Ok(sum.scale(1.0 / count as f64))
}

/// A model that was not edited.
fn untouched<M: Module>(model: M) -> Result<Dampened<M>> {
    let change = Change::between(&model, &model)?;
    Ok(Dampened {
        model,
        edited: 0,
        total: change.total,
        change,
    })
}

fn finite(set: &'static str, importance: &ParamVector) -> Result<()> {
    if importance.is_empty() {
        return Err(UnlearningError::Empty(set));
    }
    if importance.l1().into_scalar::<f64>().is_finite() {
        return Ok(());
    }
    Err(UnlearningError::NotFinite(set))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use regimen_tensor::fisher::batch_diagonal;

    use super::*;

    const THETA: [f32; 5] = [1.0, -2.0, 0.5, 3.0, 1.0];
    const ALL: [f32; 5] = [1.0, 2.0, 0.1, 0.0, 1.0];
    const FORGET: [f32; 5] = [5.0, 30.0, 2.0, 1.0, 0.0];

    fn model() -> Linear {
        LinearConfig::new(5, 1)
            .with_bias(false)
            .init(&Device::flex())
    }

    fn vector(model: &Linear, values: &[f32]) -> ParamVector {
        ParamVector::of(model)
            .from_host(vec![values.to_vec()])
            .unwrap()
    }

    fn factors(alpha: f64, lambda: f64) -> Vec<f32> {
        let model = model();
        let ssd = SsdConfig::new()
            .with_alpha(alpha)
            .with_lambda(lambda)
            .init()
            .unwrap();
        let (all, forget) = (vector(&model, &ALL), vector(&model, &FORGET));
        ssd.factors(&all, &forget)
            .unwrap()
            .to_host()
            .unwrap()
            .concat()
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn dampening_alpha_10_lambda_1() {
        assert_close(&factors(10.0, 1.0), &[1.0, 0.066_666_67, 0.05, 0.0, 1.0]);
        let model = model();
        let theta = vector(&model, &THETA);
        let model = theta.write_to(model).unwrap();
        let (all, forget) = (vector(&model, &ALL), vector(&model, &FORGET));
        let ssd = SsdConfig::new().init().unwrap();
        let dampened = ssd.dampen(model, &all, &forget).unwrap();
        let found = ParamVector::of(&dampened.model).to_host().unwrap().concat();
        assert_close(&found, &[1.0, -0.133_333_33, 0.025, 0.0, 1.0]);
        assert_eq!((dampened.edited, dampened.total), (3, 5));
        assert!((dampened.share() - 0.6).abs() < 1e-12);
        assert!((dampened.changed_share() - 0.6).abs() < 1e-12);
        let gap = (1.866_666_67_f64.powi(2) + 0.475_f64.powi(2) + 9.0).sqrt();
        let distance = gap / 15.25_f64.sqrt();
        assert!((dampened.change.distance - distance).abs() < 1e-6);
        assert!(!dampened.change.is_negligible());
    }

    #[test]
    fn an_edit_that_selects_nothing_or_dampens_by_nothing_says_so() {
        let model = model();
        let model = vector(&model, &THETA).write_to(model).unwrap();
        let (all, forget) = (vector(&model, &ALL), vector(&model, &FORGET));
        let dampened = |alpha: f64, lambda: f64| {
            let config = SsdConfig::new().with_alpha(alpha).with_lambda(lambda);
            let ssd = config.init().unwrap();
            ssd.dampen(model.clone(), &all, &forget).unwrap()
        };
        // One importance is 0, and its ratio infinite: it is selected and dampened at any finite values.
        let few = dampened(1e30, 1.0);
        assert_eq!((few.edited, few.change.changed), (1, 1));
        let none = dampened(1.0, 1e30);
        assert_eq!((none.edited, none.change.changed), (4, 1));
        let spared = forget.clone().scale(0.0);
        let ssd = SsdConfig::new().init().unwrap();
        let spared = ssd.dampen(model.clone(), &all, &spared).unwrap();
        assert_eq!((spared.edited, spared.changed_share()), (0, 0.0));
        assert_eq!(spared.change.distance, 0.0);
        assert!(spared.change.is_negligible());
    }

    #[test]
    fn dampening_alpha_4() {
        assert_close(&factors(4.0, 1.0)[..1], &[0.2]);
    }

    #[test]
    fn dampening_alpha_10_lambda_half() {
        assert_close(&factors(10.0, 0.5), &[1.0, 0.033_333_33, 0.025, 0.0, 1.0]);
    }

    #[test]
    fn dampening_alpha_1_lambda_2() {
        assert_close(&factors(1.0, 2.0), &[0.4, 0.133_333_33, 0.1, 0.0, 1.0]);
    }

    /// A linear model on a one-hot loss has the inputs themselves as gradients.
    fn gradients(batches: Vec<Vec<[f32; 2]>>) -> Vec<f32> {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let tensor = |rows: Vec<[f32; 2]>| {
            let count = rows.len();
            Tensor::<1>::from_data(rows.concat().as_slice(), &device).reshape([count, 2])
        };
        let batches = batches.into_iter().map(tensor);
        let diagonal = batch_diagonal(&model, batches, |model, x| model.forward(x).mean());
        diagonal.unwrap().to_host().unwrap().concat()
    }

    #[test]
    fn per_sample_and_batch_gradients() {
        let rows = [[1.0, 0.0], [-1.0, 2.0], [3.0, 1.0]];
        let single = gradients(rows.iter().map(|row| vec![*row]).collect());
        assert_close(&single, &[3.666_666_7, 1.666_666_6]);
        assert_close(&gradients(vec![rows.to_vec()]), &[1.0, 1.0]);
    }

    #[test]
    fn per_sample_ratios_are_bound_by_the_share_of_the_forget_set() {
        let row = |i: usize| vec![[(i * 37 % 101) as f32 - 50.0, (i * 53 % 97) as f32 - 48.0]];
        let all = gradients((0..1000).map(row).collect());
        let forget = gradients((0..100).map(row).collect());
        for (forget, all) in forget.iter().zip(&all) {
            assert!(forget / all <= 10.0);
        }
    }

    #[test]
    fn dampening_that_is_stopped_edits_nothing() {
        let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
        let batch = |i: usize| Tensor::<2>::ones([1, 2], &Device::flex().autodiff()) * i as f64;
        let loss = |model: &Linear, x: Tensor<2>| model.forward(x).mean();
        let ssd = SsdConfig::new().with_alpha(0.1).init().unwrap();
        let run = |watch: &Watch| {
            let (all, forget) = ((1..4).map(batch), (1..3).map(batch));
            ssd.forget_watched(model.clone(), all, forget, loss, watch)
                .unwrap()
        };
        assert!(run(&Watch::default()).edited > 0);
        let stopped = run(&Watch::new().until(|| true));
        assert_eq!((stopped.edited, stopped.change.changed), (0, 0));
        let one = Ssd::importance(&model, [batch(1)], loss).unwrap();
        let (batches, watch) = ((1..4).map(batch), Watch::new().until(|| true));
        let some = Ssd::importance_watched(&model, batches, loss, &watch).unwrap();
        assert_eq!(some.to_host().unwrap(), one.to_host().unwrap());
    }

    #[test]
    fn bad_input_is_named() {
        let error = SsdConfig::new().with_alpha(0.0).init().unwrap_err();
        assert_eq!(error.to_string(), "`alpha` is 0: allowed is above 0");
        assert!(SsdConfig::new().with_lambda(f64::NAN).init().is_err());
        let ssd = SsdConfig::new().init().unwrap();
        let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
        let x = Tensor::<2>::ones([1, 2], &Device::flex().autodiff());
        let loss = |model: &Linear, x: Tensor<2>| model.forward(x).mean();
        let error = ssd
            .forget(model.clone(), [x.clone()], [], loss)
            .unwrap_err();
        assert_eq!(error.to_string(), "the forget set is empty");
        let importance = ParamVector::of(&model).map(|_, v| v.ones_like());
        let broken = importance.clone().scale(f64::NAN);
        let error = ssd.dampen(model, &importance, &broken).unwrap_err();
        assert!(matches!(error, UnlearningError::NotFinite("forget")));
    }
}
