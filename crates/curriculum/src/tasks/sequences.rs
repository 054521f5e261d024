//! # TaskSequences
//!
//! Batches of whole small data sets as sequences, each of one task: a place holds an example and the label of the example before it.
//!
//! Source: Kirsch, Harrison, Sohl-Dickstein and Metz, "General-Purpose In-Context Learning by Meta-Learning Transformers", arXiv 2212.04458

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::family::{Task, TaskFamily};
use crate::error::{CurriculumError, Result, count};

/// Numbers of a batch's projections, and of its places, at most.
const MOST: usize = 1 << 30;

/// Examples with their classes, which all tasks of a family are made from.
///
/// Keep apart the examples to train on and those to test on: a test on tasks that are new, with examples that are not, tells less.
#[derive(Clone, Debug)]
pub struct LabelledPool {
    features: Tensor<2>,
    labels: Vec<usize>,
}

impl LabelledPool {
    /// Features `[examples, features]` and the class of each example, counted from 0. Reads once from the device whether all are finite.
    ///
    /// # Errors
    /// If there is no example or no feature, not as many labels as examples, a feature is not finite, or the device fails.
    pub fn new(features: Tensor<2>, labels: Vec<usize>) -> Result<Self> {
        let [examples, width] = features.dims();
        count("features", width, width > 0, "1 or more")?;
        if examples == 0 {
            return Err(CurriculumError::TooFew {
                field: "features",
                found: 0,
                needed: 1,
            });
        }
        if labels.len() != examples {
            let (ids, losses) = (examples, labels.len());
            return Err(other("labels", losses, ids));
        }
        let finite = features.clone().is_finite().all();
        if !scalar(finite.int())? {
            return Err(CurriculumError::OutOfRange {
                field: "features",
                value: "NaN or infinite".into(),
                allowed: "finite numbers",
            });
        }
        Ok(Self { features, labels })
    }

    /// With each feature at mean 0 and variance 1 over the examples; one that never changes becomes 0.
    #[must_use]
    pub fn standardised(self) -> Self {
        let dtype = self.features.dtype();
        let wide = self.features.cast(DType::F32);
        let (variance, mean) = wide.clone().var_mean_bias(0);
        let same = variance.clone().lower_equal_elem(0.0);
        let scale = variance.mask_fill(same, 1.0).sqrt();
        Self {
            features: ((wide - mean) / scale).cast(dtype),
            labels: self.labels,
        }
    }

    /// Examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// Features of an example.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features.dims()[1]
    }
}

fn other(field: &'static str, found: usize, needed: usize) -> CurriculumError {
    CurriculumError::OutOfRange {
        field,
        value: format!("{found} of them for {needed} examples"),
        allowed: "one an example",
    }
}

/// Whether a number on the device is not 0.
fn scalar(value: Tensor<1, Int>) -> Result<bool> {
    let values = value.try_into_vec_as::<i64>();
    let values = values.map_err(|error| CurriculumError::Read(error.to_string()))?;
    Ok(values.iter().all(|value| *value != 0))
}

/// Sequences for a model that learns from its context.
#[derive(Clone, Debug)]
pub struct SequenceBatch {
    /// `[batch, length, projected + classes]`: the example of each place, then the label of the place before it as a one-hot vector, zeros at the
    /// first place.
    pub inputs: Tensor<3>,
    /// The label to predict at each place, `[batch, length]`.
    pub labels: Tensor<2, Int>,
    classes: usize,
}

