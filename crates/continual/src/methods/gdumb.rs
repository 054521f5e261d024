//! # GDumb
//!
//! Greedy sampler and dumb learner: a class-balanced memory of the stream, and a network trained on it from scratch.
//!
//! Source: Prabhu et al., "GDumb: a simple approach that questions our progress in continual learning" (ECCV 2020).

use burn::config::Config;
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::independent;

use super::replay::{Fill, Replay, between_tasks, replayed};
use crate::classifier::Classifier;
use crate::error::positive;
use crate::examples::Examples;
use crate::memory::{Capacity, MemoryConfig, Policy};
use crate::strategy::{Steps, Strategy, zero};
use crate::{ContinualError, Result};

/// A memory with as many examples of each class, from which a network is trained anew before each evaluation.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `examples` | | examples that are kept, at least 1 |
/// | `fill` | `Always` | which examples of a task are offered |
/// | `seed` | 0 | of all that is random |
///
/// The stream is only looked at: [`GDumb::observe`] needs no model. Training is the user's: a fresh model on [`GDumb::batches`], for as
/// many epochs as wanted. As a [`Strategy`] it watches another training run and adds nothing to its loss. Differs from Mammoth, which
/// trains with CutMix and a cosine rate from .05 to 5e-4 over 256 epochs.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, GDumbConfig};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0], [0.0, 1.0]], &device), Tensor::<1, Int>::from_data([0, 1], &device));
///
/// let gdumb = GDumbConfig::new(100).init(&model)?;
/// gdumb.observe(&batch)?; // each batch of the stream
/// // ahead of an evaluation, a fresh model and some epochs
/// for epoch in 0..2 {
///     for batch in gdumb.batches(16, epoch, &batch)? {
///         // the usual training step
///     }
/// }
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct GDumbConfig {
    /// Examples that are kept, at least 1.
    pub examples: usize,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
    /// Seed of all that is random.
    #[config(default = 0)]
    pub seed: u64,
}

impl GDumbConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If `examples` or `fill` is 0.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<GDumb<M::Batch>> {
        let memory = MemoryConfig::new(Policy::ClassBalanced, Capacity::Total(self.examples));
        let memory = memory.with_seed(self.seed);
        Ok(GDumb {
            config: self.clone(),
            replay: Replay::new(&memory, self.fill, ())?,
        })
    }
}

/// A handle on the memory: clones share it. See [`GDumbConfig`].
#[derive(Clone)]
pub struct GDumb<B: Examples> {
    config: GDumbConfig,
    replay: Replay<B>,
}

replayed!(counted GDumb, "gdumb 1", |()| (), |(), _, _, ()| Ok(()));

impl<B: Examples> GDumb<B> {
    /// Offers a batch of the stream, on any device. Whether its inputs are finite is not looked at.
    ///
    /// # Errors
    /// If the device fails, or a label is negative.
    pub fn observe(&self, batch: &B) -> Result<()> {
        self.replay.offer_any(batch, false, None)
    }

    /// The memory as shuffled batches like `like`, the last one with what is left. Each epoch has an order of its own, which follows
    /// from the seed. `Prepared(batches)` is a loader over them.
    ///
    /// # Errors
    /// If `size` is 0, nothing is kept, or an item does not fit `like`.
    pub fn batches(&self, size: usize, epoch: u64, like: &B) -> Result<Vec<B>> {
        positive("size", size)?;
        let mut items: Vec<B::Item> = self.replay.with(|memory, ()| {
            let items = memory.iter().map(|kept| kept.item.clone());
            items.collect()
        });
        if items.is_empty() {
            return Err(ContinualError::Empty("the memory"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(!self.config.seed);
        rng.set_stream(epoch);
        items.shuffle(&mut rng);
        items.chunks(size).map(|items| B::of(items, like)).collect()
    }
}

impl<M: Classifier> Strategy<M> for GDumb<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.replay
            .offer(batch, false, || independent(model).logits(batch))?;
        Ok(zero(&batch.device()))
    }

    between_tasks!();
}
