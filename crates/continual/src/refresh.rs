//! # Refresh
//!
//! A small step of unlearning ahead of every training step of any method.
//!
//! Source: Wang et al., "A unified and general framework for continual learning" (arXiv 2403.13249), section 4; the default is the form of
//! the released code (joey-wang123/CL-refresh-learning).

mod moves;
mod windows;

use std::fmt;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{FloatDType, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::{Gradients, ParamEntry, ParamVector, Watch, independent};
use serde::{Deserialize, Serialize};

use self::windows::Windows;
use crate::classifier::Classifier;
use crate::error::{check, positive, strength};
use crate::penalties::{Fisher, finite, fisher};
use crate::saved::Saved;
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy, plain_loss, space};
use crate::{ContinualError, Result};

/// The rule by which [`Refresh`] moves the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Form {
    /// The released code's: `p += delta (n + noise z) / (1 + .001 f)` with `n = ‖p‖ / ‖g‖ g` for each parameter tensor, `z` of a standard
    /// normal distribution.
    Code {
        /// Length of a move as a share of the weights' norm, 0 or more; the released value is 1e-5.
        delta: f64,
        /// Standard deviation of the noise, 0 or more; the released value is 1e-3.
        noise: f64,
    },
    /// The paper's: `steps` times `p += gamma (f + damping)^-1 g + noise (2 gamma (f + damping)^-1)^1/2 z`; before there is Fisher
    /// information, `f + damping` is 1. Far below the learning rate: half of it made training diverge.
    Paper {
        /// Rate of unlearning, 0 or more.
        gamma: f64,
        /// Moves ahead of each training step, at least 1; a gradient each.
        steps: usize,
        /// What noise is multiplied by, 0 or more; the paper's is 1.
        noise: f64,
        /// Added to the Fisher information, above 0.
        damping: f64,
    },
}

impl Form {
    /// The released code's, with noise of 1e-3.
    #[must_use]
    pub fn code(delta: f64) -> Self {
        Self::Code { delta, noise: 1e-3 }
    }

    /// The paper's, with one move, noise of 1 and a damping of 1e-3.
    #[must_use]
    pub fn paper(gamma: f64) -> Self {
        Self::Paper {
            gamma,
            steps: 1,
            noise: 1.0,
            damping: 1e-3,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Code { delta, noise } => {
                strength("delta", delta)?;
                strength("noise", noise)
            }
            Self::Paper {
                gamma,
                steps,
                noise,
                damping,
            } => {
                strength("gamma", gamma)?;
                positive("steps", steps)?;
                strength("noise", noise)?;
                check("damping", damping, damping > 0.0, "above 0")
            }
        }
    }

    /// Whether it moves nothing at all, and how many moves it makes else.
    fn moves(&self) -> usize {
        match *self {
            Self::Code { delta, .. } => usize::from(delta > 0.0),
            Self::Paper { gamma, steps, .. } if gamma > 0.0 => steps,
            Self::Paper { .. } => 0,
        }
    }

    fn noise(&self) -> f64 {
        match *self {
            Self::Code { noise, .. } | Self::Paper { noise, .. } => noise,
        }
    }
}

/// Where a move of [`Refresh`] goes: those that are no ascent are controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Up the loss of the batch: unlearning.
    #[default]
    Ascent,
    /// Down the loss of the batch.
    Descent,
    /// A random direction for each parameter tensor, with the length of the ascent.
    Random,
}

