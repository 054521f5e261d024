//! How the state of continual backpropagation is saved.

use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::utility::Layer;
use super::{ContinualBackprop, Gathered, State};
use crate::ContinualError;
use crate::error::check;
use crate::saved::Saved;

/// What is saved beside the running sums.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    replaced: u64,
    layers: Vec<PlainLayer>,
}

#[derive(Serialize, Deserialize)]
struct PlainLayer {
    ages: Vec<u64>,
    budget: f64,
}

impl Part for ContinualBackprop {
    fn kind(&self) -> String {
        "continual-backprop 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.shared.lock();
        let plain = |layer: &Layer| PlainLayer {
            ages: layer.ages.clone(),
            budget: layer.budget,
        };
        let mut saved = Saved::new(&Plain {
            step: self.shared.steps.taken(),
            replaced: state.replaced,
            layers: state.layers.iter().map(plain).collect(),
        })?;
        for (place, layer) in state.layers.iter().enumerate() {
            if let Some([utility, mean]) = layer.running.clone() {
                saved = saved.with_tensor(&format!("utility {place}"), utility)?;
                saved = saved.with_tensor(&format!("mean {place}"), mean)?;
            }
        }
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let (expected, found) = (self.sizes.len(), plain.layers.len());
        if expected != found {
            return Err(ContinualError::mismatch("layers", expected, found).into());
        }
        let mut layers = Vec::new();
        for (place, (layer, size)) in plain.layers.into_iter().zip(&self.sizes).enumerate() {
            let (ages, budget) = (layer.ages, layer.budget);
            let good = budget >= 0.0 && budget <= *size as f64 + 1.0;
            check("budget", budget, good, "0 to the units of the layer")?;
            let device = Default::default();
            let running = |what| saved.tensor::<1>(&format!("{what} {place}"), &device);
            let running = match (running("utility")?, running("mean")?) {
                (Some(utility), Some(mean)) => Some([utility, mean]),
                (None, None) => None,
                _ => {
                    let what = format!("utilities and means of layer {place} do not fit");
                    return Err(ContinualError::State(what).into());
                }
            };
            let of_running = running.iter().flatten().map(|values| values.dims()[0]);
            for found in of_running.chain([ages.len()]) {
                if found != *size {
                    let what = format!("units of layer {place}");
                    return Err(ContinualError::mismatch(what, size, found).into());
                }
            }
            layers.push(Layer {
                running,
                ages,
                budget,
            });
        }
        *self.shared.lock() = State {
            gathered: Gathered::default(),
            layers,
            replaced: plain.replaced,
        };
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
