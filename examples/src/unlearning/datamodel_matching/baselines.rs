//! Descent and ascent on gradients, on every original at once.

use anyhow::Result;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Job;
use crate::ensemble::{Ensemble, EnsembleData, TrainEnsembleConfig, cross_entropy};

/// Passes over the retain points of the methods that descend.
pub(super) const EPOCHS: usize = 5;
/// Retain points of a member in a step.
pub(super) const BATCH: usize = 20;
/// Steps up the loss of all forget points.
const ASCENTS: usize = 10;
/// Weight of the retain loss of NegGrad+.
const RETAIN: f64 = 0.95;

impl Job {
    /// Every gradient baseline, by name.
    pub(super) fn baselines(
        &self,
        originals: &[Ensemble],
    ) -> Result<Vec<(&'static str, Vec<Ensemble>)>> {
        let all = |unlearn: &dyn Fn(Ensemble) -> Ensemble| -> Vec<Ensemble> {
            originals.iter().cloned().map(unlearn).collect()
        };
        let mut found = vec![
            ("descent on retain", all(&|model| self.descend(model, 1.0))),
            ("ascent, rate 0.05", all(&|model| self.ascend(model, 0.05))),
            ("ascent, rate 0.3", all(&|model| self.ascend(model, 0.3))),
            (
                "ascent, then descent",
                all(&|model| self.descend(self.ascend(model, 0.05), 1.0)),
            ),
            ("NegGrad+", all(&|model| self.descend(model, RETAIN))),
        ];
        let mut shared: Vec<(&'static str, Vec<Ensemble>)> = Vec::new();
        for original in originals {
            for (place, (name, model)) in self.by_shared_loop(original)?.into_iter().enumerate() {
                match shared.get_mut(place) {
                    Some((_, models)) => models.push(model),
                    None => shared.push((name, vec![model])),
                }
            }
        }
        found.extend(shared);
        Ok(found)
    }

    /// `weight` times the retain loss minus the rest times the forget loss, by SGD as in training; every member
    /// sees the retain points in an order of its own.
    fn descend(&self, mut model: Ensemble, weight: f64) -> Ensemble {
        let data = EnsembleData::new(&self.train, &self.context.device);
        let mut optim = TrainEnsembleConfig::new().optimizer();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut orders = vec![self.retain.clone(); model.members()];
        for _ in 0..EPOCHS {
            orders.iter_mut().for_each(|order| order.shuffle(&mut rng));
            for first in (0..self.retain.len() - BATCH).step_by(BATCH) {
                let batches = orders.iter().map(|order| &order[first..first + BATCH]);
                let mut loss = loss(&model, &data, batches) * weight;
                if weight < 1.0 {
                    loss = loss - self.forget_loss(&model, &data) * (1.0 - weight);
                }
                model = step(&mut optim, 0.05, model, loss);
            }
        }
        model
    }

    fn ascend(&self, mut model: Ensemble, rate: f64) -> Ensemble {
        let data = EnsembleData::new(&self.train, &self.context.device);
        let mut optim = SgdConfig::new().init();
        for _ in 0..ASCENTS {
            let loss = -self.forget_loss(&model, &data);
            model = step(&mut optim, rate, model, loss);
        }
        model
    }

    fn forget_loss(&self, model: &Ensemble, data: &EnsembleData) -> Tensor<1> {
        loss(model, data, [self.forget.as_slice()].into_iter())
    }
}

/// The sum over members of the mean cross-entropy of a batch each, or of one for all.
fn loss<'a>(
    model: &Ensemble,
    data: &EnsembleData,
    batches: impl ExactSizeIterator<Item = &'a [usize]>,
) -> Tensor<1> {
    let (images, targets) = data.gather(batches);
    cross_entropy(model.forward(images), targets)
}

fn step(optim: &mut ModuleOptimizer, rate: f64, model: Ensemble, loss: Tensor<1>) -> Ensemble {
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    optim.step(rate, model, grads)
}
