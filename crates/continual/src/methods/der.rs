//! # Der
//!
//! Dark experience replay: the logits of kept examples stay near those of the time at which they were kept.
//!
//! Source: Buzzega et al., "Dark experience for general continual learning" (arXiv 2004.07211), equation 6.

use burn::config::Config;
use burn::tensor::Tensor;
use regimen_tensor::independent;
use regimen_tensor::per_example::cross_entropy;

use super::replay::{Fill, Replay, between_tasks, check, pass, replayed, with_logits};
use crate::Result;
use crate::classifier::Classifier;
use crate::error::strength;
use crate::examples::Examples;
use crate::memory::MemoryConfig;
use crate::penalties::{OutputDivergence, Target};
use crate::strategy::{Steps, Strategy, zero};

/// `loss = CE(batch) + alpha * mean (h(x) - z)^2` over drawn examples x and all classes, z the logits at the time at which x was added.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | | policy, capacity and seed of the memory |
/// | `alpha` | .1 | strength, 0 or more |
/// | `replay` | as many as the batch | examples drawn for each micro-batch |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
///
/// The mean is over classes too: with ten classes it is a tenth of a sum over them. [`Strategy::loss`] is one forward pass over batch and
/// drawn examples, and keeps the logits of that pass; [`Strategy::penalty`] passes the drawn ones alone, and keeps the logits
/// of a copy of the model. Examples are kept as the batch has them: augmented, if it is.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::memory::MemoryConfig;
/// use regimen_continual::{Classifier, DerConfig, Strategy};
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
/// let der = DerConfig::new(MemoryConfig::reservoir(200)).init(&model)?;
/// // in `TrainStep::step`
/// let loss = der.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct DerConfig {
    /// Policy, capacity and seed of the memory; not [`Herded`](crate::memory::Policy::Herded).
    pub memory: MemoryConfig,
    /// Strength, 0 or more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Examples drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
}

impl DerConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range, or the memory is herded.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<Der<M::Batch>> {
        strength("alpha", self.alpha)?;
        check(&self.memory, self.replay)?;
        Ok(Der {
            config: self.clone(),
            replay: Replay::new(&self.memory, self.fill, ())?,
        })
    }
}

/// A handle on dark experience replay: clones share its memory. See [`DerConfig`].
#[derive(Clone)]
pub struct Der<B: Examples> {
    config: DerConfig,
    replay: Replay<B>,
}

replayed!(counted Der, "der 1", |()| (), |(), _, memory, ()| with_logits(memory));

impl<B: Examples> Der<B> {
    fn count(&self, batch: &B) -> usize {
        self.config.replay.unwrap_or(batch.count())
    }
}

impl<M: Classifier> Strategy<M> for Der<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let drawn = self.replay.draw(model, self.count(batch), batch)?;
        self.replay
            .offer(batch, true, || independent(model).logits(batch))?;
        let Some(drawn) = drawn else {
            return Ok(zero(&batch.device()));
        };
        let (logits, _) = pass(model, &drawn.batch, &[]);
        self.replay.tell(&drawn, &logits)?;
        let kept = Target::Logits(drawn.logits()?);
        Ok(OutputDivergence::LogitMse.of(logits, &kept)? * self.config.alpha)
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let drawn = self.replay.draw(model, self.count(batch), batch)?;
        let (own, parts) = pass(model, batch, &drawn.iter().collect::<Vec<_>>());
        self.replay.offer(batch, true, || own.clone())?;
        let own = cross_entropy(own, batch.labels()).mean();
        let (Some(drawn), Some(logits)) = (drawn, parts.into_iter().next()) else {
            return Ok(own);
        };
        self.replay.tell(&drawn, &logits)?;
        let kept = Target::Logits(drawn.logits()?);
        Ok(own + OutputDivergence::LogitMse.of(logits, &kept)? * self.config.alpha)
    }

    between_tasks!();
}
