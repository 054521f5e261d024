//! # Gss
//!
//! Gradient-based sample selection: a memory of examples whose gradients point in different directions.
//!
//! Source: Aljundi et al., "Gradient based sample selection for online continual learning" (arXiv 1903.08671), algorithm 2 (greedy).

use burn::config::Config;
use burn::tensor::{FloatDType, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::per_example::{cross_entropy, for_each_gradient};

use super::replay::{Fill, Replay, between_tasks, replayed};
use crate::classifier::Classifier;
use crate::error::{positive, strength};
use crate::examples::{Examples, read};
use crate::memory::{Kept, Memory, MemoryConfig};
use crate::strategy::{Steps, Strategy, plain_loss};
use crate::teacher::labels;
use crate::{ContinualError, Result};

/// The score of an example that nothing is kept to compare with.
const ALONE: f32 = 0.1;

/// `loss = CE(batch) + beta * CE(memory)`, with a memory that takes an example by its score
/// `c = 1 + max_k cos(g, g_k)`, g the gradient of its loss and `g_k` those of `gradients` random examples of the memory.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `examples` | | examples that are kept, at least 1 |
/// | `gradients` | 10 | examples of the memory with whose gradients one is compared, at least 1 |
/// | `replay` | as many as the batch | examples drawn for each micro-batch |
/// | `beta` | 1 | strength of the memory's part, 0 or more |
/// | `fill` | `Always` | which examples of a task are offered to the memory |
/// | `seed` | 0 | of all that is random |
///
/// While there is room, every example is taken. Then one with `c < 1`, which points away from all that it is compared with, challenges the
/// kept example i, drawn in proportion to its score `c_i`, and takes its place with probability `c_i / (c_i + c)`.
///
/// It costs a backward pass for each example of the batch, and `gradients` more. Gradients are of single examples, on a copy of the model:
/// batch norm over a batch of one example without further axes gives none. Those of the batch are compared with the memory
/// ahead of it; with an empty one, the score is .1.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Classifier, GssConfig, Strategy};
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
/// let gss = GssConfig::new(200).init(&model)?;
/// // in `TrainStep::step`
/// let loss = gss.loss(&model, &batch)?;
/// assert_eq!(gss.memory().len(), 1);
/// # assert!(loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct GssConfig {
    /// Examples that are kept, at least 1.
    pub examples: usize,
    /// Examples of the memory with whose gradients one is compared, at least 1.
    #[config(default = 10)]
    pub gradients: usize,
    /// Examples drawn for each micro-batch, at least 1; as many as it has if not given.
    #[config(default = "None")]
    pub replay: Option<usize>,
    /// Strength of the memory's part, 0 or more.
    #[config(default = 1.0)]
    pub beta: f64,
    /// Which examples of a task are offered to the memory.
    #[config(default = "Fill::Always")]
    pub fill: Fill,
    /// Seed of all that is random.
    #[config(default = 0)]
    pub seed: u64,
}

impl GssConfig {
    /// For models with the batches of this one.
    ///
    /// # Errors
    /// If a number is outside of its range.
    pub fn init<M: Classifier>(&self, _model: &M) -> Result<Gss<M::Batch>> {
        positive("examples", self.examples)?;
        positive("gradients", self.gradients)?;
        positive("replay", self.replay.unwrap_or(1))?;
        strength("beta", self.beta)?;
        let memory = MemoryConfig::reservoir(self.examples).with_seed(self.seed);
        Ok(Gss {
            config: self.clone(),
            replay: Replay::new(&memory, self.fill, Vec::new())?,
        })
    }
}

/// A handle on gradient-based sample selection: clones share its memory. See [`GssConfig`].
#[derive(Clone)]
pub struct Gss<B: Examples> {
    config: GssConfig,
    /// Beside each kept example, in their order, its score.
    replay: Replay<B, Vec<f32>>,
}

replayed!(counted Gss, "gss 1", Vec::clone, |scores, _, memory, _| sound(scores, memory));

impl<B: Examples> Gss<B> {
    /// The scores of the kept examples, 0 to 2, in the order of the memory.
    #[must_use]
    pub fn scores(&self) -> Vec<f32> {
        self.replay.with(|_, scores| scores.clone())
    }

    /// Scores of a batch's examples: one read.
    fn score<M: Classifier<Batch = B>>(&self, model: &M, batch: &B) -> Result<Vec<f32>> {
        let kept = self.replay.sample(model, self.config.gradients, batch)?;
        if kept.is_empty() {
            return Ok(vec![ALONE; batch.count()]);
        }
        let kept = kept.into_iter().map(|kept| B::of(&[kept.item], batch));
        let known = directions(model, kept.collect::<Result<_>>()?)?;
        let known = Tensor::stack::<2>(known, 0);
        let rows = (0..batch.count()).map(|row| batch.rows(&[row]));
        let own = directions(model, rows.collect())?.into_iter().map(|own| {
            let alike = known.clone().matmul(own.unsqueeze_dim::<2>(1));
            alike.max().reshape([1])
        });
        let cosines = Tensor::cat(own.collect(), 0);
        let cosines: Vec<f32> = read("cosines of gradients", cosines.try_into_vec_as())?;
        Ok(cosines
            .into_iter()
            .map(|cosine| (1.0 + cosine).clamp(0.0, 2.0))
            .collect())
    }

