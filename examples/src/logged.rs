//! A network whose gradient norms and losses are logged as it trains.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_tensor::{GradientNorms, ScalarLog};

use crate::data::{ImageBatch, TextBatch};
use crate::models::{CharWindow, Mlp};
use crate::train::{classify, predict};

/// A network that logs the norm of its gradients and its loss at every update. The logs stay on the device.
#[derive(Module, Debug)]
pub struct Logged<N: Module + ModuleDisplay> {
    /// The network.
    pub net: N,
    /// The norms.
    #[module(skip)]
    pub norms: GradientNorms,
    /// The losses.
    #[module(skip)]
    pub losses: ScalarLog,
}

impl<N: Module + ModuleDisplay> Logged<N> {
    /// A network with empty logs of these norms and of the losses.
    #[must_use]
    pub fn new(net: N, norms: GradientNorms) -> Self {
        Self {
            net,
            norms,
            losses: ScalarLog::new(),
        }
    }

    fn observed(
        &self,
        output: TrainOutput<ClassificationOutput>,
    ) -> TrainOutput<ClassificationOutput> {
        self.losses.observe(output.item.loss.clone());
        output
    }

    fn updated(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.norms.observe(&self, &grads);
        self.losses.end_update(&self);
        optim.step(lr, self, grads)
    }
}

impl TrainStep for Logged<CharWindow> {
    type Input = TextBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: TextBatch) -> TrainOutput<ClassificationOutput> {
        self.observed(predict(self, batch, &self.net))
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.updated(optim, lr, grads)
    }
}

impl TrainStep for Logged<Mlp> {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        let output = classify(self, batch, |model, images| model.net.forward(images));
        self.observed(output)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.updated(optim, lr, grads)
    }
}
