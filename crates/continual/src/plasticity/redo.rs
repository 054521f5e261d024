//! # ReDo
//!
//! Units that hardly fire beside the others of their layer are made anew, again and again.
//!
//! Source: Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning" (arXiv 2302.12902), algorithm 1; the released code
//! (google/dopamine, labs/redo) leaves the moments of biases, which are cleared here.

use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{FloatDType, Tensor};
use rand::seq::index;
use regimen_tensor::checkpoint::{Part, PartError, json};
use regimen_tensor::memory::read;
use regimen_tensor::per_example::cross_entropy;
use serde::{Deserialize, Serialize};

use super::activity::Probed;
use super::draw::Draw;
use super::gathered::Gathered;
use super::meters::scores;
use super::recycle::{Changed, Renewed, flags, renew, rng};
use super::units::{Known, Units, sizes};
use crate::error::{positive, strength};
use crate::examples::Examples;
use crate::strategy::{Shared, Steps, Strategy, zero};
use crate::{ContinualError, Result};

/// Which units are made anew: those that are not the dormant ones are controls, as many as are dormant in each layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// Those with a score of at most `tau`.
    #[default]
    Dormant,
    /// Random ones.
    Random,
    /// Those with the highest scores.
    MostActive,
}

/// ReDo: every so many updates, units with a score `s_i = E|h_i| / (1/H sum_k E|h_k|)` of at most `tau` are made anew
/// ([`recycle`](crate::plasticity::recycle)), with their moments cleared.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `layers` | | the hidden layers; never the output layer |
/// | `tau` | .025 | score up to which a unit is dormant, 0 or more; 0 is exactly dead |
/// | `every` | 1000 | updates from one check to the next, at least 1 |
/// | `which` | dormant | the others are controls |
/// | `draw` | Burn's own | how incoming weights are drawn |
/// | `seed` | 0 | of these draws |
///
/// Scores are those of the batch whose gradients the checked update takes, in the forward pass of its loss: a check costs no pass of its own. With
/// `penalty` in the place of `loss` it costs one. The function that the model computes changes a little where `tau` is above 0.
#[derive(Config, Debug)]
pub struct ReDoConfig {
    /// The hidden layers.
    pub layers: Vec<Units>,
    /// Score up to which a unit is dormant.
    #[config(default = 0.025)]
    pub tau: f64,
    /// Updates from one check to the next.
    #[config(default = 1000)]
    pub every: usize,
    /// Which units are made anew.
    #[config(default = "Which::Dormant")]
    pub which: Which,
    /// How incoming weights are drawn.
    #[config(default = "Draw::default()")]
    pub draw: Draw,
    /// Of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl ReDoConfig {
    /// For a model with these layers.
    ///
    /// # Errors
    /// If a value is outside of what the table allows, or the model does not have a layer.
    pub fn init<M: Module>(&self, model: &M) -> Result<ReDo> {
        strength("tau", self.tau)?;
        positive("every", self.every)?;
        self.draw.check()?;
        Ok(ReDo {
            sizes: sizes(model, &self.layers)?,
            config: self.clone(),
            shared: Shared::new(State::default()),
        })
    }
}

/// The units of a layer that were made anew at a check, with the scores that they had.
#[derive(Clone, Debug, PartialEq)]
pub struct Recycling {
    /// The layer's path.
    pub layer: String,
    /// Its units.
    pub units: Vec<usize>,
    /// Their scores.
    pub scores: Vec<f32>,
}

#[derive(Default)]
struct State {
    gathered: Gathered,
    /// Checks so far: each has a stream of the generator of its own.
    checks: u64,
    recycled: u64,
    last: Vec<Recycling>,
}

/// A handle on ReDo: clones share its state. See [`ReDoConfig`].
#[derive(Clone)]
pub struct ReDo {
    config: ReDoConfig,
    sizes: Vec<usize>,
    shared: Shared<State>,
}

impl fmt::Debug for ReDo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tau, every) = (self.config.tau, self.config.every);
        write!(f, "ReDo(tau {tau}, every {every})")
    }
}

