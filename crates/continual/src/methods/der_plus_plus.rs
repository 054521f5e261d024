//! # DerPlusPlus
//!
//! Dark experience replay with labels: kept examples hold the logits, others drawn apart the labels.
//!
//! Source: Buzzega et al., "Dark experience for general continual learning" (arXiv 2004.07211), equation 7.

use burn::config::Config;
use burn::tensor::Tensor;
use regimen_tensor::independent;
use regimen_tensor::per_example::cross_entropy;

use super::replay::{Drawn, Fill, Replay, between_tasks, check, pass, replayed, with_logits};
use crate::classifier::Classifier;
use crate::error::strength;
use crate::examples::Examples;
use crate::memory::MemoryConfig;
use crate::penalties::{OutputDivergence, Target};
use crate::strategy::{Steps, Strategy, zero};
use crate::{ContinualError, Result};

/// `loss = CE(batch) + alpha * mean (h(x) - z)^2 + beta * CE(memory)`: the first two as in [`Der`](super::Der), the last on a draw
/// of its own.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `memory` | | policy, capacity and seed of the memory |
/// | `alpha` | .1 | strength of the logits, 0 or more |
/// | `beta` | .5 | strength of the labels, 0 or more |
/// | `replay` | as many as the batch | examples of each of the two draws for each micro-batch |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
///
/// The mean is over classes too: with ten classes it is a tenth of a sum over them. [`Strategy::loss`] is one forward pass over batch and
/// both draws, and keeps the logits of that pass; [`Strategy::penalty`] passes the drawn ones alone, and keeps the logits
/// of a copy of the model. Examples are kept as the batch has them: augmented, if it is.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::memory::MemoryConfig;
/// use regimen_continual::{Classifier, DerPlusPlusConfig, Strategy};
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
/// let der = DerPlusPlusConfig::new(MemoryConfig::reservoir(200)).init(&model)?;
/// // in `TrainStep::step`
/// let loss = der.loss(&model, &batch)?;
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct DerPlusPlusConfig {
    /// Policy, capacity and seed of the memory; not [`Herded`](crate::memory::Policy::Herded).
    pub memory: MemoryConfig,
    /// Strength of the logits, 0 or more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Strength of the labels, 0 or more.
    #[config(default = 0.5)]
    pub beta: f64,
    /// Examples of each of the two draws for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
}

impl DerPlusPlusConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range, or the memory is herded.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<DerPlusPlus<M::Batch>> {
        strength("alpha", self.alpha)?;
        strength("beta", self.beta)?;
        check(&self.memory, self.replay)?;
        Ok(DerPlusPlus {
            config: self.clone(),
            replay: Replay::new(&self.memory, self.fill, ())?,
        })
    }
}

/// A handle on dark experience replay with labels: clones share its memory. See [`DerPlusPlusConfig`].
#[derive(Clone)]
pub struct DerPlusPlus<B: Examples> {
    config: DerPlusPlusConfig,
    replay: Replay<B>,
}

replayed!(counted DerPlusPlus, "der++ 1", |()| (), |(), _, memory, ()| with_logits(memory));

impl<B: Examples> DerPlusPlus<B> {
    /// Two draws; none if nothing is kept.
    fn draw<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        batch: &B,
    ) -> Result<Option<[Drawn<B>; 2]>> {
        let count = self.config.replay.unwrap_or(batch.count());
        let first = self.replay.draw(model, count, batch)?;
        let second = self.replay.draw(model, count, batch)?;
        Ok(first.zip(second).map(|(first, second)| [first, second]))
    }

    /// The parts of both draws, of their logits.
    fn parts(
        &self,
        [first, second]: [Drawn<B>; 2],
        mut logits: impl Iterator<Item = Tensor<2>>,
    ) -> Result<Tensor<1>> {
        let (Some(of_first), Some(of_second)) = (logits.next(), logits.next()) else {
            return Err(ContinualError::Empty("logits"));
        };
        self.replay.tell(&first, &of_first)?;
        self.replay.tell(&second, &of_second)?;
        let kept = Target::Logits(first.logits()?);
        let labels = Target::Labels(second.batch.labels());
        let dark = OutputDivergence::LogitMse.of(of_first, &kept)?;
        let known = OutputDivergence::CrossEntropyToLabel.of(of_second, &labels)?;
        Ok(dark * self.config.alpha + known * self.config.beta)
    }
}

impl<M: Classifier> Strategy<M> for DerPlusPlus<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let drawn = self.draw(model, batch)?;
        self.replay
            .offer(batch, true, || independent(model).logits(batch))?;
        let Some([first, second]) = drawn else {
            return Ok(zero(&batch.device()));
        };
        let (of_first, parts) = pass(model, &first.batch, &[&second]);
        self.parts([first, second], [of_first].into_iter().chain(parts))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let drawn = self.draw(model, batch)?;
        let all: Vec<_> = drawn.iter().flatten().collect();
        let (own, parts) = pass(model, batch, &all);
        self.replay.offer(batch, true, || own.clone())?;
        let own = cross_entropy(own, batch.labels()).mean();
        match drawn {
            Some(drawn) => Ok(own + self.parts(drawn, parts.into_iter())?),
            None => Ok(own),
        }
    }

    between_tasks!();
}
