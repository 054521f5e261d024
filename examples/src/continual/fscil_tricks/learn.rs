//! The base session of an arm, and the sessions after it.

use anyhow::{Context as _, Result, bail};
use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Int, Tensor};
use regimen_continual::few_shot::Tuning;
use regimen_continual::{
    Augment, Backbone as _, Examples, FewShot, FewShotConfig, FewShotNet, PrototypesConfig,
    Sessions, Strategy, SubNetConfig,
};
use regimen_tensor::{Prepared, independent};

use super::arms::{Base, Session, Setting, Tuned};
use super::net::Body;
use super::place::{Draws, Protocol, SESSIONS, plain};
use crate::continual::bed::Batch;
use crate::data::Images;
use crate::experiment::Context;
use crate::optim::adam;

/// Images a step: as many in every arm. Where images are turned, each of a quarter as many comes under all four; a rotation head alone has half
/// of them upright and the same ones turned.
const BATCH: usize = 256;
const RATE: f64 = 2e-3;
/// Units of the hidden layers and of the features.
const HIDDEN: [usize; 3] = [192, 96, 32];
const LARGE: [usize; 2] = [128, 64];

/// The encoder with the heads that its base session trains.
pub(super) type Net = FewShotNet<Body>;

/// A set of images with its sessions.
pub(super) struct Bed<'a> {
    context: &'a Context,
    pub(super) protocol: Protocol,
    seed: u64,
}

/// What an arm gave.
pub(super) struct Found {
    pub(super) sessions: Sessions,
    /// The furthest that a prototype of a base class is from the mean of its features by the final encoder of the base session.
    pub(super) away: f64,
    /// Classes that the base session trained, for each base class.
    pub(super) columns: f64,
}

impl<'a> Bed<'a> {
    /// Of a set, by a seed.
    ///
    /// # Errors
    /// If there are too few classes or images.
    pub(super) fn new(context: &'a Context, images: &Images, seed: u64) -> Result<Self> {
        Ok(Self {
            context,
            protocol: Protocol::new(images, seed)?,
            seed,
        })
    }

    fn body(&self) -> Body {
        let Context { device, full, .. } = self.context;
        device.seed(self.seed);
        let side = self.protocol.train.width;
        let hidden: &[usize] = if *full { &LARGE } else { &HIDDEN };
        Body::new(side, hidden, *full, device)
    }

    fn config(&self, base: &Base, setting: &Setting) -> FewShotConfig {
        let Protocol { base: first, .. } = self.protocol;
        let width = if self.context.full {
            LARGE[1]
        } else {
            HIDDEN[2]
        };
        let folded = self.context.is_broken_by("folded-labels");
        let pseudo = match folded {
            true => regimen_continual::few_shot::PseudoClasses::None,
            false => base.pseudo_classes(),
        };
        FewShotConfig::new((0..first).collect(), self.protocol.classes, width)
            .with_contrast(base.contrast.then_some(setting.contrast))
            .with_simplex(base.simplex.then_some(setting.simplex))
            .with_pseudo(pseudo)
            .with_enlarge(true)
            .with_rotation(base.turns.then_some(setting.turns))
            .with_pretrain(base.pretrain.then_some(setting.tau))
            .with_seed(self.seed)
    }

    /// Trains the base session; `ended` sees the model after each of these numbers of updates.
    ///
    /// # Errors
    /// Those of the losses, and of `ended`.
    pub(super) fn train(
        &self,
        base: &Base,
        setting: &Setting,
        at: &[usize],
        mut ended: impl FnMut(usize, &Net) -> Result<()>,
    ) -> Result<()> {
        let device = &self.context.device;
        let config = self.config(base, setting).with_tuning(Tuning::Full);
        let (mut model, few_shot) = config.init(self.body())?;
        let mut optim = adam(0.999);
        let mut draws = Draws::new(&self.protocol.train, self.seed, device);
        let last = at.iter().copied().max().unwrap_or(0);
        let before = if base.pretrain { setting.before } else { 0 };
        for step in 1..=last {
            let loss = if step <= before {
                let examples = draws.examples(BATCH / 2);
                let (first, second) = (draws.view(&examples), draws.view(&examples));
                few_shot.pretrain_loss(&model, &first, &second)?
            } else {
                let quarters = if base.pseudo || base.rotated { 4 } else { 1 };
                let views = if base.contrast { 2 } else { 1 };
                let passes = if base.turns && !base.pseudo { 2 } else { 1 };
                let examples = draws.examples(BATCH / quarters / views / passes);
                let batch = draws.view(&examples.repeat(views));
                let folded = base.pseudo && self.context.is_broken_by("folded-labels");
                let batch = match base.rotated || folded {
                    true => turned(&batch)?,
                    false => batch,
                };
                few_shot.loss(&model, &batch)?
            };
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = few_shot.optimize(model, &mut optim, RATE, grads);
            if at.contains(&step) {
                ended(step, &model)?;
            }
        }
        if let Err(error) = Strategy::<Net>::status(&few_shot) {
            bail!("{}: a step failed: {error}", base.name);
        }
        Ok(())
    }

