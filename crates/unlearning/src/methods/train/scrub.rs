//! # Scrub
//!
//! A student that leaves its teacher on the forget set and stays with it elsewhere, in turns.
//!
//! Source: Kurmanji, Triantafillou, Hayes and Triantafillou, "Towards Unbounded Machine Unlearning",
//! NeurIPS 2023, arXiv 2302.09880, section 3; temperature as in the released code.

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use super::divergence::between;
use super::{Method, Order};
use crate::Classifier;
use crate::classifier::mean_loss;
use crate::error::{Result, UnlearningError, check, count, share};
use crate::gradients::reference;
use crate::predictions::accuracy_of;
use crate::watched::watched;

/// Weights of SCRUB. Released runs: 3 to 10 epochs, rate 5e-4, batches of 32 to forget and 128 to retain.
#[derive(Config, Debug, PartialEq)]
pub struct ScrubConfig {
    /// Weight of the retain set's cross-entropy, 0 or more.
    #[config(default = 0.99)]
    pub gamma: f64,
    /// Weight of the retain set's divergence, 0 or more.
    #[config(default = 0.001)]
    pub alpha: f64,
    /// Temperature, above 0.
    #[config(default = 4.0)]
    pub temperature: f64,
    /// Epochs that begin with a pass of max steps over the forget set.
    #[config(default = 2)]
    pub max_epochs: usize,
}

impl ScrubConfig {
    /// Takes the model that is to forget as the teacher.
    ///
    /// # Errors
    /// If a weight is negative, the temperature is not above 0, or one is not finite.
    pub fn init<M: Module>(&self, teacher: &M) -> Result<Scrub<M>> {
        let t = self.temperature;
        check("gamma", self.gamma, self.gamma >= 0.0, "0 or more")?;
        check("alpha", self.alpha, self.alpha >= 0.0, "0 or more")?;
        check("temperature", t, t > 0.0, "above 0")?;
        let (config, teacher) = (self.clone(), reference(teacher));
        Ok(Scrub { config, teacher })
    }
}

/// SCRUB: maximises `T^2 KL(teacher || student)` on forget batches, minimises
/// `gamma CE + alpha T^2 KL` on retain batches. Only the student is optimised.
///
/// At the start student and teacher agree and the divergence has no gradient: in a network without dropout or batch
/// statistics the first max pass hardly moves, and the min pass after it makes the difference that the next one enlarges. At a
/// temperature well above 1 the divergence also grows as the student becomes more certain of the teacher's own class: watch the
/// forget error, and lower the temperature if it stays.
#[derive(Clone, Debug)]
pub struct Scrub<M> {
    config: ScrubConfig,
    teacher: M,
}

impl<M: Classifier> Scrub<M> {
    /// The teacher: the original, unchanged.
    #[must_use]
    pub fn teacher(&self) -> &M {
        &self.teacher
    }

    fn divergence(&self, model: &M, batch: &M::Batch) -> Tensor<1> {
        between(model, &self.teacher, batch, self.config.temperature)
    }
}

impl<M: Classifier> Method<M> for Scrub<M> {
    fn order(&self, epoch: usize) -> Order {
        if epoch < self.config.max_epochs {
            Order::ForgetThenRetain
        } else {
            Order::Retain
        }
    }

    fn forget(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        -self.divergence(model, batch)
    }

    fn retain(&mut self, model: &M, batch: &M::Batch) -> Tensor<1> {
        mean_loss(model, batch) * self.config.gamma
            + self.divergence(model, batch) * self.config.alpha
    }
}

/// Which checkpoint of a run [`rewind`] chose, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Rewound {
    /// Position of the chosen checkpoint.
    pub checkpoint: usize,
    /// Error, `0..=1`, of the last checkpoint on the validation set: what the forget error is to be.
    pub reference: f64,
    /// Error on the forget set of every checkpoint.
    pub forget_errors: Vec<f64>,
}

regimen_tensor::checked_serde!(Rewound);

