//! Small networks for continual learning.

use burn::module::{Module, ParamId, RunningState};
use burn::nn::{BatchNorm, BatchNormConfig, Linear as Layer, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use regimen_continual::plasticity::{Activations, Units};
use regimen_continual::projections::Layers;
use regimen_continual::{
    Backbone, Classifier, CosineClassifier, CosineLinear, CosineLinearConfig, Encoder, FewShot,
    FewShotConfig, FewShotNet, Gated, Hat, HatConfig, HatGate, HatGateConfig, Probed, SubNetConfig,
    few_shot::{Contrast, PseudoClasses, Simplex, Tuning},
};

use super::towers::{Numbered, Pairs, Result};

const WIDTH: usize = 6;
const CLASSES: usize = 4;

/// A perceptron with batch norm.
#[derive(Module, Debug)]
pub(super) struct Net {
    hidden: Layer,
    norm: BatchNorm,
    head: Layer,
}

impl Net {
    pub(super) fn new(first_id: u64, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(2, WIDTH).init(device),
            norm: norm(first_id + 100, device),
            head: LinearConfig::new(WIDTH, CLASSES).init(device),
        }
        .map(&mut Numbered(first_id))
    }
}

/// Running statistics keep the ids that they have from the start: a mapper can't give them others.
fn norm(first_id: u64, device: &Device) -> BatchNorm {
    let norm = BatchNormConfig::new(WIDTH).init(device);
    let state = |id: u64, state: &RunningState<Tensor<1>>| {
        RunningState::with_id(ParamId::from(first_id + id), state.value())
    };
    BatchNorm {
        running_mean: state(0, &norm.running_mean),
        running_var: state(1, &norm.running_var),
        ..norm
    }
}

impl Classifier for Net {
    type Batch = Pairs;

    fn logits(&self, batch: &Pairs) -> Tensor<2> {
        self.head.forward(Encoder::features(self, batch))
    }
}

impl Backbone for Net {
    type Batch = Pairs;

    fn features(&self, batch: &Pairs) -> Tensor<2> {
        Encoder::features(self, batch)
    }
}

/// A perceptron with the heads and the handle of few-shot learning, whose base classes are 0 and 1.
pub(super) fn few(first_id: u64, device: &Device) -> Result<(FewShotNet<Net>, FewShot)> {
    let config = FewShotConfig::new(vec![0, 1], CLASSES, WIDTH)
        .with_contrast(Some(Contrast {
            weight: 0.2,
            tau: 0.5,
        }))
        .with_simplex(Some(Simplex::CrossEntropy))
        .with_pseudo(PseudoClasses::Mixtures)
        .with_tuning(Tuning::SubNet(SubNetConfig::new()));
    let (model, handle) = config.init(Net::new(first_id, device))?;
    Ok((model.map(&mut Numbered(first_id)), handle))
}

impl Encoder for Net {
    fn features(&self, (inputs, _): &Pairs) -> Tensor<2> {
        relu(self.norm.forward(self.hidden.forward(inputs.clone())))
    }
}

impl Layers for Net {
    fn layer_inputs(&self, batch: &Pairs) -> regimen_continual::Result<Vec<(String, Tensor<2>)>> {
        Ok(vec![
            ("hidden.weight".into(), batch.0.clone()),
            ("head.weight".into(), Encoder::features(self, batch)),
        ])
    }
}

impl Probed for Net {
    fn probed(&self, batch: &Pairs) -> regimen_continual::Result<(Tensor<2>, Vec<Activations>)> {
        let hidden = Encoder::features(self, batch);
        let logits = self.head.forward(hidden.clone());
        Ok((logits, vec![Activations::flat("hidden", hidden)]))
    }
}

/// The units of [`Net`].
pub(super) fn units() -> Vec<Units> {
    vec![Units::new("hidden").with_norm("norm").before("head")]
}

/// The same with a head of cosines.
#[derive(Module, Debug)]
pub(super) struct Cosines {
    hidden: Layer,
    norm: BatchNorm,
    head: CosineLinear,
}

impl Cosines {
    pub(super) fn new(first_id: u64, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(2, WIDTH).init(device),
            norm: norm(first_id + 100, device),
            head: CosineLinearConfig::new(WIDTH, CLASSES)
                .init(device)
                .unwrap(),
        }
        .map(&mut Numbered(first_id))
    }
}

impl Classifier for Cosines {
    type Batch = Pairs;

    fn logits(&self, batch: &Pairs) -> Tensor<2> {
        self.head.forward(Encoder::features(self, batch))
    }
}

impl Encoder for Cosines {
    fn features(&self, (inputs, _): &Pairs) -> Tensor<2> {
        self.norm.forward(self.hidden.forward(inputs.clone()))
    }
}

impl CosineClassifier for Cosines {
    fn head(&self) -> &CosineLinear {
        &self.head
    }
}

/// The same with gates.
#[derive(Module, Debug)]
pub(super) struct Gates {
    hidden: Layer,
    gate: HatGate,
    head: Layer,
    #[module(skip)]
    hat: Hat,
}

impl Gates {
    /// With the method that its gates ask.
    pub(super) fn new(first_id: u64, device: &Device) -> Result<(Self, Hat)> {
        let layers = vec![
            Gated::new("hidden").before("gate"),
            Gated::new("head").behind("gate"),
        ];
        let hat = HatConfig::new(6).with_layers(layers).init()?;
        let gates = Self {
            hidden: LinearConfig::new(2, WIDTH).init(device),
            gate: HatGateConfig::new(2, WIDTH).init(device)?,
            head: LinearConfig::new(WIDTH, CLASSES).init(device),
            hat: hat.clone(),
        };
        Ok((gates.map(&mut Numbered(first_id)), hat))
    }
}

impl Classifier for Gates {
    type Batch = Pairs;

    fn logits(&self, (inputs, _): &Pairs) -> Tensor<2> {
        let hidden = relu(self.hidden.forward(inputs.clone()));
        self.head.forward(self.gate.forward(hidden, &self.hat))
    }
}