    /// The sessions after a base session, from its model: takes prototypes, trains what is to be trained, and tests after each.
    ///
    /// # Errors
    /// Those of the losses.
    pub(super) fn sessions(
        &self,
        base: &Base,
        setting: &Setting,
        model: &Net,
        tuned: Tuned,
        session: Session,
    ) -> Result<Found> {
        let body = self.body();
        let tuning = match tuned {
            Tuned::Nothing => Tuning::Frozen,
            Tuned::Everything => Tuning::Full,
            Tuned::SubNet => Tuning::SubNet(SubNetConfig::new().with_block(vec![body.last()])),
        };
        let config = self.config(base, setting).with_tuning(tuning);
        let (untrained, few_shot) = config.init(body)?;
        let device = &self.context.device;
        let mut model = independent(model);
        let train = plain(&self.protocol.train, device);
        let data = Prepared(vec![train.clone()]);
        if self.context.is_broken_by("early-prototypes") {
            few_shot.after_task(untrained, &data)?;
        } else {
            model = few_shot.after_task(model, &data)?;
        }
        let away = self.away(&few_shot, &model, &train)?;
        let columns = model.head.weight.dims()[1] as f64 / self.protocol.base as f64;
        let base_classes: Vec<usize> = (0..self.protocol.base).collect();
        let mut sessions = Sessions::new(&base_classes)?;
        self.test(&mut sessions, &few_shot, &model, 0)?;
        for (number, shots) in self.protocol.shots.iter().enumerate() {
            if tuned != Tuned::Nothing {
                let seed = self.seed ^ ((number as u64 + 1) << 32);
                let mut draws = Draws::new(shots, seed, device);
                let mut optim = SgdConfig::new().init();
                let all: Vec<usize> = (0..shots.labels.len()).collect();
                for _ in 0..session.steps {
                    let batch = draws.view(&all);
                    let loss = few_shot.loss(&model, &batch)?;
                    let grads = GradientsParams::from_grads(loss.backward(), &model);
                    model = few_shot.optimize(model, &mut optim, session.rate, grads);
                }
            }
            let data = Prepared(vec![plain(shots, device)]);
            model = few_shot.after_task(model, &data)?;
            self.test(&mut sessions, &few_shot, &model, number + 1)?;
        }
        if let Err(error) = Strategy::<Net>::status(&few_shot) {
            bail!("{}: a step of a session failed: {error}", base.name);
        }
        Ok(Found {
            sessions,
            away,
            columns,
        })
    }

    /// An encoder that nothing trained, frozen.
    ///
    /// # Errors
    /// Those of the sessions.
    pub(super) fn untrained(&self, base: &Base, setting: &Setting) -> Result<Found> {
        let (model, _) = self.config(base, setting).init(self.body())?;
        let session = Session {
            steps: 0,
            rate: 0.0,
        };
        self.sessions(base, setting, &model, Tuned::Nothing, session)
    }

    /// Prototypes of the pixels themselves.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn pixels(&self) -> Result<Sessions> {
        let Protocol { base, classes, .. } = self.protocol;
        let device = self.context.device.clone().inner();
        let width = self.protocol.train.pixels_per_image();
        let mut prototypes = PrototypesConfig::new(classes, width).init(&device)?;
        let base: Vec<usize> = (0..base).collect();
        let mut sessions = Sessions::new(&base)?;
        for session in 0..=SESSIONS {
            let images = match session {
                0 => &self.protocol.train,
                _ => &self.protocol.shots[session - 1],
            };
            let (pixels, labels) = plain(images, &device);
            prototypes.add(pixels, labels)?;
            let seen = self.protocol.seen(session);
            let scores = prototypes.logits(plain(&seen, &device).0)?;
            sessions.record(&seen.labels, &best(scores)?)?;
        }
        Ok(sessions)
    }

    fn test(
        &self,
        sessions: &mut Sessions,
        few_shot: &FewShot,
        model: &Net,
        session: usize,
    ) -> Result<()> {
        let seen = self.protocol.seen(session);
        let batch = plain(&seen, &self.context.device.clone().inner());
        let scores = few_shot.logits(&model.valid(), &batch)?;
        sessions.record(&seen.labels, &best(scores)?)?;
        Ok(())
    }

    /// How far the prototypes are from means of the model's features.
    fn away(&self, few_shot: &FewShot, model: &Net, train: &Batch) -> Result<f64> {
        let Protocol { classes, .. } = self.protocol;
        let batch = train.inner();
        let features = model.valid().encoder.features(&batch);
        let [_, width] = features.dims();
        let mut means = PrototypesConfig::new(classes, width).init(&batch.device())?;
        means.add(features, batch.labels())?;
        let apart = means.means() - few_shot.prototypes().means();
        Ok(f64::from(apart.abs().max().into_scalar::<f32>()))
    }
}

/// The batch under all four rotations; labels stay.
fn turned(batch: &Batch) -> Result<Batch> {
    let parts = (0..4).map(|quarters| batch.turned(quarters));
    let parts = parts.collect::<Result<Vec<_>, _>>()?.into_iter();
    parts
        .reduce(Examples::join)
        .context("a batch without images")
}

/// The class with the highest score of each row.
fn best(scores: Tensor<2>) -> Result<Vec<usize>> {
    let best: Tensor<1, Int> = scores.argmax(1).reshape([-1]);
    let best: Vec<i64> = best.try_into_vec_as()?;
    Ok(best.into_iter().map(|class| class as usize).collect())
}

/// Figures in percent, by metric.
///
/// # Errors
/// If there was no session.
pub(super) fn metrics(sessions: &Sessions) -> Result<[(&'static str, f64); 6]> {
    let found = |value: Option<f64>| Ok::<_, anyhow::Error>(100.0 * value.context("no session")?);
    Ok([
        ("main", found(sessions.harmonic())?),
        ("average", found(sessions.average())?),
        ("final", found(sessions.curve().last().copied())?),
        ("base", found(sessions.base())?),
        ("novel", found(sessions.novel())?),
        ("drop", found(sessions.performance_drop())?),
    ])
}