impl SequenceBatch {
    /// From examples `[batch, length, projected]` and the labels of all places, row after row.
    ///
    /// # Errors
    /// If a size is 0, there is not one label a place, or one is not below `classes`.
    pub fn new(examples: Tensor<3>, labels: &[usize], classes: usize) -> Result<Self> {
        let [batch, length, width] = examples.dims();
        let places = batch * length;
        let good = places > 0 && width > 0;
        count(
            "examples",
            places,
            good,
            "one or more, of one number or more",
        )?;
        count("classes", classes, classes >= 2, "2 or more")?;
        if labels.len() != places {
            return Err(other("labels", labels.len(), places));
        }
        let highest = labels.iter().copied().max().unwrap_or(0);
        count(
            "labels",
            highest,
            highest < classes,
            "below the number of classes",
        )?;
        let device = examples.device();
        let mut before = vec![0.0_f32; places * classes];
        for place in (0..places).filter(|place| place % length > 0) {
            before[place * classes + labels[place - 1]] = 1.0;
        }
        let before = TensorData::new(before, [batch, length, classes]);
        let before = Tensor::from_data(before, (&device, examples.dtype()));
        let labels: Vec<i64> = labels.iter().map(|label| *label as i64).collect();
        Ok(Self {
            inputs: Tensor::cat(vec![examples, before], 2),
            labels: Tensor::from_data(TensorData::new(labels, [batch, length]), &device),
            classes,
        })
    }

    /// The examples alone, `[batch, length, projected]`.
    #[must_use]
    pub fn examples(&self) -> Tensor<3> {
        let [_, _, width] = self.inputs.dims();
        self.inputs.clone().narrow(2, 0, width - self.classes)
    }

    /// Classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The share of right predictions at each place: the learning curve of what predicted them, from `[batch, length]`. One transfer.
    ///
    /// # Errors
    /// If the shape is another than that of the labels, or the device fails.
    pub fn accuracy(&self, predicted: Tensor<2, Int>) -> Result<Vec<f64>> {
        let [batch, length] = self.labels.dims();
        let good = predicted.dims() == [batch, length];
        count("predicted", predicted.dims()[0], good, "one a place")?;
        let right = predicted.equal(self.labels.clone()).int().sum_dim(0);
        let right = right.reshape([length]).try_into_vec_as::<i64>();
        let right = right.map_err(|error| CurriculumError::Read(error.to_string()))?;
        Ok(right
            .into_iter()
            .map(|right| right as f64 / batch as f64)
            .collect())
    }
}

/// Batches of sequences from a family of tasks and a pool of examples.
///
/// Each sequence has a task of its own, and examples that are drawn without being put back. A batch follows from the family's seed and the
/// number of the step alone: there is no state to keep, and a run goes on where it was by its number.
///
/// `seen` and `unseen` differ in the tasks alone: make another one with a pool of other examples for a test on both.
#[derive(Clone, Debug)]
pub struct TaskSequences {
    family: TaskFamily,
    pool: LabelledPool,
    length: usize,
}

