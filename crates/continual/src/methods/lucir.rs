//! # Lucir
//!
//! Learning a unified classifier: a cosine head, features that keep their direction, and a margin between old and new classes.
//!
//! Source: Hou et al., "Learning a unified classifier incrementally via rebalancing" (CVPR 2019), equations 4 to 9.

mod head;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::per_example::cross_entropy;

pub(crate) use self::head::unit;
pub use self::head::{CosineClassifier, CosineLinear, CosineLinearConfig};
use super::exemplars::{Exemplars, Known, exemplars};
use super::replay::herd;
use crate::error::{check, positive, strength};
use crate::examples::Examples;
use crate::penalties::of_classes;
use crate::scenario::Task;
use crate::strategy::{Steps, Strategy, plain_loss};
use crate::teacher::{Classes, Teacher, constant};
use crate::{ContinualError, Result};

/// `loss = CE + lambda * mean (1 - cos(f_old(x), f(x))) + mean max(margin - cos(w_y, f(x)) + cos(w_k, f(x)), 0)`.
///
/// The first two are means over batch and drawn exemplars, f the features and `f_old` those of the network before the task;
/// `lambda = lambda_base sqrt(old classes / new classes)`. The last is a mean over the drawn exemplars x with label y and the `hardest` new classes k whose
/// cosines are the largest. In the first task, the loss is the cross-entropy.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `exemplars` | | examples that are kept, of all classes together; each class has the same share |
/// | `lambda_base` | 5 | strength of the less-forget part, 0 or more |
/// | `margin` | .5 | the margin, 0 to 2 |
/// | `hardest` | 2 | new classes with which an exemplar is compared, at least 1 |
/// | `rank` | 1 | strength of the margin's part, 0 or more |
/// | `replay` | as many as the batch | exemplars drawn for each micro-batch |
/// | `seed` | 0 | of these draws |
///
/// The model's head is a [`CosineLinear`] ([`CosineClassifier`]). Exemplars are herded as iCaRL's. The strength of the less-forget part rises with
/// the old classes, as in the released code. Differs from the released code in that the head is one matrix for all
/// classes, whose directions of new classes are not set from their mean features, and in that there is no balanced fine-tuning.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, CosineClassifier, CosineLinear, CosineLinearConfig, Encoder, LucirConfig, Strategy};
///
/// #[derive(Module, Debug)]
/// struct Model {
///     body: Linear,
///     head: CosineLinear,
/// }
///
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///     fn logits(&self, batch: &Self::Batch) -> Tensor<2> {
///         self.head.forward(self.features(batch))
///     }
/// }
///
/// impl Encoder for Model {
///     fn features(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         self.body.forward(inputs.clone())
///     }
/// }
///
/// impl CosineClassifier for Model {
///     fn head(&self) -> &CosineLinear {
///         &self.head
///     }
/// }
/// # let device = Device::flex().autodiff();
/// # let model = Model { body: LinearConfig::new(2, 3).init(&device), head: CosineLinearConfig::new(3, 4).init(&device)? };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0], [-1.0, 0.5]], &device), Tensor::<1, Int>::from_data([0, 1], &device));
///
/// let lucir = LucirConfig::new(2000).init(&model)?;
/// // in `TrainStep::step`
/// let loss = lucir.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct LucirConfig {
    /// Examples that are kept, of all classes together.
    pub exemplars: usize,
    /// Strength of the less-forget part, 0 or more.
    #[config(default = 5.0)]
    pub lambda_base: f64,
    /// The margin between cosines, 0 to 2.
    #[config(default = 0.5)]
    pub margin: f64,
    /// New classes with which an exemplar is compared, at least 1.
    #[config(default = 2)]
    pub hardest: usize,
    /// Strength of the margin's part, 0 or more.
    #[config(default = 1.0)]
    pub rank: f64,
    /// Exemplars drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Seed of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl LucirConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a number is outside of its range.
    pub fn init<M: CosineClassifier>(&self, model: &M) -> Result<Lucir<M::Batch>> {
        strength("lambda_base", self.lambda_base)?;
        let margin = (0.0..=2.0).contains(&self.margin);
        check("margin", self.margin, margin, "0 to 2")?;
        positive("hardest", self.hardest)?;
        strength("rank", self.rank)?;
        let config = self.clone();
        let replay = Exemplars::herded(model, self.exemplars, self.replay, self.seed)?;
        Ok(Lucir { config, replay })
    }
}

/// A handle on LUCIR: clones share its state. See [`LucirConfig`].
#[derive(Clone)]
pub struct Lucir<B: Examples> {
    config: LucirConfig,
    replay: Exemplars<B, Teacher>,
}

exemplars!(Lucir);

/// `mean (1 - cos(a, b))` over rows.
fn less_forget(earlier: Tensor<2>, features: Tensor<2>) -> Tensor<1> {
    let cosines = (unit(earlier, 1) * unit(features, 1)).sum_dim(1);
    (-cosines + 1.0).mean()
}

