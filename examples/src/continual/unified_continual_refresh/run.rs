//! One run: the tasks one after another by a plan.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use burn::optim::GradientsParams;
use burn::tensor::Device;
use regimen_continual::memory::MemoryConfig;
use regimen_continual::{
    Classifier, DerPlusPlusConfig, ErConfig, EwcConfig, LwfConfig, OnlineEwcConfig, Refresh,
    RefreshConfig, Strategy, plain_loss,
};
use regimen_tensor::{ParamVector, independent};

use super::plan::{Base, Plan, Size};
use super::residual::ResidualNet;
use crate::continual::bed::{Batch, Learned, Net, Part, Training, learn_watched, whole};

/// Below this loss of a batch a rise is lost in the rounding of f32: such steps are not counted.
const LOWEST: f32 = 0.01;

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Class-incremental, after the last task, in percent.
    pub(super) accuracy: f64,
    within: f64,
    pub(super) forgetting: f64,
    /// Gradients of single examples, in thousands.
    gradients: f64,
    updates: f64,
    pub(super) seconds: f64,
    /// Norm of the gradient on held-out data of a task at its end, the mean over tasks.
    norm: Option<f64>,
    /// Share of the steps of unlearning that raised the loss of their batch.
    raised: Option<f64>,
    pub(super) curve: Vec<(f64, f64)>,
}

impl Found {
    pub(super) fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut metrics = vec![
            ("task-incremental", self.within),
            ("forgetting", self.forgetting),
            ("thousand gradients", self.gradients),
            ("updates", self.updates),
            ("seconds", self.seconds),
        ];
        metrics.extend(self.norm.map(|norm| ("gradient norm", norm)));
        metrics.extend(self.raised.map(|raised| ("raised", raised)));
        metrics
    }
}

/// What is looked at beside the run itself, and how long that took.
#[derive(Default)]
struct Probe {
    examples: usize,
    updates: usize,
    counted: usize,
    rose: usize,
    norms: Vec<f64>,
    aside: Duration,
}

impl Probe {
    /// Whether the moved copy has a higher loss on the batch.
    fn look<M: Classifier<Batch = Batch>>(&mut self, model: &M, moved: &M, batch: &Batch) {
        let start = Instant::now();
        // On a copy, as the step of unlearning itself: batch norm takes the batch's own statistics.
        let loss = |model: &M| plain_loss(&independent(model), batch).into_scalar::<f32>();
        let before = loss(model);
        if before >= LOWEST {
            self.counted += 1;
            self.rose += usize::from(loss(moved) > before);
        }
        self.aside += start.elapsed();
    }

    /// The norm of the gradient on the test images of a task that has just ended.
    fn held_out<M: Classifier<Batch = Batch>>(
        &mut self,
        model: &M,
        part: &Part,
        device: &Device,
    ) -> Result<()> {
        let start = Instant::now();
        let copy = independent(model);
        let loss = plain_loss(&copy, &whole(&part.test, device));
        let grads = GradientsParams::from_grads(loss.backward(), &copy);
        let norm = ParamVector::gradients(&copy, &grads).l2();
        self.norms.push(f64::from(norm.into_scalar::<f32>()));
        self.aside += start.elapsed();
        Ok(())
    }
}

/// Learns the tasks by a plan.
///
/// # Errors
/// Those of the method and of the loader.
pub(super) fn run(
    plan: &Plan,
    size: Size,
    parts: &[Part],
    seed: u64,
    device: &Device,
) -> Result<Found> {
    let (images, classes) = (&parts[0].train, parts[0].train.classes);
    device.seed(seed);
    if size.residual {
        let net = ResidualNet::new(images.width, classes, device);
        return by_base(plan, size, net, parts, seed, device);
    }
    let net = Net::new(images.pixels_per_image(), &[100, 100], classes, device);
    by_base(plan, size, net, parts, seed, device)
}

