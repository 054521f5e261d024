//! Both stages of training, and what they are measured by.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_schedules::values::per_length;
use regimen_schedules::{AnySchedule, Between, Bridge, Constant, Curve, Importance};
use regimen_tensor::ParamVector;

use crate::experiment::{Context, Trial};
use crate::hybrid_decoder::{HybridConfig, HybridDecoder, Memory, Pair, PairBatch};
use crate::train::mean;

pub(super) const SWAPPED: &str = "reversed-slide";
pub(super) const NOT_BLOCKED: &str = "open-bridge";

pub(super) const ALONE: &str = "autoregressive only";
pub(super) const ANNEALED: &str = "annealed";
pub(super) const FIXED: &str = "fixed 0.5";
pub(super) const REVERSED: &str = "reversed";
pub(super) const BLOCKED: &str = "second stage, blocked";
pub(super) const OPEN: &str = "second stage, not blocked";
const NO_CROSS: &str = "second stage, own memory only";

/// Draws a pair of an input and its target.
pub(super) type Draw = Box<dyn Fn(&mut ChaCha8Rng) -> Result<Pair>>;

/// What is trained how long.
pub(super) struct Job<'a> {
    context: &'a Context,
    model: HybridConfig,
    /// Draws a pair to train on.
    draw: Draw,
    test: PairBatch,
    seed: u64,
    updates: [usize; 2],
    batch: usize,
    rate: f64,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        context: &'a Context,
        seed: u64,
        model: HybridConfig,
        draw: Draw,
        test: &[Pair],
    ) -> Result<Self> {
        Ok(Self {
            context,
            test: model.batch(test, &context.device.clone().inner())?,
            model,
            draw,
            seed,
            updates: match context {
                Context { full: true, .. } => [1000, 500],
                Context { small: true, .. } => [60, 20],
                _ => UPDATES,
            },
            batch: 64,
            rate: if context.full { 1e-3 } else { 2e-3 },
        })
    }

    pub(super) fn both_stages(&self, trial: &mut Trial, data: &str) -> Result<()> {
        let steps = self.updates[0];
        let line = |from, to| Between::new(from, to, 0, steps, Curve::Linear);
        let (rising, falling) = (line(0.0, 1.0)?, line(1.0, 0.0)?);
        let annealed = if self.context.is_broken_by(SWAPPED) {
            falling
        } else {
            rising
        };
        let arms: [(&str, AnySchedule); 4] = [
            (ALONE, Constant::new(1.0)?.into()),
            (FIXED, Constant::new(0.5)?.into()),
            (REVERSED, falling.into()),
            (ANNEALED, annealed.into()),
        ];
        let mut last = None;
        for (arm, lambda) in arms {
            let arm = format!("{data}{arm}");
            let model = self.first_stage(trial, &arm, &Importance::new(lambda))?;
            self.record(trial, &arm, &model, None)?;
            last = Some(model);
        }
        let Some(annealed) = last else {
            return Ok(());
        };
        let blocked = if self.context.is_broken_by(NOT_BLOCKED) {
            Bridge::Open
        } else {
            Bridge::Blocked
        };
        let own = self.context.full.then_some((NO_CROSS, None));
        let bridges = [(BLOCKED, Some(blocked)), (OPEN, Some(Bridge::Open))];
        for (arm, bridge) in own.into_iter().chain(bridges) {
            let arm = format!("{data}{arm}");
            if let Some(bridge) = bridge {
                let crossed = self.crossing(&annealed, bridge)?;
                trial.record(&arm, "largest gradient over the bridge", crossed);
            }
            let model = self.second_stage(annealed.clone(), bridge)?;
            self.record(trial, &arm, &model, bridge)?;
        }
        Ok(())
    }

    fn sample(&self, rng: &mut ChaCha8Rng) -> Result<PairBatch> {
        let pairs = (0..self.batch).map(|_| (self.draw)(rng));
        let pairs = pairs.collect::<Result<Vec<Pair>>>()?;
        self.model.batch(&pairs, &self.context.device)
    }

    /// All parameters on the weighted losses.
    fn first_stage(
        &self,
        trial: &mut Trial,
        arm: &str,
        importance: &Importance<AnySchedule>,
    ) -> Result<HybridDecoder> {
        let device = &self.context.device;
        device.seed(self.seed);
        let mut model = self.model.init(device);
        let mut optim: ModuleOptimizer = AdamConfig::new().init();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed + 1000);
        let mut curve = Vec::new();
        for step in 0..self.updates[0] {
            let batch = self.sample(&mut rng)?;
            let memory = model.encode(&batch);
            let weights = importance.weights(step)?;
            let nar = || {
                let losses = model.nar_losses(model.both_ways(&memory), &batch);
                per_length(losses, batch.lengths.clone())
            };
            let ar = || generating(&model, &batch, memory.clone());
            let loss = match weights {
                [1.0, _] => ar()?,
                [_, 1.0] => nar()?,
                _ => {
                    let ar = ar()?;
                    if step % 10 == 0 {
                        let value = f64::from(ar.clone().into_scalar::<f32>());
                        curve.push((step as f64, value));
                    }
                    importance.combine(step, ar, nar()?)?
                }
            };
            model = self.update(model, &mut optim, loss);
        }
        trial.curve(arm, curve);
        Ok(model)
    }

    /// The generating decoder's loss alone, with what it attends to joined over a bridge.
    fn second_stage(&self, model: HybridDecoder, bridge: Option<Bridge>) -> Result<HybridDecoder> {
        let mut model = match bridge {
            Some(Bridge::Open) => model,
            _ => model.frozen_nar(),
        };
        let mut optim: ModuleOptimizer = AdamConfig::new().init();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed + 2000);
        for _ in 0..self.updates[1] {
            let batch = self.sample(&mut rng)?;
            let loss = attending(&model, &batch, bridge)?;
            model = self.update(model, &mut optim, loss);
        }
        Ok(model)
    }

    fn update(
        &self,
        model: HybridDecoder,
        optim: &mut ModuleOptimizer,
        loss: Tensor<1>,
    ) -> HybridDecoder {
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optim.step(self.rate, model, gradients)
    }

    /// The largest gradient of the generating decoder's loss in a parameter of the other decoder.
    fn crossing(&self, model: &HybridDecoder, bridge: Bridge) -> Result<f64> {
        let batch = self.sample(&mut ChaCha8Rng::seed_from_u64(self.seed))?;
        let loss = attending(model, &batch, Some(bridge))?;
        let decoder = model.nar_decoder();
        let gradients = GradientsParams::from_grads(loss.backward(), decoder);
        let values = ParamVector::gradients(decoder, &gradients).to_host()?;
        let sizes = values.into_iter().flatten().map(|g| f64::from(g.abs()));
        Ok(sizes.fold(0.0, f64::max))
    }

    fn record(
        &self,
        trial: &mut Trial,
        arm: &str,
        model: &HybridDecoder,
        bridge: Option<Bridge>,
    ) -> Result<()> {
        let (model, test) = (model.valid(), &self.test);
        let memory = model.encode(test);
        let frames = model.both_ways(&memory);
        let nar = model.nar_losses(frames.clone(), test);
        let memory = match bridge {
            Some(bridge) => model.join(bridge, frames, memory)?,
            None => memory,
        };
        let log_probs = model.ar_log_probs(memory, test);
        let ar = model.ar_losses(log_probs.clone(), test);
        let letter =
            |losses| Ok::<_, anyhow::Error>(mean(per_length(losses, test.lengths.clone())?));
        trial.record(arm, "main", letter(ar)?);
        trial.record(arm, "CTC loss, nats a letter", letter(nar)?);
        let right = 100.0 * model.letters_right(log_probs, test);
        trial.record(arm, "letters right, %", right);
        Ok(())
    }
}

/// Updates of the two stages at the usual size.
const UPDATES: [usize; 2] = [260, 80];

/// The generating decoder's loss, per letter.
fn generating(model: &HybridDecoder, batch: &PairBatch, memory: Memory) -> Result<Tensor<1>> {
    let losses = model.ar_losses(model.ar_log_probs(memory, batch), batch);
    Ok(per_length(losses, batch.lengths.clone())?)
}

/// The same with the features of the other decoder in its memory.
fn attending(
    model: &HybridDecoder,
    batch: &PairBatch,
    bridge: Option<Bridge>,
) -> Result<Tensor<1>> {
    let memory = model.encode(batch);
    let memory = match bridge {
        Some(bridge) => model.join(bridge, model.both_ways(&memory), memory)?,
        None => memory,
    };
    generating(model, batch, memory)
}
