//! Descent and ascent on gradients, on every original at once.

use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Job;
use crate::ensemble::{Ensemble, cross_entropy};

/// Passes over the retain points of the methods that descend.
const EPOCHS: usize = 5;
/// Steps up the loss of all forget points.
const ASCENTS: usize = 10;
/// Weight of the retain loss of NegGrad+.
const RETAIN: f64 = 0.95;

impl Job {
    /// Every gradient baseline, by name.
    pub(super) fn baselines(&self, originals: &[Ensemble]) -> Vec<(&'static str, Vec<Ensemble>)> {
        let all = |unlearn: &dyn Fn(Ensemble) -> Ensemble| -> Vec<Ensemble> {
            originals.iter().cloned().map(unlearn).collect()
        };
        vec![
            ("descent on retain", all(&|model| self.descend(model, 1.0))),
            ("ascent, rate 0.05", all(&|model| self.ascend(model, 0.05))),
            ("ascent, rate 0.3", all(&|model| self.ascend(model, 0.3))),
            (
                "ascent, then descent",
                all(&|model| self.descend(self.ascend(model, 0.05), 1.0)),
            ),
            ("NegGrad+", all(&|model| self.descend(model, RETAIN))),
        ]
    }

    /// `weight` times the retain loss minus the rest times the forget loss, by SGD as in training.
    fn descend(&self, mut model: Ensemble, weight: f64) -> Ensemble {
        let momentum = MomentumConfig::new().with_dampening(0.0);
        let mut optim = SgdConfig::new().with_momentum(Some(momentum)).init();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut order = self.retain.clone();
        for _ in 0..EPOCHS {
            order.shuffle(&mut rng);
            for batch in order.chunks(20) {
                let mut loss = self.loss(&model, batch) * weight;
                if weight < 1.0 {
                    loss = loss - self.loss(&model, &self.forget) * (1.0 - weight);
                }
                model = step(&mut optim, 0.05, model, loss);
            }
        }
        model
    }

    fn ascend(&self, mut model: Ensemble, rate: f64) -> Ensemble {
        let mut optim = SgdConfig::new().init();
        for _ in 0..ASCENTS {
            let loss = -self.loss(&model, &self.forget);
            model = step(&mut optim, rate, model, loss);
        }
        model
    }

    /// The sum over members of the mean cross-entropy of some training points.
    fn loss(&self, model: &Ensemble, points: &[usize]) -> Tensor<1> {
        let batch = self.train.select(points).batch(&self.context.device);
        let targets = batch.labels.one_hot::<2>(self.train.classes).float();
        let logits = model.forward(batch.images.unsqueeze_dim(0));
        cross_entropy(logits, targets.unsqueeze_dim(0))
    }
}

fn step(optim: &mut ModuleOptimizer, rate: f64, model: Ensemble, loss: Tensor<1>) -> Ensemble {
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    optim.step(rate, model, grads)
}
