//! # ShrinkPerturb
//!
//! All weights become smaller, and a little of a fresh network is added.
//!
//! Source: Ash and Adams, "On Warm-Starting Neural Network Training" (arXiv 1910.08475), section 4; the soft reset of D'Oro et al. (SR-SAC) is
//! the form with `shrink + perturb = 1`.

use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Part, PartError, json};

use super::draw::Draw;
use super::recycle::{Changed, rng};
use super::units::frozen;
use crate::Result;
use crate::classifier::Classifier;
use crate::error::{check, positive, share};
use crate::strategy::{Steps, Strategy};

/// `theta <- shrink theta + perturb phi` for all parameters that train, with `phi` a fresh network: weights drawn, gains of norms 1, biases and
/// shifts 0. Running statistics and moments stay.
///
/// # Errors
/// If `shrink` is outside of 0 to 1, `perturb` is negative or above 1,000, or `draw` is out of range.
pub fn shrink_perturb<M: Module>(
    model: M,
    shrink: f64,
    perturb: f64,
    draw: Draw,
    seed: u64,
) -> Result<M> {
    within(shrink, perturb, draw)?;
    moved(model, [shrink, perturb], draw, seed, 0)
}

fn within(shrink: f64, perturb: f64, draw: Draw) -> Result<()> {
    share("shrink", shrink)?;
    let good = (0.0..=1e3).contains(&perturb);
    check("perturb", perturb, good, "0 to 1,000")?;
    draw.check()
}

fn moved<M: Module>(
    model: M,
    [shrink, perturb]: [f64; 2],
    draw: Draw,
    seed: u64,
    stream: u64,
) -> Result<M> {
    let frozen = frozen(&model);
    let mut rng = rng(seed, stream);
    let mut changed = Changed::default();
    for entry in ParamVector::of(&model).entries() {
        if frozen.contains(&entry.id) {
            continue;
        }
        let fresh = draw.fresh(entry, &mut rng);
        let values = mixed(entry.values.clone(), fresh, [shrink, perturb]);
        changed.set(entry.with_values(values.cast(entry.dtype)));
    }
    changed.write(model)
}

/// In f32.
fn mixed(theta: Tensor<1>, phi: Tensor<1>, [shrink, perturb]: [f64; 2]) -> Tensor<1> {
    theta.cast(FloatDType::F32) * shrink + phi * perturb
}

/// Shrinks and perturbs on a clock, after every so many updates ([`shrink_perturb`]).
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `every` | | updates from one time to the next, at least 1 |
/// | `shrink` | .4 | what stays of the weights, 0 to 1 |
/// | `perturb` | .1 | of the fresh network, 0 to 1,000 |
/// | `draw` | Burn's own | how the fresh network is drawn |
/// | `seed` | 0 | of these draws |
///
/// Moments stay. Where tasks are known, call [`shrink_perturb`] between them instead.
#[derive(Config, Debug)]
pub struct ShrinkPerturbConfig {
    /// Updates from one time to the next.
    pub every: usize,
    /// What stays of the weights.
    #[config(default = 0.4)]
    pub shrink: f64,
    /// Of the fresh network.
    #[config(default = 0.1)]
    pub perturb: f64,
    /// How the fresh network is drawn.
    #[config(default = "Draw::default()")]
    pub draw: Draw,
    /// Of these draws.
    #[config(default = 0)]
    pub seed: u64,
}

impl ShrinkPerturbConfig {
    /// Before the first update.
    ///
    /// # Errors
    /// If a value is outside of what the table allows.
    pub fn init(&self) -> Result<ShrinkPerturb> {
        positive("every", self.every)?;
        within(self.shrink, self.perturb, self.draw)?;
        Ok(ShrinkPerturb {
            config: self.clone(),
            steps: Steps::default(),
        })
    }
}

/// A handle on shrinking and perturbing: clones share its count of steps. See [`ShrinkPerturbConfig`].
#[derive(Clone)]
pub struct ShrinkPerturb {
    config: ShrinkPerturbConfig,
    steps: Steps,
}

impl fmt::Debug for ShrinkPerturb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShrinkPerturb(every {})", self.config.every)
    }
}

impl<M: Classifier> Strategy<M> for ShrinkPerturb {
    fn steps(&self) -> &Steps {
        &self.steps
    }

    fn changes_updates(&self) -> bool {
        true
    }

    fn after_update(&self, model: M) -> (M, Result<()>) {
        let (config, step) = (&self.config, self.steps.taken());
        if !step.is_multiple_of(config.every) {
            return (model, Ok(()));
        }
        let (by, stream) = ([config.shrink, config.perturb], step / config.every);
        match moved(model.clone(), by, config.draw, config.seed, stream as u64) {
            Ok(model) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }
}

impl Part for ShrinkPerturb {
    fn kind(&self) -> String {
        "shrink-perturb 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&self.steps.taken())
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        self.steps.restore(json::load(bytes)?);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn by_hand() {
        let tensor = |values: [f32; 2]| Tensor::<1>::from_data(values, &Device::flex());
        let of = |phi, by| -> Vec<f32> {
            let values = mixed(tensor([1.0, -2.0]), tensor(phi), by);
            values.try_into_vec_as().unwrap()
        };
        for (found, expected) in [
            (of([1.0, -1.0], [0.4, 0.01]), [0.41, -0.81]),
            (of([0.1, 0.3], [0.8, 0.2]), [0.82, -1.54]),
        ] {
            let pairs = found.iter().zip(expected);
            assert!(
                pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6),
                "{found:?}"
            );
        }
    }
}
