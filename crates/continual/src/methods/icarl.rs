//! # Icarl
//!
//! Incremental classifier and representation learning: herded exemplars, distillation of old classes, and the nearest mean as classifier.
//!
//! Source: Rebuffi et al., "iCaRL: incremental classifier and representation learning" (arXiv 1611.07725), algorithms 1 to 5.

use std::collections::BTreeMap;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::tensor::activation::{sigmoid, softplus};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::exemplars::{Exemplars, Known, exemplars};
use super::replay::{AT_ONCE, Herd, herd, pass};
use crate::classifier::Encoder;
use crate::examples::Examples;
use crate::penalties::of_classes;
use crate::scenario::Task;
use crate::strategy::{Steps, Strategy, plain_loss};
use crate::teacher::{Classes, Teacher, constant, plain};
use crate::{ContinualError, Result};

/// The score of a class without exemplars.
const UNKNOWN: f32 = -1e9;

/// `loss = mean BCE(sigmoid(h_k(x)), t_k)` over batch, drawn exemplars and all classes k so far: `t_k` is whether k is the label for the classes
/// of the running task, and the sigmoid output of the network before the task for older ones.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `exemplars` | | examples that are kept, of all classes together; each class has the same share |
/// | `replay` | as many as the batch | exemplars drawn for each micro-batch |
/// | `seed` | 0 | of these draws |
///
/// At the end of a task, herding takes the exemplars of its classes from all of its data ([`herding`](crate::memory::herding)), and the others keep
/// their first ones. [`Strategy::logits`] is minus the squared distance of the normalised features from the normalised mean of the exemplars of each class,
/// -1e9 for classes without: means are those of the end of the last task. There `features` are those of
/// [`Encoder`].
///
/// The classes of the running task are those that [`before_task`](Strategy::before_task) told; if none, those that were seen in its
/// batches.
///
/// Differs from the paper in two things:
/// - its loss sums over the classes, where this one is the mean over them, which of k classes so far is 1/k of the sum. A plain gradient step
///   at rate r on the sum is the step at rate `k r` on the mean; since k grows with the tasks, a constant rate here falls by 1/k on the scale
///   of the sum. Adam, whose steps do not depend on the scale of the loss, takes the same rate for both;
/// - it trains on batches of the union of data and exemplars, where each batch here has a draw of exemplars beside it.
///
/// Differs from Mammoth, which averages features over an image and its mirror image.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{activation::relu, Device, Int, Tensor}};
/// use regimen_continual::{Classifier, Encoder, IcarlConfig, Strategy};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Model { body: Linear, head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, batch: &Self::Batch) -> Tensor<2> { self.head.forward(self.features(batch)) }
/// # }
/// impl Encoder for Model {
///     fn features(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         relu(self.body.forward(inputs.clone()))
///     }
/// }
/// # let device = Device::flex().autodiff();
/// # let model = Model { body: LinearConfig::new(2, 3).init(&device), head: LinearConfig::new(3, 4).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0], [-1.0, 0.5]], &device), Tensor::<1, Int>::from_data([0, 1], &device));
///
/// let icarl = IcarlConfig::new(2000).init(&model)?;
/// // in `TrainStep::step`
/// let loss = icarl.loss(&model, &batch)?;
/// // after the task, with its data
/// let model = icarl.after_task(model, &Prepared(vec![batch.clone()]))?;
/// // evaluation
/// assert_eq!(icarl.logits(&model, &batch)?.dims(), [2, 4]);
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct IcarlConfig {
    /// Examples that are kept, of all classes together.
    pub exemplars: usize,
    /// Exemplars drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Seed of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl IcarlConfig {
    /// For a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If `exemplars` or `replay` is 0.
    pub fn init<M: Encoder>(&self, model: &M) -> Result<Icarl<M::Batch>> {
        let config = self.clone();
        let replay = Exemplars::herded(model, self.exemplars, self.replay, self.seed)?;
        Ok(Icarl { config, replay })
    }
}

