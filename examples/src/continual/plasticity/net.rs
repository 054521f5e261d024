//! The network: a perceptron that shows its hidden layers, plain, with layer norm, or with concatenated ReLU.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use regimen_continual::plasticity::{Activations, Units, crelu};
use regimen_continual::{Classifier, Probed};

use crate::continual::bed::Batch;

/// What is done between a layer and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// ReLU.
    Relu,
    /// Layer norm, then ReLU.
    LayerNorm,
    /// Concatenated ReLU of half as many units.
    Crelu,
}

/// Three hidden layers of 64 and a head.
#[derive(Module, Debug)]
pub(super) struct Net {
    hidden: Vec<Linear>,
    norms: Vec<LayerNorm>,
    head: Linear,
    concatenated: bool,
}

/// Units of each hidden layer.
const WIDTH: usize = 64;
/// Hidden layers.
const LAYERS: usize = 3;

impl Net {
    /// Weights are drawn from the device's generator.
    pub(super) fn new(inputs: usize, outputs: usize, between: Between, device: &Device) -> Self {
        let concatenated = between == Between::Crelu;
        let made = if concatenated { WIDTH / 2 } else { WIDTH };
        let layer = |at| {
            let from = if at == 0 { inputs } else { WIDTH };
            LinearConfig::new(from, made).init(device)
        };
        let norms = match between {
            Between::LayerNorm => LAYERS,
            _ => 0,
        };
        Self {
            hidden: (0..LAYERS).map(layer).collect(),
            norms: (0..norms)
                .map(|_| LayerNormConfig::new(WIDTH).init(device))
                .collect(),
            head: LinearConfig::new(WIDTH, outputs).init(device),
            concatenated,
        }
    }

    /// Its hidden layers, for methods that make units anew: of the plain network.
    pub(super) fn units() -> Vec<Units> {
        let next = |at| match at + 1 {
            LAYERS => "head".to_owned(),
            next => format!("hidden.{next}"),
        };
        (0..LAYERS)
            .map(|at| Units::new(format!("hidden.{at}")).before(next(at)))
            .collect()
    }

    /// The outputs, and what leaves each hidden layer.
    pub(super) fn shown(
        &self,
        inputs: Tensor<2>,
    ) -> regimen_continual::Result<(Tensor<2>, Vec<Activations>)> {
        let (mut x, mut shown) = (inputs, Vec::new());
        for (at, layer) in self.hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(at) {
                x = norm.forward(x);
            }
            x = match self.concatenated {
                true => crelu(x, 1)?,
                false => relu(x),
            };
            shown.push(Activations::flat(format!("hidden.{at}"), x.clone()));
        }
        Ok((self.head.forward(x), shown))
    }

    /// The outputs alone.
    pub(super) fn outputs(&self, inputs: Tensor<2>) -> Tensor<2> {
        let mut x = inputs;
        for (at, layer) in self.hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(at) {
                x = norm.forward(x);
            }
            x = match self.concatenated {
                true => Tensor::cat(vec![relu(x.clone()), relu(-x)], 1),
                false => relu(x),
            };
        }
        self.head.forward(x)
    }
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, (images, _): &Batch) -> Tensor<2> {
        self.outputs(images.clone())
    }
}

impl Probed for Net {
    fn probed(
        &self,
        (images, _): &Batch,
    ) -> regimen_continual::Result<(Tensor<2>, Vec<Activations>)> {
        self.shown(images.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_those_of_the_pass_that_shows_the_layers() {
        let device = Device::default();
        for between in [Between::Relu, Between::LayerNorm, Between::Crelu] {
            let net = Net::new(9, 4, between, &device);
            let inputs = Tensor::<2>::ones([5, 9], &device);
            let (shown, activations) = net.shown(inputs.clone()).unwrap();
            let plain = net.outputs(inputs).try_into_vec_as::<f32>().unwrap();
            assert_eq!(shown.try_into_vec_as::<f32>().unwrap(), plain);
            assert!(
                activations
                    .iter()
                    .all(|one| one.values.dims() == [5, WIDTH, 1])
            );
        }
    }
}