    /// Offers a batch to the memory.
    fn offer<M: Classifier<Batch = B>>(&self, model: &M, batch: &B) -> Result<()> {
        let count = self.replay.room().min(batch.count());
        if count == 0 || !batch.device().is_autodiff() {
            return Ok(());
        }
        let places: Vec<usize> = (0..count).collect();
        let batch = batch.rows(&places);
        let scores = self.score(model, &batch)?;
        if scores.iter().any(|score| !score.is_finite()) {
            let what = "the gradients of examples for the memory".to_owned();
            self.replay.steps().note(ContinualError::NotFinite(what));
            return Ok(());
        }
        let plain = batch.inner();
        let (labels, task) = (labels(&plain)?, self.replay.task());
        let most = self.config.examples;
        let room = most - self.replay.with(|memory, _| memory.len().min(most));
        // What is not read can't be kept: without room, only what challenges.
        let read = |place: &usize| *place < room || scores[*place] < 1.0;
        let wanted: Vec<usize> = places.into_iter().filter(read).collect();
        let mut items = match wanted.is_empty() {
            true => Vec::new(),
            false => plain.rows(&wanted).items()?,
        }
        .into_iter();
        self.replay.with(|memory, known| {
            for (place, (label, score)) in labels.into_iter().zip(scores).enumerate() {
                let item = wanted.contains(&place).then(|| items.next()).flatten();
                let Some(item) = item else {
                    memory.pass(label, task);
                    continue;
                };
                let kept = Kept::new(item, label, task);
                if memory.len() < most {
                    memory.add(kept)?;
                    known.push(score);
                    continue;
                }
                match self.challenged(memory.seen(), known, score) {
                    Some(place) => {
                        memory.replace(place, kept)?;
                        known[place] = score;
                    }
                    None => memory.pass(label, task),
                }
            }
            Ok::<(), ContinualError>(())
        })?;
        self.replay.offered(count);
        Ok(())
    }

    /// The place of the example that gives way, if one does.
    fn challenged(&self, seen: u64, scores: &[f32], score: f32) -> Option<usize> {
        // Not the generator of the memory, which draws from the seed itself.
        let mut rng = ChaCha8Rng::seed_from_u64(!self.config.seed);
        rng.set_stream(seen);
        let sum: f32 = scores.iter().sum();
        if score >= 1.0 || sum <= 0.0 {
            return None;
        }
        let mut left = rng.random::<f32>() * sum;
        let place = scores.iter().position(|score| {
            left -= score;
            left < 0.0
        })?;
        let gives = rng.random::<f32>() * (scores[place] + score) < scores[place];
        gives.then_some(place)
    }
}

/// The gradients of the losses of single examples, flat, in f32, of length 1; zeros stay zeros.
fn directions<M: Classifier>(model: &M, rows: Vec<M::Batch>) -> Result<Vec<Tensor<1>>> {
    let mut all = Vec::new();
    let loss = |model: &M, row: M::Batch| plain_loss(model, &row);
    for_each_gradient(model, rows, loss, |_, gradient| {
        let parts = gradient.entries().iter();
        let parts = parts.map(|entry| entry.values.clone().cast(FloatDType::F32));
        let flat = Tensor::cat(parts.collect(), 0);
        // By the largest value first: squares of small ones are 0.
        let flat = flat.clone() / flat.abs().max().clamp_min(f32::MIN_POSITIVE);
        let norm = flat
            .clone()
            .square()
            .sum()
            .sqrt()
            .clamp_min(f32::MIN_POSITIVE);
        all.push(flat / norm);
        Ok(())
    })?;
    Ok(all)
}

impl<M: Classifier> Strategy<M> for Gss<M::Batch> {
    fn steps(&self) -> &Steps {
        self.replay.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let count = self.config.replay.unwrap_or(batch.count());
        let drawn = self.replay.draw(model, count, batch)?;
        self.offer(model, batch)?;
        self.replay.rehearsed(model, drawn, self.config.beta, batch)
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let count = self.config.replay.unwrap_or(batch.count());
        let drawn = self.replay.draw(model, count, batch)?;
        self.offer(model, batch)?;
        let own = |own| Ok(cross_entropy(own, batch.labels()).mean());
        self.replay
            .with_rehearsed(model, batch, drawn, self.config.beta, own)
    }

    between_tasks!();
}

/// Scores as they were read, if they are those of the examples.
fn sound<I>(scores: Vec<f32>, memory: &Memory<I>) -> Result<Vec<f32>> {
    let within = scores.iter().all(|score| (0.0..=2.0).contains(score));
    if scores.len() != memory.len() || !within {
        let allowed = "one a kept example, each 0 to 2";
        let found = format!("{scores:?}");
        return Err(ContinualError::range("scores", found, allowed));
    }
    Ok(scores)
}