/// A handle on iCaRL: clones share its state. See [`IcarlConfig`].
#[derive(Clone)]
pub struct Icarl<B: Examples> {
    config: IcarlConfig,
    replay: Exemplars<B, Ended>,
}

/// What is known after a task.
#[derive(Clone)]
struct Ended {
    teacher: Teacher,
    /// `[classes, width]`, of the old classes in ascending order.
    means: Tensor<2>,
    /// Outputs of the model.
    outputs: usize,
}

/// What is saved beside the earlier network and the means.
#[derive(Serialize, Deserialize)]
struct Plain {
    classes: Classes,
    outputs: usize,
}

exemplars!(Icarl);

/// The binary cross-entropy of logits and targets from 0 to 1, the mean over all.
fn bce(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (softplus(logits.clone(), 1.0) - logits * targets).mean()
}

/// Whether each class is the label of each example, `[batch, classes]`, in f32 on the plain device.
fn is_label(labels: Tensor<1, Int>, classes: &[usize]) -> Tensor<2> {
    let labels = match labels.is_autodiff() {
        true => labels.inner(),
        false => labels,
    };
    let (batch, count) = (labels.dims()[0], classes.len());
    let ids: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
    let data = TensorData::new(ids, [1, count]);
    let ids = Tensor::<2, Int>::from_data(data, &labels.device()).expand([batch, count]);
    let labels = labels.reshape([batch, 1]).expand([batch, count]);
    labels.equal(ids).float().cast(FloatDType::F32)
}

/// A row of ones and zeros, `[1, n]`, in f32, on the device of `like`.
fn row(flags: impl Iterator<Item = bool>, like: &Tensor<2>) -> Tensor<2> {
    let values: Vec<f32> = flags.map(|flag| if flag { 1.0 } else { 0.0 }).collect();
    let count = values.len();
    let data = TensorData::new(values, [1, count]);
    Tensor::from_data(data, (&like.device(), FloatDType::F32.into()))
}

/// Rows of length 1, in f32; a row of zeros stays as it is.
fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let rows = rows.cast(FloatDType::F32);
    let norms = rows.clone().square().sum_dim(1).sqrt();
    rows / norms.clamp_min(1e-12)
}

/// The normalised means of the normalised features of each class's exemplars.
fn means<M: Encoder>(plain: &M, after: &Herd<M::Batch>) -> Result<Tensor<2>> {
    let mut classes: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for kept in after.memory.iter() {
        let items = classes.entry(kept.label).or_default();
        items.push(kept.item.clone());
    }
    let means = classes.into_values().map(|items| {
        let sums = items.chunks(AT_ONCE).map(|items| {
            let batch = M::Batch::of(items, &after.like)?;
            Ok(normalised(plain.features(&batch)).sum_dim(0))
        });
        let sum = sums.reduce(|sum: Result<_>, part| Ok(sum? + part?));
        let sum = sum.unwrap_or(Err(ContinualError::Empty("the exemplars of a class")))?;
        Ok(normalised(sum / items.len() as f64))
    });
    Ok(Tensor::cat(means.collect::<Result<_>>()?, 0))
}