/// Refresh: ahead of each training step the weights move a little up the loss of the batch, and stay there.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `form` | `Form::code(1e-5)` | the rule and its length |
/// | `direction` | `Ascent` | the others are controls |
/// | `restore` | `false` | whether the weights return before the update, as in sharpness-aware minimisation |
/// | `fisher` | `true` | whether moves are divided by the Fisher information of earlier tasks |
/// | `tau` | 1e-5 | `f <- tau f + f_task` at the end of a task, 0 or more |
/// | `examples` | 1024 | examples of a task of which `f_task` is taken, at most ([`Fisher::Weighted`]) |
/// | `seed` | 0 | of noise and random directions |
///
/// A move costs one gradient on a batch. It is taken on a copy: the running statistics of the live network do not see it. To first order,
/// a move and a step minimise the loss and a multiple of the norm of its gradient. Parameters without a gradient are not moved, and their noise
/// is not drawn. The code form with `delta = 0` is the method itself, bit for bit. In half precision a move below the spacing of the numbers
/// has no effect: 1e-5 is below that of bf16.
///
/// In `TrainStep::step`, [`Refresh::unlearn`] gives the moved copy of the model, of which loss and gradients are taken. With
/// accumulation, the first micro-batch of a step decides the move. `TrainStep::optimize` moves the model itself and lets the method update it.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Int, Tensor}};
/// # use burn::optim::{GradientsParams, SgdConfig};
/// use regimen_continual::{Classifier, EwcConfig, RefreshConfig, Strategy};
/// # #[derive(Module, Debug)]
/// # struct Model { head: Linear }
/// # impl Classifier for Model {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn logits(&self, (x, _): &Self::Batch) -> Tensor<2> { self.head.forward(x.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let model = Model { head: LinearConfig::new(2, 2).init(&device) };
/// # let batch = (Tensor::<2>::from_data([[1.0, 2.0]], &device), Tensor::<1, Int>::from_data([0], &device));
/// # let mut optim = SgdConfig::new().init();
///
/// let refresh = RefreshConfig::new().init(&model, EwcConfig::new(100.0).init(&model)?)?;
/// // `TrainStep::step`
/// let moved = refresh.unlearn(&model, &batch)?;
/// let loss = refresh.loss(&moved, &batch)?;
/// let grads = GradientsParams::from_grads(loss.backward(), &moved);
/// // `TrainStep::optimize`
/// let model = refresh.optimize(model, &mut optim, 0.03, grads);
/// # assert!(Strategy::<Model>::status(&refresh).is_ok());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct RefreshConfig {
    /// The rule and its length.
    #[config(default = "Form::code(1e-5)")]
    pub form: Form,
    /// Where a move goes.
    #[config(default = "Direction::Ascent")]
    pub direction: Direction,
    /// Whether the weights return before the update.
    #[config(default = false)]
    pub restore: bool,
    /// Whether moves are divided by the Fisher information of earlier tasks.
    #[config(default = true)]
    pub fisher: bool,
    /// Share of earlier Fisher information that stays when a task ends, 0 or more.
    #[config(default = 1e-5)]
    pub tau: f64,
    /// Examples of a task of which the Fisher information is taken, at most; one backward pass each.
    #[config(default = 1024)]
    pub examples: usize,
    /// Seed of noise and random directions.
    #[config(default = 0)]
    pub seed: u64,
}

impl RefreshConfig {
    /// Around a method of a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a number is outside of its range.
    pub fn init<M: Module, S>(&self, model: &M, strategy: S) -> Result<Refresh<S>> {
        self.form.check()?;
        strength("tau", self.tau)?;
        positive("examples", self.examples)?;
        Ok(Refresh {
            config: self.clone(),
            strategy,
            shared: Shared::new(State {
                space: space(model),
                fisher: None,
                draws: 0,
                windows: Windows::default(),
            }),
        })
    }
}

/// A handle on a method with refresh: clones share its state. See [`RefreshConfig`].
#[derive(Clone)]
pub struct Refresh<S> {
    config: RefreshConfig,
    strategy: S,
    shared: Shared<State>,
}

struct State {
    space: ParamVector,
    fisher: Option<ParamVector>,
    /// Moves so far: each has a stream of the generator of its own.
    draws: u64,
    windows: Windows,
}

/// What is saved beside the Fisher information.
#[derive(Serialize, Deserialize)]
struct Plain {
    draws: u64,
}

impl<S: fmt::Debug> fmt::Debug for Refresh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refresh({:?}, {:?})", self.config.form, self.strategy)
    }
}

impl<S> Refresh<S> {
    /// The method itself.
    pub fn strategy(&self) -> &S {
        &self.strategy
    }

    /// The Fisher information by which moves are divided; none in the first task.
    #[must_use]
    pub fn fisher(&self) -> Option<ParamVector> {
        self.shared.lock().fisher.clone()
    }