impl ReDo {
    /// Checks so far.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.shared.lock().checks
    }

    /// Units made anew so far.
    #[must_use]
    pub fn recycled(&self) -> u64 {
        self.shared.lock().recycled
    }

    /// What was made anew at the last check, layer by layer; nothing before the first of this process.
    #[must_use]
    pub fn last(&self) -> Vec<Recycling> {
        self.shared.lock().last.clone()
    }

    /// Whether this update of all is one that is checked.
    fn checked(&self, update: usize) -> bool {
        update.is_multiple_of(self.config.every)
    }

    /// Whether the update whose loss is asked for is checked.
    fn is_due(&self) -> bool {
        self.checked(self.shared.steps.taken().saturating_add(1))
    }

    fn choose(&self, scores: &[f32], stream: u64) -> Vec<usize> {
        let places = 0..scores.len();
        let dormant = places.clone();
        let dormant = dormant.filter(|unit| f64::from(scores[*unit]) <= self.config.tau);
        let dormant: Vec<usize> = dormant.collect();
        match self.config.which {
            Which::Dormant => dormant,
            Which::Random => {
                // Not the streams of the weights.
                let mut rng = rng(self.config.seed ^ 0xC0DE, stream);
                index::sample(&mut rng, scores.len(), dormant.len()).into_vec()
            }
            Which::MostActive => {
                let mut all: Vec<usize> = places.collect();
                all.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
                all.truncate(dormant.len());
                all
            }
        }
    }

    fn check<M: Module>(&self, model: &M) -> Result<Option<(M, Renewed)>> {
        let (activity, stream) = {
            let mut state = self.shared.lock();
            (state.gathered.take(), state.checks)
        };
        if activity.is_empty() {
            let what = "the activations of a checked update";
            return Err(ContinualError::Empty(what));
        }
        let config = &self.config;
        let known = Known::of(model);
        let (mut all, mut last) = (Vec::new(), Vec::new());
        for (layer, [magnitudes, _]) in config.layers.iter().zip(activity) {
            let scores = read("scores of units", scores(magnitudes))?;
            if scores.iter().any(|score| !score.is_finite()) {
                let what = format!("the activations of `{}`", layer.layer);
                return Err(ContinualError::NotFinite(what));
            }
            let Some(found) = known.find(layer)? else {
                continue;
            };
            let units = self.choose(&scores, stream);
            all.push((flags(&found, &units)?, found));
            last.push(Recycling {
                layer: layer.layer.clone(),
                scores: units.iter().map(|unit| scores[*unit]).collect(),
                units,
            });
        }
        let count: usize = last.iter().map(|one| one.units.len()).sum();
        let renewal = match count {
            0 => None,
            _ => {
                let (mut changed, mut renewed) = (Changed::default(), Renewed::default());
                let mut rng = rng(config.seed, stream);
                renew(&all, &mut changed, &mut renewed, config.draw, &mut rng);
                Some((changed.write(model.clone())?, renewed))
            }
        };
        let mut state = self.shared.lock();
        state.checks = state.checks.wrapping_add(1);
        state.recycled = state.recycled.wrapping_add(count as u64);
        state.last = last;
        Ok(renewal)
    }
}

impl<M: Probed> Strategy<M> for ReDo {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    /// Zero; where the update is checked, it looks at the activations in a second forward pass.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        if self.is_due() {
            let (_, shown) = model.valid().probed(&batch.inner())?;
            let mut state = self.shared.lock();
            state
                .gathered
                .add(&self.config.layers, &self.sizes, &shown)?;
        }
        Ok(zero(&batch.device()))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let logits = match self.is_due() {
            true => {
                let (logits, shown) = model.probed(batch)?;
                let mut state = self.shared.lock();
                state
                    .gathered
                    .add(&self.config.layers, &self.sizes, &shown)?;
                logits
            }
            false => model.logits(batch),
        };
        Ok(cross_entropy(logits.cast(FloatDType::F32), batch.labels()).mean())
    }

    fn after_step(&self, model: M, optim: &mut ModuleOptimizer) -> (M, Result<()>) {
        if !self.checked(self.shared.steps.taken()) {
            self.shared.lock().gathered.clear();
            return (model, Ok(()));
        }
        match self.check(&model) {
            Ok(Some((model, renewed))) => (model, renewed.clear(optim)),
            Ok(None) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    fn leave_out(&self) {
        self.shared.lock().gathered.clear();
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    checks: u64,
    recycled: u64,
}

impl Part for ReDo {
    fn kind(&self) -> String {
        "redo 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        let state = self.shared.lock();
        json::save(&Plain {
            step: self.shared.steps.taken(),
            checks: state.checks,
            recycled: state.recycled,
        })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let plain: Plain = json::load(bytes)?;
        *self.shared.lock() = State {
            checks: plain.checks,
            recycled: plain.recycled,
            ..State::default()
        };
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
