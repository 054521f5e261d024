//! # Reset
//!
//! Whole layers are made anew on a clock, with their moments: heads, the last layers, or all.
//!
//! Source: Nikishin et al., "The Primacy Bias in Deep Reinforcement Learning" (arXiv 2205.07802), section 5, which keeps the replay buffer.

use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError, json};

use super::draw::Draw;
use super::recycle::{Changed, Renewed, rng};
use super::units::frozen;
use crate::classifier::Classifier;
use crate::error::positive;
use crate::strategy::{Steps, Strategy};
use crate::{ContinualError, Result};

/// The parameters of these layers as new: weights drawn, gains of norms 1, biases and shifts 0, running means 0 and variances 1. A path names a
/// layer or a part of the model that has it in front, an empty one the whole model. Frozen parameters stay.
///
/// Running statistics are changed in all clones that share them. Call [`Renewed::clear`] for the moments, as the papers do.
///
/// # Errors
/// If a path is none of the model's, or `draw` is out of range.
pub fn reset<M: Module>(
    model: M,
    layers: &[String],
    draw: Draw,
    seed: u64,
) -> Result<(M, Renewed)> {
    anew(model, layers, draw, seed, 0)
}

fn anew<M: Module>(
    model: M,
    layers: &[String],
    draw: Draw,
    seed: u64,
    stream: u64,
) -> Result<(M, Renewed)> {
    draw.check()?;
    check(&ParamVector::state(&model), layers)?;
    let frozen = frozen(&model);
    let mut rng = rng(seed, stream);
    let (mut changed, mut renewed) = (Changed::default(), Renewed::default());
    for entry in ParamVector::state(&model).entries() {
        let named = layers.iter().any(|layer| is_in(&entry.path, layer));
        if !named || frozen.contains(&entry.id) {
            continue;
        }
        let values = draw.fresh(entry, &mut rng).cast(entry.dtype);
        changed.set(entry.with_values(values));
        renewed.add(entry, &vec![true; entry.len()]);
    }
    Ok((changed.write(model)?, renewed))
}

fn is_in(path: &str, layer: &str) -> bool {
    let rest = path.strip_prefix(layer);
    layer.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// That each path is one of the model.
fn check(vector: &ParamVector, layers: &[String]) -> Result<()> {
    if layers.is_empty() {
        return Err(ContinualError::Empty("the layers to reset"));
    }
    for layer in layers {
        if !vector
            .entries()
            .iter()
            .any(|entry| is_in(&entry.path, layer))
        {
            let what = format!("the layer `{layer}`");
            return Err(ContinualError::mismatch(
                what,
                "a parameter in the model",
                "none",
            ));
        }
    }
    Ok(())
}

/// Resets on a clock: after every so many updates, the layers are made anew ([`reset`]) and their moments cleared.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `layers` | | paths of layers or parts, an empty one for the whole model |
/// | `every` | | updates from one reset to the next, at least 1 |
/// | `draw` | Burn's own | how weights are drawn |
/// | `seed` | 0 | of these draws |
///
/// A reset forgets: keep the data to learn it again. Where tasks are known, call [`reset`] between them instead.
#[derive(Config, Debug)]
pub struct ResetConfig {
    /// Paths of layers or parts.
    pub layers: Vec<String>,
    /// Updates from one reset to the next.
    pub every: usize,
    /// How weights are drawn.
    #[config(default = "Draw::default()")]
    pub draw: Draw,
    /// Of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl ResetConfig {
    /// For a model with these layers.
    ///
    /// # Errors
    /// If a value is outside of what the table allows, or the model does not have a layer.
    pub fn init<M: Module>(&self, model: &M) -> Result<Reset> {
        positive("every", self.every)?;
        self.draw.check()?;
        check(&ParamVector::state(model), &self.layers)?;
        Ok(Reset {
            config: self.clone(),
            steps: Steps::default(),
        })
    }
}

/// A handle on resets: clones share its count of steps. See [`ResetConfig`].
#[derive(Clone)]
pub struct Reset {
    config: ResetConfig,
    steps: Steps,
}

impl fmt::Debug for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reset(every {})", self.config.every)
    }
}

impl<M: Classifier> Strategy<M> for Reset {
    fn steps(&self) -> &Steps {
        &self.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn after_step(&self, model: M, optim: &mut ModuleOptimizer) -> (M, Result<()>) {
        let (config, step) = (&self.config, self.steps.taken());
        if !step.is_multiple_of(config.every) {
            return (model, Ok(()));
        }
        let stream = (step / config.every) as u64;
        let done = anew(
            model.clone(),
            &config.layers,
            config.draw,
            config.seed,
            stream,
        );
        match done {
            Ok((model, renewed)) => (model, renewed.clear(optim)),
            Err(error) => (model, Err(error)),
        }
    }
}

impl Part for Reset {
    fn kind(&self) -> String {
        "reset 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&self.steps.taken())
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        self.steps.restore(json::load(bytes)?);
        Ok(())
    }
}
