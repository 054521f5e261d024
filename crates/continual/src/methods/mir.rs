//! # Mir
//!
//! Maximally interfered retrieval: of random examples of a memory, those whose loss the coming step would raise most.
//!
//! Source: Aljundi et al., "Online continual learning with maximally interfered retrieval" (arXiv 1908.04742), algorithm 1.

use burn::config::Config;
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::{ParamVector, independent};

use super::replay::{Drawn, Fill, Replay, between_tasks, check, drawn, replayed};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{positive, strength};
use crate::examples::{Examples, read};
use crate::memory::MemoryConfig;
use crate::strategy::{Steps, Strategy, plain_loss};

/// `loss = CE(batch) + beta * CE(chosen)`: chosen are the `replay` of `candidates` random examples x of the memory with the largest
/// `l(theta - rate * g; x) - l(theta; x)`, g the gradient of the batch's cross-entropy.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | | policy, capacity and seed of the memory |
/// | `rate` | | rate of the virtual step, 0 or more: the learning rate |
/// | `candidates` | 50 | examples whose loss is compared, at least 1 |
/// | `replay` | as many as the batch | examples chosen for each micro-batch |
/// | `beta` | 1 | strength of the memory's part, 0 or more |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
///
/// It costs one more gradient of the batch, and two forward passes over the candidates in validation mode. Running statistics of the model do not
/// see them. Where the virtual step gives no finite losses, the first of the candidates are taken.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::memory::MemoryConfig;
/// use regimen_continual::{Classifier, MirConfig, Strategy};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
///
/// let mir = MirConfig::new(MemoryConfig::reservoir(200), 0.05).init(&model)?;
/// // in `TrainStep::step`
/// let loss = mir.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct MirConfig {
    /// Policy, capacity and seed of the memory; not [`Herded`](crate::memory::Policy::Herded).
    pub memory: MemoryConfig,
    /// Rate of the virtual step, 0 or more.
    pub rate: f64,
    /// Examples whose loss is compared, at least 1.
    #[config(default = 50)]
    pub candidates: usize,
    /// Examples chosen for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Strength of the memory's part, 0 or more.
    #[config(default = 1.0)]
    pub beta: f64,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
}

impl MirConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range, or the memory is herded.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<Mir<M::Batch>> {
        strength("rate", self.rate)?;
        strength("beta", self.beta)?;
        positive("candidates", self.candidates)?;
        check(&self.memory, self.replay)?;
        Ok(Mir {
            config: self.clone(),
            replay: Replay::new(&self.memory, self.fill, ())?,
        })
    }
}

/// A handle on maximally interfered retrieval: clones share its memory. See [`MirConfig`].
#[derive(Clone)]
pub struct Mir<B: Examples> {
    config: MirConfig,
    replay: Replay<B>,
}

replayed!(counted Mir, "mir 1", |()| (), |(), _, _, ()| Ok(()));

impl<B: Examples> Mir<B> {
    /// The examples that the coming step on `batch` would hurt most.
    fn chosen<M: Classifier<Batch = B>>(&self, model: &M, batch: &B) -> Result<Option<Drawn<B>>> {
        let count = self.config.replay.unwrap_or(batch.count());
        let mut kept = self
            .replay
            .sample(model, self.config.candidates.max(count), batch)?;
        if kept.len() > count && batch.device().is_autodiff() {
            let items: Vec<B::Item> = kept.iter().map(|kept| kept.item.clone()).collect();
            let candidates = B::of(&items, &batch.inner())?;
            let rise = self.rise(model, batch, &candidates)?;
            let order = largest(&rise, count);
            kept = order.into_iter().map(|place| kept[place].clone()).collect();
        }
        kept.truncate(count);
        drawn(kept, batch)
    }

    /// How much a virtual step on the batch raises the loss of each candidate.
    fn rise<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        batch: &B,
        candidates: &B,
    ) -> Result<Vec<f32>> {
        let copy = independent(model);
        let grads = GradientsParams::from_grads(plain_loss(&copy, batch).backward(), &copy);
        let gradient = ParamVector::gradients(&copy, &grads).widened();
        let now = model.valid();
        let weights = ParamVector::of(&copy).widened();
        let then = weights.axpy(-self.config.rate, &gradient)?;
        let then = then.write_to(model.valid())?;
        let losses = |model: &M| {
            let logits = model.logits(candidates).cast(FloatDType::F32);
            cross_entropy(logits, candidates.labels())
        };
        read("losses", (losses(&then) - losses(&now)).try_into_vec_as())
    }
}

/// The places of the `count` largest values, of equal ones the first; the first places if a value is NaN.
fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    if !values.iter().any(|value| value.is_nan()) {
        order.sort_by(|one, other| values[*other].total_cmp(&values[*one]));
    }
    order.truncate(count);
    order
}

impl<M: Classifier> Strategy<M> for Mir<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let chosen = self.chosen(model, batch)?;
        self.replay
            .offer(batch, false, || independent(model).logits(batch))?;
        self.replay
            .rehearsed(model, chosen, self.config.beta, batch)
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let chosen = self.chosen(model, batch)?;
        self.replay
            .with_rehearsed(model, batch, chosen, self.config.beta, |own| {
                self.replay.offer(batch, false, || own.clone())?;
                Ok(cross_entropy(own, batch.labels()).mean())
            })
    }

    between_tasks!();
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn the_largest_come_first() {
        assert_eq!(largest(&[0.5, 2.0, -1.0, 2.0], 3), [1, 3, 0]);
        assert_eq!(largest(&[0.5, f32::NAN, 9.0], 2), [0, 1]);
        assert_eq!(largest(&[0.5], 2), [0]);
    }
}
