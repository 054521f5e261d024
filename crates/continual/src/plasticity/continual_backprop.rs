//! # ContinualBackprop
//!
//! A few units of low utility, old enough to be judged, are made anew all the time.
//!
//! Source: Dohare et al., "Loss of Plasticity in Deep Continual Learning" (arXiv 2306.13812), algorithm 1, and its released code
//! (shibhansh/loss-of-plasticity), which corrects the next bias by 0 because it forgets the mean before: here the correction comes first.

mod saving;
mod utility;

use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::per_example::cross_entropy;

use self::utility::Layer;
use super::activity::Probed;
use super::draw::Draw;
use super::gathered::Gathered;
use super::recycle::{Changed, Renewed, flags, renew, rng};
use super::units::{Found, Known, Units, sizes};
use crate::error::{check, share};
use crate::examples::Examples;
use crate::strategy::{Shared, Steps, Strategy, zero};
use crate::{ContinualError, Result};

/// Continual backpropagation. At every update, for each unit `u <- eta u + (1 - eta) E|h| mean_j |w_out,j|`, and the utility is
/// `u / (1 - eta^age)`. `rho` times the units older than `maturity` is added to a budget; for each whole one in it, the unit of the lowest utility
/// among them is made anew ([`recycle`](crate::plasticity::recycle)): its mean output times its outgoing weights goes to the next bias, its
/// utility and age begin at 0, its moments are cleared.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `layers` | | the hidden layers |
/// | `rho` | 1e-4 | share of the mature units that is replaced at an update, 0 to 1 |
/// | `eta` | .99 | decay of utilities and means, 0 up to, not including, 1 |
/// | `maturity` | 100 | updates after which a unit may be replaced; 20 in the released code of some tasks |
/// | `draw` | Burn's own | how incoming weights are drawn |
/// | `seed` | 0 | of these draws |
///
/// It looks at the activations of every update, in the forward pass of its loss. The moments go through the host when a unit is replaced.
#[derive(Config, Debug)]
pub struct ContinualBackpropConfig {
    /// The hidden layers.
    pub layers: Vec<Units>,
    /// Share of the mature units that is replaced at an update.
    #[config(default = 1e-4)]
    pub rho: f64,
    /// Decay of utilities and means.
    #[config(default = 0.99)]
    pub eta: f64,
    /// Updates after which a unit may be replaced.
    #[config(default = 100)]
    pub maturity: u64,
    /// How incoming weights are drawn.
    #[config(default = "Draw::default()")]
    pub draw: Draw,
    /// Of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl ContinualBackpropConfig {
    /// For a model with these layers.
    ///
    /// # Errors
    /// If a value is outside of what the table allows, or the model does not have a layer.
    pub fn init<M: Module>(&self, model: &M) -> Result<ContinualBackprop> {
        share("rho", self.rho)?;
        let within = (0.0..1.0).contains(&self.eta);
        check("eta", self.eta, within, "0 up to, not including, 1")?;
        self.draw.check()?;
        let sizes = sizes(model, &self.layers)?;
        let layers = sizes.iter().map(|size| Layer::new(*size)).collect();
        Ok(ContinualBackprop {
            config: self.clone(),
            sizes,
            shared: Shared::new(State {
                gathered: Gathered::default(),
                layers,
                replaced: 0,
            }),
        })
    }
}

struct State {
    gathered: Gathered,
    layers: Vec<Layer>,
    /// Units that were replaced.
    replaced: u64,
}

/// A handle on continual backpropagation: clones share its state. See [`ContinualBackpropConfig`].
#[derive(Clone)]
pub struct ContinualBackprop {
    config: ContinualBackpropConfig,
    sizes: Vec<usize>,
    shared: Shared<State>,
}

impl fmt::Debug for ContinualBackprop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContinualBackprop(rho {})", self.config.rho)
    }
}

impl ContinualBackprop {
    /// Units that were replaced so far.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.shared.lock().replaced
    }

    /// The utilities of each layer's units, corrected for their age; none before the first update.
    #[must_use]
    pub fn utilities(&self) -> Vec<Option<Tensor<1>>> {
        let state = self.shared.lock();
        let layers = state.layers.iter();
        layers
            .map(|layer| layer.corrected(self.config.eta))
            .collect()
    }

    fn replace<M: Module>(&self, model: &M) -> Result<Option<(M, Renewed)>> {
        let config = &self.config;
        let mut state = self.shared.lock();
        let activity = state.gathered.take();
        if activity.is_empty() {
            return Err(ContinualError::Empty("the activations of an update"));
        }
        let known = Known::of(model);
        let mut all: Vec<(Vec<bool>, Found)> = Vec::new();
        let mut changed = Changed::default();
        let (mut layers, mut count) = (state.layers.clone(), 0);
        for ((layer, own), [magnitudes, means]) in
            config.layers.iter().zip(&mut layers).zip(activity)
        {
            let Some(found) = known.find(layer)? else {
                continue;
            };
            let outgoing = utility::outgoing(&found);
            own.update(config.eta, magnitudes, means, outgoing);
            let places = own.due(config.rho, config.eta, config.maturity)?;
            if places.is_empty() {
                continue;
            }
            let flags = flags(&found, &places)?;
            own.correct_next(&found, &flags, config.eta, &mut changed);
            own.begin_again(&flags);
            count += places.len() as u64;
            all.push((flags, found));
        }
        let renewal = match count {
            0 => None,
            _ => {
                let mut renewed = Renewed::default();
                let mut rng = rng(config.seed, state.replaced);
                renew(&all, &mut changed, &mut renewed, config.draw, &mut rng);
                Some((changed.write(model.clone())?, renewed))
            }
        };
        state.layers = layers;
        state.replaced = state.replaced.wrapping_add(count);
        Ok(renewal)
    }
}

impl<M: Probed> Strategy<M> for ContinualBackprop {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    /// Zero; it looks at the activations in a second forward pass.
    fn penalty(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let (_, shown) = model.valid().probed(&batch.inner())?;
        let mut state = self.shared.lock();
        state
            .gathered
            .add(&self.config.layers, &self.sizes, &shown)?;
        Ok(zero(&batch.device()))
    }

    fn loss(&self, model: &M, batch: &M::Batch) -> Result<Tensor<1>> {
        let (logits, shown) = model.probed(batch)?;
        let mut state = self.shared.lock();
        state
            .gathered
            .add(&self.config.layers, &self.sizes, &shown)?;
        Ok(cross_entropy(logits.cast(FloatDType::F32), batch.labels()).mean())
    }

    fn after_step(&self, model: M, optim: &mut ModuleOptimizer) -> (M, Result<()>) {
        match self.replace(&model) {
            Ok(Some((model, renewed))) => (model, renewed.clear(optim)),
            Ok(None) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    fn leave_out(&self) {
        self.shared.lock().gathered.clear();
    }
}
