//! # Er
//!
//! Experience replay: each batch has random examples of a memory beside it.
//!
//! Source: Chaudhry et al., "On tiny episodic memories in continual learning" (arXiv 1902.10486); Riemer et al. (arXiv 1810.11910).

use burn::config::Config;
use burn::tensor::Tensor;
use regimen_tensor::independent;
use regimen_tensor::per_example::cross_entropy;

use super::replay::{Drawn, Fill, Replay, between_tasks, check, pass, replayed};
use crate::classifier::Classifier;
use crate::error::strength;
use crate::examples::Examples;
use crate::memory::{Kept, MemoryConfig};
use crate::strategy::{Steps, Strategy};
use crate::{ContinualError, Result};

/// `loss = CE(batch) + beta * CE(memory)`, each a mean over its examples.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | | policy, capacity and seed of the memory |
/// | `replay` | as many as the batch | examples drawn for each micro-batch |
/// | `beta` | 1 | strength of the memory's part, 0 or more |
/// | `joined` | `false` | whether the loss is the mean over batch and drawn examples as one batch, as in Mammoth; `beta` does not count then |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
///
/// Examples are drawn from all that is kept, those of the running task too, before the batch is offered. [`Strategy::loss`] is one forward
/// pass over both: batch norm sees them as one batch. [`Strategy::penalty`] is a pass over the drawn ones alone.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::memory::MemoryConfig;
/// use regimen_continual::{Classifier, ErConfig, Strategy};
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
/// let er = ErConfig::new(MemoryConfig::reservoir(200)).init(&model)?;
/// // in `TrainStep::step`
/// let loss = er.loss(&model, &batch)?;
/// assert_eq!(er.memory().len(), 1);
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct ErConfig {
    /// Policy, capacity and seed of the memory; not [`Herded`](crate::memory::Policy::Herded).
    pub memory: MemoryConfig,
    /// Examples drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Strength of the memory's part, 0 or more.
    #[config(default = 1.0)]
    pub beta: f64,
    /// Whether batch and drawn examples count as one batch.
    #[config(default = false)]
    pub joined: bool,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
}

impl ErConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range, or the memory is herded.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<Er<M::Batch>> {
        strength("beta", self.beta)?;
        check(&self.memory, self.replay)?;
        Ok(Er {
            config: self.clone(),
            replay: Replay::new(&self.memory, self.fill, ())?,
        })
    }
}

/// A handle on experience replay: clones share its memory. See [`ErConfig`].
#[derive(Clone)]
pub struct Er<B: Examples> {
    config: ErConfig,
    replay: Replay<B>,
}

replayed!(counted Er, "er 1", |()| (), |(), _, _, ()| Ok(()));

impl<B: Examples> Er<B> {
    /// Copies of the examples that are kept.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept<B::Item>> {
        self.replay
            .with(|memory, ()| memory.iter().cloned().collect())
    }

    fn count(&self, batch: &B) -> usize {
        self.config.replay.unwrap_or(batch.count())
    }

    /// The mean over batch and drawn examples as one batch.
    fn joined<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        batch: &B,
        drawn: Option<Drawn<B>>,
    ) -> Result<Tensor<1>> {
        let (own, parts) = pass(model, batch, &drawn.iter().collect::<Vec<_>>());
        self.replay.offer(batch, false, || own.clone())?;
        let own = cross_entropy(own, batch.labels());
        let (Some(drawn), Some(logits)) = (drawn, parts.into_iter().next()) else {
            return Ok(own.mean());
        };
        self.replay.tell(&drawn, &logits)?;
        let kept = cross_entropy(logits, drawn.batch.labels());
        Ok(Tensor::cat(vec![own, kept], 0).mean())
    }
}

impl<M: Classifier> Strategy<M> for Er<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        if self.config.joined {
            return Err(ContinualError::Unsupported {
                method: "Er",
                reason: "a joined batch is no sum with the loss of the batch: call `loss`".into(),
            });
        }
        let drawn = self.replay.draw(model, self.count(batch), batch)?;
        self.replay
            .offer(batch, false, || independent(model).logits(batch))?;
        self.replay.rehearsed(model, drawn, self.config.beta, batch)
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let drawn = self.replay.draw(model, self.count(batch), batch)?;
        if self.config.joined {
            return self.joined(model, batch, drawn);
        }
        self.replay
            .with_rehearsed(model, batch, drawn, self.config.beta, |own| {
                self.replay.offer(batch, false, || own.clone())?;
                Ok(cross_entropy(own, batch.labels()).mean())
            })
    }

    between_tasks!();
}