/// `mean max(margin - own + other, 0)`: own cosines `[n, 1]`, those of the new classes `[n, classes]`, of which the `hardest` count.
fn ranking(own: Tensor<2>, new: Tensor<2>, margin: f64, hardest: usize) -> Tensor<1> {
    let [rows, classes] = new.dims();
    let hardest = hardest.min(classes);
    let new = new.topk(hardest, 1);
    let own = own.expand([rows, hardest]);
    (new - own + margin).clamp_min(0.0).mean()
}

impl<M: CosineClassifier> Strategy<M> for Lucir<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    /// The whole loss less the cross-entropy of the batch: a second forward pass over the batch.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        Ok(self.loss(model, batch)? - plain_loss(model, batch))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.replay.look(batch)?;
        let count = self.config.replay.unwrap_or(batch.count());
        let drawn = self
            .replay
            .draw(model, count, batch)?
            .map(|drawn| drawn.batch);
        let exemplars = drawn.as_ref().map(Examples::labels);
        let all = match drawn {
            Some(drawn) => batch.clone().join(drawn),
            None => batch.clone(),
        };
        let features = model.features(&all);
        let head = model.head();
        let cosines = head.cosines(features.clone());
        let sigma = head.sigma.val().cast(FloatDType::F32).reshape([1, 1]);
        let loss = cross_entropy(cosines.clone() * sigma, all.labels()).mean();
        let (classes, teacher) = self.replay.known();
        let Some(teacher) = teacher else {
            return Ok(loss);
        };
        let new: Vec<usize> = classes.current.difference(&classes.old).copied().collect();
        let ratio = classes.old.len() as f64 / classes.current.len().max(1) as f64;
        let lambda = self.config.lambda_base * ratio.sqrt();
        let earlier = teacher.model(model)?.features(&all.inner());
        let earlier = constant(earlier.cast(FloatDType::F32), &features);
        let kept = less_forget(earlier, features.cast(FloatDType::F32));
        let loss = loss + kept * lambda;
        let (Some(labels), false) = (exemplars, new.is_empty()) else {
            return Ok(loss);
        };
        let rows = labels.dims()[0];
        let of_exemplars = cosines.narrow(0, batch.count(), rows);
        let own = of_exemplars.clone().gather(1, labels.reshape([rows, 1]));
        let of_new = of_classes(of_exemplars, &new)?;
        let part = ranking(own, of_new, self.config.margin, self.config.hardest);
        Ok(loss + part * self.config.rank)
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        self.replay.begin(task);
        Ok(model)
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let after = herd(&self.replay, &model.valid(), data)?;
        self.replay.end(after, Teacher::of(&model)?);
        Ok(model)
    }
}

impl<B: Examples> Part for Lucir<B> {
    fn kind(&self) -> String {
        "lucir 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let plain = |state: &Known<Teacher>| state.classes.clone();
        Ok(self.replay.save(plain, |state, saved| match &state.ended {
            Some(teacher) => teacher.write("teacher", saved),
            None => Ok(saved),
        })?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        Ok(self
            .replay
            .load(bytes, |classes: Classes, saved, memory, state| {
                let teacher = Teacher::read("teacher", saved, &state.space)?;
                let old = &classes.old;
                if !memory.classes().keys().eq(old) || teacher.is_none() != old.is_empty() {
                    let reason = "network, exemplars and classes do not fit".into();
                    return Err(ContinualError::State(reason));
                }
                Ok(state.with(classes, teacher))
            })?)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    fn rows<const N: usize, const K: usize>(values: [[f32; K]; N]) -> Tensor<2> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn less_forget_by_hand() {
        // Cosines 0.6 and 1, whatever the lengths.
        let value = less_forget(
            rows([[2.0, 0.0], [1.0, 1.0]]),
            rows([[3.0, 4.0], [5.0, 5.0]]),
        );
        assert_relative_eq!(value.into_scalar::<f32>(), 0.2, epsilon = 1e-6);
    }

    #[test]
    fn the_margin_counts_the_hardest_new_classes() {
        let (own, new) = (
            rows([[0.3], [0.9]]),
            rows([[0.1, 0.5, -0.2], [0.2, 0.3, 0.6]]),
        );
        // Row one: .5 - .3 + .5 = .7 and .5 - .3 + .1 = .3; row two: .2 and 0 (.5 - .9 + .3 < 0).
        let value = ranking(own.clone(), new.clone(), 0.5, 2).into_scalar::<f32>();
        assert_relative_eq!(value, (0.7 + 0.3 + 0.2) / 4.0, epsilon = 1e-6);
        // More than there are: all of them.
        let value = ranking(own, new, 0.5, 9).into_scalar::<f32>();
        assert_relative_eq!(value, 1.2 / 6.0, epsilon = 1e-6);
    }
}