impl TaskSequences {
    /// Sequences of `length` places, 2 to the number of examples.
    ///
    /// # Errors
    /// If `length` is out of its range, the pool has other features than the family, or a label that is not below its classes.
    pub fn new(family: TaskFamily, pool: LabelledPool, length: usize) -> Result<Self> {
        let good = (2..=pool.examples()).contains(&length);
        count("length", length, good, "2 to the number of examples")?;
        let [_, width] = pool.features.dims();
        count(
            "features",
            width,
            width == family.features(),
            "as many as the family has",
        )?;
        let highest = pool.labels.iter().copied().max().unwrap_or(0);
        let good = highest < family.classes();
        count("labels", highest, good, "below the family's classes")?;
        Ok(Self {
            family,
            pool,
            length,
        })
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> &TaskFamily {
        &self.family
    }

    /// Sequences of tasks that are trained on.
    ///
    /// # Errors
    /// If `batch` is 0, or so large that the projections or the places have more than 2^30 numbers.
    pub fn seen(&self, step: u64, batch: usize) -> Result<SequenceBatch> {
        self.batch([step, 1], batch, |family, rng| {
            let number = family.draw(rng);
            family.task(number)
        })
    }

    /// Sequences of tasks that are never trained on.
    ///
    /// # Errors
    /// As for [`seen`](Self::seen).
    pub fn unseen(&self, step: u64, batch: usize) -> Result<SequenceBatch> {
        self.batch([step, 2], batch, |family, rng| {
            Ok(family.unseen(rng.random()))
        })
    }

    /// Sequences without a task: examples of normal numbers with labels at random, in the first half, and all of them once more in another order
    /// in the second half. What learns from its context is right there; what only knows images is not.
    ///
    /// # Errors
    /// As for [`seen`](Self::seen).
    pub fn random_pairs(&self, step: u64, batch: usize) -> Result<SequenceBatch> {
        self.check_batch(batch)?;
        let (width, classes) = (self.family.projected(), self.family.classes());
        let pairs = self.length / 2;
        let mut rng = self.family.stream([step, 3]);
        let (mut examples, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let drawn: Vec<f32> = (0..pairs * width)
                .map(|_| rng.sample(StandardNormal))
                .collect();
            let of: Vec<usize> = (0..pairs).map(|_| rng.random_range(0..classes)).collect();
            let again = rand::seq::index::sample(&mut rng, pairs, pairs);
            for pair in (0..pairs).chain(again) {
                examples.extend_from_slice(&drawn[pair * width..(pair + 1) * width]);
                labels.push(of[pair]);
            }
        }
        let examples = TensorData::new(examples, [batch, 2 * pairs, width]);
        let examples = Tensor::from_data(examples, (&self.device(), self.pool.features.dtype()));
        SequenceBatch::new(examples, &labels, classes)
    }

    fn device(&self) -> Device {
        self.pool.features.device()
    }

    fn check_batch(&self, batch: usize) -> Result<()> {
        let family = &self.family;
        let each = family
            .features()
            .max(self.length)
            .saturating_mul(family.projected() + family.classes());
        let good = batch > 0 && batch.saturating_mul(each) <= MOST;
        count("batch", batch, good, "1 or more, up to 2^30 numbers in all")
    }

    fn batch(
        &self,
        key: [u64; 2],
        batch: usize,
        task: impl Fn(&TaskFamily, &mut rand_chacha::ChaCha8Rng) -> Result<Task> + Sync,
    ) -> Result<SequenceBatch> {
        self.check_batch(batch)?;
        let family = &self.family;
        let mut rng = family.stream(key);
        let streams: Vec<u64> = (0..batch).map(|_| rng.random()).collect();
        let rows = streams.into_par_iter().map(|stream| {
            let mut rng = family.stream([stream, 0]);
            let task = task(family, &mut rng)?;
            let drawn = rand::seq::index::sample(&mut rng, self.pool.examples(), self.length);
            let ids: Vec<usize> = drawn.into_vec();
            let labels = ids.iter().map(|id| task.labels()[self.pool.labels[*id]]);
            Ok((labels.collect::<Vec<_>>(), ids, task))
        });
        let rows: Vec<(Vec<usize>, Vec<usize>, Task)> = rows.collect::<Result<_>>()?;
        let (features, projected) = (family.features(), family.projected());
        let projections: Vec<f32> = rows
            .iter()
            .flat_map(|(_, _, task)| task.projection().iter().copied())
            .collect();
        let projections = TensorData::new(projections, [batch, projected, features]);
        let (device, dtype) = (self.device(), self.pool.features.dtype());
        let projections = Tensor::<3>::from_data(projections, (&device, dtype));
        let ids: Vec<i64> = rows
            .iter()
            .flat_map(|(_, ids, _)| ids.iter().map(|id| *id as i64))
            .collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [batch * self.length]), &device);
        let drawn = self.pool.features.clone().select(0, ids);
        let drawn = drawn.reshape([batch, self.length, features]);
        let labels: Vec<usize> = rows.into_iter().flat_map(|(labels, _, _)| labels).collect();
        let examples = drawn.matmul(projections.swap_dims(1, 2));
        SequenceBatch::new(examples, &labels, family.classes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Distribution;

    use super::super::TaskFamilyConfig;
    use super::*;

    fn sequences(tasks: u64) -> TaskSequences {
        let device = Device::flex();
        let features = Tensor::random([40, 12], Distribution::Default, &device);
        let pool = LabelledPool::new(features, (0..40).map(|id| id % 4).collect()).unwrap();
        let family = TaskFamilyConfig::new(12, 5, 4).with_tasks(tasks);
        TaskSequences::new(family.init().unwrap(), pool.standardised(), 10).unwrap()
    }

    fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
        tensor.clone().try_into_vec_as().unwrap()
    }