    /// Moves so far.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.shared.lock().draws
    }

    /// The model after its move up the cross-entropy of this batch: a copy with the same parameter ids, of which loss and gradients are
    /// taken. Its running statistics are those of the model. The model itself moves in [`Strategy::optimize`].
    ///
    /// A later micro-batch of the same optimizer step gets the same move.
    ///
    /// # Errors
    /// [`ContinualError::NotFinite`] if the gradient is not finite; [`ContinualError::Unsupported`] without autodiff; if the state is of
    /// another model, or the device fails.
    pub fn unlearn<M: Classifier>(&self, model: &M, batch: &M::Batch) -> Result<M> {
        self.unlearn_by(model, |model| Ok(plain_loss(model, batch)))
    }

    /// As [`unlearn`](Self::unlearn) with any loss `[1]`, such as the whole objective of the paper. It is called with copies of the model,
    /// once a move: not with a loss that counts its calls, as those with a memory do.
    ///
    /// # Errors
    /// As for [`unlearn`](Self::unlearn), and those of `loss`.
    pub fn unlearn_by<M: Module>(
        &self,
        model: &M,
        loss: impl Fn(&M) -> Result<Tensor<1>>,
    ) -> Result<M> {
        let steps = self.config.form.moves();
        if steps == 0 {
            return Ok(model.clone());
        }
        let (earlier, fisher, first) = {
            let state = self.shared.lock();
            let earlier = state.windows.open().cloned();
            (earlier, state.fisher.clone(), state.draws)
        };
        if let Some(moves) = earlier {
            return moved(model, &moves);
        }
        let mut total: Option<ParamVector> = None;
        for step in 0..steps as u64 {
            let copy = independent(model);
            let copy = match &total {
                Some(moves) => moved(&copy, moves)?,
                None => copy,
            };
            let moves = self.step(&copy, loss(&copy)?, fisher.as_ref(), first + step)?;
            total = Some(match total {
                Some(before) => before.add(&moves)?,
                None => moves,
            });
        }
        let Some(total) = total else {
            return Ok(model.clone());
        };
        finite("the move of refresh", &total)?;
        let moves = {
            let mut state = self.shared.lock();
            // Another device's copy may have decided meanwhile.
            if state.windows.open().is_none() {
                state.draws = first + steps as u64;
            }
            state.windows.decide(total)
        };
        moved(model, &moves)
    }

    /// One move of the parameters that have a gradient.
    fn step<M: Module>(
        &self,
        model: &M,
        loss: Tensor<1>,
        fisher: Option<&ParamVector>,
        draw: u64,
    ) -> Result<ParamVector> {
        if !loss.is_autodiff() {
            return Err(ContinualError::Unsupported {
                method: "Refresh",
                reason: "its gradients need a model on a device with autodiff".into(),
            });
        }
        let grads = GradientsParams::from_grads(loss.backward(), model);
        let known = with_gradient(model, &grads);
        let weights = ParamVector::of(model).filter(|entry| known.contains(&entry.id));
        let gradient = ParamVector::gradients(model, &grads).widened();
        let gradient = gradient.filter(|entry| known.contains(&entry.id));
        finite("the gradient of the move", &gradient)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(draw);
        let pairs = weights.entries().iter().zip(gradient.entries());
        let entries = pairs.map(|(weight, gradient)| {
            let values = self.of_one(weight, gradient, fisher, &mut rng)?;
            Ok(weight.with_values(values))
        });
        Ok(ParamVector::from_entries(entries.collect::<Result<_>>()?))
    }

    fn of_one(
        &self,
        weight: &ParamEntry,
        gradient: &ParamEntry,
        fisher: Option<&ParamVector>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor<1>> {
        let [p, g] = [weight, gradient].map(|entry| entry.values.clone().cast(FloatDType::F32));
        let g = match self.config.direction {
            Direction::Ascent => g,
            Direction::Descent => -g,
            // A random gradient of the same norm gives a move of the same length.
            Direction::Random => moves::of_the_same_norm(&g, normal(&g, rng)),
        };
        let fisher = fisher.map(|fisher| match fisher.by_path(&weight.path) {
            Some(entry) if entry.shape == weight.shape => {
                let values = entry.values.clone().to_device(&g.device());
                Ok(values.cast(FloatDType::F32))
            }
            found => Err(ContinualError::mismatch(
                format!("Fisher information of `{}`", weight.path),
                format!("{:?}", weight.shape),
                found.map_or("nothing".to_owned(), |entry| format!("{:?}", entry.shape)),
            )),
        });
        let fisher = fisher.transpose()?;
        let z = (self.config.form.noise() > 0.0).then(|| normal(&g, rng));
        Ok(match self.config.form {
            Form::Code { delta, noise } => moves::code((delta, noise, 1e-3), p, g, fisher, z),
            Form::Paper {
                gamma,
                noise,
                damping,
                ..
            } => moves::paper((gamma, noise, damping), g, fisher, z),
        })
    }
}

/// Standard normal values of the host's generator, like a tensor.
fn normal(like: &Tensor<1>, rng: &mut ChaCha8Rng) -> Tensor<1> {
    let count = like.dims()[0];
    let values: Vec<f32> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
    let data = TensorData::new(values, [count]);
    Tensor::from_data(data, (&like.device(), FloatDType::F32.into()))
}

