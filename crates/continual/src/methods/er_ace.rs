//! # ErAce
//!
//! Experience replay with an asymmetric cross-entropy: new classes do not push the old ones down.
//!
//! Source: Caccia et al., "New insights on reducing abrupt representation change in online continual learning" (arXiv 2104.05025).

use std::collections::BTreeSet;
use std::fmt;

use burn::config::Config;
use burn::tensor::{FloatDType, Tensor, TensorData};
use regimen_tensor::per_example::cross_entropy;

use super::replay::{Fill, Replay, between_tasks, check, replayed};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::strength;
use crate::examples::Examples;
use crate::memory::MemoryConfig;
use crate::strategy::{Steps, Strategy, plain_loss};
use crate::teacher::{constant, labels};

/// What is added to the logits of classes that do not count: finite, so that a label among them gives no NaN.
const OUT: f32 = -1e9;

/// `loss = CE(batch; logits of the classes in the batch and of those never seen) + beta * CE(memory)`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | | policy, capacity and seed of the memory |
/// | `replay` | as many as the batch | examples drawn for each micro-batch |
/// | `beta` | 1 | strength of the memory's part, 0 or more |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
///
/// The logits of classes that were seen and are not in the batch are set to -1e9; those of the memory's part stay as they are. Differs
/// from Mammoth, which masks from the second task on.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::memory::MemoryConfig;
/// use regimen_continual::{Classifier, ErAceConfig, Strategy};
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
/// let er_ace = ErAceConfig::new(MemoryConfig::reservoir(200)).init(&model)?;
/// // in `TrainStep::step`
/// let loss = er_ace.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct ErAceConfig {
    /// Policy, capacity and seed of the memory; not [`Herded`](crate::memory::Policy::Herded).
    pub memory: MemoryConfig,
    /// Examples drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Strength of the memory's part, 0 or more.
    #[config(default = 1.0)]
    pub beta: f64,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
}

impl ErAceConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range, or the memory is herded.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<ErAce<M::Batch>> {
        strength("beta", self.beta)?;
        check(&self.memory, self.replay)?;
        Ok(ErAce {
            config: self.clone(),
            replay: Replay::new(&self.memory, self.fill, BTreeSet::new())?,
        })
    }
}

/// A handle on experience replay with asymmetric cross-entropy: clones share its state. See [`ErAceConfig`].
#[derive(Clone)]
pub struct ErAce<B: Examples> {
    config: ErAceConfig,
    replay: Replay<B, BTreeSet<usize>>,
}

impl<B: Examples> fmt::Debug for ErAce<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, seen) = self.replay.with(|memory, seen| (memory.len(), seen.len()));
        write!(f, "ErAce({kept} examples, {seen} classes)")
    }
}

replayed!(ErAce, "er-ace 1", BTreeSet::clone, |seen, _, _, _| Ok(seen));

/// Logits in f32, -1e9 for the classes that were seen and are not present.
pub(crate) fn masked(
    logits: Tensor<2>,
    present: &BTreeSet<usize>,
    seen: &BTreeSet<usize>,
) -> Tensor<2> {
    let logits = logits.cast(FloatDType::F32);
    let [_, classes] = logits.dims();
    let out = |class: &usize| seen.contains(class) && !present.contains(class);
    let out: Vec<bool> = (0..classes).map(|class| out(&class)).collect();
    if !out.contains(&true) {
        return logits;
    }
    let factor: Vec<f32> = out.iter().map(|out| if *out { 0.0 } else { 1.0 }).collect();
    let added: Vec<f32> = out.iter().map(|out| if *out { OUT } else { 0.0 }).collect();
    let row = |values: Vec<f32>| {
        let device = crate::teacher::plain(&logits.device());
        let data = TensorData::new(values, [1, classes]);
        constant(
            Tensor::<2>::from_data(data, (&device, FloatDType::F32.into())),
            &logits,
        )
    };
    let (factor, added) = (row(factor), row(added));
    logits * factor + added
}

impl<M: Classifier> Strategy<M> for ErAce<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    /// The whole loss less the cross-entropy of the batch: a second forward pass over the batch.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        Ok(self.loss(model, batch)? - plain_loss(model, batch))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let present: BTreeSet<usize> = labels(batch)?.into_iter().collect();
        let count = self.config.replay.unwrap_or(batch.count());
        let drawn = self.replay.draw(model, count, batch)?;
        self.replay
            .with_rehearsed(model, batch, drawn, self.config.beta, |own| {
                self.replay.offer(batch, false, || own.clone())?;
                let trains = own.is_autodiff();
                let seen = self.replay.with(|_, seen| {
                    if trains {
                        seen.extend(&present);
                    }
                    seen.clone()
                });
                Ok(cross_entropy(masked(own, &present, &seen), batch.labels()).mean())
            })
    }

    between_tasks!();
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::{Device, Int};

    use super::*;

    /// Logits (1, 2, .5, 0), allowed {2, 3}, label 2: .47407698; a label that is not allowed gives no NaN.
    #[test]
    fn the_masked_cross_entropy_by_hand() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0, 2.0, 0.5, 0.0]], &device);
        let logits = masked(logits, &[2].into(), &[0, 1, 2].into());
        let loss = |label: i64| {
            let label = Tensor::<1, Int>::from_data([label], &device);
            cross_entropy(logits.clone(), label).into_scalar::<f32>()
        };
        assert_relative_eq!(loss(2), 0.474_077, epsilon = 1e-6);
        assert!(loss(0).is_finite());
    }
}
