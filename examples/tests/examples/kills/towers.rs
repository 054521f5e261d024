//! Small networks beside the main one: each is trained by something that keeps a state.

use std::error::Error;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Linear as Layer, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use regimen_unlearning::{Classifier, Likelihoods};

pub(super) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Steps of a run.
pub(super) const STEPS: usize = 24;

/// Inputs `[batch, 2]` and labels `[batch]`.
pub(super) type Pairs = (Tensor<2>, Tensor<1, Int>);

/// Gives parameters the same ids in every process: they are in the bytes that are compared.
pub(super) struct Numbered(pub(super) u64);

impl ModuleMapper for Numbered {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let (_, values, mapper) = param.consume();
        Param::from_mapped_value(ParamId::from(self.0), values, mapper)
    }
}

/// A perceptron that tells two classes apart.
#[derive(Module, Debug)]
pub(super) struct Perceptron {
    hidden: Layer,
    head: Layer,
}

impl Classifier for Perceptron {
    type Batch = Pairs;

    fn logits(&self, (inputs, _): &Pairs) -> Tensor<2> {
        self.head.forward(relu(self.hidden.forward(inputs.clone())))
    }

    fn targets((_, labels): &Pairs) -> Tensor<1, Int> {
        labels.clone()
    }
}

/// A network with its optimizer.
pub(super) struct Tower {
    pub(super) model: Perceptron,
    pub(super) optim: ModuleOptimizer,
}

impl Tower {
    pub(super) fn new(first_id: u64, device: &Device) -> Self {
        let model = Perceptron {
            hidden: LinearConfig::new(2, 16).init(device),
            head: LinearConfig::new(16, 2).init(device),
        };
        Self {
            model: model.map(&mut Numbered(first_id)),
            optim: AdamWConfig::new().init(),
        }
    }

    /// The gradients of the mean loss of a batch.
    pub(super) fn gradients(&self, batch: &Pairs) -> GradientsParams {
        let loss = loss(self.model.logits(batch), &batch.1).mean_loss();
        GradientsParams::from_grads(loss.backward(), &self.model)
    }

    /// One step by whatever steps.
    pub(super) fn step(
        &mut self,
        batch: &Pairs,
        optimize: impl FnOnce(Perceptron, &mut ModuleOptimizer, GradientsParams) -> Perceptron,
    ) {
        let grads = self.gradients(batch);
        self.model = optimize(self.model.clone(), &mut self.optim, grads);
    }
}

/// The log-probabilities of labels.
pub(super) fn loss(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Likelihoods {
    Likelihoods::of_logits(logits, labels.clone(), 1)
}
