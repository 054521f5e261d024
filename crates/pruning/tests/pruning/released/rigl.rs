//! RigL, as google-research/rigl drops and grows.

use burn::optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig};
use burn::tensor::DType;
use regimen_pruning::{Masks, Pruner, RigLConfig};
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;

use super::{Data, Golden, Net, active, flags, gradient, network, of_masks};

fn golden() -> Golden {
    Golden::read(include_str!("../../../golden/residual/rigl.csv"))
}

/// The network with the masks of a run's start, and RigL at its first step.
struct Run {
    net: Net,
    data: Data,
    pruner: Pruner,
    optim: ModuleOptimizer,
}

impl Run {
    fn new(start: &'static str, alpha: f64) -> Self {
        let (net, data) = network(DType::F32);
        let mut masks = Masks::dense(&net).unwrap();
        masks.set(flags(&golden(), start, &masks)).unwrap();
        let config = RigLConfig::new(0.5, 24).with_update_every(4);
        let method = config.with_alpha(alpha).method().unwrap();
        let pruner = Pruner::new(method, masks, 0);
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
        let optim = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
            .init();
        let net = pruner.mask(net).unwrap();
        Self {
            net,
            data,
            pruner,
            optim,
        }
    }

    fn step(mut self, step: usize) -> Self {
        let (images, labels) = self.data.batches(8)[step % 3].clone();
        let loss = cross_entropy(self.net.forward(images), labels).mean();
        let grads = gradient(&self.net, loss);
        self.net = self.pruner.optimize(self.net, &mut self.optim, 0.05, grads);
        self
    }
}

#[test]
fn rigl_trains_as_the_released_code() {
    let golden = golden();
    let mut run = Run::new("quiet start", 0.06);
    for step in 1..=24 {
        let before = active(&run.pruner.masks());
        run = run.step(step);
        let what = match step {
            4 => "quiet mask 4",
            8 => "quiet mask 8",
            12 => "quiet mask 12",
            16 => "quiet mask 16",
            _ => {
                assert_eq!(active(&run.pruner.masks()), before);
                continue;
            }
        };
        let masks = run.pruner.masks();
        assert_eq!(active(&masks), flags(&golden, what, &masks), "{what}");
    }
    run.pruner.status().unwrap();
    assert!(
        run.pruner.state().grown > 30,
        "{}",
        run.pruner.state().grown
    );
    golden.assert_near("quiet after", &ParamVector::of(&run.net), 1e-3);
}

/// The released code keeps the value of a weight that is dropped and grown at one event; here it starts at zero.
#[test]
fn rigl_starts_a_weight_at_zero_that_it_dropped_and_grew() {
    let golden = golden();
    let run = (1..=4).fold(Run::new("paper start", 0.3), Run::step);
    let masks = run.pruner.masks();
    assert_eq!(active(&masks), flags(&golden, "paper mask", &masks));
    let revived = flags(&golden, "paper revived", &masks).into_iter();
    let found = of_masks(&ParamVector::of(&run.net), &masks);
    let values = found.to_host().unwrap().into_iter().zip(revived);
    let mut count = 0;
    for (entry, (found, revived)) in found.entries().iter().zip(values) {
        let expected = golden.ours("paper after", &entry.path, &entry.shape);
        for ((found, expected), revived) in found.iter().zip(expected).zip(revived) {
            if revived {
                assert!(*found == 0.0 && expected != 0.0, "{}", entry.path);
                count += 1;
            } else {
                assert!((found - expected).abs() < 1e-4, "{}", entry.path);
            }
        }
    }
    assert_eq!(count, 28);
}