fn by_base<M: Classifier<Batch = Batch>>(
    plan: &Plan,
    size: Size,
    net: M,
    parts: &[Part],
    seed: u64,
    device: &Device,
) -> Result<Found> {
    let memory = MemoryConfig::reservoir(size.memory).with_seed(seed);
    let strength = plan.strength;
    let go = Go {
        plan,
        size,
        parts,
        seed,
        device,
    };
    match plan.base {
        Base::DerPlusPlus => go.with(
            DerPlusPlusConfig::new(memory)
                .with_alpha(strength.alpha)
                .with_beta(strength.beta)
                .with_replay(Some(plan.replay))
                .init(&net)?,
            net,
        ),
        Base::Er => go.with(
            ErConfig::new(memory)
                .with_beta(strength.beta)
                .with_replay(Some(plan.replay))
                .init(&net)?,
            net,
        ),
        Base::OnlineEwc => go.with(
            OnlineEwcConfig::new(strength.lambda)
                .with_examples(size.examples)
                .with_seed(seed)
                .init(&net)?,
            net,
        ),
        Base::Ewc => go.with(
            EwcConfig::new(strength.lambda)
                .with_examples(size.examples)
                .with_seed(seed)
                .init(&net)?,
            net,
        ),
        Base::Lwf => go.with(LwfConfig::new().with_alpha(strength.alpha).init(&net)?, net),
    }
}

struct Go<'a> {
    plan: &'a Plan,
    size: Size,
    parts: &'a [Part],
    seed: u64,
    device: &'a Device,
}

impl Go<'_> {
    fn with<M, S>(&self, strategy: S, net: M) -> Result<Found>
    where
        M: Classifier<Batch = Batch>,
        S: Strategy<M>,
    {
        let (start, mut probe) = (Instant::now(), Probe::default());
        let learned = match &self.plan.refresh {
            Some(config) => self.with_refresh(config, strategy, net, &mut probe),
            None => self.learn(&strategy, net, &mut probe, |model, batch, _| {
                let loss = strategy.loss(model, batch)?;
                Ok(GradientsParams::from_grads(loss.backward(), model))
            }),
        }?;
        let seconds = (start.elapsed() - probe.aside).as_secs_f64();
        self.found(&learned, &probe, seconds)
    }

    /// The three calls of a user's loop.
    fn with_refresh<M, S>(
        &self,
        config: &RefreshConfig,
        strategy: S,
        net: M,
        probe: &mut Probe,
    ) -> Result<Learned<M>>
    where
        M: Classifier<Batch = Batch>,
        S: Strategy<M>,
    {
        let config = config
            .clone()
            .with_seed(self.seed)
            .with_examples(self.size.examples);
        let refresh: Refresh<S> = config.init(&net, strategy)?;
        let looks = self.plan.looks;
        self.learn(&refresh, net, probe, |model, batch, probe| {
            let moved = refresh.unlearn(model, batch)?;
            if looks && probe.updates % 4 == 0 {
                probe.look(model, &moved, batch);
            }
            let loss = refresh.loss(&moved, batch)?;
            Ok(GradientsParams::from_grads(loss.backward(), &moved))
        })
    }

    fn learn<M, S>(
        &self,
        strategy: &S,
        net: M,
        probe: &mut Probe,
        mut gradients: impl FnMut(&M, &Batch, &mut Probe) -> Result<GradientsParams>,
    ) -> Result<Learned<M>>
    where
        M: Classifier<Batch = Batch>,
        S: Strategy<M>,
    {
        let plan = self.plan;
        let training = Training {
            rate: self.size.rate,
            batch: self.size.batch,
            epochs: plan.epochs,
        };
        let probe = std::cell::RefCell::new(probe);
        learn_watched(
            net,
            self.parts,
            &training,
            strategy,
            self.seed,
            self.device,
            |model, batch| {
                let mut probe = probe.borrow_mut();
                let grads = gradients(model, batch, &mut probe)?;
                probe.updates += 1;
                probe.examples += plan.examples(batch.0.dims()[0]);
                Ok(grads)
            },
            |model, part| match plan.looks {
                true => probe.borrow_mut().held_out(model, part, self.device),
                false => Ok(()),
            },
        )
    }

    fn found<M>(&self, learned: &Learned<M>, probe: &Probe, seconds: f64) -> Result<Found> {
        let last = self.parts.len() - 1;
        let curve = (0..=last).map(|task| {
            let accuracy = learned
                .classes
                .average_accuracy(task)
                .context("a task is not measured")?;
            Ok(((task + 1) as f64, accuracy))
        });
        let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
        Ok(Found {
            accuracy: learned.classes.average(),
            within: learned.within.average(),
            forgetting: learned.classes.forgetting(last).unwrap_or(0.0),
            gradients: probe.examples as f64 / 1e3,
            updates: probe.updates as f64,
            seconds,
            norm: share(1, probe.norms.len()).map(|each| each * probe.norms.iter().sum::<f64>()),
            raised: share(probe.rose, probe.counted),
            curve: curve.collect::<Result<_>>()?,
        })
    }
}