    #[test]
    fn a_place_holds_the_label_of_the_place_before_it() {
        let batch = sequences(3).seen(7, 6).unwrap();
        let inputs = numbers(&batch.inputs);
        let labels: Vec<i64> = batch.labels.clone().try_into_vec_as().unwrap();
        for (place, input) in inputs.chunks_exact(9).enumerate() {
            let before = (place % 10 > 0).then(|| labels[place - 1] as usize);
            for (class, value) in input[5..].iter().enumerate() {
                assert_eq!(*value, f32::from(before == Some(class)));
            }
        }
    }

    /// One task a sequence: its examples are the pool's by one matrix, and its labels the pool's by one permutation.
    #[test]
    fn a_sequence_is_of_one_task() {
        let sequences = sequences(1);
        let task = sequences.family().task(0).unwrap();
        let batch = sequences.seen(0, 3).unwrap();
        let pool = numbers(&sequences.pool.features);
        let mut known = Vec::new();
        for row in pool.chunks_exact(12) {
            let by = |line: &[f32]| line.iter().zip(row).map(|(a, x)| a * x).sum::<f32>();
            known.push(
                task.projection()
                    .chunks_exact(12)
                    .map(by)
                    .collect::<Vec<_>>(),
            );
        }
        let labels: Vec<i64> = batch.labels.clone().try_into_vec_as().unwrap();
        for (example, label) in numbers(&batch.examples()).chunks_exact(5).zip(labels) {
            let is_same =
                |row: &Vec<f32>| row.iter().zip(example).all(|(a, b)| (a - b).abs() < 1e-5);
            let id = known.iter().position(is_same).unwrap();
            assert_eq!(task.labels()[id % 4] as i64, label);
        }
    }

    #[test]
    fn a_batch_follows_from_its_number_and_unseen_tasks_are_others() {
        let sequences = sequences(1);
        let same = |a: &SequenceBatch, b: &SequenceBatch| numbers(&a.inputs) == numbers(&b.inputs);
        let [one, again, next] = [4, 4, 5].map(|step| sequences.seen(step, 2).unwrap());
        assert!(same(&one, &again) && !same(&one, &next));
        assert!(!same(&one, &sequences.unseen(4, 2).unwrap()));
    }

    #[test]
    fn random_pairs_come_twice() {
        let batch = sequences(2).random_pairs(0, 3).unwrap();
        let labels: Vec<i64> = batch.labels.clone().try_into_vec_as().unwrap();
        let inputs = numbers(&batch.examples());
        for row in 0..3 {
            let pair = |place: usize| {
                let place = 10 * row + place;
                (&inputs[5 * place..5 * (place + 1)], labels[place])
            };
            for again in 5..10 {
                assert_eq!(
                    (0..5).filter(|first| pair(*first) == pair(again)).count(),
                    1
                );
            }
        }
    }

    #[test]
    fn standardised_features() {
        let device = Device::flex();
        let features = Tensor::<2>::from_data([[1.0, 5.0], [3.0, 5.0]], &device);
        let pool = LabelledPool::new(features, vec![0, 1])
            .unwrap()
            .standardised();
        assert_eq!(numbers(&pool.features), [-1.0, 0.0, 1.0, 0.0]);
    }
}