impl Checked for Rewound {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        let (place, known) = (self.checkpoint, self.forget_errors.len());
        count("checkpoint", place, place < known, "one of the checkpoints")?;
        share("reference", self.reference)?;
        let mut errors = self.forget_errors.iter();
        errors.try_for_each(|error| share("forget_errors", *error))
    }
}

/// SCRUB+R: goes back to the checkpoint whose error on the forget set is nearest to the last one's on `validation`; of
/// equally near ones the latest.
///
/// A forget error above what the model makes of unseen examples gives membership away as a low one does. `checkpoints` are
/// the models after each epoch; `validation` are unseen examples of the forget set's kind (its classes).
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, optim::AdamConfig, tensor::{Device, Int, Tensor}};
/// # use regimen_unlearning::methods::train::{UnlearnConfig, scrub::{ScrubConfig, rewind}};
/// # use regimen_unlearning::{Classifier, Prepared};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, batch: &Self::Batch) -> Tensor<2> { self.head.forward(batch.0.clone()) }
/// #     fn targets(batch: &Self::Batch) -> Tensor<1, Int> { batch.1.clone() }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = |x: [f32; 2], y: i32| (Tensor::from_data([x], &device), Tensor::from_data([y], &device));
/// # let (forget, retain) = (Prepared(vec![batch([1., 0.], 0)]), Prepared(vec![batch([0., 1.], 1)]));
/// # let validation = Prepared(vec![batch([0.9, 0.1], 0)]);
/// let mut scrub = ScrubConfig::new().init(&model)?;
/// let (mut run, mut optim) = (UnlearnConfig::new(5).init()?, AdamConfig::new().init());
/// let (mut student, mut checkpoints) = (model.clone(), Vec::new());
/// while !run.finished() {
///     student = run.epoch(student, &mut scrub, &mut optim, &mut 5e-4, &forget, &retain)?;
///     checkpoints.push(student.clone());
/// }
/// let rewound = rewind(&checkpoints, &forget, &validation)?;
/// let student = &checkpoints[rewound.checkpoint];
/// # let _ = student;
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
///
/// # Errors
/// If there is no checkpoint, or a loader fails or is empty.
pub fn rewind<M: Classifier>(
    checkpoints: &[M],
    forget: &dyn DataLoader<M::Batch>,
    validation: &dyn DataLoader<M::Batch>,
) -> Result<Rewound> {
    rewind_watched(checkpoints, forget, validation, &Watch::default())
}

/// [`rewind`], watched: `"rewind"` reports checkpoints, from the first on. Where it is stopped, the choice is among those measured so far,
/// which `forget_errors` holds.
///
/// # Errors
/// As [`rewind`].
pub fn rewind_watched<M: Classifier>(
    checkpoints: &[M],
    forget: &dyn DataLoader<M::Batch>,
    validation: &dyn DataLoader<M::Batch>,
    watch: &Watch,
) -> Result<Rewound> {
    let _span = tracing::info_span!("rewind", checkpoints = checkpoints.len()).entered();
    let error = |model: &M, data: &dyn DataLoader<M::Batch>| -> Result<f64> {
        Ok(1.0 - accuracy_of(model, data)?)
    };
    let last = checkpoints
        .last()
        .ok_or(UnlearningError::Empty("checkpoint"))?;
    let reference = error(last, validation)?;
    let measured = watched("rewind", checkpoints, watch);
    let errors = measured.map(|model| error(model, forget));
    let forget_errors = errors.collect::<Result<Vec<f64>>>()?;
    Ok(Rewound {
        checkpoint: nearest(&forget_errors, reference),
        reference,
        forget_errors,
    })
}

/// Position of the value nearest to `wanted`; the last of equals.
fn nearest(values: &[f64], wanted: f64) -> usize {
    let distance = |i: &usize| (values[*i] - wanted).abs();
    let nearest = (0..values.len())
        .rev()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_error_wins_and_the_latest_of_equals() {
        assert_eq!(nearest(&[0.0, 0.3, 0.6, 1.0], 0.5), 2);
        assert_eq!(nearest(&[0.25, 0.5, 0.5, 1.0], 0.375), 2);
        assert_eq!(nearest(&[0.1, 0.2], 0.9), 1);
    }
}
