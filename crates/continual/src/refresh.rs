//! # Refresh
//!
//! A small step of unlearning ahead of every training step of any method.
//!
//! Source: Wang et al., "A unified and general framework for continual learning" (arXiv 2403.13249), section 4; the default is the form of
//! the released code (joey-wang123/CL-refresh-learning).

mod config;
mod moves;
mod saved;
mod walk;
mod windows;

use std::fmt;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{FloatDType, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::{Gradients, ParamEntry, ParamVector, Watch, independent};

pub use self::config::{Direction, Form, RefreshConfig};
use self::walk::{moved, normal, with_gradient};
use self::windows::Windows;
use crate::classifier::Classifier;
use crate::penalties::{Fisher, finite, fisher};
use crate::scenario::Task;
use crate::strategy::{Shared, Steps, Strategy, plain_loss, space};
use crate::{ContinualError, Result};

impl RefreshConfig {
    /// Around a method of a model with these parameters, before the first task.
    ///
    /// # Errors
    /// If a number is outside of its range.
    pub fn init<M: Module, S>(&self, model: &M, strategy: S) -> Result<Refresh<S>> {
        self.check()?;
        Ok(Refresh::new(self.clone(), model, strategy))
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

impl<S: fmt::Debug> fmt::Debug for Refresh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refresh({:?}, {:?})", self.config.form, self.strategy)
    }
}

impl<S> Refresh<S> {
    fn new<M: Module>(config: RefreshConfig, model: &M, strategy: S) -> Self {
        let state = State {
            space: space(model),
            fisher: None,
            draws: 0,
            windows: Windows::default(),
        };
        Self {
            config,
            strategy,
            shared: Shared::new(state),
        }
    }

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
            let moves = self.step(
                &copy,
                loss(&copy)?,
                fisher.as_ref(),
                first.wrapping_add(step),
            )?;
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
                state.draws = first.wrapping_add(steps as u64);
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
        state.fisher = match (state.fisher.clone(), new) {
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