impl<M: Encoder> Strategy<M> for Icarl<M::Batch> {
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
        let drawn = self.replay.draw(model, count, batch)?;
        let all = match drawn {
            Some(drawn) => batch.clone().join(drawn.batch),
            None => batch.clone(),
        };
        let (logits, _) = pass(model, &all, &[]);
        let (classes, ended) = self.replay.known();
        let known = classes.all();
        let mut targets = is_label(all.labels(), &known);
        if let Some(ended) = ended {
            let earlier = ended.teacher.model(model)?.logits(&all.inner());
            let earlier = sigmoid(of_classes(earlier.cast(FloatDType::F32), &known)?);
            let new = row(
                known.iter().map(|class| classes.current.contains(class)),
                &earlier,
            );
            targets = targets * new.clone() + earlier * (-new + 1.0);
        }
        let logits = of_classes(logits, &known)?;
        let targets = constant(targets, &logits);
        Ok(bce(logits, targets))
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        self.replay.begin(task);
        Ok(model)
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let plain = model.valid();
        let after = herd(&self.replay, &plain, data)?;
        let ended = Ended {
            teacher: Teacher::of(&model)?,
            means: means(&plain, &after)?,
            outputs: plain.logits(&after.like).dims()[1],
        };
        self.replay.end(after, ended);
        Ok(model)
    }

    fn logits(&self, model: &M, batch: &M::Batch) -> Result<Tensor<2>> {
        let (classes, ended) = self.replay.known();
        let old: Vec<usize> = classes.old.into_iter().collect();
        let ended = ended.ok_or(ContinualError::Empty("the classes of tasks that ended"))?;
        let features = normalised(model.features(batch));
        let means = constant(ended.means, &features);
        let inner = features.clone().matmul(means.clone().transpose());
        let squares = |rows: Tensor<2>| rows.square().sum_dim(1);
        let distances = squares(features.clone()) + squares(means).transpose() - inner * 2.0;
        let places: Vec<f32> = old
            .iter()
            .flat_map(|class| (0..ended.outputs).map(move |output| f32::from(output == *class)))
            .collect();
        let device = plain(&features.device());
        let data = TensorData::new(places, [old.len(), ended.outputs]);
        let places = Tensor::<2>::from_data(data, (&device, FloatDType::F32.into()));
        let unknown = row(
            (0..ended.outputs).map(|output| !old.contains(&output)),
            &places,
        );
        let scores = (-distances).matmul(constant(places, &features));
        Ok(scores + constant(unknown * UNKNOWN, &features))
    }
}

impl<B: Examples> Part for Icarl<B> {
    fn kind(&self) -> String {
        "icarl 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let plain = |state: &Known<Ended>| Plain {
            classes: state.classes.clone(),
            outputs: state.ended.as_ref().map_or(0, |ended| ended.outputs),
        };
        Ok(self.replay.save(plain, |state, saved| match &state.ended {
            Some(ended) => ended
                .teacher
                .write("teacher", saved)?
                .with_tensor("means", ended.means.clone()),
            None => Ok(saved),
        })?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        Ok(self
            .replay
            .load(bytes, |read: Plain, saved, memory, state| {
                let odd = |reason: &str| Err(ContinualError::State(reason.to_owned()));
                let devices = state.space.entries().first();
                let device = devices.map_or_else(Default::default, |entry| entry.values.device());
                let teacher = Teacher::read("teacher", saved, &state.space)?;
                let means = saved.tensor::<2>("means", &device)?;
                let (old, outputs) = (&read.classes.old, read.outputs);
                let ended = match (teacher, means) {
                    (Some(teacher), Some(means)) => {
                        let sound = means.dims()[0] == old.len()
                            && old.last().is_some_and(|last| *last < outputs)
                            && memory.classes().keys().eq(old);
                        if !sound {
                            return odd("means, exemplars and classes do not fit");
                        }
                        Some(Ended {
                            teacher,
                            means,
                            outputs,
                        })
                    }
                    (None, None) if old.is_empty() && memory.is_empty() => None,
                    _ => return odd("network, means and classes do not fit"),
                };
                Ok(state.with(read.classes, ended))
            })?)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_loss_by_hand() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[0.5, -1.0, 2.0]], &device);
        let earlier = sigmoid(Tensor::<2>::from_data([[1.0, 0.0, 0.0]], &device));
        let targets = Tensor::cat(
            vec![
                earlier.narrow(1, 0, 2),
                Tensor::<2>::from_data([[1.0]], &device),
            ],
            1,
        );
        let value = bce(logits, targets).into_scalar::<f32>();
        assert_relative_eq!(value, 0.516_245_8, epsilon = 1e-6);
    }

    #[test]
    fn labels_among_classes() {
        let labels = Tensor::<1, Int>::from_data([3, 1, 0], &Device::flex());
        let found: Vec<f32> = is_label(labels, &[1, 3])
            .try_into_vec_as()
            .unwrap_or_default();
        assert_eq!(found, [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
