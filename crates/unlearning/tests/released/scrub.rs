//! SCRUB, as meghdadk/SCRUB trains: a student on batch statistics, its teacher on running ones.

use burn::optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig};
use regimen_unlearning::methods::train::scrub::ScrubConfig;
use regimen_unlearning::{Prepared, UnlearnConfig};

use super::{FORGOTTEN, Golden, network, parameters};

/// PyTorch's SGD with momentum .9 and weight decay 5e-4.
pub(super) fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init()
}

#[test]
fn scrub_trains_as_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/scrub.csv"));
    let (net, data) = network();
    let forget = Prepared(data.only(|c| c == FORGOTTEN).batches(4));
    let retain = Prepared(data.only(|c| c != FORGOTTEN).batches(8));
    let scrub = ScrubConfig::new().with_gamma(0.9).with_alpha(0.5);
    let mut scrub = scrub.init(&net).unwrap();
    let mut run = UnlearnConfig::new(3).init().unwrap();
    let student = run.run(&net, &mut scrub, &mut sgd(), &mut 0.05, &forget, &retain);
    for (epoch, log) in ["1", "2", "3"].into_iter().zip(run.log()) {
        let near = |what, found: f64| {
            let expected = f64::from(golden.of(what, epoch)[0]);
            assert!(
                (found - expected).abs() < 1e-4,
                "{what}: {found}, {expected}"
            );
        };
        near("min", log.retain.unwrap());
        match epoch {
            "3" => assert_eq!(log.forget, None),
            _ => near("max", log.forget.unwrap()),
        }
    }
    golden.assert_near("after", &parameters(&student.unwrap()), 1e-3);
}