/// The parameters that have a gradient: frozen ones have none.
fn with_gradient<M: Module>(model: &M, grads: &GradientsParams) -> Vec<ParamId> {
    struct Known<'a>(&'a GradientsParams, Vec<ParamId>);
    impl ModuleVisitor for Known<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.get::<D>(param.id).is_some() {
                self.1.push(param.id);
            }
        }
    }
    let mut known = Known(grads, Vec::new());
    model.visit(&mut known);
    known.1
}

/// A copy of a model with these moves added to its parameters, found by their paths; running statistics are shared.
fn moved<M: Module>(model: &M, moves: &ParamVector) -> Result<M> {
    let weights = ParamVector::of(model).filter(|entry| moves.by_path(&entry.path).is_some());
    let moves = moves.rebound(&weights)?;
    Ok(weights.widened().add(&moves)?.write_to(model.clone())?)
}

impl<M: Classifier, S: Strategy<M>> Strategy<M> for Refresh<S> {
    fn steps(&self) -> &Steps {
        self.strategy.steps()
    }

    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.strategy.penalty(model, batch)
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        self.strategy.loss(model, batch)
    }

    fn before_update(&self, model: &M, grads: &mut Gradients) -> Result<()> {
        self.strategy.before_update(model, grads)
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        self.strategy.after_update(model)
    }

    fn changes_updates(&self) -> bool {
        self.strategy.changes_updates()
    }

    fn before_task(&self, model: M, task: &Task) -> Result<M> {
        self.shared.lock().windows = Windows::default();
        self.strategy.before_task(model, task)
    }

    fn after_task(&self, model: M, data: &dyn DataLoader<M::Batch>) -> Result<M> {
        let config = &self.config;
        let new = match config.fisher {
            true => {
                let (examples, seed) = (config.examples, config.seed);
                let new = fisher(
                    &model,
                    data,
                    Fisher::Weighted,
                    examples,
                    seed,
                    &Watch::default(),
                )?;
                let space = self.shared.lock().space.clone();
                Some(new.rebound(&space)?)
            }
            false => None,
        };
        let model = self.strategy.after_task(model, data)?;
        let mut state = self.shared.lock();
        state.windows = Windows::default();
        state.fisher = match (state.fisher.take(), new) {
            (Some(earlier), Some(new)) => Some(new.axpy(config.tau, &earlier)?),
            (earlier, new) => new.or(earlier),
        };
        Ok(model)
    }

    fn logits(&self, model: &M, batch: &M::Batch) -> Result<Tensor<2>> {
        self.strategy.logits(model, batch)
    }

    fn update(
        &self,
        model: M,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: Gradients,
    ) -> M {
        let device = model.devices().into_iter().next().unwrap_or_default();
        let moves = self.shared.lock().windows.take(&device);
        // A step that is left out leaves the weights where they were.
        let moves = moves.filter(|_| !self.config.restore && grads.not_finite(&model).is_none());
        let model = match moves.map(|moves| moved(&model, &moves)) {
            Some(Ok(moved)) => moved,
            Some(Err(error)) => {
                self.strategy.steps().note(error);
                model
            }
            None => model,
        };
        self.strategy.update(model, optim, lr, grads)
    }
}

impl<S: Part> Part for Refresh<S> {
    fn kind(&self) -> String {
        format!("refresh 1 of {}", self.strategy.kind())
    }

    /// The length of its own state, 8 bytes, little end first, then this and the method's.
    fn save(&self) -> Result<Vec<u8>, PartError> {
        let own = {
            let state = self.shared.lock();
            let saved = Saved::new(&Plain { draws: state.draws })?;
            match &state.fisher {
                Some(fisher) => saved.with("fisher", fisher)?,
                None => saved,
            }
        };
        let own = own.to_bytes()?;
        let mut bytes = (own.len() as u64).to_le_bytes().to_vec();
        bytes.extend(own);
        bytes.extend(self.strategy.save()?);
        Ok(bytes)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let short = || ContinualError::State("it ends before its own length".into());
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (own, method) = rest.split_at_checked(length).ok_or_else(short)?;
        let saved = Saved::read(own)?;
        let plain: Plain = saved.state()?;
        let space = self.shared.lock().space.clone();
        let fisher = saved.vector("fisher", &space)?;
        self.strategy.load(method)?;
        let mut state = self.shared.lock();
        (state.fisher, state.draws) = (fisher, plain.draws);
        state.windows = Windows::default();
        Ok(())
    }
}
